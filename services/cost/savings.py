"""What changes promised to save and what was measured since, on the same facts as the Cost page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from services.cost.read import recorded, visible
from services.domain.change.plan import Plan
from services.domain.cost.savings import AFTER, BEFORE, Applied, of_part, savings
from services.domain.cost.windows import Window, today
from services.domain.scope import Scope
from services.errors import SourceUnavailable
from services.ports import Operation, Sources
from services.reading import Absence, Problem, Reading

SINCE = timedelta(days=max(AFTER) + BEFORE + 23)
"""Changes up to so long ago are followed."""
MOST = 300
"""The newest changes that are followed."""
_MADE = ("done", "unverified")


@dataclass(frozen=True)
class Savings:
    """``changes``: :data:`services.domain.cost.savings.SAVINGS` of those that promised something about money.

    ``others`` counts changes of the same time that promised nothing, of all scopes; ``through`` is the last whole day
    by cluster.
    """

    changes: pd.DataFrame
    others: int
    through: Mapping[str, date]


def read(sources: Sources, scope: Scope) -> Reading[Savings]:
    """Changes of the scope. Who does not see everything sees those on parts of the books that are theirs."""
    work = sources.work
    if work is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    now, zone = sources.now(), sources.policy.cost.zone
    on = today(now, zone)
    window = Window(on - SINCE - timedelta(days=BEFORE + 1), on)
    try:
        with work.reading() as unit:
            listed = unit.operations.recent(since=now - SINCE, limit=MOST)
            made = [unit.operations.get(id) for id in listed.loc[listed["state"].isin(_MADE), "id"]]
            closed = unit.costs.controls(window.begin(zone), now, tuple(sources.clusters))
    except SourceUnavailable as error:
        return Reading(None, problem=Problem.of(error, source="database"))
    books = recorded(sources, window)
    if books.value is None:
        return Reading(None, books.as_of, books.problem, books.absence, books.notes)
    # Measured on all of a part that may be seen: what a filter leaves of it is not what it cost.
    costs = visible(books.value.costs, Scope(sees=scope.sees))
    operations = [one for one in made if one is not None and not one.undoes]
    promised = _applied(operations, {one.id: one for one in made if one is not None})
    applied = [one for one in promised if _concerns(scope, costs, one)]
    days = {at: today(at, zone) for one in applied for at in (one.at, one.undone_at) if at is not None}
    complete = _whole(closed, zone)
    rows = savings(costs, applied, days, complete)
    kept = scope.sees.seen(rows.assign(team="")) if not scope.sees.whole else rows
    value = Savings(
        changes=kept[list(rows.columns)].reset_index(drop=True),
        others=len(operations) - len(promised),
        through={name: max(map(date.fromisoformat, found)) for name, found in complete.items() if found},
    )
    return Reading(value, books.as_of, books.problem, books.absence, books.notes)


def _applied(operations: list[Operation], known: Mapping[str, Operation]) -> list[Applied]:
    found = []
    for one in operations:
        plan = Plan.of(one.plan)
        if plan.promise is None:
            continue
        back = known.get(one.undone_by)
        undone = None if not one.undone_by else (back.finished_at or back.proposed_at) if back else one.finished_at
        at = one.finished_at or one.started_at or one.proposed_at
        found.append(Applied(one.id, at, one.action, one.summary, plan.promise, undone))
    return found


def _concerns(scope: Scope, costs: pd.DataFrame, one: Applied) -> bool:
    """Whether a change is of the scope: some of its part is. Of a part nothing is known of, the cluster decides."""
    mine = of_part(costs, one.promise.of)
    return scope.cluster in ("", one.promise.of.get("cluster", "")) and (mine.empty or not scope.keep(mine).empty)


def _whole(closed: pd.DataFrame, zone: str) -> Mapping[str, frozenset[str]]:
    """Days of which every hour is closed, by cluster. ``closed``: :data:`services.domain.cost.CONTROLS`."""
    days = closed["hour"].dt.tz_convert(zone).dt.strftime("%Y-%m-%d")
    numbers = closed.assign(day=days).groupby(["cluster", "day"])["hour"].nunique().rename("hours").reset_index()
    due = numbers["day"].map({day: _hours(date.fromisoformat(day), zone) for day in days.unique()})
    whole = numbers[numbers["hours"].eq(due)]
    return {str(name): frozenset(rows["day"]) for name, rows in whole.groupby("cluster")}


def _hours(day: date, zone: str) -> int:
    """Hours of a day; 23 or 25 where the clock is changed."""
    whole = Window(day, day)
    return round((whole.end(zone) - whole.begin(zone)) / timedelta(hours=1))
