"""Money in whole micro-dollars, and how an amount is split so that its parts sum to it."""

from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from services.domain.cost import MICRO

_MOST = 2**62
"""Products of amounts and weights up to this fit into 64 bits; larger ones are worked out with Python's integers."""


def micro(usd: Decimal | float | str) -> int:
    """An amount as micro-dollars, half to even. A float is taken as it is written: 0.1 is ten cents."""
    return int((Decimal(str(usd)) * MICRO).quantize(Decimal(1), ROUND_HALF_EVEN))


def lasting(micro_per_hour: int, begin_s: int, end_s: int) -> int:
    """What a price per hour comes to from one second of an hour to another.

    The parts of an hour sum to the hour however it is cut, for each is the difference of two rounded running totals.
    """
    begin, end = running(np.array([micro_per_hour] * 2), np.array([begin_s, end_s])).tolist()
    return int(end - begin)


def apportion(totals: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Split each total over the rows that belong to it, by weight, to whole numbers that sum to it.

    ``totals`` by group, ``codes`` the group of each row, ``weights`` ≥ 0 of each row, all int64. By largest remainder
    (Hamilton's method): everybody gets the whole part, and what is left goes one by one to the largest remainders, to
    the earlier row among equals. Raises ValueError for a total without weight and for a negative weight.
    """
    number = len(totals)
    if len(weights) and weights.min() < 0:
        raise ValueError("weights are from 0 up")
    whole = np.zeros(number, dtype="int64")
    np.add.at(whole, codes, weights)
    if (totals[whole == 0] != 0).any():
        raise ValueError("an amount without anybody to bear it")
    divisor = np.maximum(whole[codes], 1)
    exact = "int64" if _product(totals, weights) < _MOST else "object"
    product = totals[codes].astype(exact) * weights.astype(exact)
    parts: np.ndarray = (product // divisor).astype("int64")
    rest = (product - parts.astype(exact) * divisor).astype("int64")
    given = np.zeros(number, dtype="int64")
    np.add.at(given, codes, parts)
    left = totals - given
    order = np.lexsort((np.arange(len(codes)), -rest, codes))
    begin = np.searchsorted(codes[order], np.arange(number))
    place = np.arange(len(codes)) - begin[codes[order]]
    parts[order] += place < left[codes[order]]
    return parts


def _product(totals: np.ndarray, weights: np.ndarray) -> float:
    return float(np.abs(totals).max(initial=0)) * float(weights.max(initial=0))


def running(micro_per_hour: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """What prices come to from the beginning of an hour to a second of it, rounded: see :func:`lasting`."""
    amount: np.ndarray = (2 * micro_per_hour * seconds + 3600) // 7200
    return amount
