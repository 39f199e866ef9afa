"""What would make starts faster, what made them slower, and what of it needs attention."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from services import fleet
from services.domain import frames
from services.domain.findings import Finding
from services.domain.objects import Node
from services.domain.scope import EVERYTHING, Scope
from services.domain.startup import findings as startup_findings
from services.domain.startup import holdings, images, levers, pools, regressions
from services.domain.startup.imagenames import canonicals, registries
from services.domain.startup.lever_nodes import Kept
from services.headroom import read as headroom
from services.ports import Sources
from services.reading import Reading
from services.startup import recorder
from services.startup.board import derived, named, of_workload
from services.startup.read import TARGET_S, Recorded, recorded


@dataclass(frozen=True)
class Advice:
    """Frames of :mod:`services.domain.startup`: LEVERS, REGRESSIONS, IMAGES and POOLS."""

    levers: pd.DataFrame
    regressions: pd.DataFrame
    images: pd.DataFrame
    pools: pd.DataFrame


def advice(sources: Sources, scope: Scope, workload: str = "") -> Reading[Advice]:
    """Of the scope's recorded starts, compared with each other and with nothing outside the scope.

    For one workload ("namespace/name") what concerns it: its own rows and those of its images and pools, which speak of
    all starts that have these.
    """
    whole = derived(sources, ("startup advice", scope), scope, lambda found: _advice(sources, scope, found))
    if whole.value is None or not workload:
        return whole
    found = recorded(sources, scope).value
    return whole if found is None else replace(whole, value=_concerning(whole.value, found, workload))


def findings(sources: Sources, scope: Scope) -> Iterable[Finding]:
    """What of the scope's starts needs attention; nothing while the record cannot be read."""
    found, known = recorded(sources, scope).value, advice(sources, scope).value
    if found is None or known is None:
        return []
    looked = recorder.looked(sources, scope.cluster)
    return startup_findings.findings(
        found.starts,
        known.levers,
        known.regressions,
        looked,
        target_s=TARGET_S,
        window=scope.range,
        now=sources.now(),
    )


def _advice(sources: Sources, scope: Scope, found: Recorded) -> Advice:
    kept = _kept(sources, scope)
    return Advice(
        levers=levers.levers(found.starts, found.pulls, target_s=TARGET_S, days=found.days, kept=kept),
        regressions=regressions.regressions(found.starts, now=found.end),
        images=images.table(found.pulls, _held(sources, scope, found.pulls)),
        pools=pools.table(found.starts),
    )


def _concerning(whole: Advice, found: Recorded, workload: str) -> Advice:
    starts = of_workload(found.starts, workload)
    pools_of = _pairs(starts["cluster"], starts["pool"])
    images_of = _pairs(starts["cluster"], canonicals(starts["image"]))
    registries_of = _pairs(starts["cluster"], registries(starts["image"]))
    of_kind = {
        "workload": whole.levers["subject"].eq(workload) | whole.levers["subject"].str.startswith(f"{workload} on "),
        "image": _among(whole.levers, ("cluster", "subject"), images_of)
        & _among(whole.levers, ("cluster", "pool"), pools_of),
        "registry": _among(whole.levers, ("cluster", "subject"), registries_of),
        "pool": _among(whole.levers, ("cluster", "pool"), pools_of),
    }
    concerned = pd.Series(data=False, index=whole.levers.index)
    for kind, chosen in of_kind.items():
        concerned |= whole.levers["subject_kind"].eq(kind) & chosen
    return Advice(
        levers=whole.levers[concerned].reset_index(drop=True),
        regressions=whole.regressions[named(whole.regressions).eq(workload)].reset_index(drop=True),
        images=whole.images[_among(whole.images, ("cluster", "image"), images_of)].reset_index(drop=True),
        pools=whole.pools[_among(whole.pools, ("cluster", "pool"), pools_of)].reset_index(drop=True),
    )


def _pairs(left: pd.Series, right: pd.Series) -> set[tuple[str, str]]:
    return set(zip(left, right, strict=True))


def _among(frame: pd.DataFrame, columns: tuple[str, str], pairs: set[tuple[str, str]]) -> pd.Series:
    left, right = (frame[column] for column in columns)
    chosen = [pair in pairs for pair in zip(left, right, strict=True)]
    return pd.Series(chosen, index=frame.index, dtype=bool)


def _kept(sources: Sources, scope: Scope) -> Kept | None:
    """Warm units asked for now; None while it is not known of all clusters of the scope."""
    read = headroom.pools(sources, Scope(cluster=scope.cluster, range=scope.range, sees=EVERYTHING))
    if read.value is None or read.problem is not None or read.absence is not None:
        return None
    rows = read.value
    return {
        (str(cluster), str(pool), str(model), str(resource)): int(units)
        for cluster, pool, model, resource, units in zip(
            *(rows[name] for name in ("cluster", "pool", "model", "resource", "set")), strict=True
        )
    }


def _held(sources: Sources, scope: Scope, pulls: pd.DataFrame) -> pd.DataFrame | None:
    """Which GPU nodes hold which of the images, by :data:`holdings.HOLDINGS`; None where nodes cannot be read."""
    named = pulls[pulls["image"].ne("")]
    images_of = named.assign(image=canonicals(named["image"]))
    parts = []
    for source in sources.chosen(scope.cluster):
        gpu_nodes = fleet.nodes(sources, Scope(cluster=source.name)).value
        if gpu_nodes is None:
            continue
        names = set(gpu_nodes["node"])
        nodes = [one for one in source.cluster.snapshot("nodes").objects if isinstance(one, Node)]
        mine = images_of[images_of["cluster"].eq(source.name)]
        known = mine.groupby("image")["size_bytes"].max().dropna()
        sizes = {str(image): float(size) for image, size in known.items()}
        present = [node for node in nodes if node.metadata.name in names]
        parts.append(holdings.holdings(source.name, present, set(mine["image"]), sizes=sizes))
    return frames.conform(pd.concat(parts, ignore_index=True), holdings.HOLDINGS) if parts else None
