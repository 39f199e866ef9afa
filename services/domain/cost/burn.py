"""How a budget stands: what is spent of it, where it will end, and when it crossed which threshold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from services.domain import frames
from services.domain.cost.budget import Budget
from services.domain.cost.landing import Landing, begun, first_above
from services.domain.cost.periods import Period

BURN = {
    "day": "str",
    "spent": "float64",  # NaN of days that are not recorded by all that is counted, and to come
    "pace": "float64",
    "low": "float64",  # NaN, as the next two, of days that are over
    "mid": "float64",
    "high": "float64",
}
"""One row per day of a period: micro-dollars of the whole period by the end of the day, or as far as it is recorded."""

STATES = ("over", "will overrun", "partly known", "above pace", "on track", "unknown")
"""over          more is spent than the amount
will overrun  the middle of the landing is above the amount
partly known  neither, but it may be: days that are not recorded, at the usual cost, would put the landing above it
above pace    more is spent than the amount spread evenly until now
on track      none of these
unknown       nothing of the period is recorded
"""
PROJECTED = "projected"
"""The threshold that is crossed when the landing is."""


@dataclass(frozen=True)
class Standing:
    """A budget in the period that runs.

    ``seen`` is until when its costs are known, None where nothing is. ``elapsed`` is the share of the period that was
    over then. ``overrun`` is the first day by whose end more than the amount is expected to be spent, or was. ``days``
    are those by whose end each threshold was crossed. ``missing`` days of the period are over and not recorded;
    ``unpriced_gpu_hours`` are in no money. Not ``named``: nothing in the record is of the name the budget is for.
    """

    budget: Budget
    period: Period
    state: str
    spent: int
    landing: Landing
    elapsed: float
    seen: datetime | None
    overrun: str | None = None
    days: Mapping[float, str] = field(default_factory=dict)
    missing: int = 0
    unpriced_gpu_hours: float = 0.0
    named: bool = True

    @property
    def share(self) -> float:
        """Spent of the amount."""
        return self.spent / self.budget.amount_micro


def standing(
    budget: Budget,
    period: Period,
    days: pd.DataFrame,
    landing: Landing,
    *,
    seen: datetime | None,
    zone: str,
) -> Standing:
    """How a budget stands by ``days`` (:data:`services.domain.cost.landing.DAYS`), known until ``seen``."""
    own = inside(days, period, zone)
    spent, amount = int(own["micro"].sum()), budget.amount_micro
    elapsed = 0.0 if seen is None else period.elapsed(seen)
    until_then = 0 if seen is None else int(begun(own, seen, zone)["micro"].sum())
    missing = _missing(own, period, seen, zone)
    said = "unknown" if own.empty else state(spent, amount, elapsed, landing, until_then)
    usual = 0.0 if own.empty else float(own["micro"].median())
    if missing and said in ("above pace", "on track") and landing.mid + missing * usual > amount:
        said = "partly known"
    days_crossed = crossed(own, amount, {*budget.thresholds, 1.0})
    return Standing(
        budget=budget,
        period=period,
        state=said,
        spent=spent,
        landing=landing,
        elapsed=elapsed,
        seen=None if own.empty else seen,
        overrun=_passed(own, amount) or first_above(landing.path, amount),
        days={share: day for share, day in days_crossed.items() if share in budget.thresholds},
        missing=missing,
    )


def inside(days: pd.DataFrame, period: Period, zone: str) -> pd.DataFrame:
    """Days of a period, oldest first."""
    names = names_of(period, zone)
    return days[days["day"].between(names[0], names[-1])].sort_values("day", ignore_index=True)


def names_of(period: Period, zone: str) -> list[str]:
    """The days of a period."""
    first = period.begin.astimezone(ZoneInfo(zone)).date()
    last = (period.end - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date()
    return [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]


def state(spent: int, amount: int, elapsed: float, landing: Landing, until_then: int) -> str:
    """One of :data:`STATES` of a budget of which something is recorded; ``until_then`` was spent by ``elapsed``."""
    if spent > amount:
        return "over"
    if landing.known and landing.mid > amount:
        return "will overrun"
    return "above pace" if until_then > amount * elapsed else "on track"


def crossed(own: pd.DataFrame, amount: int, thresholds: Iterable[float]) -> dict[float, str]:
    """The day on which each share of the amount was reached, of those that were."""
    running = own["micro"].cumsum()
    found = {share: own.loc[running >= level(amount, share), "day"] for share in sorted(thresholds)}
    return {share: str(days.iloc[0]) for share, days in found.items() if len(days)}


def level(amount: int, share: float) -> int:
    """A threshold in micro-dollars."""
    return round(amount * share)


def reached_at(hours: pd.DataFrame, before: int, wanted: int) -> datetime | None:
    """The end of the hour in which ``wanted`` was reached, None when it was not.

    ``hours`` are of one day (``hour``, ``micro``); ``before`` is what the period had cost when the day began.
    """
    ordered = hours.groupby("hour", sort=True)["micro"].sum()
    over = ordered.index[(before + ordered.cumsum() >= wanted).to_numpy()]
    return None if over.empty else (pd.Timestamp(over[0]) + pd.Timedelta(hours=1)).to_pydatetime()


def burn(standing: Standing, days: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Frame :data:`BURN` of a budget's period."""
    period, amount = standing.period, standing.budget.amount_micro
    names = names_of(period, zone)
    own = inside(days, period, zone)
    own = own.iloc[:0] if standing.seen is None else begun(own, standing.seen, zone)
    spent = own.assign(spent=own["micro"].cumsum().astype("float64")).set_index("day")["spent"]
    path = standing.landing.path.set_index("day")
    ends = [datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), ZoneInfo(zone)) for day in names]
    found = pd.DataFrame(
        {
            "day": names,
            "spent": spent.reindex(names).to_numpy(),
            "pace": [amount * period.elapsed(end.astimezone(UTC)) for end in ends],
            **{name: path[name].reindex(names).to_numpy() for name in ("low", "mid", "high")},
        }
    )
    return frames.conform(found, BURN)


def _passed(own: pd.DataFrame, amount: int) -> str | None:
    over = own.loc[own["micro"].cumsum() > amount, "day"]
    return None if over.empty else str(over.iloc[0])


def _missing(own: pd.DataFrame, period: Period, seen: datetime | None, zone: str) -> int:
    if seen is None:
        return 0
    today = str(seen.astimezone(ZoneInfo(zone)).date())
    return len({day for day in names_of(period, zone) if day < today} - set(own["day"]))


@dataclass(frozen=True)
class Together:
    """Budgets of one kind of scope and period, which do not count the same money twice, added up."""

    scope: str
    kind: str
    number: int
    amount: int
    spent: int
    low: int
    mid: int
    high: int


def together(standings: Iterable[Standing]) -> Together | None:
    """The fleet's budget where there is one, else the budgets of the kind that has most money; None without any."""
    kinds: dict[tuple[str, str], list[Standing]] = {}
    for one in standings:
        if one.state != "unknown" and one.landing.known:
            kinds.setdefault((one.budget.scope, one.budget.calendar.kind), []).append(one)
    if not kinds:
        return None
    best = max(kinds, key=lambda kind: (kind[0] == "fleet", sum(one.budget.amount_micro for one in kinds[kind])))
    chosen = kinds[best][:1] if best[0] == "fleet" else kinds[best]
    return Together(
        *best,
        len(chosen),
        sum(one.budget.amount_micro for one in chosen),
        sum(one.spent for one in chosen),
        sum(one.landing.low for one in chosen),
        sum(one.landing.mid for one in chosen),
        sum(one.landing.high for one in chosen),
    )
