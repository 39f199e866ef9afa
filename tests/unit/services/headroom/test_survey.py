import math
from dataclasses import replace
from typing import Any

import pytest

from services.domain.change.refs import Ref
from services.domain.headroom import Place, Shape, Want
from services.domain.headroom import objects as headroom_objects
from services.domain.objects import Generic
from services.headroom import survey
from services.headroom.survey import Found
from services.ports import Sources, StoreState
from tests import memory, warm
from tests.conftest import NOW, Inline
from tests.warm import CLUSTER, GPU, POOL, T4_DAY_USD, WarmCluster

ONE = Want(CLUSTER, POOL, 1)


def look(cluster: WarmCluster, want: Want = ONE) -> Found:
    return survey.look(sources(cluster), want)


def sources(cluster: WarmCluster) -> Sources:
    made = {CLUSTER: memory.source(CLUSTER, cluster)}
    return Sources(mode="live", clusters=made, now=lambda: NOW, pool=Inline())


def test_a_pool_is_surveyed_for_the_shape_that_is_usual_there() -> None:
    found = look(WarmCluster())
    said = found.survey
    assert said.shape == Shape(GPU, 1, "2", "8Gi")
    assert (said.fit, said.offers, said.growth.more) == (1, {GPU: 2.0}, 1)
    assert said.usd_per_day == pytest.approx(T4_DAY_USD)
    assert (said.per_node, said.node_usd_per_day) == (1, pytest.approx(T4_DAY_USD))
    assert (said.set, said.ready, said.waiting, said.balloons, said.quota) == (0, 0, 0, 0, math.inf)
    assert (found.name, found.method) == ("warm-spot-1x-gpu", "placeholder")
    assert found.why == "The cluster has no CapacityBuffer API, so placeholder pods keep the units."


def test_a_usual_shape_leaves_a_fifth_of_the_node_to_its_daemons() -> None:
    """chat asks for 3.9 of 4 CPUs; four fifths are 3.2, in halves 3."""
    cluster = WarmCluster()
    cluster.put(Ref.of(CLUSTER, "Pod", "chat-1", "web"), warm.pod("web", "t1", cpu="3900m"))
    assert look(cluster).survey.shape == Shape(GPU, 1, "3", "8Gi")
    assert look(cluster, replace(ONE, from_workload="web/chat")).survey.shape == Shape(GPU, 1, "3900m", "8Gi")


def test_a_pool_nobody_uses_has_a_small_default() -> None:
    cluster = WarmCluster()
    del cluster.objects[Ref.of(CLUSTER, "Pod", "chat-1", "web")]
    assert look(cluster).survey.shape == Shape(GPU, 1, "1", "4Gi")
    assert look(cluster).survey.fit == 2


def test_a_shape_that_is_given_is_kept() -> None:
    given = Shape(GPU, 1, "500m", "1Gi")
    assert look(WarmCluster(), replace(ONE, shape=given)).survey.shape == given


def test_what_is_kept_already_says_how_many_gpus_a_unit_has() -> None:
    """Two warm units of two GPUs each are what "the units of this pool" are, until another number is said."""
    cluster = WarmCluster()
    made = headroom_objects.deployment("warm-two", Place(POOL, "", {}, [], []), Shape(GPU, 2, "1", "2Gi"), 2)
    body = {**made, "metadata": {**made["metadata"], "namespace": "gpu-headroom"}}
    cluster.put(Ref.of(CLUSTER, "Deployment", "warm-two", "gpu-headroom"), body)
    kept = look(cluster, Want(CLUSTER, POOL, 0, shape=Shape(GPU)))
    assert (kept.name, kept.survey.shape.gpus, kept.survey.set) == ("warm-two", 2, 2)
    other = look(cluster, Want(CLUSTER, POOL, 1, shape=Shape(GPU, 1)))
    assert (other.name, other.survey.set) == ("warm-spot-1x-gpu", 0)


def test_a_pool_without_nodes_can_be_kept_warm_where_it_may_grow() -> None:
    cluster = WarmCluster()
    cluster.extra["nodepools"].append({"metadata": {"name": "from-zero"}, "spec": {"limits": {GPU: "4"}}})
    found = look(cluster, Want(CLUSTER, "from-zero", 2))
    assert found.survey.place.selector == {"karpenter.sh/nodepool": "from-zero"}
    assert (found.answer.refusal, found.answer.new_nodes) == ("", True)
    assert "Karpenter may add 4" in look(cluster, Want(CLUSTER, "from-zero", 5)).answer.refusal


def test_placeholders_are_told_apart_from_those_of_others() -> None:
    cluster = WarmCluster()
    pause: dict[str, Any] = warm.pod("ops", "t2")
    pause["spec"] |= {"priority": -1}
    pause["spec"]["containers"][0]["image"] = "registry.k8s.io/pause:3.9"
    cluster.put(Ref.of(CLUSTER, "Pod", "balloon", "ops"), pause)
    said = look(cluster).survey
    assert (said.balloons, said.ready, said.fit) == (1, 0, 0)


def test_what_a_page_cannot_weigh_is_a_problem_with_the_reason() -> None:
    given = sources(WarmCluster())
    assert survey.weigh(given, replace(ONE, pool="x")).problem.message == "Cluster tee has no GPU pool called x."  # type: ignore[union-attr]
    assert survey.weigh(given, ONE).as_of == NOW
    blind = WarmCluster()
    blind.states["pods"] = StoreState.FORBIDDEN
    problem = survey.weigh(sources(blind), ONE).problem
    assert problem is not None
    assert problem.message.startswith("Nodes and pods of tee cannot be read now")


def served(cluster: WarmCluster, **status: object) -> str:
    cluster.states.pop("capacitybuffers", None)
    cluster.extra["capacitybuffers"] = [{"metadata": {"name": "b", "namespace": "team"}, "status": status}]
    return survey.buffers(memory.source(CLUSTER, cluster))


def test_a_buffer_counts_as_answered_only_when_somebody_wrote_a_condition() -> None:
    cluster = WarmCluster()
    assert survey.buffers(memory.source(CLUSTER, cluster)) == "absent"
    assert served(cluster) == "served"
    assert served(cluster, conditions=[]) == "served"
    assert served(cluster, conditions=[{"type": "ReadyForProvisioning", "status": "True"}]) == "answered"
    assert look(cluster).method == "buffer"


def test_everything_in_the_namespace_but_our_own_objects_keeps_it() -> None:
    cluster = WarmCluster()
    source = memory.source(CLUSTER, cluster)
    assert survey.others(source, []) == []
    meta = {"namespace": "gpu-headroom"}
    cluster.put(Ref.of(CLUSTER, "Deployment", "mine", "gpu-headroom"), {"metadata": meta})
    cluster.put(Ref.of(CLUSTER, "ResourceQuota", "cap", "gpu-headroom"), {"metadata": meta})
    cluster.put(Ref.of(CLUSTER, "Pod", "stranger", "gpu-headroom"), warm.pod("gpu-headroom", None))
    assert survey.others(source, ["mine"]) == ["quotas cap", "pod stranger"]
    assert isinstance(source.cluster.snapshot("quotas").objects[0], Generic)
