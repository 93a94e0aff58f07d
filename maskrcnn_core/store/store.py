"""A store: projects with their images, categories, instances and journal, in a database and a folder.

Nothing here knows the screen. Whoever calls names who decides; when a call that changes something has
returned, it is on the disk.
"""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from maskrcnn_core.bounds import name_problem
from maskrcnn_core.categories import Category
from maskrcnn_core.errors import ConflictError, StoreError
from maskrcnn_core.masks import Rle
from maskrcnn_core.messages import one_line
from maskrcnn_core.store import journal, undoing
from maskrcnn_core.store.blobs import Blobs
from maskrcnn_core.store.damage import Damage, check_rows, damaged_rows, refusal_of, refuse_damage
from maskrcnn_core.store.inserting import JsonText, RowValues, as_json
from maskrcnn_core.store.journal import Change, New, Ref, Refusal
from maskrcnn_core.store.opening import open_engine, told
from maskrcnn_core.store.patience import again, transaction
from maskrcnn_core.store.places import StorePlace, find_place
from maskrcnn_core.store.records import (
    Box,
    CategoryRow,
    Doubts,
    Entry,
    Extra,
    Fact,
    ImageRow,
    ImageStatus,
    InstanceRow,
    ProjectRow,
    Status,
)
from maskrcnn_core.store.rows import (
    category_row,
    doubts_of,
    image_row,
    instance_row,
    instances_query,
    project_row,
)
from maskrcnn_core.store.seals import is_sound, past_index, seal_rows, sealed_names, sealed_query
from maskrcnn_core.store.tables import (
    ANSWER,
    CATEGORY,
    CHANGEABLE,
    IMAGE,
    INSTANCE,
    JOURNAL,
    PROJECT,
    THUMBNAIL,
)

__all__ = ["Store", "mask_values", "new_category", "new_image", "new_instance"]

_Act = Callable[[Connection], Entry | None]
_R = TypeVar("_R")
_TRIES = 5


class Store:
    """All projects of one place. Safe to use from several threads; other processes may use the place, too.

    Args:
        place: where; by default what the environment says.

    Raises:
        StoreError: if the place cannot be used; see :func:`~maskrcnn_core.store.opening.open_engine`.
    """

    def __init__(self, place: StorePlace | None = None) -> None:
        self.place = place or find_place()
        self._engine = open_engine(self.place)
        self.blobs = Blobs(self.place.files)
        self._left_out: defaultdict[str, set[int]] = defaultdict(set)

    def close(self) -> None:
        """Gives the database's connections back."""
        self._engine.dispose()

    # -- projects ---------------------------------------------------------------------------------

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
        """Makes a project.

        Raises:
            StoreError: if the name is empty, too long or none that a database keeps, or a project has it
                already.
        """
        name = name.strip()
        if not name:
            raise StoreError("project: wanted a name, found nothing")
        for what, text in (("project", name), ("who", who), *(("category", c.name) for c in categories)):
            if problem := name_problem(text):
                raise StoreError(f"{what}: {problem}")
        values = {
            "name": name,
            "description": description,
            "made_at": datetime.now(UTC),
            "made_by": who,
            "extra": dict(extra or {}),
        }
        with self.writing() as connection:
            id_ = connection.execute(insert(PROJECT).returning(PROJECT.c.id), values).scalar_one()
            seal_rows(connection, PROJECT, [id_])
            journal.decide(connection, id_, who, "make project", [new_category(c) for c in categories])
            return self._project(connection, id_)

    @again(twice_is_once=True)
    def projects(self) -> list[ProjectRow]:
        """All projects that are there, by name."""
        with self.reading() as connection:
            query = sealed_query(PROJECT).where(~PROJECT.c.gone)
            rows = list(self._sound(connection, PROJECT, query, project_row))
        return sorted(rows, key=lambda row: row.name.casefold())

    @again(twice_is_once=True)
    def project(self, project_id: int) -> ProjectRow:
        """One project.

        Raises:
            StoreError: if there is none.
        """
        with self.reading() as connection:
            return self._project(connection, project_id)

    def _project(self, connection: Connection, project_id: int) -> ProjectRow:
        query = sealed_query(PROJECT).where(PROJECT.c.id == project_id, ~PROJECT.c.gone)
        row = next(self._sound(connection, PROJECT, query, project_row), None)
        if row is None:
            raise StoreError(f"project {project_id}: there is no such project")
        return row

    def _sound(
        self,
        connection: Connection,
        table: Table,
        query: Select[Any],
        convert: Callable[[Sequence[Any]], _R],
    ) -> Iterator[_R]:
        """The rows of a query that begins as :func:`~maskrcnn_core.store.seals.sealed_query` does.

        Raises:
            StoreError: naming a row that is not what was written.
        """
        names = sealed_names(table)
        at = names.index("id")
        of = (
            [(names.index(f"{name}_id"), self._left_out[name]) for name in ("image", "category")]
            if table is INSTANCE
            else []
        )
        left_out = self._left_out[table.name]
        with connection.execute(query) as rows:
            for row in rows:
                if row[at] in left_out or any(row[place] in ids for place, ids in of):
                    continue
                if not is_sound(table, row):
                    raise StoreError(refusal_of(connection, table, row[at]))
                yield convert(row)

    def leaving_out(self, damage: Iterable[Damage]) -> Store:
        """The same store, which hands out nothing of some damaged rows, nor what needs them."""
        store = copy.copy(self)
        store._left_out = defaultdict(set)
        for row in damage:
            store._left_out[row.table].add(row.id)
        return store

    def damaged_rows(self, project_id: int) -> list[Damage]:
        """All rows of a project that are not what was written; see :mod:`maskrcnn_core.store.damage`."""
        with self.reading() as connection:
            return damaged_rows(connection, project_id)

    # -- what is in them --------------------------------------------------------------------------

    @again(twice_is_once=True)
    def categories(self, project_id: int) -> list[CategoryRow]:
        """A project's categories, in the order of their ids in files."""
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
        """A project's images, in the order in which they came.

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
        """A project's instances, or those of one image, or some of them, in the order in which they came."""
        with self.reading() as connection:
            query = instances_query(project_id)
            if image_id is not None:
                query = query.where(INSTANCE.c.image_id == image_id)
            if ids is not None:
                query = query.where(INSTANCE.c.id.in_(ids))
            return list(self._sound(connection, INSTANCE, query, instance_row))

    def each_instance(self, project_id: int) -> Iterator[InstanceRow]:
        """All of a project's instances in the order in which they came, read as they are asked for.

        It is one state of the database throughout, also where somebody writes meanwhile.
        """
        with self.reading() as connection:
            query = instances_query(project_id).execution_options(yield_per=2000)
            yield from self._sound(connection, INSTANCE, query, instance_row)

    @again(twice_is_once=True)
    def facts(self, project_id: int) -> list[Fact]:
        """All instances of a project without their masks, in the order in which they came."""
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
                c.doubt,
            )
            .join(IMAGE, IMAGE.c.id == past_index(c.image_id))
            .where(past_index(c.project_id) == project_id, ~c.gone, ~IMAGE.c.gone)
            .order_by(c.id)
        )
        with self.reading() as connection:
            return [
                Fact(*row[:-1], doubts_of(row.doubt))
                for row in connection.execute(query)
                if not self._is_left_out(row.id, row.image_id, row.category_id)
            ]

    def refuse_damage(self, project_id: int) -> None:
        """See to it that all of a project is what was written, but for what is left out.

        The instances that are there are compared as they are read.

        Raises:
            StoreError: naming the first few rows that are not, with the count.
        """
        with self.reading() as connection:
            found = damaged_rows(connection, project_id, hidden_only=True)
        refuse_damage([damage for damage in found if damage.id not in self._left_out[damage.table]])

    def _is_left_out(self, instance: int, image: int, category: int) -> bool:
        left = self._left_out
        return instance in left["instance"] or image in left["image"] or category in left["category"]

    @again(twice_is_once=True)
    def counts(self, project_id: int) -> tuple[Counter[ImageStatus], Counter[Status]]:
        """How many images and how many instances have each status."""
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
    def mark_opened(self, image_id: int) -> None:
        """Notes that somebody has seen an image. It is no decision: nobody would want to undo it."""
        seen = update(IMAGE).where(IMAGE.c.id == image_id, IMAGE.c.status == "new")
        with self.writing() as connection:
            check_rows(connection, IMAGE, [image_id])
            connection.execute(seen.values(status="opened"))
            seal_rows(connection, IMAGE, [image_id])

    # -- small pictures -----------------------------------------------------------------------------

    @again(twice_is_once=True)
    def thumbnails(self, digests: Iterable[str]) -> dict[str, bytes]:
        """Those small pictures (JPEG) of images that have been made, by the images' digests."""
        query = select(THUMBNAIL).where(THUMBNAIL.c.digest.in_(list(digests)))
        with self.reading() as connection:
            return {row.digest: row.jpeg for row in connection.execute(query)}

    @again(twice_is_once=True)
    def keep_thumbnails(self, pictures: Mapping[str, bytes]) -> None:
        """Keeps small pictures; those that are there already stay."""
        missing = dict(pictures)
        with self.writing() as connection:
            there = select(THUMBNAIL.c.digest).where(THUMBNAIL.c.digest.in_(list(missing)))
            for digest in connection.execute(there).scalars():
                del missing[digest]
            if missing:
                rows = [{"digest": digest, "jpeg": jpeg} for digest, jpeg in missing.items()]
                connection.execute(insert(THUMBNAIL), rows)

    @again(twice_is_once=True)
    def next_coco_id(self, project_id: int, table: str) -> int:
        """The next free id for files, of a ``category``, ``image`` or ``instance``; none is given twice."""
        of = CHANGEABLE[table]
        with self.reading() as connection:
            query = select(func.max(of.c.coco_id)).where(of.c.project_id == project_id)
            return max(connection.execute(query).scalar() or 0, 0) + 1

    @again(twice_is_once=True)
    def given_coco_ids(self, project_id: int, table: str) -> set[int]:
        """All ids for files that were ever given, also those of rows that are gone and may come back."""
        of = CHANGEABLE[table]
        with self.reading() as connection:
            query = select(of.c.coco_id).where(of.c.project_id == project_id)
            return set(connection.execute(query).scalars())

    # -- answers of networks ----------------------------------------------------------------------

    @again(twice_is_once=True)
    def save_answer(
        self, image_id: int, model_key: str, model_digest: str, *, candidates: str = "", failure: str = ""
    ) -> None:
        """Keeps what a model said of an image, in place of what it said before.

        Args:
            image_id, model_key, model_digest: of what, and by whom.
            candidates: digest of the packed run, or empty.
            failure: why there is no answer, or empty.
        """
        values = {
            "model_key": model_key,
            "candidates": candidates,
            "failure": failure,
            "offered": "",
            "made_at": datetime.now(UTC),
        }
        with self.writing() as connection:
            of = (ANSWER.c.image_id == image_id, ANSWER.c.model_digest == model_digest)
            connection.execute(delete(ANSWER).where(*of))
            connection.execute(insert(ANSWER), values | {"image_id": image_id, "model_digest": model_digest})

    @again(twice_is_once=True)
    def answer(self, image_id: int, model_digest: str) -> str | None:
        """The digest of a model's packed run for an image; ``None`` if it has no answer."""
        query = select(ANSWER.c.candidates).where(
            ANSWER.c.image_id == image_id, ANSWER.c.model_digest == model_digest, ANSWER.c.candidates != ""
        )
        with self.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    @again(twice_is_once=True)
    def mark_offered(
        self, image_id: int, model_digest: str, asked: str, *, has_replaced: bool = False
    ) -> None:
        """Note that what a model found in an image has been offered as instances, as it was ``asked`` for.

        Where proposals were replaced, other models may have left out theirs for them: what they found is
        offered again when they are asked again.
        """
        of = (ANSWER.c.image_id == image_id, ANSWER.c.model_digest == model_digest)
        with self.writing() as connection:
            if has_replaced:
                connection.execute(update(ANSWER).where(ANSWER.c.image_id == image_id).values(offered=""))
            connection.execute(update(ANSWER).where(*of).values(offered=asked))

    @again(twice_is_once=True)
    def offered_images(self, project_id: int, model_digest: str, asked: str) -> set[int]:
        """Ids of the images in which what a model found has last been offered just as it is ``asked`` for."""
        query = (
            select(ANSWER.c.image_id)
            .join(IMAGE, IMAGE.c.id == ANSWER.c.image_id)
            .where(
                IMAGE.c.project_id == project_id,
                ANSWER.c.model_digest == model_digest,
                ANSWER.c.offered == asked,
            )
        )
        with self.reading() as connection:
            return set(connection.execute(query).scalars())

    # -- decisions --------------------------------------------------------------------------------

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
    ) -> Entry | None:
        """Carries out a decision, wholly or not at all; see :func:`~maskrcnn_core.store.journal.decide`.

        Args:
            project_id, who, kind, changes, image_id: for that function.
            operation: a name for it, unique in the project: asked for again under the same name, as after a
                lost connection, it is not done twice, and what became of it the first time comes back.

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
                connection, project_id, who, kind, changes, image_id=image_id, operation=operation
            ),
            operation,
            image_id,
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
        undo goes on with the decision before. See :mod:`maskrcnn_core.store.undoing`.

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
                    raise ConflictError("others are deciding at this very moment; try again") from None
        raise AssertionError("unreachable: the last attempt returns or raises")

    @again(twice_is_once=True)
    def undoable(
        self, project_id: int, who: str, *, only: Collection[str] | None = None
    ) -> tuple[bool, bool]:
        """Whether this person has something to undo, and something to redo."""
        with self.reading() as connection:
            return undoing.undoable(connection, project_id, who, only=only)

    @again(twice_is_once=True)
    def decisions_of(self, entries: Iterable[Entry]) -> dict[int, Entry]:
        """The decision that each entry is, takes back, or makes again, by the entry's id."""
        with self.reading() as connection:
            return {entry.id: undoing.decision_of(connection, entry) for entry in entries}

    @again(twice_is_once=True)
    def entry_of(self, project_id: int, operation: str) -> Entry | None:
        """The journal's line of an operation, if it has been carried out or refused."""
        with self.reading() as connection:
            return journal.entry_of(connection, project_id, operation)

    @again(twice_is_once=True)
    def image_name(self, image_id: int) -> str | None:
        """An image's file name; ``None`` if there is no such image."""
        with self.reading() as connection:
            return connection.execute(select(IMAGE.c.file_name).where(IMAGE.c.id == image_id)).scalar()

    @again(twice_is_once=True)
    def project_of(self, image_id: int) -> int | None:
        """The id of the project that an image belongs to; ``None`` if there is no such image."""
        with self.reading() as connection:
            return connection.execute(select(IMAGE.c.project_id).where(IMAGE.c.id == image_id)).scalar()

    @again(twice_is_once=True)
    def revision(self, project_id: int) -> tuple[int, int]:
        """Another value whenever anything in the project has been decided, or an image seen first."""
        last = select(func.max(JOURNAL.c.id)).where(JOURNAL.c.project_id == project_id)
        unseen = select(func.count()).where(IMAGE.c.project_id == project_id, IMAGE.c.status == "new")
        with self.reading() as connection:
            return connection.execute(last).scalar() or 0, connection.execute(unseen).scalar() or 0

    @again(twice_is_once=True)
    def journal(
        self, project_id: int, *, who: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """The newest lines of a project's journal; see :func:`~maskrcnn_core.store.journal.entries`."""
        with self.reading() as connection:
            return journal.entries(connection, project_id, who=who, before=before, limit=limit)

    def _decided(
        self,
        project_id: int,
        who: str,
        kind: str,
        act: _Act,
        operation: str | None,
        image_id: int | None = None,
    ) -> Entry | None:
        try:
            with self.writing() as connection:
                before = operation and journal.entry_of(connection, project_id, operation)
                entry = before or act(connection)
        except Refusal as refusal:
            with self.writing() as connection:
                journal.refuse(
                    connection, project_id, who, kind, refusal, image_id=image_id, operation=operation
                )
            raise
        return _unless_refused(entry)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads one state of the database throughout; for this package's modules."""
        with told(self.place), transaction(self._engine, writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write; on the disk once its block has ended. For this package's modules."""
        try:
            with told(self.place), transaction(self._engine, writes=True) as connection:
                yield connection
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise StoreError(_taken(error.__cause__)) from error.__cause__
            raise


def _unless_refused(entry: Entry | None) -> Entry | None:
    if entry is not None and entry.is_refused:
        raise ConflictError("this was refused before, as somebody else came first; it is in the journal")
    return entry


_TAKEN = (
    ("project", "name", "a project of this name is there already; choose another name"),
    ("category", "name", "a category of this name is there already; merge the two, or choose another name"),
    ("image", "file_name", "an image of this file name is there already; rename one of them"),
)


def _taken(error: IntegrityError) -> str:
    reason = str(error.orig)
    for table, column, sentence in _TAKEN:
        # SQLite names the columns, PostgreSQL the index.
        if f"{table}.{column}" in reason or f"uq_{table}_{column}" in reason:
            return sentence
    return f"the project database refused this ({one_line(reason)})"


# -- new rows -------------------------------------------------------------------------------------


def new_category(
    category: Category, *, colour: str = "", extra: Extra | None = None, key: Hashable = None
) -> New:
    """A category to be made; a :class:`Ref` of the same decision calls it ``key``."""
    return New(
        "category",
        {
            "coco_id": category.id,
            "name": category.name,
            "supercategory": category.supercategory,
            "colour": colour,
            "extra": dict(extra or {}),
        },
        key,
    )


def new_image(
    coco_id: int,
    file_name: str,
    size: tuple[int, int],
    digest: str,
    *,
    status: ImageStatus = "new",
    extra: Extra | None = None,
    key: Hashable = None,
) -> New:
    """An image to be made; ``size`` is height and width, and a :class:`Ref` calls it ``key``."""
    return New(
        "image",
        {
            "coco_id": coco_id,
            "file_name": file_name,
            "width": size[1],
            "height": size[0],
            "digest": digest,
            "status": status,
            "extra": dict(extra or {}),
        },
        key,
    )


def new_instance(
    image_id: int | Ref,
    category_id: int | Ref,
    coco_id: int,
    mask: Rle,
    *,
    source: str,
    status: Status = "proposed",
    score: float | None = None,
    polygons: Sequence[Sequence[float]] | None = None,
    is_crowd: bool = False,
    given_box: Box | None = None,
    given_area: float | None = None,
    candidate: int | None = None,
    extra: Extra | None = None,
    doubts: Doubts | None = None,
) -> New:
    """An instance to be made; the arguments are those of :class:`InstanceRow`."""
    values = {
        "counts": mask.counts,
        "polygons": as_json(polygons),
        "area": mask.area,
        "box": as_json(mask.box_xywh),
        "image_id": image_id,
        "category_id": category_id,
        "coco_id": coco_id,
        "score": score,
        "status": status,
        "source": source,
        "is_crowd": is_crowd,
        "given_box": as_json(given_box),
        "given_area": given_area,
        "candidate": candidate,
        "extra": as_json(extra) if extra else _NOTHING,
        "doubt": None if doubts is None else asdict(doubts),
    }
    return New("instance", RowValues(values))


_NOTHING = JsonText("{}")


def mask_values(mask: Rle, polygons: list[list[float]] | None = None) -> dict[str, Any]:
    """What a mask is in the table of instances, to mend one."""
    return {
        "counts": mask.counts,
        "polygons": polygons,
        "area": mask.area,
        "box": list(mask.box_xywh),
    }
