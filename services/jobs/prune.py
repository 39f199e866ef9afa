"""Forgetting starts that are older than is wanted."""

from collections.abc import Callable
from datetime import datetime, timedelta

from services.ports import UnitOfWork, Work

AT_ONCE = 500
"""Starts removed in one transaction."""


def prune(work: Work, keep: timedelta, now: datetime, held: Callable[[UnitOfWork], None] = lambda _unit: None) -> int:
    """Remove starts that ended longer ago than ``keep``; how many rows. Raises SourceUnavailable.

    ``held`` is called in each transaction and raises when this process must not write any more.
    """
    total = 0
    while True:
        with work() as unit:
            held(unit)
            removed = unit.starts.prune(now - keep, AT_ONCE)
            unit.commit()
        total += removed
        if not removed:
            return total
