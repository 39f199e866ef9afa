"""Percentiles by linear interpolation between neighbours, as numpy's default: one definition for the whole page.

Of the sorted values x₀ … xₙ₋₁ the percentile q (0..1) lies at place q·(n − 1). NaN is no value and is left out.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def of(values: pd.Series | np.ndarray, share: float) -> float | None:
    """The percentile ``share`` (0..1) of all values; None without any."""
    array = np.asarray(values, dtype="float64")
    found = float(grouped(array, np.zeros(len(array), dtype="int64"), 1, [share])[0][0])
    return None if np.isnan(found) else found


def grouped(values: np.ndarray, codes: np.ndarray, number: int, shares: Sequence[float]) -> list[np.ndarray]:
    """For each of ``shares`` the percentile of every group 0 … ``number`` − 1; NaN for a group without values.

    ``codes`` says each value's group. One sort serves all groups and shares.
    """
    known = ~np.isnan(values)
    values, codes = values[known], codes[known]
    ordered = values[by_group(values, codes, number)]
    size = np.bincount(codes, minlength=number)
    first, last, some = np.cumsum(size) - size, np.maximum(size - 1, 0), size > 0
    found = []
    for share in shares:
        place = share * last
        low = np.floor(place).astype("int64")
        high = np.minimum(low + 1, last)
        result = np.full(number, np.nan)
        below, above = ordered[(first + low)[some]], ordered[(first + high)[some]]
        result[some] = below + (above - below) * (place - low)[some]
        found.append(result)
    return found


def by_group(values: np.ndarray, codes: np.ndarray, number: int) -> np.ndarray:
    """The order of ``values`` by group and within each by size."""
    order = np.argsort(values)
    # Numbers of 16 bits are sorted in linear time.
    small = codes.astype("uint16" if number <= np.iinfo("uint16").max else "int64")
    return order[np.argsort(small[order], kind="stable")]


def means(values: np.ndarray, codes: np.ndarray, number: int) -> np.ndarray:
    """The mean of every group; NaN for a group without values."""
    known = ~np.isnan(values)
    size, whole = counts(known, codes, number), np.bincount(codes[known], weights=values[known], minlength=number)
    return shares(whole, size)


def sums(values: np.ndarray, codes: np.ndarray, number: int) -> np.ndarray:
    """The sum of what is known of every group; NaN for a group of which nothing is."""
    known = ~np.isnan(values)
    whole = np.bincount(codes[known], weights=values[known], minlength=number)
    return np.where(counts(known, codes, number) > 0, whole, np.nan)


def shares(some: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``some`` over ``whole``; NaN where there is nothing to share."""
    found = np.full(len(whole), np.nan)
    np.divide(some, whole, out=found, where=whole > 0)
    return found


def counts(chosen: np.ndarray, codes: np.ndarray, number: int) -> np.ndarray:
    """How many are ``chosen`` in every group."""
    return np.bincount(codes[chosen], minlength=number)
