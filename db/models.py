"""Tables, typed, under one metadata whose naming convention keeps constraint names stable across engines."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, Integer, MetaData, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.types import Identity, UtcDateTime


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class JournalRow(Base):
    """One thing a person did to the demo estate.

    Rows are only ever added. ``id`` grows in the order in which rows became visible. ``entry`` holds a number under
    "schema" that says how to read the rest.
    """

    __tablename__ = "journal"
    __table_args__ = (Index(None, "cluster", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    cluster: Mapped[str] = mapped_column(String(253))
    actor: Mapped[str] = mapped_column(String(320))
    entry: Mapped[dict[str, Any]] = mapped_column(JSON)


class OperationRow(Base):
    """One operation: what was planned, by whom and why, and what became of it; see services.ports.Operation.

    From ``id`` to ``proposed_at`` nothing changes once written; the rest is what the events of the operation say.
    """

    __tablename__ = "operations"
    __table_args__ = (Index(None, "proposed_at"), Index(None, "state", "lease_until"))

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    action: Mapped[str] = mapped_column(String(64))
    summary: Mapped[str] = mapped_column(Text)
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)
    rehearsal: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    actor_name: Mapped[str] = mapped_column(Text)
    roles: Mapped[list[str]] = mapped_column(JSON)
    address: Mapped[str] = mapped_column(Text)
    mode: Mapped[str] = mapped_column(String(16))
    clusters: Mapped[list[str]] = mapped_column(JSON)
    undoes: Mapped[str] = mapped_column(String(64))
    proposed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cursor: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(Text)
    verification: Mapped[str] = mapped_column(Text)
    undone_by: Mapped[str] = mapped_column(String(64))
    worker: Mapped[str] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EventRow(Base):
    """One event of the audit's chain; ids count from 1 without gaps. See db.chain for the three hashes.

    Rows are only ever added; triggers refuse changes, and removals but of a prefix (up to the anchor). ``operation``
    is "" for events of the installation, so it is no foreign key.
    """

    __tablename__ = "operation_events"
    __table_args__ = (Index(None, "operation", "id"), Index(None, "kind", "id"))

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=False)
    operation: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(Text)
    says: Mapped[str] = mapped_column(Text)
    step: Mapped[int | None] = mapped_column(Integer)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    record: Mapped[str] = mapped_column(String(64))
    view: Mapped[str] = mapped_column(String(64))
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class EndRow(Base):
    """Where the chain begins and ends: the last event removed ("anchor") and the last one written ("head").

    Event 0 with the hash "" while there is none. Without the head nobody would miss events cut off at the end.
    """

    __tablename__ = "audit_ends"

    name: Mapped[str] = mapped_column(String(8), primary_key=True)
    event: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


class TargetRow(Base):
    """An object an operation changes, by its key; ``taken`` while it runs, by one operation at a time."""

    __tablename__ = "operation_targets"
    __table_args__ = (Index(None, "target", unique=True, sqlite_where=text("taken"), postgresql_where=text("taken")),)

    operation: Mapped[str] = mapped_column(ForeignKey("operations.id", ondelete="CASCADE"), primary_key=True)
    target: Mapped[str] = mapped_column(Text, primary_key=True)
    taken: Mapped[bool] = mapped_column(Boolean)


class NodeRow(Base):
    """A node the plan of an operation names, and when the operation last began."""

    __tablename__ = "operation_nodes"
    __table_args__ = (Index(None, "at"),)

    operation: Mapped[str] = mapped_column(ForeignKey("operations.id", ondelete="CASCADE"), primary_key=True)
    cluster: Mapped[str] = mapped_column(Text, primary_key=True)
    pool: Mapped[str] = mapped_column(Text, primary_key=True)
    node: Mapped[str] = mapped_column(Text, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
