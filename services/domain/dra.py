"""Dynamic resource allocation: GPUs offered by ResourceSlices and held through ResourceClaims.

Source: Kubernetes resource.k8s.io/v1; attributes of the NVIDIA driver ``gpu.nvidia.com`` (k8s-dra-driver-gpu,
deviceinfo.go). Announced MIG devices are possible placements, not existing instances, so only allocated ones count.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.domain import units
from services.domain.objects import Generic

GPU_DRIVERS = frozenset({"gpu.nvidia.com", "gpu.amd.com", "gpu.intel.com"})


@dataclass(frozen=True)
class Offer:
    """What a node offers through dynamic resource allocation: physical GPUs, how many may be used, what they are."""

    gpus: int
    healthy: int
    product: str
    memory_bytes: float


@dataclass(frozen=True)
class Device:
    """One announced device: GPU equivalents it stands for and the node it is on."""

    node: str
    equivalents: float


def gpus_by_node(slices: Sequence[Generic]) -> dict[str, Offer]:
    """Offers by node: distinct physical GPUs by ``uuid`` (of MIG devices: ``parentUUID``)."""
    found: dict[str, dict[str, tuple[bool, str, float]]] = {}
    for node, _pool, device in _current_devices(slices):
        attributes = _attributes(device)
        kind = attributes.get("type", "gpu")
        identity = attributes.get("uuid") if kind == "gpu" else attributes.get("parentUUID")
        if kind not in ("gpu", "mig"):
            continue
        blocked = any(taint.get("effect") in ("NoSchedule", "NoExecute") for taint in device.get("taints") or [])
        key = str(identity or device.get("name", ""))
        if kind == "gpu" or key not in found.get(node, {}):
            found.setdefault(node, {})[key] = (
                not blocked,
                str(attributes.get("productName", "")),
                _memory(device) if kind == "gpu" else math.nan,
            )
    return {
        node: Offer(
            gpus=len(devices),
            healthy=sum(healthy for healthy, _, _ in devices.values()),
            product=next(iter(devices.values()))[1],
            memory_bytes=next(iter(devices.values()))[2],
        )
        for node, devices in found.items()
    }


def devices(slices: Sequence[Generic]) -> dict[tuple[str, str, str], Device]:
    """Announced devices by (driver, pool, device name)."""
    answer = {}
    for node, pool, device in _current_devices(slices):
        attributes = _attributes(device)
        model = units.model_name(str(attributes.get("productName", "")))
        fraction = units.mig_fraction(str(attributes["profile"]), model) if attributes.get("profile") else 1.0
        answer[(pool[0], pool[1], str(device.get("name", "")))] = Device(node, fraction)
    return answer


def held_by_pod(claims: Iterable[Generic], slices: Sequence[Generic]) -> dict[str, tuple[float, float]]:
    """Devices held through allocated claims: pod UID → (devices, GPU equivalents). Shared claims split equally."""
    announced = devices(slices)
    held: dict[str, tuple[float, float]] = {}
    for claim in claims:
        status = claim.status if isinstance(claim.status, Mapping) else {}
        allocation = status.get("allocation") or {}
        results = (allocation.get("devices") or {}).get("results") or []
        gpus = [r for r in results if r.get("driver") in GPU_DRIVERS and not r.get("adminAccess")]
        pods = [r.get("uid", "") for r in status.get("reservedFor") or [] if r.get("resource") == "pods"]
        if not gpus or not pods:
            continue
        equivalents = sum(
            announced[key].equivalents
            if (key := (r.get("driver"), r.get("pool"), r.get("device"))) in announced
            else 1.0
            for r in gpus
        )
        for uid in pods:
            number, amount = held.get(uid, (0.0, 0.0))
            held[uid] = (number + len(gpus) / len(pods), amount + equivalents / len(pods))
    return held


def _current_devices(slices: Sequence[Generic]) -> Iterable[tuple[str, tuple[str, str], dict[str, Any]]]:
    """Devices of the newest complete generation of each pool: (node, (driver, pool), device)."""
    pools: dict[tuple[str, str], dict[int, list[Mapping[str, Any]]]] = {}
    for obj in slices:
        spec = obj.spec if isinstance(obj.spec, Mapping) else {}
        pool = spec.get("pool") or {}
        if spec.get("driver") in GPU_DRIVERS:
            key = (str(spec["driver"]), str(pool.get("name", "")))
            pools.setdefault(key, {}).setdefault(int(pool.get("generation", 0)), []).append(spec)
    for key, generations in pools.items():
        newest = generations[max(generations)]
        expected = int((newest[0].get("pool") or {}).get("resourceSliceCount", len(newest)))
        if len(newest) < expected:
            continue
        for spec in newest:
            for device in spec.get("devices") or []:
                yield str(spec.get("nodeName", "")), key, device


def _attributes(device: Mapping[str, Any]) -> dict[str, Any]:
    """Plain attribute values: {"type": {"string": "gpu"}} → {"type": "gpu"}; v1beta1 nests them under "basic"."""
    body = device.get("basic") or device
    return {
        name.rsplit("/", 1)[-1]: next(iter(value.values()), None)
        for name, value in (body.get("attributes") or {}).items()
        if isinstance(value, Mapping)
    }


def _memory(device: Mapping[str, Any]) -> float:
    body = device.get("basic") or device
    memory = ((body.get("capacity") or {}).get("memory") or {}).get("value")
    if memory is None:
        return math.nan
    text = str(memory)
    for suffix, factor in {"Ki": 1024.0, "Mi": 1048576.0, "Gi": 1073741824.0}.items():
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    try:
        return float(text)
    except ValueError:
        return math.nan
