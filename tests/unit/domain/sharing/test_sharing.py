"""How a node is divided now, and what it would offer otherwise."""

import math
from typing import Any

import pytest

from services.domain import inventory, sharing
from services.domain.change.conditions import met
from services.domain.objects import Node
from services.domain.sharing import EXCLUSIVE, Layout, Mode, NodeState, mig
from services.errors import Refused
from tests.factories import H100, node

GIB = 2.0**30
FOUR = Layout(Mode.TIME_SLICING, 4)


def state(obj: Node) -> NodeState:
    frame, _ = inventory.nodes("c", [obj])
    row: dict[str, Any] = frame.to_dict("records")[0]
    return sharing.state(row, obj)


def of(capacity: dict[str, str] | None = None, allocatable: dict[str, str] | None = None, **labels: str) -> NodeState:
    own = {f"nvidia.com/{key.replace('__', '-').replace('_', '.')}": value for key, value in labels.items()}
    return state(node(labels={**H100, **own}, capacity=capacity, allocatable=allocatable))


@pytest.mark.parametrize(
    ("layout", "key", "words"),
    [
        (EXCLUSIVE, "exclusive", "Exclusive"),
        (FOUR, "time-slicing-4", "Time-slicing × 4"),
        (Layout(Mode.MPS, 8), "mps-8", "MPS × 8"),
        (Layout(Mode.MIG, mig="all-1g.10gb"), "mig:all-1g.10gb", "MIG all-1g.10gb"),
    ],
)
def test_a_layout_is_its_key_and_back(layout: Layout, key: str, words: str) -> None:
    assert (layout.key, str(layout), Layout.of(key)) == (key, words, layout)


@pytest.mark.parametrize("key", ["", "mig:", "mps", "mps-1", "time-slicing-0", "time-slicing-4-v2", "x" * 500])
def test_other_texts_are_no_layout(key: str) -> None:
    with pytest.raises(Refused, match="is no sharing layout"):
        Layout.of(key)


def test_whole_gpus_are_exclusive() -> None:
    found = of(gpu_compute_major="9", gpu_compute_minor="0")
    assert (found.layout, found.gpus, found.compute, found.autoscaled) == (EXCLUSIVE, 8, (9, 0), True)
    offer = sharing.now(found)
    assert (offer.units, offer.equivalents, offer.memory_bytes) == (8, 8, 81559 * 1048576)


@pytest.mark.parametrize(
    ("strategy", "mode"), [("time-slicing", Mode.TIME_SLICING), ("mps", Mode.MPS), ("none", Mode.TIME_SLICING)]
)
def test_a_shared_node_is_worth_its_gpus_whatever_its_units(strategy: str, mode: Mode) -> None:
    found = of({"nvidia.com/gpu": "32"}, gpu_replicas="4", gpu_sharing__strategy=strategy)
    assert found.layout == Layout(mode, 4)
    offer = sharing.now(found)
    assert (offer.units, offer.equivalents) == (32, 8)
    assert offer.memory_bytes == pytest.approx(81559 * 1048576 / 4)


def test_a_node_cut_by_mig_is_told_by_its_instances_and_names_its_configuration() -> None:
    units = {"nvidia.com/gpu": "7", "nvidia.com/mig-1g.10gb": "2", "nvidia.com/mig-3g.40gb": "1"}
    found = of(units, gpu_replicas="0", mig_config="custom", mig_config_state="success", mig_capable="true")
    assert (found.layout, found.mig_capable) == (Layout(Mode.MIG, mig="custom"), True)
    offer = sharing.now(found)
    assert (offer.units, offer.equivalents) == (10, pytest.approx(7 + 5 / 7))
    assert offer.memory_bytes == 9984 * 1048576, "the smallest instance"


def test_a_resource_that_is_gone_stays_with_zero_and_means_nothing() -> None:
    found = of({"nvidia.com/gpu": "8", "nvidia.com/mig-1g.10gb": "0"}, mig_config="all-disabled")
    assert found.layout == EXCLUSIVE
    assert found.capacity == {"nvidia.com/gpu": 8}


def test_another_layout_multiplies_units_and_not_gpus() -> None:
    offer = sharing.after(of(), FOUR)
    assert (offer.capacity, offer.units, offer.equivalents) == ({"nvidia.com/gpu": 32}, 32, 8)
    assert offer.memory_bytes == 81559 * 1048576 / 4
    back = sharing.after(of({"nvidia.com/gpu": "32"}, gpu_replicas="4"), EXCLUSIVE)
    assert (back.capacity, back.equivalents) == ({"nvidia.com/gpu": 8}, 8)
    renamed = sharing.after(of(), FOUR, renamed=True)
    assert renamed.capacity == {"nvidia.com/gpu.shared": 32}


def test_a_gpu_that_is_unhealthy_stays_so() -> None:
    offer = sharing.after(of({"nvidia.com/gpu": "8"}, {"nvidia.com/gpu": "7"}), FOUR)
    assert (offer.capacity["nvidia.com/gpu"], offer.allocatable["nvidia.com/gpu"], offer.equivalents) == (32, 28, 7)


def test_mig_offers_instances_by_strategy() -> None:
    cut: list[mig.Cut] = [{"1g.10gb": 7}] * 8
    mixed = sharing.after(of(), Layout(Mode.MIG, mig="x"), cut=cut, strategy="mixed")
    single = sharing.after(of(), Layout(Mode.MIG, mig="x"), cut=cut, strategy="single")
    assert (mixed.capacity, single.capacity) == ({"nvidia.com/mig-1g.10gb": 56}, {"nvidia.com/gpu": 56})
    assert (mixed.equivalents, mixed.memory_bytes) == (pytest.approx(8), 9984 * 1048576)


@pytest.mark.parametrize(
    ("layout", "strategy", "profile", "product"),
    [
        (FOUR, "", "", "NVIDIA-H100-80GB-HBM3-SHARED"),
        (EXCLUSIVE, "", "", "NVIDIA-H100-80GB-HBM3"),
        (Layout(Mode.MIG, mig="x"), "mixed", "1g.10gb", "NVIDIA-H100-80GB-HBM3"),
        (Layout(Mode.MIG, mig="x"), "single", "1g.10gb", "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"),
    ],
)
def test_the_product_label_tells_the_layout(layout: Layout, strategy: str, profile: str, product: str) -> None:
    found = of()
    offer = sharing.after(found, layout, cut=[None] * 8, strategy=strategy)
    assert sharing.product_after(found, layout, offer, strategy=strategy, profile=profile) == product


def test_renamed_units_leave_the_product_as_it_is() -> None:
    found = of()
    offer = sharing.after(found, FOUR, renamed=True)
    assert sharing.product_after(found, FOUR, offer) == "NVIDIA-H100-80GB-HBM3"


def status(capacity: dict[str, str], allocatable: dict[str, str]) -> dict[str, Any]:
    return {"status": {"capacity": capacity, "allocatable": allocatable}}


def test_a_layout_is_there_when_all_devices_count_and_the_healthy_ones_can_be_had() -> None:
    gpu = "nvidia.com/gpu"
    tests = sharing.shows(sharing.after(of(), FOUR), {gpu: 8})
    assert not met(status({gpu: "8"}, {gpu: "8"}), tests), "as before"
    assert not met(status({gpu: "32"}, {gpu: "0"}), tests), "the plugin is registering"
    assert met(status({gpu: "32"}, {gpu: "32"}), tests)
    fewer = sharing.shows(sharing.after(of({gpu: "32"}, gpu_replicas="4"), EXCLUSIVE), {gpu: 32})
    assert not met(status({gpu: "32"}, {gpu: "32"}), fewer), "more is not enough"


def test_a_resource_that_goes_may_stay_with_zero_or_vanish() -> None:
    cut: list[mig.Cut] = [{"1g.10gb": 7}] * 8
    offer = sharing.after(of(), Layout(Mode.MIG, mig="x"), cut=cut, strategy="mixed")
    tests = sharing.shows(offer, {"nvidia.com/gpu": 8})
    there = {"nvidia.com/mig-1g.10gb": "56"}
    assert met(status(there, there), tests)
    assert met(status({**there, "nvidia.com/gpu": "0"}, {**there, "nvidia.com/gpu": "0"}), tests)
    assert not met(status({**there, "nvidia.com/gpu": "8"}, {**there, "nvidia.com/gpu": "8"}), tests)


def test_old_gpus_bear_sixteen_mps_clients_and_new_ones_forty_eight() -> None:
    assert [sharing.mps_limit(known) for known in (None, (7, 0), (7, 5), (9, 0))] == [16, 16, 48, 48]


def test_only_mps_and_mig_need_idle_gpus() -> None:
    assert not sharing.needs_idle(of(), FOUR)
    assert sharing.needs_idle(of(), Layout(Mode.MPS, 4))
    assert sharing.needs_idle(of({"nvidia.com/mig-1g.10gb": "7"}), EXCLUSIVE)


def test_gke_nodes_are_known_by_their_own_label() -> None:
    gke = {"cloud.google.com/gke-accelerator": "nvidia-l4", "cloud.google.com/gke-max-shared-clients-per-gpu": "4",
           "cloud.google.com/gke-gpu-sharing-strategy": "mps"}  # fmt: skip
    found = state(node(labels=gke, capacity={"nvidia.com/gpu": "4"}))
    assert (found.gke, found.layout) == (True, Layout(Mode.MPS, 4))
    assert math.isnan(found.memory_bytes)
