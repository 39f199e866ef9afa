"""One question to the record of costs, answered as a reading."""

from collections.abc import Callable
from typing import TypeVar

from services.errors import SourceUnavailable
from services.ports import ReadUnit, Sources
from services.reading import Absence, Problem, Reading

T = TypeVar("T")


def asked(sources: Sources, ask: Callable[[ReadUnit], T]) -> Reading[T]:
    """What ``ask`` finds in a unit that only reads."""
    if sources.work is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    try:
        with sources.work.reading() as unit:
            return Reading(ask(unit), as_of=sources.now())
    except SourceUnavailable as error:
        return Reading(None, problem=Problem.of(error, source="database"))
