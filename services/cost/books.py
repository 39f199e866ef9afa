"""The books: for every hour, what its parts sum to against what its nodes cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from services.cost.read import MARK
from services.cost.record import asked
from services.domain import frames
from services.domain.cost import days, hours, opencost, proof, rates
from services.domain.scope import Scope
from services.ports import ReadUnit, Sources
from services.reading import Reading
from services.snapshots import price_book

_LAG = timedelta(minutes=15)
"""An hour is closed some minutes after its end; younger ones are not missed yet."""
_HOUR = timedelta(hours=1)
_CHUNK = timedelta(days=7)

EARLIER = "before costs were recorded"
FILLING = "the past is still being worked out"
SOON = "not closed yet"
UNSEEN = "no collector ran"
REASONS = (EARLIER, FILLING, SOON, UNSEEN)
"""Why there is nothing of an hour."""


@dataclass(frozen=True)
class Day:
    """The books of one day of the reporting zone.

    ``rows`` is :data:`services.domain.cost.proof.PROVED`; ``due`` hours of it are over. ``days_differ``: owners and
    kinds of which the day's facts are not the sums of its hours'; None where there are no facts of the day.
    """

    rows: pd.DataFrame
    due: int
    days_differ: int | None

    def number(self, state: str) -> int:
        """Of hours of clusters in a state."""
        return int(self.rows["state"].eq(state).sum())


@dataclass(frozen=True)
class Period:
    """All hours that are kept, from the first one closed until the last that is due.

    ``missing`` are numbers by reason, ``differing`` clusters and hours, newest first, ``micro`` what was checked.
    """

    begin: datetime | None
    end: datetime | None
    checked: int
    micro: int
    differing: tuple[tuple[str, datetime], ...]
    missing: Mapping[str, int]

    @property
    def due(self) -> int:
        """Hours there should be."""
        return self.checked + sum(self.missing.values())


@dataclass(frozen=True)
class Hour:
    """One hour of a cluster, worked out again from who was where.

    ``row`` is :data:`services.domain.cost.proof.PROVED` of it, as it is kept. ``nodes`` is ``BY_NODE`` of that module,
    ``again`` its ``AGAIN``: where the record and working it out again differ. Both are None where prices came from
    outside (``priced_by``): these are in the record as amounts, and not node by node.
    """

    row: pd.DataFrame
    nodes: pd.DataFrame | None
    again: pd.DataFrame | None
    priced_by: str = ""


def day(sources: Sources, scope: Scope, wanted: str) -> Reading[Day]:
    """The books of a day ("2026-11-23")."""
    begins = proof.hours_of(wanted, sources.policy.cost.zone)
    now = sources.now()
    due = [hour for hour in begins if hour + _HOUR <= now]
    names = _names(sources, scope)

    def read(unit: ReadUnit) -> Day:
        if not due:
            return Day(proof.completed(_nothing(unit, begins, names), []), 0, None)
        end = due[-1] + _HOUR
        kept = unit.costs.hours(begins[0], end, names)
        found = proof.proved(unit.costs.controls(begins[0], end, names), kept)
        rows = proof.completed(found, _missing(unit, names, due, found, now))
        facts = unit.costs.days(wanted, wanted, names)
        return Day(rows, len(due), None if facts.empty else proof.days_differ(facts, kept))

    return asked(sources, read)


def period(sources: Sources, scope: Scope) -> Reading[Period]:
    """Everything that is kept hour by hour. What was checked is not read again until it changes, or the next day."""
    names, now = _names(sources, scope), sources.now()

    def read(unit: ReadUnit) -> Period:
        extents = {name: extent for name in names if (extent := unit.costs.extent(name)) is not None}
        if not extents:
            return Period(None, None, 0, 0, (), {})
        begin = min(first for first, _ in extents.values())
        checked, micro, differing = 0, 0, []
        missing: Counter[str] = Counter()
        at = begin
        while at < now:
            end = at + min(_CHUNK, -((at - now) // _HOUR) * _HOUR)
            found = _chunk(sources, unit, names, at, end)
            checked += len(found)
            micro += int(found["micro"].sum())
            off = found[found["state"] == proof.DIFFERS]
            differing += list(zip(off["cluster"], off["hour"].dt.to_pydatetime(), strict=True))
            due = [at + _HOUR * number for number in range(round((end - at) / _HOUR))]
            due = [hour for hour in due if hour + _HOUR + _LAG <= now]
            mine = tuple(name for name, (first, _) in extents.items())
            lost = _missing(unit, mine, due, found, now)
            missing.update(why for name, hour, why in lost if hour >= extents[name][0])
            at = end
        last = max(last for _, last in extents.values()) + _HOUR
        return Period(begin, last, checked, micro, tuple(reversed(differing)), dict(missing))

    return asked(sources, read)


def hour(sources: Sources, cluster: str, begin: datetime) -> Reading[Hour | None]:
    """One hour of a cluster; None when it is not closed."""
    end = begin + _HOUR

    def read(unit: ReadUnit) -> Hour | None:
        controls = unit.costs.controls(begin, end, (cluster,))
        kept = unit.costs.hours(begin, end, (cluster,))
        if controls.empty:
            return None
        row = proof.proved(controls, kept)
        if opencost.counted(kept["basis"]).any():
            return Hour(row, None, None, opencost.BASIS)
        nodes, holds = unit.costs.spans(begin, end, (cluster,))
        places, version = unit.costs.places(), int(controls["card"].iloc[0])
        card = unit.costs.card(version) if version else None
        lines = frames.empty(rates.CARD) if card is None else card.lines
        prices = hours.Prices(lines, version, price_book())
        found = hours.closed(nodes, holds, places, prices, days.use_of(kept), begin, end)
        return Hour(row, proof.by_node(found.pieces, found.parts, places), proof.differences(kept, found.facts))

    return asked(sources, read)


def _chunk(sources: Sources, unit: ReadUnit, names: tuple[str, ...], begin: datetime, end: datetime) -> pd.DataFrame:
    controls = unit.costs.controls(begin, end, names)
    version = (len(controls), controls["closed_at"].max(), int(controls["micro"].sum()), sources.now().date())
    return sources.memo.get(
        ("books", names, begin), version, lambda: proof.proved(controls, unit.costs.hours(begin, end, names))
    )


def _missing(
    unit: ReadUnit, names: Sequence[str], due: Sequence[datetime], found: pd.DataFrame, now: datetime
) -> list[tuple[str, datetime, str]]:
    there = set(zip(found["cluster"], found["hour"].dt.to_pydatetime(), strict=True))
    lost = []
    for name in names:
        mark, extent = unit.starts.mark(name, MARK), unit.costs.extent(name)
        first = None if extent is None else extent[0]
        lost += [(name, hour, _why(hour, mark, first, now)) for hour in due if (name, hour) not in there]
    return lost


def _why(hour: datetime, mark: Mapping[str, Any] | None, first: datetime | None, now: datetime) -> str:
    if mark is None:
        return UNSEEN
    if any(_at(begin) < hour + _HOUR and hour < _at(end) for begin, end in mark.get("todo", ())):
        return FILLING
    if hour + _HOUR + _LAG > now or (mark.get("next") and hour >= _at(mark["next"])):
        return SOON
    return EARLIER if first is None or hour < first else UNSEEN


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _names(sources: Sources, scope: Scope) -> tuple[str, ...]:
    return tuple(source.name for source in sources.chosen(scope.cluster))


def _nothing(unit: ReadUnit, begins: Sequence[datetime], names: tuple[str, ...]) -> pd.DataFrame:
    empty = unit.costs.controls(begins[0], begins[0], names)
    return proof.proved(empty, unit.costs.hours(begins[0], begins[0], names))
