"""Room on nodes, by the scheduler's own rule: what is allocatable less what bound pods request."""

import math
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from services.domain.objects import Container, Node, Pod

_SUFFIXES = {
    "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip


@lru_cache(maxsize=8192)
def quantity(text: str | int | float | None) -> float:
    """Any Kubernetes quantity in base units: "500m" → 0.5, "12Gi" → 12 × 2³⁰; 0 when absent, NaN when unreadable."""
    if text is None or text == "":
        return 0.0
    try:
        return float(text)
    except ValueError:
        pass
    said = str(text)
    for length in (2, 1):
        factor = _SUFFIXES.get(said[-length:])
        if factor is not None:
            try:
                return float(said[:-length]) * factor
            except ValueError:
                return math.nan
    return math.nan


def requests(pod: Pod) -> dict[str, float]:
    """What a pod requests of every resource, in base units.

    Init containers run one after another and give back what they had; sidecars (``restartPolicy: Always``) keep it.
    Source: Kubernetes component-helpers/resource/helpers.go, PodRequests.
    """
    main: dict[str, float] = {}
    for container in pod.spec.containers:
        _add(main, _asked(container))
    sidecars: dict[str, float] = {}
    peak: dict[str, float] = {}
    for container in pod.spec.init_containers or ():
        asked = _asked(container)
        if container.restart_policy == "Always":
            _add(sidecars, asked)
            asked = {}
        for name in {*asked, *sidecars}:
            peak[name] = max(peak.get(name, 0.0), asked.get(name, 0.0) + sidecars.get(name, 0.0))
    _add(main, sidecars)
    return {name: max(main.get(name, 0.0), peak.get(name, 0.0)) for name in {**main, **peak}}


def _asked(container: Container) -> dict[str, float]:
    resources = container.resources
    if resources is None:
        return {}
    return {name: quantity(value) for name, value in {**(resources.limits or {}), **(resources.requests or {})}.items()}


def _add(total: dict[str, float], more: Mapping[str, float]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0.0) + amount


def free(nodes: Iterable[Node], pods: Iterable[Pod]) -> dict[str, dict[str, float]]:
    """What is left on each of ``nodes``, by resource; nodes that take no pods (cordoned, not ready) are left out."""
    left = {
        node.metadata.name: {name: quantity(value) for name, value in (node.status.allocatable or {}).items()}
        for node in nodes
        if _open(node)
    }
    for pod in pods:
        here = left.get(pod.spec.node_name or "")
        if here is None or pod.status.phase in ("Succeeded", "Failed"):
            continue
        for name, amount in {**requests(pod), "pods": 1.0}.items():
            if name in here:
                here[name] -= amount
    return left


def _open(node: Node) -> bool:
    ready = any(one.type == "Ready" and one.status == "True" for one in node.status.conditions or ())
    return ready and not node.spec.unschedulable


def fits(left: Mapping[str, Mapping[str, float]], wants: Mapping[str, float], on: Collection[str]) -> int:
    """How many pods that want this fit now on those nodes. What a node does not count does not limit it."""
    here = (left[node] for node in on if node in left)
    return sum(
        min((_times(room[name], amount) for name, amount in wants.items() if amount and name in room), default=0)
        for room in here
    )


def _times(room: float, amount: float) -> int:
    """How often an amount fits; never into what cannot be read."""
    return 0 if math.isnan(room) or math.isnan(amount) else max(int((room + 1e-9) // amount), 0)
