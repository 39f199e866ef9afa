from datetime import UTC, datetime, timedelta

import pytest

from services.demo.starts import starts
from services.domain.change.refs import Ref
from services.domain.signals import Query
from tests.unit.demo.handling import Hands, placeholders, promised_twice


@pytest.fixture
def hands() -> Hands:
    return Hands()


def seconds(hands: Hands) -> int:
    return int(hands.clock.at.timestamp())


def clip_starts(hands: Hands, hours: int = 6) -> list[tuple[int, bool]]:
    found = starts(hands.world().sites["demo-east"], seconds(hands) - hours * 3600, seconds(hands))
    return [(start.wait_s, start.warm) for start in found if start.pod.startswith("clip-search")]


def test_a_full_pool_gets_a_node_for_a_placeholder(hands: Hands) -> None:
    deployment = hands.headroom(1)
    assert hands.read(deployment)["status"] == {"observedGeneration": 0, "unavailableReplicas": 1, "conditions": [
        {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable",
         "lastTransitionTime": "2026-06-03T10:30:30Z"},
    ]}  # fmt: skip
    hands.wait(seconds=2)
    (pod,) = hands.pods("east", "warm-")
    condition = next(one for one in pod.status.conditions or [] if one.type == "PodScheduled")
    assert (pod.status.phase, condition.status, condition.reason) == ("Pending", "False", "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in (condition.message or "")
    before = set(hands.gpu_nodes("east", "t4-spot"))
    assert len(before) == 8
    hands.wait(minutes=5)
    (added,) = set(hands.gpu_nodes("east", "t4-spot")) - before
    (pod,) = hands.pods("east", "warm-")
    assert (pod.status.phase, pod.spec.node_name) == ("Running", added)
    assert (pod.spec.priority, pod.spec.priority_class_name) == (-10, "gpu-headroom")
    status = hands.read(deployment)["status"]
    assert (status["readyReplicas"], status["availableReplicas"], status["observedGeneration"]) == (1, 1, 1)
    assert "unavailableReplicas" not in status
    claims = [c.status.get("nodeName") for c in hands["east"].cluster.snapshot("nodeclaims").objects]
    assert added in claims


def test_a_pool_grows_up_to_its_limit_and_no_further(hands: Hands) -> None:
    hands.headroom(5)
    hands.wait(minutes=10)
    assert len(hands.gpu_nodes("east", "t4-spot")) == 10
    phases = [pod.status.phase for pod in hands.pods("east", "warm-")]
    assert sorted(phases) == ["Pending"] * 3 + ["Running"] * 2
    (pool,) = [p for p in hands["east"].cluster.snapshot("nodepools").objects if p.metadata.name == "t4-spot"]
    assert pool.spec["limits"]["nvidia.com/gpu"] == "10"


def test_a_pool_that_cannot_grow_leaves_placeholders_waiting(hands: Hands) -> None:
    deployment = hands.headroom(1, pool="h100-train", gpus=8)
    hands.wait(minutes=30)
    assert [pod.status.phase for pod in hands.pods("east", "warm-")] == ["Pending"]
    assert hands.read(deployment)["status"]["unavailableReplicas"] == 1


def test_placeholders_take_free_units_at_once_and_never_held_ones(hands: Hands) -> None:
    hands.clock.at = datetime(2026, 6, 3, 12, 2, tzinfo=UTC)  # video-embed rests, its four nodes are free
    hands.headroom(3)
    hands.wait(seconds=10)
    pods = hands.pods("east", "warm-")
    assert [pod.status.phase for pod in pods] == ["Running"] * 3
    assert len({pod.spec.node_name for pod in pods}) == 3
    assert len(hands.gpu_nodes("east", "t4-spot")) == 8


def test_without_headroom_each_start_of_clip_search_waits_for_a_node(hands: Hands) -> None:
    hands.clock.at = datetime(2026, 6, 3, 12, 0, 30, tzinfo=UTC)
    waits = clip_starts(hands)
    assert len(waits) == 5  # every hour but the first of six
    assert all(240 <= wait <= 330 and not warm for wait, warm in waits)


def test_with_headroom_a_start_takes_the_placeholders_place_and_it_is_refilled(hands: Hands) -> None:
    hands.headroom(1)
    hands.wait(minutes=10)
    (placeholder,) = hands.pods("east", "warm-")
    hands.clock.at = datetime(2026, 6, 3, 11, 7, 40, tzinfo=UTC)
    (real,) = hands.pods("east", "clip-search")
    assert real.spec.node_name == placeholder.spec.node_name
    created, bound = real.metadata.creation_timestamp, real.status.start_time
    assert created is not None
    assert bound == created + timedelta(seconds=2)
    (refill,) = hands.pods("east", "warm-")
    assert refill.metadata.name != placeholder.metadata.name
    assert refill.status.phase == "Pending"
    (event,) = [e for e in hands["east"].cluster.snapshot("events").objects if e.reason == "Preempted"]
    assert event.involved_object.uid == placeholder.metadata.uid
    assert (event.message or "").startswith(f"Preempted by pod {real.metadata.uid} on node ")
    hands.wait(minutes=5)
    (again,) = hands.pods("east", "warm-")
    assert (again.metadata.name, again.status.phase) == (refill.metadata.name, "Running")
    assert clip_starts(hands, hours=1)[-1] == (2, True)


def test_every_start_after_headroom_is_warm(hands: Hands) -> None:
    hands.headroom(1)
    hands.clock.at = datetime(2026, 6, 3, 18, 0, tzinfo=UTC)
    waits = clip_starts(hands, hours=7)
    assert [warm for _, warm in waits] == [True] * 6


def test_each_gpu_is_promised_once_whatever_headroom_does(hands: Hands) -> None:
    hands.headroom(3)
    for minutes in (1, 4, 12, 35, 2, 3, 60, 45):
        hands.wait(minutes=minutes)
        assert promised_twice(hands["east"]) == []


def test_an_added_node_has_telemetry_and_its_gpu_belongs_to_the_placeholder(hands: Hands) -> None:
    hands.headroom(1)
    hands.wait(minutes=10)
    (pod,) = hands.pods("east", "warm-")
    query = Query("util", ("node", "gpu", "namespace", "pod"))
    frame = hands["east"].metrics.instant(query, hands.clock.at, {"namespace": ["gpu-headroom"]}).frame
    (row,) = frame.itertuples()
    assert (row.node, row.pod, row.value, row.weight) == (pod.spec.node_name, pod.metadata.name, 0.0, 1.0)


def test_scaling_down_removes_pods_and_later_the_empty_node(hands: Hands) -> None:
    deployment = hands.headroom(2)
    hands.wait(minutes=10)
    assert len(hands.gpu_nodes("east", "t4-spot")) == 10
    hands.patch(deployment, {"spec": {"replicas": 1}})
    hands.wait(seconds=2)
    assert len(hands.pods("east", "warm-")) == 1
    assert len(hands.gpu_nodes("east", "t4-spot")) == 10
    hands.wait(minutes=5)
    assert len(hands.gpu_nodes("east", "t4-spot")) == 9
    cluster = hands["east"].cluster
    cluster.delete(deployment, expected=cluster.read(deployment).version)
    hands.wait(minutes=6)
    assert hands.pods("east", "warm-") == []
    assert len(hands.gpu_nodes("east", "t4-spot")) == 8


def test_a_new_template_replaces_the_pods(hands: Hands) -> None:
    hands.clock.at = datetime(2026, 6, 3, 12, 2, tzinfo=UTC)
    deployment = hands.headroom(2)
    hands.wait(seconds=10)
    before = {pod.metadata.uid for pod in hands.pods("east", "warm-")}
    hands.patch(deployment, {"spec": {"template": {"metadata": {"annotations": {"shape": "new"}}}}})
    hands.wait(seconds=20)
    after = hands.pods("east", "warm-")
    assert [pod.status.phase for pod in after] == ["Running"] * 2
    assert before.isdisjoint({pod.metadata.uid for pod in after})
    sets = {one.metadata.uid: one for one in hands["east"].cluster.snapshot("replicasets").objects}
    above = sets[(after[0].metadata.owner_references or [])[0].uid]
    assert (above.metadata.owner_references or [])[0].uid == hands.read(deployment)["metadata"]["uid"]


def test_a_quota_of_the_namespace_limits_placeholders(hands: Hands) -> None:
    hands.create(hands.ref("east", "Namespace", "gpu-headroom"), {})
    quota = hands.ref("east", "ResourceQuota", "headroom", "gpu-headroom")
    hands.create(quota, {"spec": {"hard": {"requests.nvidia.com/gpu": "1"}}})
    hands.create(hands.ref("east", "PriorityClass", "gpu-headroom"), {"value": -10})
    deployment = hands.ref("east", "Deployment", "warm", "gpu-headroom")
    hands.create(deployment, placeholders(3, {"karpenter.sh/nodepool": "t4-spot"}))
    hands.wait(seconds=5)
    assert len(hands.pods("east", "warm-")) == 1
    failure = next(one for one in hands.read(deployment)["status"]["conditions"] if one["type"] == "ReplicaFailure")
    assert failure["message"].endswith(
        "exceeded quota: headroom, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=1, "
        "limited: requests.nvidia.com/gpu=1"
    )
    assert hands.read(quota)["status"]["used"] == {"requests.nvidia.com/gpu": "1"}
    hands.patch(quota, {"spec": {"hard": {"requests.nvidia.com/gpu": "2"}}})
    hands.wait(seconds=5)
    assert len(hands.pods("east", "warm-")) == 2


def test_a_missing_priority_class_stops_the_pods(hands: Hands) -> None:
    hands.create(hands.ref("east", "Namespace", "gpu-headroom"), {})
    deployment = hands.ref("east", "Deployment", "warm", "gpu-headroom")
    hands.create(deployment, placeholders(1, {"karpenter.sh/nodepool": "t4-spot"}))
    hands.wait(seconds=5)
    assert hands.pods("east", "warm-") == []
    reasons = [e.message for e in hands["east"].cluster.snapshot("events").objects if e.reason == "FailedCreate"]
    assert any("no PriorityClass with name gpu-headroom was found" in (text or "") for text in reasons)


def test_pods_that_match_no_node_wait(hands: Hands) -> None:
    hands.create(Ref.of("demo-east", "PriorityClass", "gpu-headroom"), {"value": -10})
    deployment = Ref.of("demo-east", "Deployment", "warm", "research")
    hands.create(deployment, placeholders(1, {"nvidia.com/gpu.product": "NVIDIA-H200"}))
    hands.wait(minutes=20)
    assert [pod.status.phase for pod in hands.pods("east", "warm-")] == ["Pending"]
    assert len(hands.gpu_nodes("east", "t4-spot")) == 8


def test_evicting_the_idle_study_lets_the_waiting_training_start(hands: Hands) -> None:
    (waiting,) = [pod for pod in hands.pods("east", "pretrain-large") if pod.status.phase == "Pending"]
    (study,) = hands.pods("east", "ablation-study")
    hands["east"].cluster.evict(Ref.of("demo-east", "Pod", study.metadata.name, "research"), uid=study.metadata.uid)
    hands.wait(seconds=90)
    assert hands.pods("east", "ablation-study") == []
    (training,) = [pod for pod in hands.pods("east", "pretrain-large") if pod.metadata.uid == waiting.metadata.uid]
    assert (training.status.phase, training.spec.node_name) == ("Running", study.spec.node_name)
