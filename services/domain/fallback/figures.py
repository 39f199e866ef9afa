"""Figures of routes (:data:`services.domain.fallback.ROUTES`): shares, rates, money. All are sums over routes."""

from collections.abc import Sequence

import pandas as pd

from services.domain import frames
from services.domain.fallback import BY_DESIGN, FALLEN, ROUTES

FIGURES = {
    "asked": "float64",  # answered and lost; without those that were refused
    "answered": "float64",
    "first": "float64",  # by the first tier
    "fallen": "float64",  # by another one, after a failure
    "by_design": "float64",  # by another one, because of the prompt
    "lost": "float64",  # by nobody
    "refused": "float64",  # the request or its key was at fault
    "paid": "float64",  # answered by others' deployments
    "fallback_rate": "float64",  # fallen ÷ answered, NaN without answers
    "lost_rate": "float64",  # lost ÷ asked
    "paid_share": "float64",  # paid ÷ answered
    "usd": "float64",  # what the gateway counted; NaN where a part has no price
    "fallen_usd": "float64",  # of that, for what fell or was routed to others' deployments
}
"""Counts are requests."""

TIERS = {
    "via": "str",  # the group it was sent on to, "" for the group's own deployments
    "id": "str",
    "rank": "int64",  # 0 outside the group
    "own": "bool",
    "requests": "float64",
    "share": "float64",  # of what the group answered
    "usd": "float64",
}


def figures(routes: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """:data:`FIGURES` by some columns of routes; one row in all when there is none to group by."""
    marked = marks(routes)
    names = ["asked", "answered", "first", "fallen", "by_design", "lost", "refused", "paid"]
    if by:
        grouped = marked.groupby(list(by), sort=True, observed=True)
        found = grouped[names].sum()
        found["usd"], found["fallen_usd"] = (grouped[name].sum(min_count=0) for name in ("usd", "fallen_usd"))
        for name in ("usd", "fallen_usd"):
            found.loc[grouped[f"{name}_unknown"].any(), name] = float("nan")
        found = found.reset_index()
    else:
        found = pd.DataFrame([marked[names].sum()])
        for name in ("usd", "fallen_usd"):
            found[name] = float("nan") if marked[f"{name}_unknown"].any() else float(marked[name].sum())
    found["fallback_rate"] = found["fallen"] / found["answered"].where(found["answered"] > 0)
    found["lost_rate"] = found["lost"] / found["asked"].where(found["asked"] > 0)
    found["paid_share"] = found["paid"] / found["answered"].where(found["answered"] > 0)
    return frames.conform(found, {**{name: ROUTES[name] for name in by}, **FIGURES})


def most_affected(routes: pd.DataFrame) -> tuple[str, float]:
    """The group of which the largest share of requests fell back or were lost, and that share; "" and 0 for none."""
    found = figures(routes, ["group"])
    share = ((found["fallen"] + found["lost"]) / found["asked"].where(found["asked"] > 0)).fillna(0.0)
    if not (share > 0).any():
        return "", 0.0
    return str(found["group"].iloc[int(share.to_numpy().argmax())]), float(share.max())


def marks(routes: pd.DataFrame) -> pd.DataFrame:
    """Routes with requests by what became of them, as columns."""
    outcome, requests = routes["outcome"], routes["requests"]
    answered = ~outcome.isin(["lost", "refused"])
    elsewhere, design = outcome.isin(FALLEN), routes["cause"].isin(BY_DESIGN)
    bought = answered & elsewhere & ~routes["own"]
    return routes.assign(
        asked=requests.where(outcome != "refused", 0.0),
        answered=requests.where(answered, 0.0),
        first=requests.where(outcome == "first", 0.0),
        fallen=requests.where(elsewhere & ~design, 0.0),
        by_design=requests.where(elsewhere & design, 0.0),
        lost=requests.where(outcome == "lost", 0.0),
        refused=requests.where(outcome == "refused", 0.0),
        paid=requests.where(answered & ~routes["own"], 0.0),
        usd_unknown=answered & routes["usd"].isna(),
        fallen_usd=routes["usd"].where(bought, 0.0),
        fallen_usd_unknown=bought & routes["usd"].isna(),
    )


def tiers(routes: pd.DataFrame, group: str) -> pd.DataFrame:
    """Who answered what a group was asked for, frame :data:`TIERS`, in the order they are tried."""
    mine = routes[(routes["group"] == group) & ~routes["outcome"].isin(["lost", "refused"])]
    by = ["via", "id", "rank", "own"]
    found = mine.groupby(by, sort=True)[["requests"]].sum()
    found["usd"] = mine.groupby(by, sort=True)["usd"].sum(min_count=1)
    found = found.reset_index()
    total = found["requests"].sum()
    found["share"] = found["requests"] / total if total else float("nan")
    ordered = found.sort_values(["via", "rank", "id"], kind="stable")
    return frames.conform(ordered, TIERS)


def causes(routes: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Requests that fell or were lost, the most first: columns ``by``, cause, outcome, requests."""
    rows = routes[routes["outcome"].isin([*FALLEN, "lost"])]
    found = rows.groupby([*by, "cause", "outcome"], sort=True, observed=True)["requests"].sum().reset_index()
    return found.sort_values("requests", ascending=False, kind="stable", ignore_index=True)
