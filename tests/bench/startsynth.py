"""Starts nobody made, a month of them: traces with phases as a mixed fleet has them, seeded."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from services.domain.startup import Confidence, Outcome, Phase, Pull, Pulled, Span, Start, money
from services.domain.startup.frame import StartRecord, record
from services.domain.startup.trace import ContainerSeen, EventSeen, NodeSeen, Trace
from services.ports import Work

GB = 1_000_000_000
BATCH = 1000


class Kind(NamedTuple):
    """What a workload's starts are like; sizes in GB, times in seconds, ``weight`` is how often it starts."""

    cluster: str
    namespace: str
    workload: str
    owner: str
    team: str
    pool: str
    model: str
    instance: str
    capacity_type: str
    gpus: int
    usd_gpu_hour: float
    image: str
    image_gb: float
    download_s: float
    load_s: float
    cold: float
    weight: int


A = ("demo-east", "h100-serving", "H100 80GB HBM3", "p5.48xlarge", "on-demand")
B = ("demo-east", "l4-spot", "L4", "g6.12xlarge", "spot")
C = ("demo-west", "a100-train", "A100-SXM4-80GB", "a2-ultragpu-8g", "reserved")
VLLM, TRITON, NEMO = "ghcr.io/acme/vllm-openai", "nvcr.io/nvidia/tritonserver", "nvcr.io/nvidia/nemo"
KINDS = (
    Kind(A[0], "assistants-prod", "chat-70b", "Deployment", "assistants", *A[1:], 4, 6.88, VLLM, 9.8, 95, 110, 0.25, 6),
    Kind(A[0], "assistants-prod", "chat-8b", "Deployment", "assistants", *A[1:], 1, 6.88, VLLM, 9.8, 0, 45, 0.15, 10),
    Kind(B[0], "search-prod", "embedder", "Deployment", "search", *B[1:], 1, 0.74, TRITON, 14.2, 0, 22, 0.35, 16),
    Kind(B[0], "search-batch", "reindex", "Job", "search", *B[1:], 1, 0.74, TRITON, 14.2, 0, 8, 0.6, 8),
    Kind(B[0], "vision-prod", "detector", "Deployment", "vision", *B[1:], 1, 0.74, "detector", 6.1, 12, 30, 0.4, 9),
    Kind(C[0], "research", "pretrain", "StatefulSet", "research", *C[1:], 8, 3.67, NEMO, 22.4, 40, 180, 0.2, 2),
    Kind(C[0], "research", "notebook", "StatefulSet", "research", *C[1:], 1, 3.67, "notebook", 11.0, 0, 3, 0.1, 5),
)
_LATENCY = (0.8, 1.3)


class _Line:
    """Spans one after another."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.spans: list[Span] = []
        self.events: list[EventSeen] = []

    def add(
        self,
        phase: Phase,
        seconds: float,
        source: str,
        confidence: Confidence = Confidence.EXACT,
        *,
        container: str = "",
        note: str = "",
    ) -> None:
        end = self.at + timedelta(seconds=round(seconds))
        if end > self.at:
            self.spans.append(Span(phase, self.at, end, source, confidence, container, note))
            self.at = end

    def say(self, component: str, reason: str, message: str, container: str = "") -> None:
        self.events.append(EventSeen(component, reason, container, self.at, self.at, message=message))


def made(kind: Kind, created: datetime, number: int, chance: random.Random) -> StartRecord:
    """One start of a workload."""
    rnd = lambda seconds: seconds * chance.uniform(*_LATENCY)  # noqa: E731
    cold, line = chance.random() < kind.cold, _Line(created)
    node_created = created - timedelta(days=2)
    node = f"{kind.pool}-{number % 40:02d}"
    if cold:
        line.say("cluster-autoscaler", "TriggeredScaleUp", f"pod triggered scale-up: [{{{kind.pool} 3->4 (max: 10)}}]")
        line.add(Phase.DECISION, rnd(14), "event TriggeredScaleUp", note=line.events[-1].message)
        line.add(Phase.PROVISION, rnd(75), "node creation")
        node_created = line.at
        line.add(Phase.BOOT, rnd(38), "condition Ready of the node")
        line.add(Phase.DEVICE, rnd(55), "GPUs offered", chance.choice(list(Confidence)[:3]))
        line.add(Phase.BIND, rnd(2), "condition PodScheduled")
    elif chance.random() < 0.2:
        line.add(Phase.WAIT, rnd(60), "condition PodScheduled", note="0/12 nodes are available")
    line.say("default-scheduler", "Scheduled", f"Successfully assigned {kind.namespace}/{kind.workload} to {node}")
    scheduled = line.at
    line.add(Phase.SETUP, rnd(4), "condition PodReadyToStartContainers", note="sandbox and network")
    fate = chance.random()
    tag = ":1.4" if created.timestamp() % 2.6e6 < 1.6e6 else ":1.5"
    image = kind.image + tag
    pull = _pulled(line, kind, image, chance, cold=cold, fails=fate < 0.02)
    started = line.at
    if fate >= 0.02:
        if kind.download_s:
            line.add(Phase.DOWNLOAD, rnd(kind.download_s), "container state", container="fetch-weights")
        line.add(Phase.START, 2, "container state", container="main")
        line.say("kubelet", "Started", "Container started", "main")
        if fate < 0.05:
            line.add(Phase.RETRY, rnd(60), "container state", container="main", note="ended with OOMKilled")
        if fate > 0.96:
            line.add(Phase.UNATTRIBUTED, rnd(30), "", Confidence.MISSING)
        line.add(Phase.LOAD, rnd(kind.load_s), "startup probe", container="main")
        line.add(Phase.READINESS, rnd(6), "condition Ready")
    outcome = Outcome.READY if fate >= 0.02 else chance.choice([Outcome.GONE, Outcome.FAILED])
    pod = f"{kind.workload}-{number:06x}"
    start = Start(
        created, line.at, outcome, tuple(line.spans), _beside(line, started), (pull,), cold, scheduled, started,
        restarts=int(fate < 0.05), flags=frozenset({"restarted"} if fate < 0.05 else ()),
        reason="" if outcome is Outcome.READY else f'ErrImagePull: failed to pull image "{image}"',
    )  # fmt: skip
    trace = Trace(
        kind.cluster, kind.namespace, pod, f"{kind.pool}-{number:032x}", created, created,
        workload_kind=kind.owner, workload=kind.workload, team=kind.team, resource="nvidia.com/gpu",
        gpus=kind.gpus, containers=(ContainerSeen("main", "main", image), ContainerSeen("proxy", "sidecar", "envoy")),
        node=NodeSeen(
            node, created=node_created, pool=kind.pool, zone=f"zone-{number % 3}", model=kind.model,
            instance=kind.instance, capacity_type=kind.capacity_type,
        ),
        events=tuple(line.events),
    )  # fmt: skip
    begun = money.billed_from(cold=cold, created=created, node_created=node_created, scheduled=scheduled)
    usd = money.spent(kind.gpus, kind.usd_gpu_hour, begun, line.at)
    headroom = not cold and chance.random() < 0.25
    return record(trace, start, headroom=headroom, usd=usd, usd_per_hour=kind.gpus * kind.usd_gpu_hour)


def _pulled(line: _Line, kind: Kind, image: str, chance: random.Random, *, cold: bool, fails: bool) -> Pull:
    size = round(kind.image_gb * GB)
    if fails:
        line.add(Phase.PULL, 240, "event Failed", Confidence.ESTIMATED, container="main", note="ErrImagePull")
        return Pull("main", image, Pulled.UNKNOWN, None)
    if not cold and chance.random() < 0.8:
        line.say("kubelet", "Pulled", f'Container image "{image}" already present on machine', "main")
        return Pull("main", image, Pulled.CACHED, line.at)
    rate = chance.uniform(90e6, 260e6) * (0.4 if "nvcr" in image else 1.0)
    took, waited = size / rate, chance.choice([0.0, 0.0, 18.0])
    line.add(Phase.PULL_WAIT, waited, "event Pulled", container="main")
    line.add(Phase.PULL, took, "event Pulled", container="main", note=f'Pulled "{image}" in {took:.0f} s')
    text = f'Successfully pulled image "{image}" in {took:.3f}s ({took + waited:.3f}s including waiting)'
    line.say("kubelet", "Pulled", f"{text}. Image size: {size} bytes.", "main")
    return Pull("main", image, Pulled.PULLED, line.at, took, waited, size)


def _beside(line: _Line, started: datetime) -> tuple[Span, ...]:
    end = min(started + timedelta(seconds=12), line.at)
    if end <= started:
        return ()
    return (Span(Phase.START, started, end, "container state", Confidence.EXACT, "proxy", "sidecar"),)


def month(now: datetime, *, days: int = 30, per_day: int = 2000, seed: int = 7) -> Iterator[tuple[str, StartRecord]]:
    """Starts up to ``now`` with their clusters, oldest first."""
    chance = random.Random(seed)
    begin, number = now - timedelta(days=days), days * per_day
    moments = sorted(chance.uniform(0, days * 86400 - 900) for _ in range(number))
    kinds = chance.choices(KINDS, [kind.weight for kind in KINDS], k=number)
    for place, (moment, kind) in enumerate(zip(moments, kinds, strict=True)):
        created = (begin + timedelta(seconds=moment)).replace(microsecond=0)
        yield kind.cluster, made(kind, created, place, chance)


def fill(work: Work, found: Iterator[tuple[str, StartRecord]], at: datetime) -> int:
    """Record them in batches; how many."""
    number, held = 0, dict[str, list[StartRecord]]()

    def flush(cluster: str) -> None:
        with work() as unit:
            unit.starts.save(cluster, held.pop(cluster, []), at)
            unit.commit()

    for cluster, one in found:
        held.setdefault(cluster, []).append(one)
        number += 1
        if len(held[cluster]) == BATCH:
            flush(cluster)
    for cluster in list(held):
        flush(cluster)
    return number
