"""A project brought back to a snapshot, in one decision that undo takes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.tables import CATEGORY, IMAGE, INSTANCE, chunks
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.records import Entry
from maskrcnn_core.projects.snapshots.comparing import Comparison, compare_contents
from maskrcnn_core.projects.snapshots.keeping import SnapshotRow, present_contents, snapshot_contents
from maskrcnn_core.projects.snapshots.packing import Contents, columns_of
from maskrcnn_core.projects.store import Store

__all__ = ["RESTORE_SNAPSHOT", "restore_snapshot"]

RESTORE_SNAPSHOT = "restore snapshot"
"""The journal's kind of this decision."""


def restore_snapshot(store: Store, row: SnapshotRow, who: str) -> tuple[Entry | None, Comparison]:
    """Bring a project's images, categories and instances back to what they were.

    Its name, description and settings stay, and so do the journal and all snapshots. Nothing that came since
    is lost: undo brings it back.

    Args:
        store: where.
        row: the snapshot.
        who: for the journal.

    Returns:
        The journal's line, ``None`` if everything was so already; and what changed.

    Raises:
        ConflictError: if somebody changed one of the rows meanwhile; then nothing is done.
        DamageError: if some of the project is not what was written.
        StoreError: if the snapshot cannot be read, or the project is archived.
    """
    wanted, present = snapshot_contents(store, row), present_contents(store, row.project_id)
    with store.reading() as connection:
        changes = _changes(connection, wanted, present)
    entry = store.decide(row.project_id, who, RESTORE_SNAPSHOT, changes) if changes else None
    return entry, compare_contents(present, wanted)


def _changes(connection: Connection, wanted: Contents, present: Contents) -> list[Change]:
    changes: list[Change] = []
    tables = (
        (INSTANCE, wanted.instances, present.instances),
        (IMAGE, wanted.images, present.images),
        (CATEGORY, wanted.categories, present.categories),
    )
    # A name has to be free before another row takes it: what goes, goes first.
    for table, then, now in tables:
        changes += [
            Change(table.name, id_, now[id_].version, {"gone": True}) for id_ in now.keys() - then.keys()
        ]
    for table, then, now in reversed(tables):
        changes += _brought_back(connection, table, then, now)
    return changes


def _brought_back(
    connection: Connection, table: Table, then: Mapping[int, Any], now: Mapping[int, Any]
) -> list[Change]:
    missing = sorted(then.keys() - now.keys())
    versions: dict[int, int] = {}
    for chunk in chunks(missing):
        query = select(table.c.id, table.c.version).where(table.c.id.in_(chunk))
        versions.update((row.id, row.version) for row in connection.execute(query))
    if len(versions) < len(missing):
        raise StoreError(
            f"snapshot: expected all of its {table.name} rows in the project database, got "
            f"{len(missing) - len(versions)} fewer; restore a copy of the database"
        )
    changes = []
    for id_, row in then.items():
        if id_ not in now:
            changes.append(Change(table.name, id_, versions[id_], columns_of(row) | {"gone": False}))
        elif now[id_].version != row.version and columns_of(now[id_]) != columns_of(row):
            changes.append(Change(table.name, id_, now[id_].version, columns_of(row)))
    return changes
