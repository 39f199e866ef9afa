"""Budgets, what happened at their thresholds, advice set aside."""

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
    )
    op.create_table(
        "budget_changes",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(none_as_null=True)),
        sa.PrimaryKeyConstraint("id", "revision", name=op.f("pk_budget_changes")),
    )
    op.create_index("ix_budget_changes_at", "budget_changes", ["at"])
    op.create_table(
        "budget_crossings",
        sa.Column("budget", sa.String(64), nullable=False),
        sa.Column("period_begin", UtcDateTime(), nullable=False),
        sa.Column("threshold", sa.String(32), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("spent_micro", sa.BigInteger(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("budget", "period_begin", "threshold", name=op.f("pk_budget_crossings")),
    )
    op.create_index("ix_budget_crossings_at", "budget_crossings", ["at"])
    op.create_table(
        "dismissals",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_dismissals")),
    )
