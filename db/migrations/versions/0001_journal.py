"""The journal of the demo estate."""

import sqlalchemy as sa
from alembic import op

from db.types import Identity, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("id", Identity, autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("cluster", sa.String(253), nullable=False),
        sa.Column("actor", sa.String(320), nullable=False),
        sa.Column("entry", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_journal_cluster_id"), "journal", ["cluster", "id"])
