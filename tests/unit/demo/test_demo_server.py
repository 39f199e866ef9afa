from datetime import timedelta

import pytest

from services.access import DEMO
from services.demo.server import Server
from services.domain.change.refs import Ref
from services.domain.kinds import KINDS
from services.errors import Busy, Conflict, Forbidden, NotFound, Rejected
from tests.unit.demo.handling import Hands, placeholders

SPACE = Ref.of("demo-east", "Namespace", "gpu-headroom")
CONFIG = Ref.of("demo-east", "ConfigMap", "notes", "research")


@pytest.fixture
def hands() -> Hands:
    return Hands()


def test_what_is_created_can_be_read_and_is_in_the_next_snapshot(hands: Hands) -> None:
    made = hands.create(SPACE, {"metadata": {"labels": {"team": "platform"}}})
    assert made.body["status"] == {"phase": "Active"}
    assert made.meta["creationTimestamp"] == "2026-06-03T10:30:30Z"
    assert made.meta["labels"] == {"kubernetes.io/metadata.name": "gpu-headroom", "team": "platform"}
    names = [one.metadata.name for one in hands["east"].cluster.snapshot("namespaces").objects]
    assert "gpu-headroom" in names
    assert "gpu-headroom" not in [one.metadata.name for one in hands["west"].cluster.snapshot("namespaces").objects]


def test_creating_it_again_is_a_conflict(hands: Hands) -> None:
    hands.create(SPACE, {})
    with pytest.raises(Conflict, match="Namespace gpu-headroom exists already"):
        hands.create(SPACE, {})


def test_a_namespace_must_exist_for_what_is_created_in_it(hands: Hands) -> None:
    with pytest.raises(NotFound, match="Namespace nope does not exist"):
        hands.create(Ref.of("demo-east", "ConfigMap", "notes", "nope"), {})


def test_a_dry_run_answers_and_keeps_nothing(hands: Hands) -> None:
    cluster = hands["east"].cluster
    said = cluster.create(CONFIG, {"data": {"a": "1"}}, dry_run=True)
    assert said.body["data"] == {"a": "1"}
    with pytest.raises(NotFound, match="ConfigMap research/notes does not exist"):
        cluster.read(CONFIG)
    assert not hands.journal.entries()


def test_each_write_makes_a_new_version_even_within_a_second(hands: Hands) -> None:
    cluster = hands["east"].cluster
    versions = [hands.create(CONFIG, {"data": {"a": "1"}}).version]
    for value in ("2", "3"):
        versions.append(cluster.patch(CONFIG, {"data": {"a": value}}, expected=versions[-1]).version)
    assert sorted(set(versions), key=int) == versions
    with pytest.raises(Conflict, match="ConfigMap research/notes changed since it was read"):
        cluster.patch(CONFIG, {"data": {"a": "4"}}, expected=versions[0])
    assert cluster.read(CONFIG).body["data"] == {"a": "3"}


def test_a_patch_sets_removes_and_is_ours(hands: Hands) -> None:
    hands.create(CONFIG, {"data": {"a": "1", "b": "2"}})
    after = hands.patch(CONFIG, {"data": {"a": None, "c": "3"}})
    assert after.body["data"] == {"b": "2", "c": "3"}
    managers = [entry["manager"] for entry in after.meta["managedFields"]]
    assert managers == ["gpu-fleet-console"]


def test_generation_counts_changes_of_the_spec_only(hands: Hands) -> None:
    rerank = Ref.of("demo-east", "Deployment", "rerank", "search-prod")
    assert hands.read(rerank)["metadata"]["generation"] == 1
    assert hands.patch(rerank, {"metadata": {"annotations": {"a": "b"}}}).meta["generation"] == 1
    assert hands.patch(rerank, {"spec": {"replicas": 2}}).meta["generation"] == 2


def test_a_controller_sees_a_new_spec_within_a_second(hands: Hands) -> None:
    rerank = Ref.of("demo-east", "Deployment", "rerank", "search-prod")
    assert hands.patch(rerank, {"spec": {"replicas": 2}}).body["status"]["observedGeneration"] == 1
    hands.wait(seconds=1)
    assert hands.read(rerank)["status"]["observedGeneration"] == 2
    assert hands.read(rerank)["status"]["replicas"] == 2


def test_deleting_needs_the_version_and_the_uid(hands: Hands) -> None:
    made = hands.create(CONFIG, {})
    cluster = hands["east"].cluster
    with pytest.raises(Conflict, match="changed since it was read"):
        cluster.delete(CONFIG, expected=made.version, uid="another")
    cluster.delete(CONFIG, expected=made.version, uid=made.uid, dry_run=True)
    cluster.delete(CONFIG, expected=made.version, uid=made.uid)
    with pytest.raises(NotFound):
        cluster.read(CONFIG)
    assert hands.create(CONFIG, {}).uid != made.uid


def test_what_is_in_a_namespace_goes_with_it(hands: Hands) -> None:
    hands.headroom(1)
    cluster = hands["east"].cluster
    cluster.delete(SPACE, expected=cluster.read(SPACE).version)
    with pytest.raises(NotFound):
        cluster.read(Ref.of("demo-east", "Deployment", "warm", "gpu-headroom"))


def test_labels_are_validated_in_the_servers_words(hands: Hands) -> None:
    node = Ref.of("demo-east", "Node", hands.gpu_nodes("east", "t4-spot")[0])
    with pytest.raises(Rejected, match=r'metadata\.labels: Invalid value: "not valid!": a valid label must be'):
        hands.patch(node, {"metadata": {"labels": {"x": "not valid!"}}})
    assert "x" not in hands.read(node)["metadata"]["labels"]


def test_fields_that_are_fixed_stay_fixed(hands: Hands) -> None:
    deployment = hands.headroom(1)
    with pytest.raises(Rejected, match=r"spec\.selector: field is immutable"):
        hands.patch(deployment, {"spec": {"selector": {"matchLabels": {"app": "other"}}}})
    with pytest.raises(Rejected, match="value: field is immutable"):
        hands.patch(Ref.of("demo-east", "PriorityClass", "gpu-headroom"), {"value": 5})
    with pytest.raises(Rejected, match="must be greater than or equal to 0"):
        hands.patch(deployment, {"spec": {"replicas": -1}})


def test_a_pod_beyond_the_quota_is_rejected_in_the_servers_words(hands: Hands) -> None:
    container = {"name": "main", "resources": {"limits": {"nvidia.com/gpu": "25"}}}
    pod = Ref.of("demo-east", "Pod", "greedy", "assistants-train")
    with pytest.raises(
        Rejected, match=r"exceeded quota: assistants-train-gpus, requested: requests\.nvidia\.com/gpu=25"
    ):
        hands.create(pod, {"spec": {"containers": [container]}})


def test_apis_differ_between_the_clusters(hands: Hands) -> None:
    for name, kind in (("cluster-policy", "ClusterPolicy"), ("warm", "CapacityBuffer")):
        ref = Ref.of("demo-west", kind, name, "research" if kind == "CapacityBuffer" else "")
        with pytest.raises(NotFound, match="The cluster has no API for"):
            hands["west"].cluster.read(ref)
    assert hands.read(Ref.of("demo-east", "ClusterPolicy", "cluster-policy"))["spec"]["mig"] == {"strategy": "mixed"}
    assert "autoscaling.x-k8s.io" in hands["east"].cluster.api_groups() - hands["west"].cluster.api_groups()


def test_nothing_in_the_cluster_looks_at_a_buffer(hands: Hands) -> None:
    buffer = Ref.of("demo-east", "CapacityBuffer", "warm", "research")
    hands.create(buffer, {"spec": {"replicas": 2}})
    hands.wait(minutes=10)
    assert "status" not in hands.read(buffer)
    (seen,) = hands["east"].cluster.snapshot("capacitybuffers").objects
    assert (seen.metadata.name, seen.spec, seen.status) == ("warm", {"replicas": 2}, None)


def test_missing_rights_are_forbidden_and_known_beforehand() -> None:
    hands = Hands(changes={"forbidden": {("patch", "Node"), ("create", "Eviction")}})
    cluster = hands["east"].cluster
    node = Ref.of("demo-east", "Node", hands.gpu_nodes("east", "t4-spot")[0])
    assert not cluster.allowed("patch", node)
    assert cluster.allowed("get", node)
    with pytest.raises(Forbidden, match="demo may not patch nodes in the whole cluster"):
        hands.patch(node, {"spec": {"unschedulable": True}})
    pod = cluster.pods_on(hands.gpu_nodes("east", "h100-train")[0])[0].ref
    assert not cluster.allowed("create", pod, subresource="eviction")
    with pytest.raises(Forbidden, match="may not create pods/eviction in namespace"):
        cluster.evict(pod)


def test_writes_are_recorded_under_the_persons_name(hands: Hands) -> None:
    person = hands["east"].cluster.as_user(DEMO)
    assert isinstance(person, Server)
    person.create(CONFIG, {})
    (entry,) = hands.journal.entries()
    assert (entry.cluster, entry.actor, entry.entry["verb"]) == ("demo-east", "demo", "create")


def test_a_snapshot_shows_the_same_as_a_read(hands: Hands) -> None:
    hands.headroom(1)
    hands.wait(minutes=5)
    cluster = hands["east"].cluster
    for kind, name in (("Node", "nodes"), ("Pod", "pods"), ("Deployment", "deployments"), ("Namespace", "namespaces")):
        for obj in cluster.snapshot(name).objects:
            live = cluster.read(Ref.of("demo-east", kind, obj.metadata.name, obj.metadata.namespace))
            assert (live.uid, dict(live.labels)) == (obj.metadata.uid, obj.metadata.labels or {})
            assert int(live.version) >= int(obj.metadata.resource_version)
    assert "capacitybuffers" in KINDS


def test_the_single_replica_of_a_protected_workload_cannot_be_evicted(hands: Hands) -> None:
    cluster = hands["west"].cluster
    (pod,) = hands.pods("west", "transcode-")
    ref = Ref.of("demo-west", "Pod", pod.metadata.name, "sandbox")
    with pytest.raises(Busy, match="The disruption budget transcode needs 1 healthy pods and has 1 currently"):
        cluster.evict(ref)
    budget = hands.read(Ref.of("demo-west", "PodDisruptionBudget", "transcode", "sandbox"))["status"]
    assert (budget["currentHealthy"], budget["desiredHealthy"], budget["disruptionsAllowed"]) == (1, 1, 0)


def test_a_budget_with_room_lets_pods_go_until_it_has_none(hands: Hands) -> None:
    cluster = hands["east"].cluster
    allowed = hands.read(Ref.of("demo-east", "PodDisruptionBudget", "rerank", "search-prod"))["status"]
    pods = hands.pods("east", "rerank-")
    assert allowed["disruptionsAllowed"] == len(pods) - 2
    refused = 0
    for pod in pods:
        try:
            cluster.evict(Ref.of("demo-east", "Pod", pod.metadata.name, "search-prod"), uid=pod.metadata.uid)
        except Busy:
            refused += 1
        hands.wait(seconds=4)  # the first is gone, the next not ready yet
    assert refused == 2


def test_evicting_a_pod_that_is_gone_is_no_error(hands: Hands) -> None:
    cluster = hands["east"].cluster
    cluster.evict(Ref.of("demo-east", "Pod", "ghost", "research"))
    (study,) = hands.pods("east", "ablation-study")
    cluster.evict(Ref.of("demo-east", "Pod", study.metadata.name, "research"), uid="another")
    hands.wait(seconds=5)
    assert hands.pods("east", "ablation-study")


def test_an_estate_reads_the_same_journal_in_another_process_and_after_a_restart(hands: Hands) -> None:
    hands.headroom(2)
    hands.wait(minutes=50)
    other = Hands(clock=hands.clock, journal=hands.journal)
    for kind in ("pods", "nodes", "deployments", "events"):
        assert other["east"].cluster.snapshot(kind) == hands["east"].cluster.snapshot(kind)


def test_a_deployment_without_gpus_rolls_out_in_seconds(hands: Hands) -> None:
    body = placeholders(2, {})
    del body["spec"]["template"]["spec"]["containers"][0]["resources"]
    gateway = Ref.of("demo-east", "Deployment", "gateway", "platform-tools")
    hands.create(gateway, body)
    assert "availableReplicas" not in hands.read(gateway)["status"]
    hands.wait(seconds=20)
    assert hands.read(gateway)["status"]["availableReplicas"] == 2
    hands.patch(gateway, {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}})
    hands.wait(seconds=10)
    status = hands.read(gateway)["status"]
    assert (status["observedGeneration"], status["updatedReplicas"], status["availableReplicas"]) == (2, 1, 2)
    hands.wait(seconds=10)
    assert hands.read(gateway)["status"]["updatedReplicas"] == 2


def test_time_before_a_write_knows_nothing_of_it(hands: Hands) -> None:
    hands.headroom(1)
    hands.wait(minutes=30)
    earlier = Hands(journal=hands.journal)
    earlier.clock.at -= timedelta(minutes=1)
    assert not earlier.pods("east", "warm-")
    with pytest.raises(NotFound):
        earlier.read(SPACE)
