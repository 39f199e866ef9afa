"""How budgets stand, worked by hand: 300 for the thirty days of June, ten a day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from services.domain import frames
from services.domain.cost.budget import Budget
from services.domain.cost.burn import (
    BURN,
    Standing,
    burn,
    crossed,
    reached_at,
    standing,
    state,
    together,
)
from services.domain.cost.landing import DAYS, Landing, landing
from services.domain.cost.periods import Calendar, Period, period

JUNE = Period(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC), "2026-06")
BUDGET = Budget("b", "Research", "team", 300, "research")


def days(first: date, *amounts: int) -> pd.DataFrame:
    return frames.table(DAYS, [(str(first + timedelta(days=place)), value) for place, value in enumerate(amounts)])


def stands(known: pd.DataFrame, now: datetime, budget: Budget = BUDGET) -> Standing:
    end = landing(known, JUNE.begin, JUNE.end, now, "UTC")
    return standing(budget, JUNE, known, end, seen=now, zone="UTC")


def test_ten_a_day_is_on_track_and_never_over() -> None:
    one = stands(days(date(2026, 5, 11), *[10] * 36), datetime(2026, 6, 16, tzinfo=UTC))
    assert (one.state, one.spent, one.elapsed, one.landing.mid, one.overrun) == ("on track", 150, 0.5, 300, None)
    assert one.days == {0.5: "2026-06-15"}
    assert one.share == 0.5


def test_twelve_a_day_will_be_over_on_the_26th() -> None:
    """360 by the end of the month; 12 × 25 is exactly 300, so the 26th is the first day above."""
    one = stands(days(date(2026, 5, 11), *[12] * 36), datetime(2026, 6, 16, tzinfo=UTC))
    assert (one.state, one.overrun, one.landing.mid) == ("will overrun", "2026-06-26", 360)


def test_a_budget_is_over_since_the_day_it_was_passed() -> None:
    one = stands(days(date(2026, 6, 1), *[100] * 5), datetime(2026, 6, 6, tzinfo=UTC))
    assert (one.state, one.overrun) == ("over", "2026-06-04")
    assert one.days == {0.5: "2026-06-02", 0.8: "2026-06-03", 1.0: "2026-06-03"}


@pytest.mark.parametrize(("amount", "said"), [(299, "partly known"), (300, "on track"), (199, "will overrun")])
def test_days_that_are_not_recorded_may_put_it_above(amount: int, said: str) -> None:
    """10 a day from 11 June on: 50 by the 16th, 200 at the end of the month; ten days more at 10 are 300."""
    known, now = days(date(2026, 6, 11), *[10] * 5), datetime(2026, 6, 16, tzinfo=UTC)
    one = stands(known, now, replace(BUDGET, amount_micro=amount))
    assert (one.state, one.spent, one.landing.mid, one.missing) == (said, 50, 200, 10)


def test_what_one_cluster_recorded_later_is_no_reason_to_be_above_pace() -> None:
    """Five a day each of two clusters, one of which stopped on 11 June: 100 of 300 in a third of the time, then 50."""
    known, stopped = days(date(2026, 5, 11), *[10] * 31, *[5] * 10), datetime(2026, 6, 11, tzinfo=UTC)
    end = landing(known, JUNE.begin, JUNE.end, datetime(2026, 6, 21, tzinfo=UTC), "UTC", through=stopped)
    one = standing(BUDGET, JUNE, known, end, seen=stopped, zone="UTC")
    assert (one.state, one.spent, one.landing.mid) == ("on track", 150, 300)
    found = burn(one, known, "UTC").set_index("day")
    assert found["spent"].dropna().iloc[[0, -1]].tolist() == [10, 100]
    assert found.loc["2026-06-11", "mid"] == 110


@pytest.mark.parametrize(
    ("spent", "elapsed", "mid", "said"),
    [
        (301, 0.5, 400, "over"),
        (300, 1.0, 300, "on track"),
        (200, 0.5, 301, "will overrun"),
        (151, 0.5, 300, "above pace"),
        (150, 0.5, 300, "on track"),
    ],
)
def test_states(spent: int, elapsed: float, mid: int, said: str) -> None:
    assert state(spent, 300, elapsed, Landing(mid, mid, mid, ""), spent) == said


def test_nothing_recorded_of_the_period_is_unknown_and_not_on_track() -> None:
    one = stands(days(date(2026, 5, 1), 10, 10, 10), datetime(2026, 6, 2, tzinfo=UTC))
    assert (one.state, one.seen) == ("unknown", None)


def test_days_that_are_over_and_not_recorded_are_counted() -> None:
    """Recorded on 3 and 5 June, it is the 6th: 1, 2 and 4 June are missing."""
    known = pd.concat([days(date(2026, 6, 3), 10), days(date(2026, 6, 5), 10)])
    assert stands(known, datetime(2026, 6, 6, 12, tzinfo=UTC)).missing == 3


def test_a_threshold_is_reached_when_it_is_equalled() -> None:
    assert crossed(days(date(2026, 6, 1), 149, 1, 90), 300, (0.5, 0.8, 1.0)) == {0.5: "2026-06-02", 0.8: "2026-06-03"}


def test_the_hour_of_a_crossing_is_the_one_at_whose_end_it_was_reached() -> None:
    """100 were spent before the day; 20 an hour from 00:00: 150 are reached by 03:00. Two rows of an hour add up."""
    at = [datetime(2026, 6, 3, hour, tzinfo=UTC) for hour in (1, 0, 2, 2)]
    hours = pd.DataFrame({"hour": pd.to_datetime(at), "micro": [20, 20, 10, 10]})
    assert reached_at(hours, 100, 150) == datetime(2026, 6, 3, 3, tzinfo=UTC)
    assert reached_at(hours, 100, 161) is None
    assert reached_at(hours.iloc[:0], 100, 150) is None


def test_the_burn_down_has_what_was_spent_behind_and_what_is_expected_ahead() -> None:
    """10 a day, the 3rd not recorded, noon of the 5th: 5 of the fifth day are spent, 5 expected."""
    known = pd.concat([days(date(2026, 5, 11), *[10] * 23), days(date(2026, 6, 4), 10, 5)])
    rows = burn(stands(known, datetime(2026, 6, 5, 12, tzinfo=UTC)), known, "UTC")
    assert rows.columns.tolist() == list(BURN)
    assert len(rows) == 30
    assert rows["spent"].iloc[:6].fillna(-1).tolist() == [10, 20, -1, 30, 35, -1]
    assert rows["mid"].iloc[:6].fillna(-1).tolist() == [-1, -1, -1, -1, 40, 50]
    assert rows["pace"].iloc[[0, 29]].tolist() == [10, 300]


def test_the_pace_of_a_day_with_25_hours_is_steeper() -> None:
    """The week of 19 October in Berlin has 169 hours; its last day, with 25 of them, ends at the whole amount."""
    week = period(Calendar("week", "Europe/Berlin", 0), datetime(2026, 10, 20, tzinfo=UTC))
    known = days(date(2026, 10, 19), 10)
    one = standing(
        Budget("b", "n", "fleet", 1690),
        week,
        known,
        Landing(10, 10, 10, "", known=False),
        seen=datetime(2026, 10, 19, 22, tzinfo=UTC),
        zone="Europe/Berlin",
    )
    assert burn(one, known, "Europe/Berlin")["pace"].round(6).tolist() == [240, 480, 720, 960, 1200, 1440, 1690]


def test_budgets_that_count_the_same_money_are_not_added_up() -> None:
    def one(scope: str, value: str, amount: int, kind: str = "month") -> Standing:
        budget = Budget(value, value, scope, amount, value, Calendar(kind))
        return Standing(budget, JUNE, "on track", 10, Landing(20, 30, 40, ""), 0.5, None)

    teams = [one("team", "a", 100), one("team", "b", 200), one("team", "c", 5000, "quarter"), one("model", "m", 50)]
    found = together(teams[:2] + teams[3:])
    assert found is not None
    assert (found.scope, found.number, found.amount, found.low, found.high) == ("team", 2, 300, 40, 80)
    fleet = together([*teams, one("fleet", "", 70)])
    assert fleet is not None
    assert (fleet.scope, fleet.number, fleet.amount) == ("fleet", 1, 70)
    assert together([]) is None
