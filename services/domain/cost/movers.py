"""Whose money changed most between two stretches."""

import pandas as pd

from services.domain import frames

MOVERS = {
    "name": "str",
    "kind": "str",  # of what nobody held; see services.domain.cost.report.BREAKDOWN
    "cluster": "str",
    "before_micro": "int64",
    "after_micro": "int64",
    "delta_micro": "int64",
    "moved": "str",  # "new", "gone", "up", "down"
    "key": "str",
}
"""The largest change first, whichever way; those that did not change are not in it."""

_TOLD = ["key", "name", "kind", "cluster"]


def movers(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`MOVERS` of two breakdowns (:data:`services.domain.cost.report.BREAKDOWN`) by one dimension."""
    then = before[[*_TOLD, "micro", "gpu_hours"]].rename(columns={"micro": "before_micro", "gpu_hours": "before_h"})
    now = after[[*_TOLD, "micro", "gpu_hours"]].rename(columns={"micro": "after_micro", "gpu_hours": "after_h"})
    found = then.merge(now, on=_TOLD, how="outer").fillna(
        {"before_micro": 0, "after_micro": 0, "before_h": 0.0, "after_h": 0.0}
    )
    delta = found["after_micro"] - found["before_micro"]
    moved = pd.Series("up", index=found.index, dtype="str").mask(delta < 0, "down")
    moved = moved.mask(found["before_h"].eq(0), "new").mask(found["after_h"].eq(0), "gone")
    order = delta[delta.ne(0)].abs().sort_values(ascending=False, kind="stable").index
    return frames.conform(found.assign(delta_micro=delta, moved=moved).loc[order], MOVERS)
