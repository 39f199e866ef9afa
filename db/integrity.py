"""Whether the record is as it was written: the chain from its anchor to its head, and each operation by its events."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, inspect, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.chain import RECORD, VIEW, part, sealed
from db.models import Base, EndRow, EventRow, OperationRow
from services.ports import Broken

BATCH = 500
"""Rows read at once."""


def broken(session: Session, *, upto: int | None = None) -> tuple[Broken, ...]:
    """Where the record does not hold: all of it, or only its chain up to an event. Empty when it does.

    What others write meanwhile may look like a break: read in a snapshot, or look again while nobody writes.
    """
    ends = {row.name: row for row in session.execute(select(EndRow.name, EndRow.event, EndRow.hash))}
    if not {"anchor", "head"} <= ends.keys():
        return (Broken(0, "Where the chain begins and ends is no longer known."),)
    walk = _Walk(ends["anchor"].event, ends["anchor"].hash)
    for number, row in _rows(session, EventRow, EventRow.id):
        if upto is not None and number > upto:
            return tuple(walk.found)
        walk.step(number, row)
    walk.end(ends["head"].event, ends["head"].hash)
    return (*walk.found, *_operations(session, walk.latest))


class _Walk:
    """Goes from event to event; ``latest`` is the last one of each operation, with the hashes it has of it."""

    def __init__(self, event: int, hashed: str) -> None:
        self.found: list[Broken] = []
        self.latest: dict[str, tuple[int, str, str]] = {}
        self._start = self._event = event
        self._hash: str | None = hashed  # None after an event that could not be read

    def step(self, number: int, row: Row[Any] | None) -> None:
        """Go to the next event; ``row`` is None when it cannot be read."""
        if number <= self._start:
            self._break(f"Event {number} was put before the start of the chain.")
            return
        if number > self._event + 1:
            self._break(f"{_span(self._event + 1, number - 1)} missing.")
        elif row is not None and self._hash is not None and row.previous != self._hash:
            self._break(f"Event {number} does not follow the one before it: one of the two was rewritten.")
        if row is None or not _holds(row.hash, lambda: sealed(row._asdict())):
            self._break(f"Event {number} is not as it was written.")
        if row is not None and row.operation:
            _, record, _ = self.latest.get(row.operation, (0, row.record, ""))
            if record != row.record:
                self._break(f"Event {number} is of another plan than the events of its operation before it.")
            self.latest[row.operation] = (number, row.record, row.view)
        self._event, self._hash = number, None if row is None else row.hash

    def end(self, event: int, hashed: str) -> None:
        """Arrive at what is the last event that was written."""
        if self._event < event:
            self._break(f"{_span(self._event + 1, event)} missing at the end.")
        elif self._event > event:
            self.found.append(Broken(event, f"{_span(event + 1, self._event)} behind the end of the chain."))
        elif self._hash not in (None, hashed):
            self._break(f"Event {event} is not the one that was written last.")

    def _break(self, says: str) -> None:
        self.found.append(Broken(self._event, says))


def _operations(session: Session, latest: dict[str, tuple[int, str, str]]) -> Iterator[Broken]:
    left = dict(latest)
    for id, row in _rows(session, OperationRow, OperationRow.id):
        event, record, view = left.pop(id, (0, "", ""))
        if not event:
            yield Broken(0, f"Operation {id} has no events.")
        elif row is None or not _holds(record, lambda row=row: part(row, RECORD)):  # type: ignore[misc]
            yield Broken(event, f"What operation {id} says of its plan, person or reason is not what was recorded.")
        elif not _holds(view, lambda row=row: part(row, VIEW)):  # type: ignore[misc]
            yield Broken(event, f"What operation {id} says of its state or outcome is not what its events say.")
    for id, (event, _, _) in left.items():
        yield Broken(event, f"Operation {id} is missing.")


def _rows(
    session: Session, table: type[Base], key: InstrumentedAttribute[Any]
) -> Iterator[tuple[Any, Row[Any] | None]]:
    """All rows of a table with their keys, by key; None for a row that cannot be read."""
    last = None
    while True:
        following = select(key).order_by(key).limit(BATCH)
        keys = session.execute(following if last is None else following.where(key > last)).scalars().all()
        if not keys:
            return
        yield from _read(session, table, key, keys)
        last = keys[-1]


def _read(
    session: Session, table: type[Base], key: InstrumentedAttribute[Any], keys: Sequence[Any]
) -> Iterator[tuple[Any, Row[Any] | None]]:
    wanted = select(*inspect(table).columns).where(key.in_(keys)).order_by(key)
    try:
        rows = session.execute(wanted).all()
    except ValueError:  # broken JSON or a broken instant somewhere among them
        if len(keys) == 1:
            yield keys[0], None
            return
        half = len(keys) // 2
        yield from _read(session, table, key, keys[:half])
        yield from _read(session, table, key, keys[half:])
        return
    for row in rows:
        yield getattr(row, key.key), row


def _holds(kept: str, made: Callable[[], str]) -> bool:
    """Whether a hash is that of what is there now, which may be anything."""
    try:
        return made() == kept
    except (TypeError, ValueError):
        return False


def _span(first: int, last: int) -> str:
    return f"Event {first} is" if first == last else f"Events {first} to {last} are"
