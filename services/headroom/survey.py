"""What a number of warm units in one pool would take: facts from the stores, judged by the domain's rules."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from services import snapshots
from services.domain.headroom import (
    GPU,
    INSTANCE,
    MOST_UNITS,
    NAMESPACE,
    Place,
    Shape,
    Want,
    balloon,
    keeps,
    name,
    ours,
    place,
    placeholder,
    room,
)
from services.domain.headroom.growth import Growth
from services.domain.headroom.guards import Answer, Replica, Survey, answer
from services.domain.objects import Generic, Node
from services.errors import Refused
from services.headroom import shapes, stores
from services.headroom.read import grown
from services.ports import ClusterSource, Sources, StoreState
from services.reading import Problem, Reading
from services.snapshots import Inventory


@dataclass(frozen=True)
class Found:
    """A survey and what follows: the objects' name, the method with the reason for it, and whether both would work."""

    survey: Survey
    name: str
    method: str
    why: str
    answer: Answer


def weigh(sources: Sources, want: Want) -> Reading[Found]:
    """What the page says before anything is proposed; what planning would refuse is the answer's refusal."""
    try:
        found = look(sources, want)
    except Refused as error:
        return Reading(None, problem=Problem("kubernetes", str(error), error.hint))
    return Reading(found, as_of=sources.clusters[want.cluster].cluster.snapshot("nodes").as_of)


def look(sources: Sources, want: Want, replica: Mapping[str, Any] | None = None) -> Found:
    """Survey the pool of ``want`` from the stores. Raises Refused when there is no such pool, or nobody can tell.

    ``replica`` is a live pod (plain data) of the workload units are for: it adds tolerations and preemption policy.
    """
    try:
        msgspec.convert(msgspec.to_builtins(want), Want)
    except msgspec.ValidationError as error:
        raise Refused(f"{MOST_UNITS} units at most; CPUs are written as 8 or 500m, memory as 64Gi.") from error
    source = sources.clusters.get(want.cluster)
    if source is None:
        raise Refused(f"There is no cluster called {want.cluster}.")
    read = snapshots.read(sources, source)
    if read.value is None or source.cluster.snapshot("pods").as_of is None:
        raise Refused(f"Nodes and pods of {want.cluster} cannot be read now, so nothing can be planned there.")
    stock = read.value
    rows = stock.nodes[stock.nodes["pool"] == want.pool]
    names = set(rows["node"])
    members = [node for node in stores.nodes(source) if node.metadata.name in names]
    growth, known = grown(source, stock)
    if not members and (want.pool, GPU) not in growth:
        raise Refused(f"Cluster {want.cluster} has no GPU pool called {want.pool}.")
    shape = shapes.wanted(source, stock, want, rows)
    tolerations = (replica or {}).get("spec", {}).get("tolerations") or ()
    lasting = [one for one in tolerations if not str(one.get("key", "")).startswith("node.kubernetes.io/")]
    at = place(members, want.pool, want.model, shape.resource, extra=lasting)
    survey = _survey(source, stock, at, shape, members, growth.get((want.pool, shape.resource), Growth()), known)
    called, method, why = _method(source, want, at, shape)
    asks = _replica(want, replica)
    return Found(survey, called, method, why, answer(survey, want.units, method=method, replica=asks))


def _survey(
    source: ClusterSource,
    stock: Inventory,
    at: Place,
    shape: Shape,
    members: Sequence[Node],
    growth: Growth,
    known: bool,
) -> Survey:
    pods = stores.pods(source)
    rows = stock.nodes[stock.nodes["node"].isin({node.metadata.name for node in members})]
    rows = rows[rows["model"] == at.model] if at.model else rows
    names = set(rows["node"])
    units = stock.units[stock.units["node"].isin(names)]
    sums = units.groupby("resource")["allocatable"].sum()
    kept = next(iter(_kept(source, "deployments", at, shape)), None)
    called = name(at, shape) if kept is None else kept.metadata.name
    mine = [pod for pod in pods if placeholder(pod) and (pod.metadata.labels or {}).get(INSTANCE) == called]
    ready = sum(1 for pod in mine if pod.spec.node_name and pod.status.phase == "Running")
    of_unit = units[(units["resource"] == shape.resource) & (units["allocatable"] > 0)].merge(
        rows[["node", "price"]], on="node"
    )
    usd = float((of_unit["fraction"] * of_unit["price"]).mean() * 24 * shape.gpus) if len(of_unit) else math.nan
    inside = [node for node in members if node.metadata.name in names]
    return Survey(
        place=at,
        shape=shape,
        offers={str(resource): float(amount) for resource, amount in sums.items()},
        fit=room.fits(room.free(inside, pods), shape.wants, names),
        growth=growth,
        growth_known=known,
        set=0 if kept is None else int((kept.spec or {}).get("replicas") or 0),
        ready=ready,
        waiting=len(mine) - ready,
        balloons=sum(1 for pod in pods if balloon(pod) and pod.spec.node_name in names),
        quota=_quota(stores.all_of(source, "quotas"), shape.resource),
        usd_per_day=usd,
        per_node=float(of_unit["allocatable"].min()) if len(of_unit) else math.nan,
        node_usd_per_day=float((rows["gpus"] * rows["price"]).min() * 24),
        through_claims=bool(len(rows)) and bool((rows["sharing"] == "dra").all()),
        holds=not inside or any(_holds(node, shape) for node in inside),
    )


def _holds(node: Node, shape: Shape) -> bool:
    has = node.status.allocatable or {}
    # A GPU that is missing today may be back tomorrow; a node does not grow CPUs.
    return all(room.quantity(has[kind]) >= shape.wants[kind] for kind in ("cpu", "memory") if kind in has)


def _quota(quotas: Iterable[Generic], resource: str) -> float:
    left = math.inf
    for quota in quotas:
        if quota.metadata.namespace == NAMESPACE and isinstance(quota.status, Mapping):
            hard, used = quota.status.get("hard") or {}, quota.status.get("used") or {}
            key = f"requests.{resource}"
            if key in hard:
                left = min(left, room.quantity(hard[key]) - room.quantity(used.get(key)))
    return left


def buffers(source: ClusterSource) -> str:
    """What is known of CapacityBuffers in a cluster: "absent", "served" (nobody has answered one) or "answered"."""
    store = source.cluster.snapshot("capacitybuffers")
    if store.state is not StoreState.READY:
        return "absent"
    statuses = [one.status for one in store.objects if isinstance(one, Generic)]
    return "answered" if any(isinstance(one, Mapping) and one.get("conditions") for one in statuses) else "served"


_BY = {"placeholder": "placeholder pods", "buffer": "a buffer"}
_ALREADY = {
    "placeholder": "Placeholder pods keep these units already.",
    "buffer": "A buffer of the autoscaler's keeps these units already.",
}
_WHY = {
    "absent": "The cluster has no CapacityBuffer API, so placeholder pods keep the units.",
    "served": "No autoscaler has answered a CapacityBuffer in this cluster yet, so placeholder pods keep the units.",
    "answered": "An autoscaler answers CapacityBuffers in this cluster, so it keeps the room itself.",
}


def _method(source: ClusterSource, want: Want, at: Place, shape: Shape) -> tuple[str, str, str]:
    """Name, method and reason. What is kept one way stays that way until it is set to nothing."""
    for method, kind in (("placeholder", "deployments"), ("buffer", "capacitybuffers")):
        for one in _kept(source, kind, at, shape):
            if want.method not in ("auto", method):
                raise Refused(f"Pool {at.pool} keeps these units by {_BY[method]}. Set them to 0 first.")
            return one.metadata.name, method, _ALREADY[method]
    state = buffers(source)
    if want.method == "buffer":
        if state == "absent":
            raise Refused(f"Cluster {want.cluster} has no CapacityBuffer API.")
        why = (
            "" if state == "answered" else "No autoscaler has answered a CapacityBuffer here yet; this may do nothing."
        )
        return name(at, shape), "buffer", why
    if want.method == "auto" and state == "answered":
        return name(at, shape), "buffer", _WHY[state]
    return name(at, shape), "placeholder", "" if want.method == "placeholder" else _WHY[state]


def _kept(source: ClusterSource, kind: str, at: Place, shape: Shape) -> list[Generic]:
    """What keeps units of the shape at the place already."""
    inside = [one for one in stores.all_of(source, kind) if one.metadata.namespace == NAMESPACE]
    return [one for one in inside if keeps(one, at.pool, at.model, shape.slug)]


def _replica(want: Want, live: Mapping[str, Any] | None) -> Replica | None:
    if live is None:
        return None
    spec = live.get("spec") or {}
    return Replica(
        want.from_workload.partition("/")[2], int(spec.get("priority") or 0), spec.get("preemptionPolicy") != "Never"
    )


def others(source: ClusterSource, besides: Iterable[str]) -> list[str]:
    """What else is in the headroom namespace, in words; ``besides`` are names of objects that do not count."""
    spared = set(besides)
    found = []
    for kind in ("deployments", "capacitybuffers", "statefulsets", "daemonsets", "jobs", "quotas"):
        inside = [one.metadata for one in stores.all_of(source, kind) if one.metadata.namespace == NAMESPACE]
        found += [f"{kind} {meta.name}" for meta in inside if meta.name not in spared]
    strangers = [
        pod for pod in stores.pods(source) if pod.metadata.namespace == NAMESPACE and not ours(pod.metadata.labels)
    ]
    return [*found, *(f"pod {pod.metadata.name}" for pod in strangers)]
