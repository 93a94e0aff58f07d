"""The one way in which rows are changed: decisions, each with its line in the journal, in one transaction.

A change names the version that its author saw. If the row has moved on since, nothing of the decision is
carried out, and the journal keeps what was wanted as a refused line, so neither version is lost.

Undo looks at content instead: a change can be taken back if the row still holds what the change wrote. So a
person's own later changes can be undone one after another, and nobody else's is ever overwritten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, bindparam, insert, select, update

from maskrcnn_core.errors import ConflictError, StoreError
from maskrcnn_core.store.inserting import FIXED, New, Ref, insert_rows, is_as_made
from maskrcnn_core.store.records import Entry
from maskrcnn_core.store.tables import CATEGORY, CHANGEABLE, INSTANCE, JOURNAL

__all__ = [
    "Change",
    "New",
    "Ref",
    "Refusal",
    "decide",
    "entries",
    "entry_of",
    "redo",
    "refuse",
    "undo",
    "undoable",
]

_T = TypeVar("_T")

_CHUNK = 10_000  # ids in one statement; SQLite and PostgreSQL take 32,766 and more


@dataclass(frozen=True)
class Change:
    """New values for some columns of a row.

    Args:
        table: a key of :data:`~maskrcnn_core.store.tables.CHANGEABLE`.
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


def decide(
    connection: Connection,
    project_id: int,
    who: str,
    kind: str,
    changes: Iterable[Change | New],
    *,
    image_id: int | None = None,
    target_id: int | None = None,
    operation: str | None = None,
) -> Entry | None:
    """Carries out a decision and writes it into the journal.

    Args:
        connection: in a writing transaction, which commits both or neither.
        project_id: rows of other projects cannot be changed.
        who, kind: for the journal.
        changes: all or none are carried out.
        image_id, target_id, operation: for the journal.

    Returns:
        The journal's line; ``None`` if everything was so already.

    Raises:
        Refusal: if somebody changed one of the rows meanwhile.
        StoreError: if a row is not there.
    """
    changes = list(changes)
    lines = _change(connection, project_id, [c for c in changes if isinstance(c, Change)])
    lines += insert_rows(connection, project_id, [c for c in changes if isinstance(c, New)])
    if not lines:
        return None
    _check_categories(connection, project_id, lines)
    return _write(
        connection,
        project_id,
        who,
        kind,
        lines,
        image_id=image_id,
        target_id=target_id,
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
    """Keeps what was refused, in a transaction of its own."""
    return _write(
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
    """The line of an operation, if it has been carried out or refused."""
    query = select(JOURNAL).where(JOURNAL.c.project_id == project_id, JOURNAL.c.operation == operation)
    row = connection.execute(query).one_or_none()
    return None if row is None else _entry(row)


def undo(
    connection: Connection,
    project_id: int,
    who: str,
    *,
    operation: str | None = None,
    only: Collection[str] | None = None,
) -> Entry | None:
    """Takes back the last decision of a person that still stands; ``None`` if there is none.

    With ``only``, it is left alone if it is of another kind: who reviews would not want an import undone.

    Raises:
        Refusal: if somebody else has changed it since.
    """
    entry = _of_kind(connection, _last_standing(connection, project_id, who), only)
    return entry and _take_back(connection, project_id, who, "undo", entry, operation)


def redo(
    connection: Connection,
    project_id: int,
    who: str,
    *,
    operation: str | None = None,
    only: Collection[str] | None = None,
) -> Entry | None:
    """Carries out again what a person has last undone; ``None`` if there is nothing, or they went on since.

    Raises:
        Refusal: if somebody else has changed it since.
    """
    entry = _of_kind(connection, _last_undone(connection, project_id, who), only)
    return entry and _take_back(connection, project_id, who, "redo", entry, operation)


def undoable(
    connection: Connection, project_id: int, who: str, *, only: Collection[str] | None = None
) -> tuple[bool, bool]:
    """Whether a person has something to undo, and something to redo."""
    return (
        _of_kind(connection, _last_standing(connection, project_id, who), only) is not None,
        _of_kind(connection, _last_undone(connection, project_id, who), only) is not None,
    )


def _of_kind(connection: Connection, entry: Entry | None, only: Collection[str] | None) -> Entry | None:
    """The entry, if the decision that it is, or takes back or makes again, is of one of these kinds."""
    if entry is None or only is None:
        return entry
    decision = entry
    while decision.target_id is not None:
        decision = _by_id(connection, decision.target_id)
    return entry if decision.kind in only else None


def entries(
    connection: Connection,
    project_id: int,
    *,
    who: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Lines of the journal, the newest first.

    Args:
        connection: any.
        project_id: whose journal.
        who: only this person's.
        before: only lines with a smaller id: the next page.
        limit: at most so many.
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
    _update(connection, lines)
    return lines


def _rows(
    connection: Connection, project_id: int, changes: Sequence[Change]
) -> dict[tuple[str, int], Mapping[str, Any]]:
    """The rows that are to be changed, held against other writers until the transaction ends."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for change in changes:
        forbidden = FIXED & set(change.values)
        if forbidden:
            raise ValueError(f"{change.table}: {', '.join(sorted(forbidden))} cannot be changed")
        wanted[change.table].append(change.id)
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for name, ids in wanted.items():
        if len(set(ids)) != len(ids):
            raise ValueError(f"{name}: a decision changes each row once")
        table = CHANGEABLE[name]
        for chunk in _chunks(sorted(ids)):
            query = select(table).where(table.c.id.in_(chunk), _owner(table) == project_id)
            for row in connection.execute(query.with_for_update()):
                found[name, row.id] = dict(row._mapping)
    for change in changes:
        if (change.table, change.id) not in found:
            raise StoreError(f"{change.table} {change.id}: there is no such thing in this project")
    return found


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _owner(table: Table) -> Any:
    return table.c.project_id if "project_id" in table.c else table.c.id


def _update(connection: Connection, lines: Sequence[Mapping[str, Any]]) -> None:
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


def _check_categories(connection: Connection, project_id: int, lines: Sequence[Mapping[str, Any]]) -> None:
    """Sees to it that no instance is left with a category that is gone.

    Somebody may have merged or removed it in the same moment. Who gives it to an instance holds it against
    those who want it gone, until the transaction ends.

    Raises:
        Refusal: if one would be; the transaction then has to end without effect.
    """
    touched = {
        name: [line["id"] for line in lines if line["table"] == name] for name in ("instance", "category")
    }
    given: set[int] = set()
    for chunk in _chunks(touched["instance"]):
        live = select(INSTANCE.c.category_id).where(INSTANCE.c.id.in_(chunk), ~INSTANCE.c.gone)
        given.update(connection.execute(live.distinct()).scalars())
    for chunk in _chunks(sorted(given)):
        there = select(CATEGORY.c.id).where(
            CATEGORY.c.id.in_(chunk), CATEGORY.c.project_id == project_id, ~CATEGORY.c.gone
        )
        if len(connection.execute(there.with_for_update(read=True)).all()) < len(chunk):
            raise Refusal(_WITHOUT_CATEGORY, lines)
    for chunk in _chunks(touched["category"]):
        left = (
            select(INSTANCE.c.id)
            .join(CATEGORY, CATEGORY.c.id == INSTANCE.c.category_id)
            .where(CATEGORY.c.id.in_(chunk), CATEGORY.c.gone, ~INSTANCE.c.gone)
        )
        if connection.execute(left.limit(1)).first() is not None:
            raise Refusal(_WITHOUT_CATEGORY, lines)


_WITHOUT_CATEGORY = (
    "somebody merged or removed the category, or gave it to an instance, meanwhile; nothing of yours was "
    "carried out, and it is in the journal"
)


def _sentence(moved: int, all_: int) -> str:
    which = "this" if all_ == 1 else f"{moved} of these {all_}"
    return (
        f"somebody else changed {which} meanwhile; nothing of yours was carried out, and it is in the journal"
    )


# -- undo and redo --------------------------------------------------------------------------------


def _take_back(
    connection: Connection, project_id: int, who: str, kind: str, entry: Entry, operation: str | None
) -> Entry:
    """Writes back what was before an entry, if what it wrote is still there."""
    standing = [
        Change(line["table"], line["id"], 0, {} if "made" in line else line["after"])
        for line in entry.changes
    ]
    rows = _rows(connection, project_id, standing)
    lines, moved = [], 0
    for line in entry.changes:
        row = rows[line["table"], line["id"]]
        if "made" in line:
            # As long as nobody has changed a row at all, it is as it was made.
            is_so = row["version"] == 1 or is_as_made(CHANGEABLE[line["table"]], row, line["made"])
            before, after = {"gone": False}, {"gone": True}
        else:
            is_so = all(row[name] == value for name, value in line["after"].items())
            before, after = line["after"], line["before"]
        moved += not is_so
        lines.append({"table": line["table"], "id": line["id"], "before": before, "after": after})
    if moved:
        raise Refusal(_sentence(moved, len(lines)), lines)
    _update(connection, lines)
    _check_categories(connection, project_id, lines)
    return _write(
        connection,
        project_id,
        who,
        kind,
        lines,
        image_id=entry.image_id,
        target_id=entry.id,
        operation=operation,
    )


def _last_standing(connection: Connection, project_id: int, who: str) -> Entry | None:
    undone = 0
    for row in _backwards(connection, project_id, who):
        if row.kind == "undo":
            undone += 1
        elif undone:
            undone -= 1
        else:
            return _by_id(connection, row.id)
    return None


def _last_undone(connection: Connection, project_id: int, who: str) -> Entry | None:
    redone = 0
    for row in _backwards(connection, project_id, who):
        if row.kind == "redo":
            redone += 1
        elif row.kind != "undo":
            return None
        elif redone:
            redone -= 1
        else:
            return _by_id(connection, row.id)
    return None


def _backwards(connection: Connection, project_id: int, who: str) -> Iterator[Any]:
    """A person's decisions without their changes, which may be long, the newest first."""
    columns = select(JOURNAL.c.id, JOURNAL.c.kind).where(
        JOURNAL.c.project_id == project_id, JOURNAL.c.who == who, ~JOURNAL.c.is_refused
    )
    before: int | None = None
    while True:
        query = columns if before is None else columns.where(JOURNAL.c.id < before)
        rows = connection.execute(query.order_by(JOURNAL.c.id.desc()).limit(200)).all()
        if not rows:
            return
        yield from rows
        before = rows[-1].id


# -- lines ----------------------------------------------------------------------------------------


def _write(
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
) -> Entry:
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
    }
    id_ = connection.execute(insert(JOURNAL).returning(JOURNAL.c.id), values).scalar_one()
    return Entry(id_, at, who, kind, target_id, image_id, is_refused, tuple(lines), operation)


def _by_id(connection: Connection, id_: int) -> Entry:
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
    )
