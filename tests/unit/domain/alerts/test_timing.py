"""When alerts may be sent: digests, quiet hours, days on which clocks are changed; and tries after failures."""

from datetime import UTC, datetime, time, timedelta

import pytest

from services.domain.alerts import Channel, timing
from services.domain.findings import Severity

BERLIN = "Europe/Berlin"
NIGHT = (time(22), time(7))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def told(channel: Channel, at: str, severity: Severity = Severity.WARNING) -> str:
    return timing.due(channel, severity, utc(at)).isoformat()[:16]


def test_without_digest_and_quiet_hours_an_alert_is_due_at_once() -> None:
    assert told(Channel("c"), "2026-06-03T12:00") == "2026-06-03T12:00"


@pytest.mark.parametrize(
    ("digest", "at", "due"),
    [
        ("15m", "2026-06-03T12:01", "2026-06-03T12:15"),
        ("15m", "2026-06-03T12:15", "2026-06-03T12:15"),
        ("30m", "2026-06-03T12:31", "2026-06-03T13:00"),
        ("1h", "2026-06-03T12:59", "2026-06-03T13:00"),
        ("08:30", "2026-06-03T08:29", "2026-06-03T08:30"),
        ("08:30", "2026-06-03T08:31", "2026-06-04T08:30"),
    ],
)
def test_a_digest_closes_at_full_quarters_hours_or_a_time_of_day(digest: str, at: str, due: str) -> None:
    assert told(Channel("c", digest=digest), at) == due


def test_the_hour_of_a_zone_that_is_half_an_hour_off_is_its_own() -> None:
    # 12:10 UTC is 17:40 in Kolkata; its next full hour, 18:00, is 12:30 UTC.
    assert told(Channel("c", digest="1h", zone="Asia/Kolkata"), "2026-06-03T12:10") == "2026-06-03T12:30"


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2026-06-03T19:59", "2026-06-03T19:59"),  # 21:59 in Berlin
        ("2026-06-03T20:00", "2026-06-04T05:00"),  # 22:00 until 07:00 the next day, which is 05:00 UTC
        ("2026-06-04T04:59", "2026-06-04T05:00"),
        ("2026-06-04T05:00", "2026-06-04T05:00"),
    ],
)
def test_quiet_hours_go_over_midnight(at: str, due: str) -> None:
    assert told(Channel("c", quiet=NIGHT, zone=BERLIN), at) == due


def test_quiet_hours_within_a_day_end_the_same_day() -> None:
    siesta = Channel("c", quiet=(time(12), time(14)))
    assert told(siesta, "2026-06-03T13:00") == "2026-06-03T14:00"
    assert told(siesta, "2026-06-03T14:00") == "2026-06-03T14:00"


def test_the_night_in_which_clocks_are_put_forward_is_an_hour_shorter() -> None:
    # Berlin, 28 to 29 March 2026: 22:00 is 21:00 UTC (winter), 07:00 is 05:00 UTC (summer).
    channel = Channel("c", quiet=NIGHT, zone=BERLIN)
    assert told(channel, "2026-03-28T20:59") == "2026-03-28T20:59"
    assert told(channel, "2026-03-28T21:00") == "2026-03-29T05:00"


def test_the_night_in_which_clocks_are_put_back_is_an_hour_longer() -> None:
    # Berlin, 24 to 25 October 2026: 22:00 is 20:00 UTC (summer), 07:00 is 06:00 UTC (winter).
    channel = Channel("c", quiet=NIGHT, zone=BERLIN)
    assert told(channel, "2026-10-24T20:00") == "2026-10-25T06:00"
    assert told(channel, "2026-10-25T05:59") == "2026-10-25T06:00"


def test_a_time_that_a_day_does_not_have_comes_as_much_later_as_the_clock_is_put_on() -> None:
    # 02:30 of 29 March 2026 is not there in Berlin: 03:30 summer time, 01:30 UTC, stands for it.
    assert told(Channel("c", digest="02:30", zone=BERLIN), "2026-03-28T23:00") == "2026-03-29T01:30"


def test_of_a_time_that_a_day_has_twice_the_first_counts() -> None:
    # 02:30 of 25 October 2026 is at 00:30 UTC and again at 01:30 UTC.
    channel = Channel("c", digest="02:30", zone=BERLIN)
    assert told(channel, "2026-10-24T23:00") == "2026-10-25T00:30"
    assert told(channel, "2026-10-25T00:31") == "2026-10-26T01:30"


def test_a_digest_that_closes_in_quiet_hours_is_sent_after_them() -> None:
    assert told(Channel("c", digest="06:00", quiet=NIGHT), "2026-06-03T12:00") == "2026-06-04T07:00"


def test_critical_ones_wait_for_nothing_only_where_that_is_set() -> None:
    quiet = Channel("c", digest="08:30", quiet=NIGHT)
    loud = Channel("c", digest="08:30", quiet=NIGHT, critical_at_once=True)
    assert told(quiet, "2026-06-03T23:00", Severity.CRITICAL) == "2026-06-04T08:30"
    assert told(loud, "2026-06-03T23:00", Severity.CRITICAL) == "2026-06-03T23:00"
    assert told(loud, "2026-06-03T23:00", Severity.WARNING) == "2026-06-04T08:30"


def test_pauses_after_failures_double_up_to_half_an_hour_give_or_take_a_fifth() -> None:
    now = utc("2026-06-03T12:00")
    for attempts, seconds in ((1, 30), (2, 60), (3, 120), (6, 960), (7, 1800), (500, 1800)):
        pause = timing.retry("k", attempts, now) - now
        assert timedelta(seconds=0.8 * seconds) <= pause <= timedelta(seconds=1.2 * seconds)


def test_the_pause_is_the_same_wherever_it_is_computed_and_differs_between_messages() -> None:
    now = utc("2026-06-03T12:00")
    assert timing.retry("k", 3, now) == timing.retry("k", 3, now)
    assert len({timing.retry(f"k{number}", 3, now) for number in range(20)}) > 10
