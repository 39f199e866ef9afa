"""The audit's chain: every event carries the hash of the one before it, and of the operation as it left it.

An event has three hashes (SHA-256 over JSON with sorted keys and instants in UTC with microseconds):

- ``record``: what the operation was recorded with (plan, person, reason…), the same in all its events;
- ``view``: what had become of the operation after the event (state, outcome…);
- ``hash``: the event itself, with the two above and the hash of the event before.

So a changed event, a removed one and a changed operation are all found (:mod:`db.integrity`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, select, text, update
from sqlalchemy.orm import Session

from db.models import EndRow, EventRow, OperationRow
from services.ports import Event

_APPEND_LOCK = 7_201_002
"""Key of the PostgreSQL advisory lock that lets one transaction at a time write to the record."""

RECORD = (
    OperationRow.id, OperationRow.action, OperationRow.summary, OperationRow.plan, OperationRow.rehearsal,
    OperationRow.reason, OperationRow.actor, OperationRow.actor_name, OperationRow.roles, OperationRow.address,
    OperationRow.mode, OperationRow.clusters, OperationRow.undoes, OperationRow.proposed_at,
)  # fmt: skip
"""What never changes of an operation."""

VIEW = (
    OperationRow.state, OperationRow.started_at, OperationRow.finished_at, OperationRow.cursor, OperationRow.outcome,
    OperationRow.verification, OperationRow.undone_by,
)  # fmt: skip
"""What its events change of an operation; who holds it, and until when, is nobody's history."""

_COLUMNS = (
    EventRow.id, EventRow.operation, EventRow.kind, EventRow.at, EventRow.actor, EventRow.says, EventRow.step,
    EventRow.detail, EventRow.hash,
)  # fmt: skip


def digest(value: Any) -> str:
    """The hash of a JSON value that may hold instants. Raises ValueError for NaN and infinities, which JSON has not."""
    written = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_instant)
    return hashlib.sha256(written.encode()).hexdigest()


def plain(value: Any) -> Any:
    """A JSON value as it will be read back: text keys, lists for tuples."""
    return json.loads(json.dumps(value, allow_nan=False))


def clean(said: str) -> str:
    """Text that both engines can keep: what others answer may hold NUL or half a surrogate pair."""
    return said.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def sealed(fields: Mapping[str, Any]) -> str:
    """The hash of an event from all its other fields."""
    return digest({name: value for name, value in fields.items() if name != "hash"})


def part(row: Row[Any], columns: Sequence[Any]) -> str:
    """The hash of some columns of an operation's row: :data:`RECORD` or :data:`VIEW`."""
    return digest({column.key: getattr(row, column.key) for column in columns})


class Chain:
    """The chain inside one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def turn(self) -> None:
        """Wait until nobody else writes to the record; it stays ours until the transaction ends.

        Taken before any row is locked, so that two units of work never wait for each other.
        """
        if self._session.get_bind().dialect.name == "postgresql":  # SQLite's write lock is held since the begin
            self._session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPEND_LOCK})

    def append(self, event: Event) -> None:
        """Add an event; its operation has been changed already and gives the event its two hashes. Needs our turn."""
        head = self._session.execute(select(EndRow.event, EndRow.hash).where(EndRow.name == "head")).one()
        record, view = self._of_operation(event.operation)
        fields = {
            "id": head.event + 1,
            "operation": event.operation,
            "kind": event.kind,
            "at": event.at,
            "actor": clean(event.actor),
            "says": clean(event.says),
            "step": event.step,
            "detail": plain(event.detail),
            "record": record,
            "view": view,
            "previous": head.hash,
        }
        hashed = sealed(fields)
        self._session.execute(insert(EventRow).values(**fields, hash=hashed))
        self._end("head", head.event + 1, hashed)

    def events(self, chosen: ColumnElement[bool]) -> tuple[Event, ...]:
        """Events in order."""
        rows = self._session.execute(select(*_COLUMNS).where(chosen).order_by(EventRow.id))
        return tuple(Event(**row._asdict()) for row in rows)

    def last(self, chosen: ColumnElement[bool]) -> Event | None:
        """The last of some events."""
        row = self._session.execute(select(*_COLUMNS).where(chosen).order_by(EventRow.id.desc()).limit(1)).first()
        return None if row is None else Event(**row._asdict())

    def cut(self, last: int) -> int:
        """Remove all events up to one, whose hash becomes the anchor; how many there were. Needs our turn."""
        hashed = self._session.execute(select(EventRow.hash).where(EventRow.id == last)).scalar_one()
        self._end("anchor", last, hashed)  # first: the triggers let go of what the anchor stands for
        return self._session.connection().execute(delete(EventRow).where(EventRow.id <= last)).rowcount

    def _of_operation(self, operation: str) -> tuple[str, str]:
        if not operation:
            return "", ""
        of_it = select(EventRow.record).where(EventRow.operation == operation)
        record = self._session.execute(of_it.order_by(EventRow.id.desc()).limit(1)).scalar()
        wanted = VIEW if record else (*RECORD, *VIEW)
        row = self._session.execute(select(*wanted).where(OperationRow.id == operation)).one()
        return record or part(row, RECORD), part(row, VIEW)

    def _end(self, name: str, event: int, hashed: str) -> None:
        self._session.execute(update(EndRow).where(EndRow.name == name).values(event=event, hash=hashed))


def _instant(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    raise TypeError(f"neither JSON nor an instant with its zone: {type(value).__name__}")
