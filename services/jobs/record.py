"""Recording the starts of one cluster: what is seen becomes traces, and traces become rows.

The recorder keeps everything in memory and says in a :class:`Batch` what is to be written; whoever has written it says
so (:meth:`Recorder.written`). As long as nobody can write, it goes on looking.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from services.domain.objects import Event, Pod
from services.domain.startup import Outcome, Start, money, phases
from services.domain.startup.frame import StartRecord, record
from services.domain.startup.observe import Observed, observe
from services.domain.startup.trace import NodeSeen, Trace, dump, load, load_node
from services.jobs.facts import Facts, Held
from services.jobs.feed import LOST_AFTER, Changed, Feed
from services.ports import ClusterSource

GRACE = timedelta(minutes=2)
"""What is said of a start may come so long after its end."""
TRUSTED = timedelta(hours=1)
"""A readiness that may not have been the first is an upper bound of some use up to here."""
AT_ONCE = 500
"""Rows in one transaction."""
AGE_SHARE = 20
LEAST = timedelta(minutes=1)
"""A start under way is written again when it is a twentieth older, and at most once a minute."""
_ABSENT = timedelta(minutes=10)
"""A node that is gone, or not there yet, is remembered so long."""


@dataclass(frozen=True)
class Batch:
    """What is to be written of one cluster: rows; traces and nodes that changed, as JSON; what is to be forgotten.

    ``told`` says when the starts ended that are over now, ``under_way`` when rows of others were made; ``more``: there
    are further rows.
    """

    records: tuple[StartRecord, ...] = ()
    traces: Mapping[str, bytes] = field(default_factory=dict)
    nodes: Mapping[str, bytes] = field(default_factory=dict)
    over: tuple[str, ...] = ()
    nodes_gone: tuple[str, ...] = ()
    told: Mapping[str, datetime] = field(default_factory=dict)
    under_way: Mapping[str, datetime] = field(default_factory=dict)
    more: bool = False

    def __bool__(self) -> bool:
        return bool(self.records or self.traces or self.nodes or self.over or self.nodes_gone)


@dataclass(frozen=True)
class Told:
    """A start as far as it can be told; ``doubtful``: it may have been ready before, nobody knows when."""

    trace: Trace
    start: Start
    doubtful: bool


class Recorder:
    """The starts of one cluster. Not shared between threads.

    ``begin`` and ``end``: only pods created from the one and before the other are ours. ``since`` is since when the
    cluster has been watched without a gap, ``looked`` when it was last looked at. ``settled`` says of which pods starts
    are recorded and over; it is asked once, before the first look, and those are not looked at again.
    """

    def __init__(
        self,
        source: ClusterSource,
        *,
        team_label: str,
        begin: datetime | None = None,
        end: datetime | None = None,
        lost_after: timedelta = LOST_AFTER,
        settled: Callable[[Collection[str]], Collection[str]] = lambda _uids: (),
    ) -> None:
        self.source = source
        self.since: datetime | None = None
        self.looked: datetime | None = None
        self._begin, self._end, self._lost_after = begin, end, lost_after
        self._feed = Feed(source.cluster, lost_after=lost_after)
        self._facts = Facts(source.name, source.cluster, team_label)
        self._traces: dict[str, Trace] = {}
        self._nodes: dict[str, NodeSeen] = {}
        self._known = Observed(self._traces, self._nodes)
        self._settled: Callable[[Collection[str]], Collection[str]] | None = settled
        self._resumed = False
        self._pods: dict[str, Pod] = {}  # of traces, as they were last seen
        self._held: dict[str, Held] = {}
        self._passed: set[str] = set()  # pods that are there and have no trace
        self._gone: set[str] = set()  # traces whose pod is not there any more
        self._lost: set[str] = set()  # those of them whose end nobody saw
        self._fresh: set[str] = set()  # traces that changed since they were written
        self._untold: set[str] = set()  # traces that changed since a row was made of them
        self._ended: dict[str, datetime] = {}  # when starts ended of which a row was made
        self._rows: dict[str, datetime] = {}  # when a row was made of starts under way
        self._fresh_nodes: set[str] = set()
        self._absent: dict[str, datetime] = {}  # nodes that are not there, since when

    # -- beginning ---------------------------------------------------------------------------------------------------

    def resume(
        self,
        traces: Mapping[str, bytes],
        nodes: Mapping[str, bytes],
        *,
        since: datetime | None = None,
        looked: datetime | None = None,
    ) -> None:
        """Go on from what another recorder has written, which looked last at ``looked``."""
        self._traces.update({uid: load(text) for uid, text in traces.items()})
        self._nodes.update({name: load_node(text) for name, text in nodes.items()})
        self._untold.update(self._traces)
        self.since, self.looked, self._resumed = since, looked, True

    @property
    def idle(self) -> bool:
        """Whether no start is under way, as far as is known."""
        return all(map(_may_be_over, self._traces.values()))

    @property
    def unready(self) -> Collection[str]:
        """Uids of the pods whose start is under way, as far as is known."""
        return [uid for uid, trace in self._traces.items() if not _may_be_over(trace)]

    def busy(self, at: datetime) -> bool:
        """Whether a start is under way that got its node within the last hour: what takes longer changes slowly."""
        begun = (
            trace.conditions.get("PodScheduled", trace.created)
            for trace in self._traces.values()
            if trace.node is not None and not _may_be_over(trace)
        )
        return any(at - since <= TRUSTED for since in begun)

    # -- looking -----------------------------------------------------------------------------------------------------

    def look(self, at: datetime) -> bool:
        """Look at what changed; whether the cluster's pods are known to be as they are now. Raises as ``settled``."""
        if self._settled is not None and self._feed.ready():
            there = [pod.metadata.uid for pod in self._feed.present()]
            self._passed.update(self._settled([uid for uid in there if uid not in self._traces]))
            self._settled = None
        changed = self._feed.look(at)
        if changed is None:
            return False
        gone, lost = self._fates(changed, at)
        self._facts.see_nodes(changed.nodes, changed.nodes_gone)
        self._facts.see_pods(changed.pods)
        pods = [pod for pod in changed.pods if pod.metadata.uid not in self._passed]
        seen = observe(
            self._known,
            self.source.name,
            pods=pods,
            nodes=changed.nodes,
            events=[one for one in changed.events if self._concerns(one)],
            claims=changed.claims,
            at=at,
            gone=gone,
            wanted=self.wants,
            describe=self._facts.describe,
        )
        self._traces.update(seen.traces)
        self._nodes.update(seen.nodes)
        self._known = Observed(self._traces, self._nodes, seen.early)
        self._fresh.update(seen.traces)
        self._untold.update(seen.traces)
        self._fresh_nodes.update(seen.nodes)
        self._keep_pods(pods)
        self._let_go(gone, lost)
        self._keep_nodes(seen.nodes, changed, at)
        return True

    def _fates(self, changed: Changed, at: datetime) -> tuple[list[str], list[str]]:
        """Pods that are gone: those that were watched, and those that were not."""
        gone, lost = list(changed.gone), list(changed.lost)
        gap = self.looked is None or at - self.looked > self._lost_after
        if gap or self.since is None:
            self.since = at
        if self._resumed:
            self._resumed = False
            there = {pod.metadata.uid for pod in self._feed.pods}
            (lost if gap else gone).extend(uid for uid in self._traces if uid not in there)
        self.looked = at
        return gone, lost

    def wants(self, pod: Pod) -> bool:
        """Whether a pod was created when those were that are ours."""
        created = pod.metadata.creation_timestamp
        return (self._begin is None or (created is not None and created >= self._begin)) and (
            self._end is None or (created is not None and created < self._end)
        )

    def _concerns(self, event: Event) -> bool:
        about = event.involved_object
        return about.kind != "Pod" or event.reason == "Preempted" or about.uid not in self._passed

    def _keep_pods(self, pods: Iterable[Pod]) -> None:
        for pod in pods:
            uid = pod.metadata.uid
            if uid not in self._traces:
                self._passed.add(uid)
                continue
            self._pods[uid] = pod
            held = self._facts.held(pod) if pod.spec.node_name and uid not in self._held else None
            if held is not None:
                self._held[uid] = held

    def _let_go(self, gone: Iterable[str], lost: Iterable[str]) -> None:
        """Pods that are not there any more. Where nobody saw the end, the row stays as it was at the last look."""
        for uid in (*gone, *lost):
            self._passed.discard(uid)
            if uid in self._traces:
                self._gone.add(uid)
        self._lost.update(uid for uid in lost if uid in self._traces and not _may_be_over(self._traces[uid]))

    def _keep_nodes(self, seen: Iterable[str], changed: Changed, at: datetime) -> None:
        there = {node.metadata.name for node in changed.nodes}
        for name in there:
            self._absent.pop(name, None)
        doubtful = [*changed.nodes_gone, *(name for name in seen if name not in there)]
        if doubtful:
            present = {node.metadata.name for node in self._feed.nodes}
            for name in doubtful:
                if name not in present:
                    self._absent.setdefault(name, at)

    # -- telling -----------------------------------------------------------------------------------------------------

    def told(self, at: datetime) -> list[Told]:
        """Every start there is a trace of, oldest first."""
        found = [self._tell(trace, at) for trace in self._traces.values()]
        return sorted(found, key=lambda one: (one.trace.created, one.trace.namespace, one.trace.pod))

    def batch(self, at: datetime, *, under_way: bool = True) -> Batch:
        """What is to be written now, rows of starts that are not over only with ``under_way``."""
        records: list[StartRecord] = []
        ended: dict[str, datetime] = {}
        rows: dict[str, datetime] = {}
        over = list(self._lost)
        more = False
        for uid, trace in self._traces.items():
            if uid in self._lost or not (_may_be_over(trace) or (under_way and self._row_due(trace, at))):
                continue
            if len(records) >= AT_ONCE:
                more = True
                break
            end = self._ended.get(uid) if uid not in self._untold else None
            if end is None:
                told = self._tell(trace, at)
                if told.start.outcome is Outcome.STARTING:
                    if under_way and self._row_due(trace, at):
                        rows[uid] = at
                        records += [] if told.doubtful else [self._record(told)]
                    continue
                if not told.doubtful:
                    records.append(self._record(told))
                end = ended[uid] = told.start.ended
            if at - end > GRACE:
                over.append(uid)
        stale = [name for name, since in self._absent.items() if at - since > _ABSENT]
        leaving, kept_out = set(over), set(stale)
        return Batch(
            records=tuple(records),
            traces={} if more else {uid: dump(self._traces[uid]) for uid in sorted(self._fresh - leaving)},
            nodes={} if more else {name: dump(self._nodes[name]) for name in sorted(self._fresh_nodes - kept_out)},
            over=tuple(over),
            nodes_gone=tuple(stale),
            told=ended,
            under_way=rows,
            more=more,
        )

    def written(self, batch: Batch) -> None:
        """What is in the batch has been kept."""
        self._rows.update(batch.under_way)
        self._ended.update(batch.told)
        self._untold.difference_update(batch.told)
        self._fresh.difference_update(batch.traces)
        self._fresh_nodes.difference_update(batch.nodes)
        for uid in batch.over:
            self._forget(uid)
        for name in batch.nodes_gone:
            self._nodes.pop(name, None)
            self._absent.pop(name, None)
            self._fresh_nodes.discard(name)

    def bound(self, most: int) -> int:
        """Let go of the oldest starts that are over, beyond so many traces, written or not; how many."""
        over = [trace for trace in self._traces.values() if _may_be_over(trace)]
        excess = len(self._traces) - most
        if excess <= 0:
            return 0
        dropped = sorted(over, key=lambda trace: trace.created)[:excess]
        for trace in dropped:
            self._forget(trace.uid)
        return len(dropped)

    def _forget(self, uid: str) -> None:
        if uid not in self._gone:
            self._passed.add(uid)
        for known in (self._traces, self._pods, self._held, self._ended, self._rows):
            known.pop(uid, None)
        for marked in (self._gone, self._lost, self._fresh, self._untold):
            marked.discard(uid)

    def _row_due(self, trace: Trace, at: datetime) -> bool:
        """Whether the row of a start under way is old for its age."""
        made = self._rows.get(trace.uid)
        return made is None or at - made >= max(LEAST, (at - trace.created) / AGE_SHARE)

    def _tell(self, trace: Trace, at: datetime) -> Told:
        start = phases.start(trace, at)
        if self.since is not None and trace.created >= self.since:
            # It was created while we watched, however long after that the next look was.
            start = replace(start, flags=start.flags - {"late"})
        return Told(trace, start, _doubtful(trace, start))

    def _record(self, told: Told) -> StartRecord:
        trace, start = self._attributed(told.trace), told.start
        held = self._cost(trace.uid)
        billed_from = money.billed_from(
            cold=start.cold,
            created=start.created,
            node_created=trace.node.created if trace.node else None,
            scheduled=start.scheduled,
        )
        hourly = held.usd_per_hour
        return record(
            trace,
            start,
            headroom=self._facts.headroom(trace, start),
            usd=money.spent(held.equivalents, held.usd_per_gpu_hour, billed_from, start.ended),
            usd_per_hour=None if math.isnan(hourly) else hourly,
        )

    def _attributed(self, trace: Trace) -> Trace:
        """With its workload as it is known now: a pod may be seen before what owns its owner."""
        pod = self._pods.get(trace.uid)
        if pod is None or trace.workload_kind not in ("Job", "ReplicaSet"):
            return trace
        kind, workload, team = self._facts.describe(pod)
        return msgspec.structs.replace(trace, workload_kind=kind, workload=workload, team=team)

    def _cost(self, uid: str) -> Held:
        pod = self._pods.get(uid)
        held = self._facts.held(pod) if pod is not None and pod.spec.node_name else None
        if held is not None:
            self._held[uid] = held
        return self._held.get(uid, Held())


def _doubtful(trace: Trace, start: Start) -> bool:
    """Whether it was ready before and nobody knows when; only a short start is told by a later readiness."""
    if "flapped" not in start.flags:
        return False
    if start.outcome is not Outcome.READY or "Ready" not in trace.conditions:
        return True
    return trace.seen > start.ended and start.ended - start.created > TRUSTED


def _may_be_over(trace: Trace) -> bool:
    return "Ready" in trace.conditions or trace.ended is not None or trace.deleted is not None
