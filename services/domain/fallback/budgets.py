"""Budgets of language models: what is left, how long it lasts, and which tiers are lost when it is used up."""

import math
import re
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
    "pace": "str",  # one of PACES; "" where it cannot be told
    "period": "str",  # after which it begins anew, as the gateway has it; "" unknown
    "then": "str",  # what happens when it is used up
}
"""One row per budget, the one that ends first on top."""

LASTS, ENDS = "Lasts until it begins anew", "Used up before it begins anew"
PACES = (LASTS, ENDS)
"""What comes of a budget at the pace of the last 24 hours."""
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
        row = "provider", name, whole, left.get(name, math.nan)
        rows.append(_row(row, spent, period, _days_of(period), _lost(name, tiers)))
    for name, (remains, whole, hours) in sorted(teams.items()):
        period = "" if math.isnan(hours) else f"in {hours:,.0f} h"
        then = f"Requests of {name or 'no team'} are refused."
        rows.append(_row(("team", name, whole, remains), spent, period, hours / 24, then))
    found = frames.table(BUDGETS, rows)
    return found.sort_values(["days_left", "used"], ascending=[True, False], kind="stable", ignore_index=True)


def _row(
    of: tuple[str, str, float, float],
    spent: Mapping[tuple[str, str], float],
    period: str,
    days: float,
    then: str,
) -> tuple[object, ...]:
    """``days`` are those until it begins anew: of a team exactly, of a provider at most."""
    kind, name, whole, left = of
    day = spent.get((kind, name), math.nan)
    days_left = max(left, 0.0) / day if day > 0 and not math.isnan(left) else math.nan
    used = 1 - left / whole if whole > 0 else math.nan
    pace = ""
    if days_left >= days or (day == 0 and left > 0):
        pace = LASTS
    elif days_left < days and (kind == "team" or whole < day * days):
        pace = ENDS
    return kind, name, whole, left, used, day, days_left, pace, period, then


_PERIOD = re.compile(r"(\d+)(s|m|h|d|w|mo)")
_DAYS = {"s": 1 / 86_400, "m": 1 / 1440, "h": 1 / 24, "d": 1.0, "w": 7.0, "mo": 30.0}


def _days_of(period: str) -> float:
    """Days of a length of time as LiteLLM writes them (``litellm_core_utils/duration_parser.py``), else NaN."""
    found = _PERIOD.fullmatch(period)
    return int(found[1]) * _DAYS[found[2]] if found else math.nan


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
        pace = "until it begins anew" if row["pace"] == LASTS else _days(row["days_left"])
        lasts = "" if gone or math.isnan(row["days_left"]) else f"At today's pace it lasts {pace}. "
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
    if math.isnan(days):
        return ""
    if days < 1:
        hours = max(round(days * 24), 1)
        return "1 hour" if hours == 1 else f"{hours} hours"
    whole = round(days)
    return "1 day" if whole == 1 else f"{whole} days"
