"""One row per unit (a whole GPU or a MIG instance): what it did, who holds it, and which class of idle that makes it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from services.domain import attribution, frames, units
from services.domain.signals import IDLE_BELOW, UNIT_KEY

GPUS = {
    "cluster": "str",
    "node": "str",
    "gpu": "str",  # UUID of the physical GPU
    "instance": "str",  # MIG instance on it; "" for a whole GPU
    "profile": "str",
    "pool": "str",
    "model": "str",
    "fraction": "float64",  # GPU equivalents of the unit
    "use": "str",  # free, held idle, active, unknown
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
    "idle_since": "datetime64[us, UTC]",
}

USES = ("free", "held idle", "active", "unknown")


def gpus(
    cluster: str,
    answers: Mapping[str, pd.DataFrame],
    owners: pd.DataFrame | None,
    nodes: pd.DataFrame,
    pods: pd.DataFrame,
) -> pd.DataFrame:
    """Frame :data:`GPUS` (without ``idle_since``) of one cluster.

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
    rows["use"] = _use(rows)
    idle = rows["use"] == "held idle"
    rows["idle_usd_per_day"] = (rows["held"] * rows["price"] * 24).where(idle, 0.0)
    rows["idle_since"] = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    return frames.conform(rows.assign(cluster=cluster), GPUS)


def _values(answer: pd.DataFrame | None, keys: list[str], index: pd.Index) -> np.ndarray:
    if answer is None or answer.empty:
        return np.full(len(index), np.nan)
    at = pd.MultiIndex.from_frame(answer[keys]) if len(keys) > 1 else pd.Index(answer[keys[0]])
    series = pd.Series(answer["value"].to_numpy(), index=at)
    return series[~series.index.duplicated()].reindex(index).to_numpy()


def _fractions(profiles: pd.Series, models: pd.Series) -> np.ndarray:
    pairs = pd.MultiIndex.from_arrays([profiles, models])
    codes, unique = pd.factorize(pairs)
    values = [units.mig_fraction(profile, model) if profile else 1.0 for profile, model in unique]
    return np.array(values)[codes] if len(values) else np.empty(0)


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
            joined.loc[shared.size().index, column] = shared[column].agg(_one_or_many)
    joined = joined.reindex(index)
    rows["holders"] = joined["holders"].fillna(0).to_numpy().astype("int64")
    rows["held"] = np.minimum(joined["held"].fillna(0.0).to_numpy(), rows["fraction"])
    for column in ("pods", "workload", "namespace", "team"):
        rows[column] = joined[column].fillna("").to_numpy(dtype=object)
    return rows


def _one_or_many(values: pd.Series) -> str:
    distinct = list(dict.fromkeys(map(str, values)))
    return distinct[0] if len(distinct) == 1 else f"{distinct[0]} and {len(distinct) - 1} more"


def _use(rows: pd.DataFrame) -> np.ndarray:
    """free: nobody holds it; held idle: held, and never above IDLE_BELOW in the span; unknown: cannot be told."""
    held, peak = rows["held"], rows["peak"]
    return np.select(
        [held.isna() | (held.gt(0) & peak.isna()), held.eq(0), peak.lt(IDLE_BELOW)],
        ["unknown", "free", "held idle"],
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


def by_use(table: pd.DataFrame) -> pd.DataFrame:
    """GPU equivalents and money per day by class: ``use`` (all of :data:`USES`), ``gpus``, ``usd_per_day``.

    Of a shared unit the held share counts as the unit's class and what nobody holds as free; the sums are the table's.
    """
    known = table["held"].notna()
    held = table["held"].where(known, 0.0)
    rest = (table["fraction"] - held).clip(lower=0.0)
    parts = pd.DataFrame(
        {
            "use": pd.concat([table["use"].where(known, "unknown"), pd.Series("free", index=table.index).where(known, "unknown")]),
            "gpus": pd.concat([held, rest]),
            "price": pd.concat([table["price"], table["price"]]),
        }
    )
    parts = parts.assign(usd=parts["gpus"] * parts["price"] * 24)
    sums = parts.groupby("use")[["gpus"]].sum().reindex(USES).fillna(0.0)
    sums["usd_per_day"] = parts[parts["gpus"] > 0].groupby("use")["usd"].sum(min_count=1).reindex(USES)
    sums.loc[sums["gpus"] == 0, "usd_per_day"] = 0.0
    return sums.reset_index(names="use")


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
