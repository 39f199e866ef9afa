"""What a counter is, and where steps of it end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Counter:
    """Something that only grows while its process lives, or a level.

    ``level`` says what is wanted of a level over a step: its ``mean``, its ``peak``, or the ``least`` of what processes
    saw last, where each tells its own view; "" is a counter. ``parts`` are labels of parts of a process whose levels
    add up; what tells the same part twice counts once. ``also`` are names of the same thing in other engines and
    versions, best first: of each process the first that is there counts. ``dimensions``: the columns of an answer, each
    with the labels it is taken from.
    """

    id: str
    metric: str
    help: str
    dimensions: Mapping[str, tuple[str, ...]]
    level: str = ""
    parts: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def gauge(self) -> bool:
        """Whether it is a level."""
        return self.level != ""

    @property
    def columns(self) -> dict[str, str]:
        """Columns of an answer: ``at`` is the END of a step; a dimension whose labels are missing is ""."""
        return {"at": "datetime64[us, UTC]", **dict.fromkeys(self.dimensions, "str"), "value": "float64"}


def ends(begin: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """The ends of the steps from ``begin`` to ``end``. Raises ValueError unless all are whole minutes and steps fit."""
    whole = not any(at.second or at.microsecond for at in (begin, end)) and not step % MINUTE
    if not whole or step < MINUTE or end < begin or (end - begin) % step:
        raise ValueError("begin, end and step are whole minutes, and the span is a whole number of steps")
    return [begin + step * number for number in range(1, (end - begin) // step + 1)]
