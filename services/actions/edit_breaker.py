"""Change a circuit breaker of the service mesh: a DestinationRule of Istio."""

from collections.abc import Sequence
from dataclasses import replace

from services.actions.base import Action, Effect, Verdict
from services.domain import breakers
from services.domain.breakers import Rule, edit, number
from services.domain.breakers.edit import BreakerParams
from services.domain.change import patch
from services.domain.change.plan import Draft, Plan, Risk, Step, StepKind
from services.domain.change.refs import Live, Ref
from services.domain.kinds import KINDS
from services.domain.objects import Generic
from services.errors import NotFound, Refused
from services.ports import ClusterSource, Snapshot, Sources, StoreState

__all__ = ["BreakerParams", "EditBreaker"]

KIND = "DestinationRule"
_OLD = ("spec", "trafficPolicy", "outlierDetection", "consecutiveErrors")


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
        store = _store(source)
        rules = [breakers.stored(one) for one in store.objects if isinstance(one, Generic)]
        live = _read(source, store, params.namespace, params.name) if params.name else None
        if live is None and not params.host:
            raise Refused(f"There is no DestinationRule {params.namespace}/{params.name}, and no host to make one for.")
        if live is not None:
            mine = breakers.read(live.body)
            rules = [one for one in rules if (one.namespace, one.name) != (mine.namespace, mine.name)] + [mine]
        said = edit.refusal(params, rules)
        if said:
            raise Refused(said)
        return _made(params, source, store, rules) if live is None else _changed(params, live)

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


def _store(source: ClusterSource) -> Snapshot:
    store = source.cluster.snapshot("destinationrules")
    if store.state is StoreState.ABSENT:
        raise Refused(f"{source.name} has no DestinationRules: Istio is not installed there.")
    if store.state is not StoreState.READY:
        raise Refused(f"The DestinationRules of {source.name} cannot be read now. Try again in a minute.")
    return store


def _read(source: ClusterSource, store: Snapshot, namespace: str, name: str) -> Live | None:
    """The rule, in the version the cluster was seen to serve, else in the newest that has it."""
    for api in sorted(KINDS["destinationrules"].groups, key=lambda one: one != store.api):
        try:
            return source.cluster.read(Ref.of(source.name, KIND, name, namespace, api=api))
        except NotFound:
            continue
    return None


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
    if params.replace_errors and patch.at(live.body, _OLD) is not None:
        draft.warnings.append("consecutiveErrors stood for 502, 503 and 504; consecutive5xxErrors counts every 5xx.")
    _tell(draft, breakers.read(patch.applied(live.body, step.body)))
    return draft


def _made(params: BreakerParams, source: ClusterSource, store: Snapshot, rules: Sequence[Rule]) -> Draft:
    fields = edit.fields(params, None)
    name = params.name or edit.new_name(params.host, params.namespace)
    if any((one.namespace, one.name) == (params.namespace, name) for one in rules):
        raise Refused(f"A DestinationRule {params.namespace}/{name} exists already, for another host.")
    draft = Draft(f"Circuit breaker {params.namespace}/{name} for {params.host}", on_failure="compensate")
    if params.unset or not fields:
        raise Refused("Nothing to set was named.")
    if not store.api:
        raise Refused(f"It is not known in which version {source.name} serves DestinationRules. Try again in a minute.")
    ref = Ref.of(source.name, KIND, name, params.namespace, api=store.api)
    spec = {"host": breakers.meant(params.host, params.namespace), **fields["spec"]}
    draft.create(ref, {"spec": spec}, f"Create {ref} for {spec['host']}")
    if breakers.service(spec["host"]) == ("", ""):
        draft.warnings.append("The host is no Service of the cluster: proxies know it through a ServiceEntry, or not.")
    _tell(draft, breakers.read({"metadata": {"name": name, "namespace": params.namespace}, "spec": spec}))
    return draft


def _tell(draft: Draft, after: Rule) -> None:
    top = next((one for one in after.policies if not one.subset and not one.port), None)
    home, _ = breakers.service(after.target)
    if home == after.namespace:
        draft.blast.append(f"Every request through the mesh to {after.host} follows the new settings within seconds.")
    else:
        also = "" if home else " or has the ServiceEntry"
        draft.blast.append(
            f"Requests from namespace {after.namespace} through the mesh to {after.host} follow the new settings "
            f"within seconds; all requests do where that is the mesh's root namespace{also}."
        )
    if top is None or top.outlier is None:
        return
    gateway = number(top.outlier, "consecutiveGatewayErrors", 0)
    if top.percent == 100 and (top.errors or gateway):
        draft.warnings.append(
            "All replicas may be taken out at once; requests then fail with 503, for no healthy replica is left."
        )
    if top.errors == 0 and not gateway:
        draft.warnings.append("consecutive5xxErrors is 0: errors no longer take a replica out.")
    if top.errors and gateway and gateway >= top.errors:
        draft.warnings.append("consecutiveGatewayErrors has no effect: it is not below consecutive5xxErrors.")
    if "consecutiveErrors" in top.outlier:
        draft.warnings.append("The rule still has the deprecated consecutiveErrors; count on it having no effect.")
