"""Recorded starts of GPU pods, what collectors remember, and leases."""

import sqlalchemy as sa
from alembic import op

from db.types import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "starts",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("workload_kind", sa.Text(), nullable=False),
        sa.Column("workload", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("pod", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("capacity_type", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("gpus", sa.Float(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("scheduled_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("total_s", sa.Float(), nullable=False),
        sa.Column("cold", sa.Boolean()),
        sa.Column("headroom", sa.Boolean()),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("image_bytes", sa.BigInteger()),
        sa.Column("pull", sa.String(16), nullable=False),
        sa.Column("queue_s", sa.Float(), nullable=False),
        sa.Column("wait_s", sa.Float(), nullable=False),
        sa.Column("decision_s", sa.Float(), nullable=False),
        sa.Column("provision_s", sa.Float(), nullable=False),
        sa.Column("boot_s", sa.Float(), nullable=False),
        sa.Column("device_s", sa.Float(), nullable=False),
        sa.Column("bind_s", sa.Float(), nullable=False),
        sa.Column("volume_s", sa.Float(), nullable=False),
        sa.Column("setup_s", sa.Float(), nullable=False),
        sa.Column("pull_wait_s", sa.Float(), nullable=False),
        sa.Column("pull_s", sa.Float(), nullable=False),
        sa.Column("init_s", sa.Float(), nullable=False),
        sa.Column("download_s", sa.Float(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("retry_s", sa.Float(), nullable=False),
        sa.Column("load_s", sa.Float(), nullable=False),
        sa.Column("readiness_s", sa.Float(), nullable=False),
        sa.Column("unattributed_s", sa.Float(), nullable=False),
        sa.Column("usd", sa.Float()),
        sa.Column("usd_per_hour", sa.Float()),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "uid", name=op.f("pk_starts")),
    )
    op.create_index(op.f("ix_starts_created_at_cluster"), "starts", ["created_at", "cluster"])
    op.create_index(
        op.f("ix_starts_cluster_namespace_workload_created_at"),
        "starts",
        ["cluster", "namespace", "workload", "created_at"],
    )
    op.create_table(
        "start_details",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "uid", name=op.f("pk_start_details")),
        sa.ForeignKeyConstraint(
            ["cluster", "uid"],
            ["starts.cluster", "starts.uid"],
            name=op.f("fk_start_details_cluster_uid_starts"),
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "start_pulls",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("container", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("how", sa.String(16), nullable=False),
        sa.Column("at", UtcDateTime()),
        sa.Column("seconds", sa.Float()),
        sa.Column("waiting_s", sa.Float()),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.PrimaryKeyConstraint("cluster", "uid", "container", name=op.f("pk_start_pulls")),
        sa.ForeignKeyConstraint(
            ["cluster", "uid"],
            ["starts.cluster", "starts.uid"],
            name=op.f("fk_start_pulls_cluster_uid_starts"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_start_pulls_created_at_cluster"), "start_pulls", ["created_at", "cluster"])
    op.create_table(
        "start_traces",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "uid", name=op.f("pk_start_traces")),
    )
    op.create_index(op.f("ix_start_traces_updated_at"), "start_traces", ["updated_at"])
    op.create_table(
        "start_nodes",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "name", name=op.f("pk_start_nodes")),
    )
    op.create_index(op.f("ix_start_nodes_updated_at"), "start_nodes", ["updated_at"])
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "collector_marks",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "name", name=op.f("pk_collector_marks")),
    )
