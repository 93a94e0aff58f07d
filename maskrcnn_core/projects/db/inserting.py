"""Makes new rows, many at once: a data set of a million instances is one decision.

The database's own way of numbering is anticipated, so that ids are known without asking for each, and JSON is
written as rows are made, which keeps them small until then.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import orjson
from sqlalchemy import JSON, Connection, Table, func, insert, select, text

from maskrcnn_core.projects.db.seals import seal_of, sealed_names
from maskrcnn_core.projects.db.tables import CHANGEABLE, PROJECT, SEAL

__all__ = ["FIXED", "JsonText", "New", "Ref", "RowValues", "WantedId", "as_json", "hold_ids", "insert_rows"]

FIXED = frozenset({"id", "version", "project_id", SEAL})
"""Columns that nobody changes by hand."""

_DEFAULTS: dict[str, Any] = {"version": 1, "gone": False}
_BATCH = 5000  # rows in one call: bounds what is held beside the values themselves


class JsonText(str):
    """A value of a JSON column that is written already, as ``orjson`` writes it."""

    __slots__ = ()


class WantedId(int):
    """An id in files that a row gets if the project never gave it before, or else the next free one."""

    __slots__ = ()


class RowValues(Mapping[str, Any]):
    """Values by column that take a fifth of a dictionary's memory: a data set has a million rows.

    Args:
        values: by column.
    """

    __slots__ = ("columns", "in_order")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.columns = _shared(tuple(values))
        self.in_order = tuple(values.values())

    def __getitem__(self, column: str) -> Any:
        return self.in_order[_places(self.columns)[column]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


@cache
def _shared(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the same names as one object for all rows that have them."""
    return columns


@cache
def _places(columns: tuple[str, ...]) -> Mapping[str, int]:
    return {column: place for place, column in enumerate(columns)}


def as_json(value: Sequence[Any] | Mapping[str, Any] | None) -> JsonText | None:
    """Return a list or an object as its JSON: a tenth of the memory."""
    return value if value is None or isinstance(value, JsonText) else JsonText(_dumps(value))


@dataclass(frozen=True, slots=True)
class Ref:
    """The id of a row that the same decision makes, in the values of another new row.

    Args:
        key: that of the :class:`New`.
    """

    key: Hashable


@dataclass(frozen=True, slots=True)
class New:
    """A row to be made.

    Args:
        table: a key of :data:`~maskrcnn_core.projects.db.tables.CHANGEABLE`.
        values: of all columns without a default. The ``coco_id`` is a whole number that has to be free, a
            :class:`WantedId`, or ``None`` for the next free one.
        key: what a :class:`Ref` of the same decision calls it.
    """

    table: str
    values: Mapping[str, Any]
    key: Hashable = None


def hold_ids(connection: Connection, project_id: int) -> None:
    """Keep others from giving ids of a project until the transaction ends; they wait.

    To be called before anything else is held: two writers then never wait for each other.
    """
    # Others may refer to the project meanwhile, as every line of the journal does.
    held = select(PROJECT.c.id).where(PROJECT.c.id == project_id)
    connection.execute(held.with_for_update(key_share=True))


def insert_rows(
    connection: Connection,
    project_id: int,
    news: Sequence[New],
    *,
    kept_free: Mapping[str, int] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Make rows, those that others refer to first.

    Args:
        connection: in a writing transaction that holds the project's ids (:func:`hold_ids`).
        project_id: whose rows they become.
        news: in the order in which rows of a table get their ids.
        kept_free: by table, an id in files up to which the next free one is looked for beyond: those of rows
            that may follow.

    Returns:
        The journal's lines: ``table``, ``id`` and ``made``, and for a row that did not get the id in files
        that it wanted, ``wanted`` and the ``coco_id`` that it got.

    Raises:
        ValueError: for a table whose rows belong to no project.
    """
    by_table: dict[str, list[New]] = defaultdict(list)
    for new in news:
        by_table[new.table].append(new)
    lines: list[dict[str, Any]] = []
    ids_of: dict[Hashable, int] = {}
    for name, table in CHANGEABLE.items():
        group = by_table.pop(name, None)
        if not group:
            continue
        if "project_id" not in table.c:
            raise ValueError(f"{name}: it is created outside a project")
        ids = _next_ids(connection, table, len(group))
        coco_ids = _ids_in_files(connection, table, project_id, group, kept_free.get(name, 0))
        ids_of.update((new.key, id_) for new, id_ in zip(group, ids, strict=True) if new.key is not None)
        for at in range(0, len(group), _BATCH):
            part = slice(at, at + _BATCH)
            batch = list(zip(group[part], ids[part], coco_ids[part], strict=True))
            lines += _insert(connection, table, project_id, batch, ids_of)
    return lines


def _next_ids(connection: Connection, table: Table, count: int) -> list[int]:
    """Return the ids that the database itself would give next.

    In a writing transaction nobody else gets them.
    """
    if connection.dialect.name == "postgresql":
        sequence = text(
            "SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)"
        )
        return list(connection.execute(sequence, {"table": table.name, "count": count}).scalars())
    first = (connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
    return list(range(first, first + count))


def _ids_in_files(
    connection: Connection, table: Table, project_id: int, group: Sequence[New], kept_free: int
) -> list[int]:
    """Return the ids in files of new rows; none is given twice, also not that of a row that is gone."""
    wanted: list[int | None] = [new.values["coco_id"] for new in group]
    named = [number for number in wanted if number is not None]
    column, of_project = table.c.coco_id, table.c.project_id == project_id
    given: set[int] = set()
    if flexible := [number for number in named if isinstance(number, WantedId)]:
        within = column.between(min(flexible), max(flexible))
        given.update(connection.execute(select(column).where(of_project, within)).scalars())
    last = kept_free
    if len(named) < len(wanted) or not given.isdisjoint(flexible) or len(set(named)) < len(named):
        largest = connection.execute(select(func.max(column)).where(of_project)).scalar() or 0
        last = max(0, largest, kept_free, *named) if named else max(0, largest, kept_free)
    found: list[int] = []
    for number in wanted:
        if number is None or (isinstance(number, WantedId) and number in given):
            last += 1
            number = last
        given.add(number)
        found.append(int(number))
    return found


def _insert(
    connection: Connection,
    table: Table,
    project_id: int,
    batch: Sequence[tuple[New, int, int]],
    ids_of: Mapping[Hashable, int],
) -> list[dict[str, Any]]:
    # Rows of one decision may leave out other columns: each form is a statement of its own.
    forms: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
    lines: list[dict[str, Any]] = []
    for new, id_, coco_id in batch:
        values = new.values if isinstance(new.values, RowValues) else RowValues(new.values)
        forms[values.columns].append((*values.in_order, id_, coco_id))
        line: dict[str, Any] = {"table": table.name, "id": id_, "made": True}
        if (wanted := values["coco_id"]) is not None and wanted != coco_id:
            line |= {"wanted": int(wanted), "coco_id": coco_id}
        lines.append(line)
    for columns, rows in forms.items():
        # The last of two columns of one name counts.
        _insert_alike(connection, table, project_id, (*columns, "id", "coco_id"), rows, ids_of)
    return lines


def _insert_alike(
    connection: Connection,
    table: Table,
    project_id: int,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    ids_of: Mapping[Hashable, int],
) -> None:
    """Make rows that all tell the same columns; a column at a time, as that is quicker by half."""
    values: dict[str, Sequence[Any]] = dict(zip(columns, zip(*rows, strict=True), strict=True))
    for column in table.c:
        given = values.get(column.name)
        if given is None:
            continue
        if isinstance(column.type, JSON):
            values[column.name] = [v if v is None or type(v) is JsonText else _dumps(v) for v in given]
        elif column.foreign_keys:
            values[column.name] = [ids_of[v.key] if type(v) is Ref else v for v in given]
    for name, value in {**_DEFAULTS, "project_id": project_id}.items():
        values[name] = [value] * len(rows)
    nothing = [None] * len(rows)
    sealed = zip(*(values.get(name, nothing) for name in sealed_names(table)), strict=True)
    values[SEAL] = [seal_of(table, row) for row in sealed]
    statement = insert(table).compile(dialect=connection.dialect, column_keys=list(values))
    # Straight to the driver: SQLAlchemy's way through each column's type costs as much as all the rest.
    if statement.positiontup is None:
        names = list(values)
        rows_by_name = [dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True)]
        connection.exec_driver_sql(statement.string, rows_by_name)
    else:
        in_order = [values[name] for name in statement.positiontup]
        connection.exec_driver_sql(statement.string, list(zip(*in_order, strict=True)))


def _dumps(value: Any) -> str:
    """Return JSON of a value; what is no number becomes null, as databases take no NaN."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # whole numbers of more than 64 bits, and halves of surrogate pairs
        return json.dumps(value)
