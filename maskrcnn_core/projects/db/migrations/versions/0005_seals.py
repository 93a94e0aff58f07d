"""A checksum in each row that people can change; opening fills it in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SEALED = ("project", "category", "image", "instance")


def upgrade() -> None:
    for name in _SEALED:
        op.add_column(name, sa.Column("seal", sa.BigInteger()))


def downgrade() -> None:
    for name in _SEALED:
        op.drop_column(name, "seal")
