"""A Prometheus-compatible source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import pandas as pd

from services.domain.signals import Query
from services.domain.window import Window
from services.ports.status import SourceStatus


@dataclass(frozen=True)
class Samples:
    """Answer of a metrics source: a frame as :class:`services.domain.signals.Query` describes, and its warnings."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """What a metrics source holds about GPUs.

    ``carriers``: a row per carrier metric present: ``signal``, ``metric``, ``series`` (raw series count, int64),
    ``gpus`` (distinct physical GPUs, int64), ``newest_at`` (UTC). ``labels``: GPU label names seen. ``owner_labels``:
    "exported" (honorLabels off), "plain" (on) or "" when no series names a workload. ``duplicates``: GPUs scraped more
    than once.
    ``also``: other metric families of interest that exist, such as "kube_pod_info" or "vllm:num_requests_running".
    """

    carriers: pd.DataFrame
    labels: frozenset[str] = frozenset()
    owner_labels: str = ""
    duplicates: int = 0
    also: frozenset[str] = frozenset()

    def has(self, signal: str) -> bool:
        """Whether any series carries the signal."""
        return bool((self.carriers["signal"] == signal).any())


COVERAGE_COLUMNS = {
    "signal": "str",
    "metric": "str",
    "series": "int64",
    "gpus": "int64",
    "newest_at": "datetime64[us, UTC]",
}


class Metrics(Protocol):
    """One Prometheus-compatible source, seen from one cluster."""

    def instant(self, query: Query, at: datetime, only: Mapping[str, Sequence[str]] | None = None) -> Samples:
        """Answer at one instant. ``only`` keeps units whose dimension is one of the values (exact match, escaped)."""
        ...

    def range(self, query: Query, window: Window, only: Mapping[str, Sequence[str]] | None = None) -> Samples:
        """Answer at each point of the window; ``query.over`` must be None."""
        ...

    def grown(self, counter: str, begin: datetime, end: datetime, step: timedelta) -> Samples:
        """How much a counter (a key of ``services.domain.counters.COUNTERS``) grew in each step of [begin, end).

        The frame has ``Counter.columns``; ``value`` is the increase over the step, of a gauge its mean. A row is there
        when the counter was: 0 means that it did not grow, no row that nobody looked. What is asked for step by step
        adds up to what is asked for at once. A counter that was set back to 0 grew by what it shows since; one that is
        new grew from 0, unless whoever counts was not looked at before either: then its first value is where it
        starts. Copies by several scrape jobs count once. Nobody exports it: no rows.

        Raises ValueError when begin, end or step are not whole minutes or the span not a whole number of steps.
        """
        ...

    def coverage(self) -> Coverage:
        """Which GPU metrics and labels exist now."""
        ...

    def probe(self) -> SourceStatus:
        """Reachable, how fast, which version, how old the newest GPU datum is."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
