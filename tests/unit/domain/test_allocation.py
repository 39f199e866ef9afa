"""Who holds what: the scheduler's rule, owners, teams, states."""

import pytest

from services.domain import allocation, inventory
from services.domain.allocation import PODS, gpu_units, workload_of_name
from tests.factories import container, namespace, node, pod, replicaset

GPU = "nvidia.com/gpu"


def test_main_containers_add_up() -> None:
    assert gpu_units([container({GPU: 2}), container({GPU: "1"}), container()], []) == {GPU: 3}


def test_ordinary_init_containers_count_with_their_maximum() -> None:
    assert gpu_units([container({GPU: 2})], [container({GPU: 1}), container({GPU: 4})]) == {GPU: 4}
    assert gpu_units([container({GPU: 8})], [container({GPU: 4})]) == {GPU: 8}


def test_a_sidecar_keeps_its_own() -> None:
    assert gpu_units([container({GPU: 2})], [container({GPU: 1}, sidecar=True)]) == {GPU: 3}


def test_an_init_container_after_a_sidecar_needs_both() -> None:
    # sidecar 1 runs while the init container asks for 4: the peak is 5, above 2 + 1.
    assert gpu_units([container({GPU: 2})], [container({GPU: 1}, sidecar=True), container({GPU: 4})]) == {GPU: 5}


def test_an_init_container_before_a_sidecar_does_not() -> None:
    assert gpu_units([container({GPU: 2})], [container({GPU: 4}), container({GPU: 1}, sidecar=True)]) == {GPU: 4}


def frame_of(*pods_: object, **kwargs: object):  # type: ignore[no-untyped-def]
    _, units = inventory.nodes("c", [node()])
    return allocation.pods("c", pods_, units, **kwargs)  # type: ignore[arg-type]


def test_the_frame_keeps_its_contract_even_without_pods() -> None:
    pods, _ = frame_of()
    assert {name: str(dtype) for name, dtype in pods.dtypes.items()} == PODS


def test_finished_pods_hold_nothing() -> None:
    pods, claims = frame_of(pod("done", phase="Succeeded", units={GPU: 8}), pod("dead", phase="Failed", units={GPU: 8}))
    assert pods.empty
    assert claims.empty


def test_a_waiting_pod_wants_and_does_not_hold() -> None:
    pods, claims = frame_of(pod("w", node_name=None, units={GPU: 2}))
    assert pods["equivalents"].tolist() == [2]
    assert claims.empty


def test_the_deployment_is_found_through_its_replicaset() -> None:
    owned = pod("chat-7d9-x", owner=("ReplicaSet", "chat-7d9c8b6f5d", "rs1"))
    pods, _ = frame_of(owned, replicasets=[replicaset("chat-7d9c8b6f5d", "rs1", "chat")])
    assert pods[["workload_kind", "workload"]].iloc[0].tolist() == ["Deployment", "chat"]


def test_without_replicasets_the_name_without_its_hash_stands_in() -> None:
    labels = {"pod-template-hash": "7d9c8b6f5d"}
    pods, _ = frame_of(
        pod("a", owner=("ReplicaSet", "chat-7d9c8b6f5d", "rs1"), labels=labels),
        pod("b", owner=("ReplicaSet", "chat-7d9c8b6f5d", "rs1")),
        pod("c"),
    )
    assert pods["workload"].tolist() == ["chat", "chat", "c"]
    assert pods["workload_kind"].tolist() == ["Deployment", "Deployment", "Pod"]


def test_a_team_is_the_pods_label_else_its_namespaces() -> None:
    pods, _ = frame_of(
        pod("a", labels={"team": "search"}),
        pod("b"),
        pod("c", namespace="bare"),
        namespaces=[namespace("ns", team="vision"), namespace("bare")],
    )
    assert pods["team"].tolist() == ["search", "vision", "(no team)"]


@pytest.mark.parametrize(
    ("name", "workload"),
    [
        ("chat-7d9c8b6f5d-x2x4z", "chat"),
        ("nightly-29384756-x2x4z", "nightly"),
        ("train-x2x4z", "train"),
        ("db-0", "db"),
        ("notebook", "notebook"),
    ],
)
def test_a_pod_that_is_gone_belongs_to_the_workload_its_name_says(name: str, workload: str) -> None:
    assert workload_of_name(name) == workload


def test_an_image_that_cannot_be_pulled_is_failing_and_holds_its_gpu() -> None:
    pods, claims = frame_of(pod("p", waiting="ImagePullBackOff", units={GPU: 1}))
    assert pods[["state", "reason"]].iloc[0].tolist() == ["failing", "Image cannot be pulled"]
    assert claims["equivalents"].tolist() == [1]
