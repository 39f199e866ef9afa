"""What services need from outside, in our own vocabulary. Two implementations each: ``adapters`` and ``demo``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import pandas as pd

from services.domain.objects import Obj
from services.domain.signals import Query
from services.domain.window import Window
from services.memo import Memo

if TYPE_CHECKING:
    from concurrent.futures import Executor


class StoreState(StrEnum):
    """What is known of one kind of object in one cluster."""

    LOADING = "loading"  # the first list has not finished
    READY = "ready"
    FORBIDDEN = "forbidden"  # 401/403: we may not read this kind
    ABSENT = "absent"  # the API is not installed
    FAILED = "failed"  # reachable no more; objects are the last good ones, as_of says from when


@dataclass(frozen=True)
class Snapshot:
    """All objects of one kind at one moment.

    ``version`` grows by at least one whenever ``objects`` may have changed, so it is a cache key. ``as_of`` is when the
    server last confirmed them (an event, a bookmark or a list); None before the first list. ``message`` says in words
    why the state is not READY and ``since`` from when; ``scope`` names the namespaces when only some could be read.
    """

    kind: str
    objects: Sequence[Obj]
    version: int
    state: StoreState
    as_of: datetime | None
    message: str = ""
    hint: str = ""
    since: datetime | None = None
    scope: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceStatus:
    """How a source is doing, for the Sources page.

    ``latency_s`` of the last probe; ``newest_at`` of its newest datum.
    """

    source: str  # "kubernetes", "prometheus"
    address: str  # without credentials
    reachable: bool
    latency_s: float | None = None
    version: str = ""
    newest_at: datetime | None = None
    message: str = ""
    hint: str = ""
    since: datetime | None = None


class Cluster(Protocol):
    """One Kubernetes cluster, watched. Reading never blocks on the network: stores answer from memory."""

    def snapshot(self, kind: str) -> Snapshot:
        """The present objects of a kind (a key of ``services.domain.kinds.KINDS``)."""
        ...

    def probe(self) -> SourceStatus:
        """Ask the API server for its version, now."""
        ...

    def api_groups(self) -> frozenset[str]:
        """Names of the API groups the server offers, such as "resource.k8s.io". Raises SourceError."""
        ...

    def start(self) -> None:
        """Begin watching; returns at once."""
        ...

    def close(self) -> None:
        """Stop watching and release connections."""
        ...


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

    def coverage(self) -> Coverage:
        """Which GPU metrics and labels exist now."""
        ...

    def probe(self) -> SourceStatus:
        """Reachable, how fast, which version, how old the newest GPU datum is."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


@dataclass(frozen=True)
class JournalEntry:
    """One thing a person did to the demo estate. ``entry`` is JSON with a number under "schema"; ids grow with time."""

    id: int
    at: datetime
    cluster: str
    actor: str
    entry: Mapping[str, Any]


class Journal(Protocol):
    """What people did to the demo estate, in order."""

    def append(self, cluster: str, entry: Mapping[str, Any], *, at: datetime, actor: str) -> int:
        """Add an entry; its id."""
        ...

    def entries(self, since: int = 0, *, cluster: str | None = None) -> Sequence[JournalEntry]:
        """Entries with an id above ``since``, oldest first; of one cluster or of all."""
        ...


class UnitOfWork(Protocol):
    """A short transaction, as a context manager; leaving without ``commit`` keeps nothing. Raises SourceUnavailable."""

    @property
    def journal(self) -> Journal:
        """The journal inside this transaction."""
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def commit(self) -> None:
        """Keep what was done so far."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; what was not committed is undone."""
        ...


class Work(Protocol):
    """The database, as use cases see it; grows with the repositories."""

    def __call__(self) -> UnitOfWork:
        """A unit of work, to be entered with ``with``."""
        ...

    def close(self) -> None:
        """Dispose of the engine."""
        ...


@dataclass(frozen=True)
class ClusterSource:
    """Everything known of one cluster. ``metrics`` is None when none is configured."""

    name: str
    cluster: Cluster
    metrics: Metrics | None


@dataclass(frozen=True)
class Policy:
    """The installation's own numbers. Ratios are 0..1."""

    team_label: str = "team"
    idle_after: timedelta = timedelta(minutes=30)  # a held GPU below IDLE_BELOW for this long is idle
    utilisation_target: float = 0.70
    saturated_above: float = 0.95  # share of a pool's GPUs held
    refresh_s: int = 15


@dataclass(frozen=True)
class Sources:
    """What use cases take as their first argument. ``mode`` is "demo" or "live"; they are never mixed.

    ``memo`` holds derived frames and ``good`` the last good answers, for the whole process.
    """

    mode: str
    clusters: Mapping[str, ClusterSource]
    now: Callable[[], datetime]
    pool: "Executor"
    policy: Policy = Policy()
    work: Work | None = None
    memo: Memo = field(default_factory=Memo)
    good: Memo = field(default_factory=lambda: Memo(64))

    def chosen(self, cluster: str) -> list[ClusterSource]:
        """The cluster of this name, none if there is no such, all when the name is empty."""
        return [source for name, source in self.clusters.items() if cluster in ("", name)]
