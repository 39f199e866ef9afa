"""Costs of all clusters: meters that look, hours that are closed, and the past where it can be asked.

What is done is noted under :data:`MARK` of each cluster: ``since`` when it is metered, until when it was ``looked`` at,
the ``next`` hour to be closed, the stretches of the past still ``todo`` (``of`` so many), hours whose utilisation
nobody could tell yet (``unmeasured``), the newest rate ``card`` that was heeded, and what it has to be worked out
``again`` for.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.jobs import costpast
from services.jobs.backfill import Clock, Stretch
from services.jobs.closing import Closing, Hold
from services.jobs.feed import LOST_AFTER
from services.jobs.meter import Meter
from services.jobs.spans import Pile
from services.ports import ClusterSource, Remembering, Sources, UnitOfWork, Work

log = logging.getLogger(__name__)

MARK = "cost"
DAYS = 62
"""So far back the past is worked out: this month and the one before it."""
LAG = timedelta(minutes=5)
"""An hour is closed so long after its end: metrics of its last minute have arrived."""
MEASURE_EVERY = timedelta(minutes=5)
MEASURE_FOR = timedelta(hours=24)
"""Utilisation that could not be had when an hour was closed is asked for again so often, and for so long."""
MARK_EVERY = timedelta(seconds=30)
HOUR = timedelta(hours=1)


@dataclass
class _Account:
    """One cluster and how far it is."""

    meter: Meter
    next: datetime
    todo: list[Stretch] = field(default_factory=list)  # the next one last
    of: int = 0
    unmeasured: dict[datetime, datetime] = field(default_factory=dict)  # when each was tried last
    card: int = 0
    again: list[Stretch] = field(default_factory=list)
    marked: datetime | None = None

    def mark(self) -> dict[str, Any]:
        """What is noted of it."""
        return {
            "since": self.meter.since.isoformat(),
            "looked": None if self.meter.looked is None else self.meter.looked.isoformat(),
            "next": self.next.isoformat(),
            "todo": _pairs(self.todo),
            "of": self.of,
            "done": self.of - len(self.todo),
            "unmeasured": sorted(hour.isoformat() for hour in self.unmeasured),
            "card": self.card,
            "again": _pairs(self.again),
        }


class Metering:
    """The costs of all clusters of ``sources``, for as long as ``hold`` lets this process write."""

    def __init__(self, sources: Sources, work: Work, hold: Hold, *, days: int = DAYS) -> None:
        self._sources, self._work, self._hold, self._days = sources, work, hold, days
        self._closing = Closing(sources, work, hold)
        self._zone = ZoneInfo(sources.policy.cost.zone)
        self._accounts: dict[str, _Account] = {}
        self._past: Mapping[str, ClusterSource] | None = None
        self._clock = Clock(sources.now())
        self._steps: Iterator[None] | None = None

    def begin(self, unit: UnitOfWork, now: datetime) -> None:
        """Go on from what is in the record."""
        self._accounts, self._steps = {}, None
        for name, source in self._sources.clusters.items():
            self._accounts[name] = self._account(unit, source, now)

    def _account(self, unit: UnitOfWork, source: ClusterSource, now: datetime) -> _Account:
        name, mark = source.name, unit.starts.mark(source.name, MARK)
        remembers = self._sources.past is not None and isinstance(source.cluster, Remembering)
        meter = Meter(source, self._sources.policy, since=now)
        if mark is None:
            newest = self._hour(now)
            oldest = self._midnight(now - timedelta(days=self._days))
            todo = list(self._local_days(name, oldest, now)) if remembers else []
            return _Account(meter, newest if remembers else newest + HOUR, todo, len(todo))
        looked = None if mark["looked"] is None else datetime.fromisoformat(mark["looked"])
        meter.since = datetime.fromisoformat(mark["since"])
        meter.resume(*unit.costs.open_spans(name), looked)
        account = _Account(
            meter,
            datetime.fromisoformat(mark["next"]),
            _stretches(name, mark["todo"]),
            int(mark["of"]),
            dict.fromkeys(map(datetime.fromisoformat, mark["unmeasured"]), now - MEASURE_EVERY),
            int(mark["card"]),
            _stretches(name, mark["again"]),
        )
        last = looked or meter.since
        if remembers and now - last > LOST_AFTER:
            meter.cut()
            meter.since = now
            more = list(self._local_days(name, last, now))
            account.todo += more
            account.of += len(more)
        return account

    # -- live --------------------------------------------------------------------------------------------------------

    def look(self, now: datetime) -> None:
        """See who is there."""
        for account in self._accounts.values():
            account.meter.look(now)

    def write(self, now: datetime, *, whole: bool = False) -> None:
        """Write spans that changed, and now and again how far everything is."""
        for account in self._accounts.values():
            late = account.marked is None or not timedelta(0) <= now - account.marked < MARK_EVERY
            if whole or late or account.meter.pile:
                with self._work() as unit:
                    self._hold(unit)
                    unit.costs.save_spans(*account.meter.pile.frames())
                    self._note(unit, account, now)
                    unit.commit()
                account.meter.pile.clear()

    def _note(self, unit: UnitOfWork, account: _Account, now: datetime, **done: Any) -> None:
        """Note how far it is, with what ``done`` changes of it once this is kept: see :func:`_settle`."""
        unit.starts.set_mark(account.meter.source.name, MARK, replace(account, **done).mark(), now)
        account.marked = now

    # -- hours -------------------------------------------------------------------------------------------------------

    def close(self, now: datetime) -> bool:
        """Close an hour that is over, or work one out again; whether there may be more to do at once."""
        busy = False
        for name, account in self._accounts.items():
            looked = account.meter.looked
            end = account.next + HOUR
            if looked is not None and end <= looked and end + LAG <= now and not _overlaps(account.todo, account.next):
                self._close(account, account.next, end, now, fresh=True)
                busy = True
            else:
                busy |= self._measure(account, now) or self._again(name, account, now)
        return busy

    def _close(self, account: _Account, begin: datetime, end: datetime, now: datetime, *, fresh: bool) -> None:
        """Close hours and note that it is done; ``fresh``: their utilisation is asked for, and the pointer moves.

        Without, it is the last one of those to be worked out again.
        """
        done: dict[str, Any] = {}

        def note(unit: UnitOfWork, unmeasured: tuple[datetime, ...]) -> None:
            if fresh:
                done.update(next=end, unmeasured=account.unmeasured | dict.fromkeys(unmeasured, now))
            else:
                done.update(again=account.again[:-1])
            self._note(unit, account, now, **done)

        self._closing.close(account.meter.source, begin, end, now, note=note, measure=fresh)
        _settle(account, done)

    def _measure(self, account: _Account, now: datetime) -> bool:
        """Ask again for the utilisation of the oldest hour that lacks it; whether there was one."""
        due = [hour for hour, tried in account.unmeasured.items() if now - tried >= MEASURE_EVERY]
        if not due:
            return False
        hour = min(due)
        account.unmeasured[hour] = now
        if now - hour > MEASURE_FOR + HOUR:
            del account.unmeasured[hour]
            return True

        done: dict[str, Any] = {}

        def note(unit: UnitOfWork, unmeasured: tuple[datetime, ...]) -> None:
            left = {at: tried for at, tried in account.unmeasured.items() if at != hour or unmeasured}
            done.update(unmeasured=left)
            self._note(unit, account, now, **done)

        self._closing.close(account.meter.source, hour, hour + HOUR, now, note=note, measure=True)
        _settle(account, done)
        return True

    def _again(self, name: str, account: _Account, now: datetime) -> bool:
        """Work out a day anew because prices of the past were changed."""
        with self._work.reading() as unit:
            card, extent = unit.costs.card(), unit.costs.extent(name)
        if card is not None and extent is not None and card.version > account.card:
            for begin, end in self._closing.touched(account.card, card, extent[0], account.next):
                account.again += self._local_days(name, self._hour(begin), min(end, account.next))
            account.card = card.version
        if not account.again:
            return False
        stretch = account.again[-1]
        end = min(self._hour(stretch.end - timedelta(seconds=1)) + HOUR, account.next)
        self._close(account, self._hour(stretch.begin), end, now, fresh=False)
        return True

    # -- the past ----------------------------------------------------------------------------------------------------

    def past(self) -> bool:
        """One small step into the past; False when all of it is known."""
        if self._steps is None:
            todo = [account for account in self._accounts.values() if account.todo]
            if not todo:
                self._past = None
                return False
            account = max(todo, key=lambda one: one.todo[-1].end)
            self._steps = self._fill(account, account.todo[-1])
        if next(self._steps, self) is self:
            self._steps = None
        return True

    def _fill(self, account: _Account, stretch: Stretch) -> Iterator[None]:
        """Spans of a stretch, then its whole hours, those closed by :meth:`close` excepted."""
        if self._past is None and self._sources.past is not None:
            self._past = self._sources.past(self._clock)
        pile = Pile(stretch.cluster)
        source = (self._past or {})[stretch.cluster]
        for _ in costpast.walk(source, self._clock, stretch, self._sources.policy, pile):
            yield
        now = self._sources.now()
        with self._work() as unit:
            self._hold(unit)
            unit.costs.save_spans(*pile.frames())
            unit.commit()
        yield
        begin, end = self._hour(stretch.begin), min(self._hour(stretch.end), account.next)
        done: dict[str, Any] = {}

        def note(unit: UnitOfWork, _unmeasured: tuple[datetime, ...] = ()) -> None:
            done.update(todo=[one for one in account.todo if one != stretch])
            self._note(unit, account, now, **done)

        if begin < end:
            for _ in self._closing.closed(source, begin, end, now, note=note, measure=True):
                yield
        else:
            with self._work() as unit:
                self._hold(unit)
                note(unit)
                unit.commit()
        _settle(account, done)

    # -- the calendar ------------------------------------------------------------------------------------------------

    def _hour(self, at: datetime) -> datetime:
        """The hour by the clock of the reporting zone that an instant lies in."""
        offset = at.astimezone(self._zone).utcoffset() or timedelta(0)
        seconds = int((at + offset).timestamp()) // 3600 * 3600
        return datetime.fromtimestamp(seconds, UTC) - offset

    def _midnight(self, at: datetime) -> datetime:
        return at.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)

    def _local_days(self, name: str, begin: datetime, end: datetime) -> Iterator[Stretch]:
        """The days of the reporting zone between two instants, oldest first; the last one may be part of a day."""
        day = self._midnight(begin).astimezone(self._zone)
        while (at := day.astimezone(UTC)) < end:
            day = (day.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=self._zone)
            yield Stretch(name, max(at, begin), min(day.astimezone(UTC), end))


def _settle(account: _Account, done: dict[str, Any]) -> None:
    """What was noted holds now that it is kept. Before, whoever noted something else would have noted this, undone."""
    for name, value in done.items():
        setattr(account, name, value)


def _overlaps(stretches: list[Stretch], hour: datetime) -> bool:
    return any(one.begin < hour + HOUR and hour < one.end for one in stretches)


def _pairs(stretches: list[Stretch]) -> list[list[str]]:
    return [[one.begin.isoformat(), one.end.isoformat()] for one in stretches]


def _stretches(name: str, pairs: list[list[str]]) -> list[Stretch]:
    return [Stretch(name, datetime.fromisoformat(begin), datetime.fromisoformat(end)) for begin, end in pairs]
