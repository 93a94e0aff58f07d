"""Attributes: declared by a category, set on instances. Each is one decision, and can be undone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco_fields import OURS, ours_of
from maskrcnn_core.projects.attributes import (
    ATTRIBUTES,
    CROWD,
    SET_ATTRIBUTES,
    Attribute,
    AttributeValue,
    fitting_schema,
    read_schema,
    schema_json,
    values_of,
)
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.mask_edits import crowd_values
from maskrcnn_core.projects.records import CategoryRow, Entry, Extra, InstanceRow
from maskrcnn_core.projects.store import Store

__all__ = [
    "DECLARE",
    "attribute_changes",
    "declare_attributes",
    "schema_extra",
    "set_attributes",
]

DECLARE = "declare attributes"
"""The journal's kind of a decision on what a category's instances have."""


def declare_attributes(
    store: Store, project_id: int, who: str, row: CategoryRow, schema: Collection[Attribute]
) -> Entry | None:
    """Say which attributes a category's instances have, in place of what was said before.

    Values that instances have already stay, also of attributes that are no longer declared.

    Args:
        store, project_id, who: where, and for the journal.
        row: the category as its author saw it.
        schema: without the built-in ones.

    Raises:
        InputError: for a name that is given twice or built in, or too many attributes.
        ConflictError: if somebody else has changed the category meanwhile.
    """
    try:
        checked = read_schema(schema_json(schema))
    except ValueError as error:
        raise InputError(str(error)) from error
    values = {"extra": schema_extra(row.extra, checked)}
    return store.decide(project_id, who, DECLARE, [Change("category", row.id, row.version, values)])


def schema_extra(extra: Extra, schema: Collection[Attribute]) -> dict[str, Any]:
    """Return what is kept beside a category's row, with other declarations."""
    ours = {key: value for key, value in ours_of(extra).items() if key != ATTRIBUTES}
    if schema:
        ours[ATTRIBUTES] = schema_json(schema)
    kept = {key: value for key, value in extra.items() if key != OURS}
    return kept | ({OURS: ours} if ours else {})


def set_attributes(
    store: Store,
    project_id: int,
    who: str,
    rows: Collection[InstanceRow],
    values: Mapping[str, AttributeValue | None],
) -> Entry | None:
    """Say something of instances, in one decision.

    Args:
        store, project_id, who: where, and for the journal.
        rows: the instances as their author saw them.
        values: by the attributes' names; ``None`` takes a value away.

    Raises:
        InputError: for an attribute that a row's category does not have, or a value that is none of it.
        ConflictError: if somebody else has changed one of the instances meanwhile; then nothing is done.
    """
    categories = {row.id: row for row in store.categories(project_id)}
    return store.decide(project_id, who, SET_ATTRIBUTES, attribute_changes(categories, rows, values))


def attribute_changes(
    categories: Mapping[int, CategoryRow],
    rows: Collection[InstanceRow],
    values: Mapping[str, AttributeValue | None],
) -> list[Change]:
    """Return what changes in instances of which something is said; arguments and errors as above.

    Args:
        categories: of the project, by the store's ids.
    """
    if not rows:
        raise InputError("instances: expected one or more, got none")
    if not values:
        raise InputError("attributes: expected one or more, got none")
    for id_ in {row.category_id for row in rows}:
        _check(categories[id_], values)
    said = {name: value for name, value in values.items() if name != CROWD}
    changes = []
    for row in rows:
        columns: dict[str, Any] = {"extra": _extra_with(row, said)} if said else {}
        if CROWD in values and row.is_crowd != (is_crowd := bool(values[CROWD])):
            columns |= crowd_values(is_crowd)
        changes.append(Change("instance", row.id, row.version, columns))
    return changes


def _check(category: CategoryRow, values: Mapping[str, AttributeValue | None]) -> None:
    schema = fitting_schema(category)
    for name, value in values.items():
        if name not in schema and value is not None:  # whatever a file brought can be taken away
            known = ", ".join(map(one_line, schema))
            raise InputError(
                f"attribute: expected one of category {one_line(category.name)} ({known}), got "
                f"{one_line(name)}"
            )
        if value is not None and (problem := schema[name].problem(value)):
            raise InputError(problem)


def _extra_with(row: InstanceRow, said: Mapping[str, AttributeValue | None]) -> dict[str, Any]:
    """Return what is kept beside an instance's row, with these values; their place in a file stays."""
    now = {**values_of(row), **said}
    now = {name: value for name, value in now.items() if value is not None or name not in said}
    extra = dict(row.extra)
    if now:
        extra[ATTRIBUTES] = now
    elif isinstance(extra.get(ATTRIBUTES), dict):
        del extra[ATTRIBUTES]
    return extra
