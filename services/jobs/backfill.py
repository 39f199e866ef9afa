"""Filling in the past where a source can still be asked about it: day by day, the newest first, in small steps.

Each stretch is walked forward as a recorder would have lived through it, and what turned between two looks is looked at
when it did (:mod:`services.jobs.turns`). What was recorded live is known better and
stays: rows have natural keys, and a walk takes only pods created before recording began.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.domain.startup import Outcome
from services.domain.startup.frame import StartRecord
from services.jobs.feed import LOST_AFTER
from services.jobs.record import Recorder
from services.jobs.turns import Turns
from services.ports import ClusterSource, Sources, UnitOfWork, Work

log = logging.getLogger(__name__)

DAYS = 30
STEP, CLOSE = timedelta(minutes=10), timedelta(minutes=1)
"""From look to look; the shorter one while a pod starts on its node, where things happen quickly."""
MOST_CLOSELY = 1000
"""A cluster with more pods than this is looked at in large steps only: some pod always starts, every look costs."""
LEAD_IN = timedelta(hours=1)
"""Nodes and events are looked at from so long before the first pod that counts."""
LEAD_OUT = timedelta(days=2)
"""The last pods of a stretch are followed so long as before, and to the present in steps of :data:`FAR`, if it takes
them that long to become ready or to go."""
FAR = timedelta(days=1)
OVERLAP = timedelta(hours=2)
"""What had begun so long before recording broke off may have become ready while nobody looked."""
MARK, ALIVE = "backfill", "alive"
"""Marks: how much is done ("done" of "of" stretches, "todo"), and when a cluster was last looked at ("at")."""
_WRITE_STEPS = 60

Hold = Callable[[UnitOfWork], None]


@dataclass(frozen=True)
class Stretch:
    """Pods created in [begin, end) of a cluster."""

    cluster: str
    begin: datetime
    end: datetime


@dataclass
class Clock:
    """The moment the past is asked about."""

    at: datetime

    def __call__(self) -> datetime:
        """That moment."""
        return self.at


def walk(
    source: ClusterSource, clock: Clock, stretch: Stretch, *, until: datetime, team_label: str, step: timedelta = STEP
) -> Iterator[tuple[StartRecord, ...]]:
    """Live through a stretch; after each look, the starts that are over since. The last answer has those that are not.

    ``clock`` is the one ``source`` goes by; ``until`` is the present.
    """
    recorder = Recorder(source, team_label=team_label, begin=stretch.begin, end=stretch.end, lost_after=max(step, FAR))

    def show(kind: str, at: datetime) -> Sequence[Any]:
        clock.at = at
        return source.cluster.snapshot(kind).objects

    turns = Turns(show, recorder.wants)
    at = first = stretch.begin - LEAD_IN
    while True:
        small, far = len(show("pods", at)) <= MOST_CLOSELY, at > stretch.end + LEAD_OUT
        for moment in (*(turns.until(at, recorder.unready) if small or far else ()), at):
            clock.at = moment
            recorder.look(moment)
        is_last = at >= until or (at >= stretch.end and recorder.idle)
        batch = recorder.batch(at, under_way=is_last)
        recorder.written(batch)
        yield batch.records
        if is_last and not batch.more:
            return
        if not is_last:
            on = min(step, CLOSE) if small and recorder.busy(at) and not far else step - (at - first) % step
            at = min(at + (FAR if at >= stretch.end + LEAD_OUT else on), until)


class Backfill:
    """The past of all clusters, one small step at a time."""

    def __init__(self, sources: Sources, work: Work, hold: Hold, *, days: int = DAYS, step: timedelta = STEP) -> None:
        self._sources, self._work, self._hold = sources, work, hold
        self._days, self._step = days, step
        self._todo: list[Stretch] = []  # the next one last
        self._of: dict[str, int] = {}
        self._clock = Clock(sources.now())
        self._past: Mapping[str, ClusterSource] | None = None
        self._steps: Iterator[tuple[StartRecord, ...]] | None = None
        self._found: list[StartRecord] = []
        self._looks = 0

    def plan(self, now: datetime) -> None:
        """Work out what is to be filled in; before anything is recorded live. Raises SourceUnavailable."""
        self._todo, self._steps, self._found = [], None, []
        if self._sources.past is None:
            return
        with self._work() as unit:
            self._hold(unit)
            for name in self._sources.clusters:
                mark, alive = unit.starts.mark(name, MARK), unit.starts.mark(name, ALIVE)
                todo, of = self._missing(name, mark, alive, now)
                self._todo += todo
                self._of[name] = of
                self._note(unit, name, now)
            unit.commit()
        self._todo.sort(key=lambda one: (one.end, one.cluster))
        if self._todo:
            log.info("filling in the past: %d stretches of up to a day", len(self._todo))

    def _missing(
        self, name: str, mark: Mapping[str, Any] | None, alive: Mapping[str, Any] | None, now: datetime
    ) -> tuple[list[Stretch], int]:
        """Stretches that are to be walked, and how many there have been in all."""
        oldest = now - timedelta(days=self._days)
        if mark is None:
            todo = list(_days(name, oldest, now))
            return todo, len(todo)
        instants = [[datetime.fromisoformat(text) for text in pair] for pair in mark["todo"]]
        todo = [Stretch(name, begin, end) for begin, end in instants if end > oldest]
        of = int(mark["of"])
        looked = datetime.fromisoformat(alive["at"]) if alive else None
        if looked is not None and now - looked > LOST_AFTER:
            more = list(_days(name, max(looked - OVERLAP, oldest), now))
            todo, of = todo + more, of + len(more)
        return todo, of

    def step(self) -> bool:
        """One look at the past; False when all of it is filled in. Raises SourceUnavailable."""
        if not self._todo:
            return False
        stretch = self._todo[-1]
        if self._steps is None:
            self._steps = self._begin(stretch)
        records = next(self._steps, None)
        if records is not None:
            self._found += records
            self._looks += 1
            if self._looks % _WRITE_STEPS == 0 and self._found:
                self._write(stretch, done=False)
            return True
        self._write(stretch, done=True)
        self._steps = None
        if not self._todo:
            self._past = None
            log.info("the past is filled in")
        return bool(self._todo)

    def _begin(self, stretch: Stretch) -> Iterator[tuple[StartRecord, ...]]:
        if self._past is None and self._sources.past is not None:
            self._past = self._sources.past(self._clock)
        source = (self._past or {}).get(stretch.cluster)
        if source is None:
            return iter(())
        label = self._sources.policy.team_label
        return walk(source, self._clock, stretch, until=self._sources.now(), team_label=label, step=self._step)

    def _write(self, stretch: Stretch, *, done: bool) -> None:
        now = self._sources.now()
        with self._work() as unit:
            self._hold(unit)
            unit.starts.save(stretch.cluster, list(_news(unit, stretch.cluster, self._found)), now)
            if done:
                self._note(unit, stretch.cluster, now, without=stretch)
            unit.commit()
        self._found = []
        if done:
            self._todo.pop()

    def _note(self, unit: UnitOfWork, name: str, now: datetime, *, without: Stretch | None = None) -> None:
        todo = [one for one in self._todo if one.cluster == name and one != without]
        value = {
            "done": self._of[name] - len(todo),
            "of": self._of[name],
            "todo": [[one.begin.isoformat(), one.end.isoformat()] for one in todo],
        }
        unit.starts.set_mark(name, MARK, value, now)


def _news(unit: UnitOfWork, cluster: str, records: list[StartRecord]) -> Iterator[StartRecord]:
    """Without starts under way of which there is a row: a recorder has looked at those since."""
    for one in records:
        if one.outcome is not Outcome.STARTING or unit.starts.row(cluster, one.uid).empty:
            yield one


def _days(cluster: str, begin: datetime, end: datetime) -> Iterator[Stretch]:
    """The days between two instants, oldest first; the first and the last are parts of days."""
    at = begin
    while at < end:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        yield Stretch(cluster, at, min(midnight, end))
        at = midnight
