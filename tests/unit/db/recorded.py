"""Operations, events and tampering hands for tests of the record."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from db.work import Database
from services.ports import Broken, Event, Operation
from tests.conftest import NOW

NODE_A = "east|v1|Node||a-1"
NODE_B = "east|v1|Node||b-1"
LEASE = timedelta(seconds=60)


def operation(key: str = "p1", **changes: Any) -> Operation:
    """An operation that runs by worker w1, unless told otherwise."""
    fields: dict[str, Any] = {
        "id": key,
        "action": "cordon-node",
        "summary": "Cordon a-1",
        "state": "running",
        "plan": {"schema": 1, "id": key, "nodes": [["east", "h100", ["a-1", "a-2"]]], "params": {"größe": 1.5}},
        "reason": "ECC errors",
        "actor": "sub-1",
        "actor_name": "Ada",
        "roles": ("operator", "finance"),
        "address": "10.0.0.7",
        "mode": "live",
        "proposed_at": NOW,
        "started_at": NOW,
        "worker": "w1",
        "lease_until": NOW + LEASE,
        "rehearsal": ({"step": 0, "ok": True, "says": "accepted"},),
        "clusters": ("east", "west"),
    } | changes
    return Operation(**fields)


def waiting(key: str = "p1", **changes: Any) -> Operation:
    """An operation that waits for a second person."""
    return operation(key, **{"state": "proposed", "started_at": None, "worker": "", "lease_until": None, **changes})


def event(key: str = "p1", kind: str = "applied", **changes: Any) -> Event:
    """An event at NOW by Ada."""
    return Event(**{"operation": key, "kind": kind, "at": NOW, "actor": "sub-1", "says": f"{kind} by Ada"} | changes)


def propose(database: Database, given: Operation, *targets: str) -> None:
    """Record an operation with one event."""
    kind = "proposed" if given.state == "proposed" else "applied"
    with database() as work:
        work.operations.propose(given, [event(given.id, kind, at=given.proposed_at)], targets=targets)
        work.commit()


def log(database: Database, given: Event, **how: Any) -> bool:
    """Append an event."""
    with database() as work:
        kept = work.operations.log(given, **how)
        work.commit()
    return kept


def finish(database: Database, key: str = "p1", state: str = "done", **how: Any) -> bool:
    """End a run of worker w1 a minute after NOW."""
    at = NOW + timedelta(minutes=1)
    with database() as work:
        kept = work.operations.finish(
            key, state, [event(key, state, at=at)], **{"at": at, "outcome": f"It is {state}.", "worker": "w1", **how}
        )
        work.commit()
    return kept


def broken(database: Database) -> list[Broken]:
    """Where the record does not hold."""
    with database() as work:
        return list(work.operations.verify())


def tamper(database: Database, statement: str) -> None:
    """Change the record behind its back, as who owns the database can."""
    with database.engine.begin() as connection:
        for each in (*_unguarded(database), statement):
            connection.execute(text(each))


def would_break(database: Database, statement: str) -> list[Broken]:
    """Where the record would not hold after a change behind its back, which is not kept."""
    with database() as work:
        for each in (*_unguarded(database), statement):
            work._session.execute(text(each))
        return list(work.operations.verify())


def _unguarded(database: Database) -> tuple[str, ...]:
    """Statements that switch off the triggers."""
    if database.engine.dialect.name == "sqlite":
        return tuple(f"DROP TRIGGER IF EXISTS operation_events_{name}" for name in ("stay", "remain"))
    return ("ALTER TABLE operation_events DISABLE TRIGGER USER",)
