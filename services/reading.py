"""What every read returns, so that absence is a value and not an exception or a zero."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from services.errors import OpsError, SourceError

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """Why a source could not be asked, for a person.

    ``source`` names the source ("prometheus", "kubernetes", "database"), ``message`` says what
    happened without stack or secret, ``hint`` what to try, ``since`` when it first failed.
    """

    source: str
    message: str
    hint: str = ""
    since: datetime | None = None

    @staticmethod
    def of(error: OpsError, *, source: str = "", since: datetime | None = None) -> "Problem":
        """The problem an error amounts to."""
        named = error.source if isinstance(error, SourceError) else source
        return Problem(source=named, message=str(error), hint=error.hint, since=since)


class Absence(StrEnum):
    """Why there is no value although nothing failed."""

    LOADING = "loading"  # a store has not finished its first list
    NOT_COLLECTED = "not collected"  # the source answers, but this is not in it
    NOT_CONFIGURED = "not configured"  # no such source in the settings


@dataclass(frozen=True)
class Reading(Generic[T]):
    """A value with its age and, when something is wrong, the reason.

    ``value`` is the last good value if there ever was one; ``as_of`` is when *that* value was true.
    ``problem`` set with a value means stale; ``absence`` tells "not collected" and "loading" apart
    from an empty answer; ``notes`` are warnings the source sent along (partial answers).
    """

    value: T | None
    as_of: datetime | None = None
    problem: Problem | None = None
    absence: Absence | None = None
    notes: tuple[str, ...] = ()
