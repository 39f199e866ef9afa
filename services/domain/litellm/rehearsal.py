"""Rehearsing fallbacks: what makes a request fail, who may then answer it, and the most it may cost.

Semantics read in litellm 1.106 (``router.py``, ``router_utils/fallback_event_handlers.py``). A flag makes the router
fail before it asks anybody, and is then gone: what comes next is really asked, so a second failing tier cannot be
rehearsed. After an error the orders above the lowest are tried, then the fallback groups; after a prompt that is too
long or a refused content only groups are, those of its kind where the file has any rule of that kind, else the ones for
errors. A group that is fallen back to walks its own chain.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.domain.litellm import KINDS, Config
from services.domain.litellm.edits import ranks

NORMAL, FAILS, LENGTH, POLICY = "normal", "fails", "length", "policy"
MODES: Mapping[str, str] = {
    NORMAL: "as usual",
    FAILS: "first tier fails",
    LENGTH: "prompt too long",
    POLICY: "refused by content policy",
}
"""What is rehearsed, in plain words."""
FLAGS: Mapping[str, Mapping[str, bool]] = {
    NORMAL: {},
    FAILS: {"mock_testing_fallbacks": True},
    LENGTH: {"mock_testing_context_fallbacks": True},
    POLICY: {"mock_testing_content_policy_fallbacks": True},
}
"""Parameters of a request that make LiteLLM fail it once."""
_KIND = dict(zip((FAILS, LENGTH, POLICY), KINDS, strict=True))

MOCKS_REFUSED = "MockTestingParamsDisabled"
"""The class of a proxy's refusal of these parameters."""

PROMPT = "This is a test of fallbacks. Answer with OK."
PROMPT_TOKENS, ANSWER_TOKENS = 64, 5
"""What a request is counted with: the prompt with room for what models add to it, and the longest answer."""
TAG = "gpu-fleet-console-rehearsal"
MOST_REQUESTS = 20
MOST_USD, USUAL_USD = 5.0, 0.05

CHAT_MODES = frozenset({"", "chat", "completion", "responses"})
_NOT_CHAT = re.compile(
    r"embed|rerank|(^|[/-])bge-|whisper|transcri|(^|[/-])tts(-|$)|dall-e|(^|[/-])imagen|image|stable-diffusion|flux"
    r"|moderation|(^|[/-])sora|(^|[/-])veo",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Stop:
    """A deployment that may answer: its key in the file, its group, its rank there (1 is tried first)."""

    key: str
    group: str
    rank: int


def way(config: Config, group: str, mode: str) -> tuple[Stop, ...]:
    """Who may answer a request to a group in a mode, in the order they are asked; empty when nobody is left."""
    return tuple(stop for name in reached(config, group, mode) for stop in _stops(config, name, group, mode))


def reached(config: Config, group: str, mode: str) -> tuple[str, ...]:
    """Model groups that may answer, each once, in the order they are asked; some may have no deployment in the file."""
    own = (group,) if mode == NORMAL or (mode == FAILS and _stops(config, group, group, mode)) else ()
    if config.numbers.get("max_fallbacks") == 0:
        return (group,) if mode == NORMAL else ()
    found, left = dict.fromkeys(own), list(_next(config, group, mode))
    while left:
        name = left.pop(0)
        if name not in found and name != group:
            found[name] = None
            left[:0] = _next(config, name, NORMAL)
    return tuple(found)


def not_chat(config: Config, group: str, models: Sequence[str] = ()) -> str:
    """Why a group takes no chat requests, in a sentence; "" when it may. ``models``: more of its upstream names."""
    for one in config.of(group):
        if one.mode not in CHAT_MODES:
            return f"{group} is for {one.mode.replace('_', ' ')}, and only chat can be rehearsed."
    if any(one.mode for one in config.of(group)):
        return ""
    for name in (*(one.model for one in config.of(group)), *models):
        if _NOT_CHAT.search(name):
            return f"{name} in {group} does not look like a chat model, and only chat can be rehearsed."
    return ""


def most(prices: Sequence[tuple[float, float] | None]) -> float | None:
    """The most a request may cost in USD, answered by the dearest of these tiers; None when no price is known.

    ``prices`` are USD per token of prompt and answer, None unknown. Only who answers is paid.
    """
    known = [PROMPT_TOKENS * prompt + ANSWER_TOKENS * answer for prompt, answer in filter(None, prices)]
    return max(known, default=None)


def _next(config: Config, group: str, mode: str) -> tuple[str, ...]:
    """Groups that are asked when one has failed in a mode."""
    kind = _KIND.get(mode, KINDS[0])
    rules = config.in_force(kind)
    if kind != KINDS[0] and not rules:
        kind, rules = KINDS[0], config.in_force(KINDS[0])
    names = rules.get(group) or rules.get("*") or (config.default_fallbacks if kind == KINDS[0] else ())
    return tuple(config.aliases.get(name, name) for name in names)


def _stops(config: Config, name: str, asked: str, mode: str) -> tuple[Stop, ...]:
    """Deployments of a group that may answer; blocked ones keep their order and get no request."""
    tiers = config.chain(name).tiers
    orders = sorted({place.order for place in tiers if place.order is not None})
    if name == asked and mode in (LENGTH, POLICY):
        return ()
    rest = name == asked and mode == FAILS
    return tuple(
        Stop(place.key, name, rank)
        for rank, places in enumerate(ranks(tiers), 1)
        for place in places
        if not place.blocked and not (rest and (place.order is None or place.order == orders[0]))
    )
