"""An image's row, read and written in one transaction.

Nobody who does so at the same moment conflicts with anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ConflictError, StoreError
from maskrcnn_core.projects import journal
from maskrcnn_core.projects.db.patience import again
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.records import Entry
from maskrcnn_core.projects.store import Store

__all__ = ["amend_image"]


@again()
def amend_image(
    store: Store,
    image_id: int,
    who: str,
    kind: str,
    values: Callable[[Connection, Mapping[str, Any]], Mapping[str, Any] | None],
    *,
    operation: str | None = None,
) -> Entry | None:
    """Change an image's row as it is now, whatever others have done to it since its author saw it.

    Args:
        store, image_id, who, kind: where, and for the journal.
        values: returns the new values of the row's columns, ``None`` for none, given the writing transaction
            and the row, which is held in it.
        operation: a name for it; asked for again under the same name it is not done twice.

    Returns:
        The journal's line; ``None`` if everything was so already.

    Raises:
        StoreError: if there is no such image, or the store cannot be written.
        ConflictError: if it was asked for before and refused.
    """
    project_id = store.project_of(image_id)
    if project_id is None:
        raise StoreError(f"image {image_id}: there is no such image")
    with store.writing() as connection:
        before = journal.entry_of(connection, project_id, operation) if operation else None
        if before is not None:
            if before.is_refused:
                raise ConflictError("this was refused before; the journal has it")
            return before
        row = journal.held_rows(connection, project_id, {"image": [image_id]})["image", image_id]
        if row["gone"]:
            raise StoreError(f"image {one_line(row['file_name'])}: somebody has removed it")
        new = values(connection, row)
        changes = [] if new is None else [Change("image", image_id, row["version"], new)]
        return journal.decide(
            connection, project_id, who, kind, changes, image_id=image_id, operation=operation
        )
