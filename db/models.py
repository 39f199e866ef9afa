"""Tables, typed, under one metadata whose naming convention keeps constraint names stable across engines."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    text,
)
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


class StartRow(Base):
    """The start of one GPU pod; see services.domain.startup.frame.STARTS for what the columns mean.

    ``digest`` is of all that was recorded of the start, so that recording the same again can change nothing.
    """

    __tablename__ = "starts"
    __table_args__ = (
        Index(None, "created_at", "cluster"),
        Index(None, "cluster", "namespace", "workload", "created_at"),
    )

    cluster: Mapped[str] = mapped_column(Text, primary_key=True)
    uid: Mapped[str] = mapped_column(Text, primary_key=True)
    namespace: Mapped[str] = mapped_column(Text)
    workload_kind: Mapped[str] = mapped_column(Text)
    workload: Mapped[str] = mapped_column(Text)
    team: Mapped[str] = mapped_column(Text)
    pod: Mapped[str] = mapped_column(Text)
    attempt: Mapped[str] = mapped_column(Text)
    node: Mapped[str] = mapped_column(Text)
    pool: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    instance: Mapped[str] = mapped_column(Text)
    capacity_type: Mapped[str] = mapped_column(Text)
    resource: Mapped[str] = mapped_column(Text)
    gpus: Mapped[float] = mapped_column(Float)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    scheduled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(16))
    total_s: Mapped[float] = mapped_column(Float)
    cold: Mapped[bool | None] = mapped_column(Boolean)
    headroom: Mapped[bool | None] = mapped_column(Boolean)
    image: Mapped[str] = mapped_column(Text)
    image_bytes: Mapped[int | None] = mapped_column(BigInteger)
    pull: Mapped[str] = mapped_column(String(16))
    queue_s: Mapped[float] = mapped_column(Float)
    wait_s: Mapped[float] = mapped_column(Float)
    decision_s: Mapped[float] = mapped_column(Float)
    provision_s: Mapped[float] = mapped_column(Float)
    boot_s: Mapped[float] = mapped_column(Float)
    device_s: Mapped[float] = mapped_column(Float)
    bind_s: Mapped[float] = mapped_column(Float)
    volume_s: Mapped[float] = mapped_column(Float)
    setup_s: Mapped[float] = mapped_column(Float)
    pull_wait_s: Mapped[float] = mapped_column(Float)
    pull_s: Mapped[float] = mapped_column(Float)
    init_s: Mapped[float] = mapped_column(Float)
    download_s: Mapped[float] = mapped_column(Float)
    start_s: Mapped[float] = mapped_column(Float)
    retry_s: Mapped[float] = mapped_column(Float)
    load_s: Mapped[float] = mapped_column(Float)
    readiness_s: Mapped[float] = mapped_column(Float)
    unattributed_s: Mapped[float] = mapped_column(Float)
    usd: Mapped[float | None] = mapped_column(Float)
    usd_per_hour: Mapped[float | None] = mapped_column(Float)
    restarts: Mapped[int] = mapped_column(Integer)
    flags: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    digest: Mapped[str] = mapped_column(String(32))


class StartDetailRow(Base):
    """One start in full, for its page; see services.domain.startup.frame.document. The row itself stays short."""

    __tablename__ = "start_details"
    __table_args__ = (ForeignKeyConstraint(["cluster", "uid"], ["starts.cluster", "starts.uid"], ondelete="CASCADE"),)

    cluster: Mapped[str] = mapped_column(Text, primary_key=True)
    uid: Mapped[str] = mapped_column(Text, primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)


class StartPullRow(Base):
    """How one container of a start came to its image. ``created_at`` is the start's: what a window asks by."""

    __tablename__ = "start_pulls"
    __table_args__ = (
        ForeignKeyConstraint(["cluster", "uid"], ["starts.cluster", "starts.uid"], ondelete="CASCADE"),
        Index(None, "created_at", "cluster"),
    )

    cluster: Mapped[str] = mapped_column(Text, primary_key=True)
    uid: Mapped[str] = mapped_column(Text, primary_key=True)
    container: Mapped[str] = mapped_column(Text, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    node: Mapped[str] = mapped_column(Text)
    pool: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    image: Mapped[str] = mapped_column(Text)
    image_registry: Mapped[str] = mapped_column("registry", Text)  # SQLAlchemy keeps the shorter name for itself
    how: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seconds: Mapped[float | None] = mapped_column(Float)
    waiting_s: Mapped[float | None] = mapped_column(Float)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)


class StartTraceRow(Base):
    """What was seen of a start that is in progress, as JSON text; see services.domain.startup.trace.Trace."""

    __tablename__ = "start_traces"
    __table_args__ = (Index(None, "updated_at"),)

    cluster: Mapped[str] = mapped_column(Text, primary_key=True)
    uid: Mapped[str] = mapped_column(Text, primary_key=True)
    trace: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StartNodeRow(Base):
    """What was seen of a node, as JSON text; see services.domain.startup.trace.NodeSeen."""

    __tablename__ = "start_nodes"
    __table_args__ = (Index(None, "updated_at"),)

    cluster: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    node: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LeaseRow(Base):
    """Who works, of several that could. ``token`` grows with every change of hands; ``holder`` is "" once released."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(Text)
    token: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MarkRow(Base):
    """What a collector notes for itself, such as how far a backfill is."""

    __tablename__ = "collector_marks"

    cluster: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AlertEpisodeRow(Base):
    """A finding that lasts: when it was first seen, and since when it is missing."""

    __tablename__ = "alert_episodes"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    begin: Mapped[datetime] = mapped_column(UtcDateTime)
    missing: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AlertMessageRow(Base):
    """The outbox: one message to a channel; see services.ports.alerts for its states.

    ``failed_at`` is when it first failed; ``test_by`` who asked for a test, "" of a message with alerts.
    """

    __tablename__ = "alert_messages"
    __table_args__ = (Index(None, "channel", "state", "next_at"), Index(None, "made_at"))

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    channel: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    worker: Mapped[str] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str] = mapped_column(Text)
    test_by: Mapped[str] = mapped_column(Text)


class AlertRow(Base):
    """That a finding began, for one channel; the message it is in, once it is in one."""

    __tablename__ = "alerts"
    __table_args__ = (Index(None, "at"), Index(None, "message", "due_at"))

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    channel: Mapped[str] = mapped_column(Text)
    finding: Mapped[str] = mapped_column(Text)
    begin: Mapped[datetime] = mapped_column(UtcDateTime)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(Text)
    severity: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
    cluster: Mapped[str] = mapped_column(Text)
    team: Mapped[str] = mapped_column(Text)
    page: Mapped[str] = mapped_column(Text)
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    message: Mapped[str | None] = mapped_column(ForeignKey("alert_messages.key", ondelete="CASCADE"))
