"""Different answers about the same fleet agree with each other, at whatever instant of the demo one looks."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from services import fleet, overview, utilisation, workloads
from services.domain import attribution
from services.domain.scope import Scope
from services.ports import Sources
from tests import tiny
from tests.conftest import demo_sources

INSTANTS = [
    datetime(2026, 6, 3, 12, 0, 30, tzinfo=UTC),
    datetime(2026, 6, 6, 3, 17, 5, tzinfo=UTC),
    datetime(2026, 12, 9, 15, 30, 20, tzinfo=UTC),
    datetime(2027, 1, 1, 0, 0, 0, tzinfo=UTC),
]
SCOPES = [Scope(range="1h"), Scope(range="24h")]


@pytest.fixture(scope="module", params=INSTANTS, ids=lambda at: f"{at:%Y-%m-%d-%H%M}")
def demo(request: pytest.FixtureRequest) -> Sources:
    return demo_sources(request.param)


@pytest.fixture(scope="module", params=["everything", "one cluster", "one pool"])
def scope(request: pytest.FixtureRequest, demo: Sources) -> Scope:
    if request.param == "everything":
        return Scope()
    if request.param == "one cluster":
        return Scope(cluster=next(iter(demo.clusters)))
    return Scope(pool=fleet.choices(demo)["pool"][0])


def test_classes_of_use_sum_to_the_fleet_and_to_its_pools(demo: Sources, scope: Scope) -> None:
    uses = utilisation.uses(demo, scope).value["gpus"].sum()
    assert uses == pytest.approx(fleet.nodes(demo, scope).value["gpus"].sum())
    assert uses == pytest.approx(fleet.pools(demo, scope).value["gpus"].sum())
    assert uses == pytest.approx(overview.headline(demo, scope).value.gpus)


def test_the_funnel_narrows_and_its_stages_are_the_classes(demo: Sources, scope: Scope) -> None:
    stages = overview.funnel(demo, scope).value.set_index("stage")["gpus"]
    uses = utilisation.uses(demo, scope).value.set_index("use")["gpus"]
    assert stages.is_monotonic_decreasing
    assert stages["active"] == pytest.approx(uses.get("active", 0.0))
    held = sum(uses.get(name, 0.0) for name in ("active", "held idle", "not measured"))
    assert stages["allocated"] == pytest.approx(held)
    assert stages["allocated"] == pytest.approx(overview.headline(demo, scope).value.held)


def test_pools_and_headline_agree_on_what_is_free_and_broken(demo: Sources, scope: Scope) -> None:
    pools, head = fleet.pools(demo, scope).value, overview.headline(demo, scope).value
    assert pools["free"].sum() == pytest.approx(head.free)
    assert (pools["unhealthy"] + pools["missing"]).sum() == pytest.approx(head.out_of_use)
    parts = pools[["held", "free", "closed", "unhealthy", "remainder", "missing"]].sum(axis=1)
    assert parts.tolist() == pytest.approx(pools["gpus"].tolist())


def test_the_tile_is_the_mean_of_the_trend_below_it(demo: Sources) -> None:
    """The trend is asked by node and the table by unit: two ways to one number, over the same hour."""
    trend = overview.utilisation_trend(demo, Scope(range="1h")).value
    tile = utilisation.summary(demo, Scope(range="1h")).value
    assert attribution.mean(trend) == pytest.approx(tile.util, rel=0.02)


def test_workloads_together_hold_what_is_held(demo: Sources, scope: Scope) -> None:
    table = workloads.table(demo, scope).value
    nodes = fleet.nodes(demo, scope).value
    assert table["held"].sum() == pytest.approx(nodes["held"].sum() + nodes["overcommitted"].sum())
    assert workloads.totals(demo, scope).value.held == pytest.approx(table["held"].sum())


def test_nobody_was_idle_longer_than_they_held(demo: Sources) -> None:
    for scope in SCOPES:
        table = workloads.table(demo, scope).value
        known = table.dropna(subset=["gpu_hours"])
        assert len(known) > 10
        assert (known["idle_gpu_hours"] <= known["gpu_hours"] + 1e-9).all()
        hours = {"1h": 1, "24h": 24}[scope.range]
        assert table["gpu_hours"].sum() <= fleet.nodes(demo, scope).value["gpus"].sum() * hours


def test_gpu_hours_of_workloads_are_those_of_the_classes(demo: Sources) -> None:
    classes = workloads.class_hours(demo, Scope()).value.set_index("use")["gpu_hours"]
    table = workloads.table(demo, Scope()).value
    assert classes["active"] + classes["held idle"] == pytest.approx(table["gpu_hours"].sum())
    assert classes["held idle"] == pytest.approx(table["idle_gpu_hours"].sum())


def test_what_idles_is_held(demo: Sources, scope: Scope) -> None:
    units = utilisation.table(demo, scope).value
    idle = units[units["use"] == "held idle"]
    assert (idle["held"] > 0).all()
    assert (units["held"].fillna(0) <= units["fraction"] + 1e-9).all()
    assert idle["held"].sum() <= fleet.nodes(demo, scope).value["held"].sum() + 1e-9


def test_clusters_add_up_to_the_whole(demo: Sources) -> None:
    each = [overview.headline(demo, Scope(cluster=name)).value for name in demo.clusters]
    whole = overview.headline(demo, Scope()).value
    assert whole.gpus == sum(head.gpus for head in each)
    assert whole.held == pytest.approx(sum(head.held for head in each))
    assert whole.waiting_pods == sum(head.waiting_pods for head in each)


def test_teams_add_up_to_what_is_held(demo: Sources) -> None:
    teams = fleet.choices(demo)["team"]
    parts = [workloads.totals(demo, Scope(team=team)).value for team in teams]
    assert sum(part.held for part in parts) == pytest.approx(workloads.totals(demo, Scope()).value.held)


def test_distribution_counts_every_measured_gpu_once(demo: Sources, scope: Scope) -> None:
    bands = utilisation.distribution(demo, scope).value
    assert bands["gpus"].sum() == pytest.approx(utilisation.summary(demo, scope).value.measured)


def test_wasters_waste_what_they_hold_less_what_they_use(demo: Sources) -> None:
    wasters = utilisation.wasters(demo, Scope()).value
    assert wasters["wasted"].tolist() == pytest.approx((wasters["held"] * (1 - wasters["util"])).tolist())
    assert (wasters["wasted"].between(0, wasters["held"] + 1e-9)).all()


def test_the_map_shows_every_gpu_of_the_fleet(demo: Sources, scope: Scope) -> None:
    cells = utilisation.heat(demo, scope, "util").value
    nodes = fleet.nodes(demo, scope).value
    assert len(cells) >= nodes["gpus"].sum()
    assert set(cells["node"]) == set(nodes["node"])


def test_answers_of_one_minute_do_not_depend_on_who_asked_first() -> None:
    at = INSTANTS[0]
    first, second = demo_sources(at), demo_sources(at + timedelta(seconds=3))
    left = workloads.table(first, Scope()).value
    utilisation.table(second, Scope())
    right = workloads.table(second, Scope()).value
    pd.testing.assert_frame_equal(left, right)


def test_the_tiny_estate_is_what_was_worked_out_by_hand() -> None:
    sources = tiny.sources()
    funnel = overview.funnel(sources, Scope()).value
    assert funnel["gpus"].tolist() == pytest.approx([16, 14, 10, 8.2])
    assert funnel["usd_per_day"].tolist() == pytest.approx([gpus * tiny.GPU_DAY_USD for gpus in (16, 14, 10, 8.2)])
    summary = utilisation.summary(sources, Scope()).value
    assert (summary.measured, summary.held_idle, summary.power, summary.hottest) == (15, 4, 7500, 71)
    assert summary.util == pytest.approx(8.2 / 15)
    totals = workloads.totals(sources, Scope()).value
    assert (totals.held, totals.holders, totals.waiting) == (14, 3, 1)
    assert (totals.gpu_hours, totals.idle_gpu_hours) == (pytest.approx(336), pytest.approx(96))
    product = workloads.totals(sources, Scope(team="product", range="1h")).value
    assert (product.held, product.gpu_hours, product.idle_gpu_hours) == (2, pytest.approx(2), 0)
