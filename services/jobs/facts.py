"""What a cluster's stores say of a start beside its course: whose it is, what it costs, whose room it took."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pandas as pd

from services.domain import allocation, dra, headroom, inventory, prices, units
from services.domain.objects import Generic, Node, Pod
from services.domain.startup import Start
from services.domain.startup.trace import Trace
from services.ports import Cluster, StoreState
from services.snapshots import price_book

EVENTS_LIVE = timedelta(hours=1)
"""The API server keeps events so long (``--event-ttl``)."""
_MOST_BALLOONS = 4096


@dataclass(frozen=True)
class Held:
    """GPU equivalents a pod holds, and US dollars one of them costs an hour; NaN where it is not known."""

    equivalents: float = math.nan
    usd_per_gpu_hour: float = math.nan

    @property
    def usd_per_hour(self) -> float:
        """What all of them cost an hour."""
        return self.equivalents * self.usd_per_gpu_hour


@dataclass(frozen=True)
class _Stock:
    """A node's price of a GPU-hour and what a unit of each of its resources is worth, as long as it is this object."""

    node: Node
    price: float
    worth: Mapping[str, float]


@dataclass
class _Index:
    """Objects of one kind by uid, as of a version."""

    version: int = -1
    objects: Mapping[str, Generic] = field(default_factory=dict)


class Facts:
    """Answers for one cluster."""

    def __init__(self, name: str, cluster: Cluster, team_label: str) -> None:
        self._name, self._cluster, self._team_label = name, cluster, team_label
        self._owners = {"ReplicaSet": ("replicasets", _Index()), "Job": ("jobs", _Index())}
        self._nodes: dict[str, Node] = {}
        self._stock: dict[str, _Stock] = {}
        self._balloons: dict[str, None] = {}

    # -- whose it is -------------------------------------------------------------------------------------------------

    def describe(self, pod: Pod) -> tuple[str, str, str]:
        """Kind and name of a pod's workload, and its team."""
        kind, workload = allocation.owner(pod, self._parents(pod))
        namespace = pod.metadata.namespace
        team = (pod.metadata.labels or {}).get(self._team_label)
        if not team:
            spaces: Iterable[Any] = self._cluster.snapshot("namespaces").objects
            mine = [one for one in spaces if one.metadata.name == namespace]
            team = allocation.teams(mine, self._team_label).get(namespace, allocation.NO_TEAM)
        return kind, workload, team

    def _parents(self, pod: Pod) -> dict[str, tuple[str, str]]:
        """The controller of the pod's controller, by that one's uid."""
        found = {}
        for reference in pod.metadata.owner_references or ():
            owner = self._owner(reference.kind, reference.uid) if reference.controller is not False else None
            for above in owner.metadata.owner_references or () if owner else ():
                if above.controller is not False:
                    found[reference.uid] = (above.kind, above.name)
                    break
        return found

    def _owner(self, kind: str, uid: str) -> Generic | None:
        if kind not in self._owners:
            return None
        store, index = self._owners[kind]
        snapshot = self._cluster.snapshot(store)
        if snapshot.version != index.version:
            objects: Iterable[Any] = snapshot.objects
            index.objects = {one.metadata.uid: one for one in objects}
            index.version = snapshot.version
        return index.objects.get(uid)

    # -- what it costs -----------------------------------------------------------------------------------------------

    def see_nodes(self, came: Iterable[Node], gone: Iterable[str]) -> None:
        """Note nodes that came or changed, and those that are gone."""
        for node in came:
            self._nodes[node.metadata.name] = node
        for name in gone:
            self._nodes.pop(name, None)
            self._stock.pop(name, None)

    def held(self, pod: Pod) -> Held | None:
        """What a pod on a node holds; None when the node is not known."""
        name = pod.spec.node_name or ""
        if name not in self._nodes:
            return None
        stock = self._stock.get(name)
        if stock is None or stock.node is not self._nodes[name]:
            self._take_stock()
            stock = self._stock.get(name)
        if stock is None:  # not a GPU node as far as it says
            return Held()
        asked = allocation.gpu_units(pod.spec.containers, pod.spec.init_containers or ())
        equivalents = sum(number * _worth(stock.worth, resource) for resource, number in asked.items())
        if pod.spec.resource_claims:
            equivalents += self._claimed(pod.metadata.uid)
        return Held(equivalents, stock.price)

    def _claimed(self, uid: str) -> float:
        """GPU equivalents held through resource claims, NaN when none is seen to be the pod's."""
        claims: Any = self._cluster.snapshot("resourceclaims").objects
        mine = [one for one in claims if _reserved_for(one, uid)]
        slices: Any = self._cluster.snapshot("resourceslices").objects
        return dra.held_by_pod(mine, slices).get(uid, (0.0, 0.0))[1] if mine else math.nan

    def _take_stock(self) -> None:
        """Look at every node that changed since; many at once cost little more than one."""
        known = self._stock
        news = [node for name, node in self._nodes.items() if name not in known or known[name].node is not node]
        slices: Any = self._cluster.snapshot("resourceslices").objects
        book = price_book()
        frame, unit_frame = inventory.nodes(self._name, news, instance_gpus=prices.instance_gpus(book), slices=slices)
        hourly = prices.gpu_hour(frame, book)["price"]
        worth: dict[str, dict[str, float]] = {}
        for node, resource, fraction in _rows(unit_frame, "node", "resource", "fraction"):
            worth.setdefault(node, {})[resource] = fraction
        for name, price in zip(frame["node"], hourly, strict=True):
            known[name] = _Stock(self._nodes[name], float(price), worth.get(name, {}))

    # -- whose room it took ------------------------------------------------------------------------------------------

    def see_pods(self, came: Iterable[Pod]) -> None:
        """Note pods that hold room for others."""
        for pod in came:
            if (pod.spec.priority or 0) < 0 and headroom.balloon(pod):
                self._balloons[f"{pod.metadata.namespace}/{pod.metadata.name}"] = None
        while len(self._balloons) > _MOST_BALLOONS:
            del self._balloons[next(iter(self._balloons))]

    def headroom(self, trace: Trace, start: Start) -> bool | None:
        """Whether the start took room that was kept warm; None when it has no room yet or it cannot be told.

        A placeholder says so when it gives way. A buffer's room is only known to the autoscaler: where there is one
        that may be meant, a start on a node that was there may be of it or not.
        """
        if start.scheduled is None:
            return None
        if any(self._placeholder(victim) for victim in trace.victim_pods):
            return True
        if start.cold is not False:
            return None if start.cold is None else False
        if trace.seen - start.scheduled > EVENTS_LIVE:  # nobody heard whether a placeholder gave way
            return None
        pool = trace.node.pool if trace.node else ""
        store = self._cluster.snapshot("capacitybuffers")
        if store.state not in (StoreState.READY, StoreState.ABSENT):
            return None
        buffers: Iterable[Any] = store.objects
        return None if any(_may_mean(one, pool) for one in buffers) else False

    def _placeholder(self, pod: str) -> bool:
        return pod.startswith(f"{headroom.NAMESPACE}/") or pod in self._balloons


def _worth(worth: Mapping[str, float], resource: str) -> float:
    """GPU equivalents of one unit; of a resource the node does not list any more, what its name says."""
    if resource in worth:
        return worth[resource]
    profile = units.mig_profile(resource)
    if profile:
        return units.mig_fraction(profile, "")
    return math.nan if resource.endswith(".shared") else 1.0


def _reserved_for(claim: Generic, uid: str) -> bool:
    status = claim.status if isinstance(claim.status, Mapping) else {}
    return any(one.get("uid") == uid for one in status.get("reservedFor") or () if isinstance(one, Mapping))


def _may_mean(buffer: Generic, pool: str) -> bool:
    notes = buffer.metadata.annotations or {}
    return notes.get(headroom.POOL, pool) == pool


def _rows(frame: pd.DataFrame, *columns: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(frame[name] for name in columns), strict=True)
