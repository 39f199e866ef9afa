"""Putting the readings of several clusters together: one dead source costs its own rows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from services.reading import Absence, Reading

T = TypeVar("T")
U = TypeVar("U")


def merged(parts: Sequence[Reading[T]], join: Callable[[list[T]], U]) -> Reading[U]:
    """One reading from many: values joined, the oldest age, the first problem, the others as notes.

    Absent only when every part is absent; a part that is absent while others have values becomes a note.
    """
    values = [part.value for part in parts if part.value is not None and part.absence is not Absence.NOT_COLLECTED]
    problems = [part.problem for part in parts if part.problem is not None]
    absences = [part.absence for part in parts if part.absence is not None]
    notes = [note for part in parts for note in part.notes]
    notes += [f"{problem.message} {problem.hint}".strip() for problem in problems[1:]]
    ages = [part.as_of for part in parts if part.as_of is not None]
    answer: Reading[U] = Reading(
        join(values) if values else None,
        as_of=min(ages) if ages else None,
        problem=problems[0] if problems else None,
        absence=absences[0] if absences and not values else None,
        notes=tuple(dict.fromkeys(notes)),
    )
    if values and Absence.LOADING in absences:
        answer = replace(answer, notes=(*answer.notes, "Some clusters are still being read."))
    return answer
