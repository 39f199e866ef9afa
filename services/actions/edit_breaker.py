"""Change a circuit breaker of the service mesh: a DestinationRule of Istio."""

from collections.abc import Sequence
from dataclasses import replace

from services.actions.base import Action, Effect, Verdict
from services.domain import breakers
from services.domain.breakers import Rule, edit
from services.domain.breakers.edit import BreakerParams
from services.domain.change import patch
from services.domain.change.plan import Draft, Plan, Risk, Step, StepKind
from services.domain.change.refs import Live, Ref
from services.domain.kinds import KINDS
from services.domain.objects import Generic
from services.errors import NotFound, Refused
from services.ports import ClusterSource, Sources, StoreState

__all__ = ["BreakerParams", "EditBreaker"]

KIND = "DestinationRule"


class EditBreaker(Action[BreakerParams]):
    """Set fields of the rule for a host, and only those; make one where there is none."""

    name, title, risk, params = "edit-breaker", "Change circuit breaker", Risk.MEDIUM, BreakerParams

    def plan(self, params: BreakerParams, sources: Sources) -> Draft:
        """One merge patch, or one new rule. Raises Refused for what is out of bounds or in conflict."""
        source = sources.clusters.get(params.cluster)
        if source is None:
            raise Refused(f"There is no cluster called {params.cluster}.")
        said = edit.unfit(params)
        if said:
            raise Refused(said)
        rules = _rules(source)
        live = _read(source, params.namespace, params.name) if params.name else None
        if live is None and not params.host:
            raise Refused(f"There is no DestinationRule {params.namespace}/{params.name}, and no host to make one for.")
        if live is not None:
            mine = breakers.read(live.body)
            rules = [one for one in rules if (one.namespace, one.name) != (mine.namespace, mine.name)] + [mine]
        said = edit.refusal(params, rules)
        if said:
            raise Refused(said)
        return _made(params, source, rules) if live is None else _changed(params, live)

    def verify(self, plan: Plan, sources: Sources) -> Verdict:
        """That the rule says what was set. When proxies follow is not told by the cluster."""
        for step in plan.steps:
            try:
                body = sources.clusters[step.ref.cluster].cluster.read(step.ref).body
            except NotFound:
                return Verdict(Effect.FAILED, f"{step.ref} is gone again.")
            if not _says_so(body, step):
                return Verdict(Effect.FAILED, f"Somebody changed {step.ref} since: it is not as it was set.")
        return Verdict(Effect.DONE, "The rule is as it was set; proxies follow within seconds.")


def _says_so(body: object, step: Step) -> bool:
    wanted = {"spec": step.body["spec"]}
    return patch.holds(body, wanted)


def _rules(source: ClusterSource) -> list[Rule]:
    store = source.cluster.snapshot("destinationrules")
    if store.state is StoreState.ABSENT:
        raise Refused(f"{source.name} has no DestinationRules: Istio is not installed there.")
    if store.state is not StoreState.READY:
        raise Refused(f"The DestinationRules of {source.name} cannot be read now. Try again in a minute.")
    return [breakers.stored(one) for one in store.objects if isinstance(one, Generic)]


def _read(source: ClusterSource, namespace: str, name: str) -> Live | None:
    for api in KINDS["destinationrules"].groups:
        try:
            return source.cluster.read(Ref.of(source.name, KIND, name, namespace, api=api))
        except NotFound:
            continue
    return None


def _version(source: ClusterSource, rules: Sequence[Rule]) -> str:
    """The API version rules are served in, as far as one can be read."""
    live = _read(source, rules[0].namespace, rules[0].name) if rules else None
    return KINDS["destinationrules"].groups[0] if live is None else live.ref.api


def _changed(params: BreakerParams, live: Live) -> Draft:
    mine = breakers.read(live.body)
    top = next((one for one in mine.policies if not one.subset and not one.port), None)
    wanted = edit.fields(params, top)
    draft = Draft(f"Circuit breaker {mine.namespace}/{mine.name} for {mine.host}", on_failure="compensate")
    if not draft.set(live, wanted, f"Set fields of {live.ref}"):
        return draft
    step = draft.steps[-1]
    body = edit.back(live.body, step.body)
    was = patch.before(patch.applied(live.body, step.body), body)
    undo = Step(StepKind.PATCH, live.ref, body, was, live.uid, f"Put {live.ref} back")
    draft.steps[-1] = replace(step, compensation=undo)
    others = [one for one in mine.policies if (one.subset or one.port) and one.outlier is not None]
    if others:
        draft.warnings.append(f"Policies of their own stay as they are: {'; '.join(one.place for one in others[:5])}.")
    _tell(draft, breakers.read(patch.applied(live.body, step.body)))
    return draft


def _made(params: BreakerParams, source: ClusterSource, rules: Sequence[Rule]) -> Draft:
    fields = edit.fields(params, None)
    name = params.name or edit.new_name(params.host, params.namespace)
    if any((one.namespace, one.name) == (params.namespace, name) for one in rules):
        raise Refused(f"A DestinationRule {params.namespace}/{name} exists already, for another host.")
    draft = Draft(f"Circuit breaker {params.namespace}/{name} for {params.host}", on_failure="compensate")
    if not fields:
        raise Refused("Nothing to set was named.")
    ref = Ref.of(source.name, KIND, name, params.namespace, api=_version(source, rules))
    spec = {"host": breakers.full(params.host, params.namespace), **fields["spec"]}
    draft.create(ref, {"spec": spec}, f"Create {ref} for {spec['host']}")
    _tell(draft, breakers.read({"metadata": {"name": name, "namespace": params.namespace}, "spec": spec}))
    return draft


def _tell(draft: Draft, after: Rule) -> None:
    top = next((one for one in after.policies if not one.subset and not one.port), None)
    draft.blast.append(f"Every request through the mesh to {after.host} follows the new settings within seconds.")
    if top is None or top.outlier is None:
        return
    if top.percent == 100 and top.errors:
        draft.warnings.append(
            "All replicas may be taken out at once; requests then fail with 503, for no healthy replica is left."
        )
    if top.errors == 0:
        draft.warnings.append("consecutive5xxErrors is 0: errors no longer take a replica out.")
    if "consecutiveErrors" in top.outlier:
        draft.warnings.append("The rule still has the deprecated consecutiveErrors; count on it having no effect.")
