"""One pool after people changed something in it: scheduler, autoscaler and controllers, event by event.

Until the first change a pool follows its timetable; from then on every pod of it is placed by these rules, which give
back the timetable's own places and times while nothing stands in the way. The outcome is a function of the scenario,
the seed and the writes: two processes that replay the same journal agree, and what was true at a time stays true.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from services.demo import noise
from services.demo.autoscaler import EMPTY_S, Autoscaler
from services.demo.journal import Write
from services.demo.lanes import INSUFFICIENT, RUN, SELECTOR
from services.demo.ledger import Ledger
from services.demo.lives import NEVER
from services.demo.names import pod_name, uid
from services.demo.opening import seat, stand
from services.demo.scenario import PoolPlan
from services.demo.seating import UNSCHEDULABLE, Cell, Event, Host, Stay, Wanted
from services.demo.world import Site

_GRACE_S = 3  # an evicted pod stops
_GPU_TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


class Replay:
    """One pool from ``since`` to ``until``. ``pool`` None: pods that match no pool.

    ``stays`` are all its pods from ``since`` on, ``hosts`` its nodes, ``moments`` when anything visible happened that
    no timetable knows.
    """

    def __init__(self, site: Site, pool: PoolPlan | None, ledger: Ledger, since: int, until: int) -> None:
        self.site, self.pool, self.ledger = site, pool, ledger
        self.since, self.until = since, until
        self.stays: list[Stay] = []
        self.hosts: list[Host] = []
        self.moments: set[int] = set()
        self.autoscaler = Autoscaler(self)
        self._waiting: list[Stay] = []
        self._new: dict[Stay, None] = {}  # those among them that have not tried yet
        self._queue: list[tuple[int, int, int, Event]] = []
        self._sequence = 0
        self._made = 0  # pods that took the place of others
        self._tries = False
        self._fresh: dict[Host, None] = {}  # nodes that may have more room than when those that wait last tried
        self._actors: list[Callable[[Write], None]] = [self._node_written, self._pod_removed]
        self.on_end: list[Callable[[Stay, int], None]] = []
        if pool is not None:
            stand(self, pool)
            seat(self, pool)

    def hear(self, actor: Callable[[Write], None]) -> None:
        """Let a controller see every write."""
        self._actors.append(actor)

    def run(self) -> None:
        """Play everything up to ``until``."""
        for write in self.ledger.writes:
            if self.since <= write.at <= self.until:
                self.later(write.at, self._heard(write), rank=1)
        while self._queue and self._queue[0][0] <= self.until:
            now = self._queue[0][0]
            while self._queue and self._queue[0][0] == now:
                heapq.heappop(self._queue)[3](now)
            if self._tries:
                self._tries = False
                self._schedule(now)

    def later(self, at: int, event: Event, *, rank: int = 2) -> None:
        """Have something happen; of one second, ends (0) come before writes (1) and these before the rest (2)."""
        self._sequence += 1
        heapq.heappush(self._queue, (at, rank, self._sequence, event))

    def shown(self, at: int) -> None:
        """Note that something visible changes then, and try to place what waits."""
        self.moments.add(at)
        self._tries = True

    def _heard(self, write: Write) -> Event:
        def event(now: int) -> None:
            for actor in self._actors:
                actor(write)
            self.shown(now)

        return event

    def freed(self, host: Host) -> None:
        """Note that a node may have room it had not: what waits looks there again."""
        self._fresh[host] = None
        self._tries = True

    def freeing(self, host: Host) -> Event:
        """The node gets room then."""
        return lambda _now: self.freed(host)

    def try_again(self) -> None:
        """Look again for places for the pods that wait and have not tried."""
        self._tries = True

    # -- pods --------------------------------------------------------------------------------------------------------

    def arrive(self, stay: Stay) -> None:
        """Have a new pod come at its creation; it is none of the timetable's."""
        stay.moved = True
        self.stays.append(stay)
        self.later(stay.created, lambda now: self.comes(stay, now))

    def end(self, stay: Stay, at: int) -> None:
        """Have a pod stop then."""
        if stay.over(at):
            return
        stay.moved = True
        stay.until, stay.lasts, stay.kept = at, 0, 0
        stay.ended = stay.gone = at
        self.later(at, self.ends(stay), rank=0)

    def comes(self, stay: Stay, now: int) -> None:
        """A pod is there and waits for a place."""
        if stay.over(now):
            return
        stay.scheduled = stay.init_there = stay.there = stay.started = stay.ready = NEVER
        if stay.moved:
            self.shown(now)
        if stay.fate == SELECTOR:
            return
        self._waiting.append(stay)
        self._new[stay] = None
        self._tries = True
        if stay.until < NEVER:
            self.later(stay.until, self.ends(stay), rank=0)

    def ends(self, stay: Stay) -> Event:
        """The end of a pod, if it still is to end then."""

        def event(now: int) -> None:
            if stay.ended != now or (stay not in self._waiting and stay.host is None):
                return
            if stay in self._waiting:
                self._waiting.remove(stay)
                self._new.pop(stay, None)
                stay.gone = now
            for cell in stay.cells:
                if cell.stay is stay:
                    cell.stay = None
            host, stay.host = stay.host, None
            if host is not None:
                self.freed(host)
            if stay.moved:
                self.shown(now)
            self._tries = True
            if host is not None and host.added and not host.held():
                self.later(now + EMPTY_S, self.autoscaler.emptied(host, now))
            for told in self.on_end:
                told(stay, now)

        return event

    def sit(self, stay: Stay, cells: Sequence[Cell]) -> None:
        """Give a pod its units."""
        stay.cells = tuple(cells)
        for cell in cells:
            cell.stay = stay
        stay.host = cells[0].host
        stay.host_name = stay.host.name if stay.host is not None else ""
        if stay.priority < 0 and stay.host is not None:
            self._fresh[stay.host] = None

    def _bind(self, stay: Stay, cells: Sequence[Cell], at: int) -> None:
        self._waiting.remove(stay)
        self.sit(stay, cells)
        as_planned = stay.home and set(cells) == set(stay.home) and at == stay.bound_first and not stay.moved
        stay.scheduled = at
        if stay.fate == INSUFFICIENT:
            stay.fate = RUN
        if not as_planned:
            stay.moved = True
            self.moments.add(at)
        stay.ended = at + stay.lasts if stay.lasts else stay.until
        stay.gone = min(stay.ended + stay.kept, NEVER)
        if stay.ended < NEVER:
            self.later(stay.ended, self.ends(stay), rank=0)

    # -- scheduler ---------------------------------------------------------------------------------------------------

    def _schedule(self, now: int) -> None:
        fresh, self._fresh = self._fresh, {}
        new, self._new = self._new, {}
        for stay in sorted(self._waiting, key=lambda one: (-one.priority, one.created, one.key)):
            among = self.hosts if stay in new else [*fresh, *self._fresh]
            cells = self._room(stay, self._open(stay, now, among))
            if cells:
                self._bind(stay, cells, now)
            elif stay.priority >= 0:
                self._preempt(stay, self._open(stay, now, among), now)
        self.autoscaler.look(now, self._waiting)

    def _open(self, stay: Stay, now: int, among: Iterable[Host]) -> Iterator[Host]:
        """Nodes the pod may be bound to, its own first."""
        spec = (stay.work.template or {}).get("spec") or {"tolerations": [_GPU_TAINT]}
        tolerations, wanted = spec.get("tolerations") or (), Wanted.of(spec)
        own = stay.home[0].host if stay.home else None
        if own is not None and own.open(now, tolerations, wanted):
            yield own
        for host in among:
            if host is not own and host.open(now, tolerations, wanted):
                yield host

    def _room(self, stay: Stay, hosts: Iterable[Host]) -> Sequence[Cell]:
        """The pod's own units when they are free, else units of the fullest node that has room."""
        work = stay.work
        best: list[Cell] = []
        for host in hosts:
            free = host.free(work.resource)
            if stay.home and host is stay.home[0].host and set(stay.home) <= set(free):
                return stay.home
            if len(free) >= work.amount and (not best or len(free) < len(best)):
                best = free
        return best[: work.amount]

    def _preempt(self, stay: Stay, hosts: Iterable[Host], now: int) -> None:
        """Take the place of pods of negative priority, of as few as will do; they leave without grace."""
        work = stay.work
        best: tuple[list[Stay], Host] | None = None
        for host in hosts:
            lacking = work.amount - len(host.free(work.resource))
            victims: list[Stay] = []
            for cell in host.cells:
                one = cell.stay
                if one is None or one in victims or one.priority >= 0 or cell.resource != work.resource or lacking <= 0:
                    continue
                victims.append(one)
                lacking -= one.work.amount
            if lacking <= 0 and (best is None or len(victims) < len(best[0])):
                best = victims, host
        if best is None:
            return
        for victim in best[0]:
            victim.preempted_by, victim.moved = stay, True
            victim.ended = victim.gone = victim.until = now + 1
            for cell in victim.cells:
                cell.stay = None
            victim.host = None
            self.moments.add(now + 1)
            for told in self.on_end:
                told(victim, now)
        self._bind(stay, best[1].free(work.resource)[: work.amount], now + 2)

    # -- nodes and pods that go --------------------------------------------------------------------------------------

    def node_gone(self, host: Host) -> Event:
        """A node of the timetable is taken away: what still runs on it is made again elsewhere."""

        def event(now: int) -> None:
            for stay in dict.fromkeys(cell.stay for cell in host.cells if cell.stay is not None):
                if not stay.over(now):  # one whose timetable knows the node ends with it
                    self.remove(stay, now, now)
            self._tries = True

        return event

    def host(self, name: str, at: int) -> Host | None:
        """The node of that name."""
        return next((host for host in self.hosts if host.name == name and host.born <= at < host.gone), None)

    def _node_written(self, write: Write) -> None:
        if write.ref.kind != "Node" or write.verb != "patch":
            return
        host = self.host(write.ref.name, write.at)
        if host is None:
            return
        self.freed(host)
        spec = write.body.get("spec") or {}
        if "unschedulable" in spec:
            host.closed = bool(spec["unschedulable"])
        if "taints" in spec:
            host.taints = [taint for taint in spec["taints"] or () if taint.get("key") != UNSCHEDULABLE]
        for name, value in ((write.body.get("metadata") or {}).get("labels") or {}).items():
            if value is None:
                host.labels.pop(name, None)
            else:
                host.labels[name] = value

    def _pod_removed(self, write: Write) -> None:
        if write.ref.kind != "Pod" or write.verb not in ("evict", "delete"):
            return
        for stay in list(self.stays):
            there = stay.created <= write.at < stay.gone and not stay.over(write.at)
            if there and self.uid(stay) == write.body.get("uid"):
                grace = int((stay.work.template or {}).get("spec", {}).get("terminationGracePeriodSeconds", _GRACE_S))
                self.remove(stay, write.at, write.at + min(grace, _GRACE_S))

    def uid(self, stay: Stay) -> str:
        """The uid of a pod."""
        row = (stay.work, stay.replica, stay.cycle, stay.created, stay.key)
        return uid(self.site, "pod", stay.work.namespace, pod_name(self.site, *row), stay.cycle)

    def remove(self, stay: Stay, now: int, ends: int) -> None:
        """Take a pod away; what owns it makes another one, except a bare pod."""
        was, until = stay.ended, stay.until
        waits = stay in self._waiting
        if waits:
            ends = now
        if stay.work.template is None and stay.work.plan.kind != "Pod":
            self.arrive(self._another(stay, ends + 1, was, until))
        stay.moved = True
        stay.until = stay.ended = stay.gone = max(ends, stay.created + 1)
        stay.lasts = stay.kept = 0
        if waits:
            self._waiting.remove(stay)
            self._new.pop(stay, None)
            for told in self.on_end:
                told(stay, now)
            self.shown(now)
        else:
            self.later(stay.ended, self.ends(stay), rank=0)
            self.moments.add(now)

    def _another(self, stay: Stay, at: int, was: int, until: int) -> Stay:
        self._made += 1
        key = int(noise.mixed(np.array([stay.key], np.uint64), np.array([at], np.int64), draw=21)[0])
        job = stay.work.plan.kind in ("Job", "CronJob")
        ended = max(was, until if until < NEVER else was)
        other = Stay(
            work=stay.work, lane=stay.lane, replica=stay.replica,
            cycle=stay.cycle if job else -(at * 1000 + self._made), key=key, created=at, priority=stay.priority,
            kept=stay.kept, until=ended, lasts=stay.lasts, fate=stay.fate, home=stay.home,
        )  # fmt: skip
        other.ended, other.gone = ended, ended
        return other
