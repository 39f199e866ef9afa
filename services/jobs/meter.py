"""The meter of one cluster's costs: which nodes there are, as what, and which pods hold what on them."""

import logging
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from services.domain import allocation, headroom, prices
from services.domain.cost import TICKS, seen
from services.domain.cost.keys import NOBODY
from services.domain.objects import Node, Pod
from services.jobs.facts import Facts
from services.jobs.feed import LOST_AFTER, Feed
from services.jobs.spans import HoldSpan, NodeSpan, Pile, read
from services.ports import ClusterSource, Policy
from services.snapshots import price_book

log = logging.getLogger(__name__)


class Meter:
    """Spans of one cluster from ``since`` on. Not shared between threads.

    ``pile`` is what is to be written; whoever has written it clears it. ``looked`` is when the cluster was last seen.
    """

    def __init__(self, source: ClusterSource, policy: Policy, *, since: datetime) -> None:
        self.source, self.since = source, since
        self.looked: datetime | None = None
        self.pile = Pile(source.name)
        self._feed = Feed(source.cluster)
        self._reader = Reader(source, policy, self.pile)
        self._nodes: dict[str, NodeSpan] = {}
        self._holds: dict[str, HoldSpan] = {}
        self._uids: dict[str, str] = {}  # of GPU nodes by name
        self._unplaced: dict[str, Pod] = {}  # bound to a node that is not seen yet
        self._resumed = False

    def resume(self, nodes: pd.DataFrame, holds: pd.DataFrame, looked: datetime | None) -> None:
        """Go on from spans that lasted when somebody looked last."""
        self._nodes, self._holds = read(nodes, holds)
        self._uids = {span.state.node: uid for uid, span in self._nodes.items()}
        self.looked, self._resumed = looked, True

    def cut(self) -> None:
        """End everything where it was last seen: what was in between is worked out by somebody else."""
        for span in self._nodes.values():
            self.pile.put(span._replace(end=self.looked or span.begin))
        for held in self._holds.values():
            self.pile.put(held._replace(end=self.looked or held.begin))
        self._nodes, self._holds, self._uids = {}, {}, {}

    def look(self, at: datetime) -> None:
        """See what changed. What went while nobody looked ended when it was last seen."""
        changed = self._feed.look(at)
        if changed is None:
            return
        last = self.looked if self.looked is not None and at - self.looked > LOST_AFTER else at
        if self._resumed:
            self._leave(last)
        self._see_nodes(changed.nodes, changed.nodes_gone, at, last)
        for uid in (*changed.gone, *changed.lost):
            self._unplaced.pop(uid, None)
            self._end(uid, last)
        waiting = list(self._unplaced.values())
        self._unplaced = {}
        for pod in (*waiting, *changed.pods):
            self._see(pod, at)
        self.looked = at

    def _leave(self, last: datetime) -> None:
        """After a restart: end what is not there any more."""
        self._resumed = False
        pods = {pod.metadata.uid for pod in self._feed.pods}
        nodes = {node.metadata.uid for node in self._feed.nodes}
        for uid in [uid for uid in self._holds if uid not in pods]:
            self._end(uid, last)
        for uid in [uid for uid in self._nodes if uid not in nodes]:
            self._end_node(uid, last)

    def _see_nodes(self, came: Sequence[Node], gone: Iterable[str], at: datetime, last: datetime) -> None:
        for name in gone:
            self._end_node(self._uids.get(name, ""), last)
        stock = self._reader.nodes(came, gone)
        for node in came:
            uid, before = node.metadata.uid, self._uids.get(node.metadata.name)
            if before is not None and before != uid:
                self._end_node(before, last)  # its name came again before anybody looked
            state, span = stock.states.get(uid), self._nodes.get(uid)
            if state is None:
                self._end_node(uid, at)
            elif span is None:
                self._uids[state.node] = uid
                created = node.metadata.creation_timestamp or at
                self._open_node(NodeSpan(uid, max(created, self.since), None, state))
            elif span.state != state:
                self.pile.put(span._replace(end=at))
                self._open_node(NodeSpan(uid, max(at, span.begin), None, state))

    def _open_node(self, span: NodeSpan) -> None:
        self._nodes[span.uid] = span
        self.pile.put(span)

    def _end_node(self, uid: str, at: datetime) -> None:
        span = self._nodes.pop(uid, None)
        if span is not None:
            self.pile.put(span._replace(end=max(at, span.begin)))
            if self._uids.get(span.state.node) == uid:
                del self._uids[span.state.node]

    def _see(self, pod: Pod, at: datetime) -> None:
        uid = pod.metadata.uid
        if seen.finished(pod):
            until = seen.held_until(pod) or at
            if uid in self._holds:
                self._end(uid, until)
            else:
                self._hold(pod, at, until)  # it came and ended between two looks
        elif uid not in self._holds:
            self._hold(pod, at)

    def _hold(self, pod: Pod, at: datetime, until: datetime | None = None) -> None:
        if not pod.spec.node_name:
            return
        node = self._uids.get(pod.spec.node_name)
        span = None if node is None else self._reader.hold(pod, node)
        if node is None:
            if not seen.finished(pod) and self._reader.asks(pod):
                self._unplaced[pod.metadata.uid] = pod
        elif span is not None:
            span = span._replace(begin=max(min(span.begin, at), self.since), end=until)
            if until is None:
                self._holds[span.pod_uid] = span
            self.pile.put(span)

    def _end(self, uid: str, at: datetime) -> None:
        span = self._holds.pop(uid, None)
        if span is not None:
            self.pile.put(span._replace(end=max(at, span.begin)))


class Reader:
    """Turns the objects of one cluster into spans that last; names behind numbers go to ``pile``."""

    def __init__(self, source: ClusterSource, policy: Policy, pile: Pile) -> None:
        self._source, self._labels, self._pile = source, policy.cost.labels, pile
        self._facts = Facts(source.name, source.cluster, policy.team_label)
        self._gpus = prices.instance_gpus(price_book())

    def nodes(self, came: Sequence[Node], gone: Iterable[str] = ()) -> seen.Stock:
        """What nodes that came or changed are."""
        self._facts.see_nodes(came, gone)
        if not came:
            return seen.Stock({}, {})
        slices: Any = self._source.cluster.snapshot("resourceslices").objects
        stock = seen.stock(self._source.name, came, instance_gpus=self._gpus, slices=slices)
        self._pile.places.update(stock.places)
        return stock

    def asks(self, pod: Pod) -> bool:
        """Whether a pod asks for GPUs."""
        asked = allocation.gpu_units(pod.spec.containers, pod.spec.init_containers or ())
        return bool(asked) or bool(pod.spec.resource_claims)

    def hold(self, pod: Pod, node_uid: str) -> HoldSpan | None:
        """What a pod holds on a node that was seen, from when it was bound; None when that is nothing."""
        if not self.asks(pod):
            return None
        held, begin = self._facts.held(pod), seen.held_from(pod)
        if held is None or begin is None or math.isnan(held.equivalents):
            return None
        meta = pod.metadata
        kind, owner = "held", NOBODY
        if headroom.placeholder(pod) or headroom.balloon(pod):
            kind = "warm"
        else:
            workload_kind, workload, team = self._facts.describe(pod)
            labels = seen.chosen(meta.labels, self._labels)
            owner = self._pile.owned_by((self._source.name, meta.namespace, workload_kind, workload, team, labels))
        ticks = round(held.equivalents * TICKS)
        pod_name = f"{meta.namespace}/{meta.name}"
        return HoldSpan(meta.uid, node_uid, begin, None, kind, owner, pod_name, ticks) if ticks else None
