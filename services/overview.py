"""The first page's answers: the funnel, the headline figures, and what needs attention."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pandas as pd

from services import fleet, utilisation
from services.domain import attribution, capacity, gpus
from services.domain.scope import Scope
from services.domain.signals import Combine
from services.panels import read as panels
from services.panels.catalogue import PANELS
from services.ports import Sources
from services.reading import Reading


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
