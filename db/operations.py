"""The record of operations: who changes what, the events of it, and what is being changed now."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from db.chain import Chain, clean, plain
from db.integrity import broken
from db.models import EventRow, OperationRow
from db.targets import Targets
from services.errors import NotFound, Refused
from services.ports import OPERATIONS, Broken, Event, Operation

BEGINNABLE = ("proposed", "interrupted", "failed")
"""States an operation may begin to run from; one that runs on a lease that has passed may be taken over as well."""

_OPERATION = tuple(getattr(OperationRow, name) for name in Operation.__dataclass_fields__)
_BREAKER = ("breaker-tripped", "breaker-reset")


class Operations:
    """The record inside one unit of work; one such unit writes at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._chain, self._targets = Chain(session), Targets(session)

    def propose(self, operation: Operation, events: Sequence[Event], *, targets: Sequence[str]) -> None:
        """Record a plan for the first time, in the state it has; ``targets`` are taken when that is "running".

        Raises Refused when the plan was recorded before or a target is taken, ValueError without events or for a plan
        that is no JSON.
        """
        self._chain.turn()
        before = self.get(operation.id)
        if before is not None:
            did = "proposed" if before.state == "proposed" else "applied"
            raise Refused(f"This plan was {did} already, by {before.actor_name}. Plan the change anew to repeat it.")
        running = operation.state == "running"
        if running:
            self._targets.refuse_taken(operation.id, targets)
        self._session.execute(insert(OperationRow).values(**_values(operation)))
        self._targets.add(operation.id, targets, taken=running)
        if running or operation.started_at is not None:
            self._targets.touch(operation.id, operation.started_at or operation.proposed_at)
        self._append(operation.id, events)

    def begin(self, id: str, *, worker: str, lease_until: datetime, at: datetime) -> bool:
        """Take an operation for a worker, and its targets; False when somebody else took it first.

        Log why in the same unit of work: the chain knows of a state only by an event. Raises Refused when a target is
        taken.
        """
        self._chain.turn()
        may = or_(OperationRow.state.in_(BEGINNABLE), _abandoned(at))
        state = self._session.execute(select(OperationRow.state).where(OperationRow.id == id, may)).scalar()
        if state is None:
            return False
        self._targets.refuse_taken(id, self._targets.of(id))
        taken = self._changed(
            id,
            may,
            state="running",
            worker=worker,
            lease_until=lease_until,
            started_at=func.coalesce(OperationRow.started_at, at),
            finished_at=None,
            outcome="",
            verification="",
        )
        if taken and state != "running":
            self._targets.take(id)
            self._targets.touch(id, at)
        return taken

    def hold(self, id: str, *, worker: str, lease_until: datetime) -> bool:
        """Prolong the lease; False when the operation is no longer this worker's or no longer running."""
        self._chain.turn()
        return self._changed(id, _held(worker), lease_until=lease_until)

    def log(self, event: Event, *, worker: str = "", cursor: int | None = None) -> bool:
        """Append an event and move the cursor. With ``worker``: False, and nothing appended, when it lost its hold.

        Raises NotFound for an operation there is not.
        """
        self._chain.turn()
        if event.operation:
            moved = OperationRow.cursor if cursor is None else cursor
            if not self._changed(event.operation, *([_held(worker)] if worker else []), cursor=moved):
                if worker:
                    return False
                raise NotFound("There is no such operation.")
        self._append(event.operation, [event])
        return True

    def finish(
        self,
        id: str,
        state: str,
        events: Sequence[Event],
        *,
        at: datetime,
        outcome: str,
        verification: str = "",
        worker: str = "",
    ) -> bool:
        """End a run in a state and free the targets; False, and nothing kept, when ``worker`` lost its hold.

        Without a worker False as well while somebody else's lease lasts; and only what is proposed can be declined.
        """
        self._chain.turn()
        if worker:
            may = _held(worker)
        elif state == "declined":
            may = OperationRow.state == "proposed"
        else:
            may = or_(and_(OperationRow.state != "running", OperationRow.state != "declined"), _abandoned(at))
        ended = {"state": state, "finished_at": at, "outcome": clean(outcome), "verification": clean(verification)}
        if not self._changed(id, may, lease_until=None, **ended):
            return False
        self._targets.free(id)
        self._append(id, events)
        return True

    def undone(self, id: str, by: str, event: Event) -> None:
        """Note that an operation was taken back by another."""
        self._chain.turn()
        if not self._changed(id, undone_by=by):
            raise NotFound("There is no such operation.")
        self._append(id, [event])

    def expired(self, at: datetime) -> tuple[Operation, ...]:
        """Operations that run on a lease that has passed."""
        rows = self._session.execute(select(*_OPERATION).where(_abandoned(at)).order_by(OperationRow.proposed_at))
        return tuple(_operation(row) for row in rows)

    def get(self, id: str) -> Operation | None:
        """One operation."""
        row = self._session.execute(select(*_OPERATION).where(OperationRow.id == id)).first()
        return None if row is None else _operation(row)

    def events(self, id: str) -> tuple[Event, ...]:
        """The events of an operation in order; of the installation for ""."""
        return self._chain.events(EventRow.operation == id)

    def recent(self, *, since: datetime | None = None, limit: int = 1000) -> pd.DataFrame:
        """Operations by OPERATIONS, newest first; ``at`` is when they were proposed, lists are joined by ", "."""
        names = [{"at": "proposed_at"}.get(name, name) for name in OPERATIONS]
        wanted = select(*(getattr(OperationRow, name) for name in names))
        if since is not None:
            wanted = wanted.where(OperationRow.proposed_at >= since)
        newest = wanted.order_by(OperationRow.proposed_at.desc(), OperationRow.id).limit(limit)
        frame = pd.DataFrame(self._session.execute(newest).all(), columns=list(OPERATIONS))
        for name in ("roles", "clusters"):
            frame[name] = frame[name].map(", ".join)
        return frame.astype(OPERATIONS)

    def touched(self, since: datetime) -> tuple[tuple[str, str, str], ...]:
        """(cluster, pool, node) of the nodes operations that began, or began again, since then name in their plans."""
        return self._targets.touched(since)

    def breaker(self) -> Event | None:
        """The event that tripped the breaker, None while it is closed."""
        last = self._chain.last(EventRow.kind.in_(_BREAKER))
        return last if last is not None and last.kind == "breaker-tripped" else None

    def verify(self) -> tuple[Broken, ...]:
        """Check the whole record; empty when everything is as it was written."""
        if not broken(self._session):
            return ()
        self._chain.turn()  # what somebody was writing meanwhile looks broken as well
        return broken(self._session)

    def prune(self, before: datetime) -> int:
        """Remove the events before the first one at or after ``before``, and operations without any; how many events.

        Stops at what is not over: a running operation and a breaker that is open. Raises Refused when what would go
        does not hold, for then it is evidence.
        """
        self._chain.turn()
        last = self._last_removable(before)
        if last is None:
            return 0
        if broken(self._session, upto=last):
            raise Refused("The record was tampered with before that time, so nothing of it is removed.")
        of_it = EventRow.operation == OperationRow.id
        gone = and_(exists().where(of_it, EventRow.id <= last), ~exists().where(of_it, EventRow.id > last))
        self._session.execute(delete(OperationRow).where(gone))
        return self._chain.cut(last)

    def _last_removable(self, before: datetime) -> int | None:
        running = select(OperationRow.id).where(OperationRow.state == "running")
        tripped = self.breaker()
        stays = or_(
            EventRow.at >= before,
            EventRow.operation.in_(running),
            EventRow.id == (0 if tripped is None else tripped.id),
        )
        first = self._session.execute(select(func.min(EventRow.id)).where(stays)).scalar()
        last = select(func.max(EventRow.id))
        return self._session.execute(last if first is None else last.where(EventRow.id < first)).scalar()

    def _changed(self, id: str, *may: ColumnElement[bool], **values: Any) -> bool:
        """Change an operation while all conditions hold; whether they did."""
        change = update(OperationRow).where(OperationRow.id == id, *may).values(**values)
        return self._session.connection().execute(change).rowcount == 1

    def _append(self, id: str, events: Sequence[Event]) -> None:
        if not events:
            raise ValueError("an operation changes with an event that says so")
        for event in events:
            self._chain.append(replace(event, operation=id))


def _held(worker: str) -> ColumnElement[bool]:
    return and_(OperationRow.state == "running", OperationRow.worker == worker)


def _abandoned(at: datetime) -> ColumnElement[bool]:
    """Runs, and nobody is known to work on it."""
    passed = or_(OperationRow.lease_until.is_(None), OperationRow.lease_until <= at)
    return and_(OperationRow.state == "running", passed)


def _values(operation: Operation) -> dict[str, Any]:
    values = {name: getattr(operation, name) for name in Operation.__dataclass_fields__}
    texts = {name: clean(value) for name, value in values.items() if isinstance(value, str)}
    return values | texts | {name: plain(values[name]) for name in ("plan", "rehearsal", "roles", "clusters")}


def _operation(row: Any) -> Operation:
    fields = row._asdict()
    tuples = {name: tuple(fields[name]) for name in ("rehearsal", "roles", "clusters")}
    return Operation(**fields | tuples)
