"""From what is watched to traces: every GPU pod that starts, the node it lands on and what is said of it.

May be called with everything or with what changed only, as often as one likes. Objects of different kinds come in any
order; those of one pod or node in the order of their versions, as a watch gives them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from services.domain import allocation
from services.domain.headroom import placeholder
from services.domain.objects import Event, Generic, Node, Pod
from services.domain.startup import events as events_
from services.domain.startup import merge
from services.domain.startup import nodes as nodes_
from services.domain.startup.trace import FIRST_EVENT_LIMIT, ContainerSeen, EventSeen, NodeSeen, Trace

EARLY = timedelta(minutes=5)
"""How long events wait for a pod that was not seen yet; watches of different kinds do not wait for each other."""
MOST_EARLY = 4096
AT_ONCE = timedelta(seconds=30)
"""A look at a pod so soon after it was bound comes before its images are pulled."""

Describe = Callable[[Pod], tuple[str, str, str]]
"""Kind and name of a pod's workload, and its team."""


@dataclass(frozen=True)
class Early:
    """What was said of a pod nobody has seen yet."""

    since: datetime
    events: tuple[EventSeen, ...] = ()
    victims: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observed:
    """What is known: traces by pod UID, nodes by name. ``early`` is only for the next call and need not be stored."""

    traces: Mapping[str, Trace] = field(default_factory=dict)
    nodes: Mapping[str, NodeSeen] = field(default_factory=dict)
    early: Mapping[str, Early] = field(default_factory=dict)

    def updated(self, changed: "Observed") -> "Observed":
        """What is known after a call: its answer laid over what was known before."""
        return Observed({**self.traces, **changed.traces}, {**self.nodes, **changed.nodes}, changed.early)


def observe(
    known: Observed,
    cluster: str,
    *,
    pods: Iterable[Pod],
    nodes: Iterable[Node],
    events: Iterable[Event],
    claims: Iterable[Generic],
    at: datetime,
    gone: Iterable[str] = (),
    wanted: Callable[[Pod], bool] | None = None,
    describe: Describe | None = None,
) -> Observed:
    """What is new or changed in ``known`` (and all of ``early``) after looking at some objects at the moment ``at``.

    Only GPU pods have traces, and of those new to us only the ``wanted`` ones; placeholders of the console hold room
    and are no starts. ``claims`` are Karpenter's NodeClaims; ``gone`` are UIDs of pods that are no more.
    """
    look = _Look(known, cluster, at)
    for node in nodes:
        look.put_node(nodes_.node_seen(look.node(node.metadata.name), node, at))
    for claim in claims:
        look.claim(claim)
    for pod in pods:
        look.pod(pod, wanted, describe)
    for event in events:
        look.event(event)
    look.join()
    for uid in gone:
        look.gone(uid)
    return Observed(look.traces, look.nodes, look.early())


class _Look:
    """One call: changes laid over what was known."""

    def __init__(self, known: Observed, cluster: str, at: datetime) -> None:
        self.known, self.cluster, self.at = known, cluster, at
        self.traces: dict[str, Trace] = {}
        self.nodes: dict[str, NodeSeen] = {}
        self.waiting: dict[str, Early] = dict(known.early)
        self.passed: set[str] = set()  # pods that were looked at and have no trace

    def trace(self, uid: str) -> Trace | None:
        return self.traces.get(uid) or self.known.traces.get(uid)

    def node(self, name: str) -> NodeSeen | None:
        return self.nodes.get(name) or self.known.nodes.get(name)

    def put(self, trace: Trace) -> None:
        if trace is not self.trace(trace.uid) and trace != self.trace(trace.uid):
            self.traces[trace.uid] = trace

    def put_node(self, seen: NodeSeen | None) -> None:
        if seen is not None and seen != self.node(seen.name):
            self.nodes[seen.name] = seen

    def claim(self, claim: Generic) -> None:
        name = nodes_.node_of(claim)
        if name:
            self.put_node(nodes_.claim_seen(self.node(name) or NodeSeen(name), claim))

    def pod(self, pod: Pod, wanted: Callable[[Pod], bool] | None, describe: Describe | None) -> None:
        uid = pod.metadata.uid
        before = self.trace(uid)
        trace = before or self._first(pod, wanted, describe)
        if trace is None:
            self.passed.add(uid)
            self.waiting.pop(uid, None)
            return
        trace = merge.pod_seen(trace, pod, self.at)
        if trace.node is not None and (before is None or before.node is None):
            trace = self._bound(trace, trace.node)
        if before is None and _over(trace):
            self.passed.add(uid)
            return
        early = self.waiting.pop(uid, None)
        if early is not None:
            for seen in early.events:
                trace = merge.with_event(trace, seen)
            trace = merge.with_victims(trace, early.victims)
        self.put(trace)

    def event(self, event: Event) -> None:
        about = event.involved_object
        if about.kind == "Node":
            self._node_event(event)
        if about.kind != "Pod":
            return
        if event.reason == "Preempted":
            self._victim(event)
        trace = self.trace(about.uid)
        seen = merge.event_seen(event) if trace is not None or about.uid not in self.passed else None
        if seen is None:
            return
        if trace is not None:
            self.put(merge.with_event(trace, seen))
            return
        early = self.waiting.get(about.uid) or Early(self.at)
        if len(early.events) < FIRST_EVENT_LIMIT and seen not in early.events:
            self.waiting[about.uid] = Early(early.since, (*early.events, seen), early.victims)

    def join(self) -> None:
        """Brings what is new of nodes to the pods on them."""
        if self.nodes:
            for uid, trace in {**self.known.traces, **self.traces}.items():
                seen = self.nodes.get(trace.node.name) if trace.node else None
                if seen is not None:
                    self.put(nodes_.join(self.traces.get(uid, trace), seen))

    def gone(self, uid: str) -> None:
        self.waiting.pop(uid, None)
        trace = self.trace(uid)
        if trace is not None:
            self.put(merge.gone(trace, self.at))

    def early(self) -> dict[str, Early]:
        """What still waits for its pod, the newest if it is too much."""
        young = {uid: one for uid, one in self.waiting.items() if self.at - one.since <= EARLY}
        return dict(list(young.items())[-MOST_EARLY:])

    def _first(self, pod: Pod, wanted: Callable[[Pod], bool] | None, describe: Describe | None) -> Trace | None:
        created = pod.metadata.creation_timestamp
        if created is None or not merge.units(pod) or placeholder(pod) or not (wanted is None or wanted(pod)):
            return None
        owner = describe(pod) if describe else (*allocation.owner(pod, {}), "")
        return merge.first_look(self.cluster, pod, created, self.at, owner)

    def _bound(self, trace: Trace, here: NodeSeen) -> Trace:
        """With its node, and with the images that were there before it."""
        seen = self.node(here.name)
        bound = trace.conditions.get("PodScheduled")
        holds: tuple[str, ...] = ()
        if bound is not None and self.at - bound <= AT_ONCE:
            holds = nodes_.holding(seen, (one.image for one in trace.containers if one.started is None))
        trace = msgspec.structs.replace(trace, node=msgspec.structs.replace(here, holds=holds))
        return nodes_.join(trace, seen) if seen else trace

    def _node_event(self, event: Event) -> None:
        # Matched by name: its UID is the name in older kubelets and empty in newer ones.
        name = event.involved_object.name
        seen = self.node(name) or NodeSeen(name)
        when = events_.times(event)
        if event.reason == "NodeReady" and when is not None:
            self.put_node(nodes_.became_ready(seen, when[0], exact=True))
        elif event.reason == "ImageStreaming":
            self.put_node(msgspec.structs.replace(seen, streaming=True))

    def _victim(self, event: Event) -> None:
        uid = events_.preemptor(event.message or "")
        if not uid or uid in self.passed:
            return
        victim = f"{event.involved_object.namespace}/{event.involved_object.name}"
        trace = self.trace(uid)
        if trace is not None:
            self.put(merge.with_victims(trace, (victim,)))
            return
        early = self.waiting.get(uid) or Early(self.at)
        if victim not in early.victims and len(early.victims) < merge.MOST_VICTIMS:
            self.waiting[uid] = Early(early.since, early.events, (*early.victims, victim))


def _over(trace: Trace) -> bool:
    """Whether it was ready and ended before we looked: when it was ready cannot be known.

    Without probes it was ready when it ran.
    """
    return trace.ended is not None and not trace.ready_exact and any(map(_probed, trace.containers))


def _probed(one: ContainerSeen) -> bool:
    return one.role == "main" and (one.has_startup_probe or one.has_readiness_probe)
