"""A project's categories: make, change, merge, remove. Each is one decision, and can be undone."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, TypeAlias

from msgspec import Meta

from maskrcnn_core.common.bounds import MAX_INT, MAX_NAME, name_problem
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.typed_json import shorten
from maskrcnn_core.errors import InputError, StoreError
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.new_rows import new_category
from maskrcnn_core.projects.records import CategoryRow, Entry
from maskrcnn_core.projects.store import Store

__all__ = [
    "NEW_CATEGORY",
    "CategoryId",
    "CategoryName",
    "CategoryRef",
    "add_categories",
    "change_category",
    "check_new_name",
    "find_category",
    "make_category",
    "merge_categories",
    "remove_category",
]

CategoryId: TypeAlias = Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)]
CategoryName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
CategoryRef: TypeAlias = CategoryId | CategoryName
"""A category: by its id, or, before its author knows that, by its name."""

NEW_CATEGORY = "new category"
"""The journal's kind of a category that is made while an image is reviewed."""

_COLOR = re.compile(r"#[0-9a-f]{6}")


def add_categories(
    store: Store, project_id: int, who: str, names: Collection[str], *, supercategory: str = ""
) -> Entry | None:
    """Make categories; those that the project has by name already are passed over.

    Raises:
        InputError: for an empty name, one that is too long, or one that is given twice.
    """
    there = {row.name for row in store.categories(project_id)}
    cleaned = [_name(name) for name in names]
    if len(set(cleaned)) != len(cleaned):
        raise InputError("categories: expected every name once")
    fresh = [name for name in cleaned if name not in there]
    above = _word(supercategory)
    changes = [new_category(None, name, above) for name in fresh]
    return store.decide(project_id, who, "add categories", changes) if changes else None


def check_new_name(name: str) -> None:
    """Refuse what cannot be a category's name as it is.

    Raises:
        ValueError: if it is empty, has blanks around it, is too long or cannot be stored.
    """
    if not name or name != name.strip():
        raise ValueError(f"name: expected a name without blanks around it, got {shorten(name)}")
    if problem := name_problem(name):
        raise ValueError(f"name: {problem}")


def make_category(
    store: Store,
    project_id: int,
    who: str,
    name: str,
    *,
    image_id: int | None = None,
    operation: str | None = None,
) -> Entry | None:
    """Make a category that is wanted now.

    Args:
        store, project_id, who: where, and for the journal.
        name: see :func:`check_new_name`.
        image_id: the image it is wanted for, to which an undo returns.
        operation: see :meth:`Store.decide`.

    Returns:
        The journal's line; ``None`` if the project has a category of that name already.
    """
    check_new_name(name)
    is_there = any(row.name == name for row in store.categories(project_id))
    changes = [] if is_there else [new_category(None, name)]
    return store.decide(project_id, who, NEW_CATEGORY, changes, image_id=image_id, operation=operation)


def find_category(store: Store, project_id: int, wanted: CategoryRef) -> int:
    """Return a category's id. Ids are returned as they are: the database refuses those that never were.

    Raises:
        StoreError: if the project has no category of that name.
    """
    if isinstance(wanted, int):
        return wanted
    for row in store.categories(project_id):
        if row.name == wanted:
            return row.id
    raise StoreError(f"category {one_line(wanted)!r}: there is no such category in the project")


def change_category(
    store: Store,
    project_id: int,
    who: str,
    row: CategoryRow,
    *,
    name: str,
    supercategory: str = "",
    color: str = "",
) -> Entry | None:
    """Give a category another name, supercategory or colour.

    Args:
        store, project_id, who: where, and for the journal.
        row: the category as its author saw it.
        name: unique in the project.
        supercategory: COCO's grouping, or empty.
        color: ``#rrggbb``, or empty for the palette's.

    Raises:
        InputError: for an empty name or a colour of another form.
        ConflictError: if somebody else has changed it meanwhile.
        StoreError: if another category has the name: merge the two.
    """
    if color and not _COLOR.fullmatch(color):
        raise InputError(f"colour: expected #rrggbb in lower case, got {one_line(color)!r}")
    values = {"name": _name(name), "supercategory": _word(supercategory.strip()), "colour": color}
    return store.decide(project_id, who, "change category", [Change("category", row.id, row.version, values)])


def merge_categories(
    store: Store, project_id: int, who: str, rows: Collection[CategoryRow], into: CategoryRow
) -> Entry | None:
    """Make several categories one: their instances become instances of ``into``, and they go.

    Raises:
        InputError: if there is nothing to merge.
        ConflictError: if somebody changes one of the instances at the same moment; then nothing is done.
    """
    going = {row.id: row for row in rows if row.id != into.id}
    if not going:
        raise InputError("categories: expected another category to merge, got none")
    changes = [
        Change("instance", fact.id, fact.version, {"category_id": into.id})
        for fact in store.facts(project_id)
        if fact.category_id in going
    ]
    changes += [Change("category", row.id, row.version, {"gone": True}) for row in going.values()]
    return store.decide(project_id, who, "merge categories", changes)


def remove_category(store: Store, project_id: int, who: str, row: CategoryRow) -> Entry | None:
    """Remove a category that no instance has.

    Raises:
        InputError: if instances have it.
    """
    count = sum(fact.category_id == row.id for fact in store.facts(project_id))
    if count:
        raise InputError(
            f"category {one_line(row.name)!r}: {counted(count, 'instance has', 'instances have')} it; merge "
            "it into another, or give them another category first"
        )
    return store.decide(
        project_id, who, "remove category", [Change("category", row.id, row.version, {"gone": True})]
    )


def _name(name: str) -> str:
    name = name.strip()
    if not name:
        raise InputError("category: expected a name, got nothing")
    return _word(name)


def _word(text: str) -> str:
    if problem := name_problem(text):
        raise InputError(f"category: {problem}")
    return text
