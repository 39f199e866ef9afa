"""One row per unit (a whole GPU or a MIG instance).

What it did, who holds it, and which class of idle that makes it.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from services.domain import attribution, frames, units
from services.domain.signals import IDLE_BELOW

GPUS = {
    "cluster": "str",
    "node": "str",
    "gpu": "str",  # UUID of the physical GPU
    "instance": "str",  # MIG instance on it; "" for a whole GPU
    "profile": "str",
    "pool": "str",
    "model": "str",
    "fraction": "float64",  # GPU equivalents of the unit
    "use": "str",  # one of USES
    "util": "float64",  # mean over the window, 0..1
    "util_now": "float64",
    "peak": "float64",  # largest over the idle test's span
    "recent": "float64",  # mean over the idle test's span
    "memory_used": "float64",  # bytes
    "memory_total": "float64",
    "power": "float64",  # watts of the physical GPU
    "temperature": "float64",
    "holders": "int64",  # pods on it
    "pods": "str",  # "namespace/pod", by name
    "workload": "str",
    "namespace": "str",
    "team": "str",
    "held": "float64",  # GPU equivalents its pods hold
    "price": "float64",  # USD per GPU-hour of its node; NaN when unpriced
    "idle_usd_per_day": "float64",  # what its held share costs while idle; 0 unless held idle
}

USES = ("free", "held idle", "active", "out of use", "unknown")
"""Class of a unit.

Out of use: nobody holds it and its node has nothing free (cordoned, not ready, or device broken).
"""


def gpus(
    cluster: str,
    answers: Mapping[str, pd.DataFrame],
    owners: pd.DataFrame | None,
    nodes: pd.DataFrame,
    pods: pd.DataFrame,
) -> pd.DataFrame:
    """Frame :data:`GPUS` of one cluster.

    ``answers`` hold per-unit answers by name: util, util_now, peak, recent, memory_used, memory_free (columns of
    ``UNIT_KEY`` and ``value``) and power, temperature (per physical GPU). ``owners`` has a row per unit and pod; None
    when no series names a workload, and then a GPU is free or held only where the whole node is.
    """
    keys = ["node", "gpu", "instance", "profile"]
    present = [answers[name][[*keys, "model"]] for name in ("util", "util_now", "memory_used") if name in answers]
    rows = pd.concat(present, ignore_index=True).drop_duplicates(keys, ignore_index=True) if present else None
    if rows is None or rows.empty:
        return frames.empty(GPUS)
    index = pd.MultiIndex.from_frame(rows[keys])
    for name in ("util", "util_now", "peak", "recent", "memory_used", "memory_free"):
        rows[name] = _values(answers.get(name), keys, index)
    by_gpu = pd.Index(rows["gpu"])
    for name in ("power", "temperature"):
        rows[name] = _values(answers.get(name), ["gpu"], by_gpu)
    rows["memory_total"] = rows["memory_used"] + rows["memory_free"]
    dcgm_model = rows["model"]
    rows["weight"] = 1.0
    rows = attribution.attribute(rows, nodes, pods)
    unknown = (rows["model"] == attribution.UNKNOWN_NODE).to_numpy()
    rows["model"] = np.where(
        unknown, [units.model_name(name) for name in dcgm_model], rows["model"].astype("str").to_numpy(dtype=object)
    )
    rows["fraction"] = _fractions(rows["profile"], rows["model"])
    place = nodes.set_index("node").reindex(rows["node"])
    rows["price"] = place["price"].to_numpy() if "price" in place else np.nan
    rows = _held(rows, index, owners, nodes, pods, place)
    rows["use"] = _use(rows, place)
    idle = rows["use"] == "held idle"
    rows["idle_usd_per_day"] = (rows["held"] * rows["price"] * 24).where(idle, 0.0)
    return frames.conform(rows.assign(cluster=cluster), GPUS)


def _values(answer: pd.DataFrame | None, keys: list[str], index: pd.Index) -> np.ndarray:
    if answer is None or answer.empty:
        return np.full(len(index), np.nan)
    at = pd.MultiIndex.from_frame(answer[keys]) if len(keys) > 1 else pd.Index(answer[keys[0]])
    series = pd.Series(answer["value"].to_numpy(), index=at)
    return series[~series.index.duplicated()].reindex(index).to_numpy()


def _fractions(profiles: pd.Series, models: pd.Series) -> np.ndarray:
    codes, (distinct, of_model) = frames.keyed(profiles, models)
    pairs = zip(distinct, of_model, strict=True)
    values = [units.mig_fraction(profile, model) if profile else 1.0 for profile, model in pairs]
    return np.array(values)[codes] if values else np.empty(0)


def _held(
    rows: pd.DataFrame,
    index: pd.MultiIndex,
    owners: pd.DataFrame | None,
    nodes: pd.DataFrame,
    pods: pd.DataFrame,
    place: pd.DataFrame,
) -> pd.DataFrame:
    """Adds who holds each unit. Without owner labels only wholly held or wholly free nodes can be told."""
    rows = rows.assign(holders=0, pods="", workload="", namespace="", team="", held=0.0)
    if owners is None:
        share = (place["held"] / place["allocatable"]).to_numpy()
        held = np.where(share >= 1 - 1e-9, 1.0, np.where(share <= 1e-9, 0.0, np.nan))
        rows["held"] = held * rows["fraction"]
        return rows
    keys = ["node", "gpu", "instance", "profile"]
    mine = attribution.attribute(owners, nodes, pods)
    fraction = pd.Series(rows["fraction"].to_numpy(), index=index)
    at = pd.MultiIndex.from_frame(mine[keys])
    replicas = nodes.set_index("node")["replicas"].reindex(mine["node"]).fillna(1.0).to_numpy()
    mine = mine.assign(share=fraction.reindex(at).to_numpy() / replicas, label=mine["namespace"] + "/" + mine["pod"])
    mine = mine.sort_values(["namespace", "pod"], kind="stable").astype({"workload": "str", "team": "str"})
    grouped = mine.groupby(keys, observed=True, sort=False)
    joined = grouped.agg(
        holders=("label", "size"),
        held=("share", "sum"),
        pods=("label", "first"),
        workload=("workload", "first"),
        namespace=("namespace", "first"),
        team=("team", "first"),
    )
    several = mine[grouped["label"].transform("size") > 1]
    if len(several):
        shared = several.groupby(keys, observed=True, sort=False)
        joined.loc[shared.size().index, "pods"] = shared["label"].agg(", ".join)
        for column in ("workload", "namespace", "team"):
            joined.loc[shared.size().index, column] = frames.one_or_many(several, keys, column)
    joined = joined.reindex(index)
    rows["holders"] = joined["holders"].fillna(0).to_numpy().astype("int64")
    rows["held"] = np.minimum(joined["held"].fillna(0.0).to_numpy(), rows["fraction"])
    for column in ("pods", "workload", "namespace", "team"):
        rows[column] = joined[column].fillna("").to_numpy(dtype=object)
    return rows


def _use(rows: pd.DataFrame, place: pd.DataFrame) -> np.ndarray:
    """Held idle: held, and never above IDLE_BELOW in the span; unknown: cannot be told. Others as in USES."""
    held, peak = rows["held"], rows["peak"]
    nothing_free = place["free"].lt(1e-9).to_numpy()
    return np.select(
        [held.isna() | (held.gt(0) & peak.isna()), held.eq(0) & nothing_free, held.eq(0), peak.lt(IDLE_BELOW)],
        ["unknown", "out of use", "free", "held idle"],
        default="active",
    )


def holdings(table: pd.DataFrame) -> pd.DataFrame:
    """The rows :func:`services.domain.capacity.funnel` needs: cluster, node, equivalents, peak, mean of held units."""
    held = table[table["held"] > 0]
    return pd.DataFrame(
        {
            "cluster": held["cluster"],
            "node": held["node"],
            "equivalents": held["held"],
            "peak": held["peak"],
            "mean": held["recent"],
        }
    )


BANDS = tuple(f"{low}–{low + 10} %" for low in range(0, 100, 10))


def by_band(table: pd.DataFrame) -> pd.DataFrame:
    """GPU equivalents by mean utilisation over the window: ``band`` (all ten), ``use`` (held or free), ``gpus``."""
    known = table[table["util"].notna()]
    band = np.minimum((known["util"].clip(0, 1) * 10).astype("int64"), 9)
    kind = np.where(known["use"] == "free", "free", "held")
    sums = known["fraction"].groupby([band, kind]).sum()
    full = pd.MultiIndex.from_product([range(10), ["held", "free"]], names=["band", "use"])
    answer = sums.rename_axis(["band", "use"]).reindex(full).fillna(0.0).rename("gpus").reset_index()
    return answer.assign(band=[BANDS[index] for index in answer["band"]])


WASTERS = {
    "cluster": "str",
    "namespace": "str",
    "workload": "str",
    "team": "str",
    "model": "str",
    "units": "int64",
    "holders": "int64",  # most pods on one of its units
    "held": "float64",
    "util": "float64",  # mean over the window, weighted by what is held
    "wasted": "float64",  # held × (1 − utilisation)
    "wasted_usd_per_day": "float64",  # NaN when unpriced
    "idle": "float64",  # of held, on units that did nothing in the last half hour
    "nodes": "str",
}
"""One row per workload and GPU model."""


def waste(table: pd.DataFrame) -> pd.DataFrame:
    """What is held and not used over the window, frame :data:`WASTERS`, dearest first.

    A unit that several workloads share is one row under all their names: its utilisation belongs to the card.
    """
    held = table[(table["held"] > 0) & table["util"].notna()]
    if held.empty:
        return frames.empty(WASTERS)
    used = held["held"] * held["util"].clip(0, 1)
    work = held.assign(
        used=used,
        wasted=held["held"] - used,
        wasted_usd_per_day=(held["held"] - used) * held["price"] * 24,
        idle=held["held"].where(held["use"] == "held idle", 0.0),
    )
    grouped = work.groupby(["cluster", "namespace", "workload", "model"], sort=True)
    rows = grouped[["held", "used", "wasted", "idle"]].sum()
    rows["wasted_usd_per_day"] = grouped["wasted_usd_per_day"].sum(skipna=False)
    rows["util"] = rows["used"] / rows["held"]
    rows["units"], rows["holders"] = grouped.size(), grouped["holders"].max()
    rows["team"] = grouped["team"].first()
    rows["nodes"] = frames.one_or_many(work, ["cluster", "namespace", "workload", "model"], "node")
    ordered = rows.reset_index().sort_values(
        ["wasted_usd_per_day", "wasted"], ascending=False, kind="stable", na_position="last"
    )
    return frames.conform(ordered, WASTERS)
