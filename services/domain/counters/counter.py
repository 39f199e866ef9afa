"""What a counter is, and where steps of it end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Counter:
    """Something that only grows while its process lives, or with ``gauge`` a level whose mean is wanted.

    With ``least`` it is a level of which every process tells its own view, and the least of the last ones is wanted.
    ``dimensions``: the columns of an answer, each with the labels it is taken from.
    """

    id: str
    metric: str
    help: str
    dimensions: Mapping[str, tuple[str, ...]]
    gauge: bool = False
    least: bool = False

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
