"""A store's connection to its database and folder, and the rows that are read from it."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, Text, cast, exists, func, select
from sqlalchemy.exc import IntegrityError

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import DamageError, StoreError
from maskrcnn_core.projects import journal
from maskrcnn_core.projects.db.blobs import Blobs
from maskrcnn_core.projects.db.damage import (
    Damage,
    any_text,
    damaged_projects,
    damaged_rows,
    refusal_of,
    refuse_damage,
)
from maskrcnn_core.projects.db.engine import open_engine, told
from maskrcnn_core.projects.db.location import StorePlace, find_place
from maskrcnn_core.projects.db.patience import again, transaction
from maskrcnn_core.projects.db.seals import is_sound, past_index, sealed_names, sealed_query
from maskrcnn_core.projects.db.tables import (
    ANSWER,
    CATEGORY,
    IMAGE,
    INSTANCE,
    JOURNAL,
    PROJECT,
    THUMBNAIL,
)
from maskrcnn_core.projects.records import (
    CategoryRow,
    Entry,
    Fact,
    ImageRow,
    ImageStatus,
    InstanceRow,
    ProjectRow,
    Status,
)
from maskrcnn_core.projects.rows import (
    category_row,
    fact_of,
    image_row,
    instance_row,
    instances_query,
    project_row,
)
from maskrcnn_core.projects.standing import Deletion, check_stands, deletion_of, told_absence
from maskrcnn_core.projects.undo import undoing

__all__ = ["StoredRows"]

_R = TypeVar("_R")


class StoredRows:
    """What a place holds, as values; the arguments and errors are those of a store, which also changes it."""

    def __init__(self, place: StorePlace | None = None) -> None:
        self.place = place or find_place()
        self._engine = open_engine(self.place)
        self.blobs = Blobs(self.place.files)
        self._left_out: defaultdict[str, set[int]] = defaultdict(set)

    def close(self) -> None:
        """Give the database's connections back."""
        self._engine.dispose()

    @again(twice_is_once=True)
    def projects(self) -> list[ProjectRow]:
        """Return all projects that are there, that of the last decision first.

        Raises:
            DamageError: if the row of one of them is damaged.
        """
        with self.reading() as connection:
            query = sealed_query(PROJECT).where(~PROJECT.c.gone)
            query = query.order_by(_used_at().desc(), PROJECT.c.id.desc())
            return list(self._sound(connection, PROJECT, query, project_row))

    @again(twice_is_once=True)
    def sound_projects(self) -> tuple[list[ProjectRow], list[Damage]]:
        """Return the projects that can be opened, in the same order, and those whose own row is damaged."""
        with self.reading() as connection:
            found = damaged_projects(connection)
        return self.leaving_out(found).projects(), found

    @again(twice_is_once=True)
    def project(self, project_id: int) -> ProjectRow:
        """Return one project.

        Raises:
            StoreError: if there is none.
        """
        with self.reading() as connection:
            return self._project(connection, project_id)

    def _project(self, connection: Connection, project_id: int) -> ProjectRow:
        query = sealed_query(PROJECT).where(PROJECT.c.id == project_id, ~PROJECT.c.gone)
        row = next(self._sound(connection, PROJECT, query, project_row), None)
        if row is None:
            raise StoreError(told_absence(connection, project_id))
        return row

    @again(twice_is_once=True)
    def refuse_closed(self, project_id: int) -> None:
        """Check that decisions can be made in a project.

        Raises:
            StoreError: saying what became of it.
        """
        with self.reading() as connection:
            check_stands(connection, project_id)

    @again(twice_is_once=True)
    def absence(self, project_id: int) -> str:
        """Return what became of a project that is not there, in a sentence."""
        with self.reading() as connection:
            return told_absence(connection, project_id)

    @again(twice_is_once=True)
    def deleted_projects(self) -> list[tuple[ProjectRow, Deletion]]:
        """Return the projects that were deleted and whose rows are still there, the last deleted first.

        Raises:
            DamageError: if the row of one of them is damaged.
        """
        with self.reading() as connection:
            query = sealed_query(PROJECT).where(PROJECT.c.gone)
            rows = list(self._sound(connection, PROJECT, query, project_row))
            found = [(row, deletion_of(connection, row.id)) for row in rows]
        told = [(row, deletion) for row, deletion in found if deletion is not None]
        return sorted(told, key=lambda pair: pair[1].at, reverse=True)

    def _sound(
        self,
        connection: Connection,
        table: Table,
        query: Select[Any],
        convert: Callable[[Sequence[Any]], _R],
    ) -> Iterator[_R]:
        """Yield the rows of a query made by :func:`~maskrcnn_core.projects.db.seals.sealed_query`.

        Raises:
            DamageError: naming a row that is not what was written.
        """
        names = sealed_names(table)
        at = names.index("id")
        of = (
            [(names.index(f"{name}_id"), self._left_out[name]) for name in ("image", "category")]
            if table is INSTANCE
            else []
        )
        left_out = self._left_out[table.name]
        with any_text(connection), connection.execute(query) as rows:
            for row in rows:
                if row[at] in left_out or any(row[place] in ids for place, ids in of):
                    continue
                if not is_sound(table, row):
                    raise DamageError(refusal_of(connection, table, row[at]))
                yield convert(row)

    def leaving_out(self, damage: Iterable[Damage]) -> Self:
        """Return the same store, which hands out nothing of some damaged rows, nor what needs them."""
        store = copy.copy(self)
        store._left_out = defaultdict(set)
        for row in damage:
            store._left_out[row.table].add(row.id)
        return store

    def damaged_rows(self, project_id: int) -> list[Damage]:
        """Return a project's rows that are not what was written.

        See :mod:`maskrcnn_core.projects.db.damage`.
        """
        with self.reading() as connection:
            return damaged_rows(connection, project_id)

    @again(twice_is_once=True)
    def categories(self, project_id: int) -> list[CategoryRow]:
        """Return a project's categories, in the order of their ids in files."""
        query = sealed_query(CATEGORY).where(CATEGORY.c.project_id == project_id, ~CATEGORY.c.gone)
        with self.reading() as connection:
            ordered = query.order_by(CATEGORY.c.coco_id)
            return list(self._sound(connection, CATEGORY, ordered, category_row))

    @again(twice_is_once=True)
    def images(
        self,
        project_id: int,
        *,
        digests: Iterable[str] | None = None,
        ids: Iterable[int] | None = None,
    ) -> list[ImageRow]:
        """Return a project's images, in the order in which they came.

        Args:
            project_id: whose.
            digests: only those with these contents.
            ids: only those.
        """
        query = sealed_query(IMAGE).where(IMAGE.c.project_id == project_id, ~IMAGE.c.gone)
        if digests is not None:
            query = query.where(IMAGE.c.digest.in_(list(digests)))
        if ids is not None:
            query = query.where(IMAGE.c.id.in_(list(ids)))
        with self.reading() as connection:
            return list(self._sound(connection, IMAGE, query.order_by(IMAGE.c.id), image_row))

    @again(twice_is_once=True)
    def instances(
        self, project_id: int, *, image_id: int | None = None, ids: Collection[int] | None = None
    ) -> list[InstanceRow]:
        """Return a project's instances, or one image's, or some of them, in the order in which they came."""
        with self.reading() as connection:
            query = instances_query(project_id)
            if image_id is not None:
                query = query.where(INSTANCE.c.image_id == image_id)
            if ids is not None:
                query = query.where(INSTANCE.c.id.in_(ids))
            return list(self._sound(connection, INSTANCE, query, instance_row))

    def each_instance(self, project_id: int) -> Iterator[InstanceRow]:
        """Yield all of a project's instances in the order in which they came, read as they are asked for.

        It is one state of the database throughout, also where somebody writes meanwhile.
        """
        with self.reading() as connection:
            query = instances_query(project_id).execution_options(yield_per=2000)
            yield from self._sound(connection, INSTANCE, query, instance_row)

    @again(twice_is_once=True)
    def facts(self, project_id: int) -> list[Fact]:
        """Return all instances of a project without their masks, in the order in which they came.

        Their seals are not compared, which would take their masks.

        Raises:
            DamageError: naming one that can be nothing that was written.
        """
        c = INSTANCE.c
        query = (
            select(
                c.id,
                c.image_id,
                c.category_id,
                c.area,
                c.score,
                c.status,
                c.source,
                c.version,
                cast(c.doubt, Text),
            )
            .join(IMAGE, IMAGE.c.id == past_index(c.image_id))
            .where(past_index(c.project_id) == project_id, ~c.gone, ~IMAGE.c.gone)
            .order_by(c.id)
        )
        facts = []
        with self.reading() as connection, any_text(connection):
            for row in connection.execute(query):
                if self._is_left_out(*row[:3]):
                    continue
                if (fact := fact_of(row)) is None:
                    raise DamageError(refusal_of(connection, INSTANCE, row[0]))
                facts.append(fact)
        return facts

    def refuse_damage(self, project_id: int) -> None:
        """Check that all of a project is what was written, but for what is left out.

        The instances that are there are compared as they are read.

        Raises:
            DamageError: naming the first few rows that are not, with the count.
        """
        with self.reading() as connection:
            found = damaged_rows(connection, project_id, hidden_only=True)
        refuse_damage([damage for damage in found if damage.id not in self._left_out[damage.table]])

    def _is_left_out(self, instance: int, image: int, category: int) -> bool:
        left = self._left_out
        return instance in left["instance"] or image in left["image"] or category in left["category"]

    @again(twice_is_once=True)
    def counts(self, project_id: int) -> tuple[Counter[ImageStatus], Counter[Status]]:
        """Return how many images and how many instances have each status."""
        images = (
            select(IMAGE.c.status, func.count())
            .where(IMAGE.c.project_id == project_id, ~IMAGE.c.gone)
            .group_by(IMAGE.c.status)
        )
        instances = (
            select(INSTANCE.c.status, func.count())
            .join(IMAGE, IMAGE.c.id == INSTANCE.c.image_id)
            .where(INSTANCE.c.project_id == project_id, ~INSTANCE.c.gone, ~IMAGE.c.gone)
            .group_by(INSTANCE.c.status)
        )
        with self.reading() as connection:
            return (
                Counter({row[0]: row[1] for row in connection.execute(images)}),
                Counter({row[0]: row[1] for row in connection.execute(instances)}),
            )

    @again(twice_is_once=True)
    def thumbnails(self, digests: Iterable[str]) -> dict[str, bytes]:
        """Return the thumbnails (JPEG) made so far, by the images' digests."""
        query = select(THUMBNAIL).where(THUMBNAIL.c.digest.in_(list(digests)))
        with self.reading() as connection:
            return {row.digest: row.jpeg for row in connection.execute(query)}

    @again(twice_is_once=True)
    def kept_run(self, image_id: int, model_digest: str, *, exact_only: bool = False) -> str | None:
        """Return the digest of a model's packed run for an image; ``None`` if it has none.

        Args:
            image_id, model_digest: of what, and by whom.
            exact_only: whether a run of any but the exact engine counts as none.
        """
        query = select(ANSWER.c.candidates).where(
            ANSWER.c.image_id == image_id,
            ANSWER.c.model_digest == model_digest,
            ANSWER.c.candidates != "",
            *_ran_exactly(exact_only),
        )
        with self.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    @again(twice_is_once=True)
    def engine_of_run(self, image_id: int, model_digest: str) -> str:
        """Return what ran a model on an image, as an export says it; empty for the exact engine or no run."""
        query = select(ANSWER.c.engine).where(
            ANSWER.c.image_id == image_id, ANSWER.c.model_digest == model_digest
        )
        with self.reading() as connection:
            return connection.execute(query).scalar_one_or_none() or ""

    @again(twice_is_once=True)
    def offered_images(
        self, project_id: int, model_digest: str, asked: str, *, exact_only: bool = False
    ) -> set[int]:
        """Return ids of the images in which a model's proposals were last offered just as ``asked``.

        ``exact_only`` leaves out those that any but the exact engine ran.
        """
        query = (
            select(ANSWER.c.image_id)
            .join(IMAGE, IMAGE.c.id == ANSWER.c.image_id)
            .where(
                IMAGE.c.project_id == project_id,
                ANSWER.c.model_digest == model_digest,
                ANSWER.c.offered == asked,
                *_ran_exactly(exact_only),
            )
        )
        with self.reading() as connection:
            return set(connection.execute(query).scalars())

    @again(twice_is_once=True)
    def images_to_run(self, project_id: int, model_digest: str) -> int:
        """Return how many images of a project, of those whose files are there, have no run of a model."""
        has_run = exists().where(
            ANSWER.c.image_id == IMAGE.c.id, ANSWER.c.model_digest == model_digest, ANSWER.c.candidates != ""
        )
        query = select(func.count()).where(
            IMAGE.c.project_id == project_id, ~IMAGE.c.gone, IMAGE.c.digest != "", ~has_run
        )
        with self.reading() as connection:
            return connection.execute(query).scalar_one()

    @again(twice_is_once=True)
    def engines_of(self, project_id: int) -> set[tuple[int, str]]:
        """Return what ran the networks other than the exact engine, each with the image's id."""
        query = (
            select(ANSWER.c.image_id, ANSWER.c.engine)
            .join(IMAGE, IMAGE.c.id == ANSWER.c.image_id)
            .where(IMAGE.c.project_id == project_id, ~IMAGE.c.gone, ANSWER.c.engine != "")
            .distinct()
        )
        with self.reading() as connection:
            return {(row.image_id, row.engine) for row in connection.execute(query)}

    @again(twice_is_once=True)
    def undoable(
        self, project_id: int, who: str, *, only: Collection[str] | None = None
    ) -> tuple[bool, bool]:
        """Return whether this person has something to undo, and something to redo."""
        with self.reading() as connection:
            return undoing.undoable(connection, project_id, who, only=only)

    @again(twice_is_once=True)
    def decisions_of(self, entries: Iterable[Entry]) -> dict[int, Entry]:
        """Return the decision that each entry is, takes back, or makes again, by the entry's id."""
        with self.reading() as connection:
            return {entry.id: undoing.decision_of(connection, entry) for entry in entries}

    @again(twice_is_once=True)
    def entry_of(self, project_id: int, operation: str) -> Entry | None:
        """Return the journal's line of an operation, if it has been carried out or refused."""
        with self.reading() as connection:
            return journal.entry_of(connection, project_id, operation)

    @again(twice_is_once=True)
    def image_name(self, image_id: int) -> str | None:
        """Return an image's file name; ``None`` if there is no such image."""
        with self.reading() as connection:
            return connection.execute(select(IMAGE.c.file_name).where(IMAGE.c.id == image_id)).scalar()

    @again(twice_is_once=True)
    def project_of(self, image_id: int) -> int | None:
        """Return the id of the project that an image belongs to; ``None`` if there is no such image."""
        with self.reading() as connection:
            return connection.execute(select(IMAGE.c.project_id).where(IMAGE.c.id == image_id)).scalar()

    @again(twice_is_once=True)
    def revision(self, project_id: int) -> tuple[int, int]:
        """Return a value that changes with each decision in the project and each image first opened."""
        last = select(func.max(JOURNAL.c.id)).where(JOURNAL.c.project_id == project_id)
        unseen = select(func.count()).where(IMAGE.c.project_id == project_id, IMAGE.c.status == "new")
        with self.reading() as connection:
            return connection.execute(last).scalar() or 0, connection.execute(unseen).scalar() or 0

    @again(twice_is_once=True)
    def journal(
        self, project_id: int, *, who: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """Return the newest lines of a project's journal.

        See :func:`~maskrcnn_core.projects.journal.entries`.
        """
        with self.reading() as connection:
            return journal.entries(connection, project_id, who=who, before=before, limit=limit)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that reads one state of the database throughout; for this package's modules."""
        with told(self.place), transaction(self._engine, writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that may write; on disk once its block has ended. For this package's modules."""
        try:
            with told(self.place), transaction(self._engine, writes=True) as connection:
                yield connection
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise StoreError(_taken(error.__cause__)) from error.__cause__
            raise


def _ran_exactly(only: bool) -> tuple[ColumnElement[bool], ...]:
    return (ANSWER.c.engine == "",) if only else ()


def _used_at() -> ColumnElement[datetime]:
    """Return when a project's last decision was made, or else the project."""
    of_project = select(JOURNAL.c.at).where(JOURNAL.c.project_id == PROJECT.c.id)
    last = of_project.order_by(JOURNAL.c.id.desc()).limit(1).correlate(PROJECT)
    return func.coalesce(last.scalar_subquery(), PROJECT.c.made_at)


_TAKEN = (
    ("project", "name", "a project with this name already exists; choose another name"),
    ("category", "name", "a category with this name already exists; merge the two, or choose another name"),
    ("image", "file_name", "an image with this file name already exists; rename one of them"),
)


def _taken(error: IntegrityError) -> str:
    reason = str(error.orig)
    for table, column, sentence in _TAKEN:
        # SQLite names the columns, PostgreSQL the index.
        if f"{table}.{column}" in reason or f"uq_{table}_{column}" in reason:
            return sentence
    return f"the project database refused this ({one_line(reason)})"
