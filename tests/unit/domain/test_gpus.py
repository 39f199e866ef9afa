"""One row per unit: classes of use, holders, money."""

import math

import pandas as pd
import pytest

from services.domain import capacity, heat, inventory
from services.domain.allocation import PODS
from services.domain.frames import empty
from services.domain.gpus import GPUS, WASTERS, by_band, gpus, holdings, waste
from tests.factories import node

WHOLE = [("n1", f"GPU-{i}", "", "", "NVIDIA H100 80GB HBM3") for i in range(4)]
COLUMNS = ["node", "gpu", "instance", "profile", "model"]
MIG = [
    ("m1", "GPU-m", "2", "3g.40gb", "NVIDIA A100-SXM4-80GB"),
    ("m1", "GPU-m", "3", "2g.20gb", "NVIDIA A100-SXM4-80GB"),
    ("m1", "GPU-m", "9", "1g.10gb", "NVIDIA A100-SXM4-80GB"),
]


def answer(units: list[tuple[str, ...]], values: list[float]) -> pd.DataFrame:
    frame = pd.DataFrame(units, columns=COLUMNS, dtype="str")
    return frame.assign(value=pd.Series(values, dtype="float64"), weight=1.0)


def owners(units: list[tuple[str, ...]], pods: list[tuple[str, str]]) -> pd.DataFrame:
    frame = answer(units, [0.0] * len(units))
    return frame.assign(
        namespace=pd.Series([p[0] for p in pods], dtype="str"), pod=pd.Series([p[1] for p in pods], dtype="str")
    )


def nodes_frame(*nodes: object, price: float = 2.0) -> pd.DataFrame:
    frame, _ = inventory.nodes("c", nodes)  # type: ignore[arg-type]
    return capacity.occupancy(frame, pd.DataFrame({"node": [], "equivalents": []})).assign(price=price)


def table(
    units: list[tuple[str, ...]], peak: list[float], holders: pd.DataFrame | None, nodes: pd.DataFrame
) -> pd.DataFrame:
    answers = {"util": answer(units, peak), "peak": answer(units, peak), "recent": answer(units, peak)}
    return gpus("c", answers, holders, nodes, empty(PODS))


def test_free_idle_and_active_are_told_apart() -> None:
    held = owners(WHOLE[:3], [("a", "x"), ("a", "y"), ("b", "z")])
    rows = table(WHOLE, [0.9, 0.004, math.nan, 0.0], held, nodes_frame(node())).set_index("gpu")
    assert rows["use"].to_dict() == {"GPU-0": "active", "GPU-1": "held idle", "GPU-2": "unknown", "GPU-3": "free"}
    assert rows.loc["GPU-1", "idle_usd_per_day"] == pytest.approx(2.0 * 24)
    assert rows.loc["GPU-0", "idle_usd_per_day"] == 0
    assert {name: str(dtype) for name, dtype in rows.reset_index()[list(GPUS)].dtypes.items()} == GPUS


def test_mig_instances_are_worth_their_slices() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.count": "1"}
    capacity_ = {"nvidia.com/mig-3g.40gb": "1", "nvidia.com/mig-2g.20gb": "1", "nvidia.com/mig-1g.10gb": "1"}
    nodes = nodes_frame(node("m1", labels=labels, capacity=capacity_))
    rows = table(MIG, [0.5, 0.0, 0.2], owners(MIG[:2], [("a", "x"), ("b", "y")]), nodes)
    assert rows["fraction"].tolist() == pytest.approx([3 / 7, 2 / 7, 1 / 7])
    assert rows["held"].tolist() == pytest.approx([3 / 7, 2 / 7, 0])
    assert rows["use"].tolist() == ["active", "held idle", "free"]
    cell = heat.cells(rows, nodes, "util", per_node=False)
    # (3/7·0.5 + 2/7·0 + 1/7·0.2) ÷ (6/7)
    assert cell["value"].tolist() == pytest.approx([(1.5 + 0.2) / 6])
    assert cell["use"].tolist() == ["mixed"]


def test_two_of_four_replicas_hold_half_a_gpu() -> None:
    labels = {
        "nvidia.com/gpu.product": "NVIDIA-L4-SHARED",
        "nvidia.com/gpu.count": "1",
        "nvidia.com/gpu.replicas": "4",
    }
    nodes = nodes_frame(node("t1", labels=labels, capacity={"nvidia.com/gpu": "4"}))
    unit = ("t1", "GPU-t", "", "", "NVIDIA L4")
    rows = table([unit], [0.6], owners([unit, unit], [("a", "x"), ("b", "y")]), nodes)
    row = rows.iloc[0]
    assert (row["holders"], row["held"], row["use"]) == (2, 0.5, "active")
    assert (row["pods"], row["namespace"]) == ("a/x, b/y", "a and 1 more")
    assert holdings(rows)[["equivalents", "mean"]].to_numpy().tolist() == [[0.5, 0.6]]


def test_a_unit_nobody_holds_on_a_node_with_nothing_free_is_out_of_use() -> None:
    nodes = nodes_frame(node(cordoned=True))
    rows = table(WHOLE, [0.5, 0.0, 0.0, 0.0], owners(WHOLE[:1], [("a", "x")]), nodes)
    assert rows["use"].tolist() == ["active", "out of use", "out of use", "out of use"]


def test_waste_is_what_is_held_and_not_used() -> None:
    held = owners(WHOLE[:3], [("a", "x"), ("a", "y"), ("b", "z")])
    rows = waste(table(WHOLE, [0.75, 0.25, 0.004, 0.0], held, nodes_frame(node())))
    # Pods without owners are their own workload; b/z wastes 0.996 of a GPU at 2 USD an hour.
    assert rows["workload"].tolist() == ["z", "y", "x"]
    assert rows["wasted"].tolist() == pytest.approx([0.996, 0.75, 0.25])
    assert rows["wasted_usd_per_day"].tolist() == pytest.approx([0.996 * 48, 0.75 * 48, 0.25 * 48])
    assert rows["idle"].tolist() == [1, 0, 0]
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == WASTERS


def test_without_owner_labels_only_whole_nodes_can_be_told() -> None:
    full, _ = inventory.nodes("c", [node()])
    half = capacity.occupancy(full, pd.DataFrame({"node": ["n1"], "equivalents": [4.0]})).assign(price=2.0)
    whole = capacity.occupancy(full, pd.DataFrame({"node": ["n1"], "equivalents": [8.0]})).assign(price=2.0)
    assert set(table(WHOLE, [0.5] * 4, None, half)["use"]) == {"unknown"}
    assert set(table(WHOLE, [0.5] * 4, None, whole)["use"]) == {"active"}
    assert set(table(WHOLE, [0.0] * 4, None, nodes_frame(node()))["use"]) == {"free"}


def test_the_distribution_puts_every_measured_gpu_in_one_band() -> None:
    rows = table(WHOLE, [0.0, 0.1, 0.999, 1.0], owners(WHOLE[1:], [("a", "x")] * 3), nodes_frame(node()))
    found = by_band(rows)
    assert len(found) == 20
    assert found.set_index(["band", "use"])["gpus"][lambda s: s > 0].to_dict() == {
        ("0–10 %", "free"): 1,
        ("10–20 %", "held"): 1,
        ("90–100 %", "held"): 2,
    }


def test_the_map_shows_gpus_that_send_no_metrics() -> None:
    rows = table(WHOLE, [0.5] * 4, owners(WHOLE, [("a", "x")] * 4), nodes_frame(node()))
    cells = heat.cells(rows, nodes_frame(node(), node("dark")), "util", per_node=False)
    assert cells.groupby(["node", "use"])["gpus"].sum().to_dict() == {
        ("dark", "unknown"): 8,
        ("n1", "active"): 4,
        ("n1", "unknown"): 4,
    }
    assert not cells.duplicated(["row", "column"]).any()


def test_a_large_fleet_has_one_square_per_node() -> None:
    nodes = nodes_frame(*[node(f"n{i:03}") for i in range(100)])
    rows = table(WHOLE, [0.5] * 4, owners(WHOLE, [("a", "x")] * 4), nodes)
    cells = heat.cells(rows, nodes, "util", per_node=True)
    assert len(cells) == 100
    assert cells["row"].max() == 3
    assert not cells.duplicated(["row", "column"]).any()
