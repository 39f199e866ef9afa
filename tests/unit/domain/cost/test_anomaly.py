"""Unusual days, worked by hand."""

from datetime import date, timedelta

import pandas as pd

from services.domain import frames
from services.domain.cost import MICRO
from services.domain.cost.anomaly import DAYS, SCORED, scored

MONDAY = date(2026, 6, 1)


def days(usd: dict[int, float]) -> pd.DataFrame:
    """Dollars by how many days before Monday."""
    rows = [(str(MONDAY - timedelta(days=back)), round(value * MICRO)) for back, value in usd.items()]
    return frames.table(DAYS, sorted(rows))


def last(usd: dict[int, float]) -> dict[str, object]:
    found = scored(days(usd))
    assert found.columns.tolist() == list(SCORED)
    return {str(name): value for name, value in found.iloc[-1].items()}


def test_a_monday_is_held_against_mondays() -> None:
    """Mondays 100, 110, 90, 105, 95: median 100, distances 0 5 5 10 10, median 5; × 1.4826 × 3.5 = 25.95."""
    row = last({35: 100, 28: 110, 21: 90, 14: 105, 7: 95, 1: 5000, 0: 130})
    assert (row["expected"], row["unusual"]) == (100 * MICRO, "above")
    assert round(float(str(row["high"])) / MICRO, 2) == 125.95
    assert round(float(str(row["score"])), 2) == 4.05  # 30 ÷ 7.413
    assert last({35: 100, 28: 110, 21: 90, 14: 105, 7: 95, 0: 125})["unusual"] == ""


def test_one_wild_week_before_hides_nothing() -> None:
    row = last({35: 100, 28: 100, 21: 9000, 14: 100, 7: 100, 0: 200})
    assert (row["expected"], row["unusual"]) == (100 * MICRO, "above")


def test_weeks_that_are_all_alike_still_leave_room() -> None:
    """No distance at all; five percent of 1,000 is the least unit, so up to 175 more is usual."""
    same = {7 * week: 1000.0 for week in range(1, 6)}
    assert last({**same, 0: 1174})["unusual"] == ""
    assert last({**same, 0: 1176})["unusual"] == "above"
    assert last({**same, 0: 824})["unusual"] == "below"


def test_cents_never_alarm() -> None:
    """Ten times as much, of a dollar: less than 25 dollars more."""
    assert last({**{7 * week: 1.0 for week in range(1, 9)}, 0: 10})["unusual"] == ""


def test_from_nothing_to_much_is_unusual() -> None:
    row = last({**{7 * week: 0.0 for week in range(1, 6)}, 0: 40})
    assert (row["unusual"], row["score"]) == ("above", float("inf"))


def test_four_weeks_are_not_enough_to_know() -> None:
    row = last({28: 100, 21: 100, 14: 100, 7: 100, 0: 900})
    assert row["unusual"] == ""
    assert pd.isna(row["expected"])


def test_a_week_that_is_not_recorded_is_not_zero() -> None:
    """Of eight weeks three are missing; the other five say 100."""
    row = last({**{7 * week: 100.0 for week in (1, 2, 4, 6, 8)}, 0: 100})
    assert (row["expected"], row["unusual"]) == (100 * MICRO, "")


def test_nothing_scores_nothing() -> None:
    assert scored(frames.empty(DAYS)).empty
