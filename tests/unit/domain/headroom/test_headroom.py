from dataclasses import replace

import msgspec
import pytest

from services.domain import headroom
from services.domain.headroom import (
    MODEL,
    OURS,
    POOL,
    SHAPE,
    Place,
    Shape,
    Want,
    balloon,
    name,
    place,
    settled,
    shape_of,
)
from services.domain.objects import Container, Generic, Meta, Node, Pod, PodSpec, Resources, Taint
from tests import factories

ONE = Shape("nvidia.com/gpu", 1, "8", "64Gi")
T4 = {"nvidia.com/gpu.product": "Tesla-T4", "karpenter.sh/nodepool": "spot"}


def test_a_shape_is_what_one_replica_asks_for() -> None:
    units = {"nvidia.com/gpu": 2, "cpu": "7500m", "memory": "1536Mi"}
    assert shape_of(factories.pod(units=units)) == Shape("nvidia.com/gpu", 2, "7500m", "1536Mi")


def test_a_replica_of_no_gpu_or_of_two_kinds_has_no_shape() -> None:
    assert shape_of(factories.pod(units={"cpu": "1"})) is None
    assert shape_of(factories.pod(units={"nvidia.com/gpu": 1, "nvidia.com/mig-1g.10gb": 1})) is None


@pytest.mark.parametrize(
    ("amount", "resource", "text"),
    [(0.25, "cpu", "250m"), (8.0, "cpu", "8"), (64 * 2**30, "memory", "64Gi"), (2**20 + 1, "memory", "2Mi")],
)
def test_amounts_are_written_as_quantities(amount: float, resource: str, text: str) -> None:
    assert headroom.written(amount, resource) == text


def test_a_shape_is_said_in_plain_words() -> None:
    assert str(ONE) == "1 GPU"
    assert str(replace(ONE, gpus=4)) == "4 GPUs"
    assert str(Shape("nvidia.com/mig-1g.10gb", 1)) == "mig-1g.10gb"
    assert str(Shape("nvidia.com/mig-1g.10gb", 2)) == "2 × mig-1g.10gb"


def test_empty_fields_are_filled_from_the_first_that_knows_and_asks_for_the_same() -> None:
    mig = Shape("nvidia.com/mig-1g.10gb", 1, "1", "6Gi")
    assert settled(Shape(), None, ONE, mig) == ONE
    assert settled(Shape("nvidia.com/mig-1g.10gb"), ONE, mig) == mig
    assert settled(Shape(cpu="2"), replace(ONE, gpus=4)) == Shape("nvidia.com/gpu", 4, "2", "64Gi")
    assert settled(Shape("nvidia.com/gpu"), replace(ONE, gpus=4)).gpus == 4
    assert settled(Shape("nvidia.com/gpu", 2), replace(ONE, gpus=4)).gpus == 2


def test_our_placeholders_carry_two_labels_and_neither_alone_is_enough() -> None:
    assert headroom.placeholder(factories.pod(labels={**OURS, "x": "y"}))
    for key in OURS:
        assert not headroom.placeholder(factories.pod(labels={key: OURS[key]}))
    assert not headroom.placeholder(factories.pod())


def paused(image: str, priority: int | None, **labels: str) -> Pod:
    resources = Resources(limits={"nvidia.com/gpu": "1"})
    spec = PodSpec(containers=[Container(image=image, resources=resources)], priority=priority)
    return Pod(metadata=Meta(name="p", labels=labels), spec=spec)


@pytest.mark.parametrize(
    "image", ["registry.k8s.io/pause:3.10", "pause", "x/pause@sha256:00", "registry.k8s.io/pause-amd64:3.1"]
)
def test_a_pause_pod_of_negative_priority_is_somebodys_placeholder(image: str) -> None:
    assert balloon(paused(image, -1))


def test_what_may_preempt_or_does_work_or_is_ours_is_no_balloon() -> None:
    assert not balloon(paused("registry.k8s.io/pause:3.10", 0))
    assert not balloon(paused("registry.k8s.io/pause:3.10", None))
    assert not balloon(paused("example.com/unpause:1", -1))
    assert not balloon(paused("registry.k8s.io/pause:3.10", -10, **OURS))


def node(node_name: str, labels: dict[str, str], taints: list[Taint] | None = None) -> Node:
    return factories.node(node_name, labels=labels, taints=taints)


def test_a_pool_of_one_model_is_picked_by_its_label_alone() -> None:
    at = place([node("a", T4), node("b", T4)], "spot", "T4", "nvidia.com/gpu")
    assert at.scheduling["nodeSelector"] == {"karpenter.sh/nodepool": "spot"}
    assert "affinity" not in at.scheduling
    assert at.model == ""


def test_in_a_pool_of_several_models_the_labels_of_the_chosen_one_are_named() -> None:
    h100 = {**factories.H100, "karpenter.sh/nodepool": "spot"}
    shared = {**T4, "nvidia.com/gpu.product": "Tesla-T4-SHARED"}
    members = [node("a", T4), node("b", shared), node("c", h100)]
    at = place(members, "spot", "T4", "nvidia.com/gpu")
    assert at.expressions == [
        {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["Tesla-T4", "Tesla-T4-SHARED"]}
    ]
    assert at.model == "T4"


def test_nodes_without_a_pool_are_picked_by_model_and_by_having_no_pool() -> None:
    at = place([node("a", {"nvidia.com/gpu.product": "Tesla-T4"})], "(no pool)", "T4", "nvidia.com/gpu")
    assert at.selector == {}
    assert at.expressions[0]["values"] == ["Tesla-T4"]
    assert {"key": "karpenter.sh/nodepool", "operator": "DoesNotExist"} in at.expressions
    term = at.scheduling["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert len(term["nodeSelectorTerms"]) == 1


def test_lasting_taints_are_tolerated_and_those_that_pass_are_not() -> None:
    taints = [
        Taint(key="nvidia.com/gpu", value="present", effect="NoSchedule"),
        Taint(key="team", value="search", effect="NoExecute"),
        Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule"),
        Taint(key="karpenter.sh/disrupted", effect="NoSchedule"),
    ]
    extra = [{"key": "special", "operator": "Exists"}]
    at = place([node("a", T4, taints), node("b", T4, taints)], "spot", "", "nvidia.com/gpu", extra=extra)
    assert at.tolerations == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "search", "effect": "NoExecute"},
        {"key": "special", "operator": "Exists"},
    ]


def spot(model: str = "") -> Place:
    return Place("t4-spot", model, {}, [], [])


def test_names_are_short_plain_and_never_the_same_for_two_places_or_shapes() -> None:
    assert name(spot(), ONE) == "warm-t4-spot-1x-gpu"
    others = [
        name(spot("T4"), ONE),
        name(spot("L4"), ONE),
        name(Place("T4.spot", "", {}, [], []), ONE),
        name(Place("t4 spot", "", {}, [], []), ONE),
        name(Place("p" * 63, "", {}, [], []), ONE),
        name(spot(), replace(ONE, gpus=2)),
        name(spot(), replace(ONE, resource="nvidia.com/gpu.shared")),
    ]
    assert len({*others, "warm-t4-spot-1x-gpu"}) == 8
    assert all(len(one) <= 52 and one.replace("-", "").isalnum() and one == one.lower() for one in others)


def test_what_keeps_a_pool_warm_is_known_by_its_marks() -> None:
    meta = Meta(name="x", labels={**OURS, SHAPE: "1x-gpu"}, annotations={POOL: "spot", MODEL: "T4"})
    kept = Generic(metadata=meta)
    assert headroom.keeps(kept, "spot", "T4")
    assert headroom.keeps(kept, "spot", "", "1x-gpu")
    assert not headroom.keeps(kept, "spot", "L4")
    assert not headroom.keeps(kept, "other", "T4")
    assert not headroom.keeps(kept, "spot", "T4", "2x-gpu")


@pytest.mark.parametrize(
    "wrong", [{"units": -1}, {"units": 101}, {"shape": {"cpu": "8; rm"}}, {"shape": {"gpus": -1}}, {"method": "magic"}]
)
def test_parameters_out_of_bounds_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"cluster": "c", "pool": "p", "units": 1, **wrong}, Want)
