"""What every ``Writable`` promises, whoever implements it.

``fake`` is the adapter against the server of ``tests/apiserver.py``, ``real`` the adapter against a real API server
when KUBEBUILDER_ASSETS names one, ``demo`` the simulated estate.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from services.access import ROLES, User
from services.adapters.kube import KubeCluster
from services.domain.change.refs import Live, Ref
from services.errors import Busy, Conflict, Forbidden, NotFound, Rejected
from services.ports import Writable
from tests import apiserver, realapi
from tests.apiserver import START, Asked, Clock, eventually

STANDS = ["fake", "demo", "real"]

_serial = itertools.count()


def fresh(word: str) -> str:
    """A name nothing else has: a real server is shared by all tests."""
    return f"{word}-{next(_serial)}"


def configmap(**more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": {"config.yaml": "tier: one\n"}, **more}


def deployment(name: str, replicas: int = 2) -> dict[str, Any]:
    pod = {"containers": [{"name": "c", "image": "registry.k8s.io/pause:3.10"}]}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}


def pod(node: str, labels: dict[str, str], gpus: int) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    spec = {
        "nodeName": node,
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "c", "image": "registry.k8s.io/pause:3.10", "resources": {"limits": limits}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": labels}, "spec": spec}


class Stand:
    """A cluster to write to, and what only a test may do to it."""

    name = "test"
    namespace = "default"
    cluster: Writable

    def ref(self, kind: str, name: str = "") -> Ref:
        """A reference in the namespace of the stand; a name nothing has, unless one is given."""
        namespace = "" if kind in {"Node", "Namespace", "PriorityClass"} else self.namespace
        return Ref.of(self.name, kind, name or fresh(kind.lower()), namespace)

    def made(self, kind: str, body: dict[str, Any]) -> Live:
        """An object that was just created."""
        return self.cluster.create(self.ref(kind), body)

    def powerless(self) -> Writable:
        """The same cluster for an account that may do nothing."""
        raise NotImplementedError

    def node(self) -> Ref:
        raise NotImplementedError

    def bare_pod(self, app: str = "") -> Live:
        """A running pod with one GPU that no budget protects; ``app`` is its label, for :meth:`protect`."""
        raise NotImplementedError

    def guarded_pod(self) -> Live:
        """A running pod whose budget forbids evicting it now."""
        app = fresh("guarded")
        found = self.bare_pod(app)
        self.protect(app)
        return found

    def protect(self, app: str) -> None:
        """A budget that forbids evicting pods with the label."""
        raise NotImplementedError

    def quota(self, namespace: str, gpus: int) -> None:
        """A quota that is counted, in a new namespace."""
        raise NotImplementedError


class Server(Stand):
    """A server that speaks HTTP; subclasses say how a test reaches behind it."""

    cluster: KubeCluster

    def place(self, path: str, obj: dict[str, Any]) -> None:
        raise NotImplementedError

    def state(self, path: str, status: dict[str, Any]) -> None:
        """Set a status, as controllers and the kubelet do."""
        raise NotImplementedError

    def node(self) -> Ref:
        ref = self.ref("Node")
        self.cluster.create(ref, {"apiVersion": "v1", "kind": "Node", "spec": {}})
        return ref

    def bare_pod(self, app: str = "") -> Live:
        ref = self.ref("Pod")
        self.cluster.create(ref, pod(self.node().name, {"app": app or ref.name}, 1))
        self.state(ref.path, {"phase": "Running"})
        return self.cluster.read(ref)

    def protect(self, app: str) -> None:
        ref = self.ref("PodDisruptionBudget")
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": app}}}
        self.cluster.create(ref, {"apiVersion": ref.api, "kind": ref.kind, "spec": spec})
        counts = {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}
        self.state(ref.path, counts | {"observedGeneration": 1})

    def quota(self, namespace: str, gpus: int) -> None:
        self.cluster.create(Ref.of(self.name, "Namespace", namespace), {"apiVersion": "v1", "kind": "Namespace"})
        ref = Ref.of(self.name, "ResourceQuota", "gpu-quota", namespace)
        hard = {"requests.nvidia.com/gpu": str(gpus)}
        self.cluster.create(ref, {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": hard}})
        self.state(ref.path, {"hard": hard, "used": {"requests.nvidia.com/gpu": "0"}})


class Fake(Server):
    def __init__(self, stack: ExitStack) -> None:
        self.server = stack.enter_context(apiserver.running())
        self.server.withdraw("autoscaling.x-k8s.io/v1beta1", "capacitybuffers")
        self.cluster = self.server.cluster()

    def state(self, path: str, status: dict[str, Any]) -> None:
        self.server.change(path, {"status": status})

    def powerless(self) -> Writable:
        self.server.may = lambda asked: False
        return self.cluster

    def allow(self, group: str) -> None:
        """Let only members of a group change Deployments; the account itself may impersonate."""
        self.server.may = lambda asked: asked.verb == "impersonate" or (_about(asked) and group in asked.groups)


class Real(Server):
    def __init__(self, stack: ExitStack, api: realapi.RealApi) -> None:
        self._api, self._stack = api, stack
        self.cluster = self._as("admin")

    def _as(self, user: str) -> KubeCluster:
        cluster = KubeCluster(self.name, self._api.access(user), clock=Clock(START), kinds={})
        self._stack.callback(cluster.close)
        return cluster

    def state(self, path: str, status: dict[str, Any]) -> None:
        self._api.ask("PATCH", f"{path}/status", {"status": status}, patch=True)

    def quota(self, namespace: str, gpus: int) -> None:
        """Admission sees a quota's status a moment after it is written."""
        super().quota(namespace, gpus)
        eventually(lambda: self._refuses(Ref.of(self.name, "Pod", "greedy", namespace), gpus + 1))

    def _refuses(self, ref: Ref, gpus: int) -> bool:
        try:
            self.cluster.create(ref, pod("n1", {}, gpus), dry_run=True)
        except Rejected:
            return True
        return False

    def powerless(self) -> Writable:
        return self._as("nobody")

    def allow(self, group: str) -> None:
        root = "/apis/rbac.authorization.k8s.io/v1/"
        rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "create"]}
        role = {"metadata": {"name": group}, "rules": [rule]}
        self._api.ask("POST", f"{root}clusterroles", role | {"apiVersion": f"{root[6:-1]}", "kind": "ClusterRole"})
        binding = {
            "apiVersion": root[6:-1],
            "kind": "ClusterRoleBinding",
            "metadata": {"name": group},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": group},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
        }
        self._api.ask("POST", f"{root}clusterrolebindings", binding)


class Demo(Stand):
    """The simulated estate: what is there is used, for nothing can be put behind its back."""

    def __init__(self, stack: ExitStack) -> None:
        from services.demo import build

        pool = stack.enter_context(ThreadPoolExecutor(1))
        sources = build(clock=lambda: START, pool=pool)
        self.name, source = "demo-west", sources["demo-west"]  # demo-east serves CapacityBuffer on purpose
        self.cluster = self._watched = source.cluster
        self.namespace = self._watched.snapshot("namespaces").objects[0].metadata.name

    def node(self) -> Ref:
        return self.ref("Node", self._watched.snapshot("nodes").objects[0].metadata.name)

    def powerless(self) -> Writable:
        pytest.skip("the demo is one account with every right")

    def bare_pod(self, app: str = "") -> Live:
        return self._pod(Busy, wanted=False)

    def guarded_pod(self) -> Live:
        return self._pod(Busy, wanted=True)

    def quota(self, namespace: str, gpus: int) -> None:
        pytest.skip("the demo has the quotas of its scenario")

    def _pod(self, error: type[Exception], *, wanted: bool) -> Live:
        for found in self._watched.snapshot("pods").objects:
            if not (found.spec.node_name and found.status.phase == "Running"):
                continue
            ref = Ref.of(self.name, "Pod", found.metadata.name, found.metadata.namespace)
            try:
                self.cluster.evict(ref, dry_run=True)
                refused = False
            except error:
                refused = True
            if refused is wanted:
                return self.cluster.read(ref)
        raise AssertionError("the scenario has no such pod")


def _about(asked: Asked) -> bool:
    return (asked.group, asked.resource) == ("apps", "deployments") and asked.verb in {"get", "create"}


@pytest.fixture(scope="module")
def real_api() -> Iterator[realapi.RealApi]:
    with realapi.running() as api:
        yield api


@pytest.fixture(params=STANDS)
def stand(request) -> Iterator[Stand]:
    with ExitStack() as stack:
        if request.param == "real":
            yield Real(stack, request.getfixturevalue("real_api"))
        else:
            yield {"fake": Fake, "demo": Demo}[request.param](stack)


over_http = pytest.mark.parametrize("stand", [name for name in STANDS if name != "demo"], indirect=True)


# Reading


def test_what_is_not_there_is_not_found(stand):
    ref = stand.ref("ConfigMap")
    with pytest.raises(NotFound, match=f"^ConfigMap {stand.namespace}/{ref.name} does not exist"):
        stand.cluster.read(ref)


def test_a_kind_the_cluster_does_not_serve_is_said_to_be_missing(stand):
    ref = stand.ref("CapacityBuffer")
    with pytest.raises(NotFound, match=r"has no API for capacitybuffers \(autoscaling.x-k8s.io/v1beta1\)"):
        stand.cluster.read(ref)


def test_what_is_read_is_whole(stand):
    node = stand.node()
    live = stand.cluster.read(node)
    assert (live.ref, live.body["kind"], live.body["apiVersion"]) == (node, "Node", "v1")
    assert live.meta["name"] == node.name
    assert live.version
    assert live.uid


def test_the_pods_of_a_node_are_those_bound_to_it(stand):
    wanted = stand.bare_pod()
    stand.bare_pod()
    node = wanted.body["spec"]["nodeName"]
    pods = stand.cluster.pods_on(node)
    assert wanted.uid in {pod.uid for pod in pods}
    assert {pod.body["spec"]["nodeName"] for pod in pods} == {node}
    assert {pod.body["kind"] for pod in pods} == {"Pod"}


# Creating


def test_what_is_created_can_be_read_and_not_created_again(stand):
    ref = stand.ref("ConfigMap")
    created = stand.cluster.create(ref, configmap(metadata={"name": ref.name}))
    read = stand.cluster.read(ref)
    assert (read.version, read.uid) == (created.version, created.uid)
    assert read.body["data"] == {"config.yaml": "tier: one\n"}
    with pytest.raises(Conflict, match=f"ConfigMap {stand.namespace}/{ref.name} exists already"):
        stand.cluster.create(ref, configmap(metadata={"name": ref.name}))


def test_a_dry_run_of_a_create_answers_and_keeps_nothing(stand):
    ref = stand.ref("Deployment")
    would = stand.cluster.create(ref, deployment(ref.name) | {"metadata": {"name": ref.name}}, dry_run=True)
    assert would.body["spec"]["replicas"] == 2
    with pytest.raises(NotFound):
        stand.cluster.read(ref)


def test_nothing_is_created_in_a_namespace_that_is_not_there(stand):
    ref = Ref.of(stand.name, "ConfigMap", "x", "nowhere")
    with pytest.raises(NotFound, match="Namespace nowhere does not exist"):
        stand.cluster.create(ref, configmap(metadata={"name": "x"}))


def test_a_priority_class_has_a_generation_and_a_negative_value(stand):
    ref = stand.ref("PriorityClass")
    body = {"apiVersion": ref.api, "kind": ref.kind, "metadata": {"name": ref.name}, "value": -10}
    assert stand.cluster.create(ref, body).body["value"] == -10
    assert stand.cluster.read(ref).meta["generation"] == 1


def test_a_misspelt_field_is_refused_at_creation(stand):
    ref = stand.ref("Deployment")
    body = deployment(ref.name) | {"metadata": {"name": ref.name}}
    body["spec"]["replicaz"] = 3
    with pytest.raises(Rejected, match=r'unknown field "spec\.replicaz"'):
        stand.cluster.create(ref, body)


def test_a_pod_over_the_quota_is_rejected_in_the_quotas_words(stand):
    namespace = fresh("team")
    stand.quota(namespace, gpus=1)
    ref = Ref.of(stand.name, "Pod", "two", namespace)
    with pytest.raises(Rejected, match=r"exceeded quota: gpu-quota, requested: requests\.nvidia\.com/gpu=2") as refused:
        stand.cluster.create(ref, pod("n1", {}, 2))
    assert type(refused.value) is Rejected
    assert stand.cluster.create(Ref.of(stand.name, "Pod", "one", namespace), pod("n1", {}, 1)).uid


# Patching


def test_a_patch_needs_the_version_that_was_read(stand):
    made = stand.made("ConfigMap", configmap())
    first = stand.cluster.patch(made.ref, {"data": {"a": "1"}}, expected=made.version)
    assert first.version != made.version
    with pytest.raises(Conflict, match="changed since it was read"):
        stand.cluster.patch(made.ref, {"data": {"a": "2"}}, expected=made.version)
    assert stand.cluster.read(made.ref).body["data"] == {"config.yaml": "tier: one\n", "a": "1"}


def test_a_dry_run_of_a_patch_answers_and_keeps_nothing(stand):
    made = stand.made("ConfigMap", configmap())
    would = stand.cluster.patch(made.ref, {"data": {"a": "1"}}, expected=made.version, dry_run=True)
    assert would.body["data"]["a"] == "1"
    assert stand.cluster.read(made.ref).version == made.version
    assert "a" not in stand.cluster.read(made.ref).body["data"]


def test_a_dry_run_finds_a_conflict_as_well(stand):
    made = stand.made("ConfigMap", configmap())
    stand.cluster.patch(made.ref, {"data": {"a": "1"}}, expected=made.version)
    with pytest.raises(Conflict):
        stand.cluster.patch(made.ref, {"data": {"a": "2"}}, expected=made.version, dry_run=True)


def test_null_removes_a_key_and_leaves_the_others(stand):
    made = stand.made("ConfigMap", configmap(data={"a": "1", "b": "2"}))
    stand.cluster.patch(made.ref, {"data": {"a": None}}, expected=made.version)
    assert stand.cluster.read(made.ref).body["data"] == {"b": "2"}


def test_the_generation_counts_changes_of_the_wish_and_not_of_labels(stand):
    made = stand.made("Deployment", deployment(fresh("app")))
    assert made.meta["generation"] == 1
    labelled = stand.cluster.patch(made.ref, {"metadata": {"labels": {"x": "y"}}}, expected=made.version)
    assert labelled.meta["generation"] == 1
    scaled = stand.cluster.patch(made.ref, {"spec": {"replicas": 5}}, expected=labelled.version)
    assert (scaled.meta["generation"], scaled.body["spec"]["replicas"]) == (2, 5)


def test_what_we_set_is_noted_as_ours(stand):
    made = stand.made("ConfigMap", configmap())
    live = stand.cluster.patch(made.ref, {"data": {"a": "1"}}, expected=made.version)
    ours = [entry for entry in live.meta["managedFields"] if entry["manager"] == "gpu-fleet-console"]
    assert any("f:a" in entry["fieldsV1"].get("f:data", {}) for entry in ours)


def test_a_node_is_labelled_and_its_label_taken_away(stand):
    key = "nvidia.com/device-plugin.config"
    before = stand.cluster.read(stand.node())
    set_ = stand.cluster.patch(before.ref, {"metadata": {"labels": {key: "ts4"}}}, expected=before.version)
    assert set_.labels[key] == "ts4"
    gone = stand.cluster.patch(before.ref, {"metadata": {"labels": {key: None}}}, expected=set_.version)
    assert key not in gone.labels


def test_a_node_is_cordoned_and_uncordoned(stand):
    before = stand.cluster.read(stand.node())
    cordoned = stand.cluster.patch(before.ref, {"spec": {"unschedulable": True}}, expected=before.version)
    assert cordoned.body["spec"]["unschedulable"] is True
    free = stand.cluster.patch(before.ref, {"spec": {"unschedulable": None}}, expected=cordoned.version)
    assert not free.body["spec"].get("unschedulable")


@pytest.mark.parametrize("dry_run", [False, True])
def test_an_invalid_label_is_rejected_by_its_field_and_in_short(stand, dry_run):
    before = stand.cluster.read(stand.node())
    patch = {"metadata": {"labels": {"x": "not valid!"}}}
    with pytest.raises(Rejected, match=r'metadata\.labels: Invalid value: "not valid!": a valid label must') as refused:
        stand.cluster.patch(before.ref, patch, expected=before.version, dry_run=dry_run)
    assert str(refused.value).count("not valid!") == 1
    assert "regex" not in str(refused.value)
    assert "x" not in stand.cluster.read(before.ref).labels


def test_an_immutable_configmap_is_not_changed(stand):
    made = stand.made("ConfigMap", configmap(immutable=True))
    with pytest.raises(Rejected, match="data: Forbidden: field is immutable"):
        stand.cluster.patch(made.ref, {"data": {"a": "1"}}, expected=made.version)


def test_a_value_of_a_wrong_type_is_rejected_without_showing_the_rest(stand):
    made = stand.made("ConfigMap", configmap(data={"config.yaml": "api_key: sk-very-secret\n"}))
    with pytest.raises(Rejected, match="data: expected string, not number") as refused:
        stand.cluster.patch(made.ref, {"data": {"n": 5}}, expected=made.version)
    assert "sk-very-secret" not in f"{refused.value} {refused.value.hint}"


def test_a_misspelt_field_is_refused_in_a_patch(stand):
    made = stand.made("Deployment", deployment(fresh("app")))
    with pytest.raises(Rejected, match=r'unknown field "spec\.replicaz"') as refused:
        stand.cluster.patch(made.ref, {"spec": {"replicaz": 3}}, expected=made.version)
    assert "managedFields" not in str(refused.value)


def test_a_negative_number_of_replicas_is_rejected(stand):
    made = stand.made("Deployment", deployment(fresh("app")))
    with pytest.raises(Rejected, match=r"spec\.replicas: Invalid value: -1: must be greater than or equal to 0"):
        stand.cluster.patch(made.ref, {"spec": {"replicas": -1}}, expected=made.version)


def test_a_selector_cannot_be_changed_and_its_labels_are_not_repeated(stand):
    made = stand.made("Deployment", deployment(fresh("app")))
    patch = {"spec": {"selector": {"matchLabels": {"app": "zebra"}}}}
    with pytest.raises(Rejected, match=r"spec\.selector: field is immutable") as refused:
        stand.cluster.patch(made.ref, patch, expected=made.version)
    assert "zebra" not in str(refused.value)


def test_what_is_not_there_cannot_be_patched(stand):
    with pytest.raises(NotFound):
        stand.cluster.patch(stand.ref("ConfigMap"), {"data": {"a": "1"}}, expected="1")


def test_a_patch_without_a_version_is_a_mistake_of_ours(stand):
    with pytest.raises(ValueError, match="without the version"):
        stand.cluster.patch(stand.ref("ConfigMap"), {"data": {"a": "1"}}, expected="")


# Deleting


def test_a_delete_needs_the_version_and_the_uid_that_were_read(stand):
    made = stand.made("ConfigMap", configmap())
    with pytest.raises(Conflict):
        stand.cluster.delete(made.ref, expected="1", uid=made.uid)
    with pytest.raises(Conflict):
        stand.cluster.delete(made.ref, expected=made.version, uid="00000000-0000-0000-0000-000000000000")
    stand.cluster.delete(made.ref, expected=made.version, uid=made.uid, dry_run=True)
    assert stand.cluster.read(made.ref).version == made.version
    stand.cluster.delete(made.ref, expected=made.version, uid=made.uid)
    with pytest.raises(NotFound):
        stand.cluster.read(made.ref)
    with pytest.raises(NotFound):
        stand.cluster.delete(made.ref, expected=made.version, uid=made.uid)


# Evicting


def test_a_pod_nothing_protects_is_evicted(stand):
    target = stand.bare_pod()
    stand.cluster.evict(target.ref, uid=target.uid, dry_run=True)
    assert stand.cluster.read(target.ref).uid == target.uid
    stand.cluster.evict(target.ref, uid=target.uid)
    with suppress(NotFound):  # it had no grace period
        assert stand.cluster.read(target.ref).meta["deletionTimestamp"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_pod_its_budget_protects_is_busy_and_stays(stand, dry_run):
    target = stand.guarded_pod()
    with pytest.raises(Busy, match=r"cannot be evicted now: The disruption budget \S+ needs \d+ healthy pods and has"):
        stand.cluster.evict(target.ref, uid=target.uid, dry_run=dry_run)
    assert stand.cluster.read(target.ref).uid == target.uid


def test_a_pod_that_is_gone_needs_no_eviction(stand):
    stand.cluster.evict(stand.ref("Pod"), uid="00000000-0000-0000-0000-000000000000")


def test_a_pod_that_was_replaced_is_left_alone(stand):
    target = stand.bare_pod()
    stand.cluster.evict(target.ref, uid="00000000-0000-0000-0000-000000000000")
    live = stand.cluster.read(target.ref)
    assert live.uid == target.uid
    assert "deletionTimestamp" not in live.meta


@over_http
def test_two_budgets_for_one_pod_are_told_to_be_sorted_out(stand):
    app = fresh("twice")
    target = stand.bare_pod(app)
    stand.protect(app)
    stand.protect(app)
    with pytest.raises(Rejected, match="more than one PodDisruptionBudget protects it") as refused:
        stand.cluster.evict(target.ref, uid=target.uid)
    assert "selectors" in refused.value.hint


# Rights


def test_with_every_right_everything_is_allowed(stand):
    ref = stand.ref("Deployment")
    assert stand.cluster.allowed("create", ref)
    assert stand.cluster.allowed("create", stand.ref("Pod"), subresource="eviction")


def test_a_missing_right_is_forbidden_with_the_rule_that_would_help(stand):
    made = stand.made("Deployment", deployment(fresh("app")))
    powerless = stand.powerless()
    with pytest.raises(Forbidden, match=r"may not patch deployments in namespace default \(403\)") as refused:
        powerless.patch(made.ref, {"spec": {"replicas": 1}}, expected=made.version)
    assert '{apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"]}' in refused.value.hint
    assert not powerless.allowed("patch", made.ref)
    assert not powerless.allowed("create", made.ref, subresource="scale")


@over_http
def test_who_may_not_impersonate_is_told_so(stand):
    powerless = stand.powerless()
    ana = User("ana", "Ana", ROLES["operator"], kube_name="ana@example.com")
    with pytest.raises(Forbidden, match="may not act for other people"):
        powerless.as_user(ana).read(stand.ref("Deployment"))


@over_http
def test_a_person_has_the_rights_of_all_their_groups_and_no_others(stand):
    group = fresh("gpu-operators")
    stand.allow(group)
    ref = stand.ref("Deployment")
    body = deployment(ref.name) | {"metadata": {"name": ref.name}}
    for groups in ((group, "staff"), ("staff", group)):
        ana = stand.cluster.as_user(User("1", "Ana", ROLES["operator"], groups=groups, kube_name="ana@example.com"))
        assert ana.allowed("create", ref)
        assert ana.create(ref, body, dry_run=True).ref == ref
        with pytest.raises(Forbidden, match=r"ana@example\.com may not delete deployments"):
            ana.delete(ref, expected="1")
    bob = stand.cluster.as_user(User("2", "Bob", ROLES["operator"], groups=("staff",), kube_name="bob@example.com"))
    assert not bob.allowed("create", ref)
    with pytest.raises(Forbidden, match=r"bob@example\.com may not create deployments"):
        bob.create(ref, body, dry_run=True)
