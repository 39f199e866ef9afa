"""Hands on the demo: clocks, references and the questions tests ask of it again and again."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services import demo
from services.demo.world import World
from services.domain.change.refs import Live, Ref
from services.domain.objects import Pod
from services.ports import ClusterSource
from tests.conftest import Inline
from tests.fakes import Clock

MORNING = datetime(2026, 6, 3, 10, 30, 30, tzinfo=UTC)
"""A Wednesday; the job clip-search starts at 11:07:23 and finds T4 nodes full."""
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


@dataclass
class Hands:
    """The demo with a clock that moves when told to."""

    clock: Clock = field(default_factory=lambda: Clock(MORNING))
    journal: demo.Memory = field(default_factory=demo.Memory)
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sources = demo.build(clock=self.clock, pool=Inline(), journal=self.journal, **self.changes)

    def __getitem__(self, name: str) -> ClusterSource:
        return self.sources[f"demo-{name}"]

    def ref(self, cluster: str, kind: str, name: str, namespace: str = "") -> Ref:
        return Ref.of(f"demo-{cluster}", kind, name, namespace)

    def create(self, ref: Ref, body: Mapping[str, Any]) -> Live:
        return self.sources[ref.cluster].cluster.create(ref, body)

    def patch(self, ref: Ref, body: Mapping[str, Any]) -> Live:
        cluster = self.sources[ref.cluster].cluster
        return cluster.patch(ref, body, expected=cluster.read(ref).version)

    def read(self, ref: Ref) -> Mapping[str, Any]:
        return self.sources[ref.cluster].cluster.read(ref).body

    def wait(self, **span: float) -> None:
        self.clock.at += timedelta(**span)

    def pods(self, cluster: str, begins: str) -> list[Pod]:
        objects = self[cluster].cluster.snapshot("pods").objects
        return [pod for pod in objects if isinstance(pod, Pod) and pod.metadata.name.startswith(begins)]

    def gpu_nodes(self, cluster: str, pool: str) -> list[str]:
        keys = ("karpenter.sh/nodepool", "eks.amazonaws.com/nodegroup")
        nodes = self[cluster].cluster.snapshot("nodes").objects
        return [n.metadata.name for n in nodes if pool in {(n.metadata.labels or {}).get(key) for key in keys}]

    def world(self) -> World:
        return World(journal=self.journal)

    def headroom(self, replicas: int, *, pool: str = "t4-spot", gpus: int = 1) -> Ref:
        """Placeholders on a pool of demo-east."""
        self.create(self.ref("east", "Namespace", "gpu-headroom"), {})
        priority = {"value": -10, "preemptionPolicy": "Never"}
        self.create(self.ref("east", "PriorityClass", "gpu-headroom"), priority)
        deployment = self.ref("east", "Deployment", "warm", "gpu-headroom")
        self.create(deployment, placeholders(replicas, {"karpenter.sh/nodepool": pool}, gpus=gpus))
        return deployment


def placeholders(replicas: int, selector: Mapping[str, str], *, gpus: int = 1) -> dict[str, Any]:
    labels = {"app": "warm"}
    resources = {"limits": {"nvidia.com/gpu": str(gpus)}}
    spec = {
        "priorityClassName": "gpu-headroom",
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": dict(selector),
        "tolerations": [TOLERATION],
        "containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10", "resources": resources}],
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {"spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}}


def promised_twice(source: ClusterSource) -> list[tuple[str, str]]:
    """Node and resource wherever pods hold more than the node offers."""
    used: Counter[tuple[str, str]] = Counter()
    for pod in source.cluster.snapshot("pods").objects:
        if pod.spec.node_name and pod.status.phase in ("Pending", "Running"):
            for container in pod.spec.containers:
                for name, amount in ((container.resources and container.resources.limits) or {}).items():
                    if name.startswith("nvidia.com/"):
                        used[pod.spec.node_name, name] += int(amount)
    nodes = {node.metadata.name: node.status.allocatable or {} for node in source.cluster.snapshot("nodes").objects}
    return [(node, name) for (node, name), amount in used.items() if amount > int(nodes[node].get(name, "0"))]
