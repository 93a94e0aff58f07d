"""The rows of a project at one moment, and their packed form: a compressed file of one JSON value per line.

The first line says which columns follow; each other line is a row as the database stores it, JSON as text,
so that a row comes back exactly as it was. The file lies among the store's blobs, under its SHA-256.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Table

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import DamageError, StoreError
from maskrcnn_core.projects.db.damage import any_text, refusal_of
from maskrcnn_core.projects.db.seals import is_sound, sealed_names, sealed_query
from maskrcnn_core.projects.db.tables import CATEGORY, IMAGE, INSTANCE
from maskrcnn_core.projects.records import CategoryRow, ImageRow, InstanceRow
from maskrcnn_core.projects.rows import category_row, image_row, instance_row, instances_query

__all__ = ["Contents", "Header", "columns_of", "contents_now", "pack", "packed_header", "unpack"]

_FORM = 1
_TABLES: tuple[Table, ...] = (CATEGORY, IMAGE, INSTANCE)
_BATCH = 2000


@dataclass(frozen=True)
class Header:
    """What a packed snapshot says of itself.

    Args:
        name: the snapshot's.
        who: whose it is.
        categories, images, instances: how many rows of each follow.
    """

    name: str
    who: str
    categories: int
    images: int
    instances: int


@dataclass(frozen=True)
class Contents:
    """A project's rows at one moment, by the store's ids, in the order in which they came.

    Args:
        categories, images, instances: those that were there.
    """

    categories: Mapping[int, CategoryRow] = field(repr=False)
    images: Mapping[int, ImageRow] = field(repr=False)
    instances: Mapping[int, InstanceRow] = field(repr=False)


def contents_now(connection: Connection, project_id: int) -> Contents:
    """Return a project's rows as they are.

    Args:
        connection: in a transaction that reads one state of the database throughout.
        project_id: whose.

    Raises:
        DamageError: naming a row that is not what was written.
    """
    found: dict[Table, list[Any]] = {
        table: list(_sound_rows(connection, table, project_id)) for table in _TABLES
    }
    return _contents(found[CATEGORY], found[IMAGE], found[INSTANCE])


def _contents(
    categories: Iterable[Sequence[Any]], images: Iterable[Sequence[Any]], instances: Iterable[Sequence[Any]]
) -> Contents:
    return Contents(
        {row.id: row for row in map(category_row, categories)},
        {row.id: row for row in map(image_row, images)},
        {row.id: row for row in map(instance_row, instances)},
    )


def _sound_rows(connection: Connection, table: Table, project_id: int) -> Iterator[Sequence[Any]]:
    """Yield the raw rows of a project that are there, with their seal; then the size of an image."""
    if table is INSTANCE:
        query = instances_query(project_id)
    else:
        c = table.c
        query = sealed_query(table).where(c.project_id == project_id, ~c.gone).order_by(c.id)
    at = sealed_names(table).index("id")
    with any_text(connection), connection.execute(query.execution_options(yield_per=_BATCH)) as rows:
        for row in rows:
            if not is_sound(table, row):
                raise DamageError(refusal_of(connection, table, row[at]))
            yield row


def pack(connection: Connection, project_id: int, name: str, who: str) -> tuple[bytes, Header]:
    """Return a project's rows as they are, packed.

    Args:
        connection: in a transaction that reads one state of the database throughout.
        project_id: whose.
        name, who: of the snapshot, to be compared with its row.

    Raises:
        DamageError: naming a row that is not what was written.
    """
    squeeze = zlib.compressobj(level=6)
    parts: list[bytes] = []
    counts: dict[str, int] = {}
    for table in _TABLES:
        counts[name_of := str(table.name)] = 0  # SQLAlchemy's own texts are no JSON
        for row in _sound_rows(connection, table, project_id):
            counts[name_of] += 1
            parts.append(squeeze.compress(orjson.dumps([name_of, *map(_plain, row)]) + b"\n"))
    parts.append(squeeze.flush())
    header = Header(name, who, counts[CATEGORY.name], counts[IMAGE.name], counts[INSTANCE.name])
    columns = {str(table.name): [str(one) for one in sealed_names(table)] for table in _TABLES}
    first = {"maskdesk": "snapshot", "form": _FORM, "columns": columns, **asdict(header)}
    return b"".join([zlib.compress(orjson.dumps(first)), *parts]), header


def _plain(value: Any) -> Any:
    # JSON comes from PostgreSQL as a subclass of text.
    return str(value) if isinstance(value, str) else value


def packed_header(data: bytes) -> Header:
    """Return what a packed snapshot says of itself.

    Raises:
        StoreError: if it is none that this version can read.
    """
    return _header(_first(data)[0])


def _first(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the first line, and what comes after it."""
    try:
        unzip = zlib.decompressobj()
        first = orjson.loads(unzip.decompress(data))
        if first["maskdesk"] != "snapshot" or first["form"] != _FORM:
            raise ValueError(f"expected form {_FORM}, got {first.get('form')!r}")
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"snapshot: expected one that this version can read ({one_line(str(error))})"
        ) from error
    return first, unzip.unused_data


def _header(first: Mapping[str, Any]) -> Header:
    return Header(*(first[name] for name in ("name", "who", "categories", "images", "instances")))


def unpack(data: bytes) -> Contents:
    """Return the rows of a packed snapshot.

    Raises:
        StoreError: if it is none that this version can read.
    """
    first, rest = _first(data)
    rows: dict[str, list[list[Any]]] = {table.name: [] for table in _TABLES}
    places = {table.name: _places(first["columns"][table.name], table) for table in _TABLES}
    for line in _lines(rest):
        name, *values = orjson.loads(line)
        size = values[-2:] if name == INSTANCE.name else ()
        row = (None if at is None else values[at] for at in places[name])
        rows[name].append([*row, None, *size])  # without the seal, which is the whole file's digest now
    return _contents(*(rows[table.name] for table in _TABLES))


def _places(columns: Sequence[str], table: Table) -> list[int | None]:
    """Return where the columns of today stand in the rows of then; ``None`` for one that was not there."""
    at = {name: place for place, name in enumerate(columns)}
    return [at.get(name) for name in sealed_names(table)]


def _lines(data: bytes) -> Iterator[bytes]:
    unzip = zlib.decompressobj()
    left = b""
    for begin in range(0, len(data), 2**20):
        left += unzip.decompress(data[begin : begin + 2**20])
        *lines, left = left.split(b"\n")
        yield from lines


def columns_of(row: CategoryRow | ImageRow | InstanceRow) -> dict[str, Any]:
    """Return what a row's columns hold, but for its id and version, as a decision names them."""
    match row:
        case CategoryRow():
            return {
                "coco_id": row.coco_id,
                "name": row.name,
                "supercategory": row.supercategory,
                "colour": row.color,
                "extra": dict(row.extra),
            }
        case ImageRow():
            return {
                "coco_id": row.coco_id,
                "file_name": row.file_name,
                "width": row.width,
                "height": row.height,
                "digest": row.digest,
                "status": row.status,
                "extra": dict(row.extra),
            }
        case InstanceRow():
            return {
                "image_id": row.image_id,
                "category_id": row.category_id,
                "coco_id": row.coco_id,
                "counts": row.counts,
                "polygons": row.polygons,
                "area": row.area,
                "box": list(row.box_xywh),
                "score": row.score,
                "status": row.status,
                "source": row.source,
                "is_crowd": row.is_crowd,
                "given_box": None if row.given_box is None else list(row.given_box),
                "given_area": row.given_area,
                "candidate": row.candidate,
                "doubt": None if row.doubts is None else asdict(row.doubts),
                "extra": dict(row.extra),
            }
