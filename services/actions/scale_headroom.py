"""Keep warm units in a pool: by placeholder pods, or by a buffer where an autoscaler answers one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from services import snapshots
from services.actions.base import Action, Effect, Verdict
from services.domain.change import patch
from services.domain.change.plan import Draft, Plan, Risk, Step, StepKind, inverse
from services.domain.change.promise import Promise
from services.domain.change.refs import Live, Ref
from services.domain.cost import money
from services.domain.headroom import INSTANCE, NAMESPACE, PRIORITY, PRIORITY_CLASS, Want, objects, ours, placeholder
from services.domain.objects import Pod
from services.errors import NotFound, Refused
from services.headroom import shapes, survey
from services.headroom.survey import Found
from services.ports import Cluster, ClusterSource, Sources

BUFFER_APIS = ("autoscaling.x-k8s.io/v1beta1", "autoscaling.x-k8s.io/v1alpha1")
ANSWER_S = 120.0
"""How long an autoscaler may take to answer a buffer: it looks every ten seconds."""
_SHARED = ("Namespace", "PriorityClass")
"""Kinds that other pools' units need as well."""


class ScaleHeadroom(Action[Want]):
    """Set how many warm units a pool keeps; 0 removes what was made for them and nothing else."""

    name, title, risk, params = "scale-headroom", "Scale headroom", Risk.LOW, Want

    def plan(self, params: Want, sources: Sources) -> Draft:
        """What is missing is created, what is there is adopted when it was made here."""
        source = sources.clusters.get(params.cluster)
        if source is None:
            raise Refused(f"There is no cluster called {params.cluster}.")
        found = survey.look(sources, params, _replica(sources, source, params))
        if found.answer.refusal:
            raise Refused(found.answer.refusal)
        draft = Draft(f"Pool {params.pool}: {_number(params.units)} of {found.survey.shape}")
        draft.blast.extend(found.answer.blast)
        draft.warnings.extend(found.answer.warnings)
        draft.promise = _promise(found, params)
        if params.units == 0:
            _remove(draft, source, found, params)
            return draft
        if found.why:
            draft.blast.append(found.why)
        _namespace(draft, source.cluster, params.cluster)
        if found.method == "buffer":
            _buffer(draft, source, found, params)
        else:
            _priority_class(draft, source.cluster, params.cluster)
            _deployment(draft, source.cluster, found, params)
        if not any(step.kind in (StepKind.CREATE, StepKind.PATCH) for step in draft.steps):
            draft.steps.clear()
            draft.blast.clear()
        return draft

    def verify(self, plan: Plan, sources: Sources) -> Verdict:
        """Placeholders that run, or what the autoscaler says of the buffer."""
        want = self.parsed(plan.params)
        ref = next((one for one in plan.refs if one.kind in ("Deployment", "CapacityBuffer")), None)
        if ref is None:
            return Verdict(Effect.DONE, "Nothing had to change.")
        live = _read(sources.clusters[ref.cluster].cluster, ref)
        if want.units == 0:
            return _emptied(live, ref, sources.clusters[ref.cluster])
        if live is None:
            return Verdict(Effect.FAILED, f"{ref} is gone again.")
        if patch.at(live.body, ("spec", "replicas")) != want.units:
            return Verdict(Effect.FAILED, f"{ref} was set to something else since.")
        return _answered(live) if ref.kind == "CapacityBuffer" else _running(live, want.units)

    def undo(self, plan: Plan, landed: Sequence[Step], sources: Sources) -> Draft | None:
        """Each step's inverse, but what other pools' units need by now stays."""
        mine = {ref.name for ref in plan.refs}
        steps = [
            step
            for step in inverse(landed)
            if not (
                step.kind is StepKind.DELETE
                and step.ref.kind in _SHARED
                and survey.others(sources.clusters[step.ref.cluster], mine)
            )
        ]
        return Draft(f"Take back: {plan.summary}", steps=steps)


def _promise(found: Found, want: Want) -> Promise:
    """What the units more or less cost a day, as warm room of the pool."""
    usd = found.survey.usd_per_day * (want.units - found.survey.set)
    part = {"cluster": want.cluster, "pool": want.pool, "kind": "warm"}
    return Promise(None if math.isnan(usd) else money.micro(usd), part)


def _replica(sources: Sources, source: ClusterSource, want: Want) -> Mapping[str, Any] | None:
    """A live pod of the workload units are for."""
    stock = snapshots.read(sources, source).value
    pod = None if stock is None else shapes.replica_pod(source, stock, want.from_workload)
    if pod is None:
        return None
    live = _read(source.cluster, Ref.of(want.cluster, "Pod", pod.metadata.name, pod.metadata.namespace))
    return None if live is None else live.body


def _namespace(draft: Draft, cluster: Cluster, name: str) -> None:
    ref = Ref.of(name, "Namespace", NAMESPACE)
    live = _read(cluster, ref)
    if live is None:
        draft.create(ref, objects.namespace(), "Create a namespace for placeholders")
    elif live.meta.get("deletionTimestamp"):
        raise Refused(f"Namespace {NAMESPACE} is being deleted. Try again in a minute.")


def _priority_class(draft: Draft, cluster: Cluster, name: str) -> None:
    ref = Ref.of(name, "PriorityClass", PRIORITY_CLASS)
    live = _read(cluster, ref)
    if live is None:
        draft.create(ref, objects.priority_class(), "Create a priority below that of ordinary pods")
        return
    value = live.body.get("value")
    if not isinstance(value, int) or not PRIORITY <= value < 0:
        raise Refused(
            f"PriorityClass {PRIORITY_CLASS} has the value {value}; placeholders need one from {PRIORITY} to -1. "
            "It cannot be changed: delete it and try again."
        )
    if live.body.get("globalDefault"):
        raise Refused(f"PriorityClass {PRIORITY_CLASS} is the default of all pods; placeholders need one of their own.")
    if live.body.get("preemptionPolicy") != "Never":
        draft.warnings.append(f"PriorityClass {PRIORITY_CLASS} lets placeholders preempt pods of lower priority.")


def _deployment(draft: Draft, cluster: Cluster, found: Found, want: Want) -> None:
    ref = Ref.of(want.cluster, "Deployment", found.name, NAMESPACE)
    at, shape = found.survey.place, found.survey.shape
    live = _read(cluster, ref)
    had = 0
    if live is None:
        body = objects.deployment(found.name, at, shape, want.units)
        draft.create(ref, body, f"Create {_number(want.units)} of {shape}, held by pause pods")
    else:
        _check_ours(live)
        had = int(patch.at(live.body, ("spec", "replicas")) or 0)
        fields: dict[str, Any] = {"spec": {"replicas": want.units}}
        template = patch.at(live.body, ("spec", "template"))
        if objects.shape_in(template) != shape:
            containers = objects.reshaped(template["spec"]["containers"], shape)
            fields["spec"]["template"] = {"spec": {"containers": containers}}
        draft.set(live, fields, f"Set warm units from {had} to {want.units}")
    draft.summary = f"Pool {want.pool}: {had} → {_number(want.units)} of {shape}"
    if want.units > had:
        says = "Wait for nodes: an autoscaler has to bring them" if found.answer.new_nodes else "Wait until they run"
        draft.wait(
            ref,
            [(("status", "availableReplicas"), "at least", want.units)],
            says,
            deadline_s=found.answer.deadline_s,
            soft=True,
        )


def _buffer(draft: Draft, source: ClusterSource, found: Found, want: Want) -> None:
    api, live = _buffer_now(source, want.cluster, found.name)
    ref = Ref.of(want.cluster, "CapacityBuffer", found.name, NAMESPACE, api=api)
    at, shape = found.survey.place, found.survey.shape
    template = Ref.of(want.cluster, "PodTemplate", found.name, NAMESPACE)
    old = _read(source.cluster, template)
    if old is None:
        draft.create(template, objects.pod_template(found.name, at, shape), f"Describe a unit of {shape}")
    else:
        _check_ours(old)
        if objects.shape_in(old.body.get("template")) != shape:
            containers = objects.reshaped(old.body["template"]["spec"]["containers"], shape)
            fields = {"template": {"spec": {"containers": containers}}}
            draft.set(old, fields, f"Describe a unit of {shape}")
    had = 0
    if live is None:
        body = objects.buffer(found.name, at, shape, want.units)
        draft.create(ref, body, f"Ask the autoscaler to keep room for {_number(want.units)}")
    else:
        _check_ours(live)
        had = int(patch.at(live.body, ("spec", "replicas")) or 0)
        draft.set(live, {"spec": {"replicas": want.units}}, f"Set warm units from {had} to {want.units}")
    draft.summary = f"Pool {want.pool}: {had} → {_number(want.units)} of {shape}, kept by the autoscaler"
    draft.wait(
        ref,
        [(("status", "conditions", "0"), "exists", None)],
        "Wait until the autoscaler answers",
        deadline_s=ANSWER_S,
    )


def _remove(draft: Draft, source: ClusterSource, found: Found, want: Want) -> None:
    """What was made for this place; the namespace and the class only when nothing else is in them."""
    cluster = source.cluster
    refs = [Ref.of(want.cluster, "Deployment", found.name, NAMESPACE)]
    if found.method == "buffer":
        api, _ = _buffer_now(source, want.cluster, found.name)
        refs = [
            Ref.of(want.cluster, "CapacityBuffer", found.name, NAMESPACE, api=api),
            Ref.of(want.cluster, "PodTemplate", found.name, NAMESPACE),
        ]
    for ref in refs:
        live = _read(cluster, ref)
        if live is not None:
            _check_ours(live)
            draft.delete(live, f"Delete {ref}")
    draft.summary = f"Pool {want.pool}: no warm units of {found.survey.shape}"
    left = survey.others(source, [found.name])
    if not draft.steps or left:
        return
    for ref in (Ref.of(want.cluster, "PriorityClass", PRIORITY_CLASS), Ref.of(want.cluster, "Namespace", NAMESPACE)):
        live = _read(cluster, ref)
        if live is not None and ours(live.labels):
            draft.delete(live, f"Delete {ref}: no other pool keeps warm units")
            if ref.kind == "Namespace":
                draft.wait(ref, [((), "gone", None)], "Wait until the namespace is gone", deadline_s=ANSWER_S)


def _buffer_now(source: ClusterSource, cluster: str, name: str) -> tuple[str, Live | None]:
    """The API version buffers are served in, as far as one can be read, and ours of that name."""
    known = [(one.metadata.namespace, one.metadata.name) for one in source.cluster.snapshot("capacitybuffers").objects]
    for api in BUFFER_APIS:
        live = _read(source.cluster, Ref.of(cluster, "CapacityBuffer", name, NAMESPACE, api=api))
        if live is not None:
            return api, live
        for namespace, other in known[:1]:
            if _read(source.cluster, Ref.of(cluster, "CapacityBuffer", other, namespace, api=api)) is not None:
                return api, None
    return BUFFER_APIS[0], None


def _check_ours(live: Live) -> None:
    if not ours(live.labels):
        raise Refused(f"{live.ref} exists and was not made by this console. Rename or remove it first.")


def _read(cluster: Cluster, ref: Ref) -> Live | None:
    try:
        return cluster.read(ref)
    except NotFound:
        return None


def _emptied(live: Live | None, ref: Ref, source: ClusterSource) -> Verdict:
    if live is not None and not live.meta.get("deletionTimestamp"):
        return Verdict(Effect.FAILED, f"{ref} exists again.")
    pods = [one for one in source.cluster.snapshot("pods").objects if isinstance(one, Pod) and placeholder(one)]
    left = sum((one.metadata.labels or {}).get(INSTANCE) == ref.name for one in pods)
    if live is not None or left:
        return Verdict(Effect.WAITING, f"{left} placeholder {'pod is' if left == 1 else 'pods are'} still there.")
    return Verdict(Effect.DONE, "No warm units are kept any more.")


def _running(live: Live, units: int) -> Verdict:
    status = live.body.get("status") or {}
    fresh = int(status.get("observedGeneration") or 0) >= int(live.meta.get("generation") or 0)
    warm = min(int(status.get("availableReplicas") or 0), units) if fresh else 0
    if fresh and warm == units and int(status.get("replicas") or 0) == units:
        return Verdict(Effect.DONE, f"{warm} of {units} are warm.")
    if warm == units:
        return Verdict(Effect.WAITING, f"{warm} of {units} are warm; those too many are still leaving.")
    return Verdict(Effect.WAITING, f"Refill in progress: {warm} of {units} are warm, the rest wait for nodes.")


def _answered(live: Live) -> Verdict:
    conditions = patch.at(live.body, ("status", "conditions")) or []
    said = {one.get("type"): one for one in conditions}
    refused = said.get("ReadyForProvisioning", {})
    if refused.get("status") == "False":
        return Verdict(
            Effect.FAILED, f"The autoscaler does not keep the room: {refused.get('message') or 'no reason'}."
        )
    if said.get("LimitedByQuotas", {}).get("status") == "True":
        return Verdict(Effect.FAILED, "The autoscaler keeps less: a quota on capacity limits it.")
    if said.get("Provisioning", {}).get("status") == "True" or refused.get("status") == "True":
        return Verdict(Effect.DONE, "The autoscaler has taken the buffer on.")
    return Verdict(Effect.WAITING, "No autoscaler has answered the buffer yet.")


def _number(units: int) -> str:
    return "1 warm unit" if units == 1 else f"{units} warm units"
