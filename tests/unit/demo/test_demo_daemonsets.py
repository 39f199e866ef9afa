"""DaemonSets that people make in the demo: what the API server says to them, and their pods."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.domain.headroom import Place
from services.domain.prepull import INSTANCE, NAMESPACE, OURS, objects
from services.errors import Conflict, NotFound, Rejected
from services.ports import StoreState
from tests.unit.demo.handling import MORNING, TOLERATION
from tests.unit.demo.prepulling import AWS, VIDEO, Pulling, state


@pytest.fixture
def hands() -> Pulling:
    return Pulling()


# -- pods ------------------------------------------------------------------------------------------------------------


def test_every_node_of_the_pool_gets_one_pod_without_gpus(hands: Pulling) -> None:
    ref = hands.keep()
    hands.wait(seconds=10)
    pods = hands.own()
    assert sorted(pods) == sorted(hands.gpu_nodes("east", "t4-spot"))
    assert len(pods) == 8
    for pod in pods.values():
        assert (pod.metadata.labels or {}).items() >= {**OURS, INSTANCE: ref.name}.items()
        (owner,) = pod.metadata.owner_references or []
        assert (owner.kind, owner.name, owner.uid) == ("DaemonSet", ref.name, hands.read(ref)["metadata"]["uid"])
        requests = pod.spec.containers[0].resources.requests or {}  # type: ignore[union-attr]
        assert requests == {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "16Mi"}
        assert pod.status.phase == "Running"
    node = next(iter(pods))
    live = hands["east"].cluster.pods_on(node)
    assert pods[node].metadata.name in {one.ref.name for one in live}
    assert hands.read(hands.ref("east", "Pod", pods[node].metadata.name, NAMESPACE))["spec"]["nodeName"] == node


def test_affinity_and_taints_decide_too(hands: Pulling) -> None:
    hands.create(hands.ref("east", "Namespace", NAMESPACE), {})
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-east-1a"]}
    where = Place("t4-spot", "", {"karpenter.sh/nodepool": "t4-spot"}, [zone], [TOLERATION])
    hands.create(hands.ref("east", "DaemonSet", "prepull-a", NAMESPACE), objects.daemonset("prepull-a", where, 2))
    bare = objects.daemonset("prepull-b", replace(where, tolerations=[]), 2)
    hands.create(hands.ref("east", "DaemonSet", "prepull-b", NAMESPACE), bare)
    hands.wait(seconds=10)
    assert len(hands.pods("east", "prepull-a")) == 4  # zones alternate from node to node
    assert hands.pods("east", "prepull-b") == []
    assert hands.read(hands.ref("east", "DaemonSet", "prepull-b", NAMESPACE))["status"]["desiredNumberScheduled"] == 0


def test_containers_run_one_after_another_and_then_the_pod_is_ready(hands: Pulling) -> None:
    hands.keep(AWS, VIDEO)
    seen_: list[tuple[str, ...]] = []
    node = hands.gpu_nodes("east", "t4-spot")[1]
    for _ in range(300):
        hands.wait(seconds=1)
        pod = hands.own().get(node)
        if pod is None:
            continue
        init, main = pod.status.init_container_statuses or [], pod.status.container_statuses or []
        now = tuple(state(one) for one in (*init, *main))
        if not seen_ or seen_[-1] != now:
            seen_.append(now)
        ready = {one.type: one.status for one in pod.status.conditions or ()}
        assert (ready["Ready"] == "True") is main[0].ready
        assert (ready["Initialized"] == "True") is all(state(one) == "ended 0" for one in init)
        if main[0].ready:
            break
    waits = "waits: PodInitializing"
    ended = "ended 0"
    assert seen_ == [
        (waits, waits, waits, waits),
        (ended, waits, waits, waits),
        (ended, ended, waits, waits),
        (ended, ended, ended, waits),
        (ended, ended, ended, "runs"),
    ]
    ends = [one.state.terminated.finished_at for one in init]  # type: ignore[union-attr]
    assert ends == sorted(ends)
    assert (pod.status.phase, main[0].ready, main[0].started) == ("Running", True, True)


def test_its_status_counts_nodes_and_pods(hands: Pulling) -> None:
    hands.keep()
    counts = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    assert [hands.status().get(name, 0) for name in counts] == [0, 0, 0, 0, 0]
    assert hands.status()["observedGeneration"] == 0
    hands.wait(seconds=2)
    assert [hands.status().get(name, 0) for name in counts] == [8, 8, 0, 8, 0]
    hands.wait(seconds=10)
    assert [hands.status().get(name, 0) for name in counts] == [8, 8, 8, 8, 8]
    hands.change(AWS)
    assert (hands.status()["observedGeneration"], hands.status()["updatedNumberScheduled"]) == (1, 8)
    hands.wait(seconds=1)
    assert hands.status()["observedGeneration"] == 2 == hands.read(hands.kept())["metadata"]["generation"]
    assert hands.status().get("updatedNumberScheduled", 0) == 0


@pytest.mark.parametrize(("most", "unready"), [(2, 2), (3, 3), ("25%", 2), ("30%", 3)])
def test_at_most_so_many_pods_are_replaced_at_a_time(most: int | str, unready: int) -> None:
    hands = Pulling()
    hands.keep(most=most)
    hands.wait(seconds=15)
    hands.change(VIDEO)
    available = []
    for _ in range(400):
        hands.wait(seconds=2)
        status = hands.status()
        available.append(status["numberAvailable"])
        if status.get("updatedNumberScheduled", 0) == 8 == available[-1]:
            break
    assert available[-1] == 8
    assert min(available) == 8 - unready


def test_a_node_that_joins_gets_a_pod_before_its_gpus_are_there(hands: Pulling) -> None:
    hands.keep(VIDEO)
    hands.wait(minutes=30)
    before = set(hands.own())
    assert len(before) == 8
    hands.clock.at = datetime(2026, 6, 3, 11, 20, tzinfo=UTC)  # clip-search started at 11:07, and a node came for it
    after = hands.own()
    (new,) = set(after) - before
    nodes = {node.metadata.name: node for node in hands["east"].cluster.snapshot("nodes").objects}
    born = nodes[new].metadata.creation_timestamp
    ready = next(one for one in nodes[new].status.conditions if one.type == "Ready").last_transition_time
    created = after[new].metadata.creation_timestamp
    assert created - born == timedelta(seconds=1)
    conditions = {one.type: one for one in after[new].status.conditions or ()}
    assert conditions["PodReadyToStartContainers"].last_transition_time > ready
    (search,) = [pod for pod in hands.pods("east", "clip-search") if pod.spec.node_name == new]
    bound = next(one for one in search.status.conditions or () if one.type == "PodScheduled").last_transition_time
    assert conditions["PodReadyToStartContainers"].last_transition_time < bound  # type: ignore[operator]


def test_a_node_that_goes_takes_its_pod_along(hands: Pulling) -> None:
    hands.keep(VIDEO)
    hands.clock.at = datetime(2026, 6, 3, 11, 20, tzinfo=UTC)
    (new,) = set(hands.own()) - set(Pulling(clock=type(hands.clock)(MORNING)).gpu_nodes("east", "t4-spot"))
    hands.clock.at = datetime(2026, 6, 3, 13, 0, tzinfo=UTC)  # bursts end by 12:00, and another one has come
    assert new not in hands.gpu_nodes("east", "t4-spot")
    assert new not in hands.own()
    assert hands.status()["desiredNumberScheduled"] == len(hands.gpu_nodes("east", "t4-spot"))


def test_a_pod_that_is_deleted_or_evicted_is_made_again(hands: Pulling) -> None:
    hands.keep(AWS)
    hands.wait(seconds=30)
    node, pod = min(hands.own().items())
    cluster = hands["east"].cluster
    ref = hands.ref("east", "Pod", pod.metadata.name, NAMESPACE)
    cluster.delete(ref, expected=cluster.read(ref).version)
    with pytest.raises(NotFound):
        cluster.read(ref)
    hands.wait(seconds=20)
    again = hands.own()[node]
    assert again.metadata.uid != pod.metadata.uid
    assert again.status.phase == "Running"
    cluster.evict(hands.ref("east", "Pod", again.metadata.name, NAMESPACE), uid=pod.metadata.uid)
    assert hands.own()[node].metadata.uid == again.metadata.uid, "another one was meant"
    cluster.evict(hands.ref("east", "Pod", again.metadata.name, NAMESPACE), dry_run=True)
    assert hands.own()[node].metadata.uid == again.metadata.uid
    cluster.evict(hands.ref("east", "Pod", again.metadata.name, NAMESPACE), uid=again.metadata.uid)
    hands.wait(seconds=20)
    assert hands.own()[node].metadata.uid not in (pod.metadata.uid, again.metadata.uid)


# -- the API server --------------------------------------------------------------------------------------------------


def test_the_api_server_keeps_to_its_rules(hands: Pulling) -> None:
    cluster, ref = hands["east"].cluster, hands.kept()
    body = objects.daemonset(ref.name, Place("t4-spot", "", {"karpenter.sh/nodepool": "t4-spot"}, [], [TOLERATION]), 2)
    with pytest.raises(NotFound, match="Namespace gpu-prepull does not exist"):
        cluster.create(ref, body)
    hands.create(hands.ref("east", "Namespace", NAMESPACE), {})
    cluster.create(ref, body, dry_run=True)
    with pytest.raises(NotFound):
        cluster.read(ref)
    without = {**body, "spec": {**body["spec"], "template": {"metadata": body["spec"]["template"]["metadata"]}}}
    with pytest.raises(Rejected, match=r"spec\.template\.spec\.containers: Required value"):
        cluster.create(ref, without)
    live = cluster.create(ref, body)
    assert live.meta["generation"] == 1
    with pytest.raises(Conflict, match="exists already"):
        cluster.create(ref, body)
    with pytest.raises(Rejected, match="field is immutable"):
        cluster.patch(ref, {"spec": {"selector": {"matchLabels": {"a": "b"}}}}, expected=live.version)
    change = {"spec": {"template": {"spec": {"initContainers": objects.pulling([AWS])}}}}
    cluster.patch(ref, change, expected=live.version, dry_run=True)
    assert cluster.read(ref).meta["generation"] == 1
    patched = cluster.patch(ref, change, expected=live.version)
    assert patched.meta["generation"] == 2
    for write in (cluster.patch, cluster.delete):
        with pytest.raises(Conflict, match="changed since it was read"):
            write(ref, *((change,) if write == cluster.patch else ()), expected=live.version)
    cluster.delete(ref, expected=patched.version, dry_run=True)
    cluster.delete(ref, expected=patched.version)
    with pytest.raises(NotFound):
        cluster.read(ref)


def test_openkruise_is_not_installed(hands: Pulling) -> None:
    assert hands["east"].cluster.snapshot("imagepulljobs").state is StoreState.ABSENT


@pytest.mark.parametrize("kind", ["DaemonSet", "Namespace"])
def test_pods_go_with_it_and_images_stay(hands: Pulling, kind: str) -> None:
    hands.keep(VIDEO)
    hands.wait(minutes=10)
    before = hands.lists()
    pool = hands.gpu_nodes("east", "t4-spot")
    assert all(VIDEO in before[node] for node in pool)
    cluster = hands["east"].cluster
    ref = hands.kept() if kind == "DaemonSet" else hands.ref("east", "Namespace", NAMESPACE)
    cluster.delete(ref, expected=cluster.read(ref).version)
    hands.wait(seconds=5)
    assert hands.own() == {}
    found = [one.metadata.name for one in cluster.snapshot("daemonsets").objects]
    assert hands.kept().name not in found
    assert "nvidia-driver-daemonset" in found
    spaces = [one.metadata.name for one in cluster.snapshot("namespaces").objects]
    assert (NAMESPACE in spaces) is (kind == "DaemonSet")
    hands.wait(hours=5)
    assert all(hands.lists()[node][VIDEO] == before[node][VIDEO] for node in pool)
