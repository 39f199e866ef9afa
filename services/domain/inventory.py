"""The GPU inventory: physical GPUs, schedulable units and sharing state of every node, from Node objects alone."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from services.domain import dra, frames, units
from services.domain.objects import Generic, Node

NODES = {
    "cluster": "str",
    "node": "str",
    "pool": "str",  # NO_POOL when no pool label is set
    "model": "str",
    "instance_type": "str",
    "zone": "str",
    "region": "str",
    "capacity_type": "str",  # on-demand, spot, reserved, unknown
    "driver": "str",
    "memory_bytes": "float64",  # of one GPU; NaN when unknown
    "sharing": "str",  # none, time-slicing, mps, mig, dra
    "replicas": "float64",  # units a whole GPU is sold as; 1 without time-slicing or MPS
    "gpus": "float64",  # physical GPUs
    "allocatable": "float64",  # GPU equivalents pods can hold
    "unhealthy": "float64",  # GPU equivalents capacity has and allocatable lacks
    "remainder": "float64",  # GPU equivalents a MIG layout leaves unusable
    "missing": "float64",  # GPU equivalents expected but not even in capacity
    "units": "float64",  # allocatable units, all resources
    "ready": "bool",
    "schedulable": "bool",
    "state": "str",  # ready, cordoned, not ready, no GPUs, fewer GPUs
    "state_message": "str",
    "taints": "str",
    "drift": "str",  # where capacity, allocatable and labels disagree; "" when they agree
    "created_at": "datetime64[us, UTC]",
}
"""One row per GPU node. ``gpus = allocatable + unhealthy + remainder + missing`` for every row."""

UNITS = {
    "cluster": "str",
    "node": "str",
    "resource": "str",
    "capacity": "float64",
    "allocatable": "float64",
    "fraction": "float64",  # GPU equivalents of one unit
}
"""One row per node and GPU resource the node advertises, zeros included: the kubelet keeps a key once seen."""

NO_POOL = "(no pool)"
POOL_LABELS = (
    "karpenter.sh/nodepool",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "kubernetes.azure.com/agentpool",
    "agentpool",
)
DRIVER_LABELS = ("nvidia.com/cuda.driver-version.full", "nvidia.com/gpu.driver-version")


def nodes(
    cluster: str,
    objects: Iterable[Node],
    *,
    instance_gpus: Mapping[str, int] | None = None,
    slices: Sequence[Generic] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Frames :data:`NODES` and :data:`UNITS` of the GPU nodes among ``objects``.

    ``instance_gpus`` gives the GPUs of known instance types, the best evidence where labels count MIG devices;
    ``slices`` are ResourceSlices, for GPUs offered through dynamic resource allocation.
    """
    known = instance_gpus or {}
    offered = dra.gpus_by_node(slices)
    node_rows: list[tuple[object, ...]] = []
    unit_rows: list[tuple[object, ...]] = []
    for obj in objects:
        labels = obj.metadata.labels or {}
        capacity = _gpu_resources(obj.status.capacity)
        if not _is_gpu_node(labels, capacity, obj.metadata.name in offered):
            continue
        allocatable = _gpu_resources(obj.status.allocatable)
        row, its_units = _node(cluster, obj, labels, capacity, allocatable, known, offered.get(obj.metadata.name))
        node_rows.append(row)
        unit_rows.extend(its_units)
    return frames.table(NODES, node_rows), frames.table(UNITS, unit_rows)


def _is_gpu_node(labels: Mapping[str, str], capacity: Mapping[str, float], offered: bool) -> bool:
    return bool(capacity) or offered or labels.get("nvidia.com/gpu.present") == "true"


def _gpu_resources(resources: Mapping[str, str] | None) -> dict[str, float]:
    return {name: units.quantity(value) for name, value in (resources or {}).items() if units.is_gpu_resource(name)}


def _node(
    cluster: str,
    obj: Node,
    labels: Mapping[str, str],
    capacity: Mapping[str, float],
    allocatable: Mapping[str, float],
    known: Mapping[str, int],
    offered: "dra.Offer | None",
) -> tuple[tuple[object, ...], list[tuple[object, ...]]]:
    name = obj.metadata.name
    product = labels.get("nvidia.com/gpu.product") or labels.get("cloud.google.com/gke-accelerator", "")
    model = units.model_name(product) or (units.model_name(offered.product) if offered else "")
    instance_type = labels.get("node.kubernetes.io/instance-type", "")
    mig = any(units.mig_profile(key) for key in capacity) or bool(units.product_parts(product)[1])
    gpus = _physical(labels, capacity, known.get(instance_type), offered, mig=mig)

    unit_rows: list[tuple[object, ...]] = []
    had = has = number = 0.0
    for resource, count in sorted(capacity.items()):
        fraction = units.unit_fraction(resource, model, labels, capacity=count, gpus=gpus)
        free = allocatable.get(resource, 0.0)
        unit_rows.append((cluster, name, resource, count, free, fraction))
        had += _product(count, fraction)
        has += _product(free, fraction)
        number += free
    if offered:
        had += offered.gpus
        has += offered.healthy
        number += offered.healthy
    gpus = max(gpus, had) if not math.isnan(gpus) else had
    gap = max(gpus - had, 0.0)
    if gap < 1e-9:
        gap = 0.0
    # A layout cannot waste what the plugin does not advertise at all.
    remainder, missing = (gap, 0.0) if mig and had > 0 else (0.0, gap)
    unhealthy = max(had - has, 0.0) if had - has > 1e-9 else 0.0

    ready, why_not_ready = _ready(obj)
    schedulable = not obj.spec.unschedulable
    resource = "nvidia.com/gpu.shared" if "nvidia.com/gpu.shared" in capacity else "nvidia.com/gpu"
    replicas = units.replicas_of(resource, labels, capacity=capacity.get(resource, 0.0), gpus=gpus)
    state, message = _state(
        ready, schedulable, why_not_ready, gpus=gpus, allocatable=has, unhealthy=unhealthy, missing=missing
    )
    row = (
        cluster,
        name,
        next((labels[key] for key in POOL_LABELS if labels.get(key)), NO_POOL),
        model,
        instance_type,
        labels.get("topology.kubernetes.io/zone", ""),
        labels.get("topology.kubernetes.io/region", ""),
        capacity_type(labels),
        next((labels[key] for key in DRIVER_LABELS if labels.get(key)), ""),
        _memory(labels, offered, whole=not units.product_parts(product)[1]),
        _sharing(labels, mig=mig, dra=offered is not None and not capacity, replicas=replicas),
        replicas,
        gpus,
        has,
        unhealthy,
        remainder,
        missing,
        number,
        ready,
        schedulable,
        state,
        message,
        ", ".join(f"{taint.key}={taint.value or ''}:{taint.effect}" for taint in obj.spec.taints or []),
        "; ".join(_drift(labels, capacity, allocatable, mig=mig, known=known.get(instance_type))),
        obj.metadata.creation_timestamp,
    )
    return row, unit_rows


def _product(count: float, fraction: float) -> float:
    return 0.0 if math.isnan(fraction) or math.isnan(count) else count * fraction


def _physical(
    labels: Mapping[str, str],
    capacity: Mapping[str, float],
    of_type: int | None,
    offered: "dra.Offer | None",
    *,
    mig: bool,
) -> float:
    """Physical GPUs of a node, best evidence first; NaN when nothing tells."""
    count = units.quantity(labels.get("nvidia.com/gpu.count"))
    single = units.product_parts(labels.get("nvidia.com/gpu.product", ""))[1]
    if count > 0 and not single:
        return count
    if of_type:
        return float(of_type)
    if single:  # gpu.count is then the number of MIG devices: their slices are only a lower bound
        slices = units.quantity(labels.get("nvidia.com/gpu.slices.gi"))
        return math.ceil(count * slices / units.MIG_SLICES) if slices and count else math.nan
    accelerators = units.quantity(labels.get("cloud.google.com/gke-accelerator-count"))
    if accelerators > 0:
        return accelerators
    if offered:
        return float(offered.gpus)
    if mig:
        return math.nan
    return float(
        sum(
            n / units.replicas_of(key, labels, capacity=n, gpus=math.nan)
            for key, n in capacity.items()
            if not units.mig_profile(key) and not math.isnan(n)
        )
    )


def capacity_type(labels: Mapping[str, str]) -> str:
    """on-demand, spot, reserved or unknown, from the provisioner's labels.

    Karpenter, EKS, GKE, AKS, then convention.
    """
    karpenter = labels.get("karpenter.sh/capacity-type")
    if karpenter:
        return karpenter
    eks = labels.get("eks.amazonaws.com/capacityType")
    if eks:
        return {"ON_DEMAND": "on-demand", "SPOT": "spot", "CAPACITY_BLOCK": "reserved"}.get(eks, eks.lower())
    if "true" in (labels.get("cloud.google.com/gke-spot"), labels.get("cloud.google.com/gke-preemptible")):
        return "spot"
    gke = labels.get("cloud.google.com/gke-provisioning")
    if gke:
        return {"standard": "on-demand", "preemptible": "spot"}.get(gke, gke)
    if any(key.startswith("kubernetes.azure.com/") for key in labels):
        return "spot" if labels.get("kubernetes.azure.com/scalesetpriority") == "spot" else "on-demand"
    lifecycle = labels.get("node.kubernetes.io/lifecycle", "")
    return {"spot": "spot", "normal": "on-demand", "on-demand": "on-demand"}.get(lifecycle, "unknown")


def _memory(labels: Mapping[str, str], offered: "dra.Offer | None", *, whole: bool) -> float:
    mebibytes = units.quantity(labels.get("nvidia.com/gpu.memory")) if whole else 0.0
    if mebibytes > 0:
        return mebibytes * 1048576.0
    return offered.memory_bytes if offered else math.nan


def _sharing(labels: Mapping[str, str], *, mig: bool, dra: bool, replicas: float) -> str:
    if mig:
        return "mig"
    if dra:
        return "dra"
    strategy = labels.get("nvidia.com/gpu.sharing-strategy") or labels.get(
        "cloud.google.com/gke-gpu-sharing-strategy", ""
    )
    if strategy == "mps":
        return "mps"
    return "time-slicing" if strategy in ("time-slicing", "time-sharing") or replicas > 1 else "none"


def _ready(obj: Node) -> tuple[bool, str]:
    for condition in obj.status.conditions or []:
        if condition.type == "Ready":
            return condition.status == "True", condition.message or condition.reason or ""
    return False, "the node has not reported a Ready condition"


def _state(
    ready: bool,
    schedulable: bool,
    why_not_ready: str,
    *,
    gpus: float,
    allocatable: float,
    unhealthy: float,
    missing: float,
) -> tuple[str, str]:
    if not ready:
        return "not ready", why_not_ready
    if gpus > 0 and allocatable == 0:
        return "no GPUs", f"{_gpus(gpus)} expected, none can be allocated: driver or device plugin is not up"
    if unhealthy > 0 or missing > 0:
        said = []
        if unhealthy > 0:
            said.append(f"{unhealthy:g} marked unhealthy by the device plugin")
        if missing > 0:
            said.append(f"{missing:g} not advertised at all")
        return "fewer GPUs", f"of {_gpus(gpus)}, " + " and ".join(said)
    return ("ready", "") if schedulable else ("cordoned", "no new pods are placed here")


def _gpus(number: float) -> str:
    return "1 GPU" if number == 1 else f"{number:g} GPUs"


def _drift(
    labels: Mapping[str, str],
    capacity: Mapping[str, float],
    allocatable: Mapping[str, float],
    *,
    mig: bool,
    known: int | None,
) -> Iterable[str]:
    count = units.quantity(labels.get("nvidia.com/gpu.count"))
    _, profile, shared = units.product_parts(labels.get("nvidia.com/gpu.product", ""))
    if known and count and not profile and count != known:
        yield f"label gpu.count says {count:g}, the instance type has {known} GPUs"
    plain = capacity.get("nvidia.com/gpu", 0.0) + capacity.get("nvidia.com/gpu.shared", 0.0)
    replicas = units.quantity(labels.get("nvidia.com/gpu.replicas"))
    if count and plain and not mig:
        expected = count * max(replicas, 1.0)
        if plain != expected:
            yield f"labels promise {expected:g} units, capacity has {plain:g}"
    if shared and replicas <= 1:
        yield "product says shared, gpu.replicas does not"
    if profile == "INVALID":
        yield "MIG strategy single is impossible with this layout"
    wanted, state = labels.get("nvidia.com/mig.config"), labels.get("nvidia.com/mig.config.state")
    if wanted and state and state != "success":
        yield f"MIG layout {wanted} is {state}"
    for resource, has in allocatable.items():
        if resource not in capacity and has:
            yield f"{resource} is allocatable but not in capacity"


def short_node(name: str) -> str:
    """A node name without its domain: "ip-10-0-1-7.ec2.internal" → "ip-10-0-1-7"."""
    return re.split(r"\.", name, maxsplit=1)[0]
