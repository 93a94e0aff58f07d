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
from typing import Any

import orjson
from sqlalchemy import JSON, Connection, Table, func, insert, select, text

from maskrcnn_core.store.seals import seal_of, sealed_names
from maskrcnn_core.store.tables import CHANGEABLE, SEAL

__all__ = ["FIXED", "JsonText", "New", "Ref", "RowValues", "as_json", "insert_rows"]

FIXED = frozenset({"id", "version", "project_id", SEAL})
"""Columns that nobody changes by hand."""

_DEFAULTS: dict[str, Any] = {"version": 1, "gone": False}
_BATCH = 5000  # rows in one call: bounds what is held beside the values themselves


class JsonText(str):
    """A value of a JSON column that is written already, as ``orjson`` writes it."""

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
    """The same names, as one object for all rows that have them."""
    return columns


@cache
def _places(columns: tuple[str, ...]) -> Mapping[str, int]:
    return {column: place for place, column in enumerate(columns)}


def as_json(value: Sequence[Any] | Mapping[str, Any] | None) -> JsonText | None:
    """A list or an object as its JSON: a tenth of the memory."""
    return value if value is None or isinstance(value, JsonText) else JsonText(_dumps(value))


@dataclass(frozen=True, slots=True)
class Ref:
    """Stands for the id of a row that the same decision makes, in the values of another new row.

    Args:
        key: that of the :class:`New`.
    """

    key: Hashable


@dataclass(frozen=True, slots=True)
class New:
    """A row to be made.

    Args:
        table: a key of :data:`~maskrcnn_core.store.tables.CHANGEABLE`.
        values: of all columns without a default.
        key: what a :class:`Ref` of the same decision calls it.
    """

    table: str
    values: Mapping[str, Any]
    key: Hashable = None


def insert_rows(connection: Connection, project_id: int, news: Sequence[New]) -> list[dict[str, Any]]:
    """Make rows, those that others refer to first.

    Args:
        connection: in a writing transaction.
        project_id: whose rows they become.
        news: in the order in which rows of a table get their ids.

    Returns:
        The journal's lines: ``table``, ``id`` and ``made``.

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
            raise ValueError(f"{name}: it is made outside of a project")
        ids = _next_ids(connection, table, len(group))
        ids_of.update((new.key, id_) for new, id_ in zip(group, ids, strict=True) if new.key is not None)
        for at in range(0, len(group), _BATCH):
            batch = list(zip(group[at : at + _BATCH], ids[at : at + _BATCH], strict=True))
            lines += _insert(connection, table, project_id, batch, ids_of)
    return lines


def _next_ids(connection: Connection, table: Table, count: int) -> list[int]:
    """The ids that the database itself would give next; in a writing transaction nobody else gets them."""
    if connection.dialect.name == "postgresql":
        sequence = text(
            "SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)"
        )
        return list(connection.execute(sequence, {"table": table.name, "count": count}).scalars())
    first = (connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
    return list(range(first, first + count))


def _insert(
    connection: Connection,
    table: Table,
    project_id: int,
    batch: Sequence[tuple[New, int]],
    ids_of: Mapping[Hashable, int],
) -> list[dict[str, Any]]:
    # Rows of one decision may leave out other columns: each form is a statement of its own.
    forms: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for new, id_ in batch:
        values = new.values if isinstance(new.values, RowValues) else RowValues(new.values)
        forms[values.columns].append((*values.in_order, id_))
    for columns, rows in forms.items():
        _insert_alike(connection, table, project_id, (*columns, "id"), rows, ids_of)
    return [{"table": table.name, "id": id_, "made": True} for _, id_ in batch]


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
    """JSON of a value; what is no number becomes null, as databases take no NaN."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # whole numbers of more than 64 bits, and halves of surrogate pairs
        return json.dumps(value)
