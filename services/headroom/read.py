"""What is kept warm in each pool, what it costs, and whether it is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from services import snapshots
from services.domain import frames
from services.domain.findings import Finding
from services.domain.headroom import GPU, growth
from services.domain.headroom import table as headroom_table
from services.domain.headroom.findings import cold
from services.domain.headroom.growth import Growth
from services.domain.headroom.starts import counted
from services.domain.headroom.table import HEADROOM
from services.domain.objects import Generic
from services.domain.scope import Scope
from services.domain.units import is_gpu_resource
from services.domain.window import RANGES
from services.headroom import stores
from services.headroom.served import Served, served
from services.merge import merged
from services.ports import ClusterSource, Sources, StoreState
from services.reading import Reading
from services.snapshots import Inventory

STORES = ("nodes", "pods", "deployments", "events", "nodepools", "configmaps", "capacitybuffers")
_DERIVE_EVERY_S = 5.0


def pools(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """Headroom by pool, model and resource over the scope's window: :data:`HEADROOM`; starts are those of the scope."""
    return _read(sources, scope)[0]


def _read(sources: Sources, scope: Scope) -> tuple[Reading[pd.DataFrame], list[Served]]:
    """The frame and, of each cluster that could be read, the starts counted in it."""
    parts, all_found = [], []
    for source in sources.chosen(scope.cluster):
        stock = snapshots.read(sources, source)
        value, notes = None, (*stock.notes, *_unread(source))
        if stock.value is not None:
            room = scope.keep(_room(sources, source, stock.value, scope.range))
            found = served(sources, scope, source, stock.value)
            value = headroom_table.with_starts(room, found.starts, recorded=found.recorded)
            notes = (*notes, *found.notes)
            all_found.append(found)
        parts.append(Reading(value, stock.as_of, stock.problem, stock.absence, notes))
    whole = merged(parts, lambda found: frames.conform(pd.concat(found, ignore_index=True), HEADROOM))
    return whole, all_found


@dataclass(frozen=True)
class Summary:
    """The tiles. None where it cannot be told.

    ``units`` are set, ``ready`` of them in place; ``usd_per_day`` is the list price of what ready units hold, without
    the unpriced. ``recorded``: whether starts of all clusters are. They are counted as in :data:`HEADROOM`, those in
    pools that have no node any more among them; ``used_since`` is how far back events reach.
    """

    units: int
    ready: int
    usd_per_day: float | None
    recorded: bool
    starts: int
    warm: int
    headroom: int | None
    waited: int
    cold: int
    used: int | None
    used_since: datetime | None


def summary(sources: Sources, scope: Scope) -> Reading[Summary]:
    """Headline figures of the scope."""
    read, found = _read(sources, scope)
    if read.value is None:
        return Reading(None, read.as_of, read.problem, read.absence, read.notes)
    rows = read.value
    counts = pd.DataFrame([counted(one.starts).sum() for one in found])
    kept = [int(row["headroom"]) for row, one in zip(counts.to_dict("records"), found, strict=True) if one.recorded]
    elsewhere = sum(kept) - rows["headroom"].sum()
    money, used = rows["usd_per_day"].sum(min_count=1), rows["used"].sum(min_count=1) + elsewhere
    value = Summary(
        units=int(rows["set"].sum()),
        ready=int(rows["ready"].sum()),
        usd_per_day=None if pd.isna(money) else float(money),
        recorded=len(kept) == len(found),
        starts=int(counts.sum().sum()),
        warm=int(counts["warm"].sum()),
        headroom=sum(kept) if kept else None,
        waited=int(counts["waited"].sum()),
        cold=int(counts["cold"].sum()),
        used=None if pd.isna(used) else int(used),
        used_since=_oldest_event(sources, scope.cluster),
    )
    return Reading(value, read.as_of, read.problem, read.absence, read.notes)


def findings(sources: Sources, scope: Scope) -> list[Finding]:
    """Pools that would profit from warm units, each with the fix."""
    rows = pools(sources, scope).value
    return [] if rows is None else list(cold(rows, scope.range))


def grown(source: ClusterSource, stock: Inventory) -> tuple[dict[tuple[str, str], Growth], bool]:
    """How pools grow, by pool and resource, and whether what autoscalers say of themselves could be read."""
    nodepools, maps = source.cluster.snapshot("nodepools"), source.cluster.snapshot("configmaps")
    groups = [
        group
        for one in stores.all_of(source, "configmaps")
        for group in growth.node_groups((one.data or {}).get("status", ""))
    ]
    units = stock.units.merge(stock.nodes[["node", "pool"]], on="node")
    units = units[units["allocatable"] > 0]
    found: dict[tuple[str, str], Growth] = {}
    for resource in sorted({GPU, *units["resource"]}):
        mine = units[units["resource"] == resource].groupby("pool")["allocatable"]
        named = growth.karpenter(stores.all_of(source, "nodepools"), resource, mine.sum().to_dict())
        named |= growth.by_pool(groups, set(stock.nodes["pool"]), mine.max().to_dict())
        found |= {(pool, resource): one for pool, one in named.items()}
    known = all(store.state in (StoreState.READY, StoreState.ABSENT) for store in (nodepools, maps))
    return _plausible(found, stores.all_of(source, "nodepools"), set(stock.nodes["pool"])), known


def _plausible(
    found: Mapping[tuple[str, str], Growth], nodepools: Sequence[Generic], pools_with_nodes: set[str]
) -> dict[tuple[str, str], Growth]:
    """Without pools that have no node and of which nothing says that they bring GPUs."""
    limits = {pool.metadata.name: (pool.spec or {}).get("limits") or {} for pool in nodepools}
    bring = {name for name, of in limits.items() if any(is_gpu_resource(key) for key in of)}
    return {
        (pool, resource): one
        for (pool, resource), one in found.items()
        if pool in pools_with_nodes or (pool in bring and resource in limits[pool])
    }


def _room(sources: Sources, source: ClusterSource, stock: Inventory, window: str) -> pd.DataFrame:
    held = {kind: source.cluster.snapshot(kind) for kind in STORES}
    now = sources.now()

    def build() -> pd.DataFrame:
        since = now - RANGES[window]
        pods = stores.pods(source)
        kept = headroom_table.kept(stores.all_of(source, "deployments"), stores.all_of(source, "capacitybuffers"))
        used = headroom_table.uses(stores.events(source), kept, since)
        return headroom_table.table(
            source.name,
            stock.nodes,
            stock.units,
            stock.claims if held["pods"].as_of is not None else None,
            placeholders=headroom_table.placed(pods, stock.nodes, stock.units),
            kept_frame=kept,
            used=used if held["events"].as_of is not None else None,
            growth=grown(source, stock)[0],
        )

    version = tuple(store.version for store in held.values())
    at = now.timestamp()
    return sources.memo.get(("headroom", source.name, window), version, build, at=at, keep_s=_DERIVE_EVERY_S)


_LOST = {
    "deployments": "how many warm units are set",
    "events": "how often warm units were used",
    "nodepools": "how far Karpenter may grow a pool",
    "configmaps": "how far the Cluster Autoscaler may grow a pool",
    "capacitybuffers": "buffers the autoscaler keeps",
}


def _unread(source: ClusterSource) -> list[str]:
    """What cannot be told because a kind may not be read or could not be."""
    lost = (StoreState.FORBIDDEN, StoreState.FAILED)
    return [
        f"{source.name}: {kind} cannot be read, so it is not known {loses}."
        for kind, loses in _LOST.items()
        if source.cluster.snapshot(kind).state in lost
    ]


def _oldest_event(sources: Sources, cluster: str) -> datetime | None:
    """How far back events reach: the least recently seen one that is still kept."""
    found = (headroom_table.last_seen(one) for source in sources.chosen(cluster) for one in stores.events(source))
    return min((at for at in found if at is not None), default=None)
