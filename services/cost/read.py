"""What the fleet cost, as recorded: the one place that reads facts of costs for pages."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import pandas as pd

from services.domain import frames
from services.domain.cost import DAYS, LISTLESS, LLM, OWNERS, PLACES
from services.domain.cost.report import COSTS
from services.domain.cost.windows import Window, today
from services.domain.scope import Scope
from services.errors import SourceUnavailable
from services.ports import ReadUnit, Sources
from services.reading import Absence, Problem, Reading

T = TypeVar("T")

MARK = "cost"
"""What the collector notes the state of its cost accounts under."""
_KEEP_S, _KEEP_PAST_S = 60.0, 300.0
"""How long what was read is good enough: hours are closed once an hour, and worked out again now and then."""
_OPEN_DAYS = 2
"""So many days up to today are summed from their hours: days of the record may be an hour behind."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_SUMMED = ("ticks", "micro", "list_micro", "measured_ticks", "used_ticks", "measured_micro", "used_micro")
_TEXT = [name for name, dtype in COSTS.items() if dtype == "str"]


@dataclass(frozen=True)
class Recorded:
    """Costs (:data:`services.domain.cost.report.COSTS`) of a window; shared, never to be changed.

    ``card`` is the version of the rate card they are counted with, ``newest`` the last one; 0 when there is none.
    ``since`` and ``through`` are the beginning of the first and the end of the last closed hour by cluster, ``filling``
    the share of the past that is worked out where that is not all of it yet.
    """

    costs: pd.DataFrame
    window: Window
    card: int
    newest: int
    since: Mapping[str, datetime]
    through: Mapping[str, datetime]
    filling: Mapping[str, float]


def recorded(sources: Sources, window: Window, card: int | None = None) -> Reading[Recorded]:
    """Everything recorded of a window, counted with a version of the rate card (None: the newest).

    This month and the one before it are read once for all windows inside them.
    """
    on = today(sources.now(), sources.policy.cost.zone)
    usual = Window((on.replace(day=1) - _DAY).replace(day=1), on)
    if not usual.first <= window.first <= window.last <= usual.last:
        return _whole(sources, window, card, _KEEP_S if window.last >= on - _DAY else _KEEP_PAST_S)
    whole = _whole(sources, usual, card, _KEEP_S)
    if whole.value is None or window == usual:
        return whole
    found = whole.value
    costs = sources.memo.get(("costs", window, card), whole.as_of, lambda: _between(found.costs, window))
    return replace(whole, value=replace(found, costs=costs, window=window))


def spent(sources: Sources, window: Window) -> Reading[pd.DataFrame]:
    """Spend and tokens of language models (:data:`services.domain.cost.LLM`) in a window, all clusters."""
    zone = sources.policy.cost.zone

    def build(unit: ReadUnit) -> pd.DataFrame:
        return frames.conform(unit.costs.llm(window.begin(zone), window.end(zone), tuple(sources.clusters)), LLM)

    return _kept(sources, ("llm costs", window), build, _KEEP_S)


def visible(costs: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    """Costs of the scope. Who does not see everything sees what their own hold, and no fleet around it."""
    kept = scope.keep(costs)
    return kept if scope.sees.whole else kept[kept["kind"].eq("held")]


def visible_spend(llm: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    """Spend of the scope: by its cluster, namespace and team, for pools and GPU models have none."""
    kept = scope.sees.seen(llm)
    for column in ("cluster", "namespace", "team"):
        wanted = getattr(scope, column)
        if wanted:
            kept = kept[kept[column] == wanted]
    return kept


def _whole(sources: Sources, window: Window, card: int | None, keep_s: float) -> Reading[Recorded]:
    return _kept(
        sources,
        ("recorded costs", window, card),
        lambda unit: _read(unit, window, card, tuple(sources.clusters), sources),
        keep_s,
    )


def _kept(sources: Sources, key: Hashable, ask: Callable[[ReadUnit], T], keep_s: float) -> Reading[T]:
    """Something of the record, read once for everybody; after a failure the last good one with its age."""
    work = sources.work
    if work is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    end, clusters = sources.now(), tuple(sources.clusters)
    last: Reading[T] | None = sources.memo.last(key)
    failing = last is not None and last.problem is not None

    def build() -> Reading[T]:
        try:
            with work.reading() as unit:
                return Reading(ask(unit), as_of=end)
        except SourceUnavailable as error:
            since = last.problem.since if last is not None and last.problem is not None else end
            problem = Problem.of(error, source="database", since=since)
            return Reading(None, problem=problem) if last is None else replace(last, problem=problem)

    at = end.timestamp()
    kept = float(sources.policy.refresh_s) if failing else keep_s
    return sources.memo.get(key, (at, clusters), build, at=at, keep_s=kept)


def _read(unit: ReadUnit, window: Window, card: int | None, clusters: tuple[str, ...], sources: Sources) -> Recorded:
    zone, newest = sources.policy.cost.zone, unit.costs.card()
    last = 0 if newest is None else newest.version
    days = unit.costs.days(str(window.first), str(window.last), clusters, card)
    on = today(sources.now(), zone)
    opened = Window(max(window.first, on - (_OPEN_DAYS - 1) * _DAY), window.last)
    if opened.first <= opened.last:
        days = _with_hours(days, unit.costs.hours(opened.begin(zone), opened.end(zone), clusters, card), zone)
    extents = {name: unit.costs.extent(name) for name in clusters}
    marks = {name: unit.starts.mark(name, MARK) or {} for name in clusters}
    return Recorded(
        costs=joined(days, unit.costs.owners(), unit.costs.places()),
        window=window,
        card=last if card is None else card,
        newest=last,
        since={name: found[0] for name, found in extents.items() if found is not None},
        through={name: found[1] + _HOUR for name, found in extents.items() if found is not None},
        filling={
            name: mark.get("done", 0) / mark["of"]
            for name, mark in marks.items()
            if mark.get("of") and mark.get("done", 0) < mark["of"]
        },
    )


def _with_hours(days: pd.DataFrame, hours: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Days with those of which there are hours summed from these."""
    if hours.empty:
        return days
    local = hours.assign(day=hours["hour"].dt.tz_convert(zone).dt.strftime("%Y-%m-%d"))
    summed = local.assign(listless=local["list_micro"].eq(LISTLESS))
    keys = [name for name in DAYS if name not in _SUMMED]
    sums = summed.groupby([*keys, "listless"], sort=False)[list(_SUMMED)].sum().reset_index()
    sums = sums.assign(list_micro=sums["list_micro"].mask(sums["listless"], LISTLESS))
    newer = set(zip(sums["cluster"], sums["day"], strict=True))
    recent = days["day"].ge(str(sums["day"].min()))
    stale = [pair in newer for pair in zip(days.loc[recent, "cluster"], days.loc[recent, "day"], strict=True)]
    kept = days.drop(index=days.index[recent][stale])
    return pd.concat([frames.conform(kept, DAYS), frames.conform(sums, DAYS)], ignore_index=True)


def joined(days: pd.DataFrame, owners: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """Facts of days with names in place of numbers (:data:`COSTS`), its text as categories."""
    found = {name: days[name] for name in COSTS if name in days.columns}
    for number, known, columns in (("owner", owners, OWNERS), ("place", places, PLACES)):
        rows = pd.Index(known[number]).get_indexer(pd.Index(days[number]))
        for name in columns:
            if name not in (number, "cluster"):
                codes, names = pd.factorize(pd.concat([known[name].astype("str"), pd.Series([""], dtype="str")]))
                found[name] = pd.Series(pd.Categorical.from_codes(codes[rows], names), index=days.index)
    frame = pd.DataFrame(found)[list(COSTS)]
    return frame.astype({name: "category" for name in _TEXT if frame[name].dtype != "category"})


def _between(costs: pd.DataFrame, window: Window) -> pd.DataFrame:
    days = costs["day"].cat.categories
    inside = [str(window.first) <= day <= str(window.last) for day in days]
    return costs[costs["day"].isin(days[inside])]


def through(found: Recorded, scope: Scope) -> datetime | None:
    """Until when the costs of a scope's clusters are known: the end of the hour all of them have closed."""
    known = [at for name, at in found.through.items() if scope.cluster in ("", name)]
    return min(known, default=None)


def covered(found: Recorded, scope: Scope, window: Window, zone: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Clusters of the scope recorded from the beginning of a window on, and those that are not."""
    names = [name for name in found.since if scope.cluster in ("", name)]
    whole = tuple(name for name in names if found.since[name] <= window.begin(zone))
    return whole, tuple(name for name in names if name not in whole)
