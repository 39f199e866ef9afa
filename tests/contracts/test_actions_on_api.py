"""Every action on an API server, with the stand-in for controllers on the other side of the wire.

``real`` is a real API server when KUBEBUILDER_ASSETS names one: no controller, scheduler or kubelet runs beside it, so
everything they would do comes from the stand-in by requests. ``fake`` is the tests' own server, reached the same way,
so that this file is run where there is no other.
"""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

from services.access import ActionPolicy
from services.adapters.kube import KubeCluster
from services.domain.change.plan import Plan
from services.domain.change.refs import API
from services.domain.kinds import KINDS
from services.errors import Refused
from services.ports import Operation, Policy
from services.settings import KubeAccess
from tests import proving, realapi
from tests.apiserver import START, Pauses, eventually
from tests.apiwrites import KIND_OF
from tests.cases import CASES, CLOUD_FIRST, ON_API, SHARING
from tests.gateway import FILE, KEY
from tests.proving import LAB, OPERATOR, REASON, Bench, Clock, lab
from tests.realapi import RealApi
from tests.worlds import Json, budget, path

_SERVED = {"Node", "Namespace", "Pod", "ConfigMap", "Deployment", "DaemonSet", "StatefulSet", "PriorityClass",
           "PodDisruptionBudget", "ResourceQuota"}  # fmt: skip
"""Kinds that are there without custom resources."""
_OURS = ("web", "llm", proving.SPACE, "gpu-headroom", "gpu-prepull")


class Ask(Protocol):
    """One request as an administrator; fails the test unless it succeeds."""

    def __call__(self, method: str, path: str, body: Json | None = None, *, patch: bool = False) -> Json: ...


class RequestWorld:
    """An API server, by requests: what controllers, scheduler and kubelets would send."""

    def __init__(self, ask: Ask, *, binds: bool) -> None:
        self._ask, self._binds = ask, binds

    def all(self, kind: str) -> list[Json]:
        if kind not in _SERVED:
            return []
        version, plural = _resource(kind)
        root = f"/apis/{version}/{plural}" if "/" in version else f"/api/{version}/{plural}"
        found = [{"apiVersion": version, "kind": kind, **body} for body in self._ask("GET", root)["items"]]
        return [body for body in found if (body["metadata"].get("namespace") or _OURS[0]) in _OURS]

    def put(self, body: Json) -> None:
        wanted = {key: value for key, value in body.items() if key != "status"}
        try:
            self._ask("POST", path(body).rpartition("/")[0], wanted)
        except AssertionError as error:
            if "409" not in str(error):
                raise
        if body["kind"] == "Node":  # a new node is not ready until a kubelet says so
            self._ask("PATCH", path(body), {"spec": {"taints": None}}, patch=True)
        if "status" in body and body["kind"] != "Namespace":
            self.set(body, {"status": body["status"]})

    def set(self, body: Json, fields: Mapping[str, Any]) -> None:
        rest = {key: value for key, value in fields.items() if key != "status"}
        if rest:
            self._ask("PATCH", path(body), rest, patch=True)
        if "status" in fields:
            self._ask("PATCH", f"{path(body)}/status", {"status": fields["status"]}, patch=True)

    def bind(self, pod: Json, node: str) -> None:
        if not self._binds:
            self.set(pod, {"spec": {"nodeName": node}})
            return
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        meta = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
        self._ask("POST", f"{path(pod)}/binding", binding)

    def remove(self, body: Json) -> None:
        self._ask("DELETE", path(body), {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0})

    def protect(self, pod: Json, *, on: bool) -> None:
        self.put(budget(pod, on=on))

    def collect(self) -> None:
        """What the controller of namespaces does: empty those that end, and let them go."""
        for space in self.all("Namespace"):
            name = space["metadata"]["name"]
            if "deletionTimestamp" not in space["metadata"]:
                continue
            for kind in _SERVED - {"Node", "Namespace", "PriorityClass"}:
                for body in self.all(kind):
                    if body["metadata"]["namespace"] == name:
                        self.remove(body)
            self._ask("PUT", f"/api/v1/namespaces/{name}/finalize", space | {"spec": {"finalizers": []}})


def _resource(kind: str) -> tuple[str, str]:
    version, plural, _ = API[kind]
    return version, plural


def asks(url: str, token: str) -> Ask:
    """Requests to the tests' own server."""

    def ask(method: str, path: str, body: Json | None = None, *, patch: bool = False) -> Json:
        address = urlsplit(url)
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        content = "application/merge-patch+json" if patch else "application/json"
        try:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": content}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        assert answer.status < 300, f"{method} {path}: {answer.status} {raw[:500]!r}"
        found: Json = json.loads(raw)
        return found

    return ask


@pytest.fixture(scope="module")
def real() -> Iterator[RealApi]:
    with realapi.running() as found:
        yield found


@pytest.fixture(params=["fake", "real"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """The estate without custom resources, and engines that reach it through the adapter."""
    if request.param == "fake":
        with proving.apiserver.running() as server:
            server.withdraw("autoscaling.x-k8s.io/v1beta1", "capacitybuffers")
            access = KubeAccess(kubeconfig=server.kubeconfig())
            yield from _bench(RequestWorld(asks(server.url, server.token or "sesame"), binds=False), access, tmp_path)
    else:
        api: RealApi = request.getfixturevalue("real")
        world = RequestWorld(api.ask, binds=True)
        _cleared(world)
        yield from _bench(world, api.access(), tmp_path)
        _cleared(world)


def _bench(world: RequestWorld, access: KubeAccess, folder: Path) -> Iterator[Bench]:
    for body in proving.objects():
        if body["kind"] in _SERVED:
            world.put(body)
    clock = Clock(START)
    cluster = KubeCluster(LAB, access, clock=clock, pause=Pauses())
    with proving.record(folder) as (database, file):
        try:
            cluster.start()
            found = proving.assembled(cluster, world, database, file, Policy(actions=ActionPolicy()), clock)
            found.caught_up = lambda: _caught_up(world, cluster)
            tick = found.standin.tick if found.standin is not None else lambda: None
            found.standin.tick = lambda: (world.collect(), tick())[1]  # type: ignore[union-attr,method-assign]
            found.caught_up()
            yield found
            assert found.broken() == ()
        finally:
            cluster.close()


def _caught_up(world: RequestWorld, cluster: KubeCluster) -> None:
    for kind in ("nodes", "pods", "namespaces", "deployments", "daemonsets", "statefulsets"):
        plural = KINDS[kind].plural
        same = lambda kind=kind, plural=plural: proving.shown(kind, world.all(KIND_OF[plural]), cluster, spaces=_OURS)  # noqa: E731
        eventually(same, within_s=30)


def _cleared(world: RequestWorld) -> None:
    """Remove what a test left on the shared server; namespaces of the estate stay, they are only names."""
    for kind in (
        "Pod",
        "Deployment",
        "DaemonSet",
        "StatefulSet",
        "ConfigMap",
        "Node",
        "PriorityClass",
        "PodDisruptionBudget",
    ):
        for body in world.all(kind):
            name = body["metadata"]["name"]
            if name != "kube-root-ca.crt" and not name.startswith("system-"):
                with suppress(AssertionError):
                    world.remove(body)
    for space in world.all("Namespace"):
        if space["metadata"]["name"] in ("gpu-headroom", "gpu-prepull"):
            with suppress(AssertionError):
                world.remove(space)
    world.collect()


class Run:
    """One action on the server."""

    def __init__(self, bench: Bench, action: str) -> None:
        self.bench, self.action = bench, action
        self.engine = bench.engine()

    def plan(self) -> Plan:
        return self.bench.plan(self.engine, self.action, CASES[self.action].lab)

    def applied(self, plan: Plan | None = None) -> Operation:
        return self.bench.operation(self.bench.applied(self.engine, plan or self.plan()))

    def decided(self) -> dict[str, Any]:
        """What people decide about on the server."""
        assert self.bench.world is not None
        found = {}
        for kind in sorted(_SERVED - {"Pod"}):
            for body in self.bench.world.all(kind):
                meta, spec = body["metadata"], dict(body.get("spec") or {})
                chosen = {key: value for key, value in (meta.get("labels") or {}).items() if key.endswith("config")}
                template = spec.pop("template", {}).get("spec")
                taints = [one for one in spec.pop("taints", ()) if not one["key"].startswith("node.kubernetes.io/")]
                place = f"{kind} {meta.get('namespace', '')}/{meta['name']}"
                found[place] = (chosen, spec, template, taints, body.get("data"))
        return found


@pytest.fixture(params=sorted(name for name, case in ON_API.items() if not case.custom))
def run(request: pytest.FixtureRequest, bench: Bench) -> Run:
    return Run(bench, request.param)


def test_it_is_done_as_planned_shown_as_done_and_taken_back(run: Run) -> None:
    before = run.decided()
    operation = run.applied()
    assert operation.state == "done", (operation.outcome, operation.verification)
    written = tuple(f"{one.verb} {one.ref.kind} {one.ref.name}" for one in run.bench.writes)
    assert written == CASES[run.action].writes
    assert run.decided() != before
    assert run.plan().empty, "the server's own defaults are no difference"
    if run.action == "edit-fallbacks":
        assert run.bench.text() == CLOUD_FIRST
    undoing = run.bench.taken_back(run.engine, operation.id)
    assert undoing.state == "done", (undoing.outcome, undoing.verification)
    run.bench.wait(120)
    assert run.decided() == before
    assert run.bench.text() == FILE


def test_a_rehearsal_is_answered_by_the_server_and_keeps_nothing(run: Run) -> None:
    before, plan = run.decided(), run.plan()
    rehearsal = run.engine.rehearse(plan, OPERATOR)
    assert rehearsal.ok, rehearsal
    assert any(answer.ok for answer in rehearsal.answers)
    assert run.decided() == before


def test_what_somebody_changed_meanwhile_is_never_overwritten(run: Run) -> None:
    plan = run.plan()
    rehearsal = run.engine.rehearse(plan, OPERATOR)
    kept: Callable[[], bool] = CASES[run.action].meddle(run.bench.spies[LAB]._cluster, plan)
    run.bench.caught_up()
    id = run.engine.apply(plan, OPERATOR, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
    assert run.bench.operation(id).state == "failed"
    assert kept()
    assert not run.engine.rehearse(plan, OPERATOR).ok


def test_a_process_that_ends_half_way_is_found_and_continued(run: Run) -> None:
    class Over(BaseException):
        """The process is gone."""

    plan = run.plan()
    rehearsal = run.engine.rehearse(plan, OPERATOR)
    spy, last = run.bench.spies[LAB], len(CASES[run.action].writes) - 1

    def ends(_written: Any) -> None:
        if len(run.bench.writes) == last:
            raise Over

    spy.before = ends
    with suppress(Over):
        run.engine.apply(plan, OPERATOR, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
    spy.before = lambda written: None
    run.bench.later(3600)
    later = run.bench.engine()
    assert later.recover() == [plan.id]
    assert "had not landed" in run.bench.operation(plan.id).outcome
    later.resume(plan.id, OPERATOR, reason="go on")
    assert run.bench.operation(plan.id).state == "done"
    written = tuple(f"{one.verb} {one.ref.kind} {one.ref.name}" for one in run.bench.writes)
    assert written == CASES[run.action].writes


def test_a_drained_node_is_empty_before_its_labels_change(bench: Bench) -> None:
    engine = bench.engine()
    plan = bench.plan(engine, "set-sharing", {"cluster": LAB, "layout": SHARING.layout, "nodes": ["t1"], "drain": True})
    operation = bench.operation(bench.applied(engine, plan))
    assert operation.state == "done", operation.outcome
    assert [one.verb for one in bench.writes] == ["patch", "evict", "patch", "patch"]
    assert bench.world is not None
    assert "small-0" not in [pod["metadata"]["name"] for pod in bench.world.all("Pod")]
    assert not bench.spies[LAB]._cluster.read(lab("Node", "t1")).body["spec"].get("unschedulable")


def test_no_key_of_the_file_reaches_the_record(bench: Bench) -> None:
    engine = bench.engine()
    plan = bench.plan(engine, "edit-fallbacks", CASES["edit-fallbacks"].lab)
    operation = bench.operation(bench.applied(engine, plan))
    assert operation.state == "done"
    bench.database.close()
    kept = b"".join(file.read_bytes() for file in bench.file.parent.glob(f"{bench.file.name}*"))
    assert operation.id.encode() in kept
    assert KEY.encode() not in kept
    assert KEY in bench.text()
    with pytest.raises(Refused):
        engine.apply(plan, OPERATOR, reason=REASON, rehearsal=engine.rehearse(plan, OPERATOR), typed=plan.confirm)
