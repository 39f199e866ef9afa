"""A gateway whose counters say what a test wants: growth by minutes before now."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from services.domain import frames
from services.domain.counters import COUNTERS, ends
from services.domain.frames import empty
from services.errors import SourceError
from services.ports import Samples, Sources
from tests.conftest import NOW, Inline
from tests.fakes import SteadyMetrics
from tests.gateway import FILE, MemoryGateway, installed, with_gateway
from tests.memory import MemoryCluster, source

DOWN = ("503", "Hosted_vllm.ServiceUnavailableError")
LIMIT = ("429", "Hosted_vllm.RateLimitError")


@dataclass(frozen=True)
class CountedMetrics(SteadyMetrics):
    """Counters grow as ``grew`` says: by counter, rows of (minutes before now, dimensions, value)."""

    grew: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    error: SourceError | None = None

    def grown(self, counter: str, begin: datetime, end: datetime, step: timedelta) -> Samples:
        if self.error is not None:
            raise self.error
        columns = COUNTERS[counter].columns
        sums: dict[tuple[Any, ...], float] = {}
        for ago, *labels, value in self.grew.get(counter, ()):
            at = NOW - timedelta(minutes=ago)
            point = next((one for one in ends(begin, end, step) if one - step < at <= one), None)
            if point is not None:
                key = (point, *labels)
                sums[key] = sums.get(key, 0.0) + value
        if not sums:
            return Samples(empty(columns))
        return Samples(frames.table(columns, [(*key, value) for key, value in sorted(sums.items())]))


def outage() -> dict[str, list[tuple[Any, ...]]]:
    """An hour of chat: 900 by the own tier, then eight minutes without it: 60 by the cloud, 20 by large, 20 by nobody.

    Of the 60, 24 were hops and 36 went straight to the cloud, as the own tier was cooling down.
    """
    down = range(8, 16)
    return {
        "fallback_answers": [
            *((ago, "chat-own", "chat", "red", 20.0) for ago in range(16, 61)),
            *((ago, "chat-cloud", "chat", "red", 7.5) for ago in down),
            *((ago, "large-azure", "large", "blue", 2.5) for ago in down),
        ],
        "fallback_hops": [
            *((ago, "chat", "chat", *DOWN, "red", 3.0) for ago in down),
            *((ago, "chat", "large", *DOWN, "blue", 2.5) for ago in down),
        ],
        "fallback_lost": [(ago, "chat", *DOWN, "blue", 2.5) for ago in down],
        "fallback_spend": [
            *((ago, "chat-own", "red", 0.0) for ago in range(16, 61)),
            *((ago, "chat-cloud", "red", 0.375) for ago in down),
            *((ago, "large-azure", "blue", 0.5) for ago in down),
        ],
        "fallback_failures": [(ago, "chat-own", "chat", *DOWN, 6.0) for ago in down],
        "fallback_cooldowns": [(ago, "chat-own", "503", "litellm-0", 1.0) for ago in down],
        "fallback_replica_answers": [(20, "chat-own", "litellm-0", 10.0), (1, "chat-cloud", "litellm-1", 10.0)],
        "fallback_latency": [
            (20, "chat-own", "1.0", 500.0), (20, "chat-own", "2.0", 900.0), (20, "chat-own", "+Inf", 900.0),
        ],
    }  # fmt: skip


def sources(
    grew: dict[str, list[tuple[Any, ...]]] | None = None,
    *,
    text: str = FILE,
    error: SourceError | None = None,
    **more: Any,
) -> Sources:
    """Cluster east with the gateway of tests/gateway.py and these counters."""
    memory = MemoryCluster()
    installed(memory, text)
    metrics = CountedMetrics((), NOW, grew=outage() if grew is None else grew, error=error)
    east = replace(with_gateway(source("east", memory), MemoryGateway(text)), metrics=metrics)
    return Sources("demo", {"east": east}, now=lambda: NOW, pool=Inline(), **more)


__all__: Sequence[str] = ("DOWN", "LIMIT", "CountedMetrics", "outage", "sources")
