"""Forgetting what is older than is wanted: starts, and costs by the hour."""

from collections.abc import Callable
from datetime import datetime, timedelta

from services.ports import UnitOfWork, Work

AT_ONCE = 500
"""Starts, and rows of each table of costs, removed in one transaction."""


def prune(
    work: Work,
    keep: timedelta,
    now: datetime,
    held: Callable[[UnitOfWork], None] = lambda _unit: None,
    *,
    keep_hours: timedelta | None = None,
) -> int:
    """Remove starts that ended longer ago than ``keep`` and costs by the hour older than ``keep_hours``; how many rows.

    Costs by the day stay. ``held`` is called in each transaction and raises when this process must not write any more.
    Raises SourceUnavailable.
    """
    total = 0
    while True:
        with work() as unit:
            held(unit)
            removed = unit.starts.prune(now - keep, AT_ONCE)
            removed += 0 if keep_hours is None else unit.costs.prune(now - keep_hours, AT_ONCE)
            unit.commit()
        total += removed
        if not removed:
            return total
