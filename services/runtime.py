"""The composition root: the one place that knows whether a cluster is real, and the one set of sources per process."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from db.work import Database
from services import demo
from services.adapters import kube, kube_connect, prometheus
from services.errors import SourceUnavailable
from services.ports import ClusterSource, Policy, Sources, Work
from services.settings import Settings, load

_WORKERS = 16
_lock = threading.Lock()
_current: Sources | None = None


def now() -> datetime:
    """The clock of the product."""
    return datetime.now(UTC)


def build(settings: Settings) -> Sources:
    """Wire everything ``settings`` describe.

    Touches no network; raises WrongSetting for what only adapters can check.
    """
    for cluster in settings.clusters:
        kube_connect.check(cluster.name, cluster.kube)
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="sources")
    policy = Policy(
        team_label=settings.team_label,
        idle_after=timedelta(minutes=settings.idle_after_minutes),
        utilisation_target=settings.utilisation_target,
        refresh_s=round(settings.live_refresh_s),
    )
    work = Database(settings.database_url.get_secret_value())
    if settings.mode == "demo":
        wanted = settings.demo
        estate = demo.build(
            clock=now, pool=pool, scenario=wanted.scenario, gpus=wanted.gpus, seed=wanted.seed, journal=_journal(work)
        )
        return Sources(mode="demo", clusters=estate, now=now, pool=pool, policy=policy, work=work)
    clusters = {
        cluster.name: ClusterSource(
            name=cluster.name,
            cluster=kube.KubeCluster(cluster.name, cluster.kube, clock=now),
            metrics=None
            if cluster.metrics is None
            else prometheus.PrometheusMetrics(f"Prometheus of {cluster.name}", cluster.metrics, clock=now),
        )
        for cluster in settings.clusters
    }
    return Sources(mode="live", clusters=clusters, now=now, pool=pool, policy=policy, work=work)


def _journal(work: Work) -> Callable[[], Sequence[Mapping[str, Any]]]:
    """What people did to the demo, as the world reads it: read again at most once a second."""
    held: tuple[float, list[Mapping[str, Any]]] = (-1.0, [])

    def entries() -> Sequence[Mapping[str, Any]]:
        nonlocal held
        if time.monotonic() - held[0] >= 1:
            try:
                with work() as unit:
                    rows = unit.journal.entries()
                found: list[Mapping[str, Any]] = [{**row.entry, "at": row.at, "cluster": row.cluster} for row in rows]
                held = (time.monotonic(), found)
            except SourceUnavailable:  # the estate stays as it was while its database is away
                held = (time.monotonic(), held[1])
        return held[1]

    return entries


def start(settings: Settings) -> Sources:
    """Build the sources of this process and begin watching; a second call returns what the first built."""
    global _current  # noqa: PLW0603 - one set of sources per process is the point of this module
    with _lock:
        if _current is None:
            sources = build(settings)
            for source in sources.clusters.values():
                source.cluster.start()
            _current = sources
        return _current


def current() -> Sources:
    """The sources of this process; started from the environment on first use (``streamlit run app.py``)."""
    running = _current
    return running if running is not None else start(load(os.environ))


@contextmanager
def using(sources: Sources) -> Iterator[Sources]:
    """``sources`` instead of the process's own, for tests."""
    global _current  # noqa: PLW0603
    with _lock:
        before, _current = _current, sources
    try:
        yield sources
    finally:
        with _lock:
            _current = before


def close() -> None:
    """Stop watching and release everything, in order; safe to call twice."""
    global _current
    with _lock:
        sources, _current = _current, None
    if sources is None:
        return
    for source in sources.clusters.values():
        source.cluster.close()
        if source.metrics is not None:
            source.metrics.close()
    sources.pool.shutdown(wait=True, cancel_futures=True)
    if sources.work is not None:
        sources.work.close()
