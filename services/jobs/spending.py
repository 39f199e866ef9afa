"""What language models cost and served in an hour, from counters of gateways and engines."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.cost import LLM, MICRO
from services.ports import ClusterSource

GATEWAY, ENGINE = "gateway", "engine"
_HOUR = timedelta(hours=1)
_COUNTED = {
    GATEWAY: {
        "usd": "gateway_spend",
        "requests": "gateway_requests",
        "prompt_tokens": "gateway_prompt_tokens",
        "completion_tokens": "gateway_completion_tokens",
    },
    ENGINE: {"prompt_tokens": "engine_prompt_tokens", "completion_tokens": "engine_completion_tokens"},
}
_FIGURES = ("usd", "requests", "prompt_tokens", "completion_tokens")


def read(
    source: ClusterSource, begin: datetime, end: datetime, holds: pd.DataFrame, owners: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Frames :data:`services.domain.cost.LLM` of the whole hours from ``begin`` to ``end``, by source.

    An engine's workload is the one whose pod it was: ``holds`` are spans of these hours. Raises SourceError.
    """
    if source.metrics is None:
        return {}
    found = {}
    for kind, counters in _COUNTED.items():
        parts = [
            source.metrics.grown(counter, begin, end, _HOUR).frame.rename(columns={"value": figure})
            for figure, counter in counters.items()
        ]
        grown = pd.concat(parts, ignore_index=True)
        found[kind] = frames.empty(LLM) if grown.empty else _rows(source.name, kind, grown, holds, owners)
    return found


def _rows(cluster: str, kind: str, grown: pd.DataFrame, holds: pd.DataFrame, owners: pd.DataFrame) -> pd.DataFrame:
    rows = grown.assign(cluster=cluster, source=kind, hour=grown["at"] - pd.Timedelta(_HOUR))
    if kind == ENGINE:
        whose = holds.drop_duplicates("pod", keep="last").merge(owners[["owner", "workload"]], on="owner", how="left")
        named = pd.Series(whose["workload"].to_numpy(), index=whose["pod"].to_numpy(), dtype="str")
        rows["workload"] = (rows["namespace"] + "/" + rows["pod"]).map(named).fillna("").astype("str")
    for name in _FIGURES:
        rows[name] = rows[name].fillna(0.0) if name in rows else 0.0
    keys = [name for name, dtype in LLM.items() if dtype == "str" or name == "hour"]
    for name in keys:
        if name not in rows:
            rows[name] = ""
    sums = rows.groupby(keys, sort=True, as_index=False)[list(_FIGURES)].sum()
    sums = sums[(sums[list(_FIGURES)] != 0).any(axis=1)]
    return frames.conform(sums.assign(micro=np.rint(sums["usd"] * MICRO).astype("int64")), LLM)
