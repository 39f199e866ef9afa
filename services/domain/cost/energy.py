"""What GPUs draw as energy, money and carbon: beside their cost, and never part of it."""

import math
from dataclasses import dataclass

_WATTS_PER_KW = 1000


@dataclass(frozen=True)
class Energy:
    """``kwh`` the site drew for its GPUs; ``usd`` and ``grams`` (of CO₂) None while nobody said what a kWh stands for.

    Of GPU-hours whose power was not measured there is nothing in it: ``gpu_hours`` is what it is the energy of.
    """

    gpu_hours: float
    kwh: float
    usd: float | None
    grams: float | None


def energy(
    watts: float | None, gpu_hours: float, *, pue: float, usd_per_kwh: float | None, grams_per_kwh: float | None
) -> Energy | None:
    """Energy of GPU-hours that drew ``watts`` each on average; None where nobody measured that.

    ``watts`` is board power: with what the site draws besides (``pue``) it is kWh = watts × hours × PUE ÷ 1000. The
    factors are those of :class:`services.ports.CostPolicy`.
    """
    if watts is None or math.isnan(watts) or gpu_hours <= 0:
        return None
    kwh = watts * gpu_hours * pue / _WATTS_PER_KW
    return Energy(
        gpu_hours=gpu_hours,
        kwh=kwh,
        usd=None if usd_per_kwh is None else kwh * usd_per_kwh,
        grams=None if grams_per_kwh is None else kwh * grams_per_kwh,
    )
