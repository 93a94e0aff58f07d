"""The one way in which rows are changed: decisions, each with its line in the journal, in one transaction.

A change names the version that its author saw. If the row has moved on since, nothing of the decision is
carried out, and the journal keeps what was wanted as a refused line, so neither version is lost.

Undo and redo, which are decisions, too, stand in :mod:`maskrcnn_core.projects.undo.undoing`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, bindparam, insert, select, update

from maskrcnn_core.errors import ConflictError, InputError, StoreError
from maskrcnn_core.projects.db.damage import check_rows
from maskrcnn_core.projects.db.inserting import FIXED, New, Ref, WantedId, hold_ids, insert_rows
from maskrcnn_core.projects.db.seals import seal_rows
from maskrcnn_core.projects.db.tables import CHANGEABLE, IMAGE, INSTANCE, JOURNAL, chunks
from maskrcnn_core.projects.records import Entry
from maskrcnn_core.projects.standing import check_stands

__all__ = [
    "Change",
    "New",
    "Ref",
    "Refusal",
    "WantedId",
    "check_places",
    "check_who",
    "decide",
    "entries",
    "entry_by_id",
    "entry_of",
    "held_rows",
    "refuse",
    "update_rows",
    "write_entry",
]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Change:
    """New values for some columns of a row.

    Args:
        table: a key of :data:`~maskrcnn_core.projects.db.tables.CHANGEABLE`.
        id: the row's.
        version: that its author saw.
        values: by column.
    """

    table: str
    id: int
    version: int
    values: Mapping[str, Any]


class Refusal(ConflictError):
    """A decision that came second.

    Args:
        message: for people.
        wanted: what would have been changed, as the journal keeps it.
    """

    def __init__(self, message: str, wanted: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(message)
        self.wanted = tuple(wanted)


def check_who(who: str) -> None:
    """Refuse a decision of nobody: its author could not undo it, and all without a name would be one.

    Raises:
        InputError: if the name is empty.
    """
    if not who.strip():
        raise InputError(
            "name: expected one for the journal, got none, and nothing was changed; enter yours under 'Your "
            "name, for the journal' on the left (--who on the command line) and try again"
        )


def decide(
    connection: Connection,
    project_id: int,
    who: str,
    kind: str,
    changes: Iterable[Change | New],
    *,
    image_id: int | None = None,
    operation: str | None = None,
    kept_free: Mapping[str, int] = MappingProxyType({}),
) -> Entry | None:
    """Carry out a decision and write it into the journal.

    Ids in files of new rows are given here, inside the transaction: whoever makes rows at the same moment
    waits, and gets the next ones.

    Args:
        connection: in a writing transaction, which commits both or neither.
        project_id: rows of other projects cannot be changed.
        who, kind: for the journal.
        changes: all or none are carried out.
        image_id, operation: for the journal.
        kept_free: see :func:`~maskrcnn_core.projects.db.inserting.insert_rows`.

    Returns:
        The journal's line; ``None`` if everything was so already.

    Raises:
        Refusal: if somebody changed one of the rows meanwhile.
        StoreError: if a row is not there, or the project was deleted.
        InputError: if ``who`` is nobody.
    """
    check_who(who)
    changes = list(changes)
    news = [c for c in changes if isinstance(c, New)]
    if news:
        hold_ids(connection, project_id)
    lines = _change(connection, project_id, [c for c in changes if isinstance(c, Change)])
    lines += insert_rows(connection, project_id, news, kept_free=kept_free)
    if not lines:
        return None
    check_places(connection, project_id, lines)
    check_stands(connection, project_id, lines)
    return write_entry(
        connection,
        project_id,
        who,
        kind,
        lines,
        image_id=image_id,
        operation=operation,
    )


def refuse(
    connection: Connection,
    project_id: int,
    who: str,
    kind: str,
    refusal: Refusal,
    *,
    image_id: int | None = None,
    operation: str | None = None,
) -> Entry:
    """Keep what was refused, in a transaction of its own."""
    return write_entry(
        connection,
        project_id,
        who,
        kind,
        refusal.wanted,
        image_id=image_id,
        is_refused=True,
        operation=operation,
    )


def entry_of(connection: Connection, project_id: int, operation: str) -> Entry | None:
    """Return the line of an operation, if it has been carried out or refused."""
    query = select(JOURNAL).where(JOURNAL.c.project_id == project_id, JOURNAL.c.operation == operation)
    row = connection.execute(query).one_or_none()
    return None if row is None else _entry(row)


def entries(
    connection: Connection,
    project_id: int,
    *,
    who: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Return lines of the journal, newest first.

    Args:
        connection: any.
        project_id: whose journal.
        who: only this person's.
        before: only lines with a smaller id: the next page.
        limit: at most this many.
    """
    query = select(JOURNAL).where(JOURNAL.c.project_id == project_id)
    if who is not None:
        query = query.where(JOURNAL.c.who == who)
    if before is not None:
        query = query.where(JOURNAL.c.id < before)
    rows = connection.execute(query.order_by(JOURNAL.c.id.desc()).limit(limit))
    return [_entry(row) for row in rows]


# -- changing -------------------------------------------------------------------------------------


def _change(connection: Connection, project_id: int, changes: Sequence[Change]) -> list[dict[str, Any]]:
    lines, moved = [], []
    rows = _rows(connection, project_id, changes)
    for change in changes:
        row = rows[change.table, change.id]
        before = {name: row[name] for name, value in change.values.items() if row[name] != value}
        after = {name: change.values[name] for name in before}
        line = {"table": change.table, "id": change.id, "before": before, "after": after}
        if not before:
            continue  # it is so already, whoever made it so
        lines.append(line)
        if row["version"] != change.version:
            moved.append(row)
    if moved:
        raise Refusal(_sentence(len(moved), len(changes)), lines)
    update_rows(connection, lines)
    return lines


def _rows(
    connection: Connection, project_id: int, changes: Sequence[Change]
) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Return the rows that are to be changed, held against other writers until the transaction ends."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for change in changes:
        forbidden = FIXED & set(change.values)
        if forbidden:
            raise ValueError(f"{change.table}: {', '.join(sorted(forbidden))} cannot be changed")
        wanted[change.table].append(change.id)
    for name, ids in wanted.items():
        if len(set(ids)) != len(ids):
            raise ValueError(f"{name}: expected each row once in a decision")
    found = held_rows(connection, project_id, wanted)
    for change in changes:
        if (change.table, change.id) not in found:
            raise StoreError(f"{change.table} {change.id}: there is no such row in this project")
    return found


def held_rows(
    connection: Connection, project_id: int, wanted: Mapping[str, Iterable[int]]
) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Return rows by table and id, held against other writers until the transaction ends.

    Args:
        connection: in a writing transaction.
        project_id: rows of other projects are not found.
        wanted: ids by the table's name.
    """
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for name, ids in wanted.items():
        table = CHANGEABLE[name]
        for chunk in chunks(sorted(ids)):
            check_rows(connection, table, chunk)
            query = select(table).where(table.c.id.in_(chunk), _owner(table) == project_id)
            for row in connection.execute(query.with_for_update()):
                found[name, row.id] = dict(row._mapping)
    return found


def _among(column: Column[int], ids: Sequence[int]) -> ColumnElement[bool]:
    """Return whether a column is one of some ids; quick where they follow each other, as new rows' do."""
    first, last = min(ids), max(ids)
    return column.between(first, last) if last - first == len(set(ids)) - 1 else column.in_(ids)


def _owner(table: Table) -> Any:
    return table.c.project_id if "project_id" in table.c else table.c.id


def update_rows(connection: Connection, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write what lines say comes ``after``, in their order."""
    groups: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        after = line["after"]
        values = {f"new_{name}": value for name, value in after.items()}
        groups[line["table"], tuple(sorted(after))].append({"row_id": line["id"]} | values)
    for (name, columns), rows in groups.items():
        table = CHANGEABLE[name]
        statement = (
            update(table)
            .where(table.c.id == bindparam("row_id"))
            .values({c: bindparam(f"new_{c}", type_=table.c[c].type) for c in columns})
            .values(version=table.c.version + 1)
        )
        connection.execute(statement, rows)
    touched: dict[str, set[int]] = defaultdict(set)
    for line in lines:
        touched[line["table"]].add(line["id"])
    for name, ids in touched.items():
        seal_rows(connection, CHANGEABLE[name], ids)


def check_places(connection: Connection, project_id: int, lines: Sequence[Mapping[str, Any]]) -> None:
    """See to it that no instance is left in an image, or with a category, that is gone.

    Somebody may have taken the image away, or merged or removed the category, in the same moment. Who gives
    it to an instance holds it against those who want it gone, until the transaction ends.

    Raises:
        Refusal: if one would be; the transaction then has to end without effect.
    """
    touched = {
        name: [line["id"] for line in lines if line["table"] == name]
        for name in ("instance", "image", "category")
    }
    given: dict[str, set[int]] = {"image": set(), "category": set()}
    for chunk in chunks(touched["instance"]):
        live = select(INSTANCE.c.image_id, INSTANCE.c.category_id).where(
            _among(INSTANCE.c.id, chunk), ~INSTANCE.c.gone
        )
        for row in connection.execute(live.distinct()):
            given["image"].add(row.image_id)
            given["category"].add(row.category_id)
    for name, why in _WITHOUT.items():
        table, column = CHANGEABLE[name], INSTANCE.c[f"{name}_id"]
        for chunk in chunks(sorted(given[name])):
            there = select(table.c.id).where(
                _among(table.c.id, chunk), table.c.project_id == project_id, ~table.c.gone
            )
            if len(connection.execute(there.with_for_update(read=True)).all()) < len(chunk):
                raise Refusal(why, lines)
        for chunk in chunks(touched[name]):
            left = (
                select(INSTANCE.c.id)
                .join(table, table.c.id == column)
                .where(_among(table.c.id, chunk), table.c.gone, ~INSTANCE.c.gone)
            )
            if name == "category":
                left = left.join(IMAGE, IMAGE.c.id == INSTANCE.c.image_id).where(~IMAGE.c.gone)
            if connection.execute(left.limit(1)).first() is not None:
                raise Refusal(why, lines)


_WITHOUT = {
    "image": "somebody removed the image, or added an instance to it, in the meantime; your change was not "
    "carried out; the journal has it",
    "category": "somebody merged or removed the category, or gave it to an instance, in the meantime; your "
    "change was not carried out; the journal has it",
}


def _sentence(moved: int, all_: int) -> str:
    which = "this" if all_ == 1 else f"{moved} of these {all_}"
    return (
        f"somebody else changed {which} in the meantime; your change was not carried out; the journal has it"
    )


# -- lines ----------------------------------------------------------------------------------------


def write_entry(
    connection: Connection,
    project_id: int,
    who: str,
    kind: str,
    lines: Sequence[Mapping[str, Any]],
    *,
    image_id: int | None = None,
    target_id: int | None = None,
    is_refused: bool = False,
    operation: str | None = None,
    skipped: Sequence[Mapping[str, Any]] = (),
) -> Entry:
    """Write a line; the arguments are those of :class:`~maskrcnn_core.projects.records.Entry`."""
    at = datetime.now(UTC)
    values = {
        "project_id": project_id,
        "image_id": image_id,
        "at": at,
        "who": who,
        "kind": kind,
        "target_id": target_id,
        "is_refused": is_refused,
        "changes": list(lines),
        "operation": operation,
        "skipped": list(skipped) or None,
    }
    id_ = connection.execute(insert(JOURNAL).returning(JOURNAL.c.id), values).scalar_one()
    return Entry(id_, at, who, kind, target_id, image_id, is_refused, tuple(lines), operation, tuple(skipped))


def entry_by_id(connection: Connection, id_: int) -> Entry:
    """Return the line with this id, which there is."""
    return _entry(connection.execute(select(JOURNAL).where(JOURNAL.c.id == id_)).one())


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        row.id,
        row.at,
        row.who,
        row.kind,
        row.target_id,
        row.image_id,
        row.is_refused,
        tuple(row.changes),
        row.operation,
        tuple(row.skipped or ()),
    )
