"""From node and pod to pool, workload and team."""

import pandas as pd
import pytest

from services.domain import allocation, attribution, inventory
from services.domain.attribution import combine
from services.domain.signals import Combine
from tests.factories import namespace, node, pod

L4 = {
    "nvidia.com/gpu.product": "NVIDIA-L4-SHARED",
    "nvidia.com/gpu.count": "1",
    "nvidia.com/gpu.replicas": "4",
    "karpenter.sh/nodepool": "l4",
}


def stock() -> tuple[pd.DataFrame, pd.DataFrame]:
    nodes, units = inventory.nodes("c", [node("h1"), node("t1", labels=L4, capacity={"nvidia.com/gpu": "4"})])
    pods, _ = allocation.pods("c", [pod("web-0", node_name="t1")], units, namespaces=[namespace("ns", team="search")])
    return nodes, pods


def frame(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})


def test_nodes_get_their_pool_and_model_and_strangers_are_named() -> None:
    given = frame(node=["h1", "t1", "x"], value=[0.1, 0.2, 0.3], weight=[1.0, 1.0, 1.0])
    told = attribution.attribute(given, *stock())
    assert told["pool"].tolist() == ["h100", "l4", "(unknown node)"]
    assert told["model"].tolist() == ["H100 80GB HBM3", "L4", "(unknown node)"]
    assert told["weight"].tolist() == [1, 1, 1]


def test_a_pod_on_a_time_sliced_gpu_holds_one_over_the_replicas() -> None:
    given = frame(node=["t1"], namespace=["ns"], pod=["web-0"], value=[0.5], weight=[1.0])
    assert attribution.attribute(given, *stock())["weight"].tolist() == [0.25]


def test_a_pod_that_is_gone_keeps_its_workload_and_team() -> None:
    given = frame(
        node=["h1", "h1"],
        namespace=["ns", "other"],
        pod=["job-x2x4z", "job-x2x4z"],
        value=[0.5, 0.5],
        weight=[1.0, 1.0],
    )
    told = attribution.attribute(given, *stock())
    assert told["workload"].astype("str").tolist() == ["job", "job"]
    assert told["team"].astype("str").tolist() == ["search", "(no team)"]


def test_shares_are_weighted_amounts_add_and_peaks_are_largest() -> None:
    given = frame(group=["a", "a", "b"], value=[0.2, 0.8, 0.5], weight=[3.0, 1.0, 2.0])
    share = combine(given, ["group"], Combine.SHARE).set_index("group")
    assert share["value"].to_dict() == pytest.approx({"a": (0.6 + 0.8) / 4, "b": 0.5})
    assert combine(given, ["group"], Combine.SUM).set_index("group")["value"].to_dict() == pytest.approx(
        {"a": 1.0, "b": 0.5}
    )
    assert combine(given, ["group"], Combine.PEAK).set_index("group")["value"].to_dict() == {"a": 0.8, "b": 0.5}


def test_a_group_without_a_value_is_left_out_and_not_zero() -> None:
    given = frame(group=["a", "b"], value=[float("nan"), 0.5], weight=[1.0, 1.0])
    for how in Combine:
        assert combine(given, ["group"], how)["group"].tolist() == ["b"]


def test_small_groups_fold_into_others_without_changing_the_whole() -> None:
    at = pd.Timestamp("2026-01-01", tz="UTC")
    rows = pd.DataFrame(
        {"at": at, "group": [f"g{i}" for i in range(20)], "value": [i / 20 for i in range(20)], "weight": range(1, 21)}
    )
    kept, folded = attribution.largest(rows, 5, how=Combine.SHARE)
    assert folded == 15
    assert len(kept) == 6
    before = (rows["value"] * rows["weight"]).sum() / rows["weight"].sum()
    after = (kept["value"] * kept["weight"]).sum() / kept["weight"].sum()
    assert after == pytest.approx(before)
