"""Which nodes images come to, and when nothing is planned at all."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.actions.engine import Engine
from services.domain.change.refs import Ref
from services.domain.prepull import PrepullParams
from services.errors import Refused
from tests.unit.actions.conftest import VIEWER, Desk
from tests.unit.actions.yard import NAMESPACE, SET, SPACE, VLLM, WANT, YARD, Yard, planned, refused, stationed


@pytest.fixture
def yard(desk: Desk) -> Yard:
    return stationed(desk)


@pytest.fixture
def engine(desk: Desk, yard: Yard) -> Iterator[Engine]:
    engine = desk.engine()
    yield engine
    engine.close()


def test_nodes_without_gpus_in_the_pool_are_left_out_by_a_label(engine: Engine, yard: Yard) -> None:
    yard.node("c1", gpus=0)
    pod = planned(engine).steps[1].body["spec"]["template"]["spec"]
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == {"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "Exists"}]}


def test_without_a_label_that_tells_them_apart_nothing_is_planned(engine: Engine, yard: Yard) -> None:
    yard.node("c1", gpus=0)
    for number in range(1, 6):
        labels = dict.fromkeys(yard.objects[Ref.of(YARD, "Node", f"n{number}")]["metadata"]["labels"])
        kept = {**labels, "eks.amazonaws.com/nodegroup": "h100"}
        yard.set(Ref.of(YARD, "Node", f"n{number}"), {"metadata": {"labels": kept}})
    assert refused(engine, WANT) == "No label tells the GPU nodes of pool h100 from 1 node without GPUs."


def test_nodes_of_no_pool_are_chosen_by_their_gpus(engine: Engine, yard: Yard) -> None:
    yard.node("free", pool="", gpus=1)
    yard.set(Ref.of(YARD, "Node", "free"), {"metadata": {"labels": {"eks.amazonaws.com/nodegroup": None}}})
    plan = planned(engine, replace(WANT, pool="(no pool)"))
    pod = plan.steps[1].body["spec"]["template"]["spec"]
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert "nodeSelector" not in pod
    assert {"key": "nvidia.com/gpu.product", "operator": "Exists"} in term["matchExpressions"]
    assert {"key": "eks.amazonaws.com/nodegroup", "operator": "DoesNotExist"} in term["matchExpressions"]


# Guards


@pytest.mark.parametrize(
    ("want", "why"),
    [
        (replace(WANT, cluster="nowhere"), "There is no cluster called nowhere."),
        (replace(WANT, pool="nothing"), "Cluster yard has no GPU node in pool nothing now."),
        (replace(WANT, pool=""), "Cluster yard has no GPU node in pool (none named) now."),
        (replace(WANT, images=()), "Name at least one image."),
        (replace(WANT, images=("two words",)), "'two words' is not the name of an image."),
        (replace(WANT, tool="two words"), "'two words' is not the name of an image."),
        (replace(WANT, images=tuple(f"a:{n}" for n in range(21))), "20 images at most; 21 are asked for."),
        (replace(WANT, method="job"), "Cluster yard has no ImagePullJobs of OpenKruise: not read yet"),
        (
            replace(WANT, sizes={VLLM: 300e9}, images=(VLLM,)),
            "On n1 images would take 300.0 GB of 500.0 GB of disk, and more unpacked; at most half may be images.",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_words(engine: Engine, yard: Yard, want: PrepullParams, why: str) -> None:
    if want.sizes:
        yard.node("n1", ("registry.k8s.io/pause:3.10", 0.0003))
    assert refused(engine, want) == why


def test_what_others_made_under_our_names_is_left_alone(engine: Engine, yard: Yard) -> None:
    yard.put(SET, {"metadata": {"namespace": SPACE, "labels": {}}, "spec": {"template": {"spec": {}}}})
    assert "was not made by this console" in refused(engine, WANT)
    assert "was not made by this console" in refused(engine, replace(WANT, remove=True))


def test_a_namespace_that_is_going_away_is_waited_out(engine: Engine, yard: Yard) -> None:
    yard.put(NAMESPACE, {"metadata": {"deletionTimestamp": "2026-06-03T12:00:00Z"}})
    assert "is being deleted" in refused(engine, WANT)


def test_a_viewer_may_not(engine: Engine) -> None:
    with pytest.raises(Refused, match="operator"):
        engine.plan(VIEWER, "prepull-images", WANT)
