"""When an alert may be sent, and when a message that did not arrive is tried again."""

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.domain.alerts import Channel
from services.domain.findings import Severity

FIRST_RETRY = timedelta(seconds=30)
LAST_RETRY = timedelta(minutes=30)
"""The pause after a failure doubles from the one to the other."""
GIVE_UP = timedelta(days=7)
"""A message this old is not tried any more."""
_JITTER = 0.2
_EVERY = {"15m": timedelta(minutes=15), "30m": timedelta(minutes=30), "1h": timedelta(hours=1)}


def due(channel: Channel, severity: Severity, at: datetime) -> datetime:
    """From when an alert noted at ``at`` may be sent: after its digest is closed, and not in quiet hours."""
    if severity is Severity.CRITICAL and channel.critical_at_once:
        return at
    return _awake(channel, _closes(channel, at))


def _closes(channel: Channel, at: datetime) -> datetime:
    """The first end of a digest that is not before ``at``."""
    if not channel.digest:
        return at
    zone = ZoneInfo(channel.zone)
    local = at.astimezone(zone)
    if every := _EVERY.get(channel.digest):
        # Full quarters and hours of the clock on the wall: zones differ from UTC by a quarter of an hour or more.
        past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond) % every
        return at if not past else (at + every - past).astimezone(UTC)
    wanted = time.fromisoformat(channel.digest)
    days = (local.date() + timedelta(days=ahead) for ahead in range(3))
    return next(moment for day in days if (moment := _moment(day, wanted, zone)) >= at)


def _awake(channel: Channel, at: datetime) -> datetime:
    """The instant, or the end of the quiet hours it lies in."""
    if channel.quiet is None:
        return at
    begin, end = channel.quiet
    zone = ZoneInfo(channel.zone)
    today = at.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        until = _moment(day if end > begin else day + timedelta(days=1), end, zone)
        if _moment(day, begin, zone) <= at < until:
            return until
    return at


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant of a time of day: the first of two where the clock is put back, as much later as it is put on."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def retry(key: str, attempts: int, at: datetime) -> datetime:
    """When to try again after so many attempts: later each time, and messages not all at once."""
    pause = min(FIRST_RETRY * (1 << min(attempts - 1, 20)), LAST_RETRY)
    chance = hashlib.sha256(f"{key}/{attempts}".encode()).digest()[0] / 255  # the same wherever it is computed
    return at + pause * (1 - _JITTER + 2 * _JITTER * chance)
