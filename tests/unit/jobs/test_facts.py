"""Whose a start is, what it costs, and whose room it took."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.domain.objects import Generic, Meta, Node, PodResourceClaim
from services.domain.startup import Outcome, Start
from services.domain.startup.trace import NodeSeen, Trace
from services.jobs.facts import EVENTS_LIVE, Facts
from services.ports import StoreState
from tests.factories import NOW, container, namespace, node, pod, replicaset
from tests.unit.jobs.test_record import ready_pod
from tests.unit.jobs.watched import Recording, Shown, recorder

L4 = {
    "nvidia.com/gpu.product": "NVIDIA-L4",
    "nvidia.com/gpu.count": "1",
    "node.kubernetes.io/instance-type": "g6.xlarge",
    "topology.kubernetes.io/region": "us-east-1",
    "karpenter.sh/nodepool": "l4",
    "karpenter.sh/capacity-type": "on-demand",
}
"""A g6.xlarge has one GPU and costs 0.8048 US dollars an hour in us-east-1."""


def facts(cluster: Shown) -> Facts:
    found = Facts("lab", cluster, "team")  # type: ignore[arg-type]
    found.see_nodes([one for one in cluster.objects.get("nodes", {}).values() if isinstance(one, Node)], ())
    return found


def l4(**changes: Any) -> Node:
    return node("n1", labels={**L4, **changes}, capacity={"nvidia.com/gpu": "1"})


# Whose it is


def test_a_pod_of_a_replicaset_is_its_deployments_and_its_namespaces_team() -> None:
    cluster = Shown()
    cluster.put("replicasets", replicaset("chat-66d9", "rs-1", "chat"))
    cluster.put("namespaces", namespace("ns", team="assistants"), namespace("other", team="vision"))
    mine = pod(owner=("ReplicaSet", "chat-66d9", "rs-1"))
    assert facts(cluster).describe(mine) == ("Deployment", "chat", "assistants")


def test_the_pods_own_team_comes_first_and_none_is_said_so() -> None:
    cluster = Shown()
    assert facts(cluster).describe(pod(labels={"team": "search"})) == ("Pod", "p1", "search")
    assert facts(cluster).describe(pod())[2] == "(no team)"


def test_what_owns_the_owner_is_looked_up_again_when_the_store_changed() -> None:
    cluster = Shown()
    found = facts(cluster)
    job = pod(owner=("Job", "nightly-29", "job-1"))
    assert found.describe(job)[:2] == ("Job", "nightly-29")
    owner = replicaset("nightly-29", "job-1", "nightly").metadata.owner_references
    assert owner is not None
    parent = msgspec.structs.replace(owner[0], kind="CronJob")
    cluster.put("jobs", Generic(Meta(name="nightly-29", uid="job-1", owner_references=[parent])))
    assert found.describe(job)[:2] == ("CronJob", "nightly")


# What it costs


def test_a_whole_gpu_costs_what_its_share_of_the_machine_does() -> None:
    cluster = Shown()
    cluster.put("nodes", node("n1"))
    held = facts(cluster).held(pod(units={"nvidia.com/gpu": 2}))
    assert held is not None
    assert held.equivalents == 2.0
    assert held.usd_per_gpu_hour == pytest.approx(55.04 / 8), "a p5.48xlarge has eight"
    assert held.usd_per_hour == pytest.approx(55.04 / 4)


def test_a_shared_gpu_counts_by_its_fraction() -> None:
    cluster = Shown()
    shared = {"nvidia.com/gpu.replicas": "4", "nvidia.com/gpu.product": "NVIDIA-L4-SHARED"}
    cluster.put("nodes", node("n1", labels={**L4, **shared}, capacity={"nvidia.com/gpu": "4"}))
    held = facts(cluster).held(pod(units={"nvidia.com/gpu": 1}))
    assert held is not None
    assert held.equivalents == 0.25


def test_what_has_no_price_or_no_node_costs_nobody_knows_what() -> None:
    cluster = Shown()
    cluster.put("nodes", l4(**{"node.kubernetes.io/instance-type": "somebodys-own"}))
    held = facts(cluster).held(pod())
    assert held is not None
    assert held.equivalents == 1.0
    assert held.usd_per_hour != held.usd_per_hour, "NaN"
    assert facts(Shown()).held(pod()) is None


def test_a_node_that_changed_is_looked_at_again() -> None:
    cluster = Shown()
    found = facts(cluster)
    found.see_nodes([l4()], ())
    first = found.held(pod())
    found.see_nodes([l4(**{"karpenter.sh/capacity-type": "spot"})], ())
    second = found.held(pod())
    assert first is not None
    assert second is not None
    assert second.usd_per_gpu_hour < first.usd_per_gpu_hour
    found.see_nodes((), ["n1"])
    assert found.held(pod()) is None


def test_claims_count_by_their_devices_and_not_at_all_before_they_are_seen() -> None:
    cluster = Shown()
    cluster.put("nodes", l4())
    bare = pod(units={})
    spec = msgspec.structs.replace(
        bare.spec, containers=[container()], resource_claims=[PodResourceClaim(name="gpu", resource_claim_name="c1")]
    )
    mine = msgspec.structs.replace(bare, spec=spec)
    found = facts(cluster)
    unseen = found.held(mine)
    assert unseen is not None
    assert unseen.equivalents != unseen.equivalents, "NaN"
    results = [{"driver": "gpu.nvidia.com", "pool": "n1", "device": f"gpu-{i}"} for i in range(2)]
    claim = {
        "allocation": {"devices": {"results": results}},
        "reservedFor": [{"resource": "pods", "name": "p1", "uid": "uid-ns-p1"}],
    }
    cluster.put("resourceclaims", Generic(Meta(name="c1", namespace="ns"), status=claim))
    held = found.held(mine)
    assert held is not None
    assert held.equivalents == 2.0


def test_a_start_on_a_node_that_was_there_costs_from_scheduling_to_readiness() -> None:
    """One L4 for 59 s at 0.8048 US dollars an hour: 0.8048 × 59 / 3600 = 0.013190."""
    cluster = Shown()
    created = NOW + timedelta(minutes=1)
    cluster.put("nodes", l4())
    cluster.put("pods", ready_pod(created=created))
    found = Recording(recorder(cluster))
    found.look(created + timedelta(seconds=61))
    row = found.rows["uid-p"]
    assert (row.outcome, row.cold) == (Outcome.READY, False)
    assert row.usd_per_hour == pytest.approx(0.8048)
    assert row.usd == pytest.approx(0.013190, abs=1e-6)


def test_what_a_start_cost_is_known_after_its_node_is_gone() -> None:
    cluster = Shown()
    created = NOW + timedelta(minutes=1)
    cluster.put("nodes", l4())
    cluster.put("pods", ready_pod(created=created, ready_s=None))
    found = Recording(recorder(cluster))
    found.look(created + timedelta(seconds=5))
    cluster.remove("nodes", "uid-n1")
    cluster.remove("pods", "uid-p")
    found.look(created + timedelta(seconds=10))
    row = found.rows["uid-p"]
    assert row.outcome is Outcome.GONE
    assert row.usd == pytest.approx(0.002012)


# Whose room it took


def trace(**changes: Any) -> Trace:
    given = {"node": NodeSeen("n1", pool="l4"), "seen": NOW, **changes}
    return Trace(cluster="lab", namespace="ns", pod="p", uid="u", created=NOW, **given)


def start(*, cold: bool | None = False, scheduled: bool = True) -> Start:
    at = NOW + timedelta(seconds=2)
    return Start(NOW, at, Outcome.READY, (), cold=cold, scheduled=at if scheduled else None)


def buffer(pool: str = "") -> Generic:
    notes = {"gpu-fleet-console/pool": pool} if pool else None
    return Generic(Meta(name=f"b-{pool}", namespace="gpu-headroom", annotations=notes))


def test_a_start_that_took_a_placeholders_place_is_served_by_headroom() -> None:
    taken = trace(victims=1, victim_pods=("gpu-headroom/warm-l4-x",))
    assert facts(Shown()).headroom(taken, start()) is True


def test_so_is_one_that_took_the_place_of_somebody_elses_placeholder() -> None:
    found = facts(Shown())
    pause = pod("balloon-1", namespace="kube-system")
    spec = msgspec.structs.replace(
        pause.spec,
        priority=-1,
        containers=[msgspec.structs.replace(pause.spec.containers[0], image="registry.k8s.io/pause:3.10")],
    )
    found.see_pods([msgspec.structs.replace(pause, spec=spec)])
    assert found.headroom(trace(victim_pods=("kube-system/balloon-1",)), start()) is True
    assert found.headroom(trace(victim_pods=("kube-system/batch-1",)), start()) is False


@pytest.mark.parametrize(
    ("course", "seen", "buffers", "served"),
    [
        (start(scheduled=False), 0.0, [], None),  # it has no room yet
        (start(), 0.0, [], False),
        (start(cold=True), 0.0, [buffer()], False),  # its node came for it
        (start(cold=None), 0.0, [], None),
        (start(), EVENTS_LIVE.total_seconds() + 3, [], None),  # a placeholder's word would have expired
        (start(), 0.0, [buffer("h100")], False),  # kept in another pool
        (start(), 0.0, [buffer("l4")], None),  # only the autoscaler knows whose room it was
        (start(), 0.0, [buffer()], None),  # somebody else's, which may be anywhere
    ],
)
def test_what_cannot_be_told_is_not_known(
    course: Start, seen: float, buffers: list[Generic], served: bool | None
) -> None:
    cluster = Shown()
    cluster.put("capacitybuffers", *buffers)
    assert facts(cluster).headroom(trace(seen=NOW + timedelta(seconds=seen)), course) is served


@pytest.mark.parametrize(("state", "served"), [(StoreState.ABSENT, False), (StoreState.FORBIDDEN, None)])
def test_buffers_that_may_not_be_read_may_be_there(state: StoreState, served: bool | None) -> None:
    assert facts(Shown(states={"capacitybuffers": state})).headroom(trace(), start()) is served
