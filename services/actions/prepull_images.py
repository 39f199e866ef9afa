"""Put images on the nodes of a pool before pods need them, and keep them there, or no longer."""

from collections.abc import Sequence

from services.actions import prepull_steps as steps
from services.actions.base import Action, Effect, Verdict
from services.domain.change import patch
from services.domain.change.patch import at
from services.domain.change.plan import Draft, Plan, Risk, Step, StepKind
from services.domain.objects import Node
from services.domain.prepull import DAEMONSET, PrepullParams, guards, held, proof
from services.domain.prepull import objects as made
from services.domain.prepull.words import images as counted
from services.domain.prepull.words import named
from services.domain.prepull.words import nodes as so_many
from services.domain.startup.imagenames import canonical
from services.errors import Refused
from services.headroom import stores
from services.ports import ClusterSource, Sources, StoreState

__all__ = ["PrepullImages", "PrepullParams"]

STAYS = "They stay on the disks until the kubelet needs the room."


class PrepullImages(Action[PrepullParams]):
    """Pull images to the nodes of a pool ahead of the pods that need them; nodes that join later pull them too."""

    name, title, risk, params = "prepull-images", "Pre-pull images", Risk.MEDIUM, PrepullParams
    verify_within_s = 1800.0

    def plan(self, params: PrepullParams, sources: Sources) -> Draft:
        """What keeps the images is created or gets them added; images that are kept already are left alone."""
        source = sources.clusters.get(params.cluster)
        if source is None:
            raise Refused(f"There is no cluster called {params.cluster[:60]}.")
        asked = guards.once(params.images)
        wrong = guards.unfit([*asked, *([params.tool] if params.tool else [])])
        if wrong:
            raise Refused(wrong)
        if params.remove:
            return _removal(source, params, asked)
        if not asked:
            raise Refused("Name at least one image.")
        live = steps.read(source.cluster, steps.daemonset(params.cluster, params.pool))
        seen = steps.look(sources, source, params, asked, live.body if live else None)
        found, answer = seen.pool, seen.answer
        if answer.refusal:
            raise Refused(answer.refusal)
        number = so_many(len(found.ready))
        draft = Draft(f"Pool {params.pool}: pull {counted(asked)} ahead on {number}")
        steps.into_namespace(draft, source.cluster, params.cluster)
        if seen.way == DAEMONSET:
            steps.keep_by_daemonset(draft, live, found, seen.survey, params)
        else:
            steps.keep_by_jobs(draft, source, found, seen.survey, params)
        if not any(step.ref.kind in ("DaemonSet", "ImagePullJob") for step in draft.steps):
            draft.steps.clear()
            return draft
        draft.blast.extend([*answer.blast, *([seen.why] if seen.why else [])])
        draft.warnings.extend(
            [*([f"What is known may be old: {found.stale}"] if found.stale else []), *answer.warnings]
        )
        return draft

    def verify(self, plan: Plan, sources: Sources) -> Verdict:
        """What the nodes list, and where their lists do not tell what the pods that pull say."""
        params = self.parsed(plan.params)
        source = sources.clusters[params.cluster]
        if params.remove:
            return _left(source, _gone(plan.steps), plan)
        images = _brought(plan.steps)
        lost = _lost(source, plan, images)
        if lost:
            return Verdict(Effect.FAILED, lost)
        if source.cluster.snapshot("nodes").state is not StoreState.READY:
            return Verdict(Effect.WAITING, "What nodes list cannot be read now.")
        ready, away, _ = steps.members(sources, source, params.pool)
        return _seen(source, plan, ready, images, away)

    def undo(self, plan: Plan, landed: Sequence[Step], sources: Sources) -> Draft | None:
        """What was added is kept no longer; what others added since stays. A removal is taken back step by step."""
        params = self.parsed(plan.params)
        if params.remove:
            return None
        source = sources.clusters[params.cluster]
        draft = Draft(f"Take back: {plan.summary}", blast=[STAYS])
        created = {step.ref.kind for step in landed if step.kind is StepKind.CREATE}
        if not created:
            for step in landed:
                if step.kind is StepKind.PATCH and _as_left(draft, source, step):
                    return draft
        removed: list[str] = []
        if created != {"Namespace"}:
            removed = steps.let_go(draft, source, params, {canonical(one) for one in _brought(landed)} or {""})
        if "Namespace" in created:
            steps.clear_namespace(draft, source, params.cluster, removed)
        return draft

    def verify_undo(self, plan: Plan, sources: Sources) -> Verdict:
        """That nothing keeps the images any more; of a removal that was taken back, that its steps were done."""
        params = self.parsed(plan.params)
        if params.remove:
            return super().verify_undo(plan, sources)
        return _left(sources.clusters[params.cluster], _gone(plan.steps), plan)


def _removal(source: ClusterSource, params: PrepullParams, asked: Sequence[str]) -> Draft:
    what = counted(asked) if asked else "all images"
    draft = Draft(f"Pool {params.pool}: {what} no longer kept")
    removed = steps.let_go(draft, source, params, {canonical(image) for image in asked})
    if not draft.steps:
        return draft
    steps.clear_namespace(draft, source, params.cluster, removed)
    draft.blast.append(f"Nodes that join pool {params.pool} pull {what} when a pod needs them. {STAYS}")
    return draft


def _as_left(draft: Draft, source: ClusterSource, step: Step) -> bool:
    """Put all fields of a change back, where nobody changed them since; a server's own defaults are no change."""
    live = steps.read(source.cluster, step.ref)
    if live is None or not patch.covers(live.body, step.body):
        return False
    return draft.set(live, step.before, f"Put {step.ref} back")


def _named(step: Step, part: str) -> dict[str, str]:
    """Images by canonical name that the object of a step keeps, in the ``body`` or ``before`` of the step."""
    if step.ref.kind == "ImagePullJob":
        image = at(getattr(step, part), ("spec", "image"))
        return {canonical(str(image)): str(image)} if image else {}
    return {canonical(image): image for image in made.images_in(getattr(step, part))}


def _brought(plan_steps: Sequence[Step]) -> list[str]:
    """The images steps add. Not from the parameters: those are kept with what looks secret hidden."""
    found: dict[str, str] = {}
    for step in plan_steps:
        if step.kind in (StepKind.CREATE, StepKind.PATCH):
            before = _named(step, "before")
            found |= {key: image for key, image in _named(step, "body").items() if key not in before}
    return list(found.values())


def _gone(plan_steps: Sequence[Step]) -> list[str]:
    """The images steps take away."""
    found: dict[str, str] = {}
    for step in plan_steps:
        if step.kind in (StepKind.DELETE, StepKind.PATCH):
            after = _named(step, "body")
            found |= {key: image for key, image in _named(step, "before").items() if key not in after}
    return list(found.values())


def _lost(source: ClusterSource, plan: Plan, images: Sequence[str]) -> str:
    """What somebody has done to what was made; "" when it is there with the images."""
    for ref in (one for one in plan.refs if one.kind in ("DaemonSet", "ImagePullJob")):
        live = steps.read(source.cluster, ref)
        if live is None:
            return f"{ref} is gone again."
        if ref.kind == "DaemonSet":
            there = {canonical(image) for image in made.images_in(live.body)}
            left_out = [image for image in images if canonical(image) not in there]
            if left_out:
                return f"{ref} keeps {named(left_out)} no longer: it was changed since."
    return ""


def _seen(
    source: ClusterSource, plan: Plan, ready: Sequence[Node], images: Sequence[str], away: Sequence[str]
) -> Verdict:
    if not images:
        return Verdict(Effect.DONE, "The images were kept already; only how they come to the nodes was changed.")
    holdings = held.look(ready, images, {})
    sets = [ref for ref in plan.refs if ref.kind == "DaemonSet"]
    pods = [pod for ref in sets for pod in proof.pods_of(stores.pods(source), ref.name)]
    troubles = proof.troubles(pods) if sets else _refused(source, plan)
    names = [node.metadata.name for node in ready]
    shown = proof.proof(holdings, names, ran=proof.ran(pods), troubles=troubles, away=away)
    effect = Effect.DONE if shown.done else Effect.FAILED if shown.hopeless else Effect.WAITING
    return Verdict(
        effect, f"{shown.says} What was made stays until it is taken back." if shown.hopeless else shown.says
    )


def _refused(source: ClusterSource, plan: Plan) -> list[proof.Trouble]:
    """Nodes on which OpenKruise gave up, by the jobs' own word."""
    found = []
    for ref in (one for one in plan.refs if one.kind == "ImagePullJob"):
        live = steps.read(source.cluster, ref)
        body = {} if live is None else live.body
        image = canonical(str(at(body, ("spec", "image")) or ""))
        says = f"OpenKruise gave up. {at(body, ('status', 'message')) or ''}".strip()
        found += [proof.Trouble(str(node), image, says) for node in at(body, ("status", "failedNodes")) or ()]
    return found


def _left(source: ClusterSource, images: Sequence[str], plan: Plan) -> Verdict:
    """Whether nothing keeps the images any more."""
    gone = {canonical(image) for image in images}
    for ref in (one for one in plan.refs if one.kind in ("DaemonSet", "ImagePullJob")):
        live = steps.read(source.cluster, ref)
        if live is None:
            waiting = proof.pods_of(stores.pods(source), ref.name)
        elif live.meta.get("deletionTimestamp"):
            return Verdict(Effect.WAITING, f"{ref} is being deleted.")
        elif ref.kind == "ImagePullJob" or gone & {canonical(image) for image in made.images_in(live.body)}:
            return Verdict(Effect.FAILED, f"{ref} keeps them again.")
        else:
            waiting = []
        if waiting:
            return Verdict(Effect.WAITING, f"{len(waiting)} of the pods that pulled are still there.")
    what = counted(list(images)) if images else "images"
    return Verdict(Effect.DONE, f"Nothing keeps {what} on these nodes any more. {STAYS}")
