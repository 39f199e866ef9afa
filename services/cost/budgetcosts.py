"""What budgets count.

*fleet*, *cluster* and *model* (of GPU): all money of those nodes, held or not. *team*, *namespace* and *label*: what
pods of that owner held, in all clusters. *provider*: what the gateway counted for that provider's models. What has no
price is in none, and said beside. Days are those of the reporting zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from services.cost.read import Recorded, joined, recorded, spent
from services.domain import frames
from services.domain.cost import LLM, anomaly, periods
from services.domain.cost.budget import Budget
from services.domain.cost.landing import DAYS
from services.domain.cost.periods import Period
from services.domain.cost.report import LABEL, gpu_hours, narrowed
from services.domain.cost.windows import Window, today
from services.ports import ReadUnit, Sources
from services.reading import Reading

_BACK = timedelta(weeks=anomaly.WEEKS, days=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Counted:
    """What a budget counts: ``days`` (:data:`DAYS`), of which recorded ones without cost are 0.

    All of it is recorded from ``since`` until ``through``, None where nothing is. ``unpriced_gpu_hours`` are those of a
    period. ``found``: something in the record is of that name.
    """

    days: pd.DataFrame
    since: datetime | None
    through: datetime | None
    unpriced_gpu_hours: float = 0.0
    found: bool = False


@dataclass(frozen=True)
class Books:
    """What budgets are worked out from. ``llm`` is None where no budget needs it."""

    found: Recorded
    llm: pd.DataFrame | None
    zone: str

    @property
    def through(self) -> datetime | None:
        """Until when all clusters are known."""
        return min(self.found.through.values(), default=None)

    def of(self, budget: Budget, period: Period | None = None) -> Counted:
        """What a budget counts; the unpriced hours are those of the period."""
        if budget.scope == "provider":
            return self._spend(budget)
        costs, since, through = self.found.costs, self.found.since, self.found.through
        rows = counted(costs, budget)
        if budget.scope == "cluster":
            costs = costs[costs["cluster"].eq(budget.value)]
            since = {name: at for name, at in since.items() if name == budget.value}
            through = {name: at for name, at in through.items() if name == budget.value}
        unpriced = rows[rows["basis"].eq("")] if period is not None else rows.iloc[:0]
        if period is not None:
            unpriced = unpriced[unpriced["day"].isin(days_of(period, self.zone))]
        return Counted(
            _summed(rows, costs["day"].unique().tolist()),
            max(since.values(), default=None),
            min(through.values(), default=None),
            gpu_hours(int(unpriced["ticks"].sum())),
            found=not rows.empty,
        )

    def _spend(self, budget: Budget) -> Counted:
        """Nothing records which hours of the gateway were read: it counts from the first that had any spend."""
        llm = frames.empty(LLM) if self.llm is None else self.llm[self.llm["source"].eq("gateway")]
        if llm.empty or self.through is None:
            return Counted(frames.empty(DAYS), None, None)
        days = llm["hour"].dt.tz_convert(self.zone).dt.strftime("%Y-%m-%d")
        own = llm["provider"].eq(budget.value)
        last = max(str(today(self.through - timedelta(seconds=1), self.zone)), str(days.max()))
        known = pd.date_range(str(days.min()), last).strftime("%Y-%m-%d").tolist()
        since = llm["hour"].min().to_pydatetime()
        return Counted(_summed(llm.assign(day=days)[own], known), since, self.through, found=bool(own.any()))


def books(sources: Sources, budgets: Sequence[Budget], window: Window | None = None) -> Reading[Books]:
    """The record of a window, or until today as far back as the periods that run and what is expected need it."""
    zone, now = sources.policy.cost.zone, sources.now()
    on = today(now, zone)
    begins = [today(period_of(one, zone, now).begin, zone) for one in budgets]
    window = window or Window(min([on - _BACK, (on.replace(day=1) - _DAY).replace(day=1), *begins]), on)
    costs = recorded(sources, window)
    if costs.value is None:
        return Reading(None, costs.as_of, costs.problem, costs.absence, costs.notes)
    llm = spent(sources, window) if any(one.scope == "provider" for one in budgets) else Reading[pd.DataFrame](None)
    problem = costs.problem or llm.problem
    return Reading(Books(costs.value, llm.value, zone), costs.as_of, problem, costs.absence, costs.notes)


def hours(unit: ReadUnit, budget: Budget, day: str, zone: str, clusters: tuple[str, ...]) -> pd.DataFrame:
    """What each hour of a day cost (``hour``, ``micro``); empty where hours of that day are not kept any more."""
    on = date.fromisoformat(day)
    begin, end = midnight(on, zone), midnight(on + _DAY, zone)
    if budget.scope == "provider":
        llm = unit.costs.llm(begin, end, clusters)
        return llm.loc[llm["source"].eq("gateway") & llm["provider"].eq(budget.value), ["hour", "micro"]]
    known = unit.costs.hours(begin, end, clusters)
    named = joined(known.assign(day=known["hour"].astype("str")), unit.costs.owners(), unit.costs.places())
    return counted(named.assign(hour=known["hour"].to_numpy()), budget)[["hour", "micro"]]


def counted(costs: pd.DataFrame, budget: Budget) -> pd.DataFrame:
    """The costs (:data:`services.domain.cost.report.COSTS`) a budget of GPU money counts."""
    if budget.scope == "fleet":
        return costs
    if budget.scope == "namespace":  # of any cluster
        return costs[costs["kind"].eq("held") & costs["namespace"].eq(budget.value)]
    if budget.scope == "label":
        name, _, value = budget.value.partition("=")
        return narrowed(costs, [(f"{LABEL}{name.strip()}", value.strip())])
    return narrowed(costs, [(budget.scope, budget.value)])


def period_of(budget: Budget, zone: str, at: datetime) -> Period:
    """The period of a budget an instant lies in, in days of the reporting zone whichever zone it was made in."""
    return periods.period(replace(budget.calendar, zone=zone), at)


def days_of(period: Period, zone: str) -> list[str]:
    """The days of a period."""
    first, last = today(period.begin, zone), today(period.end - timedelta(seconds=1), zone)
    return [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]


def midnight(day: date, zone: str) -> datetime:
    """When a day of the zone begins."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _summed(rows: pd.DataFrame, known: Sequence[str]) -> pd.DataFrame:
    """Money by day, of the days that are known."""
    sums = rows.groupby(rows["day"].astype("str"))["micro"].sum()
    days = sorted(str(day) for day in known)
    return frames.conform(pd.DataFrame({"day": days, "micro": sums.reindex(days, fill_value=0).to_numpy()}), DAYS)
