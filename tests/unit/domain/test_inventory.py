"""The inventory of nodes, in every sharing mode."""

import pandas as pd
import pytest

from services.domain import inventory
from services.domain.capacity import PARTS, occupancy
from tests.factories import H100, node

ADDS_UP = ("allocatable", "unhealthy", "remainder", "missing")


def one(*args: object, **kwargs: object) -> pd.Series:
    frame, _ = inventory.nodes("c", [node(*args, **kwargs)], instance_gpus={"p5.48xlarge": 8, "p4de.24xlarge": 8})  # type: ignore[arg-type]
    assert len(frame) == 1
    return frame.iloc[0]


def test_the_frame_keeps_its_contract_even_without_nodes() -> None:
    frame, units = inventory.nodes("c", [])
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == inventory.NODES
    assert {name: str(dtype) for name, dtype in units.dtypes.items()} == inventory.UNITS


def test_eight_whole_gpus() -> None:
    row = one()
    assert (row["gpus"], row["allocatable"], row["model"], row["pool"]) == (8, 8, "H100 80GB HBM3", "h100")
    assert row["memory_bytes"] == 81559 * 1048576
    assert (row["state"], row["sharing"], row["drift"]) == ("ready", "none", "")


def test_a_node_without_gpus_is_not_in_the_inventory() -> None:
    frame, _ = inventory.nodes("c", [node(labels={}, capacity={"cpu": "8"})])
    assert frame.empty


def test_a_gpu_node_whose_driver_is_not_up_yet_is_in_the_inventory() -> None:
    row = one(labels={"nvidia.com/gpu.present": "true", "node.kubernetes.io/instance-type": "p5.48xlarge"}, capacity={})
    assert (row["gpus"], row["missing"], row["state"]) == (8, 8, "no GPUs")


def test_time_slicing_counts_gpus_and_not_replicas() -> None:
    labels = {
        "nvidia.com/gpu.product": "NVIDIA-L4-SHARED",
        "nvidia.com/gpu.count": "4",
        "nvidia.com/gpu.replicas": "4",
        "nvidia.com/gpu.sharing-strategy": "time-slicing",
    }
    row = one(labels=labels, capacity={"nvidia.com/gpu": "16"})
    assert (row["gpus"], row["allocatable"], row["units"], row["replicas"]) == (4, 4, 16, 4)
    assert row["sharing"] == "time-slicing"


def test_a_mig_layout_of_six_slices_leaves_a_seventh_as_remainder() -> None:
    labels = {
        "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
        "nvidia.com/gpu.count": "1",
        "nvidia.com/gpu.replicas": "0",
    }
    capacity = {
        "nvidia.com/gpu": "0",
        "nvidia.com/mig-3g.40gb": "1",
        "nvidia.com/mig-2g.20gb": "1",
        "nvidia.com/mig-1g.10gb": "1",
    }
    row = one(labels=labels, capacity=capacity)
    assert row["allocatable"] == pytest.approx(6 / 7)
    assert row["remainder"] == pytest.approx(1 / 7)
    assert (row["missing"], row["sharing"], row["state"]) == (0, "mig", "ready")


def test_the_single_strategy_counts_instances_so_the_instance_type_tells_the_gpus() -> None:
    labels = {
        "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb",
        "nvidia.com/gpu.count": "56",
        "nvidia.com/gpu.slices.gi": "1",
        "node.kubernetes.io/instance-type": "p4de.24xlarge",
    }
    row = one(labels=labels, capacity={"nvidia.com/gpu": "56"})
    assert (row["gpus"], row["allocatable"], row["units"]) == (8, pytest.approx(8), 56)


def test_an_unhealthy_device_is_in_capacity_and_not_allocatable() -> None:
    row = one(allocatable={"nvidia.com/gpu": "7"})
    assert (row["gpus"], row["allocatable"], row["unhealthy"], row["state"]) == (8, 7, 1, "fewer GPUs")
    assert "1 marked unhealthy" in row["state_message"]


def test_a_vanished_device_is_missing() -> None:
    row = one(capacity={"nvidia.com/gpu": "7"})
    assert (row["gpus"], row["missing"], row["state"]) == (8, 1, "fewer GPUs")
    assert "labels promise 8 units, capacity has 7" in row["drift"]


def test_a_dead_plugin_leaves_no_gpus() -> None:
    row = one(allocatable={"nvidia.com/gpu": "0"})
    assert (row["allocatable"], row["unhealthy"], row["state"]) == (0, 8, "no GPUs")


def test_not_ready_and_cordoned_are_told_apart() -> None:
    assert one(ready=False)["state"] == "not ready"
    assert one(ready=False)["state_message"] == "kubelet is down"
    assert one(cordoned=True)["state"] == "cordoned"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"karpenter.sh/capacity-type": "spot"}, "spot"),
        ({"eks.amazonaws.com/capacityType": "ON_DEMAND"}, "on-demand"),
        ({"eks.amazonaws.com/capacityType": "CAPACITY_BLOCK"}, "reserved"),
        ({"cloud.google.com/gke-spot": "true"}, "spot"),
        ({"cloud.google.com/gke-provisioning": "standard"}, "on-demand"),
        ({"kubernetes.azure.com/agentpool": "g"}, "on-demand"),
        ({"kubernetes.azure.com/agentpool": "g", "kubernetes.azure.com/scalesetpriority": "spot"}, "spot"),
        ({}, "unknown"),
    ],
)
def test_capacity_type_is_read_from_each_provisioner(labels: dict[str, str], expected: str) -> None:
    assert inventory.capacity_type(labels) == expected


def test_the_parts_of_every_node_add_up_to_its_gpus() -> None:
    nodes = [
        node("whole"),
        node("broken", allocatable={"nvidia.com/gpu": "5"}),
        node("gone", capacity={"nvidia.com/gpu": "3"}),
        node("shut", cordoned=True),
        node("mig", capacity={"nvidia.com/gpu": "4", "nvidia.com/mig-3g.40gb": "4", "nvidia.com/mig-2g.20gb": "4"}),
    ]
    frame, _ = inventory.nodes("c", nodes)
    assert frame[list(ADDS_UP)].sum(axis=1).tolist() == pytest.approx(frame["gpus"].tolist())
    claims = pd.DataFrame({"node": ["whole", "whole", "mig"], "equivalents": [2.0, 1.0, 6 / 7]})
    placed = occupancy(frame, claims)
    assert placed[list(PARTS)].sum(axis=1).tolist() == pytest.approx(placed["gpus"].tolist())
    assert placed.set_index("node")["held"].to_dict() == pytest.approx(
        {"whole": 3, "broken": 0, "gone": 0, "shut": 0, "mig": 6 / 7}
    )
    assert placed.set_index("node").loc["shut", "closed"] == 8


def test_more_held_than_allocatable_is_named_and_does_not_break_the_sum() -> None:
    frame, _ = inventory.nodes("c", [node(allocatable={"nvidia.com/gpu": "6"})])
    placed = occupancy(frame, pd.DataFrame({"node": ["n1"], "equivalents": [8.0]})).iloc[0]
    assert (placed["held"], placed["free"], placed["overcommitted"]) == (6, 0, 2)


def test_without_pods_nothing_is_called_free() -> None:
    frame, _ = inventory.nodes("c", [node()])
    assert occupancy(frame, None)[["held", "free"]].isna().all(axis=None)


def test_hostile_labels_are_only_text() -> None:
    labels = {**H100, "karpenter.sh/nodepool": 'a"b\\c<script>', "nvidia.com/gpu.count": "eight"}
    row = one(labels=labels)
    assert row["pool"] == 'a"b\\c<script>'
    assert row["gpus"] == 8
