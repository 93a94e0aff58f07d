"""Whether a project is archived; and an index for its last decision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from maskrcnn_core.projects.db.damage import any_text
from maskrcnn_core.projects.db.seals import is_sound, sealed_names, sealed_query
from maskrcnn_core.projects.db.tables import UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BEFORE = sa.Table(
    "project",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger),
    sa.Column("name", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("made_at", UtcTime),
    sa.Column("made_by", sa.Text),
    sa.Column("version", sa.Integer),
    sa.Column("gone", sa.Boolean),
    sa.Column("extra", sa.JSON),
    sa.Column("seal", sa.BigInteger),
)
"""The columns that a seal covered."""


def upgrade() -> None:
    connection = op.get_bind()
    at = sealed_names(_BEFORE).index("id")
    with any_text(connection):
        rows = connection.execute(sealed_query(_BEFORE)).all()
    # A damaged row keeps its seal, which fits no form of it: a new one would bless the damage.
    sound = [row[at] for row in rows if is_sound(_BEFORE, row)]
    op.add_column(
        "project", sa.Column("archived", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    for id_ in sound:
        connection.execute(sa.update(_BEFORE).where(_BEFORE.c.id == id_).values(seal=None))
    op.create_index("ix_journal_project_id_id", "journal", ["project_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_journal_project_id_id", "journal")
    op.drop_column("project", "archived")
    op.execute("UPDATE project SET seal = NULL")
