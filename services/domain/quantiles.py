"""Quantiles of what Prometheus keeps in histograms."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Quantile:
    """A value and the bucket it lies in: nothing is known of where in it. ``high`` is inf beyond the last bound."""

    value: float
    low: float
    high: float


def quantile(buckets: Mapping[str, float], q: float) -> Quantile | None:
    """The ``q`` quantile of cumulative counts by upper bound ("+Inf" for all); None when there is nothing.

    Inside a bucket the line is straight, and what lies beyond the last bound is told as that bound, both as
    ``histogram_quantile`` of PromQL does. A bound that is no number is left out, as there.
    """
    counts = sorted((bound, count) for text, count in buckets.items() if (bound := _bound(text)) is not None)
    if not counts or counts[-1][0] != math.inf or counts[-1][1] <= 0:
        return None
    wanted, low, before = q * counts[-1][1], 0.0, 0.0
    for bound, count in counts:
        if count >= wanted and count > before:
            if bound == math.inf:
                return Quantile(low, low, math.inf)
            return Quantile(low + (bound - low) * (wanted - before) / (count - before), low, bound)
        low, before = (bound, max(count, before)) if bound != math.inf else (low, before)
    return None


def _bound(text: str) -> float | None:
    """An upper bound as the exposition format writes it."""
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound
