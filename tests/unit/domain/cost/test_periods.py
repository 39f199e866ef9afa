from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.cost.periods import KINDS, Calendar, before, period


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("calendar", "instant", "begin", "end", "name"),
    [
        (Calendar(), "2026-02-10T12:00Z", "2026-02-01T00:00Z", "2026-03-01T00:00Z", "2026-02"),
        (Calendar("day"), "2026-02-10T23:59:59Z", "2026-02-10T00:00Z", "2026-02-11T00:00Z", "2026-02-10"),
        # Berlin is at +2 in summer: its June begins two hours before that of UTC
        (Calendar(zone="Europe/Berlin"), "2026-05-31T22:30Z", "2026-05-31T22:00Z", "2026-06-30T22:00Z", "2026-06"),
        # half an hour off
        (Calendar("day", "Asia/Kolkata"), "2026-06-02T19:00Z", "2026-06-02T18:30Z", "2026-06-03T18:30Z", "2026-06-03"),
        # weeks from Thursday on
        (Calendar("week", day=3), "2026-06-03T12:00Z", "2026-05-28T00:00Z", "2026-06-04T00:00Z", "week of 2026-05-28"),
        (Calendar("quarter"), "2026-12-31T12:00Z", "2026-10-01T00:00Z", "2027-01-01T00:00Z", "quarter of 2026-10-01"),
        # a fiscal quarter from February on
        (Calendar("quarter", month=2), "2026-01-15T00:00Z", "2025-11-01T00:00Z", "2026-02-01T00:00Z",
         "quarter of 2025-11-01"),
        # from the 31st on, or a shorter month's last day
        (Calendar(day=31), "2026-03-30T12:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z", "month of 2026-02-28"),
        (Calendar(day=31), "2026-03-31T12:00Z", "2026-03-31T00:00Z", "2026-04-30T00:00Z", "month of 2026-03-31"),
    ],
)  # fmt: skip
def test_a_period_begins_and_ends_at_midnight_of_its_zone(
    calendar: Calendar, instant: str, begin: str, end: str, name: str
) -> None:
    found = period(calendar, at(instant))
    assert (found.begin, found.end, found.name) == (at(begin), at(end), name)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)])
def test_days_on_which_clocks_change_are_shorter_or_longer(day: str, hours: int) -> None:
    noon = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) + timedelta(hours=12)
    found = period(Calendar("day", "Europe/Berlin"), noon)
    assert found.end - found.begin == timedelta(hours=hours)


def test_half_of_a_month_is_over_by_its_hours() -> None:
    june = period(Calendar(), at("2026-06-16T00:00Z"))
    assert june.elapsed(at("2026-06-16T00:00Z")) == 0.5
    assert june.elapsed(at("2026-07-02T00:00Z")) == 1.0
    # March of Berlin has an hour less: 743, and the first half ends in the night of the 16th
    march = period(Calendar(zone="Europe/Berlin"), at("2026-03-10T00:00Z"))
    assert (march.end - march.begin) / timedelta(hours=1) == 743


def test_what_is_no_calendar_is_an_error() -> None:
    for kind, day, month in (("year", 1, 1), ("month", 0, 1), ("month", 32, 1), ("week", 7, 1), ("quarter", 1, 4)):
        with pytest.raises(ValueError, match=r"period|day"):
            Calendar(kind, day=day, month=month)
    with pytest.raises(KeyError):
        Calendar(zone="Mars/Olympus")


@given(
    st.sampled_from(KINDS),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Santiago", "Pacific/Apia"]),
    st.integers(1, 6),
    st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
)
def test_periods_follow_each_other_without_a_gap(kind: str, zone: str, day: int, instant: datetime) -> None:
    calendar = Calendar(kind, zone, day)
    found = period(calendar, instant)
    assert found.begin <= instant < found.end
    last = before(calendar, found)
    assert last.end == found.begin
    assert period(calendar, found.end).begin == found.end
    assert period(calendar, found.begin) == found
