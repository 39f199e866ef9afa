"""Pods, nodes and events as a cluster sends them; times are seconds after noon."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.domain.objects import Event, Generic, Node, Pod
from tests.factories import NOW

UID = "6d3f0c52-7a41-4f7e-9d0a-1f2e3c4b5a69"
IMAGE = "reg.example/vllm:1"

Json = dict[str, Any]


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOW + timedelta(seconds=seconds)


def text(seconds: float) -> str:
    """The same, as the API writes it."""
    return at(seconds).isoformat()


def true(name: str, seconds: float) -> Json:
    """A condition that is true since then."""
    return {"type": name, "status": "True", "lastTransitionTime": text(seconds)}


def false(name: str, seconds: float, reason: str = "", message: str = "") -> Json:
    """A condition that is false since then."""
    return {
        "type": name, "status": "False", "lastTransitionTime": text(seconds), "reason": reason, "message": message,
    }  # fmt: skip


def status(name: str = "server", *, restarts: int = 0, **state: Any) -> Json:
    """A container's status: ``running=5``, ``waiting="ErrImagePull"``, ``ended=(5, 60, 1)``, ``last=(5, 60, 1)``."""
    found: Json = {"name": name, "restartCount": restarts}
    if "running" in state:
        found["state"] = {"running": {"startedAt": text(state["running"])}}
    if "waiting" in state:
        found["state"] = {"waiting": {"reason": state["waiting"], "message": state.get("message", "")}}
    for key, place in (("ended", "state"), ("last", "lastState")):
        if key in state:
            begin, end, code = state[key]
            found[place] = {
                "terminated": {
                    "startedAt": text(begin),
                    "finishedAt": text(end),
                    "exitCode": code,
                    "reason": "Completed" if code == 0 else "Error",
                }
            }
    found["started"], found["ready"] = state.get("started", False), state.get("ready", False)
    return found


def container(name: str = "server", *, gpus: int = 1, image: str = IMAGE, probes: str = "startup readiness") -> Json:
    """A container of a pod's spec."""
    found: Json = {"name": name, "image": image}
    if gpus:
        found["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    for probe in probes.split():
        found[f"{probe}Probe"] = {"periodSeconds": 10}
    return found


def pod(
    *conditions: Json,
    uid: str = UID,
    name: str = "chat-0",
    node: str | None = None,
    phase: str = "Pending",
    containers: Sequence[Json] | None = None,
    init: Sequence[Json] = (),
    statuses: Sequence[Json] = (),
    init_statuses: Sequence[Json] = (),
    deleted: float | None = None,
    **spec: Any,
) -> Pod:
    """A pod created at noon."""
    raw = {
        "metadata": {
            "name": name,
            "namespace": "serving",
            "uid": uid,
            "creationTimestamp": text(0),
            "deletionTimestamp": None if deleted is None else text(deleted),
            "labels": spec.pop("labels", {}),
            "ownerReferences": [{"kind": "StatefulSet", "name": "chat", "uid": "set-1", "controller": True}],
        },
        "spec": {
            "nodeName": node,
            "containers": [container()] if containers is None else list(containers),
            "initContainers": list(init),
            **spec,
        },
        "status": {
            "phase": phase,
            "conditions": list(conditions),
            "containerStatuses": list(statuses),
            "initContainerStatuses": list(init_statuses),
        },
    }
    return msgspec.convert(raw, Pod)


def node(
    name: str = "n1",
    *,
    created: float = -3600,
    ready: float | None = -3540,
    gpus: int = 8,
    images: Sequence[str] = (),
    labels: dict[str, str] | None = None,
) -> Node:
    """A node; by default there for an hour."""
    raw = {
        "metadata": {"name": name, "creationTimestamp": text(created), "labels": labels or {}},
        "status": {
            "allocatable": {"nvidia.com/gpu": str(gpus)} if gpus else {"cpu": "96"},
            "conditions": [true("Ready", ready)] if ready is not None else [false("Ready", created)],
            "images": [{"names": [image], "sizeBytes": 1} for image in images],
        },
    }
    return msgspec.convert(raw, Node)


def event(
    reason: str,
    message: str,
    first: float,
    *,
    by: str = "kubelet",
    last: float | None = None,
    count: int = 1,
    of: str = "",
    kind: str = "Pod",
    name: str = "chat-0",
    uid: str = UID,
) -> Event:
    """An event of the pod, or of its container ``of``."""
    raw = {
        "metadata": {"name": f"{name}.{reason}.{first}", "namespace": "serving"},
        "involvedObject": {
            "kind": kind,
            "name": name,
            "namespace": "serving",
            "uid": uid if kind == "Pod" else "",
            "fieldPath": f"spec.containers{{{of}}}" if of else None,
        },
        "reason": reason,
        "message": message,
        "firstTimestamp": text(first),
        "lastTimestamp": text(first if last is None else last),
        "count": count,
        "source": {"component": by},
    }
    return msgspec.convert(raw, Event)


def claim(node_name: str, created: float, registered: float, initialized: float | None = None) -> Generic:
    """A NodeClaim of Karpenter's that became a node."""
    conditions = [true("Launched", created + 5), true("Registered", registered)]
    if initialized is not None:
        conditions.append(true("Initialized", initialized))
    raw = {
        "metadata": {"name": "h100-x7k2p", "creationTimestamp": text(created)},
        "status": {"nodeName": node_name, "conditions": conditions},
    }
    return msgspec.convert(raw, Generic)
