"""Whether a project is there to be worked in, or was archived or deleted, and what is said of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.tables import JOURNAL, PROJECT

__all__ = [
    "ARCHIVE",
    "BRING_BACK",
    "DELETE",
    "KEPT_DAYS",
    "MAKE_SNAPSHOT",
    "PURGE",
    "RESTORE",
    "STANDING_KINDS",
    "Deletion",
    "check_stands",
    "deletion_of",
    "told_absence",
]

KEPT_DAYS = 30
"""Days in which a deleted project can be restored."""

DELETE, RESTORE, PURGE = "delete project", "restore project", "purge project"
"""The journal's kinds of what takes a project away, brings it back, and lets its files go."""

ARCHIVE, BRING_BACK = "archive project", "bring back project"
"""The journal's kinds of what makes a project read-only, and of what ends that."""

MAKE_SNAPSHOT = "make snapshot"
"""The journal's kind of a named version that somebody keeps; it changes nothing."""

STANDING_KINDS = frozenset({DELETE, RESTORE, PURGE, ARCHIVE, BRING_BACK, MAKE_SNAPSHOT})
"""What undo and redo pass over: whoever takes back a decision means one about what is in the project."""

_COLUMNS = frozenset({"gone", "archived"})
"""Of a project: what a decision about its standing changes."""


@dataclass(frozen=True)
class Deletion:
    """When a project was deleted.

    Args:
        at, who: when, in UTC, and by whom.
        is_final: somebody wants its files gone at once, so it cannot be restored.
    """

    at: datetime
    who: str
    is_final: bool

    @property
    def goes_at(self) -> datetime:
        """From when on its rows and files may go, in UTC."""
        return self.at if self.is_final else self.at + timedelta(days=KEPT_DAYS)

    def days_left(self, now: datetime | None = None) -> int:
        """Return in how many days it goes, begun ones counted; 0 if it can no longer be restored."""
        left = self.goes_at - (now or datetime.now(UTC))
        return max(-(-left // timedelta(days=1)), 0)


def deletion_of(connection: Connection, project_id: int) -> Deletion | None:
    """Return a project's deletion; ``None`` unless it is deleted now, by a decision."""
    query = (
        select(JOURNAL.c.kind, JOURNAL.c.at, JOURNAL.c.who)
        .join(PROJECT, PROJECT.c.id == JOURNAL.c.project_id)
        .where(
            PROJECT.c.id == project_id,
            PROJECT.c.gone,
            JOURNAL.c.kind.in_((DELETE, RESTORE, PURGE)),
            ~JOURNAL.c.is_refused,
        )
        .order_by(JOURNAL.c.id.desc())
    )
    is_final = False
    for row in connection.execute(query):
        if row.kind == DELETE:
            return Deletion(row.at, row.who, is_final)
        if row.kind == RESTORE:
            return None
        is_final = True
    return None


def told_absence(connection: Connection, project_id: int) -> str:
    """Return what became of a project that is not there, in a sentence."""
    deletion = deletion_of(connection, project_id)
    if deletion is None:
        return f"project {project_id}: there is no such project"
    name = connection.execute(select(PROJECT.c.name).where(PROJECT.c.id == project_id)).scalar_one()
    told = f"project {one_line(name)}: {one_line(deletion.who)} deleted it on {deletion.at:%Y-%m-%d}"
    days = deletion.days_left()
    if not days:
        return f"{told}, and it can no longer be restored"
    return (
        f"{told}; for {counted(days, 'more day')} it can be restored, under 'Deleted projects' on the "
        "Project page or with 'project restore'"
    )


def check_stands(connection: Connection, project_id: int, lines: Iterable[Mapping[str, Any]] = ()) -> None:
    """Refuse a decision in a project that is not there to be worked in; one about just that may be made.

    To be called after the rows are held: whoever deletes the project holds it against everybody else, and
    this waits for them.

    Args:
        connection: in a writing transaction, or where nothing is decided yet.
        project_id: where.
        lines: of the decision, as the journal keeps them.

    Raises:
        StoreError: saying what became of the project.
    """
    if any(line["table"] == PROJECT.name and line.get("after", {}).keys() & _COLUMNS for line in lines):
        return
    state = select(PROJECT.c.gone, PROJECT.c.archived).where(PROJECT.c.id == project_id)
    row = connection.execute(state.with_for_update(read=True, key_share=True)).one_or_none()
    if row is None or row.gone:
        raise StoreError(told_absence(connection, project_id))
    if row.archived:
        raise StoreError(
            "the project is archived and read-only; bring it back under Settings on the Project page, or "
            "with 'project bring-back', and try again"
        )
