"""What of a decision can be taken back, or made again, now; and why the rest has to be left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from maskrcnn_core.store.journal import chunks, held_rows
from maskrcnn_core.store.piles import Key, Piles
from maskrcnn_core.store.records import Entry
from maskrcnn_core.store.tables import CHANGEABLE, IMAGE, INSTANCE

__all__ = ["Plan", "plan_of"]

_Values = Mapping[str, Any]
_NAMES = {"project": "name", "category": "name", "image": "file_name"}
"""The column of a table that no two present rows have in common."""
_PERSONAL = ("person", "file")


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
        """What a field will hold."""
        return self.lines[key]["after"].get(column, row[column]) if key in self.lines else row[column]


def plan_of(connection: Connection, project_id: int, source: Entry, decision: Entry) -> Plan:
    """Look what can be done now. All rows that it is about are held until the transaction ends.

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
    on_images = _live_on(connection, [line["id"] for line in source.changes if _takes_image_away(line)])
    keys = rows.keys() | {("instance", row.id) for row in on_images}
    piles = Piles(connection, project_id, keys, source.id)
    plan = Plan()
    for line in source.changes:
        _consider(plan, line, rows.get((line["table"], line["id"])), piles, source is decision, decision.id)
    _Surroundings(connection, project_id, plan, rows, on_images, piles, source is decision).settle()
    return plan


def _consider(
    plan: Plan, line: Mapping[str, Any], row: _Values | None, piles: Piles, is_undo: bool, decision: int
) -> None:
    key = line["table"], line["id"]
    if row is None:
        plan.skip(key, "it is not there any more")
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
        plan.skip(key, "it is not as it was left")
    else:
        plan.lines[key] = {"table": key[0], "id": key[1], "before": before, "after": after}
        if line.get("along"):
            plan.lines[key]["along"] = True


def _is_same(table: str, column: str, found: Any, wanted: Any) -> bool:
    if (table, column) == ("image", "status") and {found, wanted} == {"new", "opened"}:
        return True  # that somebody has looked at an image is no decision
    return bool(found == wanted)


def _takes_image_away(line: _Values) -> bool:
    return line["table"] == "image" and ("made" in line or line["before"].get("gone") is True)


def _live_on(connection: Connection, images: Iterable[int]) -> list[Row[Any]]:
    """The instances on images, held against other writers."""
    c, found = INSTANCE.c, []
    for chunk in chunks(sorted(images)):
        query = select(c.id, c.image_id, c.category_id, c.status, c.source, c.version)
        found += connection.execute(
            query.where(c.image_id.in_(chunk), ~c.gone).order_by(c.id).with_for_update()
        ).all()
    return found


class _Surroundings:
    """What others have or need holds lines of a plan back: nobody's instance loses its image or category."""

    def __init__(
        self,
        connection: Connection,
        project_id: int,
        plan: Plan,
        rows: Mapping[Key, _Values],
        on_images: Iterable[Row[Any]],
        piles: Piles,
        is_undo: bool,
    ) -> None:
        self._connection, self._project_id = connection, project_id
        self._plan, self._rows = plan, rows
        self._on_image: dict[int, list[Row[Any]]] = defaultdict(list)
        for row in on_images:
            self._on_image[row.image_id].append(row)
        self._untouched = {
            row.id
            for rows_ in self._on_image.values()
            for row in rows_
            if row.status == "proposed"
            and row.source not in _PERSONAL
            and piles.top(("instance", row.id)) is None
            and (is_undo or row.version == 1)
        }
        self._of_category = self._live_of(self._turned("category", is_going=True))
        self._there = {name: self._present(name) for name in ("image", "category")}
        self._names = {name: self._named(name) for name in _NAMES}

    def settle(self) -> None:
        """Hold back until nothing is left that would harm; then take along what goes with its image."""
        while held := self._held():
            for key, why in held.items():
                self._plan.skip(key, why)
        for id_ in self._turned("image", is_going=True):
            for row in self._on_image[id_]:
                key = "instance", row.id
                if key not in self._plan.lines:
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

    def _stays(self, id_: int) -> bool:
        line = self._plan.lines.get(("instance", id_))
        return line is None or line["after"].get("gone") is not True

    def _images_in_use(self) -> Iterator[tuple[Key, str]]:
        for id_ in self._turned("image", is_going=True):
            staying = sum(self._stays(r.id) and r.id not in self._untouched for r in self._on_image[id_])
            if staying:
                yield ("image", id_), _used(staying, "is on it", "are on it")

    def _categories_in_use(self) -> Iterator[tuple[Key, str]]:
        going_images = set(self._turned("image", is_going=True))
        for id_ in self._turned("category", is_going=True):
            users = {
                row.id
                for row in self._of_category[id_]
                if row.image_id not in going_images
                and self._stays(row.id)
                and self._after_category(row.id, row.category_id) == id_
            }
            if users:
                yield ("category", id_), _used(len(users), "has it", "have it")

    def _after_category(self, id_: int, now: int) -> int:
        line = self._plan.lines.get(("instance", id_))
        return now if line is None else line["after"].get("category_id", now)

    def _names_taken(self) -> Iterator[tuple[Key, str]]:
        for key in self._plan.lines:
            column = _NAMES.get(key[0])
            if column is None or not self._takes_name(key):
                continue
            name = self._plan.after(key, self._rows[key], column)
            for other in self._names[key[0]].get(name, ()):
                row = self._rows.get((key[0], other))
                has_moved = row is not None and (
                    not self._is_live_after((key[0], other))
                    or self._plan.after((key[0], other), row, column) != name
                )
                if other != key[1] and not has_moved:
                    yield key, f"another {key[0]} is called {name} by now"
                    break

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

    def _live_of(self, categories: Collection[int]) -> dict[int, list[Row[Any]]]:
        """Instances that can be seen, by category."""
        found: dict[int, list[Row[Any]]] = defaultdict(list)
        for chunk in chunks(sorted(categories)):
            query = (
                select(INSTANCE.c.id, INSTANCE.c.image_id, INSTANCE.c.category_id)
                .join(IMAGE, IMAGE.c.id == INSTANCE.c.image_id)
                .where(INSTANCE.c.category_id.in_(chunk), ~INSTANCE.c.gone, ~IMAGE.c.gone)
            )
            for row in self._connection.execute(query):
                found[row.category_id].append(row)
        return found

    def _present(self, name: str) -> set[int]:
        """Which of the images or categories that the plan's instances will have are there now."""
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

    def _named(self, name: str) -> dict[str, list[int]]:
        """Present rows that have one of the names that the plan's rows will have."""
        table, column, found = CHANGEABLE[name], _NAMES[name], defaultdict[str, list[int]](list)
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
                found[text].append(id_)
        return found


def _used(count: int, one: str, many: str) -> str:
    return f"1 instance of others {one}" if count == 1 else f"{count:,} instances of others {many}"
