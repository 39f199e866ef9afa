"""Costs: spans, facts of hours and days, spend of language models, rate cards."""

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LASTING = sa.text('"end" IS NULL')


def upgrade() -> None:
    op.create_table(
        "cost_owners",
        sa.Column("owner", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("workload_kind", sa.Text(), nullable=False),
        sa.Column("workload", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_cost_owners")),
    )
    op.create_table(
        "cost_places",
        sa.Column("place", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("instance_type", sa.Text(), nullable=False),
        sa.Column("capacity_type", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_cost_places")),
    )
    op.create_table(
        "cost_node_spans",
        sa.Column("cluster", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("uid", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("begin", UtcDateTime(), nullable=False, autoincrement=False),
        sa.Column("end", UtcDateTime()),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("gpus", sa.BigInteger(), nullable=False),
        sa.Column("out", sa.BigInteger(), nullable=False),
        sa.Column("remainder", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "uid", "begin", name=op.f("pk_cost_node_spans")),
    )
    op.create_index("ix_cost_node_spans_end", "cost_node_spans", ["end"])
    op.create_index(
        "ix_cost_node_spans_open", "cost_node_spans", ["cluster"], sqlite_where=_LASTING, postgresql_where=_LASTING
    )
    op.create_table(
        "cost_hold_spans",
        sa.Column("cluster", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("pod_uid", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("node_uid", sa.Text(), nullable=False),
        sa.Column("begin", UtcDateTime(), nullable=False, autoincrement=False),
        sa.Column("end", UtcDateTime()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner", sa.BigInteger(), nullable=False),
        sa.Column("pod", sa.Text(), nullable=False),
        sa.Column("ticks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "pod_uid", "begin", name=op.f("pk_cost_hold_spans")),
    )
    op.create_index("ix_cost_hold_spans_end", "cost_hold_spans", ["end"])
    op.create_index(
        "ix_cost_hold_spans_open", "cost_hold_spans", ["cluster"], sqlite_where=_LASTING, postgresql_where=_LASTING
    )
    op.create_table(
        "cost_sorts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_sorts")),
        sa.UniqueConstraint("kind", "basis", name=op.f("uq_cost_sorts_kind_basis")),
    )
    op.create_table(
        "cost_controls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("hour", UtcDateTime(), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.Column("nodes", sa.BigInteger(), nullable=False),
        sa.Column("gpu_ticks", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_ticks", sa.BigInteger(), nullable=False),
        sa.Column("micro", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_controls")),
        sa.UniqueConstraint("cluster", "hour", "card", name=op.f("uq_cost_controls_cluster_hour_card")),
    )
    op.create_table(
        "cost_day_sheets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("card", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_day_sheets")),
        sa.UniqueConstraint("cluster", "day", "card", name=op.f("uq_cost_day_sheets_cluster_day_card")),
    )
    for name in ("cost_hours", "cost_days"):
        op.create_table(
            name,
            sa.Column("sheet", sa.Integer(), nullable=False, autoincrement=False),
            sa.Column("sort", sa.Integer(), nullable=False, autoincrement=False),
            sa.Column("owner", sa.BigInteger(), nullable=False, autoincrement=False),
            sa.Column("place", sa.BigInteger(), nullable=False, autoincrement=False),
            sa.Column("ticks", sa.BigInteger(), nullable=False),
            sa.Column("micro", sa.BigInteger(), nullable=False),
            sa.Column("list_micro", sa.BigInteger(), nullable=False),
            sa.Column("measured_ticks", sa.BigInteger(), nullable=False),
            sa.Column("used_ticks", sa.BigInteger(), nullable=False),
            sa.Column("measured_micro", sa.BigInteger(), nullable=False),
            sa.Column("used_micro", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("sheet", "sort", "owner", "place", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
    op.create_table(
        "cost_llm",
        sa.Column("cluster", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("hour", UtcDateTime(), nullable=False, autoincrement=False),
        sa.Column("source", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("model_group", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("model", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("provider", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("team", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("key_alias", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("namespace", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("workload", sa.Text(), nullable=False, autoincrement=False),
        sa.Column("requests", sa.Float(), nullable=False),
        sa.Column("prompt_tokens", sa.Float(), nullable=False),
        sa.Column("completion_tokens", sa.Float(), nullable=False),
        sa.Column("micro", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "cluster",
            "hour",
            "source",
            "model_group",
            "model",
            "provider",
            "team",
            "key_alias",
            "namespace",
            "workload",
            name=op.f("pk_cost_llm"),
        ),
    )
    op.create_table(
        "rate_cards",
        sa.Column("version", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_rate_cards")),
    )
    op.create_table(
        "rate_card_lines",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("instance_type", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("capacity_type", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("per", sa.Text(), nullable=False),
        sa.Column("micro_per_hour", sa.BigInteger(), nullable=False),
        sa.Column("discount", sa.Float(), nullable=False),
        sa.Column("term", sa.Text(), nullable=False),
        sa.Column("begins", UtcDateTime(), nullable=False),
        sa.Column("ends", UtcDateTime()),
        sa.PrimaryKeyConstraint("version", "place", name=op.f("pk_rate_card_lines")),
        sa.ForeignKeyConstraint(
            ["version"], ["rate_cards.version"], name=op.f("fk_rate_card_lines_version_rate_cards"), ondelete="CASCADE"
        ),
    )
