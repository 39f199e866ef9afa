"""What changes promised to save and what was measured since: the same part of the books before and after.

A change is measured on the part its promise names (:class:`services.domain.change.promise.Promise`), in whole days of
the reporting zone and without the day of the change itself: the mean of up to :data:`BEFORE` days before it, less the
mean of the 1, 7 or 30 days after it. That is what the part cost less a day, whatever else happened to it meanwhile. A
day of which an hour is missing, or on which some of the part had no price, is known of neither side.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pandas as pd

from services.domain import frames
from services.domain.change.promise import Promise
from services.domain.cost import MICRO

AFTER = (1, 7, 30)
"""Days after a change over which it is measured."""
BEFORE = 7
"""Days before it that it is compared with, or fewer when no more are recorded."""

SAVINGS = {
    "operation": "str",
    "at": "datetime64[us, UTC]",
    "action": "str",
    "summary": "str",
    "cluster": "str",
    "namespace": "str",  # of the part it is measured on, "" where that is not about one
    "part": "str",  # in words: "warm money of pool h100-train"
    "promised": "float64",  # dollars a day saved; negative where more is to be spent, NaN where no price was known
    "before": "float64",  # dollars a day of the part; NaN when no day before is recorded
    "days_before": "int64",
    **{f"after_{days}": "float64" for days in AFTER},  # dollars a day saved; NaN until that many days are over
    "undone_at": "datetime64[us, UTC]",  # NaT unless it was taken back
}
"""One row per change, the newest first."""


@dataclass(frozen=True)
class Applied:
    """A change that was made."""

    id: str
    at: datetime
    action: str
    summary: str
    promise: Promise
    undone_at: datetime | None = None


def savings(
    costs: pd.DataFrame,
    applied: Sequence[Applied],
    days: Mapping[datetime, date],
    complete: Mapping[str, frozenset[str]],
) -> pd.DataFrame:
    """Frame :data:`SAVINGS`.

    ``costs``: :data:`services.domain.cost.report.COSTS` with whatever columns promises name. ``days`` says which day of
    the reporting zone each instant of ``applied`` lies in, ``complete`` which days are recorded whole, by cluster.
    """
    rows = [_row(costs, one, days, complete.get(one.promise.of.get("cluster", ""), frozenset())) for one in applied]
    return frames.table(SAVINGS, sorted(rows, key=lambda row: row[1], reverse=True))


def _row(
    costs: pd.DataFrame, one: Applied, days: Mapping[datetime, date], complete: frozenset[str]
) -> tuple[object, ...]:
    on = days[one.at]
    spent = _by_day(of_part(costs, one.promise.of))
    earlier = [day for day in _days(on, range(-BEFORE, 0)) if day in complete]
    before = _mean(spent, earlier)
    ended = None if one.undone_at is None else days[one.undone_at]
    after = [_saved(spent, before, on, length, ended, complete) for length in AFTER]
    promised = one.promise.micro_per_day
    return (
        one.id,
        one.at,
        one.action,
        one.summary,
        one.promise.of.get("cluster", ""),
        one.promise.of.get("namespace", ""),
        part(one.promise.of),
        math.nan if promised is None else -promised / MICRO,
        before,
        len(earlier),
        *after,
        one.undone_at,
    )


def _saved(
    spent: Mapping[str, float], before: float, on: date, length: int, ended: date | None, complete: frozenset[str]
) -> float:
    """Dollars a day saved over the days after a change; NaN unless all of them are recorded and it lasted."""
    wanted = list(_days(on, range(1, length + 1)))
    if ended is not None and str(ended) <= wanted[-1]:
        return math.nan
    return before - _mean(spent, wanted) if complete.issuperset(wanted) else math.nan


def of_part(costs: pd.DataFrame, of: Mapping[str, str]) -> pd.DataFrame:
    """The costs a promise is measured on."""
    mine = costs
    for column, value in of.items():
        mine = mine[mine[column] == value]
    return mine


def _by_day(mine: pd.DataFrame) -> Mapping[str, float]:
    """Micro-dollars of the part by day; NaN where some of it had no price."""
    unpriced = mine["basis"].eq("") & mine["ticks"].gt(0)
    sums = mine["micro"].astype("float64").mask(unpriced).groupby(mine["day"].astype("str")).sum(skipna=False)
    return {str(day): float(micro) for day, micro in sums.items()}


def _mean(spent: Mapping[str, float], days: Sequence[str]) -> float:
    """Dollars a day; a recorded day without a row of the part cost nothing."""
    return sum(spent.get(day, 0) for day in days) / len(days) / MICRO if days else math.nan


def _days(on: date, numbers: Iterable[int]) -> Iterable[str]:
    return (str(on + timedelta(days=number)) for number in numbers)


_WORDS = {"warm": "warm room", "held": "what is held", "free": "free room"}


def part(of: Mapping[str, str]) -> str:
    """The part of the books a promise names, in words."""
    what = _WORDS.get(of.get("kind", ""), "everything")
    if "workload" in of:
        return f"{what} by {of.get('namespace', '')}/{of['workload']}"
    if "pool" in of:
        return f"{what} in pool {of['pool']}"
    return f"{what} in {of['cluster']}" if "cluster" in of else what
