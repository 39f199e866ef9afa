"""What recording costs: the collector's processor time in a large cluster and with the demo, and how fast it begins.

``python -m tests.bench.bench_collector [pods] [starts a day]`` (10,000 and 2,000 when not given). The cluster is plain
objects that change as a busy one's do; ten minutes of it go by in as many looks as the collector takes, and only what
the collector uses is counted. Nothing is asserted.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from db import migrate
from db.work import Database
from services import demo
from services.domain.objects import (
    Condition,
    Container,
    ContainerState,
    ContainerStatus,
    Event,
    EventSource,
    Meta,
    Node,
    NodeStatus,
    Obj,
    OwnerReference,
    Pod,
    PodSpec,
    PodStatus,
    Probe,
    Reference,
    Resources,
    Running,
)
from services.jobs.loop import LOOK_EVERY, Collector
from services.ports import ClusterSource, Snapshot, Sources, StoreState
from tests.conftest import Inline
from tests.factories import H100
from tests.fakes import Clock

BEGIN = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)
MINUTES = 10
OTHERS_S, EVENTS_S = 4, 8
"""Changes of pods without GPUs, and events about them, in a second."""
IMAGE = "registry.example.com/serving/vllm:v1.2"


@dataclass
class Busy:
    """A cluster whose stores change as they would: objects that do not change stay the same objects."""

    at: datetime
    objects: dict[str, dict[str, Obj]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    taken: dict[str, tuple[int, tuple[Obj, ...]]] = field(default_factory=dict)

    def put(self, kind: str, key: str, obj: Obj) -> None:
        self.objects.setdefault(kind, {})[key] = obj
        self.versions[kind] = self.versions.get(kind, 1) + 1

    def snapshot(self, kind: str) -> Snapshot:
        version = self.versions.get(kind, 1)
        if self.taken.get(kind, (0, ()))[0] != version:
            self.taken[kind] = version, tuple(self.objects.get(kind, {}).values())
        return Snapshot(kind, self.taken[kind][1], version, StoreState.READY, self.at)


def node(number: int) -> Node:
    name = f"node-{number:05}"
    amounts = {"cpu": "192", "nvidia.com/gpu": "8"}
    ready = Condition(type="Ready", status="True", last_transition_time=BEGIN - timedelta(days=2))
    return Node(
        metadata=Meta(name=name, uid=name, labels=dict(H100), creation_timestamp=BEGIN - timedelta(days=2)),
        status=NodeStatus(capacity=amounts, allocatable=amounts, conditions=[ready]),
    )


def pod(number: int, created: datetime, *, gpus: bool, steps: int = 4) -> Pod:
    """A pod that has come so far: created, bound, running, ready (1…4)."""
    name, at = f"pod-{number:06}", created
    amounts: dict[str, str | int | float] = {"nvidia.com/gpu": "1"} if gpus else {"cpu": "1"}
    since = [at, at + timedelta(seconds=1), at + timedelta(seconds=40), at + timedelta(seconds=100)]
    conditions = [
        Condition(type=kind, status="True" if steps >= step else "False", last_transition_time=since[min(step, 4) - 1])
        for kind, step in (("PodScheduled", 2), ("Initialized", 2), ("ContainersReady", 4), ("Ready", 4))
    ]
    running = ContainerState(running=Running(started_at=since[2])) if steps >= 3 else None
    return Pod(
        metadata=Meta(
            name=name, namespace=f"ns-{number % 40}", uid=f"uid-{number}", creation_timestamp=created,
            resource_version=str(number * 10 + steps), labels={"team": f"team-{number % 9}"},
            owner_references=[OwnerReference("ReplicaSet", f"app-{number % 300}-abcde", f"rs-{number % 300}", True)],
        ),
        spec=PodSpec(
            node_name=f"node-{number % 1250:05}" if steps >= 2 else None,
            containers=[
                Container(
                    name="main", image=IMAGE, resources=Resources(requests=amounts, limits=amounts),
                    startup_probe=Probe(period_seconds=5), readiness_probe=Probe(period_seconds=10),
                )
            ],
        ),
        status=PodStatus(
            phase="Running" if steps >= 3 else "Pending",
            conditions=conditions,
            container_statuses=[ContainerStatus(name="main", ready=steps >= 4, started=steps >= 4, state=running)],
            start_time=since[1],
        ),
    )  # fmt: skip


def event(number: int, about: str, reason: str, message: str, at: datetime) -> Event:
    return Event(
        metadata=Meta(name=f"e-{number}", uid=f"e-{number}", creation_timestamp=at),
        involved_object=Reference("Pod", about, "ns", about, "spec.containers{main}"),
        reason=reason, message=message, first_timestamp=at, last_timestamp=at, count=1, type="Normal",
        source=EventSource("kubelet", "node-00001"),
    )  # fmt: skip


class Life:
    """What happens in the cluster, second by second."""

    def __init__(self, cluster: Busy, pods: int, starts_a_day: int) -> None:
        self.cluster, self.pods = cluster, pods
        self.every = max(round(86400 / starts_a_day), 1)
        self.number = pods
        self.events = 0
        self.later: dict[datetime, list[Callable[[], None]]] = {}

    def second(self, at: datetime) -> None:
        tick = int((at - BEGIN).total_seconds())
        for step in range(OTHERS_S):
            number = (tick * 37 + step * 911) % self.pods // 2 * 2 + 1
            old = self.cluster.objects["pods"][f"uid-{number}"]
            self.cluster.put("pods", f"uid-{number}", msgspec.structs.replace(old))
        for step in range(EVENTS_S):
            self.say(
                f"uid-{(tick * 41 + step * 7) % self.pods // 2 * 2 + 1}", "Unhealthy", "Readiness probe failed", at
            )
        name = f"node-{tick * 4 % 1250:05}"
        self.cluster.put("nodes", name, msgspec.structs.replace(self.cluster.objects["nodes"][name]))
        if tick % self.every == 0:
            self.start(at)
        for happens in self.later.pop(at, ()):
            happens()

    def start(self, at: datetime) -> None:
        self.number += 2
        number, uid = self.number, f"uid-{self.number}"
        told = (
            (2, "Pulling", f'Pulling image "{IMAGE}"'),
            (38, "Pulled", PULLED),
            (39, "Created", "Container created"),
        )
        for step, seconds in enumerate((0, 1, 40, 100), start=1):
            self.at(
                at, seconds, lambda step=step: self.cluster.put("pods", uid, pod(number, at, gpus=True, steps=step))
            )
        for seconds, reason, message in told:
            moment = at + timedelta(seconds=seconds)
            self.at(at, seconds, lambda r=reason, m=message, t=moment: self.say(uid, r, m, t))

    def at(self, begin: datetime, seconds: int, happens: Callable[[], None]) -> None:
        if seconds:
            self.later.setdefault(begin + timedelta(seconds=seconds), []).append(happens)
        else:
            happens()

    def say(self, about: str, reason: str, message: str, at: datetime) -> None:
        self.events += 1
        self.cluster.put("events", f"e-{self.events}", event(self.events, about, reason, message, at))
        gone = self.events - 20_000
        if gone > 0:
            del self.cluster.objects["events"][f"e-{gone}"]


PULLED = f'Successfully pulled image "{IMAGE}" in 34.2s (36s including waiting). Image size: 9800000000 bytes.'


def database(folder: str) -> Database:
    found = Database(f"sqlite:///{Path(folder) / 'bench.sqlite3'}")
    migrate.upgrade(found.engine)
    return found


def large(pods: int, starts_a_day: int) -> None:
    cluster = Busy(BEGIN)
    for number in range(1250):
        cluster.put("nodes", f"node-{number:05}", node(number))
    for number in range(pods):  # every other one has a GPU
        old = BEGIN - timedelta(hours=3 + number % 40)
        cluster.put("pods", f"uid-{number}", pod(number, old, gpus=number % 2 == 0))
    life = Life(cluster, pods, starts_a_day)
    for number in range(20_000):
        life.say(f"uid-{number % pods // 2 * 2 + 1}", "Pulled", "Container image", BEGIN)
    clock = Clock(BEGIN)
    with tempfile.TemporaryDirectory() as folder:
        work = database(folder)
        sources = Sources("live", {"big": ClusterSource("big", cluster, None)}, clock, Inline(), work=work)  # type: ignore[arg-type]
        collector = Collector(sources, keep=timedelta(days=400))
        wall, used = time.perf_counter(), time.process_time()
        collector.tick()
        print(f"first look at {pods:,} pods, half of them with GPUs: {time.process_time() - used:.1f} s of processor"
              f" time, {time.perf_counter() - wall:.1f} s")  # fmt: skip
        spent = longest = 0.0
        for _ in range(MINUTES * 60):
            clock.forward(seconds=1)
            life.second(clock.at)
            used = time.process_time()
            collector.tick()
            took = time.process_time() - used
            spent, longest = spent + took, max(longest, took)
        with work() as unit:
            recorded = unit.starts.extent().number
        print(
            f"{pods:,} pods, {starts_a_day:,} starts a day, {OTHERS_S} changes and {EVENTS_S} events a second beside, a"
            f" look every {LOOK_EVERY.total_seconds():g} s: {spent / (MINUTES * 60):.2%} of a core"
            f" (longest tick {longest * 1000:.0f} ms), {recorded:,} starts recorded"
        )
        collector.close()
        work.close()


def simulated(gpus: int) -> None:
    clock = Clock(BEGIN)
    estate = demo.build(clock=clock, pool=Inline(), gpus=gpus)
    with tempfile.TemporaryDirectory() as folder:
        work = database(folder)
        sources = Sources("demo", estate, clock, Inline(), work=work)
        collector = Collector(sources, keep=timedelta(days=400))
        used = time.process_time()
        collector.tick()
        first = time.process_time() - used
        used = time.process_time()
        for _ in range(MINUTES * 60):
            clock.forward(seconds=1)
            collector.tick()
        spent = time.process_time() - used
        print(f"demo of {gpus:,} GPUs: first look {first:.1f} s, then {spent / (MINUTES * 60):.2%} of a core"
              " (its answers included)")  # fmt: skip
        collector.close()
        work.close()


if __name__ == "__main__":
    large(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, int(sys.argv[2]) if len(sys.argv) > 2 else 2_000)
    for size in (64, 2_048):
        simulated(size)
