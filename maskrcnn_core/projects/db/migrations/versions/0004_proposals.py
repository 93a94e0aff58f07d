"""How an answer was last offered, and what offering replaced and what was there already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("answer") as answer:
        answer.add_column(sa.Column("offered", sa.Text(), server_default=sa.text("''"), nullable=False))
        answer.drop_column("is_offered")
    with op.batch_alter_table("job") as job:
        job.add_column(sa.Column("replaced", sa.Integer(), server_default=sa.text("0"), nullable=False))
        job.add_column(sa.Column("there", sa.JSON(), server_default=sa.text("'{}'"), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("job") as job:
        job.drop_column("there")
        job.drop_column("replaced")
    with op.batch_alter_table("answer") as answer:
        answer.add_column(
            sa.Column("is_offered", sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
        answer.drop_column("offered")
