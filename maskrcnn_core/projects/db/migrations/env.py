"""Alembic's entry: migrations run in the transaction of a connection that the store hands over."""

from __future__ import annotations

from alembic import context

from maskrcnn_core.projects.db.tables import METADATA

connection = context.config.attributes["connection"]
# Batch mode: SQLite changes a table by rebuilding it.
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
