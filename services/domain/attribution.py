"""From what a metrics source knows (node, namespace, pod) to what people ask for (pool, model, workload, team)."""

import numpy as np
import pandas as pd

from services.domain import allocation, frames
from services.domain.signals import Combine

UNKNOWN_NODE = "(unknown node)"

GROUPS = ("pool", "model", "namespace", "workload", "team", "node")
"""What a trend can be split by."""

OWNER_GROUPS = ("namespace", "workload", "team")
"""Groups that are about pods, not hardware."""


def dimensions(group: str, *, by_owner: bool) -> tuple[str, ...]:
    """The least a query must group by so that :func:`attribute` can answer for ``group``."""
    return ("node", "namespace", "pod") if by_owner or group in OWNER_GROUPS else ("node",)


def attribute(frame: pd.DataFrame, nodes: pd.DataFrame, pods: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with ``pool`` and ``model`` of its ``node`` and, when it has pods, ``workload`` and ``team``.

    ``nodes`` and ``pods`` are one cluster's inventory. A node the cluster does not have (any more) is
    :data:`UNKNOWN_NODE`. A pod that is gone belongs to the workload its name says and to the team its namespace's other
    pods belong to. With pods, ``weight`` becomes GPU equivalents held: a unit sold as r replicas counts 1/r a pod.
    Works on the distinct keys and joins by code, so a range of 300,000 rows costs no more than its keys.
    """
    added = frame.copy(deep=False)
    known = nodes.set_index("node")
    codes, keys = pd.factorize(frame["node"])
    place = known.reindex(pd.Index(keys, dtype="str"))
    for column in ("pool", "model"):
        added[column] = _spread(place[column].fillna(UNKNOWN_NODE).to_numpy(dtype=object), codes)
    replicas = place["replicas"].fillna(1.0).to_numpy()[codes] if len(keys) else np.empty(0)
    if "pod" in frame.columns:
        added["weight"] = frame["weight"].to_numpy() / replicas
        workload, team = owners(frame, pods)
        added["workload"], added["team"] = workload, team
    return added


def owners(frame: pd.DataFrame, pods: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Workload and team of each row's ``namespace`` and ``pod``; of pods that are gone as :func:`attribute` says."""
    codes, (namespaces, names) = frames.keyed(frame["namespace"], frame["pod"])
    columns = (pods[name].to_numpy(dtype=object) for name in ("namespace", "pod", "workload", "team"))
    present: dict[tuple[str, str], tuple[str, str]] = {}
    for namespace, name, workload_, team_ in zip(*columns, strict=True):
        present.setdefault((namespace, name), (workload_, team_))
    usual = _usual_teams(pods)
    workload, team = [], []
    for namespace, name in zip(namespaces, names, strict=True):
        known = present.get((namespace, name))
        workload.append(known[0] if known else allocation.workload_of_name(name))
        team.append(known[1] if known else usual.get(namespace, allocation.NO_TEAM))
    return (
        pd.Series(_spread(np.array(workload, dtype=object), codes), index=frame.index),
        pd.Series(_spread(np.array(team, dtype=object), codes), index=frame.index),
    )


def _usual_teams(pods: pd.DataFrame) -> dict[str, str]:
    """The team most pods of a namespace belong to; of equals the first by name."""
    counts = pods.groupby(["namespace", "team"], observed=True).size().rename("pods").reset_index()
    first = counts.sort_values(["pods", "team"], ascending=[False, True], kind="stable").drop_duplicates("namespace")
    return dict(zip(first["namespace"], first["team"], strict=True))


def _spread(values: np.ndarray, codes: np.ndarray) -> pd.Categorical | np.ndarray:
    """Repeat one value per key over the rows, without repeating the strings."""
    if not len(values):
        return np.array([], dtype=object)
    inner, categories = pd.factorize(values)
    return pd.Categorical.from_codes(inner[codes], categories=pd.Index(categories, dtype="str"))


def combine(frame: pd.DataFrame, keys: list[str], how: Combine) -> pd.DataFrame:
    """``value`` and ``weight`` per ``keys``: SHARE is the weighted mean, SUM adds, PEAK is the largest.

    Groups without a single value are left out: absent is not zero.
    """
    known = frame[frame["value"].notna()]
    if how is Combine.SHARE:
        work = known[keys].assign(product=known["value"] * known["weight"], weight=known["weight"])
        sums = work.groupby(keys, observed=True, sort=True)[["product", "weight"]].sum()
        sums["value"] = (sums["product"] / sums["weight"]).where(sums["weight"] > 0)
        return sums[["value", "weight"]].reset_index()
    grouped = known.groupby(keys, observed=True, sort=True)
    value = grouped["value"].sum() if how is Combine.SUM else grouped["value"].max()
    return pd.DataFrame({"value": value, "weight": grouped["weight"].sum()}).reset_index()


def largest(trend: pd.DataFrame, keep: int, *, how: Combine) -> tuple[pd.DataFrame, int]:
    """The ``keep`` groups with most weight, the others folded into one called "others"; and how many were folded.

    ``trend`` has ``at``, ``group``, ``value``, ``weight``.
    """
    order = trend.groupby("group", observed=True)["weight"].sum().sort_values(ascending=False, kind="stable")
    if len(order) <= keep + 1:
        return trend, 0
    kept = set(order.index[:keep])
    named = trend.assign(group=[g if g in kept else "others" for g in trend["group"]])
    return combine(named, ["at", "group"], how), len(order) - keep


def mean(trend: pd.DataFrame) -> float | None:
    """Mean of a trend's ``value`` over its points and groups, weighted by GPU equivalents; None without any."""
    weight = float(trend["weight"].sum())
    return float((trend["value"] * trend["weight"]).sum()) / weight if weight else None
