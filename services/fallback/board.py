"""What the Fallback page shows of one gateway: routes as somebody may see them, and bursts with their reasons."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import pandas as pd

from services.domain.counters import MINUTE, ends
from services.domain.fallback import Chains
from services.domain.fallback.bursts import Burst, bursts
from services.domain.fallback.figures import figures
from services.domain.fallback.reasons import Evidence, Explained, Serving, explain_burst
from services.domain.scope import Scope
from services.errors import OpsError
from services.fallback import evidence, read
from services.fallback.money import Extra, extra
from services.fallback.read import Counted
from services.gateway import read as gateways
from services.gateway.read import Board as Gateway
from services.ports import Sources
from services.reading import Absence, Reading

_LONG = timedelta(hours=12)
_SELDOM = 30
"""Minutes between two looks at most: a source that was away may be back, and the past may have been filled in."""
MOST_BURSTS = 12
"""Bursts that are explained, the largest; all are counted."""


@dataclass(frozen=True)
class Board:
    """One gateway over a window.

    ``routes`` and ``points`` as :class:`services.fallback.read.Counted` has them, of what is seen. ``gateway`` is its
    file and process, None when neither can be read. ``explained``: bursts, the largest first; ``bursts`` is how many
    there were in all. ``extra`` is what fallbacks cost beside own GPUs.
    """

    cluster: str
    routes: pd.DataFrame
    points: tuple[datetime, ...]
    chains: Chains
    gateway: Gateway | None
    explained: tuple[Explained, ...]
    bursts: int
    extra: Extra

    @property
    def groups(self) -> list[str]:
        """Groups somebody asked for or that are in the file, in the file's order."""
        known = () if self.gateway is None or self.gateway.config is None else self.gateway.config.groups
        return list(dict.fromkeys([*known, *sorted(set(self.routes["group"]))]))


def board(sources: Sources, cluster: str, scope: Scope) -> Reading[Board]:
    """The gateway of a cluster over the scope's range; of a team when the scope names one."""
    found = read.counted(sources, cluster, scope.range)
    if found.value is None:
        return Reading(None, found.as_of, found.problem, found.absence, found.notes)
    counted = found.value
    seen = scope.keep(counted.routes)
    gateway = gateways.board(sources, cluster).value
    all_bursts = bursts(seen, counted.points)
    explained = tuple(_kept(sources, counted, scope, one, gateway) for one in all_bursts[:MOST_BURSTS])
    cost = sources.memo.get(("extra", cluster, scope), counted.points, lambda: extra(sources, scope, seen))
    value = Board(cluster, seen, counted.points, counted.chains, gateway, explained, len(all_bursts), cost)
    return Reading(value, found.as_of, found.problem, found.absence, found.notes)


class _Look(NamedTuple):
    at: datetime
    complete: bool  # everything was known
    found: Explained


def _kept(sources: Sources, counted: Counted, scope: Scope, burst: Burst, gateway: Gateway | None) -> Explained:
    """The burst explained; one that has not grown since is not looked into again, unless something was not known."""
    key = ("burst", counted.cluster, scope, burst.group, burst.begin)
    state = burst.end, burst.asked, burst.fallen, burst.lost
    looks: list[_Look] = sources.memo.get(key, state, list)
    now = sources.now()
    if not looks or (not looks[-1].complete and now - looks[-1].at >= MINUTE * min(len(looks), _SELDOM)):
        looks.append(_Look(now, *_explained(sources, counted, scope, burst, gateway)))
    return looks[-1].found


def _explained(
    sources: Sources, counted: Counted, scope: Scope, burst: Burst, gateway: Gateway | None
) -> tuple[bool, Explained]:
    """Whether everything was known, and what was found."""
    rows = None if gateway is None else gateway.tiers[gateway.tiers["group"] == burst.group]
    first = None if rows is None or rows.empty else rows.sort_values("rank", kind="stable").iloc[0]
    exact = _exact(sources, counted, scope, burst)
    serves = None if first is None else evidence.serving(sources, counted.cluster, str(first["base"]))
    if serves is not None and not _may(scope, serves):
        serves = None
    found = Evidence() if serves is None else evidence.gathered(sources, serves, exact.begin, exact.end)
    name = "its first tier" if first is None else str(first["key"])
    complete = found.complete if serves is not None else evidence.whole(sources)
    return complete, explain_burst(exact, serves, name, _instead(burst, gateway), found)


def _may(scope: Scope, serves: Serving) -> bool:
    """Whether the workload's names may be told."""
    return scope.sees.whole or serves.namespace in (scope.sees.namespaces or ())


def _exact(sources: Sources, counted: Counted, scope: Scope, burst: Burst) -> Burst:
    """The burst to the minute, where the steps were longer, and what was asked between its first and its last."""
    metrics = sources.clusters[counted.cluster].metrics
    if metrics is None or counted.step <= MINUTE or burst.end - burst.begin > _LONG:
        return burst
    points = tuple(ends(burst.begin, min(burst.end, counted.end), MINUTE))
    try:
        fine = read.between(metrics, counted.cluster, counted.chains, points).value
    except OpsError:
        return burst
    if fine is None:
        return burst
    rows = scope.keep(fine.routes)
    found = bursts(rows[rows["group"] == burst.group], points)
    if not found:
        return burst
    return replace(
        burst,
        begin=min(one.begin for one in found),
        end=max(one.end for one in found),
        asked=sum(one.asked for one in found),
        fallen=sum(one.fallen for one in found),
        lost=sum(one.lost for one in found),
    )


def _instead(burst: Burst, gateway: Gateway | None) -> str:
    """Who answered most of what fell: a rank of the group, or another group."""
    told = {name: number for name, number in burst.vias.items() if name}
    if not told:
        return ""
    best = max(told, key=lambda name: told[name])
    keys: dict[str, str] = {} if gateway is None else dict(zip(gateway.tiers["id"], gateway.tiers["key"], strict=True))
    if burst.tier > 1:
        return f"tier {burst.tier} ({keys.get(best, best)})"
    return keys.get(best, f"group {best}")


@dataclass(frozen=True)
class Summary:
    """Figures of all gateways of a scope, for a tile; rates 0..1, None without requests."""

    asked: float
    fallback_rate: float | None
    lost: float
    fallen_usd: float | None
    worst: Explained | None


def summary(sources: Sources, scope: Scope) -> Reading[Summary]:
    """All gateways of the scope together."""
    parts = [board(sources, name, scope) for name in read.places(sources, scope.cluster)]
    if not parts:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    values = [part.value for part in parts if part.value is not None and part.absence is None]
    problem = next((part.problem for part in parts if part.problem is not None), None)
    if not values:
        return Reading(None, parts[0].as_of, problem, parts[0].absence, parts[0].notes)
    row = figures(pd.concat([value.routes for value in values], ignore_index=True)).iloc[0]
    explained = [one for value in values for one in value.explained]
    worst = max(explained, key=lambda one: one.burst.fallen + one.burst.lost, default=None)
    rate, usd = float(row["fallback_rate"]), float(row["fallen_usd"])
    found = Summary(
        asked=float(row["asked"]),
        fallback_rate=None if pd.isna(rate) else rate,
        lost=float(row["lost"]),
        fallen_usd=None if pd.isna(usd) else usd,
        worst=worst,
    )
    return Reading(found, parts[0].as_of, problem)
