"""How the GPUs of a node are divided: what it offers now, and what another layout would offer.

Sources: k8s-device-plugin ``api/config/v1`` and ``internal/lm`` (labels), gpu-operator (mig-manager), kubelet
devicemanager (a resource once advertised stays, with 0).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from services.domain import units
from services.domain.change.conditions import Test
from services.domain.objects import Node
from services.domain.sharing import mig
from services.errors import Refused

GPU = "nvidia.com/gpu"
RENAMED = "nvidia.com/gpu.shared"
CONFIG_LABEL = "nvidia.com/device-plugin.config"
MIG_LABEL = "nvidia.com/mig.config"
MIG_STATE_LABEL = "nvidia.com/mig.config.state"
PRODUCT_LABEL = "nvidia.com/gpu.product"
NO_MIG = "all-disabled"
NO_ISOLATION = (
    "Time-slicing gives no memory limit and no fault isolation. One pod can exhaust GPU memory or crash all pods on "
    "this GPU. Use MIG where tenants must not affect each other."
)


class Mode(StrEnum):
    """The ways to divide a GPU."""

    EXCLUSIVE = "exclusive"
    TIME_SLICING = "time-slicing"
    MPS = "mps"
    MIG = "mig"


@dataclass(frozen=True, order=True)
class Layout:
    """One way all GPUs of a node are divided.

    ``replicas`` is how many units one device is sold as; ``mig`` the name of a MIG configuration.
    """

    mode: Mode
    replicas: int = 1
    mig: str = ""

    @property
    def key(self) -> str:
        """As text: "exclusive", "time-slicing-4", "mps-4", "mig:all-1g.10gb"."""
        if self.mode is Mode.MIG:
            return f"mig:{self.mig}"
        return self.mode.value if self.mode is Mode.EXCLUSIVE else f"{self.mode.value}-{self.replicas}"

    @staticmethod
    def of(key: str) -> "Layout":
        """The layout a :attr:`key` names. Raises Refused for any other text."""
        if key == Mode.EXCLUSIVE:
            return EXCLUSIVE
        if key.startswith("mig:") and len(key) > 4:
            return Layout(Mode.MIG, mig=key[4:])
        match = re.fullmatch(r"(time-slicing|mps)-([1-9]\d{0,3})", key)
        if match is None or int(match.group(2)) < 2:
            raise Refused(f"{key[:80]!r} is no sharing layout.")
        return Layout(Mode(match.group(1)), int(match.group(2)))

    @property
    def shared(self) -> bool:
        """Whether the device plugin sells one device several times."""
        return self.mode in (Mode.TIME_SLICING, Mode.MPS)

    def __str__(self) -> str:
        """For people: "Time-slicing × 4"."""
        if self.mode is Mode.MIG:
            times = f", each × {self.replicas}" if self.replicas > 1 else ""
            return f"MIG {self.mig or 'layout without a name'}{times}"
        if self.mode is Mode.EXCLUSIVE:
            return "Exclusive"
        return f"{'MPS' if self.mode is Mode.MPS else 'Time-slicing'} × {self.replicas}"


EXCLUSIVE = Layout(Mode.EXCLUSIVE)


@dataclass(frozen=True)
class NodeState:
    """One GPU node and how it is divided now.

    ``gpus`` are physical GPUs, ``capacity`` and ``allocatable`` units by GPU resource (zeros left out),
    ``memory_bytes`` of a whole GPU (NaN when unknown), ``compute`` its compute capability (None when unknown).
    ``config``, ``mig_config`` and ``mig_state`` are the labels as they are, "" where absent; ``strategy`` is the MIG
    strategy the labels tell. ``gke`` nodes have GKE's own device plugin, ``dra`` nodes none; the provisioner makes and
    removes ``autoscaled`` ones.
    """

    cluster: str
    node: str
    pool: str
    model: str
    layout: Layout
    gpus: float
    capacity: Mapping[str, float]
    allocatable: Mapping[str, float]
    memory_bytes: float = math.nan
    compute: tuple[int, int] | None = None
    mig_capable: bool = False
    config: str = ""
    mig_config: str = ""
    mig_state: str = ""
    strategy: str = ""
    product: str = ""
    ready: bool = True
    schedulable: bool = True
    gke: bool = False
    dra: bool = False
    autoscaled: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def renamed(self) -> bool:
        """Whether shared units have a name of their own here."""
        return self.capacity.get(RENAMED, 0.0) > 0


@dataclass(frozen=True)
class Offer:
    """What a node offers under a layout.

    ``capacity`` and ``allocatable``: units by resource. ``equivalents``: GPU equivalents pods can hold.
    ``memory_bytes``: of the smallest unit (with time-slicing a fair share, not a limit); NaN when unknown.
    """

    capacity: Mapping[str, float]
    allocatable: Mapping[str, float]
    equivalents: float
    memory_bytes: float

    @property
    def units(self) -> float:
        """Units pods can ask for, of all resources."""
        return sum(self.allocatable.values())


def state(row: Mapping[str, Any], obj: Node) -> NodeState:
    """A node's state from its row of :data:`services.domain.inventory.NODES` and its object."""
    labels = obj.metadata.labels or {}
    capacity, allocatable = _gpu_units(obj.status.capacity), _gpu_units(obj.status.allocatable)
    profile = units.product_parts(labels.get(PRODUCT_LABEL, ""))[1]
    replicas = max(int(row["replicas"]) if row["replicas"] == row["replicas"] else 1, 1)
    managed = "nvidia.com/gpu.deploy.device-plugin" in labels or CONFIG_LABEL in labels
    return NodeState(
        cluster=str(row["cluster"]),
        node=obj.metadata.name,
        pool=str(row["pool"]),
        model=str(row["model"]),
        layout=_layout(labels, capacity, profile, replicas),
        gpus=float(row["gpus"]),
        capacity=capacity,
        allocatable=allocatable,
        memory_bytes=float(row["memory_bytes"]),
        compute=_compute(labels),
        mig_capable=labels.get("nvidia.com/mig.capable") == "true",
        config=labels.get(CONFIG_LABEL, ""),
        mig_config=labels.get(MIG_LABEL, ""),
        mig_state=labels.get(MIG_STATE_LABEL, ""),
        strategy=labels.get("nvidia.com/mig.strategy", ""),
        product=labels.get(PRODUCT_LABEL, ""),
        ready=bool(row["ready"]),
        schedulable=bool(row["schedulable"]),
        gke="cloud.google.com/gke-accelerator" in labels and not managed,
        dra=row["sharing"] == "dra",
        autoscaled=any(
            key in labels for key in ("karpenter.sh/nodepool", "cluster-autoscaler.kubernetes.io/node-group")
        ),
        labels=labels,
    )


def _gpu_units(resources: Mapping[str, str] | None) -> dict[str, float]:
    counts = {name: units.quantity(value) for name, value in (resources or {}).items() if units.is_gpu_resource(name)}
    return {name: count for name, count in counts.items() if count > 0}


def _layout(labels: Mapping[str, str], capacity: Mapping[str, float], profile: str, replicas: int) -> Layout:
    if profile or any(units.mig_profile(name) for name in capacity):
        return Layout(Mode.MIG, replicas, labels.get(MIG_LABEL, ""))
    told = labels.get("nvidia.com/gpu.sharing-strategy") or labels.get("cloud.google.com/gke-gpu-sharing-strategy", "")
    if told == "mps":
        return Layout(Mode.MPS, replicas)
    return Layout(Mode.TIME_SLICING, replicas) if replicas > 1 else EXCLUSIVE


def _compute(labels: Mapping[str, str]) -> tuple[int, int] | None:
    major, minor = (labels.get(f"nvidia.com/gpu.compute.{part}", "") for part in ("major", "minor"))
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None


def mps_limit(compute: tuple[int, int] | None) -> int:
    """Most units MPS makes of one GPU: 48 from compute capability 7.5 on, 16 below; the smaller one when unknown."""
    return 48 if compute is not None and compute >= (7, 5) else 16


def now(node: NodeState) -> Offer:
    """What the node offers now."""
    worth = {name: _worth(name, node) for name in node.capacity}
    equivalents = sum(node.allocatable.get(name, 0.0) * share for name, share in worth.items())
    if node.layout.mode is Mode.MIG:
        memory = _smallest(node, node.capacity)
    else:
        memory = node.memory_bytes / node.layout.replicas
    return Offer(node.capacity, node.allocatable, equivalents, memory)


def _worth(resource: str, node: NodeState) -> float:
    return units.unit_fraction(
        resource, node.model, node.labels, capacity=node.capacity.get(resource, 0.0), gpus=node.gpus
    )


def _smallest(node: NodeState, resources: Mapping[str, float]) -> float:
    profiles = [units.mig_profile(name) for name in resources if units.mig_profile(name)]
    if not profiles:
        single = units.product_parts(node.product)[1]
        profiles = [single] if single else []
    sizes = [mig.memory_bytes(profile, node.model) for profile in profiles]
    return min(sizes, default=math.nan) / node.layout.replicas


def after(
    node: NodeState, layout: Layout, *, cut: Sequence[mig.Cut] = (), strategy: str = "", renamed: bool = False
) -> Offer:
    """What the node would offer under ``layout``.

    ``cut``: what a MIG configuration makes of each GPU; ``strategy`` how instances are advertised; ``renamed``: shared
    units get the name :data:`RENAMED`. GPUs that are unhealthy now stay so.
    """
    if layout.mode is Mode.MIG:
        capacity = mig.advertised(cut, strategy)
        equivalents = mig.equivalents(cut, node.model)
        sizes = [mig.memory_bytes(profile, node.model) for one in cut if one for profile in one]
        return Offer(capacity, capacity, equivalents, min(sizes, default=node.memory_bytes))
    devices, healthy = _devices(node)
    name = RENAMED if renamed and layout.shared else GPU
    count = layout.replicas
    return Offer({name: devices * count}, {name: healthy * count}, healthy, node.memory_bytes / count)


def _devices(node: NodeState) -> tuple[float, float]:
    """Whole GPUs the plugin would advertise, and those of them that are healthy."""
    if node.layout.mode is Mode.MIG:
        return node.gpus, node.gpus
    sold = node.layout.replicas
    plain = (GPU, RENAMED)
    return tuple(sum(found.get(name, 0.0) for name in plain) / sold for found in (node.capacity, node.allocatable))  # type: ignore[return-value]


def product_after(node: NodeState, layout: Layout, offer: Offer, *, strategy: str = "", profile: str = "") -> str:
    """What the label ``nvidia.com/gpu.product`` will say."""
    bare = units.product_parts(node.product)[0]
    if layout.mode is Mode.MIG:
        return f"{bare}-MIG-{profile}" if strategy == "single" and profile else bare
    return f"{bare}-SHARED" if layout.shared and RENAMED not in offer.capacity else bare


def shows(offer: Offer, before: Mapping[str, float]) -> list[Test]:
    """Tests that hold once a node offers this; ``before`` are the units it has until then.

    Capacity counts every device, allocatable the healthy ones; the kubelet keeps a resource that went, with 0.
    """
    tests: list[Test] = []
    for name, count in sorted(offer.capacity.items()):
        tests.append((("status", "capacity", name), "is", f"{count:g}"))
        tests.append((("status", "allocatable", name), "at least", f"{offer.allocatable.get(name, 0.0):g}"))
    gone = sorted(name for name, count in before.items() if count and not offer.capacity.get(name))
    tests += [(("status", "allocatable", name), "is not", f"{before[name]:g}") for name in gone]
    return tests


def needs_idle(node: NodeState, layout: Layout) -> bool:
    """Whether the change needs GPUs without pods: MPS and MIG, going there and leaving."""
    return bool({node.layout.mode, layout.mode} & {Mode.MPS, Mode.MIG})
