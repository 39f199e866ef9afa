"""Where a period will end: a range, from what its days cost so far and the weekly rhythm of the days before.

A day is expected to cost the median of its kind: of the same weekday where the last :data:`LONGEST` whole days are at
least :data:`WEEKS_OF` of each, of workdays or weekends where there are fewer, of all days of less than a week. What
days cost beside that median (their residuals) is drawn again :data:`DRAWS` times for the days to come, in runs of
:data:`RUN` days that followed each other, with a fixed seed. The range is the 10th to 90th percentile of the sums,
``mid`` their median. Nothing is below zero, so nothing lands below what is spent.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from services.domain import frames

DAYS = {"day": "str", "micro": "int64"}
"""What days ("2026-11-23") of the reporting zone cost. A recorded day without cost is 0; one that is missing is not
known. The last may be a day that is not over."""
PATH = {"day": "str", "low": "float64", "mid": "float64", "high": "float64"}
"""What is expected to be spent of the period by the end of each day that is not over, in micro-dollars."""

LONGEST, FEWEST = 28, 3
WEEKS_OF = 3
RUN, DRAWS = 7, 1000
LOW, HIGH = 0.1, 0.9
_WIDE = (0.5, 1.0, 2.0)
"""With hours instead of days, the rest is expected between half and twice what the hours so far cost."""
_DAY = timedelta(days=1)
_DAY_S = 86_400


@dataclass(frozen=True)
class Landing:
    """Money of a whole period in micro-dollars, low ≤ mid ≤ high. ``days`` is how many whole days it rests on.

    Not ``known`` where nothing is recorded to go by: the three are then what is spent, and no expectation.
    """

    low: int
    mid: int
    high: int
    method: str
    days: int = 0
    known: bool = True
    path: pd.DataFrame = field(default_factory=lambda: frames.empty(PATH), repr=False, compare=False)


def landing(
    days: pd.DataFrame,
    begin: datetime,
    end: datetime,
    now: datetime,
    zone: str,
    *,
    since: datetime | None = None,
    through: datetime | None = None,
) -> Landing:
    """Where the period [begin, end) will end.

    ``days``: :data:`DAYS`, those before the period too. Costs are known from ``since`` until ``through``; without them,
    from the beginning of the first day until ``now``. Where days that began later are recorded too, by some of what is
    counted and not by all, they are expected from the midnight before ``through`` on: no money counts twice, and what
    is recorded is the least it will be.
    """
    seen = now if through is None else min(now, through)
    spent = spent_of(days, begin, end, zone)
    if len(begun(days, seen, zone)) < len(days):
        seen = _midnight(_day(seen, zone), zone)
        days = begun(days, seen, zone)
    at = min(max(seen, begin), end)
    if at >= end:
        return Landing(spent, spent, spent, "The period is over.")
    left = _left(at, end, zone)
    whole = _whole(days, since, _day(seen, zone), zone)
    known = spent_of(days, begin, end, zone)
    if len(whole) < FEWEST:
        return _by_hours(days, known, spent, left, since, seen, zone)
    ends = known + np.cumsum(_drawn(whole, left), axis=1)
    low, mid, high = np.quantile(ends, (LOW, 0.5, HIGH), axis=0)
    said = (
        f"Days to come as the median of {_kinds(whole)[1]} in {len(whole)} whole days to {whole['day'].iloc[-1]}; the "
        "range is where eight of ten sums of their deviations, drawn again, end."
    )
    return _landed(spent, left, (low, mid, high), said, len(whole))


def spent_of(days: pd.DataFrame, begin: datetime, end: datetime, zone: str) -> int:
    """What the days of [begin, end) cost, as far as they are recorded."""
    inside = days["day"].between(str(_day(begin, zone)), str(_day(end - timedelta(seconds=1), zone)))
    return int(days.loc[inside, "micro"].sum())


def begun(days: pd.DataFrame, at: datetime, zone: str) -> pd.DataFrame:
    """Those of days that began before an instant."""
    return days[days["day"] <= str(_day(at - timedelta(microseconds=1), zone))]


def first_above(path: pd.DataFrame, micro: float) -> str | None:
    """The first day by whose end more than this is expected to be spent; None when none is."""
    above = path.loc[path["mid"] > micro, "day"]
    return None if above.empty else str(above.iloc[0])


def _day(at: datetime, zone: str) -> date:
    return at.astimezone(ZoneInfo(zone)).date()


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _left(at: datetime, end: datetime, zone: str) -> list[tuple[date, float]]:
    """Days that are not over, and the share of each that is left: of a day of 23 hours as of any other."""
    found, day = [], _day(at, zone)
    while (begin := _midnight(day, zone)) < end:
        over = _midnight(day + _DAY, zone)
        found.append((day, (over - max(at, begin)) / (over - begin)))
        day += _DAY
    return found


def _whole(days: pd.DataFrame, since: datetime | None, today: date, zone: str) -> pd.DataFrame:
    """The last days that were recorded from their beginning to their end."""
    over = days[days["day"] < str(today)]
    if since is not None:
        first = _day(since, zone)
        over = over[over["day"] >= str(first if _midnight(first, zone) >= since else first + _DAY)]
    return over.sort_values("day").tail(LONGEST)


def _kinds(whole: pd.DataFrame) -> tuple[dict[int, str], str]:
    """What kind of day each weekday (0 is Monday) is, and how the kinds are called."""
    weekdays = [date.fromisoformat(day).weekday() for day in whole["day"]]
    if min(weekdays.count(number) for number in range(7)) >= WEEKS_OF:
        return {number: str(number) for number in range(7)}, "the same weekday"
    weekend = sum(number >= 5 for number in weekdays)
    if weekend >= 2 and len(weekdays) - weekend >= FEWEST:
        return {number: "weekend" if number >= 5 else "work" for number in range(7)}, "workdays or weekends"
    return dict.fromkeys(range(7), ""), "all days"


def _drawn(whole: pd.DataFrame, left: list[tuple[date, float]]) -> np.ndarray:
    """What each day that is left may cost: one row a draw."""
    kinds = _kinds(whole)[0]
    kind = pd.Series([kinds[date.fromisoformat(day).weekday()] for day in whole["day"]], index=whole.index)
    medians = whole["micro"].groupby(kind).median()
    residuals = (whole["micro"] - kind.map(medians)).to_numpy(dtype="float64")
    run = RUN if len(residuals) >= 2 * RUN else 1
    runs = -(-len(left) // run)
    begins = np.random.default_rng(0).integers(0, len(residuals), size=(DRAWS, runs))
    places = (begins[:, :, None] + np.arange(run)).reshape(DRAWS, -1)[:, : len(left)] % len(residuals)
    expected = np.array([medians[kinds[day.weekday()]] for day, _ in left])
    shares = np.array([share for _, share in left])
    drawn: np.ndarray = np.maximum(expected + residuals[places], 0.0) * shares
    return drawn


def _by_hours(
    days: pd.DataFrame,
    known: int,
    spent: int,
    left: list[tuple[date, float]],
    since: datetime | None,
    seen: datetime,
    zone: str,
) -> Landing:
    """From the hours so far, while there are not enough whole days."""
    if days.empty:
        return Landing(spent, spent, spent, "Nothing is recorded yet to go by.", known=False)
    first = _midnight(date.fromisoformat(str(days["day"].min())), zone)
    lasted = seen - (first if since is None else max(first, since))
    if lasted < timedelta(hours=1):
        return Landing(spent, spent, spent, "Nothing is recorded yet to go by.", known=False)
    per_day = float(days["micro"].sum()) / lasted.total_seconds() * _DAY_S
    rest = per_day * np.cumsum([share for _, share in left])
    hours = round(lasted / timedelta(hours=1))
    said = (
        f"Fewer than {FEWEST} whole days are recorded: the rest between half and twice what {hours} hours cost so far."
    )
    ends = tuple(known + factor * rest for factor in _WIDE)
    return _landed(spent, left, ends, said, 0)


def _landed(
    spent: int, left: list[tuple[date, float]], ends: tuple[np.ndarray, ...], said: str, number: int
) -> Landing:
    low, mid, high = ends
    path = frames.conform(
        pd.DataFrame({"day": [str(day) for day, _ in left], "low": low, "mid": mid, "high": high}), PATH
    )
    lowest, middle, highest = (max(round(float(end[-1])), spent) for end in ends)
    return Landing(lowest, middle, highest, said, number, path=path)
