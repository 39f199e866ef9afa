"""What every ``Cluster`` promises, whoever implements it; and what a watched one does when the server changes its mind.

``demo`` is the simulated estate, ``replay`` the adapter against the scripted server of ``tests/apiserver.py``, ``real``
the adapter against a real API server when KUBEBUILDER_ASSETS names one.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.adapters.kube import KubeCluster
from services.adapters.kube_watch import resource_path
from services.domain.kinds import KINDS
from services.domain.objects import Node, Pod
from services.ports import Cluster, Snapshot, SourceStatus, StoreState
from services.settings import KubeAccess
from tests import realapi
from tests.apiserver import GONE, ApiServer, Clock, Pauses, eventually, kubeconfig, recorded

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
_serial = itertools.count()


class Stand:
    """A server and the clusters that watch it, however it is made."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def access(self, user: str) -> KubeAccess:
        raise NotImplementedError

    def create(self, kind: str, obj: dict) -> None:
        raise NotImplementedError

    def label(self, kind: str, obj: dict, key: str, value: str) -> None:
        raise NotImplementedError

    def delete(self, kind: str, obj: dict) -> None:
        raise NotImplementedError

    def watch(self, *kinds: str, user: str = "admin", namespaces: tuple[str, ...] = (), page: int = 500) -> KubeCluster:
        """A started cluster as a user sees it."""
        access = replace(self.access(user), namespaces=namespaces)
        chosen = {name: KINDS[name] for name in kinds or KINDS}
        cluster = KubeCluster("test", access, clock=Clock(START), pause=Pauses(), kinds=chosen, page=page)
        self._stack.callback(cluster.close)
        cluster.start()
        return cluster


class Replay(Stand):
    """Against the scripted server."""

    def __init__(self, stack: ExitStack, folder) -> None:
        super().__init__(stack)
        self._folder = folder
        self.server = stack.enter_context(ApiServer())
        self.server.token = "sesame"
        denied = recorded("access-and-discovery", "list pods without rights")["response"]["body"]
        self._denied = denied

    def access(self, user: str) -> KubeAccess:
        token = "wrong" if user == "stranger" else "sesame"
        if user == "nobody":
            self.server.answer("*", 403, self._denied, when=lambda seen: seen.path.startswith("/api/"))
        return KubeAccess(kubeconfig=kubeconfig(self._folder, self.server.url, name=user, user={"token": token}))

    def create(self, kind: str, obj: dict) -> None:
        self.server.put(kind, obj)

    def label(self, kind: str, obj: dict, key: str, value: str) -> None:
        labels = obj["metadata"].get("labels", {}) | {key: value}
        self.server.put(kind, obj | {"metadata": obj["metadata"] | {"labels": labels}})

    def delete(self, kind: str, obj: dict) -> None:
        self.server.delete(kind, obj["metadata"]["name"], obj["metadata"].get("namespace", ""))


class Real(Stand):
    """Against a real API server, shared by the tests of a run: they tell their objects by name."""

    def __init__(self, stack: ExitStack, api: realapi.RealApi) -> None:
        super().__init__(stack)
        self._api = api

    def access(self, user: str) -> KubeAccess:
        return self._api.access(user)

    def create(self, kind: str, obj: dict) -> None:
        self._api.ask("POST", self._path(kind, obj, named=False), obj)

    def label(self, kind: str, obj: dict, key: str, value: str) -> None:
        self._api.ask("PATCH", self._path(kind, obj), {"metadata": {"labels": {key: value}}}, patch=True)

    def delete(self, kind: str, obj: dict) -> None:
        self._api.ask("DELETE", self._path(kind, obj) + "?gracePeriodSeconds=0")

    def _path(self, kind: str, obj: dict, *, named: bool = True) -> str:
        known = KINDS[kind]
        path = resource_path(known.groups[0], known.plural, obj["metadata"].get("namespace", ""))
        return f"{path}/{obj['metadata']['name']}" if named else path


@pytest.fixture(scope="module")
def real_api() -> Iterator[realapi.RealApi]:
    with realapi.running() as api:
        yield api


@contextmanager
def _demo() -> Iterator[Cluster]:
    from services.demo import build

    with ThreadPoolExecutor(1) as pool:
        sources = build(clock=lambda: START, pool=pool)
        try:
            yield next(iter(sources.values())).cluster
        finally:
            for source in sources.values():
                source.cluster.close()
                if source.metrics is not None:
                    source.metrics.close()


@pytest.fixture
def stand(request, tmp_path) -> Iterator[Stand]:
    with ExitStack() as stack:
        if request.param == "real":
            yield Real(stack, request.getfixturevalue("real_api"))
        else:
            yield Replay(stack, tmp_path)


@pytest.fixture(params=["demo", "replay", "real"])
def cluster(request, tmp_path) -> Iterator[Cluster]:
    """A started cluster that holds a GPU node and a pod, when every installed kind has been read."""
    with ExitStack() as stack:
        if request.param == "demo":
            watched: Cluster = stack.enter_context(_demo())
            watched.start()
        else:
            stand = (
                Replay(stack, tmp_path)
                if request.param == "replay"
                else Real(stack, request.getfixturevalue("real_api"))
            )
            made = gpu_node(), gpu_pod()
            stand.create("nodes", made[0])
            stand.create("pods", made[1])
            stack.callback(stand.delete, "nodes", made[0])
            stack.callback(stand.delete, "pods", made[1])
            watched = stand.watch()
        eventually(lambda: all(watched.snapshot(name).state is not StoreState.LOADING for name in KINDS), within_s=30)
        yield watched


both = pytest.mark.parametrize("stand", ["replay", "real"], indirect=True)
scripted = pytest.mark.parametrize("stand", ["replay"], indirect=True)


def unique(prefix: str) -> str:
    return f"{prefix}-{next(_serial)}"


def gpu_node() -> dict:
    amounts = {"cpu": "8", "memory": "64Gi", "pods": "110", "nvidia.com/gpu": "2"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": unique("gpu"), "labels": {"nvidia.com/gpu.present": "true"}},
        "status": {"capacity": amounts, "allocatable": amounts},
    }


def gpu_pod() -> dict:
    asks = {"limits": {"nvidia.com/gpu": "1"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": unique("train"), "namespace": "default"},
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/train", "resources": asks}]},
    }


def priority_class(prefix: str = "priority") -> dict:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": unique(prefix)},
        "value": 7,
    }


def named(snapshot: Snapshot, obj: dict):
    """The object of that name, or None."""
    return next((o for o in snapshot.objects if o.metadata.name == obj["metadata"]["name"]), None)


# What all three promise


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_snapshot_with_a_state(cluster, kind):
    snapshot = cluster.snapshot(kind)
    assert snapshot.kind == kind
    assert isinstance(snapshot.version, int)
    assert all(isinstance(obj, KINDS[kind].struct) for obj in snapshot.objects)
    assert snapshot.state is StoreState.READY or (not KINDS[kind].installed and snapshot.state is StoreState.ABSENT)
    if snapshot.state is StoreState.READY:
        assert snapshot.as_of is not None
        assert snapshot.as_of.utcoffset() == timedelta(0)
        assert (snapshot.message, snapshot.since, snapshot.scope) == ("", None, ())
    else:
        assert snapshot.message
        assert list(snapshot.objects) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_kind_that_is_read_is_known_by_the_version_it_is_served_in(cluster, kind):
    snapshot = cluster.snapshot(kind)
    assert snapshot.api in (KINDS[kind].groups if snapshot.state is StoreState.READY else ("",))


def test_a_snapshot_is_the_same_while_its_version_is(cluster):
    first, second = cluster.snapshot("nodes"), cluster.snapshot("nodes")
    assert second.version >= first.version
    if second.version == first.version:
        assert list(second.objects) == list(first.objects)


def test_versions_only_grow(cluster):
    versions = [cluster.snapshot("pods").version for _ in range(5)]
    assert versions == sorted(versions)


def test_nodes_carry_what_the_inventory_reads(cluster):
    offering = [node for node in cluster.snapshot("nodes").objects if "nvidia.com/gpu" in (node.status.capacity or {})]
    assert offering
    assert all(isinstance(node, Node) and node.metadata.name and node.metadata.uid for node in offering)
    dated = [node.metadata.creation_timestamp for node in offering if node.metadata.creation_timestamp is not None]
    assert all(at.utcoffset() == timedelta(0) for at in dated)
    assert any((node.metadata.labels or {}).get("nvidia.com/gpu.present") == "true" for node in offering)


def test_pods_carry_what_the_allocation_reads(cluster):
    pods = cluster.snapshot("pods").objects
    assert all(isinstance(pod, Pod) and pod.metadata.namespace and pod.metadata.uid for pod in pods)
    limits = [c.resources.limits or {} for pod in pods for c in pod.spec.containers if c.resources is not None]
    assert any("nvidia.com/gpu" in limit for limit in limits)


def test_names_are_unique_within_a_namespace(cluster):
    for kind in ("nodes", "pods", "namespaces"):
        keys = [(obj.metadata.namespace, obj.metadata.name) for obj in cluster.snapshot(kind).objects]
        assert len(keys) == len(set(keys))


def test_an_unknown_kind_is_a_key_error(cluster):
    with pytest.raises(KeyError):
        cluster.snapshot("unicorns")


def test_a_probe_says_where_which_version_and_how_fast(cluster):
    answer = cluster.probe()
    assert isinstance(answer, SourceStatus)
    assert (answer.source, answer.reachable, answer.message, answer.since) == ("kubernetes", True, "", None)
    assert answer.version.startswith("v1.")
    assert answer.address
    assert "@" not in answer.address
    assert answer.latency_s is None or answer.latency_s >= 0
    assert answer.newest_at is None or answer.newest_at.utcoffset() == timedelta(0)


def test_api_groups_are_names(cluster):
    groups = cluster.api_groups()
    assert isinstance(groups, frozenset)
    assert {"apps", "batch"} <= groups


def test_starting_and_closing_twice_is_allowed_and_snapshots_stay(cluster):
    cluster.start()
    before = len(cluster.snapshot("nodes").objects)
    cluster.close()
    cluster.close()
    assert len(cluster.snapshot("nodes").objects) == before


# What a watched cluster does


@both
def test_a_list_in_pages_has_every_object_once(stand):
    made = [priority_class("paged") for _ in range(7)]
    for obj in made:
        stand.create("priorityclasses", obj)
    watched = stand.watch("priorityclasses", page=3)
    eventually(lambda: watched.snapshot("priorityclasses").state is StoreState.READY)
    snapshot = watched.snapshot("priorityclasses")
    names = [obj.metadata.name for obj in snapshot.objects]
    assert {obj["metadata"]["name"] for obj in made} <= set(names)
    assert len(names) == len(set(names))
    assert named(snapshot, made[0]).value == 7
    for obj in made:
        stand.delete("priorityclasses", obj)


@both
def test_objects_that_come_change_and_go_are_followed(stand):
    watched = stand.watch("pods")
    eventually(lambda: watched.snapshot("pods").state is StoreState.READY)
    empty = watched.snapshot("pods")
    made = gpu_pod()
    stand.create("pods", made)
    eventually(lambda: named(watched.snapshot("pods"), made))
    added = watched.snapshot("pods")
    stand.label("pods", made, "team", "search")
    eventually(lambda: (named(watched.snapshot("pods"), made).metadata.labels or {}).get("team") == "search")
    changed = watched.snapshot("pods")
    stand.delete("pods", made)
    eventually(lambda: named(watched.snapshot("pods"), made) is None)
    gone = watched.snapshot("pods")
    assert empty.version < added.version < changed.version < gone.version
    assert empty.as_of < added.as_of < changed.as_of < gone.as_of


@scripted
def test_bookmarks_move_the_age_and_not_the_version(stand):
    watched = stand.watch("nodes")
    eventually(lambda: stand.server.watchers("nodes"))
    before = watched.snapshot("nodes")
    stand.server.bookmark("nodes")
    eventually(lambda: watched.snapshot("nodes").as_of > before.as_of)
    assert watched.snapshot("nodes").version == before.version


@pytest.mark.timeout(200)
@pytest.mark.parametrize("stand", ["real"], indirect=True)
def test_a_real_server_sends_bookmarks(stand):
    """Takes a minute or so: that is how often the server sends them, and there is no asking for one."""
    watched = stand.watch("priorityclasses")
    eventually(lambda: watched.snapshot("priorityclasses").state is StoreState.READY)
    before = watched.snapshot("priorityclasses")
    eventually(lambda: watched.snapshot("priorityclasses").as_of > before.as_of, within_s=150)


@both
def test_unknown_credentials_are_forbidden_and_said_so(stand):
    watched = stand.watch("pods", "nodes", user="stranger")
    for kind in ("pods", "nodes"):
        eventually(lambda kind=kind: watched.snapshot(kind).state is StoreState.FORBIDDEN)
        snapshot = watched.snapshot(kind)
        assert "did not accept our credentials (401)" in snapshot.message
        assert (list(snapshot.objects), snapshot.as_of) == ([], None)
        assert snapshot.since is not None
    assert watched.probe().reachable is False


@both
def test_missing_rights_are_forbidden_with_the_rule_that_would_help(stand):
    watched = stand.watch("pods", user="nobody")
    eventually(lambda: watched.snapshot("pods").state is StoreState.FORBIDDEN)
    snapshot = watched.snapshot("pods")
    assert "may not read pods in the whole cluster (403)" in snapshot.message
    assert 'apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"]' in snapshot.hint


@both
def test_kinds_that_are_not_installed_are_absent_also_to_whom_nothing_is_allowed(stand):
    for user in ("admin", "nobody"):
        watched = stand.watch("nodepools", user=user)
        eventually(lambda watched=watched: watched.snapshot("nodepools").state is StoreState.ABSENT)


@scripted
@pytest.mark.parametrize("form", ["answer", "event"])
def test_a_version_too_old_is_listed_again(stand, form):
    watched = stand.watch("nodes")
    eventually(lambda: stand.server.watchers("nodes"))
    stand.create("nodes", made := gpu_node())
    eventually(lambda: named(watched.snapshot("nodes"), made))
    if form == "event":
        stand.server.send("nodes", b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n')
    else:
        stand.server.answer("/api/v1/nodes", 410, GONE, when=lambda seen: seen.watch, times=1)
        stand.server.cut("nodes")
    eventually(lambda: len(stand.server.asked("nodes", watch=False)) == 2)
    eventually(lambda: watched.snapshot("nodes").state is StoreState.READY)
    assert [node.metadata.name for node in watched.snapshot("nodes").objects] == [made["metadata"]["name"]]


@scripted
def test_a_broken_connection_loses_and_doubles_nothing(stand):
    watched = stand.watch("nodes")
    made = [gpu_node() for _ in range(6)]
    for obj in made:
        eventually(lambda: stand.server.watchers("nodes"))
        stand.server.cut("nodes")
        stand.create("nodes", obj)
    eventually(lambda: len(watched.snapshot("nodes").objects) == 6)
    assert {node.metadata.name for node in watched.snapshot("nodes").objects} == {o["metadata"]["name"] for o in made}
    assert len(stand.server.asked("nodes", watch=False)) == 1


@scripted
def test_a_line_of_garbage_is_survived_and_counted(stand):
    watched = stand.watch("nodes")
    eventually(lambda: stand.server.watchers("nodes"))
    stand.server.send("nodes", b"\x00\xff garbage\n")
    stand.create("nodes", made := gpu_node())
    eventually(lambda: named(watched.snapshot("nodes"), made))
    assert "1 nodes could not be read" in watched.snapshot("nodes").message
