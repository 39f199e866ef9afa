"""Budgets, and days of unusual cost, as findings."""

from collections.abc import Iterable, Iterator

import pandas as pd

from services.domain.cost import MICRO
from services.domain.cost.burn import PROJECTED, Standing
from services.domain.findings import Finding, Severity

SCOPED = {
    "fleet": "the fleet",
    "cluster": "cluster",
    "team": "team",
    "namespace": "namespace",
    "label": "label",
    "model": "GPU model",
    "provider": "API provider",
}


def scoped(scope: str, value: str) -> str:
    """What a budget is for, in words: "the fleet", "team research"."""
    return f"{SCOPED[scope]} {value}".strip()


def of_standing(one: Standing) -> Iterator[Finding]:
    """What is to be said of a budget: that it is over, or else that it will be, and the last threshold it crossed.

    The key names the period, so that another month is another finding.
    """
    budget = one.budget
    amount = _usd(budget.amount_micro)
    spent = f"{_usd(one.spent)} of {amount} spent"
    if one.state == "over":
        detail = f"{spent} in {one.period.name}; over since {one.overrun}. {_lands(one)}"
        yield _finding(one, "over", "Budget over", Severity.WARNING, f"{budget.name} is over its budget", detail)
        return
    if one.state == "will overrun" and budget.projected:
        when = f" on {one.overrun}" if one.overrun else ""
        title = f"{budget.name} will be over its budget{when}"
        detail = f"{spent} in {one.period.name}. {_lands(one)}"
        yield _finding(one, PROJECTED, "Budget will overrun", Severity.WARNING, title, detail)
    if one.days:
        share = max(one.days)
        title = f"{budget.name} has reached {_percent(share)} of its budget"
        detail = f"{spent} in {one.period.name}, {_percent(one.elapsed)} of which is over. {_lands(one)}"
        calm = Severity.NOTICE if one.state == "on track" else Severity.WARNING
        yield _finding(one, f"{share:g}", "Budget threshold", calm, title, detail)


def unusual(scope: str, value: str, days: pd.DataFrame, day: str) -> Iterable[Finding]:
    """That a day cost more than is usual. ``days``: :data:`services.domain.cost.anomaly.SCORED`."""
    for row in days[days["day"].eq(day) & days["unusual"].eq("above")].to_dict("records"):
        what = scoped(scope, value)
        yield Finding(
            key=f"anomaly/{scope}/{value}/{day}",
            kind="Unusual cost",
            severity=Severity.WARNING,
            title=f"{what[0].upper()}{what[1:]} cost {_usd(row['micro'])} on {day}, more than usual",
            detail=f"The same weekday cost {_usd(row['expected'])} before; up to {_usd(row['high'])} is usual.",
            cluster=value if scope == "cluster" else "",
            team=value if scope == "team" else "",
            usd_per_day=(row["micro"] - row["expected"]) / MICRO,
            page="cost",
            params={"team": value} if scope == "team" else {"cluster": value} if scope == "cluster" else {},
        )


def _finding(one: Standing, what: str, kind: str, severity: Severity, title: str, detail: str) -> Finding:
    budget = one.budget
    return Finding(
        key=f"budget/{budget.id}/{one.period.name}/{what}",
        kind=kind,
        severity=severity,
        title=title,
        detail=detail,
        cluster=budget.value if budget.scope == "cluster" else "",
        team=budget.value if budget.scope == "team" else "",
        page="budgets",
        params={"budget": budget.id},
    )


def _lands(one: Standing) -> str:
    if not one.landing.known:
        return one.landing.method
    low, high = _usd(one.landing.low), _usd(one.landing.high)
    return f"It is expected to end at {low}." if low == high else f"It is expected to end between {low} and {high}."


def _usd(micro: float) -> str:
    usd = micro / MICRO
    return f"${usd:,.0f}" if usd >= 10 else f"${usd:,.2f}"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
