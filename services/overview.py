"""The first page's answers: the funnel, the headline figures, and what needs attention."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pandas as pd

from services import fleet, metrics, utilisation
from services.domain import attribution, capacity, findings, gpus
from services.domain.findings import Finding
from services.domain.scope import Scope
from services.domain.signals import Combine, Query
from services.merge import merged
from services.panels import read as panels
from services.panels.catalogue import PANELS
from services.ports import Sources
from services.reading import Absence, Reading


@dataclass(frozen=True)
class Headline:
    """The tiles. Ratios 0..1; None means it cannot be told."""

    gpus: float
    held: float | None
    free: float | None
    out_of_use: float  # unhealthy and missing GPUs
    broken_nodes: int
    nodes: int
    waiting_pods: int
    longest_wait: timedelta | None
    waiting_reason: str  # of the one that waits longest


def headline(sources: Sources, scope: Scope) -> Reading[Headline]:
    """Figures that need Kubernetes alone."""
    nodes, waiting = fleet.nodes(sources, scope), fleet.waiting(sources, scope)
    if nodes.value is None or waiting.value is None:
        return Reading(None, nodes.as_of, nodes.problem, nodes.absence, nodes.notes)
    frame, queue = nodes.value, waiting.value
    since = queue["since"].min()
    value = Headline(
        gpus=float(frame["gpus"].sum()),
        held=_known(frame["held"]),
        free=_known(frame["free"]),
        out_of_use=float((frame["unhealthy"] + frame["missing"]).sum()),
        broken_nodes=int(frame["state"].isin(["not ready", "no GPUs", "fewer GPUs"]).sum()),
        nodes=len(frame),
        waiting_pods=len(queue),
        longest_wait=None if pd.isna(since) else max(sources.now() - since.to_pydatetime(), timedelta(0)),
        waiting_reason="" if queue.empty else str(queue.sort_values("since", kind="stable")["reason"].iat[0]),
    )
    return Reading(value, nodes.as_of, nodes.problem, nodes.absence, nodes.notes)


def _known(values: pd.Series) -> float | None:
    return None if values.isna().any() else float(values.sum())


def utilisation_trend(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """Utilisation of the whole scope over its window.

    ``at``, ``value`` (0..1), ``weight`` (GPU equivalents measured).
    """
    window = fleet.window(sources, scope, by_owner=scope.by_owner)
    trend = panels.trend(sources, PANELS["utilisation"], scope, window, "pool")
    if trend.value is None or trend.value.empty:
        return trend
    return replace(trend, value=attribution.combine(trend.value, ["at"], Combine.SHARE))


def funnel(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """The funnel as :func:`services.domain.capacity.funnel` returns it."""
    nodes = fleet.nodes(sources, scope)
    if nodes.value is None:
        return nodes
    table = utilisation.table(sources, replace(scope, range="1h"))
    frame = fleet.held_by(nodes.value, fleet.pods(sources, scope).value) if scope.by_owner else nodes.value
    measured = None
    if table.value is not None and table.absence is None and not table.value.empty:
        measured = gpus.holdings(table.value)
    value = capacity.funnel(frame, measured)
    return Reading(
        value,
        nodes.as_of,
        nodes.problem or table.problem,
        table.absence,
        tuple(dict.fromkeys((*nodes.notes, *table.notes))),
    )


def attention(sources: Sources, scope: Scope) -> Reading[list[Finding]]:
    """Everything that needs attention in the scope, ranked. Sources that cannot be asked cost their own findings."""
    nodes, pools, waiting = (ask(sources, scope) for ask in (fleet.nodes, fleet.pools, fleet.waiting))
    table = utilisation.table(sources, replace(scope, range="1h"))
    codes = xids(sources, scope)
    found: list[Finding] = []
    if nodes.value is not None:
        found += [*findings.broken_nodes(nodes.value), *findings.drifted_nodes(nodes.value)]
    if waiting.value is not None:
        found += findings.unmet(waiting.value, sources.now())
    if pools.value is not None and waiting.value is not None:
        found += findings.saturated(pools.value, waiting.value, sources.policy.saturated_above)
    if table.value is not None:
        spend = 0.0 if nodes.value is None else float((nodes.value["gpus"] * nodes.value["price"] * 24).sum())
        found += findings.idle(table.value, round(sources.policy.idle_after / timedelta(minutes=1)), spend)
        if nodes.value is not None and not scope.by_owner:
            seen = set(zip(table.value["cluster"], table.value["node"], strict=True))
            found += findings.silent_nodes(nodes.value, seen)
    if codes.value is not None:
        found += findings.sick_gpus(codes.value)
    if scope.by_owner:
        mine = {"idle", "unmet"}
        found = [f for f in found if f.key.split("/", 1)[0] in mine]
    problem = nodes.problem or table.problem or codes.problem
    absence = Absence.LOADING if nodes.absence is Absence.LOADING and not found else None
    return Reading(
        findings.ranked(findings.folded(found)),
        nodes.as_of,
        problem,
        absence,
        tuple(dict.fromkeys((*nodes.notes, *table.notes))),
    )


def xids(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """The last XID of every GPU of the scope: ``cluster``, ``node``, ``pool``, ``model``, ``gpu``, ``value``."""
    parts = []
    for source in sources.chosen(scope.cluster):
        answer = metrics.instant(sources, source, Query("xid", ("node", "gpu")), metrics.moment(sources))
        value = None
        if answer.value is not None:
            stock = fleet.nodes(sources, Scope(cluster=source.name)).value
            place = None if stock is None else stock.set_index("node")[["pool", "model"]].reindex(answer.value["node"])
            value = answer.value.assign(
                cluster=source.name,
                pool="" if place is None else place["pool"].fillna("").to_numpy(),
                model="" if place is None else place["model"].fillna("").to_numpy(),
            )
            value = scope.keep(value)
        parts.append(Reading(value, answer.as_of, answer.problem, answer.absence, answer.notes))
    return merged(parts, lambda found: pd.concat(found, ignore_index=True))
