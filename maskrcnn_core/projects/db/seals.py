"""A checksum in each row that people can change, so that a flipped bit is noticed and named.

SQLite keeps no checksums of its pages, and what a flipped bit makes of a status, a category or a mask's run
lengths is as good a value as the one that was written. So each row holds the CRC-32 (ISO 3309, as ``zlib``
computes it) of the JSON list of all its other columns as they are stored; it is written with the row, and
compared whenever a row is read. It finds every single bit and every burst of up to 32 bits; it is no
signature: who may write to the database can write it, too.

A migration that adds a column to one of these tables has to empty the seals of its sound rows; opening writes
them again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    select,
    type_coerce,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from maskrcnn_core.projects.db.tables import CHANGEABLE, SEAL, UtcTime, chunks

__all__ = [
    "is_sound",
    "past_index",
    "raw_columns",
    "seal_of",
    "seal_rows",
    "seal_unsealed",
    "sealed_names",
    "sealed_query",
]

_TIME = "%Y-%m-%d %H:%M:%S.%f"
"""As SQLite has it, which knows no times."""


@cache
def sealed_names(table: Table) -> tuple[str, ...]:
    """Return the columns that a table's seals cover, in order: all others."""
    return tuple(column.name for column in table.c if column.name != SEAL)


def raw_columns(table: Table) -> list[ColumnElement[Any]]:
    """Return these columns as :func:`seal_of` takes them: as they are stored, and JSON as text."""
    return [_raw(table.c[name]) for name in sealed_names(table)]


def _raw(column: Column[Any]) -> ColumnElement[Any]:
    raw = cast(column, Text) if isinstance(column.type, JSON) else type_coerce(column, NullType())
    return raw.label(column.name)


def sealed_query(table: Table) -> Select[Any]:
    """Return a table's rows with these columns and their seal after them, for :func:`is_sound`."""
    return select(*raw_columns(table), table.c[SEAL])


class past_index(FunctionElement[Any]):
    """A column that no index is looked up by: one that is damaged would leave rows out.

    SQLite alone is told so, as it does not compare indices with their tables when it opens a file.
    """

    inherit_cache = True


@compiles(past_index)
def _plain(element: past_index, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(past_index, "sqlite")
def _unary_plus(element: past_index, compiler: Any, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"


def seal_of(table: Table, values: Sequence[Any]) -> int:
    """Return the seal of a row.

    Args:
        table: whose row.
        values: of the columns that :func:`sealed_names` tells, in that order; JSON as text.

    Returns:
        From 0 to 2**32 - 1.

    Raises:
        ValueError, TypeError: for a value that its column cannot hold, or text that is no UTF-8.
    """
    row = list(values)
    for place, as_stored in _differently(table):
        if row[place] is not None:
            row[place] = as_stored(row[place])
    return zlib.crc32(orjson.dumps(row))


def is_sound(table: Table, row: Sequence[Any]) -> bool:
    """Return whether a row is what was written.

    Args:
        table: whose row.
        row: of :func:`sealed_query`; it may have more columns after those.
    """
    width = len(sealed_names(table))
    try:
        return bool(seal_of(table, row[:width]) == row[width])
    except (TypeError, ValueError, OverflowError):
        return False


@cache
def _differently(table: Table) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
    """Return the places of values that databases hand out in another form than they got, and the one form."""
    kinds = [table.c[name].type for name in sealed_names(table)]
    return tuple((place, form) for place, kind in enumerate(kinds) if (form := _form_of(kind)) is not None)


def _form_of(kind: Any) -> Callable[[Any], Any] | None:
    if isinstance(kind, Float):
        return float
    if isinstance(kind, Boolean):
        return int
    if isinstance(kind, UtcTime):
        return lambda value: value if isinstance(value, str) else f"{value:{_TIME}}"
    if isinstance(kind, Text):  # not the subclass of a string that JSON comes in
        return str
    return None


def seal_rows(connection: Connection, table: Table, ids: Collection[int]) -> None:
    """Write the seals of rows as they are now; in a writing transaction."""
    for chunk in chunks(sorted(ids)):
        _seal(connection, table, connection.execute(select(*raw_columns(table)).where(table.c.id.in_(chunk))))


def seal_unsealed(connection: Connection) -> None:
    """Write the seals of all rows that have none, as after a migration; in a writing transaction."""
    for table in CHANGEABLE.values():
        bare = select(table.c.id).where(table.c[SEAL].is_(None))
        seal_rows(connection, table, connection.execute(bare).scalars().all())


def _seal(connection: Connection, table: Table, rows: Iterable[Any]) -> None:
    at = sealed_names(table).index("id")
    seals = [{"row_id": row[at], "new_seal": seal_of(table, row)} for row in rows]
    if seals:
        written = update(table).where(table.c.id == bindparam("row_id"))
        connection.execute(written.values({SEAL: bindparam("new_seal")}), seals)
