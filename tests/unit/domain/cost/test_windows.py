from datetime import UTC, date, datetime

import pytest

from services.domain.cost.windows import LONGEST, Window, beside, today, whole, window

ON = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("month", date(2026, 11, 1), ON),
        ("last month", date(2026, 10, 1), date(2026, 10, 31)),
        ("7d", date(2026, 11, 17), ON),
        ("30d", date(2026, 10, 25), ON),
        ("quarter", date(2026, 10, 1), ON),
        ("nonsense", date(2026, 11, 1), ON),
    ],
)
def test_windows_as_they_are_on_a_day(name: str, first: date, last: date) -> None:
    assert window(name, ON) == Window(first, last)


def test_chosen_days_are_put_in_order_and_have_no_future() -> None:
    assert window("days", ON, date(2026, 12, 5), date(2026, 11, 2)) == Window(date(2026, 11, 2), ON)
    assert window("days", ON, date(2026, 11, 5), None) == Window(date(2026, 11, 5), date(2026, 11, 5))
    assert window("days", ON) == Window(date(2026, 11, 1), ON)
    assert window("days", ON, date(1999, 1, 1), ON).days == LONGEST


def test_today_is_not_a_whole_day() -> None:
    assert whole(Window(date(2026, 11, 1), ON), ON) == Window(date(2026, 11, 1), date(2026, 11, 22))
    assert whole(Window(ON, ON), ON) is None


@pytest.mark.parametrize(
    ("asked", "then"),
    [
        (Window(date(2026, 11, 1), date(2026, 11, 22)), Window(date(2026, 10, 1), date(2026, 10, 22))),
        (Window(date(2026, 11, 1), date(2026, 11, 30)), Window(date(2026, 10, 1), date(2026, 10, 31))),
        (Window(date(2026, 3, 1), date(2026, 3, 30)), Window(date(2026, 2, 1), date(2026, 2, 28))),
        # April is a day shorter than May: as many days all the same
        (Window(date(2026, 5, 28), date(2026, 6, 2)), Window(date(2026, 4, 28), date(2026, 5, 3))),
        (Window(date(2026, 1, 5), date(2026, 1, 7)), Window(date(2025, 12, 5), date(2025, 12, 7))),
        # longer than a month: a month earlier would be part of it
        (Window(date(2026, 10, 1), date(2026, 11, 22)), Window(date(2026, 8, 9), date(2026, 9, 30))),
    ],
)
def test_a_month_earlier(asked: Window, then: Window) -> None:
    assert beside(asked, "month") == then


def test_just_before_is_as_long() -> None:
    assert beside(Window(date(2026, 11, 1), date(2026, 11, 22)), "before") == Window(
        date(2026, 10, 10), date(2026, 10, 31)
    )


def test_days_begin_and_end_by_the_clock_of_the_zone() -> None:
    """In Berlin 25 October 2026 has 25 hours."""
    day = Window(date(2026, 10, 25), date(2026, 10, 25))
    assert day.begin("Europe/Berlin") == datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert day.end("Europe/Berlin") == datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert today(datetime(2026, 10, 24, 22, 30, tzinfo=UTC), "Europe/Berlin") == date(2026, 10, 25)
