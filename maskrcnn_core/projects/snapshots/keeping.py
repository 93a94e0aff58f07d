"""Snapshots made, listed, read and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Row, insert, select

from maskrcnn_core.common.bounds import name_problem
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.errors import InputError, StoreError
from maskrcnn_core.projects.db.damage import Damage
from maskrcnn_core.projects.db.tables import SNAPSHOT
from maskrcnn_core.projects.journal import check_who, write_entry
from maskrcnn_core.projects.snapshots.packing import (
    Contents,
    Header,
    contents_now,
    pack,
    packed_header,
    unpack,
)
from maskrcnn_core.projects.standing import MAKE_SNAPSHOT, check_stands
from maskrcnn_core.projects.store import Store

__all__ = [
    "SnapshotRow",
    "damaged_snapshots",
    "make_snapshot",
    "present_contents",
    "snapshot_contents",
    "snapshot_named",
    "snapshots_of",
]


@dataclass(frozen=True)
class SnapshotRow:
    """A named version of a project.

    Args:
        id: the store's own.
        project_id: whose.
        name: unique in the project.
        made_at, made_by: when, in UTC, and by whom.
        digest: of its packed rows.
        categories, images, instances: how many it has.
    """

    id: int
    project_id: int
    name: str
    made_at: datetime
    made_by: str
    digest: str
    categories: int
    images: int
    instances: int

    @property
    def told(self) -> str:
        """What it holds, in words."""
        return (
            f"{counted(self.images, 'image')}, {counted(self.instances, 'instance')} and "
            f"{counted(self.categories, 'category', 'categories')}"
        )


def make_snapshot(store: Store, project_id: int, who: str, name: str) -> SnapshotRow:
    """Keep a project as it is, under a name.

    Args:
        store, project_id: what is kept.
        who: for the journal.
        name: unique in the project.

    Raises:
        InputError: if the name or ``who`` is empty, too long or none that a database keeps.
        StoreError: if a snapshot of the project has the name, or the project is archived or deleted.
        DamageError: if some of the project is not what was written: a snapshot would bless the damage.
    """
    check_who(who)
    name = name.strip()
    if problem := "expected one, got nothing" if not name else name_problem(name):
        raise InputError(f"snapshot: a name: {problem}")
    store.refuse_closed(project_id)
    store.refuse_damage(project_id)
    if any(row.name == name for row in snapshots_of(store, project_id)):
        raise StoreError(f"snapshot {one_line(name)!r}: this name is taken; choose another")
    with store.reading() as connection:
        data, header = pack(connection, project_id, name, who)
    digest = store.blobs.put(data)
    values = {
        "project_id": project_id,
        "name": name,
        "made_at": datetime.now(UTC),
        "made_by": who,
        "digest": digest,
        "categories": header.categories,
        "images": header.images,
        "instances": header.instances,
    }
    with store.writing() as connection:
        check_stands(connection, project_id)
        id_ = connection.execute(insert(SNAPSHOT).returning(SNAPSHOT.c.id), values).scalar_one()
        write_entry(connection, project_id, who, MAKE_SNAPSHOT, [])
    return SnapshotRow(id_, **values)  # type: ignore[arg-type]


def snapshots_of(store: Store, project_id: int) -> list[SnapshotRow]:
    """Return a project's snapshots, the newest first."""
    query = select(SNAPSHOT).where(SNAPSHOT.c.project_id == project_id).order_by(SNAPSHOT.c.id.desc())
    with store.reading() as connection:
        return [_row(row) for row in connection.execute(query)]


def snapshot_named(store: Store, project_id: int, name: str) -> SnapshotRow:
    """Return the snapshot with a name.

    Raises:
        InputError: naming those that there are.
    """
    rows = snapshots_of(store, project_id)
    for row in rows:
        if row.name == name:
            return row
    known = ", ".join(one_line(row.name) for row in rows[:20]) or "none"
    raise InputError(f"snapshot: expected one of {known}, got {one_line(name)!r}")


def snapshot_contents(store: Store, row: SnapshotRow) -> Contents:
    """Return what a snapshot holds.

    Raises:
        StoreError: if its file is gone, damaged, or of a later version of MaskDesk.
    """
    return unpack(store.blobs.get(row.digest))


def present_contents(store: Store, project_id: int) -> Contents:
    """Return what a project holds now, to be compared with a snapshot.

    Raises:
        DamageError: naming a row that is not what was written.
    """
    store.refuse_damage(project_id)
    with store.reading() as connection:
        return contents_now(connection, project_id)


def damaged_snapshots(store: Store, project_id: int) -> Iterator[Damage]:
    """Yield a project's snapshots whose file or row is not what was written."""
    for row in snapshots_of(store, project_id):
        shown = f"snapshot {one_line(row.name)}"
        try:
            data = store.blobs.get(row.digest)
            wanted = Header(row.name, row.made_by, row.categories, row.images, row.instances)
            if packed_header(data) != wanted:
                raise StoreError("its row in the project database is not what was written")
            found = unpack(data)
            if (len(found.categories), len(found.images), len(found.instances)) != (
                row.categories,
                row.images,
                row.instances,
            ):
                raise StoreError("its file does not hold what it says")
        except StoreError as error:
            yield Damage("file", row.id, f"{shown}: {error}")


def _row(row: Row[tuple[object, ...]]) -> SnapshotRow:
    return SnapshotRow(**row._mapping)
