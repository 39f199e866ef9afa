"""The costs of the fleet nobody has add up, or what is tested with them says nothing."""

from datetime import UTC, date, datetime

import pandas as pd

from services.domain.cost import KINDS, TICKS
from tests import costsynth

FIRST = date(2026, 5, 1)
FLEET = costsynth.fleet(200)


def test_every_day_costs_what_its_gpus_cost() -> None:
    # minutes of a day × (GPUs × micro-dollars of a minute)
    worked = 1440 * (48 * 91_000 + 40 * 68_800 + 16 * 11_100 + 48 * 84_500 + 32 * 46_000 + 16 * 120_000)
    days = costsynth.days(FLEET, FIRST, 40)
    assert FLEET.gpus == (48, 40, 16, 48, 32, 16, 8)
    assert days.groupby("day")["micro"].sum().unique().tolist() == [worked]
    assert FLEET.micro_per_day() == worked


def test_every_tick_of_every_gpu_is_there() -> None:
    days = costsynth.days(FLEET, FIRST, 40)
    assert days.groupby("day")["ticks"].sum().unique().tolist() == [208 * 86_400 * TICKS]
    assert set(days["kind"]) == set(KINDS)
    assert (days["ticks"] > 0).all()


def test_used_is_part_of_measured_and_that_of_held() -> None:
    days = costsynth.days(FLEET, FIRST, 40)
    assert (days["used_ticks"] <= days["measured_ticks"]).all()
    assert (days["measured_ticks"] <= days["ticks"]).all()
    assert days.loc[days["kind"] != "held", "measured_ticks"].eq(0).all()
    assert days.loc[days["basis"] == "", "micro"].eq(0).all()
    exact = days[days["used_ticks"] > 0]
    worked = [m * u // t for m, u, t in zip(exact["measured_micro"], exact["used_ticks"], exact["measured_ticks"],
                                            strict=True)]  # fmt: skip
    assert exact["used_micro"].tolist() == worked


def test_hours_sum_to_their_controls() -> None:
    hours, controls = costsynth.hours(FLEET, datetime(2026, 5, 1, 9, 30, tzinfo=UTC), 5)
    sums = hours.groupby(["cluster", "hour"])[["micro", "ticks"]].sum()
    said = controls.set_index(["cluster", "hour"])[["micro", "gpu_ticks"]].set_axis(["micro", "ticks"], axis=1)
    pd.testing.assert_frame_equal(sums.sort_index(), said.sort_index())


def test_the_same_seed_gives_the_same_costs() -> None:
    pd.testing.assert_frame_equal(
        costsynth.days(costsynth.fleet(200), FIRST, 5), costsynth.days(costsynth.fleet(200), FIRST, 5)
    )
    assert not costsynth.days(costsynth.fleet(200, seed=2), FIRST, 5).equals(costsynth.days(FLEET, FIRST, 5))


def test_a_row_is_there_once() -> None:
    days = costsynth.days(FLEET, FIRST, 40)
    assert not days.duplicated(["cluster", "day", "card", "owner", "place", "kind", "basis"]).any()
