"""The record of operations: what people did, the chain of events, and what is being changed."""

import sqlalchemy as sa
from alembic import op

from db.types import Identity, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQLITE = (
    """
    CREATE TRIGGER operation_events_stay BEFORE UPDATE ON operation_events
    BEGIN SELECT RAISE(ABORT, 'events of the audit are not changed'); END
    """,
    """
    CREATE TRIGGER operation_events_remain BEFORE DELETE ON operation_events
    WHEN OLD.id > coalesce((SELECT event FROM audit_ends WHERE name = 'anchor'), 0)
    BEGIN SELECT RAISE(ABORT, 'events of the audit are removed from the start only'); END
    """,
)
POSTGRESQL = (
    """
    CREATE FUNCTION operation_events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.id <= coalesce((SELECT event FROM audit_ends WHERE name = 'anchor'), 0) THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION 'events of the audit are removed from the start only';
        END IF;
        RAISE EXCEPTION 'events of the audit are not changed';
    END $$
    """,
    """
    CREATE TRIGGER operation_events_stay BEFORE UPDATE OR DELETE ON operation_events
    FOR EACH ROW EXECUTE FUNCTION operation_events_stay()
    """,
    """
    CREATE TRIGGER operation_events_remain BEFORE TRUNCATE ON operation_events
    FOR EACH STATEMENT EXECUTE FUNCTION operation_events_stay()
    """,
)


def upgrade() -> None:
    op.create_table(
        "operations",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("rehearsal", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("clusters", sa.JSON(), nullable=False),
        sa.Column("undoes", sa.String(64), nullable=False),
        sa.Column("proposed_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", UtcDateTime()),
        sa.Column("finished_at", UtcDateTime()),
        sa.Column("cursor", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("verification", sa.Text(), nullable=False),
        sa.Column("undone_by", sa.String(64), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lease_until", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
    )
    op.create_index(op.f("ix_operations_proposed_at"), "operations", ["proposed_at"])
    op.create_index(op.f("ix_operations_state_lease_until"), "operations", ["state", "lease_until"])
    op.create_table(
        "operation_events",
        sa.Column("id", Identity, autoincrement=False, nullable=False),
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer()),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("record", sa.String(64), nullable=False),
        sa.Column("view", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation_events")),
    )
    op.create_index(op.f("ix_operation_events_operation_id"), "operation_events", ["operation", "id"])
    op.create_index(op.f("ix_operation_events_kind_id"), "operation_events", ["kind", "id"])
    ends = op.create_table(
        "audit_ends",
        sa.Column("name", sa.String(8), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_ends")),
    )
    op.bulk_insert(ends, [{"name": name, "event": 0, "hash": ""} for name in ("anchor", "head")])
    op.create_table(
        "operation_targets",
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("operation", "target", name=op.f("pk_operation_targets")),
        sa.ForeignKeyConstraint(
            ["operation"],
            ["operations.id"],
            name=op.f("fk_operation_targets_operation_operations"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        op.f("ix_operation_targets_target"),
        "operation_targets",
        ["target"],
        unique=True,
        sqlite_where=sa.text("taken"),
        postgresql_where=sa.text("taken"),
    )
    op.create_table(
        "operation_nodes",
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("operation", "cluster", "pool", "node", name=op.f("pk_operation_nodes")),
        sa.ForeignKeyConstraint(
            ["operation"], ["operations.id"], name=op.f("fk_operation_nodes_operation_operations"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_operation_nodes_at"), "operation_nodes", ["at"])
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
