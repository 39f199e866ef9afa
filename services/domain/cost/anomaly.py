"""Days that cost more or less than their weekday usually does.

A day is held against the same weekday of the :data:`WEEKS` weeks before it, of which at least :data:`FEWEST` must be
recorded. Usual is their median; how far days stray from it is the median of their distances (× 1.4826, so that it
compares with a standard deviation), and at least :data:`STEADY` of the median. A day is unusual :data:`FAR` of these
away, when it is about money at all.
"""

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.cost import MICRO

DAYS = {"day": "str", "micro": "int64"}
"""What days that are over cost; one that is missing is not known."""
SCORED = {
    "day": "str",
    "micro": "int64",
    "expected": "float64",  # NaN, as what follows, where too few weeks are recorded
    "low": "float64",
    "high": "float64",
    "score": "float64",  # how many usual distances away; below expected it is negative
    "unusual": "str",  # "above", "below"; "" for neither or not known
}
"""One row per day, oldest first. Between ``low`` and ``high`` nothing is unusual."""

WEEKS, FEWEST = 8, 5
FAR = 3.5
STEADY = 0.05
LEAST = 25 * MICRO
"""A difference of less than this is never unusual."""
_CONSISTENT = 1.4826


def scored(days: pd.DataFrame, *, least: int = LEAST) -> pd.DataFrame:
    """Frame :data:`SCORED` of days. A day that was itself unusual stays among those that later ones are held against:

    one of five or more moves no median, and a new level is usual after a few weeks.
    """
    ordered = days.sort_values("day", ignore_index=True)
    at = pd.DatetimeIndex(ordered["day"])
    values = pd.Series(ordered["micro"].to_numpy(), index=at)
    before = np.column_stack(
        [values.reindex(at - pd.Timedelta(weeks=week)).to_numpy() for week in range(1, WEEKS + 1)]
    ).astype("float64")
    known = (~np.isnan(before)).sum(axis=1) >= FEWEST
    before[~known] = 0.0  # so that no median is asked of nothing
    expected = np.nanmedian(before, axis=1)
    strays = _CONSISTENT * np.nanmedian(np.abs(before - expected[:, None]), axis=1)
    unit = np.maximum(strays, STEADY * np.abs(expected))
    band = np.maximum(FAR * unit, least)
    off = values.to_numpy() - expected
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(off == 0, 0.0, off / unit)
    said = np.where(off > band, "above", np.where(-off > band, "below", ""))
    blank = np.where(known, 1.0, np.nan)
    found = ordered.assign(
        expected=expected * blank,
        low=np.maximum(expected - band, 0.0) * blank,
        high=(expected + band) * blank,
        score=score * blank,
        unusual=np.where(known, said, ""),
    )
    return frames.conform(found, SCORED)
