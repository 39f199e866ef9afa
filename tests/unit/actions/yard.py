"""A pool to bring images to, and what tests of it do.

Pool h100 of cluster "yard": n1 to n5, one H100 each; n1 lists vllm:0.9.1 with 9.8 GB, the others nothing large.
"""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from services.actions.engine import Engine
from services.domain.change.plan import Plan, StepKind
from services.domain.change.refs import Ref
from services.domain.kinds import KINDS
from services.domain.objects import Generic
from services.domain.prepull import INSTANCE, OURS, PrepullParams, container_name, objects
from services.errors import NotFound, Refused
from services.ports import Operation, Snapshot, StoreState
from tests.proving import StockedMemory
from tests.sharing_estate import gpu_node
from tests.standin import StandIn
from tests.unit.actions.conftest import OPERATOR, START, Desk
from tests.worlds import Json, MemoryWorld

YARD, SPACE = "yard", "gpu-prepull"
VLLM, CHAT = "registry.example.com/serving/vllm:0.9.1", "chat:2"
WANT = PrepullParams(YARD, "h100", (VLLM,))
TYPED = replace(WANT, images=(CHAT,))
SET = Ref.of(YARD, "DaemonSet", "prepull-h100", SPACE)
NAMESPACE = Ref.of(YARD, "Namespace", SPACE)
GB = 1_000_000_000


class Yard(StockedMemory):
    """A cluster of dictionaries; ``kruise``: ImagePullJobs are served, in the versions ``versions``."""

    def __init__(self) -> None:
        super().__init__()
        self.absent = {"imagepulljobs", "capacitybuffers", "nodepools"}
        self.versions: tuple[str, ...] = KINDS["imagepulljobs"].groups
        for number in range(1, 6):
            self.node(f"n{number}", (VLLM, 9.8) if number == 1 else ("registry.k8s.io/pause:3.10", 0.0003))

    def node(self, name: str, *listed: tuple[str, float], pool: str = "h100", gpus: int = 1, disk: str = "500G") -> Ref:
        body = gpu_node(pool, "NVIDIA-H100-80GB-HBM3", gpus, 81559)
        body["spec"]["taints"] = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
        body["status"]["capacity"] |= {"ephemeral-storage": disk}
        body["status"]["images"] = [{"names": [image], "sizeBytes": int(size * GB)} for image, size in listed]
        if not gpus:
            body["metadata"]["labels"] = {"eks.amazonaws.com/nodegroup": pool} if pool else {}
            body["spec"], body["status"]["capacity"] = {}, {"cpu": "8"}
            body["status"]["allocatable"] = {"cpu": "8"}
        ref = Ref.of(YARD, "Node", name)
        self.put(ref, body)
        return ref

    def kruise(self, *nodes: str) -> None:
        """OpenKruise is installed, and its daemon runs on these nodes."""
        self.absent -= {"imagepulljobs"}
        owner = {"kind": "DaemonSet", "name": "kruise-daemon", "uid": "k", "controller": True}
        for node in nodes:
            meta = {"namespace": "kruise-system", "ownerReferences": [owner]}
            pod = {"metadata": meta, "spec": {"nodeName": node, "containers": []}, "status": {"phase": "Running"}}
            self.put(Ref.of(YARD, "Pod", f"kruise-daemon-{node}", "kruise-system"), pod)

    def read(self, ref: Ref) -> Any:
        if ref.kind == "ImagePullJob" and ref.api not in self.versions:
            raise NotFound(f"The cluster has no API for {ref.plural} ({ref.api}).")
        return super().read(ref)

    def snapshot(self, kind: str) -> Snapshot:
        if kind != "imagepulljobs" or kind in self.absent:
            return super().snapshot(kind)
        held = [body for ref, body in self.objects.items() if ref.kind == "ImagePullJob"]
        jobs = tuple(msgspec.convert(body, Generic) for body in held)
        return Snapshot(kind, jobs, len(self.changed), StoreState.READY, START)

    def shows(self, ref: Ref, status: Json) -> None:
        """Have the status there, where it is not yet."""
        if ref in self.objects and self.objects[ref].get("status") != status:
            self.set(ref, {"status": status})

    @property
    def kept(self) -> tuple[str, ...]:
        return objects.images_in(self.objects.get(SET))

    def pulls(self, node: str, image: str, state: Json) -> None:
        """A pod of the DaemonSet, with the state of the container that pulls an image."""
        called = container_name(image)
        labels = {**OURS, INSTANCE: SET.name}
        body = {
            "metadata": {"namespace": SPACE, "labels": labels},
            "spec": {"nodeName": node, "containers": [], "initContainers": [{"name": called, "image": image}]},
            "status": {"phase": "Pending", "initContainerStatuses": [{"name": called, "state": state}]},
        }
        self.put(Ref.of(YARD, "Pod", f"{SET.name}-{node}", SPACE), body)


def planned(engine: Engine, want: PrepullParams = WANT) -> Plan:
    return engine.plan(OPERATOR, "prepull-images", want)


def refused(engine: Engine, want: PrepullParams) -> str:
    with pytest.raises(Refused) as told:
        planned(engine, want)
    return str(told.value)


def applied(desk: Desk, engine: Engine, want: PrepullParams = WANT) -> Operation:
    found: Operation = desk.operation(desk.applied(engine, planned(engine, want)))
    return found


def taken_back(desk: Desk, engine: Engine, id: str) -> Operation:
    found: Operation = desk.operation(desk.applied(engine, engine.plan_undo(id, OPERATOR).plan))
    return found


def kinds(plan: Plan) -> list[tuple[StepKind, str]]:
    return [(step.kind, step.ref.kind) for step in plan.steps]


def controllers(desk: Desk, yard: Yard) -> StandIn:
    """Controllers and kubelets that act on every wait."""
    standin = StandIn(MemoryWorld(yard, YARD), lambda: desk.now, plugin=("none", "none"))
    desk.ticks.append(standin.tick)
    return standin


def stationed(desk: Desk) -> Yard:
    """The yard among the desk's clusters."""
    yard = Yard()
    desk.clusters[YARD] = yard
    return yard
