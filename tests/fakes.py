"""Doubles of the ports: wrappers that count calls and fail on demand, and a tiny estate with numbers chosen by hand."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pandas as pd

from services.domain import frames
from services.domain.change.refs import Live, Ref
from services.domain.counters import COUNTERS
from services.domain.objects import Obj
from services.domain.signals import SIGNALS, Combine, Query, Stat
from services.domain.window import Window
from services.errors import SourceError, SourceUnavailable
from services.ports import (
    COVERAGE_COLUMNS,
    Cluster,
    Coverage,
    Metrics,
    Samples,
    Snapshot,
    Sources,
    SourceStatus,
    StoreState,
)

REFUSED = "The API server refuses to list {kind}."
LOST = "The API server does not answer."
SILENT = "The metrics server does not answer."


@dataclass
class WatchedCluster:
    """A cluster in front of another one: counts what is asked, and shows kinds in whatever state a test wants.

    ``states`` maps a kind (or "*" for all) to its state; LOADING, FORBIDDEN and ABSENT have no objects, FAILED keeps
    the last good ones unless ``forgetful``.
    """

    inner: Cluster
    at: datetime
    states: dict[str, StoreState] = field(default_factory=dict)
    forgetful: bool = False
    since: datetime | None = None
    calls: Counter[str] = field(default_factory=Counter)

    def snapshot(self, kind: str) -> Snapshot:
        self.calls["snapshot"] += 1
        state = self.states.get(kind, self.states.get("*", StoreState.READY))
        shown = self.inner.snapshot(kind)
        if state is StoreState.READY:
            return shown
        version = shown.version + 1
        if state is StoreState.FAILED and not self.forgetful:
            return replace(shown, state=state, version=version, message=LOST, since=self.since)
        message = {StoreState.LOADING: "", StoreState.FAILED: LOST}.get(state, REFUSED.format(kind=kind))
        return Snapshot(kind, (), version, state, None, message=message, since=self.since)

    def read(self, ref: Ref) -> Live:
        self.calls["read"] += 1
        return self.inner.read(ref)

    def probe(self) -> SourceStatus:
        self.calls["probe"] += 1
        if self.states.get("*") is StoreState.FAILED:
            return SourceStatus("kubernetes", "https://kube.test:6443", reachable=False, message=LOST)
        return self.inner.probe()

    def api_groups(self) -> frozenset[str]:
        self.calls["api_groups"] += 1
        return self.inner.api_groups()

    def start(self) -> None:
        self.inner.start()

    def close(self) -> None:
        self.inner.close()


@dataclass
class WatchedMetrics:
    """A metrics source in front of another one: counts calls, fails, answers nothing, lacks signals or has gaps.

    ``error`` is raised by every call; ``lacks`` are signals nobody exports (in the coverage either); ``silent`` answers
    every query with no rows although the coverage promises all; ``change`` is applied to every answered frame.
    """

    inner: Metrics
    error: SourceError | None = None
    lacks: frozenset[str] = frozenset()
    silent: bool = False
    change: Callable[[Query, pd.DataFrame], pd.DataFrame] | None = None
    notes: tuple[str, ...] = ()
    calls: Counter[str] = field(default_factory=Counter)
    asked: list[Query] = field(default_factory=list)

    def instant(self, query: Query, at: datetime, only: Mapping[str, Sequence[str]] | None = None) -> Samples:
        self._count("instant", query)
        return self._shown(query, self.inner.instant(query, at, only))

    def range(self, query: Query, window: Window, only: Mapping[str, Sequence[str]] | None = None) -> Samples:
        self._count("range", query)
        return self._shown(query, self.inner.range(query, window, only))

    def grown(self, counter: str, begin: datetime, end: datetime, step: timedelta) -> Samples:
        self._count("grown")
        samples = self.inner.grown(counter, begin, end, step)
        return Samples(samples.frame.iloc[:0]) if self.silent or counter in self.lacks else samples

    def coverage(self) -> Coverage:
        self._count("coverage")
        known = self.inner.coverage()
        return replace(known, carriers=known.carriers[~known.carriers["signal"].isin(self.lacks)])

    def probe(self) -> SourceStatus:
        self.calls["probe"] += 1
        if self.error is not None:
            return SourceStatus("prometheus", "https://prom.test", reachable=False, message=str(self.error))
        return self.inner.probe()

    def close(self) -> None:
        self.inner.close()

    def _count(self, what: str, query: Query | None = None) -> None:
        self.calls[what] += 1
        if query is not None:
            self.asked.append(query)
        if self.error is not None:
            raise self.error

    def _shown(self, query: Query, samples: Samples) -> Samples:
        frame = samples.frame
        if self.silent or query.signal in self.lacks:
            frame = frame.iloc[:0]
        if self.change is not None:
            frame = self.change(query, frame)
        return Samples(frame, (*samples.notes, *self.notes))


def dead() -> SourceUnavailable:
    """What a metrics adapter raises when nobody answers."""
    return SourceUnavailable("prometheus", SILENT, hint="Check that the address is reachable from here.")


def watched(sources: Sources) -> Sources:
    """``sources`` with every port behind a counting double; fresh memo, so nothing is remembered."""
    clusters = {
        name: replace(
            source,
            cluster=WatchedCluster(source.cluster, sources.now()),
            metrics=None if source.metrics is None else WatchedMetrics(source.metrics),
        )
        for name, source in sources.clusters.items()
    }
    return Sources(
        mode=sources.mode,
        clusters=clusters,
        now=sources.now,
        pool=sources.pool,
        policy=sources.policy,
        work=sources.work,
    )


def cluster_of(sources: Sources, name: str) -> WatchedCluster:
    """The double in front of a cluster of :func:`watched` sources."""
    double = sources.clusters[name].cluster
    assert isinstance(double, WatchedCluster)
    return double


def metrics_of(sources: Sources, name: str) -> WatchedMetrics:
    """The double in front of a cluster's metrics source."""
    double = sources.clusters[name].metrics
    assert isinstance(double, WatchedMetrics)
    return double


def calls(sources: Sources) -> Counter[str]:
    """How often the sources were asked over the network, by kind of question. Snapshots are memory and not in it."""
    total: Counter[str] = Counter()
    for name, source in sources.clusters.items():
        total += cluster_of(sources, name).calls
        if source.metrics is not None:
            total += metrics_of(sources, name).calls
    del total["snapshot"]
    return total


@dataclass(frozen=True)
class HeldCluster:
    """A cluster that is exactly these objects."""

    objects: Mapping[str, Sequence[Obj]]
    at: datetime
    version: int = 1

    def snapshot(self, kind: str) -> Snapshot:
        return Snapshot(kind, tuple(self.objects.get(kind, ())), self.version, StoreState.READY, self.at)

    def probe(self) -> SourceStatus:
        return SourceStatus("kubernetes", "https://kube.test:6443", reachable=True, latency_s=0.012, version="v1.34.1")

    def api_groups(self) -> frozenset[str]:
        return frozenset({"apps", "batch"})

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Card:
    """One whole GPU with values that never change, and the pods ("namespace/pod") on it."""

    node: str
    gpu: str
    util: float
    pods: tuple[str, ...] = ()
    model: str = "NVIDIA H100 80GB HBM3"
    values: Mapping[str, float] = field(default_factory=dict)

    def value(self, signal: str) -> float | None:
        return self.util if signal == "util" else self.values.get(signal)


@dataclass(frozen=True)
class SteadyMetrics:
    """A metrics source whose cards have shown the same values for ever."""

    cards: Sequence[Card]
    at: datetime

    def instant(self, query: Query, at: datetime, only: Mapping[str, Sequence[str]] | None = None) -> Samples:
        return Samples(self._frame(query, only))

    def range(self, query: Query, window: Window, only: Mapping[str, Sequence[str]] | None = None) -> Samples:
        once = self._frame(query, only)
        points = pd.DataFrame({"at": [window.start + window.step * (place + 1) for place in range(window.points)]})
        return Samples(once.merge(points.astype({"at": "datetime64[us, UTC]"}), how="cross"))

    def grown(self, counter: str, begin: datetime, end: datetime, step: timedelta) -> Samples:
        return Samples(frames.empty(COUNTERS[counter].columns))

    def _frame(self, query: Query, only: Mapping[str, Sequence[str]] | None) -> pd.DataFrame:
        by_owner = bool({"namespace", "pod"} & set(query.by))
        rows = []
        for card in self.cards:
            value = card.value(query.signal)
            if value is None:
                continue
            share = value / max(len(card.pods), 1) if SIGNALS[query.signal].combine is Combine.SUM else value
            for pod in card.pods if by_owner else ("",):
                namespace, _, name = pod.partition("/")
                rows.append(
                    {
                        "node": card.node, "gpu": card.gpu, "instance": "", "profile": "", "model": card.model,
                        "namespace": namespace, "pod": name, "value": share if by_owner else value,
                    }
                )  # fmt: skip
        columns = ["node", "gpu", "instance", "profile", "model", "namespace", "pod", "value"]
        frame = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[:-1], "str") | {"value": "float64"})
        for name, values in (only or {}).items():
            frame = frame[frame[name].isin(list(values))]
        if query.stat is Stat.IDLE and query.over is not None:
            frame = frame.assign(value=(frame["value"] < 0.01).astype("float64"))
        how = {Combine.SHARE: "mean", Combine.SUM: "sum", Combine.PEAK: "max"}[SIGNALS[query.signal].combine]
        grouped = frame.assign(weight=1.0).groupby(list(query.by), sort=True)
        return grouped.agg(value=("value", how), weight=("weight", "sum")).reset_index()

    def coverage(self) -> Coverage:
        rows = []
        for signal in SIGNALS.values():
            number = sum(card.value(signal.id) is not None for card in self.cards)
            if number:
                rows.append((signal.id, signal.carriers[0].metric, number, number, self.at))
        carriers = pd.DataFrame(rows, columns=list(COVERAGE_COLUMNS)).astype(COVERAGE_COLUMNS)
        return Coverage(carriers, owner_labels="exported")

    def probe(self) -> SourceStatus:
        return SourceStatus("prometheus", "https://prom.test", reachable=True, latency_s=0.02, newest_at=self.at)

    def close(self) -> None:
        pass


@dataclass
class Clock:
    """The present, as a test says it."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> datetime:
        """Move on."""
        self.at += timedelta(**span)
        return self.at
