"""What fallbacks cost beside what own GPUs would have cost for the same tokens."""

from dataclasses import dataclass

import pandas as pd

from services.cost import board as costs
from services.cost.board import Asked
from services.domain.fallback.figures import figures
from services.domain.scope import Scope
from services.ports import Sources


@dataclass(frozen=True)
class Extra:
    """US dollars over a window; None is unknown.

    ``paid``: what the gateway counted for requests that others' deployments answered instead. ``home``: the same
    tokens at the price of own GPUs, of the groups of which it is known; ``unpriced`` names the others.
    """

    paid: float | None
    home: float | None
    unpriced: tuple[str, ...] = ()

    @property
    def more(self) -> float | None:
        """Paid beyond what home would have cost; less than 0 where the provider is cheaper."""
        return None if self.paid is None or self.home is None else self.paid - self.home


def extra(sources: Sources, scope: Scope, routes: pd.DataFrame) -> Extra:
    """What was paid for what fell, beside home.

    home(group) = paid(group) × own price ÷ API price, both per million tokens of this month
    (:mod:`services.domain.cost.tokens`): the tokens are those that were paid for.
    """
    by_group = figures(routes, ["group"]).set_index("group")["fallen_usd"]
    paid = by_group[by_group.ne(0)]
    if paid.isna().any():
        return Extra(None, None)
    if paid.empty:
        return Extra(0.0, 0.0)
    known = costs.llm(sources, Scope(sees=scope.sees), Asked(), spenders=False).value
    ratios = {} if known is None else _ratios(known.own)
    home = {str(group): float(usd) * ratios[str(group)] for group, usd in paid.items() if str(group) in ratios}
    unpriced = tuple(str(group) for group in paid.index if str(group) not in home)
    return Extra(float(paid.sum()), None if unpriced else sum(home.values()), unpriced)


def _ratios(own: pd.DataFrame) -> dict[str, float]:
    """The own price over the API price by model group; groups of several own models are left out."""
    found: dict[str, list[float]] = {}
    for one in own.itertuples():
        for group in str(one.groups).split(", "):
            found.setdefault(group, []).append(float(one.usd_per_million) / float(one.api_usd_per_million))  # type: ignore[arg-type]
    return {group: values[0] for group, values in found.items() if len(values) == 1 and values[0] == values[0]}
