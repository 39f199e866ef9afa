from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.domain.kinds import KINDS
from services.domain.objects import Pod
from services.domain.signals import Query
from services.ports import StoreState

WEDNESDAY = datetime(2026, 12, 9, tzinfo=UTC)
TIMES = [WEDNESDAY + timedelta(hours=hours, seconds=40) for hours in (0.2, 4.6, 6.05, 9, 14.5, 20.25, 62, 85.9)]
CLUSTERS = ["demo-east", "demo-west"]


def gpu_request(pod: Pod) -> tuple[str, int] | None:
    resources = pod.spec.containers[0].resources
    for name, amount in ((resources.requests if resources else None) or {}).items():
        if name.startswith("nvidia.com/"):
            return name, int(amount)
    return None


def workload_pods(source: Any) -> list[Pod]:
    return [pod for pod in source.cluster.snapshot("pods").objects if gpu_request(pod)]


def held(pod: Pod) -> bool:
    return bool(pod.spec.node_name) and pod.status.phase in ("Pending", "Running")


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_kind_answers(estate: Any, now: datetime, name: str) -> None:
    cluster = estate()[name].cluster
    karpenter = {"nodepools", "nodeclaims", "capacitybuffers"} if name == "demo-east" else set()
    mesh = {"destinationrules"} if name == "demo-west" else set()
    for kind in KINDS.values():
        snapshot = cluster.snapshot(kind.name)
        ready = kind.installed or kind.name in karpenter | mesh
        assert snapshot.state is (StoreState.READY if ready else StoreState.ABSENT)
        assert snapshot.version == int(now.timestamp()) // 60 * 60
        # no Cluster Autoscaler in the demo, and nobody asked for a buffer yet
        assert bool(snapshot.objects) == (ready and kind.name not in ("configmaps", "capacitybuffers"))
        assert all(isinstance(one, kind.struct) for one in snapshot.objects)
        assert all(bool(one.metadata.namespace) == kind.namespaced for one in snapshot.objects)
        uids = [one.metadata.uid for one in snapshot.objects]
        assert len(uids) == len(set(uids))
        assert all(one.metadata.resource_version.isdigit() for one in snapshot.objects)
        if ready:
            assert snapshot.as_of == now.replace(second=0)
            decoded = msgspec.json.decode(msgspec.json.encode(snapshot.objects), type=list[kind.struct])
            assert decoded == list(snapshot.objects)
    assert ("karpenter.sh" in cluster.api_groups()) == bool(karpenter)
    assert cluster.probe().version == "v1.34.1 (demo)"


def test_a_snapshot_is_computed_once_a_minute(estate: Any) -> None:
    cluster = estate()["demo-east"].cluster
    assert cluster.snapshot("pods") is cluster.snapshot("pods")


@pytest.mark.parametrize("at", TIMES)
@pytest.mark.parametrize("name", CLUSTERS)
def test_bound_pods_own_what_the_metrics_say(estate: Any, name: str, at: datetime) -> None:
    source = estate(at)[name]
    frame = source.metrics.instant(Query("memory_used", ("node", "gpu", "instance", "namespace", "pod")), at).frame
    owners = Counter((row.namespace, row.pod) for row in frame.itertuples())
    watched = set(source.metrics.instant(Query("temperature", ("node",)), at).frame["node"])
    expected = Counter()
    for pod in workload_pods(source):
        if held(pod) and pod.spec.node_name in watched:
            request = gpu_request(pod)
            assert request is not None
            expected[pod.metadata.namespace, pod.metadata.name] += request[1]
    assert owners == expected
    places = {pod.metadata.name: pod.spec.node_name for pod in workload_pods(source) if held(pod)}
    assert all(places[row.pod] == row.node for row in frame.itertuples())


@pytest.mark.parametrize("at", TIMES)
@pytest.mark.parametrize("name", CLUSTERS)
def test_no_node_is_promised_twice(estate: Any, name: str, at: datetime) -> None:
    source = estate(at)[name]
    used: Counter[tuple[str, str]] = Counter()
    for pod in workload_pods(source):
        request = gpu_request(pod)
        if held(pod) and request:
            used[pod.spec.node_name or "", request[0]] += request[1]
    nodes = {node.metadata.name: node.status.allocatable or {} for node in source.cluster.snapshot("nodes").objects}
    assert used
    for (node, resource), amount in used.items():
        assert amount <= int(nodes[node][resource])


@pytest.mark.parametrize("at", TIMES)
@pytest.mark.parametrize("name", CLUSTERS)
def test_names_are_unique_and_owners_exist(estate: Any, name: str, at: datetime) -> None:
    source = estate(at)[name]
    pods = source.cluster.snapshot("pods").objects
    names = [(pod.metadata.namespace, pod.metadata.name) for pod in pods]
    assert len(names) == len(set(names))
    known = {
        one.metadata.uid
        for kind in ("replicasets", "statefulsets", "jobs", "daemonsets", "deployments")
        for one in source.cluster.snapshot(kind).objects
    }
    for pod in pods:
        for owner in pod.metadata.owner_references or []:
            if owner.name != "dcgm-manual":
                assert owner.uid in known, (pod.metadata.name, owner)
    for one in source.cluster.snapshot("replicasets").objects:
        assert (one.metadata.owner_references or [])[0].uid in known


def test_workloads_come_in_all_kinds(estate: Any) -> None:
    kinds: set[str] = set()
    for source in estate().values():
        for pod in workload_pods(source):
            kinds |= {owner.kind for owner in pod.metadata.owner_references or []} or {"bare"}
    assert kinds == {"ReplicaSet", "StatefulSet", "Job", "bare"}
    teams = {
        (one.metadata.labels or {}).get("team")
        for source in estate().values()
        for one in source.cluster.snapshot("namespaces").objects
    }
    assert teams == {"search", "assistants", "vision", "research", "speech", "platform", None}


def test_node_labels_say_what_the_hardware_is(estate: Any) -> None:
    sources = estate()
    east = {
        node.metadata.labels["karpenter.sh/nodepool"]: node
        for node in sources["demo-east"].cluster.snapshot("nodes").objects
    }
    mig = east["a100-mig"]
    assert mig.metadata.labels["nvidia.com/mig.strategy"] == "mixed"
    capacity = {name: amount for name, amount in mig.status.capacity.items() if name.startswith("nvidia.com/")}
    amounts = [capacity[f"nvidia.com/{name}"] for name in ("gpu", "mig-1g.10gb", "mig-2g.20gb", "mig-3g.40gb")]
    assert amounts == ["4", "18", "3", "1"]
    assert len(capacity) == 4
    assert east["t4-spot"].metadata.labels["karpenter.sh/capacity-type"] == "spot"
    assert "nvidia.com/gpu" not in east["system"].status.capacity
    (west, *_) = sources["demo-west"].cluster.snapshot("nodes").objects
    labels = west.metadata.labels
    assert labels["eks.amazonaws.com/nodegroup"] == "l4-inference"
    assert labels["eks.amazonaws.com/capacityType"] == "ON_DEMAND"
    assert labels["nvidia.com/gpu.product"] == "NVIDIA-L4-SHARED"
    assert (labels["nvidia.com/gpu.sharing-strategy"], labels["nvidia.com/gpu.replicas"]) == ("time-slicing", "4")


def test_nodes_are_replaced_and_missed_in_between(estate: Any, now: datetime) -> None:
    names: set[str] = set()
    interrupted = claims = 0
    # replacements fall on multiples of six hours; five minutes later the new node is still on its way
    for quarter in range(20):
        at = now.replace(hour=0, minute=5, second=0) + timedelta(hours=6 * quarter)
        east = estate(at)["demo-east"]
        names |= {node.metadata.name for node in east.cluster.snapshot("nodes").objects}
        reasons = [event.reason for event in east.cluster.snapshot("events").objects]
        missing = 15 - len(east.cluster.snapshot("nodes").objects)
        assert reasons.count("SpotInterrupted") + reasons.count("InstanceUnhealthy") == missing
        interrupted += missing
        later = estate(at + timedelta(minutes=3))["demo-east"].cluster.snapshot("nodeclaims").objects
        claims += sum("nodeName" not in claim.status for claim in later)
        seen = set(east.metrics.instant(Query("power", ("node",)), at).frame["node"])
        assert seen <= {node.metadata.name for node in east.cluster.snapshot("nodes").objects}
    assert interrupted == claims == 3  # three nodes, each once in five days
    assert len(names) == 18
