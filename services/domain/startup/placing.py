"""From a pod's creation to the scheduler's decision: on a node that was there, or on one that came for it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.domain.startup import NODE_MARGIN_S, Confidence, Phase
from services.domain.startup.nodes import offering
from services.domain.startup.spans import SKEW, Chain, Said, quote
from services.domain.startup.trace import EventSeen, NodeSeen, Trace

_MARGIN = timedelta(seconds=NODE_MARGIN_S)
_DECIDED = ("TriggeredScaleUp", "Nominated")
"""Events with which the Cluster Autoscaler and Karpenter say that a node will come."""


@dataclass(frozen=True)
class Bound:
    """When the pod was bound to its node, and who says so."""

    at: datetime
    source: str
    confidence: Confidence = Confidence.EXACT


def bound(trace: Trace, said: Said) -> Bound | None:
    """The scheduler's decision; the kubelet's first word on the pod, a moment later, where nothing else is known."""
    condition = trace.conditions.get("PodScheduled")
    if condition is not None:
        return Bound(condition, "condition PodScheduled")
    event = said.first("Scheduled")
    if event is not None:
        return Bound(event.first, "event Scheduled")
    if trace.start_time is not None:
        return Bound(trace.start_time, "status.startTime", Confidence.ESTIMATED)
    return None


def cold(trace: Trace) -> bool | None:
    """Whether the node came for the pod; None without a node or when its age is not known."""
    if trace.node is None or trace.node.created is None:
        return None
    return came_for(trace.node.created, trace.created)


def came_for(node: datetime, pod: datetime) -> bool:
    """Whether a node that joined then came for a pod of that age, or for somebody else at the same time."""
    return node > pod - _MARGIN


def place(chain: Chain, trace: Trace, said: Said, to: Bound | None) -> None:
    """Adds the phases up to ``to``; of a pod that has no node yet, as far as they are over."""
    decision = said.earliest(*_DECIDED)
    _queue(chain, trace, decision, to)
    if to is None:
        if decision is not None:
            _decided(chain, decision)
        return
    is_cold = cold(trace)
    if is_cold and trace.node is not None:
        _cold(chain, trace.node, trace.resource, decision, to)
    elif is_cold is None and to.at - chain.at > SKEW:
        note = "The age of its node is not known: waiting for room and for a new node cannot be told apart"
        chain.to(Phase.UNATTRIBUTED, to.at, to.source, Confidence.MISSING, note=note)
    else:
        confidence = to.confidence if is_cold is False else Confidence.ESTIMATED
        estimated = to.confidence is Confidence.ESTIMATED
        chain.to(Phase.WAIT, to.at, to.source, confidence, note=_waited(trace, said), bound=estimated)


def waits_for(trace: Trace, said: Said) -> tuple[Phase, str]:
    """What a pod without a node waits for now, and why."""
    decision = said.earliest(*_DECIDED)
    if trace.gated and trace.ungated is None:
        return Phase.QUEUE, trace.reason
    return (Phase.PROVISION, quote(decision)) if decision is not None else (Phase.WAIT, trace.reason)


def _queue(chain: Chain, trace: Trace, decision: EventSeen | None, to: Bound | None) -> None:
    if not trace.gated:
        return
    # Neither an autoscaler nor the scheduler looks at a pod that is held by gates.
    later = [one for one in (decision.first if decision else None, to.at if to else None) if one is not None]
    if trace.ungated is not None and all(trace.ungated <= one + SKEW for one in later):
        chain.to(Phase.QUEUE, trace.ungated, "scheduling gates", note="Held by scheduling gates")
    elif later:
        note = "Held by scheduling gates; they were gone at the latest by then"
        chain.to(Phase.QUEUE, min(later), "scheduling gates", Confidence.ESTIMATED, note=note, bound=True)


def _waited(trace: Trace, said: Said) -> str:
    pods = f"{trace.victims} pods were" if trace.victims > 1 else "One pod was"
    made_room = f"{pods} preempted for it. " if trace.victims else ""
    return made_room + quote(said.first("FailedScheduling"))


def _decided(chain: Chain, decision: EventSeen) -> None:
    chain.to(Phase.DECISION, decision.first, f"event {decision.reason}", note=quote(decision))


def _cold(chain: Chain, node: NodeSeen, resources: str, decision: EventSeen | None, to: Bound) -> None:
    created = node.created
    if created is None:
        return
    named = f"Node {node.name}"
    if decision is not None and decision.first <= created + SKEW:
        _decided(chain, decision)
        known = True
    else:  # an event after the node was there speaks of another node, or says again what was decided before
        note = f"NodeClaim of node {node.name} created"
        chain.to(Phase.DECISION, node.claim_created, "NodeClaim created", Confidence.DERIVED, note=note, follows=False)
        known = node.claim_created is not None
    if known or created <= chain.at:
        chain.to(Phase.PROVISION, created, "node created", note=f"{named} joined the cluster", follows=False)
    else:
        note = f"{named} joined the cluster; nothing says when it was decided: "
        note += "waiting and provisioning cannot be told apart"
        chain.to(Phase.UNATTRIBUTED, created, "node created", Confidence.MISSING, note=note, follows=False)
    _boot(chain, node, resources, to)
    note = f"Scheduled to {node.name}"
    chain.to(Phase.BIND, to.at, to.source, to.confidence, note=note, bound=to.confidence is Confidence.ESTIMATED)


def _boot(chain: Chain, node: NodeSeen, resources: str, to: Bound) -> None:
    """From the node's creation until it offers the pod's GPUs."""

    def in_time(at: datetime | None) -> datetime | None:
        """What is dated after the pod was bound was seen late."""
        return at if at is not None and at <= to.at + SKEW else None

    gpus = in_time(offering(node, resources))
    initialized = in_time(node.claim_initialized)
    ready = in_time(node.ready) if node.ready_exact else None
    registered = in_time(node.claim_registered)
    offers = gpus or initialized or to.at
    source, confidence = to.source, Confidence.ESTIMATED
    if gpus is not None:
        source, confidence = "GPUs allocatable", Confidence.EXACT
    elif initialized is not None:
        source, confidence = "NodeClaim Initialized", Confidence.DERIVED
    if ready is not None:
        chain.to(Phase.BOOT, ready, "node Ready", note=f"Node {node.name} became Ready", follows=False)
    elif registered is not None:
        note = f"NodeClaim of node {node.name} registered; when the node became Ready is not known"
        chain.to(
            Phase.BOOT, registered, "NodeClaim Registered", Confidence.ESTIMATED, note=note, follows=False, bound=True
        )
    else:
        note = "It is not known when the node became Ready: boot and GPU driver cannot be told apart"
        chain.to(Phase.UNATTRIBUTED, offers, source, Confidence.MISSING, note=note, follows=False)
        return
    notes = {
        Confidence.EXACT: f"Node {node.name} offers GPUs",
        Confidence.DERIVED: f"Node {node.name} is initialized: its GPUs are registered",
        Confidence.ESTIMATED: f"Node {node.name} was not seen to get its GPUs: at the latest when it took the pod",
    }
    chain.to(Phase.DEVICE, offers, source, confidence, note=notes[confidence], follows=False)
