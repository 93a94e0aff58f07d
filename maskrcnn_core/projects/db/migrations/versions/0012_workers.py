"""Several workers at one job: who they are, and which image each has in hand or has done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worker",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("unable", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_worker_job_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker")),
    )
    op.create_index(op.f("ix_worker_job_id"), "worker", ["job_id"], unique=False)
    op.create_table(
        "share",
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=False),
        sa.Column("done_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name=op.f("fk_share_image_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_share_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image_id", "job_id", name=op.f("pk_share")),
    )
    is_open = sa.text("done_at IS NULL")
    op.create_index(
        "ix_share_open",
        "share",
        ["job_id", "image_id"],
        unique=False,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index(op.f("ix_share_done_at"), "share", ["done_at"], unique=False)
    with op.batch_alter_table("job") as changed:
        changed.drop_column("worker")
        changed.drop_column("beat_at")
        for name in ("weights", "card"):
            changed.add_column(sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))
        changed.add_column(sa.Column("limits", sa.JSON(), server_default=sa.text("'{}'"), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("job") as changed:
        for name in ("limits", "card", "weights"):
            changed.drop_column(name)
        changed.add_column(sa.Column("worker", sa.Text(), server_default=sa.text("''"), nullable=False))
        changed.add_column(sa.Column("beat_at", sa.DateTime(), nullable=True))
    op.drop_table("share")
    op.drop_table("worker")
