"""Landings worked by hand, in micro-dollars. June 2026 begins on a Monday."""

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from services.domain import frames
from services.domain.cost.landing import DAYS, PATH, first_above, landing, spent_of

BEGIN, END = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


def days(first: date, *amounts: int) -> pd.DataFrame:
    return frames.table(DAYS, [(str(first + timedelta(days=place)), value) for place, value in enumerate(amounts)])


def test_days_that_all_cost_the_same_land_on_a_point() -> None:
    """28 days of 100 before noon of 8 June, half of whose 100 is spent: 750 so far, half a day and 22 days to come."""
    known = days(date(2026, 5, 11), *[100] * 28, 50)
    found = landing(known, BEGIN, END, datetime(2026, 6, 8, 12, tzinfo=UTC), "UTC")
    assert (found.low, found.mid, found.high, found.days) == (3000, 3000, 3000, 28)
    assert found.path.columns.tolist() == list(PATH)
    assert found.path[["day", "mid"]].iloc[[0, 1, -1]].to_numpy().tolist() == [
        ["2026-06-08", 800.0],
        ["2026-06-09", 900.0],
        ["2026-06-30", 3000.0],
    ]


def test_each_weekday_is_expected_to_cost_what_it_does() -> None:
    """Four weeks of 100 on workdays and 10 on weekends. From 8 June on: 17 workdays and 6 weekend days, 1,760."""
    known = days(date(2026, 5, 11), *[100, 100, 100, 100, 100, 10, 10] * 4)
    found = landing(known, BEGIN, END, datetime(2026, 6, 8, tzinfo=UTC), "UTC")
    assert (found.low, found.mid, found.high) == (520 + 1760,) * 3
    assert "same weekday" in found.method


def test_with_two_weeks_workdays_and_weekends_are_told_apart() -> None:
    known = days(date(2026, 5, 25), *[100, 100, 100, 100, 100, 10, 10] * 2)
    found = landing(known, BEGIN, END, datetime(2026, 6, 8, tzinfo=UTC), "UTC")
    assert found.mid == 520 + 1760
    assert "workdays or weekends" in found.method


def test_one_day_unlike_all_others_moves_nothing_tomorrow() -> None:
    """A tenth of 28 residuals is more than one: the day that cost ten times as much is outside the range."""
    amounts = [100] * 28
    amounts[10] = 1000
    found = landing(
        days(date(2026, 6, 2), *amounts),
        datetime(2026, 6, 30, tzinfo=UTC),
        END,
        datetime(2026, 6, 30, tzinfo=UTC),
        "UTC",
    )
    assert (found.low, found.mid, found.high) == (100, 100, 100)


def test_days_that_swing_make_a_range() -> None:
    """0 and 200 in turn: one day lands on either, and a day is never below zero."""
    found = landing(
        days(date(2026, 6, 26), 0, 200, 0, 200),
        datetime(2026, 6, 30, tzinfo=UTC),
        END,
        datetime(2026, 6, 30, tzinfo=UTC),
        "UTC",
    )
    assert (found.low, found.high) == (0, 200)
    assert found.low <= found.mid <= found.high


def test_who_spends_now_and_then_is_not_expected_to_spend_nothing() -> None:
    """One day in four costs 400: 22 days come to 2,200, with a range around it."""
    found = landing(days(date(2026, 5, 11), *[0, 0, 0, 400] * 7), BEGIN, END, datetime(2026, 6, 9, tzinfo=UTC), "UTC")
    spent = 800
    assert found.low < spent + 2200 < found.high
    assert found.low >= spent


def test_the_same_days_land_in_the_same_place() -> None:
    known = days(date(2026, 5, 11), *range(100, 128))
    now = datetime(2026, 6, 8, tzinfo=UTC)
    assert landing(known, BEGIN, END, now, "UTC") == landing(known, BEGIN, END, now, "UTC")


def test_a_period_that_is_over_ends_at_what_was_spent() -> None:
    known = days(date(2026, 5, 30), 7, 7, *[100] * 30, 9)
    found = landing(known, BEGIN, END, datetime(2026, 7, 1, tzinfo=UTC), "UTC")
    assert (found.low, found.mid, found.high) == (3000, 3000, 3000)
    assert found.path.empty


def test_with_two_whole_days_the_hours_so_far_go_on_and_the_range_is_wide() -> None:
    """Recorded for 2.5 days of 240: 96 an hour… 100 a day for 27.5 days, between half and twice that."""
    known = days(date(2026, 6, 1), 100, 100, 50)
    found = landing(known, BEGIN, END, datetime(2026, 6, 3, 12, tzinfo=UTC), "UTC")
    assert (found.low, found.mid, found.high) == (250 + 1375, 250 + 2750, 250 + 5500)
    assert found.days == 0
    assert "60 hours" in found.method


def test_a_day_recorded_in_part_is_no_whole_day() -> None:
    """Recorded since the noon of 1 June: 50 then, 100 a day after. Of the three days two are whole: by hours."""
    known = days(date(2026, 6, 1), 50, 100, 100)
    found = landing(
        known, BEGIN, END, datetime(2026, 6, 4, tzinfo=UTC), "UTC", since=datetime(2026, 6, 1, 12, tzinfo=UTC)
    )
    # 250 in 60 hours is 100 a day; 27 days to come
    assert (found.mid, found.days) == (250 + 2700, 0)


def test_what_is_not_recorded_yet_is_expected_and_not_zero() -> None:
    """The record ends at noon; it is evening. The second half of the day is to come."""
    known = days(date(2026, 6, 1), *[100] * 28, 50)
    found = landing(
        known,
        BEGIN,
        datetime(2026, 6, 30, tzinfo=UTC),
        datetime(2026, 6, 29, 18, tzinfo=UTC),
        "UTC",
        through=datetime(2026, 6, 29, 12, tzinfo=UTC),
    )
    assert found.mid == 2900


def test_what_one_cluster_recorded_after_another_stopped_counts_once() -> None:
    """Two clusters cost 10 a day each; one stopped being recorded on 11 June, the other on 21 June.

    200 until the 11th, and 20 a day for the 20 days from then on, of which 100 are spent already.
    """
    known = days(date(2026, 5, 11), *[20] * 31, *[10] * 10)
    for stopped in (datetime(2026, 6, 11, tzinfo=UTC), datetime(2026, 6, 11, 9, tzinfo=UTC)):
        found = landing(known, BEGIN, END, datetime(2026, 6, 21, tzinfo=UTC), "UTC", through=stopped)
        assert (found.low, found.mid, found.high) == (600, 600, 600)
        assert found.path["mid"].iloc[[0, -1]].tolist() == [220, 600]


def test_it_never_ends_below_what_is_recorded() -> None:
    """Nothing cost anything before the 11th, when one cluster stopped; the other then cost 10 a day."""
    known = days(date(2026, 5, 11), *[0] * 31, *[10] * 10)
    stopped = datetime(2026, 6, 11, tzinfo=UTC)
    found = landing(known, BEGIN, END, datetime(2026, 6, 21, tzinfo=UTC), "UTC", through=stopped)
    assert (found.low, found.mid, found.high) == (100, 100, 100)


def test_nothing_recorded_is_nothing_known() -> None:
    found = landing(frames.empty(DAYS), BEGIN, END, datetime(2026, 6, 3, tzinfo=UTC), "UTC")
    assert not found.known


def test_the_days_of_a_period_are_those_of_the_zone() -> None:
    """June in Berlin begins at 22:00 UTC of 31 May; that day belongs to May."""
    known = days(date(2026, 5, 31), 5, 7, 11)
    begin = datetime(2026, 5, 31, 22, tzinfo=UTC)
    assert spent_of(known, begin, datetime(2026, 6, 30, 22, tzinfo=UTC), "Europe/Berlin") == 18


def test_the_day_of_25_hours_is_left_in_shares_of_its_own() -> None:
    """Clocks go back in Berlin on 25 October 2026: from 01:00 UTC on, 22 of its 25 hours are left."""
    known = days(date(2026, 9, 27), *[2500] * 28, 300)
    begin, end = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
    found = landing(known, begin, end, datetime(2026, 10, 25, 1, tzinfo=UTC), "Europe/Berlin")
    assert found.mid == 300 + 2200


@pytest.mark.parametrize(("micro", "day"), [(149, "b"), (150, "c"), (1000, None)])
def test_the_first_day_above_an_amount(micro: int, day: str | None) -> None:
    path = frames.table(PATH, [("a", 0, 100, 200), ("b", 0, 150, 300), ("c", 0, 200, 400)])
    assert first_above(path, micro) == day
