"""Warm headroom: capacity kept ready for the next start, by placeholder pods or by the autoscaler's buffers.

A *warm unit* is room for one replica of a real workload. A *placeholder* is a pause pod of low priority that holds such
room until a real pod takes its place (cluster-autoscaler FAQ, "How can I configure overprovisioning"). A *buffer* is a
CapacityBuffer: the autoscaler keeps the room by itself and nothing is preempted.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from services.domain import units
from services.domain.headroom.room import quantity, requests
from services.domain.inventory import POOL_LABELS
from services.domain.objects import Generic, Node, Pod, Taint

OURS = {"app.kubernetes.io/managed-by": "gpu-fleet-console", "app.kubernetes.io/part-of": "gpu-headroom"}
"""Labels of everything made here; a pod that carries both is a placeholder and belongs to no utilisation figure."""
SHAPE, POOL, MODEL = "gpu-fleet-console/shape", "gpu-fleet-console/pool", "gpu-fleet-console/model"
"""A label and two annotations: what a unit asks for, and which pool and GPU model it is kept in."""
INSTANCE = "app.kubernetes.io/instance"
"""Label of a placeholder: the name of the Deployment it belongs to."""
NAMESPACE = PRIORITY_CLASS = "gpu-headroom"
PRIORITY = -10
"""The lowest priority for which the Cluster Autoscaler still adds nodes (``--expendable-pods-priority-cutoff``)."""
MOST_UNITS = 100
GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class Shape:
    """What one warm unit asks for: what one replica of the real workload asks for.

    ``gpus`` are units of ``resource``: GPUs, replicas of a shared GPU or MIG instances. ``cpu`` and ``memory`` are
    Kubernetes quantities. A field that is empty or 0 is to be filled in: see :func:`settled`.
    """

    resource: str = ""
    gpus: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    cpu: Annotated[str, msgspec.Meta(pattern=r"^(\d{1,6}(\.\d{1,3})?|\d{1,9}m)?$")] = ""
    memory: Annotated[str, msgspec.Meta(pattern=r"^(\d{1,15}|\d{1,9}([KMGT]i|[kMGT]))?$")] = ""

    @property
    def slug(self) -> str:
        """The unit in a label's letters: "2x-mig-1g.10gb"."""
        return f"{self.gpus}x-{self.resource.rpartition('/')[2]}"

    @property
    def wants(self) -> dict[str, float]:
        """What the scheduler looks for, in base units."""
        return {self.resource: float(self.gpus), "cpu": quantity(self.cpu), "memory": quantity(self.memory), "pods": 1}

    def __str__(self) -> str:
        """For people: "1 GPU", "4 GPUs", "mig-1g.10gb", "2 × mig-1g.10gb"."""
        if self.resource == GPU:
            return "1 GPU" if self.gpus == 1 else f"{self.gpus} GPUs"
        kind = self.resource.removeprefix("nvidia.com/")
        return kind if self.gpus == 1 else f"{self.gpus} × {kind}"


@dataclass(frozen=True)
class Want:
    """How much warm headroom is wanted in one pool; the parameters of scale-headroom.

    ``model`` chooses among the GPU models of a pool that has several. ``from_workload`` ("namespace/workload") is whose
    replica a unit should hold room for. ``method`` "auto" takes a buffer where one is known to be answered.
    """

    cluster: str
    pool: str
    units: Annotated[int, msgspec.Meta(ge=0, le=MOST_UNITS)]
    model: str = ""
    shape: Shape = Shape()
    from_workload: str = ""
    method: Literal["auto", "placeholder", "buffer"] = "auto"


def ours(labels: Mapping[str, str] | None) -> bool:
    """Whether an object was made here."""
    return all((labels or {}).get(key) == value for key, value in OURS.items())


def placeholder(pod: Pod) -> bool:
    """Whether a pod is one of our placeholders."""
    return ours(pod.metadata.labels)


_PAUSE = re.compile(r"(?:^|/)pause(?:[-:@].*)?$")


def balloon(pod: Pod) -> bool:
    """Whether somebody else made a placeholder of it: pause containers of negative priority that hold GPUs."""
    images = [container.image or "" for container in pod.spec.containers]
    return (
        (pod.spec.priority or 0) < 0
        and not placeholder(pod)
        and bool(images)
        and all(_PAUSE.search(image) for image in images)
        and any(units.is_gpu_resource(name) for name in requests(pod))
    )


def shape_of(pod: Pod) -> Shape | None:
    """What one replica like this pod asks for; None when it asks for no GPU, or for several kinds at once."""
    asked = requests(pod)
    gpus = {name: count for name, count in asked.items() if units.is_gpu_resource(name) and count > 0}
    if len(gpus) != 1:
        return None
    ((resource, count),) = gpus.items()
    return Shape(
        resource, int(count), written(asked.get("cpu", 0.0), "cpu"), written(asked.get("memory", 0.0), "memory")
    )


def written(amount: float, resource: str) -> str:
    """An amount as a Kubernetes quantity: cores ("500m", "8") or bytes in whole MiB ("12Gi", "1536Mi")."""
    if resource == "cpu":
        milli = round(amount * 1000)
        return f"{milli // 1000}" if milli % 1000 == 0 else f"{milli}m"
    mebibytes = -(-int(amount) // 1048576)
    return f"{mebibytes // 1024}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"


def settled(given: Shape, *known: Shape | None) -> Shape:
    """``given`` with its empty fields from the first of ``known`` that has them; a resource that is said must match."""
    for other in known:
        if other is not None and given.resource in ("", other.resource):
            given = Shape(
                given.resource or other.resource,
                given.gpus or other.gpus,
                given.cpu or other.cpu,
                given.memory or other.memory,
            )
    return given


@dataclass(frozen=True)
class Place:
    """Where units are kept: the part of a pod's spec that picks the pool's nodes. ``model`` "" is any."""

    pool: str
    model: str
    selector: Mapping[str, str]
    expressions: Sequence[Mapping[str, Any]]
    tolerations: Sequence[Mapping[str, str]]

    @property
    def scheduling(self) -> dict[str, Any]:
        """As fields of a pod's spec."""
        found: dict[str, Any] = {"tolerations": [dict(one) for one in self.tolerations]}
        if self.selector:
            found["nodeSelector"] = dict(self.selector)
        if self.expressions:
            terms = [{"matchExpressions": [dict(one) for one in self.expressions]}]
            needed = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
            found["affinity"] = {"nodeAffinity": needed}
        return found


_PRODUCT = "nvidia.com/gpu.product"
_ANY_GPU_TAINT = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}
_PASSING = (
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "karpenter.sh/",
    "ToBeDeletedByClusterAutoscaler",
)


def model_of(node: Node) -> str:
    """The GPU model of a node, as frames name it."""
    labels = node.metadata.labels or {}
    return units.model_name(labels.get(_PRODUCT) or labels.get("cloud.google.com/gke-accelerator", ""))


def pool_of(node: Node) -> tuple[str, str]:
    """Label key and name of a node's pool; both "" when it has none."""
    labels = node.metadata.labels or {}
    return next(((key, labels[key]) for key in POOL_LABELS if labels.get(key)), ("", ""))


def place(
    members: Sequence[Node], pool: str, model: str, resource: str, *, extra: Iterable[Mapping[str, str]] = ()
) -> Place:
    """The place of a pool and model. ``members`` are the pool's GPU nodes (none yet: a pool of Karpenter's).

    The model is only asked for where the pool has several. ``extra`` tolerations are those of the real workload.
    """
    key = next((found for found, _ in map(pool_of, members) if found), "") if members else POOL_LABELS[0]
    several = len({model_of(node) for node in members}) > 1
    mine = [node for node in members if model_of(node) == model] if model and (several or not key) else list(members)
    expressions: list[dict[str, Any]] = []
    if (several or not key) and model:
        offering = [node for node in mine if resource in (node.status.allocatable or {})]
        products = sorted({(node.metadata.labels or {}).get(_PRODUCT, "") for node in offering} - {""})
        if products:
            expressions.append({"key": _PRODUCT, "operator": "In", "values": products})
    if not key:
        expressions += [{"key": label, "operator": "DoesNotExist"} for label in POOL_LABELS]
    taints = [taint for node in mine for taint in node.spec.taints or () if not taint.key.startswith(_PASSING)]
    tolerations = [_ANY_GPU_TAINT, *map(_tolerating, taints), *extra]
    unique = {msgspec.json.encode(one, order="deterministic"): one for one in tolerations}
    chosen = model if several or not key else ""
    return Place(pool, chosen, {key: pool} if key else {}, expressions, list(unique.values()))


def _tolerating(taint: Taint) -> dict[str, str]:
    if taint.key == GPU and taint.effect == "NoSchedule":
        return _ANY_GPU_TAINT
    value = {"operator": "Equal", "value": taint.value} if taint.value else {"operator": "Exists"}
    return {"key": taint.key, **value, **({"effect": taint.effect} if taint.effect else {})}


def name(at: Place, shape: Shape) -> str:
    """Name of the objects that keep units of a shape at a place."""
    plain = f"warm-{at.pool}-{shape.slug}"
    clean = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    if clean == plain and not at.model and len(clean) <= 52:
        return clean
    digest = hashlib.sha256(f"{at.pool}|{at.model}|{shape.slug}".encode()).hexdigest()[:6]
    return f"{clean[:45].rstrip('-')}-{digest}"


def keeps(obj: Generic, pool: str, model: str, slug: str = "") -> bool:
    """Whether an object of ours keeps units of that pool and model, and of that shape if one is named."""
    notes, labels = obj.metadata.annotations or {}, obj.metadata.labels or {}
    return (
        ours(labels)
        and notes.get(POOL) == pool
        and (not model or notes.get(MODEL, "") in ("", model))
        and slug in ("", labels.get(SHAPE))
    )
