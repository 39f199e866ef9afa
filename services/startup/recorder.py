"""Whether starts are being recorded: when each cluster was last looked at, and how far the past has been filled in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from services.errors import SourceUnavailable
from services.ports import Sources, Starts
from services.reading import Absence, Problem, Reading

T = TypeVar("T")

ALIVE, BACKFILL = "alive", "backfill"
"""Names of the marks a collector leaves."""


@dataclass(frozen=True)
class State:
    """How far recording is.

    ``looked``: by cluster when it was looked at last, None for never; ``since``: when recording began, where it did.
    ``filled``: by cluster the share (0..1) of the past that is filled in, of those whose past can be. ``first``: when
    the pod of the first recorded start was made.
    """

    looked: Mapping[str, datetime | None]
    since: Mapping[str, datetime]
    filled: Mapping[str, float]
    first: datetime | None


def state(sources: Sources, cluster: str = "") -> Reading[State]:
    """Of all clusters, or of the one that is named."""
    names = tuple(source.name for source in sources.chosen(cluster))

    def read(record: Starts) -> State:
        filled = {name: _filled(record.mark(name, BACKFILL)) for name in names}
        marks = {name: record.mark(name, ALIVE) for name in names}
        begun = {name: _instant(mark, "since") for name, mark in marks.items()}
        return State(
            looked={name: _instant(mark) for name, mark in marks.items()},
            since={name: at for name, at in begun.items() if at is not None},
            filled={name: share for name, share in filled.items() if share is not None},
            first=record.extent(names).first,
        )

    return _read(sources, read)


def looked(sources: Sources, cluster: str = "") -> Mapping[str, datetime | None]:
    """By cluster when it was last looked at; empty while it cannot be told."""
    names = tuple(source.name for source in sources.chosen(cluster))
    return _read(sources, lambda record: {name: _instant(record.mark(name, ALIVE)) for name in names}).value or {}


def _read(sources: Sources, ask: Callable[[Starts], T]) -> Reading[T]:
    if sources.work is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    try:
        with sources.work.reading() as unit:
            return Reading(ask(unit.starts), as_of=sources.now())
    except SourceUnavailable as error:
        return Reading(None, problem=Problem.of(error, source="database"))


def _instant(mark: Mapping[str, Any] | None, key: str = "at") -> datetime | None:
    return datetime.fromisoformat(str(mark[key])) if mark and mark.get(key) else None


def _filled(mark: Mapping[str, Any] | None) -> float | None:
    if not mark or not mark.get("of"):
        return None
    return min(float(mark["done"]) / float(mark["of"]), 1.0)
