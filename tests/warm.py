"""A pool of T4 nodes as a cluster that can be written to, with the controllers that keep placeholders running.

Two nodes "t1" and "t2" of one T4, 4 CPUs and 16 GiB each, pool "spot", priced as g4dn.xlarge spot in us-east-1; pod
web/chat-1 of Deployment chat holds the GPU of t1. A NodePool lets the pool grow to three GPUs. By hand: one GPU free,
one more may come; a T4 costs 0.2104 USD an hour, 5.0496 a day.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from services.domain.change.patch import at as value_at
from services.domain.change.refs import API, Ref
from services.domain.headroom import INSTANCE, OURS
from services.domain.kinds import KINDS
from services.ports import Snapshot, StoreState
from tests.conftest import NOW
from tests.memory import MemoryCluster

CLUSTER, POOL = "tee", "spot"
T4_DAY_USD = 5.0496
GPU = "nvidia.com/gpu"
_KIND = {"resourcequotas": "quotas"}


def pod(space: str, node: str | None, *, cpu: str = "2", **spec: Any) -> dict[str, Any]:
    """A pod of chat with one T4, so many CPUs and 8 GiB, placed at once when it has a node."""
    asked = {GPU: "1", "cpu": cpu, "memory": "8Gi"}
    created, placed = "2026-06-03T11:00:00Z", "True" if node else "False"
    container = {"name": "main", "image": "vllm", "resources": {"requests": asked, "limits": {GPU: "1"}}}
    return {
        "metadata": {
            "namespace": space,
            "creationTimestamp": created,
            "labels": {"pod-template-hash": "6d5b8"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "chat-6d5b8", "uid": "rs", "controller": True}],
        },
        "spec": {
            "nodeName": node,
            "priority": 0,
            "containers": [container],
            "tolerations": [
                {"key": "lab", "operator": "Exists"},
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300},
            ],
            **spec,
        },
        "status": {
            "phase": "Running" if node else "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": placed, "lastTransitionTime": created},
                {"type": "Ready", "status": placed, "lastTransitionTime": created},
            ],
        },
    }


class WarmCluster(MemoryCluster):
    """A :class:`MemoryCluster` whose stores show what is in it, at once. ``states`` are those of kinds not READY."""

    def __init__(self, at: datetime = NOW) -> None:
        super().__init__()
        self.at = at
        self.states: dict[str, StoreState] = {"capacitybuffers": StoreState.ABSENT}
        self.extra: dict[str, list[dict[str, Any]]] = {
            "nodepools": [
                {
                    "metadata": {"name": POOL},
                    "spec": {"limits": {GPU: "3"}},
                    "status": {"resources": {GPU: "2"}},
                }
            ]
        }
        for name in ("t1", "t2"):
            self.add_node(name)
        self.put(Ref.of(CLUSTER, "Pod", "chat-1", "web"), pod("web", "t1"))

    def add_node(self, name: str, *, created: str = "2026-06-03T08:00:00Z") -> None:
        """One more node of the pool."""
        size = {GPU: "1", "cpu": "4", "memory": "16Gi", "pods": "29"}
        labels = {
            "karpenter.sh/nodepool": POOL, "karpenter.sh/capacity-type": "spot",
            "nvidia.com/gpu.product": "Tesla-T4", "nvidia.com/gpu.count": "1", "nvidia.com/gpu.replicas": "1",
            "node.kubernetes.io/instance-type": "g4dn.xlarge", "topology.kubernetes.io/region": "us-east-1",
        }  # fmt: skip
        body = {
            "metadata": {"labels": labels, "creationTimestamp": created},
            "spec": {"taints": [{"key": "spot", "value": "true", "effect": "NoSchedule"}]},
            "status": {"capacity": size, "allocatable": size, "conditions": [{"type": "Ready", "status": "True"}]},
        }
        self.put(Ref.of(CLUSTER, "Node", name), body)

    def snapshot(self, kind: str) -> Snapshot:
        state = self.states.get(kind, StoreState.READY)
        if state is not StoreState.READY:
            return Snapshot(kind, (), len(self.changed), state, None, message=f"{kind} cannot be read.")
        held = [body for ref, body in self.objects.items() if _KIND.get(API[ref.kind][1], API[ref.kind][1]) == kind]
        shown = [msgspec.convert(body, KINDS[kind].struct) for body in [*held, *self.extra.get(kind, [])]]
        version = sum(int(body["metadata"].get("resourceVersion", 0)) for body in held) + len(self.objects)
        return Snapshot(kind, tuple(shown), version, state, self.at)

    def controllers(self, *, new_nodes: bool = False) -> Callable[[], None]:
        """What a cluster does once a second: places placeholders, keeps the Deployments' status."""

        def tick() -> None:
            for ref, body in list(self.objects.items()):
                if ref.kind == "Deployment" and body["metadata"]["labels"].items() >= OURS.items():
                    self._reconcile(ref, body, new_nodes=new_nodes)
            alive = {ref.name for ref in self.objects if ref.kind == "Deployment"}
            for ref, body in list(self.objects.items()):
                keeper = (body["metadata"].get("labels") or {}).get(INSTANCE)
                if ref.kind == "Pod" and keeper is not None and keeper not in alive:
                    del self.objects[ref]

        return tick

    def _reconcile(self, ref: Ref, body: Mapping[str, Any], *, new_nodes: bool) -> None:
        wanted = body["spec"]["replicas"]
        mine = [one for one in self.objects if one.kind == "Pod" and one.name.startswith(f"{ref.name}-")]
        for extra in mine[wanted:]:
            del self.objects[extra]
        free = [node.name for node in self.objects if node.kind == "Node" and not self.pods_on(node.name)]
        for number in range(len(mine), wanted):
            if not free and new_nodes:
                self.add_node("t3", created="2026-06-03T12:01:00Z")
                free.append("t3")
            made = self._placeholder(body, free.pop() if free else None)
            self.put(Ref.of(ref.cluster, "Pod", f"{ref.name}-{number}", ref.namespace), made)
        running = sum(
            value_at(one, ("status", "phase")) == "Running"
            for other, one in self.objects.items()
            if other.kind == "Pod" and other.name.startswith(f"{ref.name}-")
        )
        status = {"replicas": wanted, "availableReplicas": running}
        if body.get("status") != status:
            self.set(ref, {"status": status})

    def _placeholder(self, deployment: Mapping[str, Any], node: str | None) -> dict[str, Any]:
        template = deployment["spec"]["template"]
        return {
            "metadata": {**template["metadata"], "namespace": "gpu-headroom"},
            "spec": {**template["spec"], "nodeName": node, "priority": -10},
            "status": {"phase": "Running" if node else "Pending"},
        }
