"""Findings that warm headroom would mend, each with the action that sets it up."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from services.domain.findings import Finding, Fix, Severity

ACTION = "scale-headroom"
MANY_COLD = 3
"""From so many cold starts in the window on, keeping a unit warm is a warning and not only worth knowing."""


def cold(headroom: pd.DataFrame, window: str) -> Iterable[Finding]:
    """Pools that could grow, keep nothing warm and made pods wait for new nodes.

    ``headroom``: :data:`services.domain.headroom.table.HEADROOM`; ``window`` is the range its starts are of ("24h").
    """
    late = headroom[(headroom["cold"] > 0) & _fixable(headroom)]
    for row in late.to_dict("records"):
        number, of = int(row["cold"]), int(row["starts"])
        price = row["unit_usd_per_day"]
        money = "" if math.isnan(price) else f" One unit kept warm costs about ${price:,.0f} a day."
        yield Finding(
            key=f"cold/{row['cluster']}/{row['pool']}/{row['model']}/{row['resource']}",
            kind="Cold starts",
            severity=Severity.WARNING if number >= MANY_COLD else Severity.NOTICE,
            title=f"{number} of {of} {'start' if of == 1 else 'starts'} in pool {row['pool']} waited for a new node",
            detail=f"In the last {window}, {row['resource']}, and nothing is kept warm.{money}",
            cluster=str(row["cluster"]),
            page="headroom",
            params=_params(row),
            fix=_fix(row),
        )


def offered(found: Iterable[Finding], headroom: pd.DataFrame) -> list[Finding]:
    """``found`` with the fix added to full pools (:func:`services.domain.findings.saturated`) that could grow."""
    fixable = headroom[_fixable(headroom)]
    fixes = {f"full/{row['cluster']}/{row['pool']}/{row['model']}": row for row in fixable.to_dict("records")}
    return [
        replace(one, fix=_fix(fixes[one.key])) if one.fix is None and one.key in fixes else one
        for one in found
    ]  # fmt: skip


def fixes(headroom: pd.DataFrame) -> dict[tuple[str, str], Fix]:
    """What keeps the first unit warm, by cluster and pool, where it can be done."""
    rows = headroom[_fixable(headroom)].to_dict("records")
    return {(str(row["cluster"]), str(row["pool"])): _fix(row) for row in reversed(rows)}


def _fixable(headroom: pd.DataFrame) -> pd.Series:
    """Nothing is kept yet, and there is room for a unit: free now, or on a node the autoscaler may still bring."""
    room = ~(headroom["more"] < headroom["per_node"].fillna(1.0)) | (headroom["free"] >= 1)
    return (headroom["autoscaler"] != "") & room & (headroom["set"] == 0) & (headroom["balloons"] == 0)


def _fix(row: Mapping[Any, Any]) -> Fix:
    where = {name: row[name] for name in ("cluster", "pool", "model")}
    label = f"Keep 1 unit of pool {row['pool']} warm"
    return Fix(ACTION, label, {**where, "units": 1, "shape": {"resource": row["resource"]}})


def _params(row: Mapping[Any, Any]) -> dict[str, str]:
    return {"cluster": str(row["cluster"]), "headroom_pool": pool_name(row)}


def pool_name(row: Mapping[Any, Any]) -> str:
    """One text that names a row of the headroom frame; what the page has in its address."""
    return " · ".join(str(row[name]) for name in ("cluster", "pool", "model", "resource") if row[name])
