"""What ran a network: written down with each run, and with the job that asked for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("answer", "job"):
        with op.batch_alter_table(table) as changed:
            changed.add_column(sa.Column("engine", sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    for table in ("job", "answer"):
        with op.batch_alter_table(table) as changed:
            changed.drop_column("engine")
