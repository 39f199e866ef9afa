"""Which days a report is about, and which days it is set beside; in the calendar of the reporting zone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WINDOWS = {
    "month": "This month",
    "last month": "Last month",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "quarter": "This quarter",
    "days": "From–to",
}
"""What can be asked for. Those to date, and the last days, include today, which is not over."""
AGAINST = {"month": "The same days a month earlier", "before": "As many days just before"}
LONGEST = 800
"""Days of the longest window."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """Days from ``first`` to ``last``, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many there are."""
        return (self.last - self.first).days + 1

    @property
    def text(self) -> str:
        """For people: "2026-11-01 to 2026-11-23"."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"

    def begin(self, zone: str) -> datetime:
        """The instant it begins."""
        return datetime.combine(self.first, time(), ZoneInfo(zone)).astimezone(UTC)

    def end(self, zone: str) -> datetime:
        """The instant it is over."""
        return datetime.combine(self.last + _DAY, time(), ZoneInfo(zone)).astimezone(UTC)


def today(now: datetime, zone: str) -> date:
    """The day an instant lies in."""
    return now.astimezone(ZoneInfo(zone)).date()


def window(name: str, on: date, first: date | None = None, last: date | None = None) -> Window:
    """One of :data:`WINDOWS` as it is on a day.

    Of "days" ``first`` and ``last`` are asked for: put in order, without the future, and no longer than
    :data:`LONGEST`; this month to date when they are missing.
    """
    if name == "last month":
        last_day = on.replace(day=1) - _DAY
        return Window(last_day.replace(day=1), last_day)
    if name in ("7d", "30d"):
        return Window(on - timedelta(days=int(name[:-1]) - 1), on)
    if name == "quarter":
        return Window(on.replace(month=(on.month - 1) // 3 * 3 + 1, day=1), on)
    if name == "days" and (first or last):
        given = [min(day, on) for day in (first, last) if day is not None]
        end = max(given)
        return Window(max(min(given), end - timedelta(days=LONGEST - 1)), end)
    return Window(on.replace(day=1), on)


def whole(asked: Window, on: date) -> Window | None:
    """The days of a window that are over; None when there are none."""
    last = min(asked.last, on - _DAY)
    return Window(asked.first, last) if asked.first <= last else None


def beside(asked: Window, against: str) -> Window:
    """What a window is compared with: one of :data:`AGAINST`.

    What begins a month is set beside the same days of the month before, which may have fewer, and a whole month beside
    the whole one. Other days are set beside as many that begin a month earlier. Where these would reach into the window
    itself, as of more than a month, it is as many days just before, whatever is asked for.
    """
    if against == "month":
        first = _month_earlier(asked.first)
        last = first + (asked.days - 1) * _DAY
        if asked.first.day == 1 and asked.days <= 31:
            last = asked.first - _DAY if _ends_month(asked.last) else _month_earlier(asked.last)
        if last < asked.first:
            return Window(first, last)
    return Window(asked.first - timedelta(days=asked.days), asked.first - _DAY)


def _ends_month(day: date) -> bool:
    return (day + _DAY).day == 1


def _month_earlier(day: date) -> date:
    before = day.replace(day=1) - _DAY
    return before.replace(day=min(day.day, before.day))
