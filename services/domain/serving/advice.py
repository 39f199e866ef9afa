"""What the numbers of a workload that serves say of its batch settings.

Saturation comes in two kinds that want opposite settings. A full KV cache makes requests wait or begin anew however
many may run; a bound on running requests makes them wait while the cache has room. Slack is a fleet of replicas of
which fewer would do at the busiest moment that was seen.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.domain.serving.arguments import Setting
from services.domain.serving.health import FULL_CACHE

LONG_QUEUE = 10.0
"""Requests that wait: autoscaling on it aims at 1 to 10 a replica."""
OFTEN = 0.05
"""Share of time from which a state is no accident."""
ROOM = 0.7
"""Of the cache in use at most: below it more requests fit."""
REACHED = 0.95
"""Of the requests that may run: from here the bound holds them back."""
SPARE = 0.5
"""Of what the settings let a replica take, what replicas that are fewer should have to take at the busiest moment."""
SLOW_START = 10.0
"""Seconds to the first token that few people wait for."""


@dataclass(frozen=True)
class Advice:
    """``kind``: cache, bound, replicas, slow or slack; ``says`` what is so, with figures, ``do`` what would help."""

    kind: str
    says: str
    do: str


@dataclass(frozen=True)
class Measured:
    """Figures of a workload that advice needs, as :data:`services.domain.serving.health.SERVED` has them."""

    replicas: float
    running_peak: float
    waiting_peak: float
    waiting_share: float
    cache_peak: float
    cache_share: float
    preemptions: float
    finished: float
    first_p95_s: float


def advice(now: Measured, settings: Mapping[str, Setting]) -> tuple[Advice, ...]:
    """What is saturated or slack, the most urgent first; nothing where nothing is known."""
    return tuple(_saturated(now, settings)) or tuple(_slack(now, settings))


def _saturated(now: Measured, settings: Mapping[str, Setting]) -> Iterator[Advice]:
    queues = now.waiting_share >= OFTEN or now.waiting_peak >= LONG_QUEUE * max(now.replicas, 1.0)
    full = now.cache_share >= OFTEN or (now.cache_peak >= FULL_CACHE and now.preemptions > 0)
    bound = _number(settings, "sequences")
    each = now.running_peak / now.replicas if now.replicas else math.nan
    if full:
        again = f"; {now.preemptions:,.0f} requests had to begin anew" if now.preemptions > 0 else ""
        says = f"The KV cache came to {_share(now.cache_peak)}{again}."
        yield Advice("cache", says, _more_cache(settings))
    elif queues and bound is not None and each >= REACHED * bound and now.cache_peak < ROOM:
        flag = settings["sequences"].flag
        says = (
            f"Requests waited ({now.waiting_peak:,.0f} at most) while {bound:,.0f} ran on each replica, as {flag} "
            f"allows, and the KV cache came to {_share(now.cache_peak)} only."
        )
        yield Advice("bound", says, f"Raise {flag} above {bound:,.0f}; the time between tokens grows a little with it.")
    elif queues:
        says = f"Requests waited: {now.waiting_peak:,.0f} at most, in {_share(now.waiting_share)} of the time."
        yield Advice("replicas", says, "Add replicas, or scale on waiting requests instead of GPU utilisation.")
    if not full and not queues and now.first_p95_s > SLOW_START:
        flag = settings["batch_tokens"].flag if "batch_tokens" in settings else "--max-num-batched-tokens"
        says = f"The first token took up to {now.first_p95_s:.0f} s (p95), and nothing waited for room."
        yield Advice("slow", says, f"Long prompts hold the batch up: look at {flag}, prefix caching and prompt length.")


def _slack(now: Measured, settings: Mapping[str, Setting]) -> Iterator[Advice]:
    bound = _number(settings, "sequences")
    if not now.replicas >= 2 or math.isnan(now.running_peak) or math.isnan(now.cache_peak) or not now.waiting_peak <= 0:
        return
    load = max(now.cache_peak, now.running_peak / now.replicas / bound if bound else 0.0)
    enough = max(math.ceil(now.replicas * load / SPARE), 1)
    if enough < now.replicas:
        ran = f", {now.running_peak:,.0f} requests at most" + (f" of {bound * now.replicas:,.0f}" if bound else "")
        says = f"The KV cache came to {_share(now.cache_peak)}{ran}, and none waited."
        yield Advice(
            "slack",
            says,
            f"{enough:,} of {now.replicas:,.0f} replicas would have taken the busiest moment at half their room.",
        )


def _more_cache(settings: Mapping[str, Setting]) -> str:
    share, length = _number(settings, "memory_share"), _number(settings, "length")
    ways = []
    if share is not None and share < 0.92:
        ways.append(f"raise {settings['memory_share'].flag} from {settings['memory_share'].text}")
    if settings.get("cache_type") is None or settings["cache_type"].text == "auto":
        ways.append("keep the cache in FP8 (--kv-cache-dtype)")
    if length is not None:
        ways.append(f"shorten {settings['length'].flag} from {settings['length'].text}")
    if "sequences" in settings:
        ways.append(f"lower {settings['sequences'].flag} from {settings['sequences'].text}, so that fewer begin anew")
    ways.append("add replicas")
    told = f"{', '.join(ways[:-1])} or {ways[-1]}" if len(ways) > 1 else ways[0]
    return f"{told[:1].upper()}{told[1:]}."


def _number(settings: Mapping[str, Setting], name: str) -> float | None:
    one = settings.get(name)
    return None if one is None else one.number


def _share(ratio: float) -> str:
    if math.isnan(ratio):
        return "an unknown share"
    return "less than 1 %" if 0 < ratio < 0.005 else f"{ratio:.0%}".replace("%", " %")
