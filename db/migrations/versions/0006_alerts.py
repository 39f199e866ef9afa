"""Alerts and their delivery."""

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_episodes",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("begin", UtcDateTime(), nullable=False),
        sa.Column("missing", UtcDateTime()),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_alert_episodes")),
    )
    op.create_table(
        "alert_messages",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lease_until", UtcDateTime()),
        sa.Column("sent_at", UtcDateTime()),
        sa.Column("failed_at", UtcDateTime()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("test_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_alert_messages")),
    )
    op.create_index(op.f("ix_alert_messages_channel_state_next_at"), "alert_messages", ["channel", "state", "next_at"])
    op.create_index(op.f("ix_alert_messages_made_at"), "alert_messages", ["made_at"])
    op.create_table(
        "alerts",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("begin", UtcDateTime(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("message", sa.String(64)),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_alerts")),
        sa.ForeignKeyConstraint(
            ["message"],
            ["alert_messages.key"],
            name=op.f("fk_alerts_message_alert_messages"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_alerts_at"), "alerts", ["at"])
    op.create_index(op.f("ix_alerts_message_due_at"), "alerts", ["message", "due_at"])
