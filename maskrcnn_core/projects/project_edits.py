"""A project's own name and description. Each change is one decision, and can be undone."""

from __future__ import annotations

from maskrcnn_core.common.bounds import MAX_DESCRIPTION, is_storable
from maskrcnn_core.errors import InputError
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.project_name import checked_name
from maskrcnn_core.projects.records import Entry, ProjectRow
from maskrcnn_core.projects.store import Store

__all__ = ["describe_project", "rename_project"]


def rename_project(store: Store, who: str, row: ProjectRow, name: str) -> Entry | None:
    """Give a project another name.

    Args:
        store, who: where, and for the journal.
        row: the project as its author saw it.
        name: unique among the projects that are there.

    Returns:
        The journal's line; ``None`` if it is called so already.

    Raises:
        StoreError: if the name is none that a new project may have, or another project has it.
        ConflictError: if somebody else has changed the project meanwhile.
    """
    return _change(store, who, row, "rename project", {"name": checked_name(name)})


def describe_project(store: Store, who: str, row: ProjectRow, description: str) -> Entry | None:
    """Say what a project is about, in place of what was said before.

    Args:
        store, who, row: as for :func:`rename_project`.
        description: for people, of at most :data:`~maskrcnn_core.common.bounds.MAX_DESCRIPTION` characters;
            empty takes it away.

    Returns:
        The journal's line; ``None`` if it says so already.

    Raises:
        InputError: if the text is too long, or none that a database keeps.
        ConflictError: if somebody else has changed the project meanwhile.
    """
    description = description.strip()
    if len(description) > MAX_DESCRIPTION:
        raise InputError(
            f"description: expected at most {MAX_DESCRIPTION:,} characters, got {len(description):,}"
        )
    if not is_storable(description):
        raise InputError("description: expected whole characters, got half of one or a NUL in it")
    return _change(store, who, row, "describe project", {"description": description})


def _change(
    store: Store, who: str, row: ProjectRow, kind: str, values: dict[str, str | bool]
) -> Entry | None:
    return store.decide(row.id, who, kind, [Change("project", row.id, row.version, values)])
