"""The figures of the Cost page and of the files it hands out: both are drawn from the same board."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import pandas as pd

from services.cost.read import Recorded, covered, recorded, spent, through, visible, visible_spend
from services.domain.cost import landing as landings
from services.domain.cost import periods, report, tokens, windows
from services.domain.cost.budget import Budget
from services.domain.cost.movers import movers
from services.domain.cost.pricevolume import Change, change
from services.domain.cost.report import Spot, Step, Totals
from services.domain.cost.windows import Window
from services.domain.scope import Scope
from services.errors import SourceUnavailable
from services.ports import Sources
from services.reading import Reading

_DAY = timedelta(days=1)
_MOVED = ("team", "workload")
"""Dimensions changes are broken down by."""


@dataclass(frozen=True)
class Asked:
    """What is looked at. ``window`` of :data:`services.domain.cost.windows.WINDOWS`, ``first`` and ``last`` for "days";

    ``against`` of AGAINST; ``card`` the rate card's version, None for the newest; ``by`` a dimension of
    :mod:`services.domain.cost.report`, inside the steps of ``path``.
    """

    window: str = "month"
    first: date | None = None
    last: date | None = None
    against: str = "month"
    card: int | None = None
    by: str = "team"
    path: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Beside:
    """A window's whole days set beside others: only clusters recorded in both, the ``without`` ones left out."""

    now: Window
    then: Window
    change: Change
    movers: Mapping[str, pd.DataFrame]  # MOVERS by dimension
    without: tuple[str, ...]
    missing: int  # days of the two together of which nothing is recorded


@dataclass(frozen=True)
class Month:
    """This calendar month, whatever window is looked at: spent so far, and the range it will end in (micro-dollars)."""

    name: str
    begin: datetime
    end: datetime
    spent: int
    low: int
    mid: int
    high: int
    method: str


@dataclass(frozen=True)
class Line:
    """What a budget of this scope allows per day of its period, in micro-dollars."""

    name: str
    micro_per_day: float


@dataclass(frozen=True)
class Board:
    """Frames as their functions in :mod:`services.domain.cost.report` say; money in micro-dollars.

    ``totals``, ``daily`` and what follows are of the scope and the path. ``beside`` is None while there is nothing to
    be set beside; ``uncovered`` then names clusters recorded only since later. ``unrecorded`` days of the window
    are over and in no figure. ``data_through`` is the end of the last hour all clusters of the scope have closed.
    """

    window: Window
    compared: Window
    whole: Window | None
    card: int
    newest_card: int
    totals: Totals
    daily: pd.DataFrame
    breakdown: pd.DataFrame
    teams: pd.DataFrame
    workloads: pd.DataFrame
    idle: pd.DataFrame
    unpriced: pd.DataFrame
    bases: pd.DataFrame
    spot: Spot
    month: Month | None
    beside: Beside | None
    uncovered: tuple[str, ...]
    budgets: tuple[Line, ...]
    dimensions: tuple[str, ...]
    unrecorded: int
    since: datetime | None
    data_through: datetime | None
    filling: Mapping[str, float]
    zone: str


@dataclass(frozen=True)
class Llm:
    """Spend on language models by :data:`services.domain.cost.tokens.SPLITS`, without keys for who may not see them.

    ``own``: :data:`services.domain.cost.tokens.OWN`. ``micro`` is spend on others' models in the window.
    """

    window: Window
    micro: int
    splits: Mapping[str, pd.DataFrame]
    own: pd.DataFrame


def board(sources: Sources, scope: Scope, asked: Asked) -> Reading[Board]:
    """The figures of a scope."""
    zone, now = sources.policy.cost.zone, sources.now()
    on = windows.today(now, zone)
    window = windows.window(asked.window, on, asked.first, asked.last)
    whole = windows.whole(window, on)
    then = windows.beside(whole or window, asked.against)
    usual = Window((on.replace(day=1) - _DAY).replace(day=1), on)
    readings = [recorded(sources, each, asked.card) for each in (window, then, usual)]
    first = readings[0]
    if any(reading.value is None for reading in readings):
        bad = next(reading for reading in readings if reading.value is None)
        return Reading(None, bad.as_of, bad.problem, bad.absence, bad.notes)
    found, earlier, recent = (reading.value for reading in readings if reading.value is not None)

    def build() -> Board:
        costs = visible(found.costs, scope)
        inner = report.narrowed(costs, asked.path)
        whole_now = None if whole is None else recorded(sources, whole, asked.card).value
        return Board(
            window=window,
            compared=then,
            whole=whole,
            card=found.card,
            newest_card=found.newest,
            totals=report.totals(inner),
            daily=report.daily(inner),
            breakdown=report.by(inner, asked.by),
            teams=report.by(inner, "team"),
            workloads=report.by(inner, "workload"),
            idle=report.idle(inner),
            unpriced=report.unpriced(inner),
            bases=report.bases(inner),
            spot=report.spot(inner),
            month=_month(recent, scope, asked, now, zone) if found.since else None,
            beside=None if whole_now is None else _beside(whole_now, earlier, scope, asked, zone),
            uncovered=covered(earlier, scope, then, zone)[1],
            budgets=_lines(sources, scope, asked, now),
            dimensions=(*report.DIMENSIONS, *(f"{report.LABEL}{name}" for name in sources.policy.cost.labels)),
            unrecorded=0 if whole is None else _missing(found.costs, whole),
            since=min((at for name, at in found.since.items() if scope.cluster in ("", name)), default=None),
            data_through=through(found, scope),
            filling={name: share for name, share in found.filling.items() if scope.cluster in ("", name)},
            zone=zone,
        )

    versions = tuple(reading.as_of for reading in readings)
    value = sources.memo.get(("cost board", replace(scope, range="24h"), asked, window), versions, build)
    return Reading(value, first.as_of, first.problem, first.absence, first.notes)


def _missing(costs: pd.DataFrame, whole: Window) -> int:
    """Days that are over and of which nothing is recorded, anywhere."""
    days = {day for day in costs["day"].unique() if str(whole.first) <= day <= str(whole.last)}
    return whole.days - len(days)


def _month(recent: Recorded, scope: Scope, asked: Asked, now: datetime, zone: str) -> Month:
    """Where this month will end, from the days of this one and the one before; a recorded day without cost is 0."""
    period = periods.period(periods.Calendar(zone=zone), now)
    mine = recent.costs if not scope.cluster else recent.costs[recent.costs["cluster"].eq(scope.cluster)]
    daily = report.daily(report.narrowed(visible(recent.costs, scope), asked.path)).set_index("day")["micro"]
    every = sorted({str(day) for day in mine["day"].unique()})
    days = daily.rename(index=str).reindex(every).fillna(0).astype("int64").rename_axis("day").reset_index()
    since = max((at for name, at in recent.since.items() if scope.cluster in ("", name)), default=None)
    end = landings.landing(days, period.begin, period.end, now, zone, since=since, through=through(recent, scope))
    spent = int(days.loc[days["day"] >= f"{period.name}-01", "micro"].sum())
    return Month(period.name, period.begin, period.end, spent, end.low, end.mid, end.high, end.method)


def _beside(now: Recorded, then: Recorded, scope: Scope, asked: Asked, zone: str) -> Beside | None:
    """The change of clusters that are recorded in both windows; None when none is."""
    both, without = covered(then, scope, then.window, zone)
    if not both:
        return None
    before, after = (
        report.narrowed(visible(found.costs[found.costs["cluster"].isin(both)], scope), asked.path)
        for found in (then, now)
    )
    gaps = sum(_missing(found.costs, found.window) for found in (then, now))
    moved = {by: movers(report.by(before, by), report.by(after, by)) for by in dict.fromkeys((asked.by, *_MOVED))}
    return Beside(now.window, then.window, change(before, after), moved, without, gaps)


def _lines(sources: Sources, scope: Scope, asked: Asked, now: datetime) -> tuple[Line, ...]:
    """Budgets of exactly this scope; none while the record cannot be read."""
    if sources.work is None or asked.path:
        return ()
    try:
        with sources.work.reading() as unit:
            known = unit.budgets.all()
    except SourceUnavailable:
        return ()
    return tuple(_line(budget, now) for budget in known if _is_of(budget, scope))


def _is_of(budget: Budget, scope: Scope) -> bool:
    chosen = {
        name: value for name in ("cluster", "pool", "model", "namespace", "team") if (value := getattr(scope, name))
    }
    if budget.scope == "fleet":
        return not chosen and scope.sees.whole
    return chosen == {budget.scope: budget.value}


def _line(budget: Budget, now: datetime) -> Line:
    period = periods.period(budget.calendar, now)
    return Line(budget.name, budget.amount_micro / ((period.end - period.begin) / _DAY))


def llm(sources: Sources, scope: Scope, asked: Asked, *, spenders: bool) -> Reading[Llm]:
    """Spend on language models in the window; by key only for who may see ``spenders``."""
    zone = sources.policy.cost.zone
    on = windows.today(sources.now(), zone)
    window = windows.window(asked.window, on, asked.first, asked.last)
    rows, facts = spent(sources, window), recorded(sources, window, asked.card)
    if rows.value is None or facts.value is None:
        bad = rows if rows.value is None else facts
        return Reading(None, bad.as_of, bad.problem, bad.absence, bad.notes)
    known, costs = rows.value, facts.value.costs

    def build() -> Llm:
        seen = visible_spend(known, scope)
        gateway = seen[seen["source"].eq("gateway")]
        splits = [name for name in tokens.SPLITS if spenders or name != "key"]
        engines = seen[seen["source"].eq("engine")]
        paid = known[known["source"].eq("gateway")] if scope.sees.whole else gateway
        both = pd.concat([engines, paid])
        return Llm(
            window=window,
            micro=int(gateway["micro"].sum()),
            splits={name: tokens.spend(gateway, name) for name in splits},
            own=tokens.own(both, visible(costs, replace(scope, pool="", model="", team="")), zone, window.last),
        )

    key = ("cost of models", replace(scope, range="24h"), window, asked.card, spenders)
    value = sources.memo.get(key, (rows.as_of, facts.as_of), build)
    return Reading(value, rows.as_of, rows.problem, rows.absence, rows.notes)
