"""The inventory of one cluster, derived from its watched stores once per store version."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from services.domain import allocation, capacity, demand, headroom, inventory, prices
from services.ports import ClusterSource, Snapshot, Sources, StoreState
from services.reading import Absence, Problem, Reading

_PARTS = ("nodes", "pods", "replicasets", "jobs", "namespaces", "resourceclaims", "resourceslices", "events")
_DERIVE_EVERY_S = 5.0
_PRICE_FILE = Path(__file__).parent / "data" / "price_defaults.csv"


@dataclass(frozen=True)
class Inventory:
    """What one cluster has and who holds it.

    ``nodes``: :data:`services.domain.inventory.NODES` plus :data:`services.domain.capacity.OCCUPANCY` and the columns
    of :func:`services.domain.prices.gpu_hour`. ``pods``: :data:`services.domain.allocation.PODS`. ``units`` and
    ``claims`` as in those modules. ``waiting``: :data:`services.domain.demand.WAITING`. Our own placeholders are in
    ``claims`` alone: what they keep warm counts as free. Frames are shared: never change them.
    """

    nodes: pd.DataFrame
    units: pd.DataFrame
    pods: pd.DataFrame
    claims: pd.DataFrame
    waiting: pd.DataFrame


@lru_cache(maxsize=1)
def price_book() -> pd.DataFrame:
    """The shipped list prices (:data:`services.domain.prices.BOOK`), each with its source and date."""
    return pd.read_csv(_PRICE_FILE, dtype=prices.BOOK)


def read(sources: Sources, source: ClusterSource) -> Reading[Inventory]:
    """The inventory of a cluster. Nodes must be readable; without pods, what depends on them is unknown (NaN)."""
    stores = {kind: source.cluster.snapshot(kind) for kind in _PARTS}
    nodes = stores["nodes"]
    if nodes.state is StoreState.LOADING:
        return Reading(None, absence=Absence.LOADING)
    if not _known(nodes):
        return Reading(None, problem=_problem(source, nodes))
    version = tuple(store.version for store in stores.values())
    moment = sources.now()
    value = sources.memo.get(
        ("inventory", source.name),
        version,
        lambda: derive(source.name, stores, team_label=sources.policy.team_label, now=moment),
        at=moment.timestamp(),
        keep_s=_DERIVE_EVERY_S,
    )
    pods = stores["pods"]
    troubled = next((store for store in (nodes, pods) if store.state is StoreState.FAILED), None)
    if troubled is None and pods.state in (StoreState.FORBIDDEN, StoreState.ABSENT):
        troubled = pods
    ages = [store.as_of for store in (nodes, pods) if store.as_of is not None]
    loading = pods.state is StoreState.LOADING
    return Reading(
        value,
        as_of=min(ages),
        problem=None if troubled is None else _problem(source, troubled),
        absence=Absence.LOADING if loading else None,
        notes=tuple(_partial(store) for store in stores.values() if store.scope),
    )


def derive(cluster: str, stores: dict[str, Snapshot], *, team_label: str, now: datetime) -> Inventory:
    """Frames from stores; pure but for the shipped price book."""
    node_objects: Sequence[Any] = stores["nodes"].objects
    slices: Sequence[Any] = stores["resourceslices"].objects
    book = price_book()
    nodes, units = inventory.nodes(cluster, node_objects, instance_gpus=prices.instance_gpus(book), slices=slices)
    pod_objects: Sequence[Any] = stores["pods"].objects
    replicasets: Sequence[Any] = stores["replicasets"].objects
    jobs: Sequence[Any] = stores["jobs"].objects
    namespaces: Sequence[Any] = stores["namespaces"].objects
    claims_held: Sequence[Any] = stores["resourceclaims"].objects
    pods, claims = allocation.pods(
        cluster,
        pod_objects,
        units,
        replicasets=replicasets,
        jobs=jobs,
        namespaces=namespaces,
        claims=claims_held,
        slices=slices,
        team_label=team_label,
    )
    # Placeholders give way at once: a pod could have what they hold now, which is what free means.
    warm = {pod.metadata.name for pod in pod_objects if headroom.placeholder(pod)}
    kept = claims[~_placeholders(claims, warm)]
    pods = pods[~_placeholders(pods, warm)].reset_index(drop=True)
    nodes = capacity.occupancy(nodes, kept if _known(stores["pods"]) else None)
    nodes = pd.concat([nodes, prices.gpu_hour(nodes, book)], axis=1)
    events: Sequence[Any] = stores["events"].objects
    waiting = demand.waiting(cluster, pods, events, team_of=allocation.teams(namespaces, team_label), now=now)
    return Inventory(nodes=nodes, units=units, pods=pods, claims=claims, waiting=waiting)


def _placeholders(frame: pd.DataFrame, names: set[str]) -> pd.Series:
    return (frame["namespace"] == headroom.NAMESPACE) & frame["pod"].isin(names)


def _known(store: Snapshot) -> bool:
    """Whether the objects are an answer; a refused or unread kind has none, and none is not zero."""
    if store.state in (StoreState.FORBIDDEN, StoreState.ABSENT):
        return bool(store.objects)
    return store.as_of is not None


def _problem(source: ClusterSource, store: Snapshot) -> Problem:
    return Problem("kubernetes", f"{source.name}: {store.message}", store.hint, store.since)


def _partial(store: Snapshot) -> str:
    return f"{store.kind} are read only in {len(store.scope)} {'namespace' if len(store.scope) == 1 else 'namespaces'}"
