"""What two days of a small estate cost, worked out by hand in tests/costing.py's units."""

import pandas as pd
import pytest

from services.cost.read import joined
from services.domain.cost import report
from tests import costing
from tests.costing import CHAT, H100, SPOT, TRAIN, USD, cost

COSTS = joined(
    costing.days(
        # chat holds 24 GPU-hours for 100 dollars, 80 of them measured, 60 used: 20 held idle, 20 not measured
        cost("2026-06-01", 24, 100, who=CHAT, measured=80, used=60, listed=120),
        # nobody: 20 free, 6 out of use, 4 left over by MIG, 10 warm
        cost("2026-06-01", 8, 20, listed=30),
        cost("2026-06-01", 2, 6, kind="out", listed=9),
        cost("2026-06-01", 1, 4, kind="remainder", listed=6),
        cost("2026-06-02", 3, 10, kind="warm", listed=15),
        # train holds 24 spot hours for 50 dollars that would be 125 at list price, all measured, 5 used
        cost("2026-06-02", 24, 50, who=TRAIN, at=SPOT, measured=50, used=5, listed=125),
        # and 6 more that have no price
        cost("2026-06-02", 6, None, who=TRAIN, at=SPOT),
    ),
    costing.owners(CHAT, TRAIN),
    costing.places(H100, SPOT),
)


def test_the_parts_of_the_total_sum_to_it() -> None:
    found = report.totals(COSTS)
    assert found.micro == 190 * USD
    parts = (found.held, found.warm, found.free, found.out, found.remainder)
    assert parts == (150 * USD, 10 * USD, 20 * USD, 6 * USD, 4 * USD)
    assert sum(parts) == found.micro


def test_idle_is_free_held_idle_and_overhead_and_not_what_nobody_measured() -> None:
    found = report.totals(COSTS)
    assert found.held_idle == (20 + 45) * USD
    assert found.overhead == 10 * USD
    assert found.idle == (20 + 10 + 65 + 10) * USD
    assert found.idle_share == pytest.approx(105 / 190)
    assert found.measured_share == pytest.approx(130 / 150)


def test_hours_without_a_price_are_counted_beside_the_money() -> None:
    found = report.totals(COSTS)
    assert found.gpu_hours == pytest.approx(68)
    assert found.unpriced_gpu_hours == pytest.approx(6)
    rows = report.unpriced(COSTS)
    assert rows.to_dict("records") == [
        {"instance_type": "g6.xlarge", "capacity_type": "spot", "cluster": "tiny", "gpu_hours": pytest.approx(6)}
    ]


def test_by_owner_what_nobody_held_has_rows_of_its_own() -> None:
    rows = report.by(COSTS, "team").set_index("name")
    assert rows["micro"].to_dict() == {
        "product": 100 * USD,
        "research": 50 * USD,
        "free": 20 * USD,
        "warm": 10 * USD,
        "out": 6 * USD,
        "remainder": 4 * USD,
    }
    assert rows.loc["free", "kind"] == "free"
    assert rows.loc["product", "kind"] == ""
    assert rows.loc["research", "unpriced_gpu_hours"] == pytest.approx(6)


def test_used_is_not_known_where_nobody_measured() -> None:
    rows = report.by(COSTS, "team").set_index("name")
    assert rows.loc["product", ["used_micro", "idle_micro", "unmeasured_micro"]].tolist() == [60e6, 20e6, 20 * USD]
    assert pd.isna(rows.loc["free", "used_micro"])
    assert pd.isna(rows.loc["free", "idle_micro"])


@pytest.mark.parametrize("dimension", [*report.DIMENSIONS, "label app"])
def test_every_dimension_sums_to_the_total(dimension: str) -> None:
    assert report.by(COSTS, dimension)["micro"].sum() == 190 * USD


def test_by_hardware_idle_capacity_belongs_to_its_pool() -> None:
    rows = report.by(COSTS, "pool").set_index("name")
    assert rows.loc["h100", ["micro", "free_micro", "overhead_micro"]].tolist() == [140 * USD, 30 * USD, 10 * USD]
    assert rows.loc["spot", "micro"] == 50 * USD


def test_by_label_owners_without_it_are_one_row() -> None:
    rows = report.by(COSTS, "label app")
    assert rows.loc[rows["kind"].eq(""), ["name", "micro"]].to_numpy().tolist() == [["chat", 100 * USD], ["", 50 * USD]]


def test_the_way_down_narrows_step_by_step() -> None:
    rows = report.by(COSTS, "workload")
    key = rows.set_index("name").loc["train", "key"]
    assert key == "tiny/lab/train"
    assert report.totals(report.narrowed(COSTS, [("workload", key)])).micro == 50 * USD
    assert report.totals(report.narrowed(COSTS, [("pool", "tiny/h100"), ("team", "product")])).micro == 100 * USD
    assert report.totals(report.narrowed(COSTS, [("kind", "free")])).micro == 20 * USD
    assert report.totals(report.narrowed(COSTS, [("label app", "chat")])).micro == 100 * USD
    assert report.narrowed(COSTS, [("namespace", "nonsense")]).empty
    assert report.narrowed(COSTS, [("workload", "tiny/lab/nobody")]).empty


def test_what_follows_a_step_was_not_chosen_before() -> None:
    assert report.following("team", ()) == "namespace"
    assert report.following("pool", (("team", "product"),)) == "workload"
    assert report.following("workload", (("pool", "p"), ("capacity type", "spot"))) == ""


def test_a_day_is_stacked_of_parts_that_sum_to_it() -> None:
    rows = report.daily(COSTS).set_index("day")
    assert rows.loc["2026-06-01"].to_dict() == {
        "used_micro": 60 * USD,
        "idle_micro": 20 * USD,
        "unmeasured_micro": 20 * USD,
        "warm_micro": 0,
        "free_micro": 20 * USD,
        "overhead_micro": 10 * USD,
        "micro": 130 * USD,
    }
    assert (rows.drop(columns="micro").sum(axis=1) == rows["micro"]).all()


def test_spot_saving_leaves_out_hours_whose_list_price_is_not_known() -> None:
    found = report.spot(COSTS)
    assert (found.gpu_hours, found.of_gpu_hours) == (pytest.approx(30), pytest.approx(68))
    assert found.saved == 75 * USD
    assert found.listless_gpu_hours == pytest.approx(6)
    # the others: 120 + 30 + 9 + 6 + 15 at list price for 140
    assert found.agreed == 40 * USD


def test_idle_money_has_its_owners() -> None:
    rows = report.idle(COSTS)
    assert rows[["workload", "team", "idle_micro"]].to_numpy().tolist() == [
        ["train", "research", 45 * USD],
        ["chat", "product", 20 * USD],
    ]
    assert rows["idle_share"].tolist() == [pytest.approx(0.9), pytest.approx(0.25)]


def test_nothing_recorded_is_no_rows_and_no_share() -> None:
    nothing = COSTS.iloc[:0]
    assert report.totals(nothing).idle_share is None
    assert report.by(nothing, "team").empty
    assert report.daily(nothing).empty
    assert report.idle(nothing).empty
    assert report.spot(nothing).share is None
