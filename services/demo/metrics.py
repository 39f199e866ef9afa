"""The world as a metrics source: every query answered by arithmetic on the world's own truth."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from services.demo.answer import Question
from services.demo.counting import Counting, Steps
from services.demo.coverage import coverage
from services.demo.noise import Ints
from services.demo.reaction import seen
from services.demo.world import Site, World
from services.domain.counters import COUNTERS, ends
from services.domain.frames import empty
from services.domain.signals import Query
from services.domain.window import Window
from services.errors import Rejected
from services.ports import Coverage, Samples, SourceStatus


class DemoMetrics:
    """One cluster's GPU metrics.

    There are samples at every whole minute up to the clock; the value at *t* is that of the minute *t* lies in.
    ``only`` keeps units whole; grouping by owner divides them between all pods that hold them. For signals of the GPU
    the unit is the physical GPU, whose ``instance`` and ``profile`` are "".
    """

    def __init__(self, site: Site, clock: Callable[[], datetime], world: World | None = None) -> None:
        """``world`` is what the site is part of; without it nobody exports counters of gateways and engines."""
        self._site = site
        self._clock = clock
        self._world = world
        self._last: tuple[tuple[object, ...], Counting] | None = None

    def instant(self, query: Query, at: datetime, only: Mapping[str, Sequence[str]] | None = None) -> Samples:
        """Answer at one instant."""
        if query.over is None:
            return Samples(self._answer(query, _seconds([at]), only, ranged=False))
        steps = query.over // query.step
        # the instants of a span are multiples of its step, as PromQL's subqueries have them
        last = datetime.fromtimestamp(at.timestamp() // query.step.total_seconds() * query.step.total_seconds(), UTC)
        points = [last - query.step * (steps - 1 - place) for place in range(steps)]
        return Samples(self._answer(query, _seconds(points), only, ranged=False))

    def range(self, query: Query, window: Window, only: Mapping[str, Sequence[str]] | None = None) -> Samples:
        """Answer at each point of the window. Raises Rejected for a query with ``over``."""
        if query.over is not None:
            raise Rejected("prometheus", "A range question cannot have a trailing span.")
        points = [window.start + window.step * (place + 1) for place in range(window.points)]
        return Samples(self._answer(query, _seconds(points), only, ranged=True))

    def _answer(
        self, query: Query, times: Ints, only: Mapping[str, Sequence[str]] | None, *, ranged: bool
    ) -> pd.DataFrame:
        # what lies ahead of the clock has not been scraped; it still counts as an instant of the span
        scraped = times <= int(self._clock().timestamp())
        site = seen(self._site, int(times[scraped].max())) if scraped.any() else self._site
        return Question(site, query, times[scraped]).frame(only, ranged=ranged, instants=len(times))

    def grown(self, counter: str, begin: datetime, end: datetime, step: timedelta) -> Samples:
        """How much a counter grew in each step, up to the last whole minute before the clock."""
        known, last = COUNTERS[counter], _seconds([self._clock()])[0] // 60 * 60
        steps = Steps.of(ends(begin, end, step), step, int(last))
        if self._world is None or not len(steps.minutes):
            return Samples(empty(known.columns))
        return Samples(self._counting(self._world, (begin, end, step, int(last)), steps).grown(known))

    def _counting(self, world: World, of: tuple[object, ...], steps: Steps) -> Counting:
        """Counters over some steps: a page asks many over the same ones, which begin with the same traffic."""
        last = self._last
        if last is None or last[0] != of:
            last = self._last = (of, Counting(world, self._site.name, steps))
        return last[1]

    def coverage(self) -> Coverage:
        """Which GPU metrics and labels exist now."""
        minute = self._minute()
        return coverage(seen(self._site, minute), minute)

    def probe(self) -> SourceStatus:
        """Always reachable."""
        return SourceStatus(
            source="prometheus",
            address=f"demo://{self._site.name}/prometheus",
            reachable=True,
            latency_s=0.0,
            version="3.5.0 (demo)",
            newest_at=datetime.fromtimestamp(self._minute(), UTC),
        )

    def close(self) -> None:
        """Nothing to release."""

    def _minute(self) -> int:
        return int(self._clock().timestamp()) // 60 * 60


def _seconds(points: Sequence[datetime]) -> Ints:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return np.array([(point - epoch) // timedelta(seconds=1) for point in points], np.int64)
