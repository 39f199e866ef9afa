"""Budgets of a gateway as its counters and its file have them."""

import math
from datetime import timedelta

import pandas as pd

from services.domain.fallback.budgets import budgets
from services.domain.scope import Scope
from services.errors import OpsError
from services.gateway import read as gateways
from services.ports import Metrics, Sources
from services.reading import Absence, Problem, Reading

_LATELY = timedelta(minutes=10)
_DAY = timedelta(days=1)


def read(sources: Sources, cluster: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Frame :data:`services.domain.fallback.budgets.BUDGETS`; of teams only those that are seen."""
    source = sources.clusters.get(cluster)
    metrics = None if source is None else source.metrics
    if metrics is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    end = sources.now().replace(second=0, microsecond=0)

    def build() -> Reading[pd.DataFrame]:
        board = gateways.board(sources, cluster).value
        if board is None:
            return Reading(None, absence=Absence.NOT_COLLECTED)
        try:
            levels = {name: _levels(metrics, f"budget_{name}") for name in _ASKED}
            spend = metrics.grown("fallback_spend", end - _DAY, end, _DAY).frame
        except OpsError as error:
            return Reading(None, problem=Problem.of(error, source="prometheus", since=sources.now()))
        providers = {} if board.config is None else board.config.provider_budgets
        of = spend["id"].map(dict(zip(board.tiers["id"], board.tiers["provider"], strict=True)))
        spent = {("provider", str(name)): float(usd) for name, usd in spend["value"].groupby(of).sum().items()}
        spent |= {("team", str(name)): float(usd) for name, usd in spend.groupby("team")["value"].sum().items()}
        names = {*levels["team_left"], *levels["team_whole"]}
        teams = {
            name: tuple(levels[part].get(name, math.nan) for part in ("team_left", "team_whole", "team_hours"))
            for name in names
            if levels["team_whole"].get(name, math.nan) < math.inf
        }
        found = budgets(providers, levels["provider_left"], teams, spent, board.tiers)  # type: ignore[arg-type]
        return Reading(found, end)

    def _levels(metrics: Metrics, counter: str) -> dict[str, float]:
        rows = metrics.grown(counter, end - _LATELY, end, _LATELY).frame
        name = next(column for column in rows.columns if column not in ("at", "value"))
        return dict(zip(rows[name], rows["value"], strict=True))

    whole = sources.memo.get(("llm budgets", cluster), end, build)
    if whole.value is None:
        return whole
    rows = whole.value
    if not scope.sees.whole:
        rows = rows[rows["of"].eq("provider") | rows["name"].isin(scope.sees.teams or ())]
    if scope.team:
        rows = rows[rows["of"].eq("provider") | rows["name"].eq(scope.team)]
    return Reading(rows.reset_index(drop=True), whole.as_of, whole.problem, whole.absence)


_ASKED = ("provider_left", "team_left", "team_whole", "team_hours")
