"""What has to be known of prices that come from OpenCost."""

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.cost import MICRO, TICKS
from services.domain.cost.hours import LIVE

BASIS = "OpenCost"
"""How facts call it."""
DEFAULTED = "OpenCost, its default"
"""How they call it where OpenCost knew no price of the GPU."""
DEFAULT_GPU_USD = 0.95
"""What OpenCost counts for a GPU-hour of which it knows no price (``GPU`` in its configs/default.json)."""
_NEAR = 5e-6
"""It rounds to five decimals."""


def counted(basis: pd.Series) -> pd.Series:
    """Whether the price is OpenCost's."""
    return basis.isin([BASIS, DEFAULTED])


def live(said: pd.DataFrame, cluster: str) -> pd.DataFrame:
    """What OpenCost says (``node``, ``hour``, ``usd``, ``gpu_usd``) as :data:`services.domain.cost.hours.LIVE`.

    A node of no cost has no price: nobody gave it one.
    """
    rows = said[said["usd"].gt(0) & np.isfinite(said["usd"])]
    default = (rows["gpu_usd"] - DEFAULT_GPU_USD).abs() <= _NEAR
    priced = rows.assign(
        cluster=cluster,
        micro_per_hour=(rows["usd"] * MICRO).round(),
        basis=np.where(default, DEFAULTED, BASIS),
    )
    return frames.conform(priced, LIVE)


def remembered(facts: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """Prices (:data:`services.domain.cost.hours.LIVE`) as facts of hours have them, for who keeps metrics shorter.

    ``facts`` is HOURS, ``nodes`` NODE_SPANS. Nodes of one place and hour have its mean.
    """
    said = facts[counted(facts["basis"])].sort_values("basis", kind="stable")  # a default before what is known
    said = said.groupby(["cluster", "hour", "place"], as_index=False).agg(
        micro=("micro", "sum"), ticks=("ticks", "sum"), basis=("basis", "last")
    )
    own = nodes[["cluster", "node", "place", "gpus"]].drop_duplicates(["cluster", "node", "place"], keep="last")
    rows = own.merge(said[said["ticks"] > 0], on=["cluster", "place"])
    hourly = rows["micro"] / rows["ticks"] * (rows["gpus"] * TICKS * 3600)
    return frames.conform(rows.assign(micro_per_hour=hourly.round()), LIVE)
