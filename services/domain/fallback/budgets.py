"""Budgets of language models: what is left, how long it lasts, and which tiers are lost when it is used up."""

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from services.domain import frames
from services.domain.findings import Finding, Severity
from services.domain.litellm.settings import Budget

BUDGETS = {
    "of": "str",  # "provider" or "team"
    "name": "str",
    "usd": "float64",  # the whole budget; NaN where nobody says
    "left_usd": "float64",
    "used": "float64",  # share, 0..1; above 1 when it is overdrawn
    "day_usd": "float64",  # spent in the last 24 hours
    "days_left": "float64",  # at that pace; NaN without spend
    "period": "str",  # after which it begins anew, as the gateway has it; "" unknown
    "then": "str",  # what happens when it is used up
}
"""One row per budget, the one that ends first on top."""

ALERT_AT = 0.8
"""Share of a budget from which it needs attention."""


def budgets(
    providers: Mapping[str, Budget],
    left: Mapping[str, float],
    teams: Mapping[str, tuple[float, float, float]],
    spent: Mapping[tuple[str, str], float],
    tiers: pd.DataFrame,
) -> pd.DataFrame:
    """Frame :data:`BUDGETS`.

    ``providers`` by name as the file has them; ``left`` US dollars by provider as the gateway counts. ``teams``: what
    is left, the whole and hours until it begins anew, by team, NaN where unknown. ``spent``: US dollars of the last 24
    hours by ("provider", name) and ("team", name). ``tiers``: :data:`services.gateway.compare.TIERS`.
    """
    rows = []
    for name in sorted({*providers, *left}):
        budget = providers.get(name)
        whole = math.nan if budget is None else budget.usd
        period = "" if budget is None else budget.period
        rows.append(_row("provider", name, whole, left.get(name, math.nan), spent, period, _lost(name, tiers)))
    for name, (remains, whole, hours) in sorted(teams.items()):
        period = "" if math.isnan(hours) else f"in {hours:,.0f} h"
        rows.append(_row("team", name, whole, remains, spent, period, f"Requests of {name or 'no team'} are refused."))
    found = frames.table(BUDGETS, rows)
    return found.sort_values(["days_left", "used"], ascending=[True, False], kind="stable", ignore_index=True)


def _row(
    of: str, name: str, whole: float, left: float, spent: Mapping[tuple[str, str], float], period: str, then: str
) -> tuple[object, ...]:
    day = spent.get((of, name), math.nan)
    days = max(left, 0.0) / day if day > 0 and not math.isnan(left) else math.nan
    used = 1 - left / whole if whole > 0 else math.nan
    return of, name, whole, left, used, day, days, period, then


def _lost(provider: str, tiers: pd.DataFrame) -> str:
    """What the gateway's groups lose with a provider, in a sentence."""
    mine = tiers[tiers["provider"] == provider]
    if mine.empty:
        return "No deployment uses it."
    told = []
    for group, rows in mine.groupby("group", sort=False):
        others = tiers[(tiers["group"] == group) & (tiers["provider"] != provider)]
        names = ", ".join(rows["key"])
        told.append(f"{group} loses {names}" + ("" if len(others) else " and has no other deployment"))
    return _joined(told) + "."


def _joined(told: Sequence[str]) -> str:
    return "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")


def ending(found: pd.DataFrame, cluster: str) -> Iterable[Finding]:
    """Budgets that are used up, or to :data:`ALERT_AT`."""
    for row in found.to_dict("records"):
        if not row["used"] >= ALERT_AT:
            continue
        gone = row["left_usd"] <= 0
        what = f"{row['of']} {row['name']}" if row["name"] else str(row["of"])
        lasts = "" if gone or math.isnan(row["days_left"]) else f"At today's pace it lasts {_days(row['days_left'])}. "
        share = f"{row['used']:.0%}".replace("%", " %")
        yield Finding(
            key=f"llm-budget/{cluster}/{row['of']}/{row['name']}",
            kind="Budget of language models",
            severity=Severity.CRITICAL if gone else Severity.WARNING,
            title=f"The gateway's budget of {what} is {'used up' if gone else f'{share} used'}",
            detail=f"{lasts}{'' if gone else 'Then: '}{row['then']}",
            cluster=cluster,
            team=str(row["name"]) if row["of"] == "team" else "",
            page="fallback",
            params={"cluster": cluster},
        )


def _days(days: float) -> str:
    if days < 1:
        hours = max(round(days * 24), 1)
        return "1 hour" if hours == 1 else f"{hours} hours"
    whole = round(days)
    return "1 day" if whole == 1 else f"{whole} days"
