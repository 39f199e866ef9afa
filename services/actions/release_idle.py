"""Give back GPUs that are held and idle: scale their workload down to what is used, or suspend its Job."""

from services import snapshots
from services.actions import release_steps as steps
from services.actions.base import Action, Effect, Verdict
from services.actions.release_steps import Look, Release
from services.domain.change import patch
from services.domain.change.plan import Draft, Plan, Risk, Step, StepKind
from services.domain.change.promise import Promise
from services.domain.change.refs import Live
from services.domain.release import KEEP, ReleaseParams
from services.errors import NotFound, Refused
from services.ports import Sources

__all__ = ["ReleaseIdle", "ReleaseParams"]


class ReleaseIdle(Action[ReleaseParams]):
    """Release GPUs of a workload whose pods have nothing to do, after its owner was told and had time to object."""

    name, title, risk, params = "release-idle", "Release idle GPUs", Risk.MEDIUM, ReleaseParams
    verify_within_s = 300.0

    def plan(self, params: ReleaseParams, sources: Sources) -> Draft:
        """Tell the owner, wait, and scale to what is used; whoever works meanwhile is left alone."""
        found = steps.look(params, sources)
        draft = Draft(_summary(params, found), on_failure="compensate")
        if not any(one.pods for one in found.releases):
            return draft
        source = sources.clusters[params.cluster]
        told = steps.notice(params, found, sources.now())
        for one in found.releases:
            draft.set(one.live, told, f"Tell the owner of {one.live.ref}")
        if params.grace_minutes:
            says = f"Give the owner {params.grace_minutes} minutes to object"
            draft.pause(found.releases[0].live.ref, params.grace_minutes * 60.0, says)
        for one in found.releases:
            if one.live.ref.kind == "Deployment" and one.stay:
                for pod in one.pods:
                    live, fields = steps.chosen_first(pod, source)
                    draft.set(live, fields, f"Let {live.ref} be the first to end", group=one.live.ref.name)
            after = Live(one.live.ref, patch.applied(one.live.body, told))
            draft.set(after, one.fields, _says(one), group=one.live.ref.name)
        _tell(draft, params, found)
        part = {"cluster": params.cluster, "namespace": params.namespace, "workload": params.workload, "kind": "held"}
        draft.promise = Promise(steps.micro_per_day(found.usd_per_day), part)
        return draft

    def recheck(self, plan: Plan, step: Step, sources: Sources) -> None:
        """That what is about to be scaled down or suspended is as idle as it was planned, by fresh metrics."""
        wanted = step.body.get("spec")
        if wanted is None:
            return
        live = sources.clusters[step.ref.cluster].cluster.read(step.ref)
        if patch.before(live.body, step.body) != step.before:
            return  # somebody set another number: the step itself says so
        found = steps.look(self.parsed(plan.params), sources)
        now = next((one for one in found.releases if one.live.ref == step.ref), None)
        if now is None or now.fields["spec"] != wanted:
            raise Refused(
                f"{step.ref} is in use again: other pods of it are idle than were planned to go.",
                hint="Plan the release anew.",
            )

    def verify(self, plan: Plan, sources: Sources) -> Verdict:
        """That the objects ask for no more than was set, and their pods beyond that are gone."""
        params = self.parsed(plan.params)
        source = sources.clusters[params.cluster]
        for step in _scalings(plan):
            try:
                body = source.cluster.read(step.ref).body
            except NotFound:
                continue  # a Job that is gone holds nothing
            if not patch.holds(body, step.body):
                return Verdict(Effect.FAILED, f"Somebody changed {step.ref} since: it is not as it was set.")
        stock = snapshots.read(sources, source).value
        if stock is None:
            return Verdict(Effect.WAITING, "Pods cannot be read now.")
        rows = stock.pods
        mine = rows[rows["namespace"].eq(params.namespace) & rows["workload"].eq(params.workload) & rows["node"].ne("")]
        most = _most(plan)
        if most is not None and len(mine) > most:
            return Verdict(Effect.WAITING, f"{_pods(len(mine))} of {params.workload} still hold GPUs.")
        left = f"{_pods(len(mine))} of it went on" if len(mine) else "none of its pods is left"
        return Verdict(Effect.DONE, f"{params.workload} gave back its idle GPUs; {left}.")


def _scalings(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if step.kind is StepKind.PATCH and "spec" in step.body]


def _most(plan: Plan) -> int | None:
    """Pods that may stay; None where a CronJob goes on making others."""
    if plan.params["kind"] == "CronJob":
        return None
    return sum(int(step.body["spec"].get("replicas", 0)) for step in _scalings(plan))


def _summary(params: ReleaseParams, found: Look) -> str:
    what = f"{params.namespace}/{params.workload}"
    kinds = {one.live.ref.kind for one in found.releases}
    if kinds == {"Job"}:
        return f"{what}: suspended, {steps.gpus(found.gpus)} given back"
    to = ", ".join(str(one.target) for one in found.releases)
    return f"{what}: to {to} replicas, {steps.gpus(found.gpus)} given back"


def _says(one: Release) -> str:
    if one.target is None:
        return f"Suspend {one.live.ref}"
    was = patch.at(one.live.body, ("spec", "replicas"))
    return f"Scale {one.live.ref} from {1 if was is None else was} to {one.target}"


def _tell(draft: Draft, params: ReleaseParams, found: Look) -> None:
    pods = sum(len(one.pods) for one in found.releases)
    money = "" if found.usd_per_day is None else f", ${found.usd_per_day:,.2f} a day"
    draft.blast.append(f"{_pods(pods)} with {steps.gpus(found.gpus)} {'ends' if pods == 1 else 'end'}{money}.")
    if found.busy:
        draft.blast.append(f"{_pods(found.busy)} of {params.workload} {'stays' if found.busy == 1 else 'stay'}.")
    if params.grace_minutes:
        draft.blast.append(
            f"The owner is told by an annotation and has {params.grace_minutes} minutes: the label {KEEP}=true, or any "
            "work on the GPUs, stops it."
        )
    else:
        draft.warnings.append("Without a grace time the owner is told at the moment of the change.")
    draft.blast.append("Undo brings back as many as there were; what the pods had only in memory is lost.")
    if any(one.target is None for one in found.releases):
        draft.warnings.append("A suspended Job's pods end at once; a resumed one starts them anew, from what it saved.")
    if any(one.stay for one in found.releases):
        draft.warnings.append(
            "Which pods of a Deployment end is up to its ReplicaSet; the idle ones are marked to be the first."
        )
    draft.warnings.extend(found.warnings)


def _pods(number: int) -> str:
    return "1 pod" if number == 1 else f"{number} pods"
