"""What each person said of a project's instances: the journal, replayed; or a project as one person's word.

Of an instance counts what a person's last decision on it left behind: its mask, category and status at that
moment, whatever others made of it later. What they took back, or left open, does not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.projects.db.tables import CATEGORY, IMAGE, INSTANCE, JOURNAL, chunks
from maskrcnn_core.projects.people.agreement import Said, SaidOfImages, Verdict
from maskrcnn_core.projects.review.operations import ACCEPT_ALL
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.undo.piles import PROPOSE

__all__ = ["said_by_people", "said_in_project"]

_TOLD = ("status", "category_id", "counts", "gone")
_PAGE = 200


@dataclass
class _Instance:
    """What the journal says of one instance.

    Attributes:
        past: of each column, the ids of entries that changed it with the values before and after.
        said: by person, their last entry on it.
    """

    past: dict[str, list[tuple[int, Any, Any]]] = field(default_factory=lambda: defaultdict(list))
    said: dict[str, int] = field(default_factory=dict)

    def at(self, column: str, entry: int, now: Any) -> Any:
        """Return what a column held after an entry; ``now`` is what it holds today."""
        value, is_known = None, False
        for id_, before, after in self.past[column]:
            if id_ > entry:
                return value if is_known else before
            value, is_known = after, True
        return value if is_known else now


def said_by_people(store: Store, project_id: int) -> dict[str, SaidOfImages]:
    """Return what each person said of the images that they decided something about.

    Args:
        store, project_id: where.

    Returns:
        By name, by the store's id of the image.
    """
    instances: dict[int, _Instance] = defaultdict(_Instance)
    worked: dict[str, set[int]] = defaultdict(set)
    with store.reading() as connection:
        for row in _entries(connection, project_id):
            if row.image_id is not None:
                worked[row.who].add(row.image_id)
            for line in row.changes:
                if line["table"] == "instance":
                    _note(instances[line["id"]], row, line)
        category = select(CATEGORY.c.id, CATEGORY.c.name).where(CATEGORY.c.project_id == project_id)
        names = {row.id: row.name for row in connection.execute(category)}
        spoken = [id_ for id_, one in instances.items() if one.said]
        people: dict[str, dict[int, list[Said]]] = {
            who: {image: [] for image in sorted(images)} for who, images in worked.items()
        }
        for now in _rows(connection, spoken):
            for who, said in _said_of(instances[now.id], now, names):
                people.setdefault(who, {}).setdefault(now.image_id, []).append(said)
    return dict(people)


def _note(instance: _Instance, row: Any, line: dict[str, Any]) -> None:
    before, after = line.get("before", {}), line.get("after", {})
    for column in _TOLD:
        if column in after:
            instance.past[column].append((row.id, before[column], after[column]))
    # What a model or a file brings is no word of whoever ran it; a decision on one image is.
    is_word = (row.image_id is not None and row.kind != PROPOSE) or row.kind == ACCEPT_ALL
    if is_word or (row.who in instance.said and row.kind in ("undo", "redo")):
        instance.said[row.who] = row.id


def _said_of(instance: _Instance, now: Any, names: dict[int, str]) -> Iterator[tuple[str, Said]]:
    for who, entry in instance.said.items():
        status = instance.at("status", entry, now.status)
        is_gone = instance.at("gone", entry, now.gone)
        verdict: Verdict | None = "rejected" if is_gone else status if status != "proposed" else None
        if verdict is not None:
            mask = Rle.from_counts(instance.at("counts", entry, now.counts), (now.height, now.width))
            yield who, Said(mask, names[instance.at("category_id", entry, now.category_id)], verdict)


def _entries(connection: Connection, project_id: int) -> Iterator[Any]:
    """Yield the lines of the journal, the oldest first: whatever changed an instance may have a say in it."""
    c = JOURNAL.c
    columns = select(c.id, c.who, c.kind, c.image_id, c.changes).where(
        c.project_id == project_id, ~c.is_refused
    )
    since = 0
    while rows := connection.execute(columns.where(c.id > since).order_by(c.id).limit(_PAGE)).all():
        yield from rows
        since = rows[-1].id


def _rows(connection: Connection, ids: list[int]) -> Iterator[Any]:
    c = INSTANCE.c
    columns = select(
        c.id, c.image_id, c.category_id, c.counts, c.status, c.gone, IMAGE.c.height, IMAGE.c.width
    ).join(IMAGE, IMAGE.c.id == c.image_id)
    for chunk in chunks(sorted(ids)):
        yield from connection.execute(columns.where(c.id.in_(chunk)).order_by(c.id))


def said_in_project(store: Store, project_id: int) -> SaidOfImages:
    """Return a project as one person's word, as when copies of one were given to several people.

    Returns:
        By the digest of the image's file, or its name where nobody has brought it; images that nobody opened
        are left out.
    """
    names = {row.id: row.name for row in store.categories(project_id)}
    keys = {row.id: row.digest or row.file_name for row in store.images(project_id) if row.status != "new"}
    found: dict[str, list[Said]] = {key: [] for key in keys.values()}
    for row in store.each_instance(project_id):
        if row.status != "proposed" and row.image_id in keys:
            found[keys[row.image_id]].append(Said(row.mask, names[row.category_id], row.status))
    return found
