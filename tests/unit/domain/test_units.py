"""GPU equivalents, worked by hand."""

import math

import pytest

from services.domain import units


@pytest.mark.parametrize(
    ("profile", "model", "expected"),
    [
        ("1g.10gb", "H100 80GB HBM3", 1 / 7),
        ("3g.40gb", "A100 SXM4 80GB", 3 / 7),
        ("1g.10gb+me", "A100 SXM4 80GB", 1 / 7),
        ("1g.10gb.me", "A100 SXM4 80GB", 1 / 7),
        ("7g.80gb", "H100 80GB HBM3", 1.0),
        ("1g.6gb", "A30", 1 / 4),
        ("2g.12gb", "A30", 2 / 4),
        ("4g.24gb", "A30", 1.0),
        ("1c.3g.40gb", "A100 SXM4 80GB", 1 / 7),
    ],
)
def test_a_mig_instance_is_its_compute_slices_over_the_gpus(profile: str, model: str, expected: float) -> None:
    assert units.mig_fraction(profile, model) == pytest.approx(expected)


def test_a_profile_that_cannot_be_read_is_unknown_and_not_zero() -> None:
    assert math.isnan(units.mig_fraction("INVALID", "A100"))
    assert math.isnan(units.mig_fraction("", "A100"))


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ("NVIDIA-H100-80GB-HBM3", ("NVIDIA-H100-80GB-HBM3", "", False)),
        ("NVIDIA-L4-SHARED", ("NVIDIA-L4", "", True)),
        ("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", ("NVIDIA-A100-SXM4-80GB", "1g.10gb", False)),
        ("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb-SHARED", ("NVIDIA-A100-SXM4-80GB", "1g.10gb", True)),
        ("NVIDIA-A100-SXM4-80GB-MIG-INVALID", ("NVIDIA-A100-SXM4-80GB", "INVALID", False)),
    ],
)
def test_a_product_label_gives_up_its_suffixes(product: str, expected: tuple[str, str, bool]) -> None:
    assert units.product_parts(product) == expected


def test_node_labels_and_dcgm_spell_a_model_alike() -> None:
    assert units.model_name("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb") == units.model_name("NVIDIA A100-SXM4-80GB")
    assert units.model_name("Tesla-T4") == "T4"


@pytest.mark.parametrize(
    ("name", "is_gpu"),
    [
        ("nvidia.com/gpu", True),
        ("nvidia.com/gpu.shared", True),
        ("nvidia.com/mig-1g.10gb.me", True),
        ("amd.com/gpu", True),
        ("habana.ai/gaudi", True),
        ("nvidia.com/gpu.count", False),
        ("cpu", False),
        ("vpc.amazonaws.com/efa", False),
    ],
)
def test_only_schedulable_gpu_units_are_gpu_resources(name: str, is_gpu: bool) -> None:
    assert units.is_gpu_resource(name) is is_gpu


def test_a_time_sliced_unit_is_one_over_its_replicas() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4-SHARED", "nvidia.com/gpu.replicas": "4"}
    assert units.unit_fraction("nvidia.com/gpu", "L4", labels, capacity=16, gpus=4) == 0.25


def test_a_renamed_shared_unit_without_labels_is_told_by_capacity_over_gpus() -> None:
    assert units.unit_fraction("nvidia.com/gpu.shared", "L4", {}, capacity=16, gpus=4) == 0.25


def test_replicas_zero_on_a_mig_node_means_not_shared() -> None:
    labels = {"nvidia.com/gpu.replicas": "0", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}
    assert units.unit_fraction("nvidia.com/gpu", "A100 SXM4 80GB", labels, capacity=4, gpus=8) == 1.0


def test_a_time_sliced_mig_instance_is_both() -> None:
    labels = {
        "nvidia.com/mig-1g.10gb.replicas": "2",
        "nvidia.com/mig-1g.10gb.sharing-strategy": "time-slicing",
    }
    fraction = units.unit_fraction("nvidia.com/mig-1g.10gb", "A100 SXM4 80GB", labels, capacity=14, gpus=1)
    assert fraction == pytest.approx(1 / 14)


def test_the_single_strategy_advertises_instances_as_gpus() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", "nvidia.com/gpu.replicas": "1"}
    assert units.unit_fraction("nvidia.com/gpu", "A100 SXM4 80GB", labels, capacity=56, gpus=8) == pytest.approx(1 / 7)


@pytest.mark.parametrize(("text", "value"), [("8", 8.0), (8, 8.0), ("0", 0.0), (None, 0.0), ("1k", 1000.0)])
def test_quantities_are_read(text: str | int | None, value: float) -> None:
    assert units.quantity(text) == value


def test_a_quantity_that_cannot_be_read_is_unknown() -> None:
    assert math.isnan(units.quantity("many"))
