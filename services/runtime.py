"""The composition root: the one place that knows whether a cluster is real, and the one set of sources per process."""

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from db.work import Database
from services import demo
from services.actions.engine import Engine
from services.adapters import kube, kube_connect, litellm, notify, opencost, prometheus
from services.errors import OpsError, SourceUnavailable
from services.jobs.loop import Collector
from services.ports import ChannelSource, ClusterSource, GatewayPlace, JournalEntry, Policy, Sources, Work
from services.settings import ChannelAccess, ClusterSettings, Settings, load

log = logging.getLogger(__name__)

_WORKERS = 16
_OPERATIONS = 32  # a release waits for up to an hour, and holds up nobody else meanwhile
"""Operations that run at once; further ones wait their turn."""
_RECOVER_EVERY_S = 30.0
_FORGET_EVERY = 120
_COLLECTOR_ENDS_S = 10.0
"""So long the collector may take to write what is left."""
_lock = threading.Lock()
_current: Sources | None = None
_engine: tuple[Sources, Engine] | None = None
_collecting: tuple[threading.Event, threading.Thread] | None = None


def now() -> datetime:
    """The clock of the product."""
    return datetime.now(UTC)


def build(settings: Settings, *, database: bool = True) -> Sources:
    """Wire everything ``settings`` describe, the database only if it is wanted.

    Touches no network; raises WrongSetting for what only adapters can check.
    """
    for cluster in settings.clusters:
        kube_connect.check(cluster.name, cluster.kube)
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="sources")
    policy = Policy(
        team_label=settings.team_label,
        idle_after=timedelta(minutes=settings.idle_after_minutes),
        utilisation_target=settings.utilisation_target,
        fallback_target=settings.fallback_target,
        refresh_s=round(settings.live_refresh_s),
        actions=settings.actions,
        login=settings.login,
        cost=settings.cost,
        public_url=settings.public_url,
    )
    channels = {one.channel.name: _channel(one) for one in settings.channels}
    work = Database(settings.database_url.get_secret_value()) if database else None
    if settings.mode == "demo":
        wanted, journal = settings.demo, demo.Memory() if work is None else _Journal(work)

        def estate(clock: Callable[[], datetime]) -> Mapping[str, ClusterSource]:
            return demo.build(
                clock=clock, pool=pool, scenario=wanted.scenario, gpus=wanted.gpus, seed=wanted.seed, journal=journal
            )

        return Sources(
            mode="demo",
            clusters=estate(now),
            now=now,
            pool=pool,
            policy=policy,
            work=work,
            past=estate,
            channels=channels or demo.channels(),
        )
    clusters = {cluster.name: _live(cluster) for cluster in settings.clusters}
    return Sources(mode="live", clusters=clusters, now=now, pool=pool, policy=policy, work=work, channels=channels)


def _channel(settings: ChannelAccess) -> ChannelSource:
    post = notify.Post(settings.channel.name, settings.url)
    return ChannelSource(replace(settings.channel, place=post.place), post)


def _live(settings: ClusterSettings) -> ClusterSource:
    name, metrics, access, costs = settings.name, settings.metrics, settings.gateway, settings.opencost
    place = gateway = None
    if access is not None and access.url:
        gateway = litellm.LiteLLMGateway(f"LiteLLM of {name}", access, clock=now)
    if access is not None and access.deployment:
        place = GatewayPlace(access.namespace, access.configmap, access.config_key, access.deployment)
    return ClusterSource(
        name=name,
        cluster=kube.KubeCluster(name, settings.kube, clock=now),
        metrics=None if metrics is None else prometheus.PrometheusMetrics(f"Prometheus of {name}", metrics, clock=now),
        gateway=gateway,
        gateway_place=place,
        pricing=None if costs is None else opencost.OpenCost(f"OpenCost of {name}", costs, clock=now),
    )


class _Journal:
    """What people did to the demo: appended at once, read again at most once a second."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._read_at = -1.0
        self._held: list[JournalEntry] = []

    def entries(self) -> Sequence[JournalEntry]:
        with self._lock:
            if self._read_at < 0 or time.monotonic() - self._read_at >= 1:
                try:
                    with self._work.reading() as unit:
                        self._held = list(unit.journal.entries())
                except SourceUnavailable:  # the estate stays as it was while its database is away
                    log.warning("the demo's journal could not be read")
                self._read_at = time.monotonic()
            return self._held

    def append(self, cluster: str, entry: Mapping[str, Any], *, at: datetime, actor: str) -> int:
        with self._work() as unit:
            number = unit.journal.append(cluster, entry, at=at, actor=actor)
            unit.commit()
        with self._lock:
            self._read_at = -1.0
        return number


def start(settings: Settings) -> Sources:
    """Build the sources of this process, begin watching and, where so set, recording.

    A second call returns what the first built.
    """
    global _current, _collecting  # noqa: PLW0603 - one set of sources per process is the point of this module
    with _lock:
        if _current is None:
            sources = _current = _watched(build(settings))
            if settings.mode == "demo":
                _give_budgets(sources, settings.demo.gpus)
            threading.Thread(target=_recover, args=(sources,), name="recovery", daemon=True).start()
            if settings.collects:
                stop, collector = threading.Event(), Collector(sources, keep=timedelta(days=settings.keep_starts_days))
                thread = threading.Thread(target=collector.run, args=(stop,), name="collector", daemon=True)
                thread.start()
                _collecting = stop, thread
        return _current


def _give_budgets(sources: Sources, gpus: int | None) -> None:
    """The demo has budgets until somebody changes them: those of an estate nobody has kept house in."""
    if sources.work is None:
        return
    try:
        with sources.work() as unit:
            if not unit.budgets.history():
                for budget in demo.budgets(gpus or 64):
                    unit.budgets.save(budget, at=sources.now(), actor="demo")
                unit.commit()
    except OpsError as error:
        log.warning("the demo begins without budgets: %s", error)


@contextmanager
def watching(settings: Settings, *, database: bool = True) -> Iterator[Sources]:
    """Sources of a process that serves nobody: its clusters are watched until it leaves."""
    sources = _watched(build(settings, database=database))
    try:
        yield sources
    finally:
        _release(sources)


def _watched(sources: Sources) -> Sources:
    for source in sources.clusters.values():
        source.cluster.start()
    return sources


def engine() -> Engine:
    """The one engine of the present sources."""
    return _engine_of(current())


def _engine_of(sources: Sources) -> Engine:
    global _engine  # noqa: PLW0603 - as for the sources
    with _lock:
        if _engine is None or _engine[0] is not sources:
            pool = ThreadPoolExecutor(_OPERATIONS, thread_name_prefix="operation")
            _engine = (sources, Engine(sources, pool=pool))
        return _engine[1]


def _recover(sources: Sources) -> None:
    """Look for operations whose process is gone, now and again, as long as these sources are the process's own.

    About once an hour what the audit need not keep any longer is removed.
    """
    for round_ in itertools.count():
        if _current is not sources:
            return
        try:
            _engine_of(sources).recover()
            if round_ % _FORGET_EVERY == 0:
                _engine_of(sources).forget()
        except OpsError as error:
            log.warning("the record of operations could not be looked through: %s", error)
        time.sleep(_RECOVER_EVERY_S)


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
    """Stop recording and watching and release everything, in order; safe to call twice."""
    global _current, _engine, _collecting
    with _lock:
        sources, _current = _current, None
        running, _engine = _engine, None
        collecting, _collecting = _collecting, None
    if collecting is not None:
        collecting[0].set()
        collecting[1].join(_COLLECTOR_ENDS_S)
    if running is not None:
        running[1].close()
    if sources is not None:
        _release(sources)


def _release(sources: Sources) -> None:
    for source in sources.clusters.values():
        source.cluster.close()
        if source.metrics is not None:
            source.metrics.close()
        if source.gateway is not None:
            source.gateway.close()
        if source.pricing is not None:
            source.pricing.close()
    sources.pool.shutdown(wait=True, cancel_futures=True)
    if sources.work is not None:
        sources.work.close()
