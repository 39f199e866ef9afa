"""What changes promised to save and what was measured since, on the same facts as the Cost page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pandas as pd

from services.cost.read import Recorded, recorded, visible
from services.domain.change.plan import Plan
from services.domain.cost.savings import AFTER, BEFORE, Applied, savings
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

    ``others`` counts changes of the same time that promised nothing; ``through`` is the last whole day by cluster.
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
    try:
        with work.reading() as unit:
            listed = unit.operations.recent(since=now - SINCE, limit=MOST)
            made = [unit.operations.get(id) for id in listed.loc[listed["state"].isin(_MADE), "id"]]
    except SourceUnavailable as error:
        return Reading(None, problem=Problem.of(error, source="database"))
    on = today(now, zone)
    books = recorded(sources, Window(on - SINCE - timedelta(days=BEFORE + 1), on))
    if books.value is None:
        return Reading(None, books.as_of, books.problem, books.absence, books.notes)
    operations = [one for one in made if one is not None and not one.undoes]
    applied = _applied(operations, {one.id: one for one in made if one is not None}, scope)
    days = {at: today(at, zone) for one in applied for at in (one.at, one.undone_at) if at is not None}
    complete = {name: _whole(books.value, name, on, zone) for name in books.value.since}
    rows = savings(visible(books.value.costs, replace(scope, range="30d")), applied, days, complete)
    kept = scope.sees.seen(rows.assign(team="")) if not scope.sees.whole else rows
    value = Savings(
        changes=kept[list(rows.columns)].reset_index(drop=True),
        others=len(operations) - len(applied),
        through={name: max(map(date.fromisoformat, found)) for name, found in complete.items() if found},
    )
    return Reading(value, books.as_of, books.problem, books.absence, books.notes)


def _applied(operations: list[Operation], known: Mapping[str, Operation], scope: Scope) -> list[Applied]:
    found = []
    for one in operations:
        plan = Plan.of(one.plan)
        if plan.promise is None or scope.cluster not in ("", plan.promise.of.get("cluster", "")):
            continue
        back = known.get(one.undone_by)
        undone = None if not one.undone_by else (back.finished_at or back.proposed_at) if back else one.finished_at
        at = one.finished_at or one.started_at or one.proposed_at
        found.append(Applied(one.id, at, one.action, one.summary, plan.promise, undone))
    return found


def _whole(books: Recorded, cluster: str, on: date, zone: str) -> frozenset[str]:
    """Days of a cluster that are recorded from their first hour to their last."""
    first, last = books.since[cluster], books.through[cluster]
    begin = today(first, zone)
    if Window(begin, begin).begin(zone) < first:
        begin += timedelta(days=1)
    end = min(today(last, zone), on) - timedelta(days=1)
    return frozenset(str(begin + timedelta(days=number)) for number in range((end - begin).days + 1))
