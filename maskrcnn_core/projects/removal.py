"""Projects archived, deleted and restored, and let go for good: rows, and files that no other project needs.

An archived project is out of the menus and read-only until it is brought back. A deleted one is out of every
list, takes no decision, and can be restored for :data:`~maskrcnn_core.projects.standing.KEPT_DAYS` days. Then
:func:`purge` takes away its files first and its rows last: whenever it is interrupted, the next one goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Text, cast, delete, func, select, update

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.damage import check_rows
from maskrcnn_core.projects.db.tables import (
    ANSWER,
    CATEGORY,
    IMAGE,
    INSTANCE,
    JOB,
    JOURNAL,
    PRESENCE,
    PROJECT,
    SHARE,
    SNAPSHOT,
    THUMBNAIL,
    chunks,
)
from maskrcnn_core.projects.journal import Change, check_who, write_entry
from maskrcnn_core.projects.project_name import checked_name
from maskrcnn_core.projects.proposals.job_rows import OPEN_STATES, alone_with_jobs, utc_now
from maskrcnn_core.projects.records import ProjectRow
from maskrcnn_core.projects.standing import ARCHIVE, BRING_BACK, DELETE, PURGE, RESTORE, Deletion, deletion_of
from maskrcnn_core.projects.store import Store

__all__ = [
    "NEW_SECONDS",
    "Contents",
    "Purged",
    "archive_project",
    "bring_back_project",
    "contents_of",
    "delete_project",
    "purge",
    "purge_now",
    "restore_project",
]

NEW_SECONDS = 3600.0
"""For so long a file stays that was kept last: an import keeps its files before it names them in a row."""

_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Contents:
    """What goes with a project.

    Args:
        images, instances: that are there.
        decisions: lines of its journal.
    """

    images: int
    instances: int
    decisions: int

    @property
    def told(self) -> str:
        """The numbers in words."""
        return (
            f"{counted(self.images, 'image')}, {counted(self.instances, 'instance')} and "
            f"{counted(self.decisions, 'decision')}"
        )


@dataclass(frozen=True)
class Purged:
    """What became of a project that was to go for good.

    Args:
        name: the project's.
        files: how many of its files were deleted.
        shared: how many stay, as other projects have them, too.
        young: how many stay for now, as somebody kept them less than :data:`NEW_SECONDS` ago; unless there
            are none, the project's rows stay as well.
        problem: why it could not go; empty if nothing was in the way.
    """

    name: str
    files: int = 0
    shared: int = 0
    young: int = 0
    problem: str = ""

    @property
    def told(self) -> str:
        """All of it in a sentence."""
        if self.problem:
            return f"{one_line(self.name)}: {self.problem}"
        shared = f"; {counted(self.shared, 'file')} of other projects too {_stay(self.shared)}"
        gone = f"{counted(self.files, 'file')} deleted{shared if self.shared else ''}"
        if self.young:
            return (
                f"{one_line(self.name)}: {gone}; {counted(self.young, 'file')} added less than an hour ago "
                f"{_stay(self.young)}, and the project's rows with them: 'project purge' takes them later"
            )
        return f"{one_line(self.name)}: gone for good, {gone}"


def _stay(count: int) -> str:
    return "stays" if count == 1 else "stay"


def contents_of(store: Store, project_id: int) -> Contents:
    """Count what goes with a project."""
    images, instances = store.counts(project_id)
    with store.reading() as connection:
        lines = select(func.count()).where(JOURNAL.c.project_id == project_id, ~JOURNAL.c.is_refused)
        return Contents(images.total(), instances.total(), connection.execute(lines).scalar_one())


def archive_project(store: Store, who: str, row: ProjectRow) -> bool:
    """Take a project out of the menus and make it read-only; its jobs end.

    Args:
        store, who: where, and for the journal.
        row: the project as its author saw it.

    Returns:
        Whether it was not archived before.

    Raises:
        ConflictError: if somebody else has changed the project meanwhile.
        StoreError: if it was deleted.
    """
    store.project(row.id)
    entry = store.decide(row.id, who, ARCHIVE, [Change("project", row.id, row.version, {"archived": True})])
    _cancel_jobs(store, row.id, "the project was archived")
    return entry is not None


def bring_back_project(store: Store, who: str, row: ProjectRow) -> bool:
    """Take an archived project back to work; the arguments and errors are those of :func:`archive_project`.

    Returns:
        Whether it was archived.
    """
    store.project(row.id)
    change = Change("project", row.id, row.version, {"archived": False})
    return store.decide(row.id, who, BRING_BACK, [change]) is not None


def delete_project(store: Store, who: str, row: ProjectRow) -> None:
    """Delete a project, which can be restored for some time; its jobs end.

    Args:
        store, who: where, and for the journal.
        row: the project as its author saw it.

    Raises:
        ConflictError: if somebody else has changed the project meanwhile.
        StoreError: if it was deleted before.
    """
    store.project(row.id)
    store.decide(row.id, who, DELETE, [Change("project", row.id, row.version, {"gone": True})])
    _cancel_jobs(store, row.id, "the project was deleted")


def _cancel_jobs(store: Store, project_id: int, why: str) -> None:
    with alone_with_jobs(store) as connection:
        open_ones = update(JOB).where(JOB.c.project_id == project_id, JOB.c.state.in_(OPEN_STATES))
        connection.execute(open_ones.values(state="cancelled", ended_at=utc_now(connection), message=why))


def restore_project(store: Store, who: str, row: ProjectRow, name: str | None = None) -> ProjectRow:
    """Bring a deleted project back as it was; its jobs stay cancelled.

    Args:
        store, who, row: as for :func:`delete_project`.
        name: what it is called from now on; its own name where ``None``.

    Raises:
        StoreError: if it is not deleted, can no longer be restored, or another project has the name.
        ConflictError: if somebody else restored it at the same moment.
    """
    with store.reading() as connection:
        deletion = deletion_of(connection, row.id)
    if deletion is None or not deletion.days_left():
        raise StoreError(f"project {one_line(row.name)}: {_past(deletion)}")
    values: dict[str, str | bool] = {"gone": False}
    if name is not None:
        values["name"] = checked_name(name)
    store.decide(row.id, who, RESTORE, [Change("project", row.id, row.version, values)])
    return store.project(row.id)


def _past(deletion: Deletion | None) -> str:
    return "it is not deleted" if deletion is None else "its time is over: it can no longer be restored"


# -- for good -------------------------------------------------------------------------------------


def purge(store: Store, *, at: datetime | None = None) -> list[Purged]:
    """Let the projects go whose time is over.

    Args:
        store: where.
        at: as if it were then, in UTC; by default now.

    Returns:
        What became of each; nothing of one stands in the way of the others.
    """
    now = at or datetime.now(UTC)
    return [_purge(store, id_, name) for id_, name in _due(store, now)]


def purge_now(store: Store, who: str, row: ProjectRow) -> Purged:
    """Let a deleted project go without waiting; from now on it cannot be restored.

    Args:
        store, who, row: as for :func:`delete_project`.

    Raises:
        InputError: if ``who`` is nobody.
        StoreError: if it is not deleted.
    """
    check_who(who)
    with store.writing() as connection:
        deletion = deletion_of(connection, row.id)
        if deletion is None:
            raise StoreError(f"project {one_line(row.name)}: {_past(None)}")
        if not deletion.is_final:
            write_entry(connection, row.id, who, PURGE, [])
    return _purge(store, row.id, row.name)


def _due(store: Store, now: datetime) -> list[tuple[int, str]]:
    with store.reading() as connection:
        gone = connection.execute(select(PROJECT.c.id, PROJECT.c.name).where(PROJECT.c.gone)).all()
        deletions = [(row, deletion_of(connection, row.id)) for row in gone]
    return [(row.id, str(row.name)) for row, deletion in deletions if deletion and deletion.goes_at <= now]


def _purge(store: Store, project_id: int, name: str) -> Purged:
    try:
        with store.reading() as connection:
            # A damaged row may say of a living project that it is gone.
            check_rows(connection, PROJECT, [project_id])
            own = _digests(connection, project_id)
            needed = _needed_elsewhere(connection, project_id, own)
        going = own - needed
        gone = {digest for digest in going if store.blobs.discard(digest, older_than=NEW_SECONDS)}
        young = len(going) - len(gone)
        with store.writing() as connection:
            _drop_thumbnails(connection, gone)
            if not young:
                _drop_rows(connection, project_id)
    except StoreError as error:
        return Purged(name, problem=str(error))
    return Purged(name, len(gone), len(own & needed), young)


def _digests(connection: Connection, project_id: int) -> set[str]:
    """Return the digests of all files that a project's rows name."""
    images = select(IMAGE.c.digest).where(IMAGE.c.project_id == project_id)
    runs = select(ANSWER.c.candidates).join(IMAGE).where(IMAGE.c.project_id == project_id)
    kept = select(SNAPSHOT.c.digest).where(SNAPSHOT.c.project_id == project_id)
    # Weights that workers are to fetch; where no card lies beside them, they are no file of the store.
    of_models = (JOB.c.project_id == project_id, JOB.c.card != "")
    weights, cards = (select(column).where(*of_models) for column in (JOB.c.weights, JOB.c.card))
    queries = (images, runs, kept, weights, cards)
    named = {digest for query in queries for digest in connection.execute(query).scalars()}
    return (named | set(_of_journal(connection, JOURNAL.c.project_id == project_id))) - {""}


def _needed_elsewhere(connection: Connection, project_id: int, digests: Iterable[str]) -> set[str]:
    """Return which of some digests other projects name, deleted ones and what undo brings back included."""
    digests = set(digests)
    needed = digests & set(_of_journal(connection, JOURNAL.c.project_id != project_id))
    for chunk in chunks(sorted(digests)):
        images = select(IMAGE.c.digest).where(IMAGE.c.digest.in_(chunk), IMAGE.c.project_id != project_id)
        runs = (
            select(ANSWER.c.candidates)
            .join(IMAGE)
            .where(ANSWER.c.candidates.in_(chunk), IMAGE.c.project_id != project_id)
        )
        kept = select(SNAPSHOT.c.digest).where(
            SNAPSHOT.c.digest.in_(chunk), SNAPSHOT.c.project_id != project_id
        )
        models = (
            select(column).where(column.in_(chunk), JOB.c.card != "", JOB.c.project_id != project_id)
            for column in (JOB.c.weights, JOB.c.card)
        )
        for query in (images, runs, kept, *models):
            needed |= set(connection.execute(query).scalars())
    return needed


def _of_journal(connection: Connection, whose: object) -> Iterator[str]:
    """Yield the digests that decisions gave images, or took from them."""
    changes = cast(JOURNAL.c.changes, Text)
    lines = select(changes).where(whose, changes.like('%"digest"%'))  # type: ignore[arg-type]
    for text in connection.execute(lines).scalars():
        yield from _DIGEST.findall(text)


def _drop_thumbnails(connection: Connection, digests: Iterable[str]) -> None:
    keys = [key for digest in digests for key in (digest, f"{digest}-off")]
    for chunk in chunks(keys):
        connection.execute(delete(THUMBNAIL).where(THUMBNAIL.c.digest.in_(chunk)))


def _drop_rows(connection: Connection, project_id: int) -> None:
    """Delete all of a project, what refers to something else first."""
    of_images = select(IMAGE.c.id).where(IMAGE.c.project_id == project_id)
    for table in (ANSWER, SHARE):
        connection.execute(delete(table).where(table.c.image_id.in_(of_images)))
    for table in (PRESENCE, SNAPSHOT, JOB, JOURNAL, INSTANCE, IMAGE, CATEGORY):
        connection.execute(delete(table).where(table.c.project_id == project_id))
    connection.execute(delete(PROJECT).where(PROJECT.c.id == project_id))
