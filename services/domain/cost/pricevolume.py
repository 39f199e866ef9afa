"""Why one stretch cost more than another: volume, mix and price, which sum to the change exactly.

The three-way variance of cost accounting, over classes of (instance type, capacity type). With GPU-hours h and money m
of a class before (0) and after (1), their sums H and M, and prices p = m ÷ h:

    volume = (H₁ − H₀) × M₀ ÷ H₀               more or fewer hours, at the mix and the prices of before
    mix    = Σ (h₁ − H₁ × h₀ ÷ H₀) × p₀        hours that moved between classes, at the prices of before
    price  = Σ h₁ × (p₁ − p₀)                  other prices, for the hours of after

    volume + mix + price = Σ h₁ p₁ − M₀ = M₁ − M₀, for Σ h₀ p₀ = M₀.

A class that is new has no price of before; its own price stands for it, so that it is mix and not price. Where there
was nothing before, everything is volume. Only hours that have a price count; in whole micro-dollars price takes the
rest.
"""

from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

CLASS = ("instance_type", "capacity_type")


@dataclass(frozen=True)
class Change:
    """Micro-dollars before and after, and what the difference is due to."""

    before: int
    after: int
    volume: int
    mix: int
    price: int

    @property
    def total(self) -> int:
        """After less before."""
        return self.after - self.before

    @property
    def ratio(self) -> float | None:
        """The change of what there was before; None when that is nothing."""
        return self.total / self.before if self.before else None


def change(before: pd.DataFrame, after: pd.DataFrame) -> Change:
    """The change between two stretches of :data:`services.domain.cost.report.COSTS`."""
    then, now = _classes(before), _classes(after)
    ticks0, ticks1 = (sum(ticks for ticks, _ in classes.values()) for classes in (then, now))
    micro0, micro1 = (sum(micro for _, micro in classes.values()) for classes in (then, now))
    if not ticks0:
        return Change(micro0, micro1, micro1 - micro0, 0, 0)
    volume = Fraction((ticks1 - ticks0) * micro0, ticks0)
    mix = Fraction(0)
    for name in then.keys() | now.keys():
        ticks_then, micro_then = then.get(name, (0, 0))
        ticks_now, micro_now = now.get(name, (0, 0))
        price = Fraction(micro_then, ticks_then) if ticks_then else Fraction(micro_now, ticks_now)
        mix += (ticks_now - Fraction(ticks1 * ticks_then, ticks0)) * price
    by_volume, by_mix = round(volume), round(mix)
    return Change(micro0, micro1, by_volume, by_mix, micro1 - micro0 - by_volume - by_mix)


def _classes(costs: pd.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    """Ticks and money of the classes that have a price and any time."""
    priced = costs[costs["basis"].ne("") & costs["ticks"].gt(0)]
    sums = priced.groupby(list(CLASS), observed=True)[["ticks", "micro"]].sum()
    rows = zip(sums.index, sums["ticks"], sums["micro"], strict=True)
    return {(str(one), str(other)): (int(ticks), int(micro)) for (one, other), ticks, micro in rows}
