"""Who would answer a request, as the file and the running process say it together, with what they charge."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.domain.litellm import SELF_HOSTED, Config, rehearsal
from services.domain.litellm.lint import parsed
from services.domain.litellm.rehearsal import MODES, NORMAL, Stop
from services.errors import Refused
from services.gateway import compare
from services.ports import Routing, Tier

MOCKS_SINCE = (1, 106)
"""The version of which it was read that flags are refused unless the file allows them; some before dropped them."""


@dataclass(frozen=True)
class Answerer:
    """A deployment that may answer: ``id`` is the process's, ``told`` how it is called, ``tier`` its place in words.

    ``price`` in USD per token of prompt and answer, None unknown.
    """

    id: str
    group: str
    told: str
    tier: str
    price: tuple[float, float] | None


def way(config: Config, routing: Routing, group: str, mode: str) -> tuple[Answerer, ...]:
    """Who may answer a request to a group in a mode, in the order they are asked.

    Raises Refused when nobody is left, and when a group on the way is not known.
    """
    stops = rehearsal.way(config, group, mode)
    pairs = compare.paired(config, routing.tiers)
    found = []
    for name in rehearsal.reached(config, group, mode):
        mine = [_of_file(config, stop, pairs.get(stop.key), group) for stop in stops if stop.group == name]
        stored = [tier for tier in routing.tiers if tier.group == name and tier.stored == "database"]
        mine += [_of_process(tier, group) for tier in stored if not tier.blocked]
        if not mine and not config.of(name):
            raise Refused(
                f"{name} has no deployment in the file or the process, so who would answer is not known.",
                hint="Correct the chain first.",
            )
        found += mine
    if not found:
        if mode == NORMAL:
            raise Refused(f"Every deployment of {group} is out of rotation, and nothing else is asked.")
        raise Refused(f"{group} has no fallback for “{MODES[mode]}”, so there is nothing to rehearse.")
    return tuple(found)


def obstacle(config: Config, routing: Routing, group: str) -> str:
    """Why no test request can be sent to a group, in a sentence; "" when it can."""
    if group not in config.groups:
        return f"There is no model group {group[:60]} in the gateway’s file."
    if "*" in group:
        return f"{group} is a pattern of names, not a model group that can be asked."
    models = [tier.model for tier in routing.tiers if tier.group == group]
    return rehearsal.not_chat(config, group, models) or compare.locked(routing).get(group, "")


def mocks_refused(config: Config, routing: Routing) -> bool:
    """Whether this proxy is known to refuse requests that ask for a failure."""
    version = parsed(routing.version)
    return not config.mocks and bool(version) and version >= MOCKS_SINCE


def listed(answerers: Sequence[Answerer]) -> str:
    """Who may answer, in words."""
    return " → ".join(f"{one.told} ({one.tier})" for one in answerers)


def worst_usd(found: Iterable[Sequence[Answerer]], times: int) -> float:
    """The most a rehearsal may cost, ``times`` requests each; what has no known price is not in it."""
    return sum(times * (most_usd(answerers) or 0.0) for answerers in found)


def most_usd(answerers: Sequence[Answerer]) -> float | None:
    """The most a test request may cost, None when no price is known."""
    return rehearsal.most([one.price for one in answerers])


def unpriced(answerers: Sequence[Answerer]) -> tuple[str, ...]:
    """Who has no known price, each once."""
    return tuple(dict.fromkeys(one.told for one in answerers if one.price is None))


def _of_file(config: Config, stop: Stop, tier: Tier | None, asked: str) -> Answerer:
    one = next(one for one in config.of(stop.group) if one.key == stop.key)
    prices = [
        running if tier is not None and running is not None else written
        for running, written in (
            (tier.input_usd if tier else None, one.input_usd),
            (tier.output_usd if tier else None, one.output_usd),
        )
    ]
    return Answerer(
        id=tier.id if tier is not None else one.id,
        group=stop.group,
        told=stop.key,
        tier=f"tier {stop.rank}" if stop.group == asked else f"group {stop.group}",
        price=_price(prices[0], prices[1], one.provider),
    )


def _of_process(tier: Tier, asked: str) -> Answerer:
    place = "in the proxy’s database" if tier.group == asked else f"group {tier.group}"
    return Answerer(tier.id, tier.group, tier.id, place, _price(tier.input_usd, tier.output_usd, tier.provider))


def _price(prompt: float | None, answer: float | None, provider: str) -> tuple[float, float] | None:
    """USD per token; models of one's own GPUs charge nothing by the token unless they say so."""
    if prompt is None and answer is None:
        return (0.0, 0.0) if provider in SELF_HOSTED else None
    return prompt or 0.0, answer or 0.0
