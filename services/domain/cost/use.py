"""How much of what pods held was used: readings of utilisation as ticks of owners."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from services.domain import frames

USE = {
    "cluster": "str",
    "hour": "datetime64[us, UTC]",
    "owner": "int64",
    "place": "int64",
    "measured_ticks": "int64",
    "used_ticks": "int64",
}
"""Held ticks of an hour whose utilisation was measured, and those of them in which the GPU worked."""

_HOUR_S = 3600


def use(
    samples: pd.DataFrame, nodes: pd.DataFrame, holds: pd.DataFrame, begin: datetime, end: datetime, step: timedelta
) -> pd.DataFrame:
    """Frame :data:`USE` of one cluster for the whole hours from ``begin`` to ``end``.

    ``samples``: utilisation (0..1) by ``node``, ``namespace`` and ``pod`` at the end of each ``step`` (``at``,
    ``value``). ``nodes`` and ``holds`` are spans. What a pod held is measured for the share of the time it held it at
    which there were readings, and used for their mean.
    """
    held = _held(nodes, holds, begin, end)
    if held.empty or samples.empty:
        return frames.empty(USE)
    known = samples[samples["value"].notna()]
    seconds = ((known["at"] - begin) / timedelta(seconds=1)).to_numpy() - step.total_seconds() / 2
    read = pd.DataFrame(
        {
            "number": np.floor(seconds / _HOUR_S).astype("int64"),
            "node": known["node"].to_numpy(),
            "pod": (known["namespace"] + "/" + known["pod"]).to_numpy(),
            "value": known["value"].to_numpy(dtype="float64").clip(0.0, 1.0),
        }
    )
    means = read.groupby(["number", "node", "pod"], sort=False, observed=True)["value"].agg(["mean", "size"])
    held = held.join(means, on=["number", "node", "pod"])
    held = held[held["mean"].notna()]
    covered = (held["size"] * step.total_seconds() / held["pod_seconds"]).clip(upper=1.0)
    measured = np.rint(held["ticks"] * covered)
    rows = held.assign(measured_ticks=measured, used_ticks=np.rint(measured * held["mean"]))
    sums = rows.groupby(["cluster", "number", "owner", "place"], sort=True)[["measured_ticks", "used_ticks"]].sum()
    sums = sums.reset_index()
    return frames.conform(sums.assign(hour=begin + pd.to_timedelta(sums["number"], unit="h")), USE)


def _held(nodes: pd.DataFrame, holds: pd.DataFrame, begin: datetime, end: datetime) -> pd.DataFrame:
    """What pods held: ``number`` of the hour, ``ticks`` in it, ``pod_seconds`` of all spans of the pod in it."""
    last = nodes.drop_duplicates("uid", keep="last").set_index("uid")[["node", "place"]]
    mine = holds[holds["kind"] == "held"].join(last, on="node_uid", how="inner").reset_index(drop=True)
    first, until = _seconds(mine["begin"], begin), _seconds(mine["end"].fillna(end), begin)
    ticks = mine["ticks"].to_numpy()
    parts = []
    for number in range(round((end - begin) / timedelta(hours=1))):
        inside = np.minimum(until, (number + 1) * _HOUR_S) - np.maximum(first, number * _HOUR_S)
        there = np.nonzero(inside > 0)[0]
        part = mine.loc[there, ["cluster", "node", "pod", "owner", "place"]]
        parts.append(part.assign(number=number, seconds=inside[there], ticks=inside[there] * ticks[there]))
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(pod_seconds=rows.groupby(["number", "node", "pod"], sort=False)["seconds"].transform("sum"))


def _seconds(instants: pd.Series, begin: datetime) -> np.ndarray:
    """Whole seconds after ``begin``."""
    return np.rint(((instants - pd.Timestamp(begin)) / pd.Timedelta(seconds=1)).to_numpy()).astype("int64")
