"""A store: projects with their images, categories, instances and journal, in a database and a folder.

Nothing here knows the screen. Whoever calls names who decides; when a call that changes something has
returned, it is on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from sqlalchemy import Connection, delete, insert, select, update

from maskrcnn_core.common.bounds import name_problem
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import ConflictError, StoreError
from maskrcnn_core.projects import journal
from maskrcnn_core.projects.db.damage import (
    check_rows,
)
from maskrcnn_core.projects.db.patience import again
from maskrcnn_core.projects.db.seals import seal_rows
from maskrcnn_core.projects.db.tables import (
    ANSWER,
    IMAGE,
    PROJECT,
    THUMBNAIL,
)
from maskrcnn_core.projects.journal import Change, New, Refusal
from maskrcnn_core.projects.new_rows import new_category
from maskrcnn_core.projects.project_name import checked_name
from maskrcnn_core.projects.records import (
    Entry,
    Extra,
    ProjectRow,
)
from maskrcnn_core.projects.stored_rows import StoredRows
from maskrcnn_core.projects.undo import undoing

__all__ = ["Store"]

_Act = Callable[[Connection], Entry | None]
_Part = Callable[[Connection], object]
_TRIES = 5


class Store(StoredRows):
    """All projects of one place. Safe to use from several threads; other processes may use the place, too.

    Args:
        place: where; by default what the environment says.

    Raises:
        StoreError: if the place cannot be used; see :func:`~maskrcnn_core.projects.db.engine.open_engine`.
    """

    @again()
    def create_project(
        self,
        name: str,
        who: str,
        *,
        description: str = "",
        categories: Sequence[Category] = (),
        extra: Extra | None = None,
    ) -> ProjectRow:
        """Make a project.

        Raises:
            StoreError: if the name is empty, too long or none that a database keeps, or a project has it
                already.
        """
        name = checked_name(name)
        for what, text in (("who", who), *(("category", c.name) for c in categories)):
            if problem := name_problem(text):
                raise StoreError(f"{what}: {problem}")
        values = {
            "name": name,
            "description": description,
            "made_at": datetime.now(UTC),
            "made_by": who,
            "archived": False,
            "extra": dict(extra or {}),
        }
        with self.writing() as connection:
            id_ = connection.execute(insert(PROJECT).returning(PROJECT.c.id), values).scalar_one()
            seal_rows(connection, PROJECT, [id_])
            made = [new_category(c.id, c.name, c.supercategory) for c in categories]
            journal.decide(connection, id_, who, "make project", made)
            return self._project(connection, id_)

    @again(twice_is_once=True)
    def mark_opened(self, image_id: int) -> None:
        """Note that somebody has seen an image. It is no decision: nobody would want to undo it."""
        open_ones = select(PROJECT.c.id).where(~PROJECT.c.archived, ~PROJECT.c.gone)
        seen = update(IMAGE).where(
            IMAGE.c.id == image_id, IMAGE.c.status == "new", IMAGE.c.project_id.in_(open_ones)
        )
        with self.writing() as connection:
            check_rows(connection, IMAGE, [image_id])
            connection.execute(seen.values(status="opened"))
            seal_rows(connection, IMAGE, [image_id])

    @again(twice_is_once=True)
    def keep_thumbnails(self, pictures: Mapping[str, bytes]) -> None:
        """Keep thumbnails; those that are there already stay."""
        missing = dict(pictures)
        with self.writing() as connection:
            there = select(THUMBNAIL.c.digest).where(THUMBNAIL.c.digest.in_(list(missing)))
            for digest in connection.execute(there).scalars():
                del missing[digest]
            if missing:
                rows = [{"digest": digest, "jpeg": jpeg} for digest, jpeg in missing.items()]
                connection.execute(insert(THUMBNAIL), rows)

    @again(twice_is_once=True)
    def save_run(
        self,
        image_id: int,
        model_key: str,
        model_digest: str,
        *,
        candidates: str = "",
        failure: str = "",
        engine: str = "",
        before: _Part | None = None,
    ) -> None:
        """Keep what a model said of an image, in place of what it said before.

        Args:
            image_id, model_key, model_digest: of what, and by whom.
            candidates: digest of the packed run, or empty.
            failure: why there is no run, or empty.
            engine: what ran the network, as an export says it; empty for the exact engine.
            before: carried out first, in the same transaction.
        """
        values = {
            "model_key": model_key,
            "candidates": candidates,
            "failure": failure,
            "offered": "",
            "engine": engine,
            "made_at": datetime.now(UTC),
        }
        with self.writing() as connection:
            if before is not None:
                before(connection)
            of = (ANSWER.c.image_id == image_id, ANSWER.c.model_digest == model_digest)
            connection.execute(delete(ANSWER).where(*of))
            connection.execute(insert(ANSWER), values | {"image_id": image_id, "model_digest": model_digest})

    @again()
    def decide(
        self,
        project_id: int,
        who: str,
        kind: str,
        changes: Iterable[Change | New],
        *,
        image_id: int | None = None,
        operation: str | None = None,
        kept_free: Mapping[str, int] = MappingProxyType({}),
        along: _Part | None = None,
    ) -> Entry | None:
        """Carry out a decision, wholly or not at all; see :func:`~maskrcnn_core.projects.journal.decide`.

        Args:
            project_id, who, kind, changes, image_id, kept_free: for that function.
            operation: a name for it, unique in the project: asked for again under the same name, as after a
                lost connection, it is not done twice, and what became of it the first time comes back.
            along: carried out after it, in the same transaction, also where everything was so already.

        Raises:
            ConflictError: if somebody else changed one of the rows meanwhile; what was wanted is kept in
                the journal as refused.
            StoreError: if a row is not there, a name is taken, or the database refuses.
        """
        changes = list(changes)
        return self._decided(
            project_id,
            who,
            kind,
            lambda connection: journal.decide(
                connection,
                project_id,
                who,
                kind,
                changes,
                image_id=image_id,
                operation=operation,
                kept_free=kept_free,
            ),
            operation,
            image_id,
            along,
        )

    @again()
    def undo(
        self,
        project_id: int,
        who: str,
        *,
        operation: str | None = None,
        only: Collection[str] | None = None,
    ) -> Entry | None:
        """Take back what can be taken back of this person's last decision.

        What somebody's later decision lies on, or needs, is left and named (:attr:`Entry.skipped`); the next
        undo goes on with the decision before. See :mod:`maskrcnn_core.projects.undo.undoing`.

        Args:
            project_id, who, operation: as for :meth:`decide`.
            only: the kinds of decisions that are meant; one of another kind is left alone.

        Returns:
            The journal's line; ``None`` if nothing of theirs can be taken back.

        Raises:
            ConflictError: if others decide again and again in these very moments.
        """
        return self._turned(
            project_id, operation, lambda c: undoing.undo(c, project_id, who, operation=operation, only=only)
        )

    @again()
    def redo(
        self,
        project_id: int,
        who: str,
        *,
        operation: str | None = None,
        only: Collection[str] | None = None,
    ) -> Entry | None:
        """Carry out again what this person has last taken back; as :meth:`undo`.

        Returns:
            The journal's line; ``None`` if there is nothing.
        """
        return self._turned(
            project_id, operation, lambda c: undoing.redo(c, project_id, who, operation=operation, only=only)
        )

    def _turned(self, project_id: int, operation: str | None, act: _Act) -> Entry | None:
        for attempt in range(_TRIES):
            try:
                with self.writing() as connection:
                    before = operation and journal.entry_of(connection, project_id, operation)
                    return _unless_refused(before or act(connection))
            except Refusal:
                if attempt == _TRIES - 1:
                    raise ConflictError("somebody else is saving a decision right now; try again") from None
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _decided(
        self,
        project_id: int,
        who: str,
        kind: str,
        act: _Act,
        operation: str | None,
        image_id: int | None = None,
        along: _Part | None = None,
    ) -> Entry | None:
        try:
            with self.writing() as connection:
                before = operation and journal.entry_of(connection, project_id, operation)
                entry = before or act(connection)
                if along is not None:
                    along(connection)
        except Refusal as refusal:
            with self.writing() as connection:
                journal.refuse(
                    connection, project_id, who, kind, refusal, image_id=image_id, operation=operation
                )
            raise
        return _unless_refused(entry)


def _unless_refused(entry: Entry | None) -> Entry | None:
    if entry is not None and entry.is_refused:
        raise ConflictError("this was refused before because somebody else was first; the journal has it")
    return entry
