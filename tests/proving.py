"""Ground on which every action is proven: one small estate, in a cluster of dictionaries or behind an API server.

Cluster "lab". Pool t4 (a node group): t1 and t2 with one T4 each, held by web/small-0 and web/tiny-0 (one GPU each).
Pool a100: a1 with two A100, MIG off, idle. Pool spot (Karpenter, at most three GPUs): s1 with one T4, held by
web/chat-0, and s2, free. The plain device plugin reads nvidia-device-plugin/plugin-configs: exclusive and ts2. The
gateway llm/litellm runs two replicas with the file of ``tests/gateway.py``, which holds a literal key. The mesh has one
rule, web/tiny, with the deprecated consecutiveErrors of 7.
"""

import copy
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from db import migrate
from db.work import Database
from services.access import ROLES, ActionPolicy, User
from services.actions.engine import Engine
from services.adapters.kube import KubeCluster
from services.demo import Memory
from services.domain.change.plan import Plan
from services.domain.change.refs import Live, Ref
from services.domain.kinds import KINDS
from services.domain.objects import Obj
from services.ports import ClusterSource, Event, Operation, Policy, Snapshot, Sources, StoreState, Work
from tests import apiserver, sharing_estate
from tests.apiserver import START, ApiServer, Pauses, eventually
from tests.apiwrites import KIND_OF, settled
from tests.conftest import NOW, Inline, demo_sources
from tests.fakes import Card, SteadyMetrics
from tests.gateway import FILE, PLACE, MemoryGateway
from tests.memory import MemoryCluster
from tests.sharing_estate import MIG_CONFIGS, TS2, gpu_node
from tests.standin import StandIn
from tests.worlds import Json, MemoryWorld, StoreWorld, World, ref

LAB = "lab"
SPACE, CONFIGS = "nvidia-device-plugin", "plugin-configs"
OPERATOR = User(id="op-1", name="Olga", rights=ROLES["operator"], roles=("operator",), via="demo", address="10.0.0.9")
OTHER = User(id="op-2", name="Omar", rights=ROLES["operator"], roles=("operator",), via="demo")
VIEWER = User(id="view-1", name="Vera", rights=ROLES["viewer"], roles=("viewer",), via="demo")
RULE: dict[str, Any] = {
    "host": "tiny",
    "trafficPolicy": {"outlierDetection": {"consecutiveErrors": 7, "interval": "30s"}},
}
MESH = KINDS["destinationrules"].groups[0]
REASON = "room for the evening"
WATCHED = ("nodes", "pods", "namespaces", "deployments", "daemonsets", "statefulsets", "quotas", "nodepools",
           "capacitybuffers", "destinationrules")  # fmt: skip
"""Kinds whose stores actions read."""


# The estate


def objects(text: str = FILE, mesh: str = MESH) -> list[Json]:
    """Everything in the cluster, as an API server takes it, in an order in which it can be created."""
    spaces = ("web", "llm", SPACE)
    found = [_object("v1", "Namespace", name, status={"phase": "Active"}) for name in spaces]
    for name in ("t1", "t2"):
        labels = {"gpu_compute_major": "7", "gpu_compute_minor": "5"}
        found.append(_node(name, gpu_node("t4", "Tesla-T4", 1, 16384, **labels)))
    cut = {"mig_capable": "true", "mig_strategy": "mixed", "mig_config": "all-disabled", "mig_config_state": "success"}
    compute = {"gpu_compute_major": "8", "gpu_compute_minor": "0"}
    found.append(_node("a1", gpu_node("a100", "NVIDIA-A100-SXM4-80GB", 2, 81920, **compute, **cut)))
    found += [_node(name, gpu_node("", "Tesla-T4", 1, 16384), pool="spot") for name in ("s1", "s2")]
    found.append(
        _object("karpenter.sh/v1", "NodePool", "spot", spec={"limits": {"nvidia.com/gpu": "3"}},
                status={"resources": {"nvidia.com/gpu": "2"}})
    )  # fmt: skip
    plugin = sharing_estate.plugin()["spec"]["template"]["spec"]
    found += [
        _object("v1", "ConfigMap", CONFIGS, SPACE, data={"exclusive": "version: v1\n", "ts2": TS2}),
        _object("v1", "ConfigMap", "a1-mig-config", SPACE, data={"config.yaml": MIG_CONFIGS}),
        _workload("DaemonSet", "nvidia-device-plugin", SPACE, _imaged(plugin)),
        _object("v1", "ConfigMap", PLACE.configmap, PLACE.namespace, data={PLACE.key: text}),
        _workload("Deployment", PLACE.deployment, PLACE.namespace, _gateway_pod(), replicas=2),
        _workload("StatefulSet", "tiny", "web", _unplaced(pod("tiny-0", "web", "")), replicas=1, serviceName="tiny"),
        _object(mesh, "DestinationRule", "tiny", "web", spec=RULE),
        pod("small-0", "web", "t1"),
        pod("tiny-0", "web", "t2"),
        pod("chat-0", "web", "s1"),
    ]
    return found


def _object(api: str, kind: str, name: str, namespace: str = "", **more: Any) -> Json:
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api, "kind": kind, "metadata": meta, **more}


def _node(name: str, body: Json, pool: str = "") -> Json:
    labels = body["metadata"]["labels"]
    if pool:
        del labels["eks.amazonaws.com/nodegroup"]
        labels["karpenter.sh/nodepool"] = pool
    status = body["status"] | {"conditions": [{"type": "Ready", "status": "True"}]}
    for part in ("capacity", "allocatable"):
        status[part] |= {"memory": "32Gi", "pods": "110"}
    return _object("v1", "Node", name) | {
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": status,
    }


def _workload(kind: str, name: str, namespace: str, pod_spec: Json, **spec: Any) -> Json:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec}
    body = _object(
        "apps/v1", kind, name, namespace, spec={"selector": {"matchLabels": labels}, "template": template, **spec}
    )
    return body | {"status": settled(body)}


def _imaged(pod_spec: Json) -> Json:
    found = copy.deepcopy(pod_spec)
    for container in [*found["containers"], *found.get("initContainers", ())]:
        container["image"] = "nvcr.io/nvidia/k8s-device-plugin:v0.17.0"
    return found


def _unplaced(body: Json) -> Json:
    return {key: value for key, value in body["spec"].items() if key != "nodeName"}


def _gateway_pod() -> Json:
    mounts = [{"name": "config", "mountPath": "/etc/litellm"}]
    return {
        "containers": [{"name": "proxy", "image": "litellm:1.106.2", "volumeMounts": mounts}],
        "volumes": [{"name": "config", "configMap": {"name": PLACE.configmap}}],
    }


def pod(name: str, namespace: str, node: str, *, gpus: int = 1) -> Json:
    """A running pod of a StatefulSet with some GPUs."""
    asked = {"nvidia.com/gpu": str(gpus)}
    container = {"name": "main", "image": "vllm", "resources": {"limits": asked, "requests": dict(asked)}}
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name[:-2], "uid": f"u-{name}", "controller": True}
    body = _object("v1", "Pod", name, namespace, spec={"nodeName": node, "containers": [container]})
    body["metadata"] |= {"labels": {"app": name[:-2]}, "ownerReferences": [owner]}
    body["metadata"]["creationTimestamp"] = f"{START:%Y-%m-%dT%H:%M:%SZ}"  # for worlds that take objects as they are
    conditions = [{"type": word, "status": "True"} for word in ("PodScheduled", "Ready")]
    return body | {"status": {"phase": "Running", "conditions": conditions}}


class StockedMemory(MemoryCluster):
    """A cluster of dictionaries whose stores show every write at once.

    ``absent`` are kinds it does not have, ``mesh`` is the version it serves rules of the mesh in.
    """

    def __init__(self, mesh: str = MESH) -> None:
        super().__init__()
        self.absent: set[str] = set()
        self.mesh = mesh

    def snapshot(self, kind: str) -> Snapshot:
        if kind in self.absent:
            return Snapshot(kind, (), 1, StoreState.ABSENT, None)
        wanted = KIND_OF.get(KINDS[kind].plural)
        held = [body for ref, body in self.objects.items() if ref.kind == wanted]
        version = max((int(body["metadata"]["resourceVersion"]) for body in self.objects.values()), default=0)
        shown = tuple(msgspec.convert(body, KINDS[kind].struct) for body in held)
        count = version + len(self.objects) + len(self.changed)
        api = self.mesh if kind == "destinationrules" else KINDS[kind].groups[0]
        return Snapshot(kind, shown, count, StoreState.READY, START, api=api)

    def api_groups(self) -> frozenset[str]:
        return frozenset({"apps"})


# The bench


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Written:
    """A write that was no dry run."""

    verb: str
    ref: Ref
    body: Mapping[str, Any]


class Spied:
    """A cluster, and what was written through it. ``before`` is called ahead of every write and may raise."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.writes: list[Written] = []
        self.before: Callable[[Written], None] = lambda written: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def create(self, ref: Ref, body: Mapping[str, Any], *, dry_run: bool = False) -> Live:
        return self._write("create", ref, body, dry_run, lambda: self._cluster.create(ref, body, dry_run=dry_run))

    def patch(self, ref: Ref, body: Mapping[str, Any], *, expected: str, dry_run: bool = False) -> Live:
        send = lambda: self._cluster.patch(ref, body, expected=expected, dry_run=dry_run)  # noqa: E731
        return self._write("patch", ref, body, dry_run, send)

    def delete(self, ref: Ref, *, expected: str, uid: str = "", dry_run: bool = False) -> None:
        send = lambda: self._cluster.delete(ref, expected=expected, uid=uid, dry_run=dry_run)  # noqa: E731
        self._write("delete", ref, {}, dry_run, send)

    def evict(self, ref: Ref, *, uid: str = "", dry_run: bool = False) -> None:
        self._write("evict", ref, {}, dry_run, lambda: self._cluster.evict(ref, uid=uid, dry_run=dry_run))

    def _write(self, verb: str, ref: Ref, body: Mapping[str, Any], dry_run: bool, send: Callable[[], Any]) -> Any:
        if dry_run:
            return send()
        written = Written(verb, ref, copy.deepcopy(dict(body)))
        self.before(written)
        answer = send()
        self.writes.append(written)
        return answer


@dataclass
class Bench:
    """Sources with a record, a clock that waits move on, and what a test sees of it all.

    ``standin`` plays controllers on every wait. ``caught_up`` lets the stores see what was written. ``times`` are when
    waits ended.
    """

    sources: Sources
    clock: Clock
    spies: dict[str, Spied]
    database: Database
    file: Path
    standin: StandIn | None = None
    world: World | None = None
    server: ApiServer | None = None
    gateway: MemoryGateway | None = None
    journal: Memory | None = None
    caught_up: Callable[[], None] = lambda: None
    workers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def wait(self, seconds: float) -> None:
        """Let time pass; controllers look every five seconds."""
        left = seconds
        while left > 0:
            self.clock.now += timedelta(seconds=min(left, 5.0))
            left -= 5.0
            if self.standin is not None:
                self.standin.tick()
        self.caught_up()

    def later(self, seconds: float) -> None:
        """Let time pass in which nobody does anything."""
        self.clock.now += timedelta(seconds=seconds)
        self.wait(5)

    def engine(self, *, pool: Executor | None = None, work: Work | None = None) -> Engine:
        """A process of its own on the same record and clusters."""
        sources = replace(self.sources, work=work or self.database)
        return Engine(sources, pool=pool or Inline(), worker=f"worker-{next(self.workers)}", wait=self.wait)

    def plan(self, engine: Engine, action: str, params: Any, user: User = OPERATOR) -> Plan:
        self.caught_up()
        return engine.plan(user, action, params)

    def applied(self, engine: Engine, plan: Plan, user: User = OPERATOR) -> str:
        rehearsal = engine.rehearse(plan, user)
        assert rehearsal.ok, rehearsal
        id = engine.apply(plan, user, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
        self.caught_up()
        return id

    def taken_back(self, engine: Engine, id: str) -> Operation:
        """The operation that took another one back."""
        self.caught_up()
        return self.operation(self.applied(engine, engine.plan_undo(id, OPERATOR).plan))

    def operation(self, id: str) -> Operation:
        with self.database() as unit:
            found = unit.operations.get(id)
        assert found is not None
        return found

    def events(self, id: str) -> Sequence[Event]:
        with self.database() as unit:
            return unit.operations.events(id)

    def broken(self) -> Sequence[Any]:
        with self.database() as unit:
            return unit.operations.verify()

    @property
    def writes(self) -> list[Written]:
        return [written for spy in self.spies.values() for written in spy.writes]

    def text(self) -> str:
        """The gateway's file now."""
        source = next(source for source in self.sources.clusters.values() if source.gateway_place is not None)
        place = source.gateway_place
        assert place is not None
        live = source.cluster.read(Ref.of(source.name, "ConfigMap", place.configmap, place.namespace))
        found: str = live.body["data"][place.key]
        return found


@contextmanager
def bench(kind: str, folder: Path, *, buffers: bool = False, mesh: str = MESH, **policy: Any) -> Iterator[Bench]:
    """The estate in a cluster of dictionaries ("memory"), behind the tests' API server ("api"), or the demo's ("demo").

    ``buffers``: the autoscaler's CapacityBuffer API is installed. ``mesh``: the one version in which rules of the mesh
    are served; the demo has its own.
    """
    with record(folder) as (database, file):
        made = {"memory": _in_memory, "api": _behind_api, "demo": _simulated}[kind]
        with made(database, file, Policy(actions=ActionPolicy(**policy)), buffers, mesh) as found:
            yield found


@contextmanager
def record(folder: Path) -> Iterator[tuple[Database, Path]]:
    """A fresh database in a file."""
    file = folder / "console.sqlite3"
    database = Database(f"sqlite:///{file}")
    migrate.upgrade(database.engine)
    try:
        yield database, file
    finally:
        database.close()


@contextmanager
def _in_memory(database: Database, file: Path, policy: Policy, buffers: bool, mesh: str) -> Iterator[Bench]:
    memory = StockedMemory(mesh)
    memory.absent = set() if buffers else {"capacitybuffers"}
    world = MemoryWorld(memory, LAB)
    for body in objects(mesh=mesh):
        world.put(body)
    yield assembled(memory, world, database, file, policy)


@contextmanager
def _behind_api(database: Database, file: Path, policy: Policy, buffers: bool, mesh: str) -> Iterator[Bench]:
    with served(buffers=buffers, mesh=mesh) as server:
        clock = Clock()
        cluster = kube(server.kubeconfig(), clock)
        try:
            cluster.start()
            found = assembled(cluster, StoreWorld(server), database, file, policy, clock)
            found.server, found.caught_up = server, lambda: caught_up(server, cluster)
            found.caught_up()
            yield found
        finally:
            cluster.close()


@contextmanager
def _simulated(database: Database, file: Path, policy: Policy, _buffers: bool, _mesh: str) -> Iterator[Bench]:
    clock, journal = Clock(NOW), Memory()
    sources = demo_sources(clock=clock, work=database, journal=journal)
    spies = {name: Spied(source.cluster) for name, source in sources.clusters.items()}
    clusters = {name: replace(source, cluster=spies[name]) for name, source in sources.clusters.items()}
    whole = replace(sources, clusters=clusters, policy=policy)
    yield Bench(whole, clock, spies, database, file, journal=journal)


@contextmanager
def served(*, buffers: bool = False, mesh: str = MESH) -> Iterator[ApiServer]:
    """The tests' API server with the estate in it, which serves rules of the mesh in one version."""
    with apiserver.running() as server:
        if not buffers:
            server.withdraw("autoscaling.x-k8s.io/v1beta1", "capacitybuffers")
        server.serve("karpenter.sh/v1", "nodepools")
        server.withdraw(MESH, "destinationrules")
        server.serve(mesh, "destinationrules")
        server.put(*objects(mesh=mesh))
        yield server


def kube(kubeconfig: str, clock: Callable[[], datetime]) -> KubeCluster:
    """The real adapter; it lists again at once when it must."""
    from services.settings import KubeAccess

    return KubeCluster(LAB, KubeAccess(kubeconfig=kubeconfig), clock=clock, pause=Pauses())


def caught_up(server: ApiServer, cluster: KubeCluster) -> None:
    """Wait until the stores show what the server has."""
    for kind in WATCHED:
        if any(root.endswith(f"/{KINDS[kind].plural}") for root in server._collections):
            eventually(lambda kind=kind: shown(kind, _held(server, kind), cluster))  # type: ignore[misc]


def _held(server: ApiServer, kind: str) -> list[Json]:
    with server._lock:
        return list(server._of(kind).objects.values())


def shown(kind: str, bodies: Sequence[Json], cluster: KubeCluster, *, spaces: Collection[str] = ()) -> bool:
    """Whether a store shows these objects, as far as it reads them; only those in ``spaces`` when some are named."""
    snapshot = cluster.snapshot(kind)
    stored = [obj for obj in snapshot.objects if not spaces or obj.metadata.namespace in ("", *spaces)]
    held = [msgspec.convert(body, KINDS[kind].struct) for body in bodies]
    return snapshot.state is StoreState.READY and sorted(map(_read, held)) == sorted(map(_read, stored))


def _read(obj: Obj) -> str:
    """What is read of an object.

    Without its version, for a store keeps the old one where nothing else has changed, and without pod templates, of
    which stores keep a part.
    """
    plain = msgspec.to_builtins(obj)
    plain["metadata"].pop("resourceVersion", None)
    if isinstance(plain.get("spec"), dict):
        plain["spec"].pop("template", None)
    return json.dumps(plain, sort_keys=True)


def assembled(
    cluster: Any, world: World, database: Database, file: Path, policy: Policy, clock: Clock | None = None
) -> Bench:
    clock = clock or Clock()
    made = [body["metadata"].get("creationTimestamp") for body in world.all("Pod")]
    newest = max((datetime.fromisoformat(at) for at in made if at), default=clock.now)
    clock.now = max(clock.now, newest) + timedelta(hours=1)  # long enough to have been idle
    spied, gateway = Spied(cluster), MemoryGateway()
    standin = StandIn(world, clock, plugin=(SPACE, CONFIGS))

    def started(workload: Json) -> None:
        if workload["metadata"]["name"] == PLACE.deployment:
            text = next(c for c in world.all("ConfigMap") if c["metadata"]["name"] == PLACE.configmap)
            gateway.start(text["data"][PLACE.key])

    standin.started = started
    meters = SteadyMetrics(Held(world), clock.now)
    source = ClusterSource(LAB, spied, meters, gateway, PLACE)  # type: ignore[arg-type]
    sources = Sources("live", {LAB: source}, now=clock, pool=Inline(), policy=policy, work=database)
    return Bench(sources, clock, {LAB: spied}, database, file, standin, world, gateway=gateway)


class Held:
    """A GPU for each pod that has one: that of web/tiny has had nothing to do for ever, the others are busy."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __iter__(self) -> Iterator[Card]:
        for body in self._world.all("Pod"):
            node, meta = (body.get("spec") or {}).get("nodeName"), body["metadata"]
            if node and (meta.get("labels") or {}).get("app") in ("small", "tiny", "chat"):
                busy = 0.0 if meta["labels"]["app"] == "tiny" else 0.9
                yield Card(node, f"GPU-{meta['name']}", busy, (f"{meta['namespace']}/{meta['name']}",))


def lab(kind: str, name: str, namespace: str = "") -> Ref:
    """A reference in the estate."""
    return Ref.of(LAB, kind, name, namespace)


def everything(world: World) -> dict[Ref, Json]:
    """Every object of the kinds that actions touch or controllers make."""
    kinds = ("Node", "Namespace", "Pod", "ConfigMap", "PodTemplate", "Deployment", "DaemonSet", "StatefulSet",
             "PriorityClass", "NodePool", "ResourceQuota", "DestinationRule")  # fmt: skip
    return {ref(LAB, body): body for kind in kinds for body in world.all(kind)}
