"""Pools, funnel and prices, worked by hand."""

import math

import pandas as pd
import pytest

from services.domain import capacity, inventory, prices
from tests.factories import H100, node

BOOK = pd.DataFrame(
    {
        "provider": ["aws", "aws", "gcp"],
        "region": ["us-east-1", "us-east-1", "us-central1"],
        "instance_type": ["p5.48xlarge", "g4dn.xlarge", "g2-standard-4"],
        "gpu_model": ["H100", "T4", "L4"],
        "gpu_count": [8, 1, 1],
        "on_demand_usd_per_hour": [55.04, 0.526, 0.70683],
        "spot_usd_per_hour": [math.nan, math.nan, 0.39734],
        "source": ["s"] * 3,
        "as_of": ["2026-07-20"] * 3,
    }
)


def priced(*nodes: object, held: dict[str, float] | None = None) -> pd.DataFrame:
    frame, _ = inventory.nodes("c", nodes)  # type: ignore[arg-type]
    claims = pd.DataFrame({"node": list(held or {}), "equivalents": [float(v) for v in (held or {}).values()]})
    return pd.concat([capacity.occupancy(frame, claims), prices.gpu_hour(frame, BOOK)], axis=1)


def labelled(**labels: str) -> dict[str, str]:
    return {**H100, **{key.replace("__", "/").replace("_", "-"): value for key, value in labels.items()}}


def test_a_gpu_carries_its_instances_price_over_its_gpus() -> None:
    assert priced(node())["price"].iat[0] == pytest.approx(55.04 / 8)


def test_spot_has_its_own_price_where_known_and_an_assumption_marked_as_such_elsewhere() -> None:
    l4 = {
        "node.kubernetes.io/instance-type": "g2-standard-4",
        "topology.kubernetes.io/region": "us-central1",
        "cloud.google.com/gke-spot": "true",
    }
    t4 = {
        "node.kubernetes.io/instance-type": "g4dn.xlarge",
        "topology.kubernetes.io/region": "us-east-1",
        "karpenter.sh/capacity-type": "spot",
    }
    frame = priced(
        node("l4", labels=l4, capacity={"nvidia.com/gpu": "1"}), node("t4", labels=t4, capacity={"nvidia.com/gpu": "1"})
    )
    assert frame["price"].tolist() == pytest.approx([0.39734, 0.526 * 0.4])
    assert frame["price_note"].tolist() == ["list price", "spot, assumed 60% below list"]


def test_another_regions_price_is_marked_and_an_unknown_type_has_none() -> None:
    frame = priced(
        node("far", labels={**H100, "topology.kubernetes.io/region": "eu-west-1"}),
        node("odd", labels={**H100, "node.kubernetes.io/instance-type": "custom"}),
    )
    assert frame["price_note"].tolist() == ["list price of another region", "no price"]
    assert math.isnan(frame["price"].iat[1])


def test_pools_add_up_and_say_the_largest_request_that_fits() -> None:
    frame = priced(node("a"), node("b"), node("c", cordoned=True), held={"a": 6, "b": 3})
    pool = capacity.by_pool(frame).iloc[0]
    assert (pool["nodes"], pool["gpus"], pool["held"], pool["free"], pool["closed"]) == (3, 24, 9, 7, 8)
    assert pool["held_ratio"] == pytest.approx(9 / 16)  # the cordoned node's eight cannot be had
    assert pool["largest_free"] == 5
    assert pool["usd_per_hour"] == pytest.approx(24 * 55.04 / 8)


def test_the_frame_of_pools_keeps_its_contract_without_nodes() -> None:
    empty = capacity.by_pool(priced())
    assert {name: str(dtype) for name, dtype in empty.dtypes.items()} == capacity.POOLS


def holdings(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame([("c", *row) for row in rows], columns=["cluster", "node", "equivalents", "peak", "mean"])


def test_the_funnel_in_gpus_and_money() -> None:
    frame = priced(node("a"), node("b"), held={"a": 8, "b": 4})
    # a: six GPUs work at half speed, two sleep; b: four at full speed.
    stages = capacity.funnel(frame, holdings(("a", 6, 0.9, 0.5), ("a", 2, 0.004, 0.001), ("b", 4, 1.0, 1.0)))
    assert stages["stage"].tolist() == ["total", "allocated", "active", "effective"]
    assert stages["gpus"].tolist() == pytest.approx([16, 12, 10, 7])
    assert stages["usd_per_day"].tolist() == pytest.approx([gpus * 6.88 * 24 for gpus in (16, 12, 10, 7)])
    assert stages["unmeasured"].tolist() == [0, 0, 0, 0]


def test_allocated_gpus_nobody_measured_are_named_and_counted_in_neither_stage() -> None:
    frame = priced(node("a"), node("dark"), held={"a": 8, "dark": 8})
    stages = capacity.funnel(frame, holdings(("a", 8, 1.0, 0.25)))
    assert stages["gpus"].tolist() == pytest.approx([16, 16, 8, 2])
    assert stages["unmeasured"].iat[0] == pytest.approx(8)


def test_without_metrics_active_and_effective_are_unknown_and_not_zero() -> None:
    stages = capacity.funnel(priced(node("a"), held={"a": 8}), None)
    assert stages["gpus"].tolist()[:2] == [8, 8]
    assert stages["gpus"].isna().tolist() == [False, False, True, True]


def test_without_pods_even_allocated_is_unknown() -> None:
    frame, _ = inventory.nodes("c", [node()])
    unread = pd.concat([capacity.occupancy(frame, None), prices.gpu_hour(frame, BOOK)], axis=1)
    assert capacity.funnel(unread, None)["gpus"].isna().tolist() == [False, True, True, True]


def test_every_stage_is_part_of_the_one_before_even_when_pods_hold_more_than_there_is() -> None:
    frame = priced(node("a", allocatable={"nvidia.com/gpu": "4"}), held={"a": 8})
    stages = capacity.funnel(frame, holdings(("a", 8, 1.0, 1.0)))
    assert stages["gpus"].tolist() == pytest.approx([8, 4, 4, 4])


def test_unpriced_gpus_are_left_out_of_the_money_and_said_so() -> None:
    odd = {**H100, "node.kubernetes.io/instance-type": "custom"}
    stages = capacity.funnel(priced(node("a"), node("odd", labels=odd), held={}), None)
    assert stages["usd_per_day"].iat[0] == pytest.approx(8 * 6.88 * 24)
    assert stages["unpriced"].iat[0] == 8


def test_the_classes_add_up_to_all_gpus() -> None:
    frame = priced(
        node("a"),
        node("b", allocatable={"nvidia.com/gpu": "7"}),
        node("c", cordoned=True),
        held={"a": 6, "b": 7, "c": 2},
    )
    told = holdings(("a", 4, 0.9, 0.5), ("a", 2, 0.001, 0.0), ("b", 5, 0.4, 0.4))
    found = capacity.by_class(frame, told).set_index("use")
    assert found["gpus"].to_dict() == pytest.approx(
        {"active": 9, "held idle": 2, "not measured": 4, "free": 2, "closed": 6, "out of use": 1, "remainder": 0}
    )
    assert found["gpus"].sum() == frame["gpus"].sum() == 24
    assert found["usd_per_day"].sum() == pytest.approx(24 * 6.88 * 24)


def test_without_metrics_what_is_held_is_not_measured_and_not_idle() -> None:
    found = capacity.by_class(priced(node("a"), held={"a": 8}), None).set_index("use")["gpus"]
    assert (found["not measured"], found["held idle"], found["active"]) == (8, 0, 0)
