"""What of a decision can be taken back, or made again, now; and why the rest has to be left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from maskrcnn_core.projects.db.tables import CHANGEABLE, IMAGE, INSTANCE, chunks
from maskrcnn_core.projects.journal import held_rows
from maskrcnn_core.projects.records import PERSONAL_SOURCES, Entry
from maskrcnn_core.projects.undo.piles import Key, Piles, Sheet

__all__ = ["Plan", "plan_of"]

_Values = Mapping[str, Any]
_NAMES = {"project": "name", "category": "name", "image": "file_name"}
"""The column of a table that no two present rows have in common."""


@dataclass
class Plan:
    """What an undo or redo will do.

    Args:
        lines: for the journal, by row.
        skipped: ``table``, ``id`` and ``why`` of each row that has to be left.
    """

    lines: dict[Key, dict[str, Any]] = field(default_factory=dict)
    skipped: list[dict[str, Any]] = field(default_factory=list)

    def skip(self, key: Key, why: str) -> None:
        """Leave a row as it is."""
        self.lines.pop(key, None)
        self.skipped.append({"table": key[0], "id": key[1], "why": why})

    def after(self, key: Key, row: _Values, column: str) -> Any:
        """Return what a field will hold."""
        return self.lines[key]["after"].get(column, row[column]) if key in self.lines else row[column]


def plan_of(connection: Connection, project_id: int, source: Entry, decision: Entry) -> Plan:
    """Find out what can be done now. All rows concerned are held until the transaction ends.

    Args:
        connection: in a writing transaction.
        project_id: whose.
        source: the decision itself to take it back, or the undo whose effect is to be made undone.
        decision: that the source is, or takes back.
    """
    ids: dict[str, list[int]] = defaultdict(list)
    for line in source.changes:
        ids[line["table"]].append(line["id"])
    rows = held_rows(connection, project_id, ids)
    is_undo = source is decision
    going = {
        name: [line["id"] for line in source.changes if line["table"] == name and _takes_away(line)]
        for name in ("image", "category")
    }
    neighbours = _neighbours(connection, going["image"], going["category"])
    piles = Piles(
        connection,
        project_id,
        rows.keys() | {("instance", row.id) for row in neighbours},
        source.id,
        of_categories=going["category"] if is_undo else (),
        of_names={
            line["table"]: _NAMES[line["table"]]
            for line in source.changes
            if is_undo and line["table"] in _NAMES and _may_take_a_name(line)
        },
    )
    plan = Plan()
    for line in source.changes:
        _consider(plan, line, rows.get((line["table"], line["id"])), piles, is_undo, decision.id)
    _Surroundings(connection, project_id, plan, rows, neighbours, piles, is_undo).settle()
    return plan


def _consider(
    plan: Plan, line: Mapping[str, Any], row: _Values | None, piles: Piles, is_undo: bool, decision: int
) -> None:
    key = line["table"], line["id"]
    if row is None:
        plan.skip(key, "it no longer exists")
        return
    if is_undo and piles.is_lifted(key, decision):
        return
    is_made = "made" in line
    before, after = ({"gone": False}, {"gone": True}) if is_made else (line["after"], line["before"])
    top = piles.top(key, None if is_made else before)
    if top is not None:
        plan.skip(key, piles.why(top))
    elif row["gone"] and "gone" not in before:
        removal = piles.top(key, ["gone"])
        plan.skip(key, "it is gone" if removal is None else piles.why(removal))
    elif any(not _is_same(line["table"], name, row[name], value) for name, value in before.items()):
        plan.skip(key, "it has changed since")
    else:
        plan.lines[key] = {"table": key[0], "id": key[1], "before": before, "after": after}
        if line.get("along"):
            plan.lines[key]["along"] = True


def _is_same(table: str, column: str, found: Any, wanted: Any) -> bool:
    if (table, column) == ("image", "status") and {found, wanted} == {"new", "opened"}:
        return True  # that somebody has looked at an image is no decision
    return bool(found == wanted)


def _takes_away(line: _Values) -> bool:
    """Return whether the row will be gone when a line is turned back."""
    return "made" in line or line["before"].get("gone") is True


def _may_take_a_name(line: _Values) -> bool:
    return "made" not in line and bool(line["before"].keys() & {_NAMES[line["table"]], "gone"})


def _neighbours(connection: Connection, images: Collection[int], categories: Collection[int]) -> list[Any]:
    """Return the instances in images and of categories that may go, also those that are gone themselves.

    Those in the images are held against other writers.
    """
    c = INSTANCE.c
    columns = select(
        c.id,
        c.image_id,
        c.category_id,
        c.status,
        c.source,
        c.version,
        c.gone,
        IMAGE.c.gone.label("is_hidden"),
    ).join(IMAGE, IMAGE.c.id == c.image_id)
    found: dict[int, Any] = {}
    for column, ids in ((c.image_id, images), (c.category_id, categories)):
        for chunk in chunks(sorted(ids)):
            query = columns.where(column.in_(chunk)).order_by(c.id)
            if column is c.image_id:
                query = query.with_for_update(of=INSTANCE)
            for row in connection.execute(query):
                found.setdefault(row.id, row)
    return list(found.values())


class _Surroundings:
    """What others have or need holds lines of a plan back: nobody's instance loses its image or category."""

    def __init__(
        self,
        connection: Connection,
        project_id: int,
        plan: Plan,
        rows: Mapping[Key, _Values],
        neighbours: Iterable[Any],
        piles: Piles,
        is_undo: bool,
    ) -> None:
        self._connection, self._project_id = connection, project_id
        self._plan, self._rows = plan, rows
        self._piles, self._is_undo = piles, is_undo
        self._on_image: dict[int, list[Any]] = defaultdict(list)
        self._of_category: dict[int, list[Any]] = defaultdict(list)
        for row in neighbours:
            self._on_image[row.image_id].append(row)
            self._of_category[row.category_id].append(row)
        self._untouched = {row.id for row in neighbours if self._is_untouched(row)}
        self._there = {name: self._present(name) for name in ("image", "category")}
        self._named = self._rows_named()
        self._renamed = {table: piles.renamed(table) for table in _NAMES}
        self._present_names = self._names_of(key for found in self._renamed.values() for key in found)

    def settle(self) -> None:
        """Hold back until nothing is left that would harm; then take along what goes with its image."""
        while held := self._held():
            for key, why in held.items():
                self._plan.skip(key, why)
        for id_ in self._turned("image", is_going=True):
            for row in self._on_image[id_]:
                key = "instance", row.id
                if not row.gone and key not in self._plan.lines:
                    self._plan.lines[key] = {
                        "table": "instance",
                        "id": row.id,
                        "before": {"gone": False},
                        "after": {"gone": True},
                        "along": True,
                    }

    def _held(self) -> dict[Key, str]:
        return (
            dict(self._images_in_use())
            or dict(self._categories_in_use())
            or dict(self._names_taken())
            or dict(self._without_place())
        )

    def _turned(self, table: str, *, is_going: bool) -> list[int]:
        return [
            id_
            for (name, id_), line in self._plan.lines.items()
            if name == table and line["after"].get("gone") is is_going
        ]

    def _is_untouched(self, row: Any) -> bool:
        """Return whether a model offers it, and nobody has said anything of it."""
        return (
            row.status == "proposed"
            and row.source not in PERSONAL_SOURCES
            and self._piles.top(("instance", row.id)) is None
            and (self._is_undo or row.version == 1)
        )

    def _stays(self, row: Any) -> bool:
        """Return whether an instance will be there, or could be asked back by whoever removed it."""
        if row.gone:
            return self._is_undo and self._piles.removal(("instance", row.id)) is not None
        line = self._plan.lines.get(("instance", row.id))
        return line is None or line["after"].get("gone") is not True

    def _images_in_use(self) -> Iterator[tuple[Key, str]]:
        for id_ in self._turned("image", is_going=True):
            staying = sum(self._stays(r) and r.id not in self._untouched for r in self._on_image[id_])
            if staying:
                yield ("image", id_), _used(staying, "is on it", "are on it")

    def _categories_in_use(self) -> Iterator[tuple[Key, str]]:
        going_images = set(self._turned("image", is_going=True))
        for id_ in self._turned("category", is_going=True):
            users = sum(
                not row.is_hidden
                and row.image_id not in going_images
                and self._stays(row)
                and self._after_category(row.id, row.category_id) == id_
                for row in self._of_category[id_]
            )
            if users:
                yield ("category", id_), _used(users, "has it", "have it")
            elif sheet := self._piles.user_of(id_):
                yield ("category", id_), f"{self._piles.why(sheet)}, which depends on it"

    def _after_category(self, id_: int, now: int) -> int:
        line = self._plan.lines.get(("instance", id_))
        return now if line is None else line["after"].get("category_id", now)

    def _names_taken(self) -> Iterator[tuple[Key, str]]:
        for key in self._plan.lines:
            column = _NAMES.get(key[0])
            if column is None or not self._takes_name(key):
                continue
            name = self._plan.after(key, self._rows[key], column)
            if any(
                other != key[1] and self._keeps(key[0], other, name)
                for other in self._named.get((key[0], name), ())
            ):
                yield key, f"another {key[0]} is now called {name}"
            elif sheet := self._name_in_question(key, name):
                yield key, f"{self._piles.why(sheet)}, which is about the name {name}"

    def _keeps(self, table: str, id_: int, name: str) -> bool:
        """Return whether a row that has a name now will have it."""
        row = self._rows.get((table, id_))
        return row is None or (
            self._is_live_after((table, id_)) and self._plan.after((table, id_), row, _NAMES[table]) == name
        )

    def _name_in_question(self, key: Key, name: str) -> Sheet | None:
        """Return a later decision on another row whose undo would need the name."""
        for other, (sheet, names) in self._renamed[key[0]].items():
            if other != key and name in names | {self._present_names.get(other)}:
                return sheet
        return None

    def _takes_name(self, key: Key) -> bool:
        changed = self._plan.lines[key]["after"].keys() & {"gone", _NAMES[key[0]]}
        return bool(changed) and self._is_live_after(key)

    def _is_live_after(self, key: Key) -> bool:
        return not self._plan.after(key, self._rows[key], "gone")

    def _without_place(self) -> Iterator[tuple[Key, str]]:
        there = {
            name: (ids | set(self._turned(name, is_going=False))) - set(self._turned(name, is_going=True))
            for name, ids in self._there.items()
        }
        for key in self._plan.lines:
            if key[0] != "instance" or not self._is_live_after(key):
                continue
            for name, ids in there.items():
                if self._plan.after(key, self._rows[key], f"{name}_id") not in ids:
                    yield key, f"its {name} is gone"
                    break

    def _present(self, name: str) -> set[int]:
        """Return which of the images or categories that the plan's instances will have are there now."""
        wanted = {
            self._plan.after(key, self._rows[key], f"{name}_id")
            for key in self._plan.lines
            if key[0] == "instance" and self._is_live_after(key)
        }
        table, found = CHANGEABLE[name], set()
        for chunk in chunks(sorted(wanted)):
            query = select(table.c.id).where(table.c.id.in_(chunk), ~table.c.gone)
            found |= set(self._connection.execute(query).scalars())
        return found

    def _rows_named(self) -> dict[tuple[str, str], list[int]]:
        """Return present rows that have one of the names that the plan's rows will take."""
        found = defaultdict[tuple[str, str], list[int]](list)
        for name, column in _NAMES.items():
            table = CHANGEABLE[name]
            wanted = {
                self._plan.after(key, self._rows[key], column)
                for key in self._plan.lines
                if key[0] == name and self._takes_name(key)
            }
            for chunk in chunks(sorted(wanted)):
                query = select(table.c.id, table.c[column]).where(table.c[column].in_(chunk), ~table.c.gone)
                if "project_id" in table.c:
                    query = query.where(table.c.project_id == self._project_id)
                for id_, text in self._connection.execute(query):
                    found[name, text].append(id_)
        return found

    def _names_of(self, keys: Iterable[Key]) -> dict[Key, str]:
        ids: dict[str, list[int]] = defaultdict(list)
        for table, id_ in keys:
            ids[table].append(id_)
        return {
            (name, id_): text
            for name, wanted in ids.items()
            for chunk in chunks(wanted)
            for id_, text in self._connection.execute(
                select(CHANGEABLE[name].c.id, CHANGEABLE[name].c[_NAMES[name]]).where(
                    CHANGEABLE[name].c.id.in_(chunk)
                )
            )
        }


def _used(count: int, one: str, many: str) -> str:
    return f"1 instance of others {one}" if count == 1 else f"{count:,} instances of others {many}"
