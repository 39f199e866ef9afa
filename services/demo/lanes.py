"""Lanes: the places pods run in, each with a closed-form timetable, and the pods a span of time has seen.

A lane owns its slots for good, so no two pods ever claim the same slot and nothing has to be simulated from the start:
which pod is in a lane at time *t* follows from the lane's period, phase and drawn lengths alone.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from services.demo import noise
from services.demo.lives import NEVER
from services.demo.noise import Floats, Ints, Keys
from services.demo.shapes import weekday

RUN, INSUFFICIENT, SELECTOR, IMAGE_PULL = 0, 1, 2, 3
"""Fates of a pod: it runs, it waits for GPUs, it waits for a node that does not exist, its image is not there."""

KEPT_S = 3600
"""How long a finished job's pod stays (``ttlSecondsAfterFinished``)."""


@dataclass(frozen=True)
class Lane:
    """The timetable of one lane; seconds throughout. Pairs are (shortest, longest).

    Cycle *k* begins at ``phase + k·period``; on weekdays its pod is wanted ``on`` seconds later for ``length`` seconds
    (at weekends ``on_weekend``/``length_weekend``; length 0: not at all). ``chained`` pods last until the next cycle's
    begins. ``sway`` moves the begin at random, ``vary`` shortens the length. ``fail`` and ``never``: shares of the pods
    that end early because they fail, and because they never get ready.
    """

    works: tuple[int, ...]  # one is drawn for each cycle
    replica: int
    key: int
    clock: int  # lanes with equal clocks draw equal times
    phase: int
    period: int
    on: int = 0
    length: int = 0
    on_weekend: int = 0
    length_weekend: int = 0
    chained: bool = False
    sway: int = 0
    vary: float = 0.0
    skip: float = 0.0
    skip_weekend: float = 0.0
    queue: tuple[int, int] = (0, 0)
    fail: float = 0.0
    never: float = 0.0
    kept: int = 0
    fate: int = RUN
    slots: tuple[int, ...] = ()


@dataclass(frozen=True)
class Pods:
    """Pods as arrays, one entry each; times in seconds since the epoch, NEVER for what does not happen.

    ``scheduled`` binds the pod, ``started`` first starts its container, ``ready`` ends its loading; it holds its GPUs
    until ``ended`` and the object disappears at ``gone``. ``lane`` and ``cycle`` identify it. ``init_there`` and
    ``there`` are when others have brought the images of its init container and its own to its node, NEVER where it
    pulls itself; a timetable knows neither them nor what follows from them, ``started`` and ``ready``
    (:mod:`services.demo.imagestore`).
    """

    lane: Ints
    cycle: Ints
    work: Ints
    replica: Ints
    key: Keys
    created: Ints
    scheduled: Ints
    init_there: Ints
    there: Ints
    started: Ints
    ready: Ints
    ended: Ints
    gone: Ints
    fate: Ints
    failed: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.lane)

    def where(self, chosen: npt.NDArray[np.bool_] | Ints) -> "Pods":
        """The chosen ones."""
        return Pods(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def having(self, **values: Ints) -> "Pods":
        """The same with other values of some fields."""
        return replace(self, **values)  # type: ignore[arg-type]

    @staticmethod
    def joined(parts: Sequence["Pods"]) -> "Pods":
        """One after the other."""
        return Pods(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Pods)})


class Timetable:
    """All lanes of one cluster as arrays."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = tuple(lanes)

        def ints(name: str) -> Ints:
            return np.array([getattr(lane, name) for lane in lanes], np.int64)

        def floats(name: str) -> Floats:
            return np.array([getattr(lane, name) for lane in lanes], np.float64)

        def pairs(name: str) -> Ints:
            return np.array([getattr(lane, name) for lane in lanes], np.int64).reshape(-1, 2)

        self.key: Keys = np.array([lane.key for lane in lanes], np.uint64)
        self.clock: Keys = np.array([lane.clock for lane in lanes], np.uint64)
        self.phase, self.period = ints("phase"), ints("period")
        self.on = np.stack([ints("on"), ints("on_weekend")])
        self.length = np.stack([ints("length"), ints("length_weekend")])
        self.skip = np.stack([floats("skip"), floats("skip_weekend")])
        self.chained = np.array([lane.chained for lane in lanes], np.bool_)
        self.sway, self.vary, self.fail, self.never = ints("sway"), floats("vary"), floats("fail"), floats("never")
        self.queue = pairs("queue")
        self.kept, self.fate, self.replica = ints("kept"), ints("fate"), ints("replica")
        self.works: Ints = np.array([work for lane in lanes for work in lane.works], np.int64)
        self.work_count: Ints = np.array([len(lane.works) for lane in lanes], np.int64)
        self.work_first: Ints = np.cumsum(self.work_count) - self.work_count
        self.slots: Ints = np.array([slot for lane in lanes for slot in lane.slots], np.int64)
        self.slot_count: Ints = np.array([len(lane.slots) for lane in lanes], np.int64)
        self.slot_first: Ints = np.cumsum(self.slot_count) - self.slot_count

    def grown(self, slots: Sequence[tuple[int, ...]]) -> "Timetable":
        """The same timetable with more lanes, which own these slots and have no cycles of their own."""
        other = copy.copy(self)
        more: Ints = np.array([len(one) for one in slots], np.int64)
        other.slots = np.concatenate((self.slots, np.array([slot for one in slots for slot in one], np.int64)))
        other.slot_count = np.concatenate((self.slot_count, more))
        other.slot_first = np.cumsum(other.slot_count) - other.slot_count
        return other

    def pods(self, begin: int, end: int, chosen: Ints | None = None) -> Pods:
        """Pods whose object exists somewhere in ``begin … end`` (seconds, both included), by lane and cycle."""
        lanes = np.arange(len(self.lanes)) if chosen is None else chosen
        # a chained pod lasts at most a period and its sway; others their length
        reach = (
            self.on.max(axis=0) + np.where(self.chained, self.period, self.length.max(axis=0)) + self.sway + self.kept
        )
        first = (begin - reach[lanes] - self.phase[lanes]) // self.period[lanes]
        last = (end + self.queue[lanes, 1] - self.phase[lanes]) // self.period[lanes]
        count = last - first + 1
        lane = np.repeat(lanes, count)
        starts = np.cumsum(count) - count
        cycle = np.arange(len(lane)) - np.repeat(starts - first, count)
        pods = self.drawn(lane, cycle)
        keep = (pods.created <= end) & (pods.gone > begin) & (pods.ended > pods.created)
        return pods.where(keep)

    def _begins(self, lane: Ints, cycle: Ints) -> tuple[Ints, Ints]:
        base = self.phase[lane] + cycle * self.period[lane]
        weekend = (weekday(base) >= 5).astype(np.int64)
        sway = noise.uniform(self.clock[lane], cycle, draw=1) * self.sway[lane]
        return base + self.on[weekend, lane] + sway.astype(np.int64), weekend

    def _between(self, pairs: Ints, lane: Ints, cycle: Ints, draw: int) -> Ints:
        low, high = pairs[lane, 0], pairs[lane, 1]
        return np.asarray(low + (noise.uniform(self.key[lane], cycle, draw) * (high - low)).astype(np.int64))

    def drawn(self, lane: Ints, cycle: Ints) -> Pods:
        """The pods of given cycles of given lanes, those that are skipped with no length."""
        begin, weekend = self._begins(lane, cycle)
        following, _ = self._begins(lane, cycle + 1)
        shortened = 1.0 - self.vary[lane] * noise.uniform(self.clock[lane], cycle, draw=2)
        length = self.length[weekend, lane]
        until = np.where(self.chained[lane], following, begin + (length * shortened).astype(np.int64))
        key = noise.mixed(self.key[lane], cycle, draw=9)
        failed = (noise.uniform(self.clock[lane], cycle, draw=3) < self.fail[lane]) | never(key, self.never[lane])
        until = np.where(failed & ~self.chained[lane], begin + (until - begin) // 4, until)
        skipped = noise.uniform(self.clock[lane], cycle, draw=4) < self.skip[weekend, lane]
        absent = skipped | (~self.chained[lane] & (length <= 0))
        created = begin - self._between(self.queue, lane, cycle, 5)
        fate = self.fate[lane]
        scheduled = np.where((fate == RUN) | (fate == IMAGE_PULL), begin, NEVER)
        unknown = np.full(len(lane), NEVER, np.int64)
        until = np.where(absent, created, until)
        pick = noise.mixed(self.clock[lane], cycle, draw=8) % self.work_count[lane].astype(np.uint64)
        work = self.works[self.work_first[lane] + pick.astype(np.int64)]
        return Pods(
            lane,
            cycle,
            work,
            self.replica[lane],
            key,
            created,
            scheduled,
            unknown,
            unknown,
            unknown,
            unknown,
            until,
            until + self.kept[lane],
            fate,
            failed,
        )


def never(key: Keys, share: Floats) -> npt.NDArray[np.bool_]:
    """Whether a pod is one of those that never get ready."""
    return np.asarray(noise.uniform(key, np.zeros(1, np.int64), draw=43) < share)


def scaled(
    table: Timetable, pods: Pods, begin: int, end: int, lanes: Sequence[int], changes: Sequence[tuple[int, int]]
) -> Pods:
    """The pods after a workload's replica count was set.

    ``changes`` are (time, replicas) in order, ``lanes`` the workload's lanes by replica index. Replicas without a lane
    of their own wait for GPUs.
    """
    members = np.array(sorted(lanes), np.int64)
    others = pods.where(~np.isin(pods.lane, members))
    since = changes[0][0]
    parts = [others]
    most = max(len(lanes), *(count for _, count in changes))
    for replica in range(most):
        lane = lanes[replica] if replica < len(lanes) else lanes[0]
        own = table.pods(min(begin, since), max(end, since), np.array([lane], np.int64))
        own = own.where((own.created < since) if replica < len(lanes) else np.zeros(len(own), np.bool_))
        parts.append(_steered(own, replica, lane, table, changes, has_slot=replica < len(lanes)))
    every = Pods.joined(parts)
    every = every.where((every.created <= end) & (every.gone > begin) & (every.ended > every.created))
    return every.where(np.lexsort((every.created, every.lane)))


def _steered(
    own: Pods, replica: int, lane: int, table: Timetable, changes: Sequence[tuple[int, int]], *, has_slot: bool
) -> Pods:
    """One replica's pods: those of the timetable before the first change, then one pod for each run of being wanted."""
    runs: list[tuple[int, int]] = []
    for place, (at, count) in enumerate(changes):
        until = changes[place + 1][0] if place + 1 < len(changes) else NEVER
        if count > replica and runs and runs[-1][1] == at:
            runs[-1] = (runs[-1][0], until)
        elif count > replica:
            runs.append((at, until))
    since = changes[0][0]
    ended, gone = own.ended.copy(), own.gone.copy()
    alive = (own.created < since) & (own.ended > since)
    if runs and runs[0][0] == since and alive.any():
        ended[alive] = runs.pop(0)[1]
    else:
        ended[alive] = since
    gone[alive] = ended[alive]
    parts = [Pods(**{**{f.name: getattr(own, f.name) for f in fields(own)}, "ended": ended, "gone": gone})]
    if runs:
        moments: Ints = np.array([run[0] for run in runs], np.int64)
        ends: Ints = np.array([run[1] for run in runs], np.int64)
        parts.append(_fresh(table, lane, replica, moments, ends, has_slot=has_slot))
    return Pods.joined(parts)


def _fresh(table: Timetable, lane: int, replica: int, at: Ints, until: Ints, *, has_slot: bool) -> Pods:
    """Pods that the timetable does not know, created at given times."""
    lanes = np.full(len(at), lane, np.int64)
    drawn = table.drawn(lanes, -(at * 1000 + replica))
    fate = drawn.fate if has_slot else np.full(len(at), INSUFFICIENT, np.int64)
    running = fate == RUN
    return Pods(
        lane=lanes,
        cycle=drawn.cycle,
        work=drawn.work,
        replica=np.full(len(at), replica, np.int64),
        key=drawn.key,
        created=at,
        scheduled=np.where(running | (fate == IMAGE_PULL), at, NEVER),
        init_there=drawn.init_there,
        there=drawn.there,
        started=drawn.started,
        ready=drawn.ready,
        ended=until,
        gone=until,
        fate=fate,
        failed=np.zeros(len(at), np.bool_),
    )
