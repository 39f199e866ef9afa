"""Frames typed by contract: a function that returns a frame states its columns once, beside itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
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


def keyed(*columns: pd.Series) -> tuple[np.ndarray, list[np.ndarray]]:
    """Each row's number among the distinct combinations of the columns, and those combinations column by column.

    Combinations are numbered as they first appear. Ten times as fast as factorising a MultiIndex, which builds a tuple
    for every row.
    """
    combined = np.zeros(len(columns[0]), dtype="int64")
    parts = []
    for column in columns:
        codes, values = pd.factorize(column)
        combined = combined * (len(values) + 1) + codes + 1
        parts.append((codes, np.asarray(values, dtype=object)))
    _, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.empty(len(order), dtype="int64")
    place[order] = np.arange(len(order))
    rows = first[order]
    return place[inverse], [values[codes[rows]] for codes, values in parts]


def one_or_many(rows: pd.DataFrame, keys: list[str], column: str) -> pd.Series:
    """Per group of ``keys``, the one value of ``column`` or "first and n more"; indexed by the keys."""
    grouped = rows.groupby(keys, observed=True, sort=False)[column]
    first, number = grouped.first().astype("str"), grouped.nunique()
    return first.where(number == 1, first + " and " + (number - 1).astype("str") + " more")
