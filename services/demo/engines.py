"""What the engines of the demo tell of how they serve, by how busy each replica is.

One load decides everything, so the figures fit together: requests that run, the KV cache they fill, and once a replica
is full the requests that wait, the times to tokens, and the requests that begin anew.
"""

from collections.abc import Iterator

import numpy as np

from services.demo.gateway_traffic import FULL
from services.demo.noise import Floats

SEQUENCES = 64
"""``--max-num-seqs`` of every engine here."""


def arguments(context: int) -> list[str]:
    """What an engine is started with that serves requests of so many tokens."""
    return [f"--max-num-seqs={SEQUENCES}", "--gpu-memory-utilization=0.90", f"--max-model-len={context}"]


BOUNDS = {
    "first_token": (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 20.0),
    "each_token": (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.5),
}
"""Some of the upper bounds vLLM has, in seconds."""
OF_TOKENS = frozenset({*BOUNDS, "cache_peak", "preemptions"})
"""What only engines that write tokens tell; a model that embeds keeps nothing."""
_SPREAD = 0.5
"""Standard deviation of the logarithm of a time."""
_QUEUES_FROM = 0.97
"""Of what a replica may take: from here requests wait."""


def level(name: str, load: Floats) -> Floats:
    """A level of one replica at a load of 0 to 1 (of what it may take)."""
    if name.startswith("running"):
        running = np.round(SEQUENCES * 0.8 * load)
        return running if name == "running" else np.minimum(np.ceil(running * 1.2), SEQUENCES)
    queues = np.clip((load - _QUEUES_FROM) / (1.0 - _QUEUES_FROM), 0.0, 1.0)
    if name.startswith("waiting"):
        waiting = np.round(queues * 14.0)
        return waiting if name == "waiting" else np.ceil(waiting * 1.5)
    return np.asarray(np.round(0.04 + 0.82 * load**1.2 + 0.1 * queues, 3), np.float64)


def preemptions(load: Floats) -> Floats:
    """Requests a minute that begin anew on one replica."""
    return np.asarray(np.where(level("cache_peak", load) >= 0.95, 2.0, 0.0), np.float64)


def typical(name: str, load: Floats, request_s: Floats, tokens: Floats) -> Floats:
    """Seconds to the first token, or between tokens, so that a request of so many tokens takes ``request_s`` in all.

    At the load most requests meet; on a full replica they take longer than the gateway's mean.
    """
    queues = np.clip((load - _QUEUES_FROM) / (1.0 - _QUEUES_FROM), 0.0, 1.0)
    if name == "first_token":
        return np.asarray(request_s * (0.1 + 0.1 * load**4 + 0.6 * queues))
    return np.asarray(request_s * (0.6 + 0.3 * load) / np.maximum(tokens, 1.0))


def buckets(name: str, middle: Floats, counted: Floats) -> Iterator[tuple[str, Floats]]:
    """What a histogram of times about ``middle`` seconds gains a minute on one replica: upper bounds, cumulative."""
    for bound in BOUNDS[name]:
        z = np.log(bound / np.maximum(middle, 1e-6)) / _SPREAD
        yield f"{bound:g}" if bound % 1 else f"{bound:.1f}", np.round(counted / (1.0 + np.exp(-1.702 * z)))
    yield "+Inf", counted


def of_room(requests: Floats, full: float) -> Floats:
    """Load of a replica: requests a minute beside what it may take of ``full`` requests a second."""
    return np.clip(requests / (full * FULL * 60.0), 0.0, 1.0)
