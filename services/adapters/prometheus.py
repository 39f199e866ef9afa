"""A Prometheus-compatible server as a metrics source: the real implementation of :class:`services.ports.Metrics`."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from services.adapters import prom_counters, prom_coverage
from services.adapters.prom_envelope import Answer
from services.adapters.prom_flavour import Flavours
from services.adapters.prom_frames import Grid, Table, answered, columns_of, decoded, equivalents
from services.adapters.prom_http import MAX_REQUESTS, PromHttp
from services.adapters.promql import Plan, expand
from services.adapters.promql_units import Flavour
from services.domain.counters import COUNTERS
from services.domain.frames import empty
from services.domain.signals import Query
from services.domain.window import Window
from services.errors import OpsError, Rejected, SourceError
from services.ports import Coverage, Samples, SourceStatus
from services.settings import MetricsAccess

MAX_POINTS = 11_000
"""Points a series may have in one answer: Prometheus refuses more (``api.go``, queryRange)."""

MAX_SAMPLES = 5_000_000
"""Samples in one answer that are made into a frame: about 400 MB with all dimensions."""


class PrometheusMetrics:
    """Answers logical queries from one server. Thread-safe; holds connections until :meth:`close`.

    ``name`` names the source in messages; ``clock`` tells the present instant (UTC).
    """

    def __init__(self, name: str, access: MetricsAccess, *, clock: Callable[[], datetime]) -> None:
        self._name = name
        self._access = access
        self._clock = clock
        self._http = PromHttp(name, access)
        self._pool = ThreadPoolExecutor(MAX_REQUESTS, thread_name_prefix=f"metrics-{name}")
        self._flavours = Flavours(self._http, self._pool, access.matchers, clock)
        self._failing_since: datetime | None = None

    def instant(self, query: Query, at: datetime, only: Mapping[str, Sequence[str]] | None = None) -> Samples:
        """Answer at one instant; with a span, ``at`` is first taken back to a whole multiple of the query's step.

        Raises Rejected (too many instants or series), Forbidden and SourceUnavailable.
        """
        instants = 1
        if query.over is not None:
            instants = query.over // query.step
            step_s = query.step.total_seconds()
            at = datetime.fromtimestamp(math.floor(at.timestamp() / step_s) * step_s, UTC)
            self._check_points(instants)
        flavour = self._flavours.since(at - (query.over or timedelta(0)))
        grid = Grid(at.timestamp())
        form = {"time": f"{at.timestamp():.3f}"}
        return self._answer("query", query, flavour, form, grid, only, instants=instants)

    def range(self, query: Query, window: Window, only: Mapping[str, Sequence[str]] | None = None) -> Samples:
        """Answer at each point of the window. Raises as :meth:`instant`, and Rejected for a step below the scrape's."""
        if query.over is not None:
            raise Rejected(self._name, "A range question cannot have a trailing span.")
        step_s, measured_s = window.step.total_seconds(), self._access.scrape_interval_s
        if step_s < measured_s:
            raise Rejected(
                self._name,
                f"Points every {step_s:g} s are finer than GPUs are measured (every {measured_s:g} s).",
                hint="Choose a longer time range.",
            )
        self._check_points(window.points)
        flavour = self._flavours.since(window.start)
        first = window.start + window.step
        grid = Grid(first.timestamp(), step_s, window.points)
        form = {
            "start": f"{first.timestamp():.3f}",
            "end": f"{window.end.timestamp():.3f}",
            "step": f"{step_s:.3f}",
        }
        return self._answer("query_range", query, flavour, form, grid, only)

    def grown(self, counter: str, begin: datetime, end: datetime, step: timedelta) -> Samples:
        """How much a counter grew in each step (:mod:`services.adapters.prom_counters`). Raises as :meth:`instant`."""
        return prom_counters.grown(self._http, self._access, COUNTERS[counter], begin, end, step)

    def coverage(self) -> Coverage:
        """Which GPU metrics and labels exist now; forgets what was known of the exporters. Raises SourceError."""
        self._flavours.forget()
        now = self._clock()
        flavour = self._flavours.since(now)
        return prom_coverage.coverage(self._http, self._pool, flavour, self._access.matchers, now)

    def probe(self) -> SourceStatus:
        """Reachable, how fast, which version, how old the newest GPU datum is. Never raises for a failing source."""
        try:
            version, seconds = self._version()
            now = self._clock()
            newest = prom_coverage.newest(self._http, self._flavours.since(now), self._access.matchers, now)
        except OpsError as error:
            self._failing_since = self._failing_since or self._clock()
            return SourceStatus(
                "prometheus",
                self._http.address,
                reachable=False,
                message=str(error),
                hint=error.hint,
                since=self._failing_since,
            )
        self._failing_since = None
        return SourceStatus("prometheus", self._http.address, True, seconds, version, newest)

    def close(self) -> None:
        """Release connections and threads; questions under way end with an error or their answer."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    def _answer(
        self,
        path: str,
        query: Query,
        flavour: Flavour,
        form: Mapping[str, str],
        grid: Grid,
        only: Mapping[str, Sequence[str]] | None,
        *,
        instants: int = 1,
    ) -> Samples:
        ranged = path == "query_range"
        plan = expand(query, flavour, matchers=self._access.matchers, only=only)
        if plan is None:
            return Samples(empty(columns_of(query.by, ranged=ranged)))
        # The server gives up when we do, instead of working for nobody.
        form = {**form, "timeout": f"{max(round(self._access.read_timeout_s), 1)}s"}
        counting = self._pool.submit(self._ask, path, plan.weight, form) if plan.weight else None
        answer = self._ask(path, plan.value, form)
        counted = counting.result() if counting else None
        value = self._table(answer, plan, plan.value_by, grid)
        weight = self._table(counted, plan, plan.weight_by, grid) if counted else None
        frame = answered(query.by, plan, value, weight, grid=grid, instants=instants, ranged=ranged)
        notes = dict.fromkeys(answer.notes + (counted.notes if counted else ()))
        if np.isnan(equivalents((weight or value).labels, (weight or value).series)).any():
            notes["MIG instances whose profile cannot be read are left out."] = None
        return Samples(frame, tuple(notes))

    def _ask(self, path: str, text: str, form: Mapping[str, str]) -> Answer:
        return self._http.post(path, {"query": text, **form})

    def _table(self, answer: Answer, plan: Plan, dimensions: Sequence[str], grid: Grid) -> Table:
        # Classes of units multiply the groups a little; the bound is on what comes over the wire.
        allowed = min(self._access.max_series, max(MAX_SAMPLES // grid.points, 1))
        labels = [plan.labels[name] for name in dimensions]
        table = decoded(self._name, answer.data, labels, grid, max_series=allowed)
        return Table({name: table.labels[plan.labels[name]] for name in dimensions}, table.samples)

    def _check_points(self, points: int) -> None:
        if points > MAX_POINTS:
            raise Rejected(
                self._name,
                f"{points:,} points a series are asked for; at most {MAX_POINTS:,} are given.",
                hint="Choose a shorter time range or a coarser resolution.",
            )

    def _version(self) -> tuple[str, float]:
        """Version, and seconds of the smallest query; "" from compatible stores without build information."""
        seconds = self._http.post("query", {"query": "1"}).seconds
        try:
            return msgspec.json.decode(self._http.get("status/buildinfo").data, type=_Build).version, seconds
        except (SourceError, msgspec.MsgspecError):
            return "", seconds


class _Build(msgspec.Struct):
    version: str = ""
