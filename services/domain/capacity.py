"""Where the GPUs are: held, free, closed, broken or unusable. Every physical GPU counts once, and the parts add up."""

import numpy as np
import pandas as pd

from services.domain.signals import IDLE_BELOW

PARTS = ("held", "free", "closed", "unhealthy", "remainder", "missing")
"""The parts of ``gpus``, in GPU equivalents:

held       bound to pods
free       a pod could have it now
closed     free, but its node is cordoned or not ready
unhealthy  in capacity but not allocatable: the device plugin called it broken
remainder  unusable because of the MIG layout
missing    the node should have it and does not even advertise it
"""

OCCUPANCY = {"held": "float64", "free": "float64", "closed": "float64", "overcommitted": "float64"}
"""What :func:`occupancy` adds to the node frame; NaN when pods cannot be read."""


def occupancy(nodes: pd.DataFrame, claims: pd.DataFrame | None) -> pd.DataFrame:
    """``nodes`` with the columns of :data:`OCCUPANCY`; ``claims`` None means pods could not be read.

    ``held`` is capped at what the node can allocate, so that parts add up; what pods hold beyond it (a sharing layout
    was lowered under running pods, a device broke in use) is ``overcommitted``.
    """
    if claims is None:
        return nodes.assign(**{name: np.full(len(nodes), np.nan) for name in OCCUPANCY})
    bound = claims.groupby("node")["equivalents"].sum().reindex(nodes["node"]).fillna(0.0).to_numpy()
    allocatable = nodes["allocatable"].to_numpy()
    # Thirds and sevenths do not add up exactly in binary.
    held = np.where(np.isclose(bound, allocatable, atol=1e-9), allocatable, np.minimum(bound, allocatable))
    rest = allocatable - held
    open_ = (nodes["ready"] & nodes["schedulable"]).to_numpy()
    return nodes.assign(
        held=held,
        free=np.where(open_, rest, 0.0),
        closed=np.where(open_, 0.0, rest),
        overcommitted=np.where(bound - allocatable > 1e-9, bound - allocatable, 0.0),
    )


POOLS = {
    "cluster": "str",
    "pool": "str",
    "model": "str",
    "capacity_type": "str",
    "sharing": "str",
    "nodes": "int64",
    "gpus": "float64",
    "held": "float64",
    "free": "float64",
    "closed": "float64",
    "unhealthy": "float64",
    "remainder": "float64",
    "missing": "float64",
    "held_ratio": "float64",  # held over what can be allocated on open nodes; NaN when nothing can
    "largest_free": "float64",  # most GPU equivalents free on one node: the largest single-node request that fits
    "usd_per_hour": "float64",  # of all its priced GPUs; NaN when none is priced
    "unpriced": "float64",  # GPUs without a price
}


def by_pool(nodes: pd.DataFrame) -> pd.DataFrame:
    """One row per cluster, pool and model, the columns of :data:`POOLS`, fullest first."""
    keys = ["cluster", "pool", "model"]
    priced = nodes.assign(
        usd=nodes["gpus"] * nodes["price"],
        unpriced=nodes["gpus"].where(nodes["price"].isna(), 0.0),
        usable=(nodes["allocatable"] - nodes["closed"]),
    )
    grouped = priced.groupby(keys, sort=True, dropna=False)
    sums = grouped[["gpus", *PARTS, "unpriced", "usable"]].sum(min_count=1)
    pools = sums.assign(
        capacity_type=grouped["capacity_type"].agg(_mixed),
        sharing=grouped["sharing"].agg(_mixed),
        nodes=grouped.size(),
        held_ratio=(sums["held"] / sums["usable"]).where(sums["usable"] > 0),
        largest_free=grouped["free"].max(),
        usd_per_hour=grouped["usd"].sum(min_count=1),
    ).reset_index()
    ordered = pools.sort_values(["held_ratio", "gpus"], ascending=False, kind="stable", na_position="last")
    return ordered[list(POOLS)].astype(POOLS).reset_index(drop=True)


def _mixed(values: pd.Series) -> str:
    kinds = sorted(set(values))
    return kinds[0] if len(kinds) == 1 else "mixed"


CLASSES = ("active", "held idle", "not measured", "free", "closed", "out of use", "remainder")
"""What every physical GPU is, in GPU equivalents that add up to the total:

active        held, and on a unit that did any work in the last half hour (largest utilisation at least 1 %)
held idle     held, and on a unit that did none
not measured  held, and nobody measured its unit
free, closed, remainder as in :data:`PARTS`; out of use is unhealthy and missing together
"""


def classes(nodes: pd.DataFrame, holdings: pd.DataFrame | None) -> pd.DataFrame:
    """GPU equivalents by class for every row of ``nodes`` (with occupancy): columns :data:`CLASSES` and ``effective``.

    ``holdings`` has a row per (unit, pod): ``cluster``, ``node``, ``equivalents``, ``peak`` and ``mean`` utilisation
    (0..1, NaN when not measured); None when utilisation is not collected at all, and then all that is held is not
    measured. ``effective`` is the part of active during which engines were busy. NaN where pods cannot be read.
    """
    held = nodes["held"]
    split = pd.DataFrame(0.0, index=nodes.index, columns=["active", "held idle", "effective"])
    if holdings is not None and len(holdings):
        measured = holdings["equivalents"].where(holdings["peak"].notna(), 0.0)
        works = holdings["peak"] >= IDLE_BELOW
        parts = pd.DataFrame(
            {
                "cluster": holdings["cluster"],
                "node": holdings["node"],
                "measured": measured,
                "active": measured.where(works, 0.0),
                "effective": (measured * holdings["mean"]).where(works, 0.0).fillna(0.0),
            }
        )
        sums = parts.groupby(["cluster", "node"])[["measured", "active", "effective"]].sum()
        keyed = sums.reindex(pd.MultiIndex.from_frame(nodes[["cluster", "node"]])).fillna(0.0).set_index(nodes.index)
        # Pods may hold more than the node can allocate any more; the classes speak of GPUs that exist.
        scale = (held / keyed["measured"]).clip(upper=1.0).where(keyed["measured"] > 0, 1.0)
        split["active"] = keyed["active"] * scale
        split["held idle"] = (keyed["measured"] - keyed["active"]) * scale
        split["effective"] = keyed["effective"] * scale
    split["not measured"] = (held - split["active"] - split["held idle"]).clip(lower=0.0)
    split.loc[split["not measured"] < 1e-9, "not measured"] = 0.0
    split[["free", "closed", "remainder"]] = nodes[["free", "closed", "remainder"]]
    split["out of use"] = nodes["unhealthy"] + nodes["missing"]
    return split[[*CLASSES, "effective"]]


def by_class(nodes: pd.DataFrame, holdings: pd.DataFrame | None) -> pd.DataFrame:
    """GPU equivalents and money by class.

    ``use`` (all of :data:`CLASSES`), ``gpus``, ``usd_per_day`` of priced GPUs.
    """
    split = classes(nodes, holdings)[list(CLASSES)]
    money = split.mul(nodes["price"] * 24, axis=0)
    return pd.DataFrame(
        {
            "use": list(CLASSES),
            "gpus": split.sum(skipna=False).to_numpy(),
            "usd_per_day": money.sum(min_count=1).to_numpy(),
        }
    )


FUNNEL = ("total", "allocated", "active", "effective")
"""Stages of the funnel, each a part of the one before:

total      physical GPUs
allocated  held by pods
active     of those, on units that did any work in the last half hour (largest utilisation at least 1 %)
effective  of those, the share of time their engines were busy
"""


def funnel(nodes: pd.DataFrame, holdings: pd.DataFrame | None) -> pd.DataFrame:
    """The funnel in GPU equivalents and US dollars per day.

    ``nodes`` with occupancy and ``price``; ``holdings`` as for :func:`classes`, None when utilisation is not collected.
    Returns one row per stage: ``stage``, ``gpus`` (NaN when it cannot be told), ``usd_per_day`` (of priced GPUs only),
    ``unpriced`` (GPUs left out of the money) and ``unmeasured`` (allocated GPUs whose work nobody measured: they are in
    neither *active* nor *effective*).
    """
    amount = {"total": nodes["gpus"], "allocated": nodes["held"]}
    unmeasured = np.nan
    if holdings is not None:
        split = classes(nodes, holdings)
        amount |= {"active": split["active"], "effective": split["effective"]}
        unmeasured = float(split["not measured"].sum())
    rows = []
    for stage in FUNNEL:
        if stage not in amount:
            rows.append((stage, np.nan, np.nan, np.nan, unmeasured))
            continue
        gpus = amount[stage]
        known = nodes["price"].notna()
        rows.append(
            (
                stage,
                float(gpus.sum(skipna=False)),
                float((gpus * nodes["price"] * 24).where(known, 0.0).sum(skipna=False)) if known.any() else np.nan,
                float(gpus.where(~known, 0.0).sum(skipna=False)),
                unmeasured,
            )
        )
    return pd.DataFrame(rows, columns=["stage", "gpus", "usd_per_day", "unpriced", "unmeasured"])
