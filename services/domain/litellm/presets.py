"""Orders of a chain by one rule: own GPUs first, cheapest first, fastest first. No tier is dropped."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from services.domain.litellm import Chain, Deployment, Place
from services.domain.litellm.edits import ranks

PRESETS: dict[str, str] = {
    "own": "Own GPUs first",
    "cheapest": "Cheapest first",
    "fastest": "Fastest first",
}
"""Presets by name, with their words."""

PROMPT_SHARE = 0.75
"""Of the tokens of a usual request those of its prompt: what one price stands for input and output together by."""


def price(one: Deployment) -> float:
    """US dollars per million tokens at three prompt tokens to one of the answer; NaN where a price is missing.

    One's own GPUs are paid for by the hour and not by the token: without a price in the file they count as 0.
    """
    if one.input_usd is None and one.output_usd is None:
        return 0.0 if one.self_hosted else math.nan
    return 1e6 * (PROMPT_SHARE * (one.input_usd or 0.0) + (1 - PROMPT_SHARE) * (one.output_usd or 0.0))


def own_first(chain: Chain, known: Mapping[str, Deployment], prices: Mapping[str, float]) -> Chain:
    """Own deployments before others'; among each, the cheaper first."""
    return _ordered(chain, lambda place: (not known[place.key].self_hosted, *_last(prices.get(place.key, math.nan))))


def cheapest(chain: Chain, prices: Mapping[str, float]) -> Chain:
    """The cheaper before the dearer; those without a price last."""
    return _ordered(chain, lambda place: _last(prices.get(place.key, math.nan)))


def fastest(chain: Chain, seconds: Mapping[str, float]) -> Chain:
    """The faster before the slower by what was measured; what was not is last."""
    return _ordered(chain, lambda place: _last(seconds.get(place.key, math.nan)))


def _last(value: float) -> tuple[bool, float]:
    """For sorting: what is unknown comes last."""
    return (math.isnan(value), 0.0 if math.isnan(value) else value)


def _ordered(chain: Chain, key: Callable[[Place], tuple[object, ...]]) -> Chain:
    """The chain ranked by a key; what is equal in it keeps sharing a rank if it did, else keeps its order."""
    had = {place.key: number for number, rank in enumerate(ranks(chain.tiers)) for place in rank}
    ordered = sorted(chain.tiers, key=lambda place: (*key(place), had[place.key]))
    found: list[list[Place]] = []
    for place in ordered:
        same = found and (key(found[-1][0]), had[found[-1][0].key]) == (key(place), had[place.key])
        if same:
            found[-1].append(place)
        else:
            found.append([place])
    return replace(chain, tiers=tuple(_numbered(chain, found)))


def _numbered(chain: Chain, found: Sequence[Sequence[Place]]) -> list[Place]:
    """The orders the chain had where there are as many, else 1, 2, 3…; one rank alone keeps having none."""
    had = sorted({place.order for place in chain.tiers if place.order is not None})
    if len(found) == 1 and not had:
        return list(found[0])
    numbers = had if len(had) == len(found) else list(range(1, len(found) + 1))
    return [replace(place, order=number) for number, rank in zip(numbers, found, strict=True) for place in rank]
