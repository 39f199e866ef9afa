"""What counters of inference engines say of the workloads that serve.

A figure is of a *workload*: all its replicas together, over the steps in which any of them was seen. Where nothing was
seen nothing is known; 0 was measured.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.quantiles import quantile

LEVELS = ("running", "running_peak", "waiting", "waiting_peak", "cache_peak")
SUMS = ("prompt_tokens", "completion_tokens", "finished", "preemptions")
FULL_CACHE = 0.9
"""Of the KV cache in use: beyond it requests are preempted."""

KEY = ("cluster", "namespace", "workload")
SERVED = {
    "cluster": "str",
    "namespace": "str",
    "workload": "str",
    "team": "str",
    "pool": "str",
    "models": "str",  # names the engines serve under, comma separated
    "replicas": "float64",  # seen in the last step
    "gpus": "float64",  # GPU equivalents of the replicas there are now; NaN where none is known
    "running": "float64",  # mean requests worked at, all replicas
    "running_peak": "float64",
    "waiting": "float64",  # mean requests waiting
    "waiting_peak": "float64",
    "waiting_share": "float64",  # share of time in which on average at least one request waited
    "cache_peak": "float64",  # of the fullest replica, 0..1; NaN where the engine does not tell
    "cache_share": "float64",  # share of steps and replicas in which the cache came to FULL_CACHE
    "finished": "float64",
    "prompt_tokens": "float64",
    "completion_tokens": "float64",
    "preemptions": "float64",
    "tokens_per_s": "float64",  # written
    "gpu_tokens_per_s": "float64",  # written a second and GPU, by replicas whose GPUs are known
    "first_p50_s": "float64",
    "first_p95_s": "float64",
    "each_p50_s": "float64",
    "each_p95_s": "float64",
}
"""One row per workload with an engine."""

REPLICAS = {
    "cluster": "str",
    "namespace": "str",
    "workload": "str",
    "pod": "str",
    "node": "str",
    "gpus": "float64",
    "running": "float64",
    "waiting": "float64",
    "waiting_peak": "float64",
    "cache_peak": "float64",
    "completion_tokens": "float64",
    "preemptions": "float64",
    "last_at": "datetime64[us, UTC]",  # end of the last step it was seen in
}
"""One row per replica."""

TREND = {
    "at": "datetime64[us, UTC]",
    "running": "float64",
    "waiting": "float64",
    "waiting_peak": "float64",
    "cache_peak": "float64",
    "tokens_per_s": "float64",
    "preemptions": "float64",
}
"""One row per step of one workload; NaN where it was not seen."""


PODS = ("cluster", "namespace", "pod", "workload", "team", "pool", "model", "node", "equivalents")
"""What is needed of the pods of a fleet: ``model`` is that of their GPUs, ``equivalents`` what they hold."""


def known(pods: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """The pods, and those told of (``cluster``, ``namespace``, ``pod``) that are gone: their names begin as a workload.

    What a pod that is gone held is not known, nor where.
    """
    have = pods[list(PODS)]
    gone = told.drop_duplicates().merge(have[["cluster", "namespace", "pod"]], how="left", indicator=True)
    gone = gone.loc[gone["_merge"].eq("left_only") & gone["pod"].ne(""), ["cluster", "namespace", "pod"]]
    if gone.empty:
        return have
    owners = have.drop_duplicates(["cluster", "namespace", "workload"])
    names = dict(list(owners.groupby(["cluster", "namespace"])))
    rows = []
    for cluster, namespace, pod in gone.itertuples(index=False):
        mine = names.get((cluster, namespace))
        names_of = [] if mine is None else [str(name) for name in mine["workload"]]
        fits = [place for place, name in enumerate(names_of) if pod.startswith(f"{name}-")]
        if mine is not None and fits:
            owner = mine.iloc[max(fits, key=lambda place: len(names_of[place]))]
            rows.append(
                (cluster, namespace, pod, owner["workload"], owner["team"], owner["pool"], owner["model"], "", np.nan)
            )
    more = pd.DataFrame(rows, columns=list(PODS)).astype({"equivalents": "float64"})
    return pd.concat([have, more], ignore_index=True) if rows else have


def tidy(counted: Mapping[str, pd.DataFrame], pods: pd.DataFrame) -> pd.DataFrame:
    """One row per step and pod: ``at``, :data:`KEY`, ``pod``, the pod's columns, ``models``, and every figure.

    ``counted``: by name in :data:`LEVELS` and :data:`SUMS`, frames with ``cluster``, ``at``, ``model``, ``namespace``,
    ``pod``, ``value``. ``pods``: :data:`PODS`, of which :func:`known` makes those that are gone as well; what is told
    of other pods is left out, as nobody knows whose they are.
    """
    index = ["cluster", "namespace", "pod", "at"]
    parts = {}
    for name in (*LEVELS, *SUMS):
        frame = counted.get(name)
        if frame is not None and len(frame):
            groups = frame.groupby(index)["value"]
            parts[name] = groups.max() if name == "cache_peak" else groups.sum()
    if not parts:
        return pd.DataFrame(columns=[*index, *pods.columns.difference(index), "models", *LEVELS, *SUMS])
    wide = pd.DataFrame(parts).reindex(columns=[*LEVELS, *SUMS]).reset_index()
    names = pd.concat([frame[["cluster", "namespace", "pod", "model"]] for frame in counted.values() if len(frame)])
    models = names.drop_duplicates().groupby(["cluster", "namespace", "pod"])["model"].agg(_joined).rename("models")
    wide = wide.merge(models.reset_index(), how="left", on=["cluster", "namespace", "pod"])
    return wide.merge(pods, how="inner", on=["cluster", "namespace", "pod"])


def served(
    rows: pd.DataFrame, first: pd.DataFrame, each: pd.DataFrame, pods: pd.DataFrame, step_s: float, points: int
) -> pd.DataFrame:
    """Frame :data:`SERVED` of rows as :func:`tidy` makes them; the step is in seconds.

    ``first`` and ``each`` are what counters of times grew by: ``cluster``, ``namespace``, ``pod``, ``le``, ``value``.
    """
    if rows.empty or not points:
        return frames.empty(SERVED)
    key = list(KEY)
    steps = rows.groupby([*key, "at"])[[*LEVELS, *SUMS]].sum(min_count=1)
    whole = steps.groupby(level=key)
    last = rows["at"] == rows["at"].max()
    seen = rows.assign(
        gpu_s=rows["equivalents"] * step_s,
        known_tokens=rows["completion_tokens"].where(rows["equivalents"] > 0),
        full=np.where(rows["cache_peak"].isna(), np.nan, rows["cache_peak"] >= FULL_CACHE),
    )
    by = seen.groupby(key)
    found = pd.DataFrame(
        {
            "team": by["team"].first(),
            "pool": by["pool"].agg(_common),
            "models": by["models"].agg(lambda names: _joined(one for told in names for one in told.split(", "))),
            "replicas": seen[last].groupby(key)["pod"].nunique(),
            "gpus": seen[last].drop_duplicates([*key, "pod"]).groupby(key)["equivalents"].sum(min_count=1),
            "running": whole["running"].mean(),
            "running_peak": whole["running_peak"].max(),
            "waiting": whole["waiting"].mean(),
            "waiting_peak": whole["waiting_peak"].max(),
            "waiting_share": (steps["waiting"] >= 1.0).where(steps["waiting"].notna()).groupby(level=key).mean(),
            "cache_peak": by["cache_peak"].max(),
            "cache_share": by["full"].mean(),
            **{name: by[name].sum(min_count=1) for name in SUMS},
            "tokens_per_s": whole["completion_tokens"].sum(min_count=1) / (whole.size() * step_s),
            "gpu_tokens_per_s": by["known_tokens"].sum(min_count=1) / by["gpu_s"].sum().replace(0.0, np.nan),
        }
    )
    found["replicas"] = found["replicas"].fillna(0.0)
    for name, told in (("first", first), ("each", each)):
        times = _times(told, pods)
        for part in ("p50", "p95"):
            found[f"{name}_{part}_s"] = pd.Series({at: value[part] for at, value in times.items()}, dtype="float64")
    return frames.conform(found.reset_index(), SERVED).sort_values(key, ignore_index=True)


def replicas(rows: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`REPLICAS` of one workload's rows, the busiest first."""
    if rows.empty:
        return frames.empty(REPLICAS)
    by = rows.groupby(["cluster", "namespace", "workload", "pod"])
    found = pd.DataFrame(
        {
            "node": by["node"].first(),
            "gpus": by["equivalents"].first(),
            "running": by["running"].mean(),
            "waiting": by["waiting"].mean(),
            "waiting_peak": by["waiting_peak"].max(),
            "cache_peak": by["cache_peak"].max(),
            "completion_tokens": by["completion_tokens"].sum(min_count=1),
            "preemptions": by["preemptions"].sum(min_count=1),
            "last_at": by["at"].max(),
        }
    ).reset_index()
    return frames.conform(found.sort_values(["waiting", "running"], ascending=False), REPLICAS)


def trend(rows: pd.DataFrame, points: pd.DatetimeIndex, step_s: float) -> pd.DataFrame:
    """Frame :data:`TREND` of one workload's rows at all points."""
    by = rows.groupby("at")
    found = pd.DataFrame(
        {
            "running": by["running"].sum(min_count=1),
            "waiting": by["waiting"].sum(min_count=1),
            "waiting_peak": by["waiting_peak"].sum(min_count=1),
            "cache_peak": by["cache_peak"].max(),
            "tokens_per_s": by["completion_tokens"].sum(min_count=1) / step_s,
            "preemptions": by["preemptions"].sum(min_count=1),
        }
    ).reindex(points.rename("at"))
    return frames.conform(found.reset_index(), TREND)


def _times(told: pd.DataFrame, pods: pd.DataFrame) -> dict[tuple[str, ...], dict[str, float]]:
    """The median and the 95th percentile of each workload, in seconds."""
    if told.empty:
        return {}
    mine = told.merge(pods, how="inner", on=["cluster", "namespace", "pod"])
    sums = mine.groupby([*KEY, "le"])["value"].sum()
    found = {}
    for at, rows in sums.groupby(level=list(KEY)):
        key = tuple(str(part) for part in (at if isinstance(at, tuple) else (at,)))
        buckets = {str(bound): float(n) for bound, n in zip(rows.index.get_level_values("le"), rows, strict=True)}
        half, most = quantile(buckets, 0.5), quantile(buckets, 0.95)
        if half is not None and most is not None:
            found[key] = {"p50": half.value, "p95": most.value}
    return found


def _joined(names: Iterable[object]) -> str:
    return ", ".join(sorted({str(one) for one in names if one}))


def _common(names: pd.Series) -> str:
    """What most rows say."""
    told = names[names.ne("")].mode()
    return str(told.iat[0]) if len(told) else ""
