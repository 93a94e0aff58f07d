"""What of a project is no longer what was written: rows by their seals, files by their digests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, and_, or_, select

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.errors import DamageError, StoreError
from maskrcnn_core.projects.db.blobs import Blobs
from maskrcnn_core.projects.db.seals import is_sound, past_index, sealed_names, sealed_query
from maskrcnn_core.projects.db.tables import CATEGORY, CHANGEABLE, IMAGE, INSTANCE, PROJECT

__all__ = [
    "ADVICE",
    "Damage",
    "any_text",
    "check_rows",
    "damaged_files",
    "damaged_projects",
    "damaged_rows",
    "project_names",
    "refusal_of",
    "refuse_damage",
    "shown_row",
]

ADVICE = (
    "restore a copy of the database, or see `project verify`, which lists every damaged row, and `project "
    "export --leave-out-damaged` or the Project page's Export, which write the rest"
)
_SHOWN = 5


@dataclass(frozen=True)
class Damage:
    """A row, or an image's file, that is not what was written.

    Args:
        table: name of the row's table; ``file`` for an image's file.
        id: the row's; for a file that of the image.
        shown: project, image, instance or category, in words.
    """

    table: str
    id: int
    shown: str


def damaged_rows(connection: Connection, project_id: int, *, hidden_only: bool = False) -> list[Damage]:
    """Return all damaged rows of a project, also those that are gone, or were moved out of it by the damage.

    Args:
        connection: in a transaction that reads.
        project_id: which project.
        hidden_only: leave aside the instances that whoever reads the project's instances compares anyway.

    Raises:
        StoreError: if the database's own structure is damaged, so that rows could be missed.
    """
    # Whoever reads the instances of a project goes through their table, and not by its indices.
    _check_indices(connection, [name for name in CHANGEABLE if not hidden_only or name != INSTANCE.name])
    images_here = select(IMAGE.c.id).where(IMAGE.c.project_id == project_id)
    images_used = select(INSTANCE.c.image_id).where(INSTANCE.c.project_id == project_id)
    instances = sealed_query(INSTANCE).where(
        or_(
            past_index(INSTANCE.c.project_id) == project_id,
            past_index(INSTANCE.c.image_id).in_(images_here),
        )
    )
    if hidden_only:
        is_shown = and_(INSTANCE.c.project_id == IMAGE.c.project_id, ~INSTANCE.c.gone, ~IMAGE.c.gone)
        instances = instances.outerjoin(IMAGE, IMAGE.c.id == past_index(INSTANCE.c.image_id))
        instances = instances.where(or_(IMAGE.c.id.is_(None), ~is_shown))
    queries = {
        PROJECT: sealed_query(PROJECT).where(PROJECT.c.id == project_id),
        CATEGORY: sealed_query(CATEGORY).where(CATEGORY.c.project_id == project_id),
        IMAGE: sealed_query(IMAGE).where(or_(IMAGE.c.project_id == project_id, IMAGE.c.id.in_(images_used))),
        INSTANCE: instances,
    }
    found = []
    with any_text(connection):
        for table, query in queries.items():
            at = sealed_names(table).index("id")
            rows = connection.execute(query.execution_options(yield_per=2000))
            wrong = [int(row[at]) for row in rows if not is_sound(table, row)]
            found += [Damage(table.name, id_, shown_row(connection, table, id_)) for id_ in wrong]
    return found


@contextmanager
def any_text(connection: Connection) -> Iterator[None]:
    """Let damaged texts come as they are, so that their row can be named; only SQLite hands such out.

    They have halves of surrogate pairs in the place of bytes that are no UTF-8, and no seal fits them.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite":
        yield
        return
    before = driver.text_factory
    driver.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = before


def _check_indices(connection: Connection, names: Iterable[str]) -> None:
    """Check that SQLite finds by its indices what is in its tables: opening does not look at that.

    Raises:
        StoreError: saying what is wrong.
    """
    if connection.dialect.name != "sqlite":
        return
    for name in names:
        said = connection.exec_driver_sql(f"PRAGMA integrity_check('{name}')").scalars().all()
        if said != ["ok"]:
            raise StoreError(
                f"the project database is damaged in an index of its table {name}'s rows "
                f"({one_line(said[0])}); rebuild it with `sqlite3 maskdesk.db REINDEX`, or restore a copy"
            )


def damaged_projects(connection: Connection) -> list[Damage]:
    """Return the projects whose own rows are damaged, so that nothing of them can be shown."""
    at = sealed_names(PROJECT).index("id")
    with any_text(connection):
        rows = connection.execute(sealed_query(PROJECT).where(~PROJECT.c.gone)).all()
        wrong = [int(row[at]) for row in rows if not is_sound(PROJECT, row)]
        return [Damage(PROJECT.name, id_, shown_row(connection, PROJECT, id_)) for id_ in wrong]


def damaged_files(
    blobs: Blobs,
    images: Iterable[tuple[int, str, str]],
    on_file: Callable[[], object] = lambda: None,
) -> Iterator[Damage]:
    """Yield the images whose files are gone, damaged, or cannot be read.

    Args:
        blobs: where the files are.
        images: id, file name and digest of each; those without a digest have no file.
        on_file: called after each.
    """
    for id_, name, digest in images:
        if digest:
            try:
                blobs.get(digest)
            except StoreError as error:
                yield Damage("file", id_, f"image {one_line(name)}: {error}")
        on_file()


def project_names(connection: Connection) -> list[tuple[int, str]]:
    """Return the id and name of each project that is there, damaged or not."""
    query = select(PROJECT.c.id, PROJECT.c.name).where(~PROJECT.c.gone)
    with any_text(connection):
        return [(row.id, str(row.name)) for row in connection.execute(query.order_by(PROJECT.c.name))]


def check_rows(connection: Connection, table: Table, ids: Collection[int]) -> None:
    """Check that rows are what was written before they are sealed again.

    Raises:
        DamageError: naming the first that is not.
    """
    at = sealed_names(table).index("id")
    with any_text(connection):
        for row in connection.execute(sealed_query(table).where(table.c.id.in_(ids))):
            if not is_sound(table, row):
                raise DamageError(refusal_of(connection, table, row[at]))


def refusal_of(connection: Connection, table: Table, id_: int) -> str:
    """Return what is said where a damaged row is met."""
    return f"{shown_row(connection, table, id_)}: its row in the project database is damaged; {ADVICE}"


def refuse_damage(found: Sequence[Damage]) -> None:
    """Refuse to write what is damaged.

    Raises:
        DamageError: naming the first few, with the count, if there are any.
    """
    if not found:
        return
    named = "; ".join(damage.shown for damage in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    are = f"{counted(len(found), 'row')} of the project database {'is' if len(found) == 1 else 'are'}"
    raise DamageError(f"{are} damaged ({named}{more}); {ADVICE}")


def shown_row(connection: Connection, table: Table, id_: int) -> str:
    """Return a row in words: its project, and what it is called there, as far as that can still be read."""
    row = connection.execute(sealed_query(table).where(table.c.id == id_)).one()
    raw = dict(zip(sealed_names(table), row, strict=False))  # the seal comes after
    parts = []
    if table is not PROJECT:
        parts.append(f"project {_name(connection, PROJECT, 'name', raw['project_id'])}")
    if table is INSTANCE:
        parts.append(f"image {_name(connection, IMAGE, 'file_name', raw['image_id'])}")
        parts.append(f"instance {raw['coco_id']}")
    else:
        name = raw["file_name" if table is IMAGE else "name"]
        parts.append(f"{table.name} {one_line(str(name))}")
    return ", ".join(parts)


def _name(connection: Connection, table: Table, column: str, id_: Any) -> str:
    found = connection.execute(select(table.c[column]).where(table.c.id == id_)).scalar()
    return f"with id {id_}" if found is None else one_line(str(found))
