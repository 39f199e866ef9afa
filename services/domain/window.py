"""Time windows: which span a figure speaks of, quantised so that two people asking alike share one answer."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

RANGES: dict[str, timedelta] = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
"""The ranges a user can choose, by the name that stands in the URL."""

STEPS: dict[str, timedelta] = {
    "1h": timedelta(minutes=1),
    "6h": timedelta(minutes=1),
    "24h": timedelta(minutes=5),
    "7d": timedelta(minutes=30),
    "30d": timedelta(hours=2),
}
"""Resolution of each range: 60 to 360 points a series, far below the server's limit of 11,000."""


@dataclass(frozen=True)
class Window:
    """A half-open span ``(start, end]`` in UTC with the resolution figures inside it are computed at.

    ``start`` and ``end`` are whole multiples of ``step`` since the epoch: the same question asked twice
    within a step is the same question (cache keys, stable graphs). The points of a window are
    ``start + step, start + 2·step, …, end``.
    """

    start: datetime
    end: datetime
    step: timedelta

    @property
    def hours(self) -> float:
        """Length in hours."""
        return (self.end - self.start) / timedelta(hours=1)

    @property
    def points(self) -> int:
        """How many points each series has."""
        return round((self.end - self.start) / self.step)


HARDWARE_BUDGET = 1_000_000
OWNER_BUDGET = 300_000
"""Values (units × points) one question may need, by hardware and by pod.

A Prometheus on two cores reads a million by node in about ten seconds; joined with the pods that hold each unit it does
a third of that in the same time (docs/performance.md).
"""


def ending(now: datetime, name: str, *, units: float = 0.0, budget: int = HARDWARE_BUDGET) -> Window:
    """The window called ``name`` (a key of :data:`RANGES`) that ends at the last whole step before ``now``.

    For large fleets the step is the smallest multiple that divides the range and keeps ``units`` × points within
    ``budget``: a coarser sample of the same span, unbiased for means.
    """
    points = round(RANGES[name] / STEPS[name])
    factor = next(f for f in range(1, points + 1) if points % f == 0 and (units * points / f <= budget or f == points))
    step = STEPS[name] * factor
    seconds = int(step.total_seconds())
    end = datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)
    return Window(end - RANGES[name], end, step)


def finest(window: Window) -> timedelta:
    """The resolution a window of this length has in a small fleet."""
    return next((STEPS[name] for name, length in RANGES.items() if length == window.end - window.start), window.step)
