"""What an undo or redo did, in a sentence: of which kind, how much, where, and what it had to leave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.formats.coco_fields import OURS
from maskrcnn_core.projects.db.tables import CATEGORY, IMAGE, INSTANCE, chunks
from maskrcnn_core.projects.records import Entry
from maskrcnn_core.projects.review.operations import EDITS_TOLD
from maskrcnn_core.projects.store import Store

__all__ = ["NOTHING", "kinds_of", "tell_turn"]

NOTHING = {"undo": "nothing to undo", "redo": "nothing to redo"}
_DONE = {"undo": "taken back", "redo": "done again"}
_NAMED = 3  # names in a sentence
_SAID = ("name", "description")
"""Columns that a person gives a project."""
_PLURALS = {"instance": "instances", "image": "images", "category": "categories", "project": "projects"}


def tell_turn(store: Store, entry: Entry) -> str:
    """Tell what an undo or redo did, and what it left and why.

    Args:
        store: where.
        entry: an ``undo`` or a ``redo``, as the store returned it.
    """
    kind = _told(store.decisions_of([entry])[entry.id].kind)
    along = [line for line in entry.changes if line.get("along")]
    own = [line for line in entry.changes if not line.get("along")]
    with store.reading() as connection:
        told = f"{_DONE[entry.kind]}: " + (
            f"{kind}, {_what(connection, own)}" if own else f"nothing of {kind}"
        )
        if along:
            told += f", and {_number(along, 'open proposal', 'open proposals')} on them"
        reasons: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for line in entry.skipped:
            reasons[line["why"]].append(line)
        for why, lines in reasons.items():
            told += f"; left: {_what(connection, lines)} ({_to(entry.who, why)})"
    if not own and not entry.skipped:
        told += ", because the undo had to leave all of it"
    return told


def kinds_of(store: Store, entries: Sequence[Entry]) -> list[str]:
    """Name what each entry was, as ``accept`` or ``undo of accept``, with what it left."""
    decisions = store.decisions_of(entries)
    kinds = [
        _told(entry.kind) if entry.target_id is None else f"{entry.kind} of {_told(decisions[entry.id].kind)}"
        for entry in entries
    ]
    left = [f"; {len(entry.skipped)} left" if entry.skipped else "" for entry in entries]
    return [kind + rest for kind, rest in zip(kinds, left, strict=True)]


def _told(kind: str) -> str:
    return one_line(EDITS_TOLD.get(kind, kind))


def _to(who: str, why: str) -> str:
    own = f"{who} "
    return one_line(f"you {why.removeprefix(own)}" if why.startswith(own) else why)


def _number(lines: Sequence[object], one: str, many: str) -> str:
    return f"1 {one}" if len(lines) == 1 else f"{len(lines):,} {many}"


def _what(connection: Connection, lines: Iterable[Mapping[str, Any]]) -> str:
    ids: dict[str, list[int]] = defaultdict(list)
    parts = []
    for line in lines:
        if fields := _fields_of_project(line):
            parts.append(f"the project's {fields}")
        else:
            ids[line["table"]].append(line["id"])
    for table, of_table in ids.items():
        number = _number(of_table, table, _PLURALS[table])
        names = _names(connection, table, of_table)
        if table == "instance":
            parts.append(f"{number} in {names[0] if len(names) == 1 else f'{len(names):,} images'}")
        elif 0 < len(names) <= _NAMED:
            parts.append(f"{number} ({', '.join(names)})")
        else:
            parts.append(number)
    return ", ".join(parts)


def _fields_of_project(line: Mapping[str, Any]) -> str:
    """Return what changed of a project's name, description and further keys, if nothing else of it did."""
    before, after = (line.get(side) or {} for side in ("before", "after"))
    changed = {*before, *after}
    if line["table"] != "project" or not changed or changed - {*_SAID, "extra"}:
        return ""
    old, new = (side.get("extra") or {} for side in (before, after))
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    fields = [name for name in _SAID if name in changed]
    fields += ["settings" if key == OURS else one_line(key) for key in keys]
    more = f" and {len(fields) - _NAMED} more" if len(fields) > _NAMED else ""
    return ", ".join(fields[:_NAMED]) + more


def _names(connection: Connection, table: str, ids: Iterable[int]) -> list[str]:
    """Return the names of categories or images, or of the images that contain instances."""
    queries = {
        "instance": select(IMAGE.c.id, IMAGE.c.file_name).join(INSTANCE, INSTANCE.c.image_id == IMAGE.c.id),
        "image": select(IMAGE.c.id, IMAGE.c.file_name),
        "category": select(CATEGORY.c.id, CATEGORY.c.name),
    }
    if table not in queries:
        return []
    column = {"instance": INSTANCE.c.id, "image": IMAGE.c.id, "category": CATEGORY.c.id}[table]
    found: dict[int, str] = {}
    for chunk in chunks(ids):
        rows = connection.execute(queries[table].where(column.in_(chunk)).distinct())
        found.update((row[0], row[1]) for row in rows)
    return [one_line(name) for name in found.values()]
