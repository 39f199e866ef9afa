"""Periods of budgets, in the calendar of a time zone.

A period begins and ends at midnight there, which is 23 or 25 hours from the last one on two days of the year, and in a
zone that is half an hour off falls between two hours of UTC.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

KINDS = ("day", "week", "month", "quarter")


@dataclass(frozen=True)
class Calendar:
    """How often a budget begins anew.

    ``day`` is its first: the day of the week (0 is Monday) of a week, the day of the month of a month or quarter, where
    the 29th to 31st mean the last day of a shorter month; ``month`` the first of a quarter (1 to 3).
    """

    kind: str = "month"
    zone: str = "UTC"
    day: int = 1
    month: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a period is one of {', '.join(KINDS)}")
        first, last = (0, 6) if self.kind == "week" else (1, 31)
        if not (first <= self.day <= last and 1 <= self.month <= 3):
            raise ValueError("there is no such day to begin on")
        ZoneInfo(self.zone)


@dataclass(frozen=True)
class Period:
    """From ``begin`` until before ``end``, instants in UTC; ``name`` for people: "2026-06", "week of 2026-06-01"."""

    begin: datetime
    end: datetime
    name: str

    def elapsed(self, at: datetime) -> float:
        """The share of the period that is over, 0 to 1, by hours and not by days."""
        return min(max((at - self.begin) / (self.end - self.begin), 0.0), 1.0)


def period(calendar: Calendar, at: datetime) -> Period:
    """The period an instant lies in."""
    today = at.astimezone(ZoneInfo(calendar.zone)).date()
    begin = _begins(calendar, today)
    return Period(
        _midnight(begin, calendar.zone), _midnight(_next(calendar, begin), calendar.zone), _name(calendar, begin)
    )


def before(calendar: Calendar, known: Period) -> Period:
    """The period before another."""
    return period(calendar, known.begin - timedelta(seconds=1))


def _begins(calendar: Calendar, today: date) -> date:
    """The last first day that is not after today."""
    if calendar.kind == "day":
        return today
    if calendar.kind == "week":
        return today - timedelta(days=(today.weekday() - calendar.day) % 7)
    year, month = today.year, today.month
    while True:
        first = _day(year, month, calendar.day)
        if first <= today and (calendar.kind == "month" or (month - calendar.month) % 3 == 0):
            return first
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)


def _next(calendar: Calendar, begin: date) -> date:
    if calendar.kind in ("day", "week"):
        return begin + timedelta(days=1 if calendar.kind == "day" else 7)
    months = begin.year * 12 + begin.month - 1 + (3 if calendar.kind == "quarter" else 1)
    return _day(months // 12, months % 12 + 1, calendar.day)


def _day(year: int, month: int, day: int) -> date:
    after = date(year + month // 12, month % 12 + 1, 1)
    return min(date(year, month, 1) + timedelta(days=day - 1), after - timedelta(days=1))


def _midnight(day: date, zone: str) -> datetime:
    """When a day begins. Where a clock is put forward at midnight, that is its first instant."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _name(calendar: Calendar, begin: date) -> str:
    if calendar.kind == "month" and calendar.day == 1:
        return f"{begin:%Y-%m}"
    return f"{begin}" if calendar.kind == "day" else f"{calendar.kind} of {begin}"
