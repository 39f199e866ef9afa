"""Budgets: how each stands, what happened at its thresholds, and what is to be said of them.

:mod:`services.cost.budgetcosts` says what each counts. Who does not see everything gets budgets of teams and namespaces
they see, and no others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from services.cost import budgetcosts
from services.cost.budgetcosts import Books, books, days_of, midnight, period_of
from services.cost.record import asked
from services.domain import frames
from services.domain.cost import MICRO, anomaly, budgetfindings, burn, periods
from services.domain.cost.budget import Budget
from services.domain.cost.burn import PROJECTED, Standing
from services.domain.cost.landing import first_above, landing
from services.domain.cost.periods import Period
from services.domain.cost.windows import Window, today
from services.domain.findings import Finding
from services.domain.scope import Scope, Sight
from services.ports import BudgetChange, Crossing, Sources
from services.reading import Reading

PAST = 13
"""Periods of a budget's history."""
HISTORY = {
    "period": "str",
    "begin": "datetime64[us, UTC]",
    "recorded": "str",  # "whole", "partly", "not recorded"
    "spent_micro": "float64",  # NaN where nothing is recorded
    "amount_micro": "float64",  # in force when the period ended; NaN before there was a budget
    "ratio": "float64",  # spent of the amount
    "crossed": "str",  # thresholds that were noted: "50 %, 80 %"
}
"""One row per period that is over, newest first."""
_CLOSING = timedelta(days=2)
"""So long after its end the last hours of a period may still be closed, and have crossed a threshold."""
THRESHOLDS = {
    "threshold": "str",  # "80 %", "projected"
    "micro": "float64",
    "what": "str",  # "crossed", "expected", "not expected", "not known", "no longer" (noted, and not so any more)
    "day": "str",  # when; "" for never
    "noted_at": "datetime64[us, UTC]",  # the hour in which it crossed; NaT while the collector has not noted it
}
"""What happened at each threshold of the period that runs, or is expected to."""


@dataclass(frozen=True)
class Board:
    """Budgets as they stand, those in trouble first. ``hidden`` ones are outside the scope's filters.

    ``suggested`` is what the month before cost, None where that is not wholly recorded or not for these eyes. While
    ``filling``, days of the past are still being worked out.
    """

    standings: tuple[Standing, ...]
    hidden: int
    suggested: int | None
    through: datetime | None
    zone: str
    filling: bool = False


@dataclass(frozen=True)
class Detail:
    """One budget. ``burn``: :data:`services.domain.cost.burn.BURN`; ``changes`` newest first."""

    standing: Standing
    burn: pd.DataFrame
    thresholds: pd.DataFrame
    history: pd.DataFrame
    changes: tuple[BudgetChange, ...]


def board(sources: Sources, scope: Scope) -> Reading[Board]:
    """All budgets of the scope."""
    budgets = asked(sources, lambda unit: tuple(unit.budgets.all()))
    if budgets.value is None:
        return Reading(None, budgets.as_of, budgets.problem, budgets.absence)
    found = books(sources, budgets.value)
    if found.value is None:
        return Reading(None, found.as_of, found.problem, found.absence, found.notes)
    known, now = found.value, sources.now()
    seen = [one for one in budgets.value if visible(one, scope.sees)]
    kept = [one for one in seen if _chosen(one, scope)]

    def build() -> Board:
        order = {name: place for place, name in enumerate(burn.STATES)}
        ranked = sorted(
            (_standing(known, one, now) for one in kept),
            key=lambda one: (order[one.state], -one.share, one.budget.name),
        )
        suggested = _month_before(known, now) if scope.sees.whole else None
        return Board(
            tuple(ranked), len(seen) - len(kept), suggested, known.through, known.zone, bool(known.found.filling)
        )

    value = sources.memo.get(("budgets", replace(scope, range="24h")), (found.as_of, *seen), build)
    return Reading(value, found.as_of, found.problem, found.absence, found.notes)


def detail(sources: Sources, scope: Scope, id: str) -> Reading[Detail]:
    """One budget; neither value nor problem when there is none of that id to be seen."""
    asking = asked(sources, lambda unit: (tuple(unit.budgets.all()), tuple(unit.budgets.history(id))))
    if asking.value is None:
        return Reading(None, asking.as_of, asking.problem, asking.absence)
    budgets, changes = asking.value
    budget = next((one for one in budgets if one.id == id and visible(one, scope.sees)), None)
    if budget is None:
        return Reading(None, asking.as_of)
    now, zone = sources.now(), sources.policy.cost.zone
    past = _past(budget, zone, now)
    noted = asked(sources, lambda unit: tuple(unit.budgets.crossings(past[-1].begin))).value or ()
    noted = tuple(each for each in noted if each.budget == id)
    older = Window(today(past[-1].begin, zone), today(past[0].end, zone) - timedelta(days=1))
    found, before = books(sources, budgets), books(sources, [budget], older)
    if found.value is None or before.value is None:
        bad = found if found.value is None else before
        return Reading(None, bad.as_of, bad.problem, bad.absence, bad.notes)
    known, earlier = found.value, before.value

    def build() -> Detail:
        one = _standing(known, budget, now)
        return Detail(
            standing=one,
            burn=burn.burn(one, known.of(budget).days, zone),
            thresholds=_thresholds(one, noted),
            history=_history(earlier, budget, past, changes, noted),
            changes=changes,
        )

    version = (found.as_of, before.as_of, changes, noted)
    value = sources.memo.get(("budget", id), version, build)
    return Reading(value, found.as_of, found.problem, found.absence, found.notes)


def findings(sources: Sources, scope: Scope) -> list[Finding]:
    """What is to be said of budgets, and of the last whole day."""
    found = board(sources, scope).value
    if found is None:
        return []
    said = [each for one in found.standings for each in budgetfindings.of_standing(one)]
    return [*said, *_unusual(sources, scope)]


def crossings(sources: Sources, now: datetime) -> tuple[tuple[Crossing, ...], tuple[Finding, ...]]:
    """Note what was crossed and not noted yet, and say what is to be said: for the collector.

    Each crossing is noted and returned once, however often and by however many this is called; those of a period's last
    hours after its end, for by then these are closed. While the past is filled in, those of periods with days missing
    wait: the days to come would have them crossed earlier. Raises SourceUnavailable.
    """
    found = board(sources, Scope()).value
    if found is None or sources.work is None:
        return (), ()
    with sources.work.reading() as unit:
        history = tuple(unit.budgets.history())
    running = [(one, each) for one in found.standings for each in _due(one, now)]
    ended = [one for each in found.standings if (one := _ended(sources, each, history, found.zone, now)) is not None]
    due = [*running, *((one, each) for one in ended for each in _due(one, now) if each.threshold != PROJECTED)]
    due = [(one, each) for one, each in due if not (found.filling and one.missing)]
    first = min((each.period_begin for _, each in due), default=now)
    with sources.work.reading() as unit:
        noted = {_key(each) for each in unit.budgets.crossings(first)}
    missing = [(one, each) for one, each in due if _key(each) not in noted]
    timed = [_timed(sources, one, each, found.zone) for one, each in missing]
    new: list[Crossing] = []
    if timed:
        with sources.work() as writing:
            new = [each for each in timed if writing.budgets.cross(each)]
            writing.commit()
    return tuple(new), tuple(findings(sources, Scope()))


def visible(budget: Budget, sees: Sight) -> bool:
    """Whether somebody sees what a budget is for."""
    mine = {"team": sees.teams, "namespace": sees.namespaces}.get(budget.scope)
    return sees.whole or budget.value in (mine or ())


def _chosen(budget: Budget, scope: Scope) -> bool:
    """Without filters every budget; with them those of exactly what one of them names."""
    names = {name: getattr(scope, name) for name in ("cluster", "model", "namespace", "team")}
    return not any(names.values()) or bool(names.get(budget.scope) and names[budget.scope] == budget.value)


def _standing(known: Books, budget: Budget, now: datetime) -> Standing:
    period = period_of(budget, known.zone, now)
    own = known.of(budget, period)
    through = now if own.through is None else min(now, own.through)
    end = landing(own.days, period.begin, period.end, now, known.zone, since=own.since, through=through)
    seen = through if own.since is not None else None
    one = burn.standing(budget, period, own.days, end, seen=seen, zone=known.zone)
    return replace(one, unpriced_gpu_hours=own.unpriced_gpu_hours, named=own.found)


def _month_before(known: Books, now: datetime) -> int | None:
    fleet = Budget("", "", "fleet", 1)
    calendar = replace(fleet.calendar, zone=known.zone)
    month = periods.before(calendar, periods.period(calendar, now))
    own = known.of(fleet)
    if own.since is None or own.since > month.begin:
        return None
    return int(burn.inside(own.days, month, known.zone)["micro"].sum())


def _past(budget: Budget, zone: str, now: datetime) -> list[Period]:
    calendar = replace(budget.calendar, zone=zone)
    found = [periods.before(calendar, periods.period(calendar, now))]
    while len(found) < PAST:
        found.append(periods.before(calendar, found[-1]))
    return found


def _history(
    known: Books, budget: Budget, past: Sequence[Period], changes: Sequence[BudgetChange], noted: Sequence[Crossing]
) -> pd.DataFrame:
    own = known.of(budget)
    rows = []
    for each in past:
        days = burn.inside(own.days, each, known.zone)
        whole = len(days) == len(days_of(each, known.zone)) and own.since is not None and own.since <= each.begin
        spent = float(days["micro"].sum()) if len(days) else np.nan
        at_end = next((change.budget for change in changes if change.at < each.end), None)
        amount = np.nan if at_end is None else float(at_end.amount_micro)
        said = "whole" if whole else "partly" if len(days) else "not recorded"
        told = ", ".join(_named(one.threshold) for one in noted[::-1] if one.period_begin == each.begin)
        rows.append([each.name, each.begin, said, spent, amount, spent / amount, told])
    return frames.table(HISTORY, rows)


def _thresholds(one: Standing, noted: Sequence[Crossing]) -> pd.DataFrame:
    at = {each.threshold: each.at for each in noted if each.period_begin == one.period.begin}
    rows: list[list[object]] = []
    unmet = "not expected" if one.landing.known and one.state not in ("unknown", "partly known") else "not known"
    for share in sorted(one.budget.thresholds):
        wanted = burn.level(one.budget.amount_micro, share)
        day = one.days.get(share)
        expected = first_above(one.landing.path, wanted - 1)
        what = "crossed" if day else "expected" if expected else "no longer" if f"{share:g}" in at else unmet
        rows.append([_named(f"{share:g}"), wanted, what, day or expected or "", at.get(f"{share:g}")])
    if one.budget.projected:
        now = one.state == "over" or (one.landing.known and one.landing.mid > one.budget.amount_micro)
        what = "crossed" if now else "no longer" if PROJECTED in at else unmet
        rows.append([PROJECTED, np.nan, what, "", at.get(PROJECTED)])
    return frames.table(THRESHOLDS, rows)


def _named(threshold: str) -> str:
    return threshold if threshold == PROJECTED else f"{float(threshold) * 100:.0f} %"


def _ended(
    sources: Sources, one: Standing, history: Sequence[BudgetChange], zone: str, now: datetime
) -> Standing | None:
    """A budget as it was in the period before, while its last hours may still be closed; None later.

    Nothing is said of a period before there was the budget, or in which it began anew otherwise.
    """
    begin = one.period.begin
    own = (each.budget for each in history if each.id == one.budget.id and each.at < begin)
    then = next(own, None)
    if now - begin > _CLOSING or then is None or then.calendar != one.budget.calendar:
        return None
    known = _books_of(sources, then, periods.before(replace(then.calendar, zone=zone), one.period))
    return None if known is None else _standing(known, then, begin - timedelta(seconds=1))


def _books_of(sources: Sources, budget: Budget, period: Period) -> Books | None:
    """The record of a period's days, as far as they have begun."""
    zone = sources.policy.cost.zone
    last = min(period.end - timedelta(seconds=1), sources.now())
    return books(sources, [budget], Window(today(period.begin, zone), today(last, zone))).value


def _due(one: Standing, now: datetime) -> list[Crossing]:
    """What a budget has crossed in the period that runs; ``at`` is the end of the day, or now."""
    budget, begin = one.budget, one.period.begin
    found = [
        Crossing(budget.id, begin, f"{share:g}", now, burn.level(budget.amount_micro, share), budget.amount_micro)
        for share in one.days
    ]
    if budget.projected and one.state in ("will overrun", "over"):
        found.append(Crossing(budget.id, begin, PROJECTED, now, one.spent, budget.amount_micro))
    return found


def _timed(sources: Sources, one: Standing, crossing: Crossing, zone: str) -> Crossing:
    """With the hour in which it crossed, or the day's end where hours are not kept, and what was spent by then."""
    if crossing.threshold == PROJECTED or sources.work is None:
        return crossing
    share = float(crossing.threshold)
    known = _books_of(sources, one.budget, one.period)
    if known is None:
        return replace(crossing, spent_micro=one.spent)
    days = burn.inside(known.of(one.budget).days, one.period, zone)
    day = burn.crossed(days, one.budget.amount_micro, [share]).get(share, one.days[share])
    before = int(days.loc[days["day"] < day, "micro"].sum())
    with sources.work.reading() as unit:
        hours = budgetcosts.hours(unit, one.budget, day, zone, tuple(sources.clusters))
    at = burn.reached_at(hours, before, crossing.spent_micro)
    end = midnight(date.fromisoformat(day) + timedelta(days=1), zone)
    upto = before + int((hours if at is None else hours[hours["hour"] < at])["micro"].sum())
    return replace(crossing, at=at or min(end, crossing.at), spent_micro=max(upto, crossing.spent_micro))


def _key(crossing: Crossing) -> tuple[str, datetime, str]:
    return crossing.budget, crossing.period_begin, crossing.threshold


def _unusual(sources: Sources, scope: Scope) -> list[Finding]:
    """Of the last whole day: the fleet for who sees it, each cluster of several, and each team that is seen."""
    found = books(sources, ())
    if found.value is None or found.value.through is None:
        return []
    known = found.value
    day = str(today(found.value.through, known.zone) - timedelta(days=1))
    wanted = [("fleet", "")] if scope.sees.whole else []
    wanted += [("cluster", name) for name in known.found.since if len(known.found.since) > 1 and scope.sees.whole]
    recent = known.found.costs[known.found.costs["day"].eq(day)]
    dear = recent[recent["kind"].eq("held")].groupby(recent["team"].astype("str"))["micro"].sum()
    wanted += [("team", str(name)) for name in dear.index[dear > anomaly.LEAST] if name]
    said: list[Finding] = []
    for kind, value in wanted:
        budget = Budget("", "", kind, MICRO, value)
        if visible(budget, scope.sees) and _chosen(budget, scope):
            own = known.of(budget)
            first = None if own.since is None else str(today(own.since, known.zone))
            days = own.days[(own.days["day"] <= day) & (own.days["day"] > (first or day))]
            said += budgetfindings.unusual(kind, value, anomaly.scored(days), day)
    return said
