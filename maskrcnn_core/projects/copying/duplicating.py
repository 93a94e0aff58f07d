"""A project once more, under another name: its images, categories, instances and its models' runs.

Images and runs are files named by their content, so a copy takes rows alone. The journal stays with the
original: its decisions are about that one's rows.
"""

from __future__ import annotations

from maskrcnn_core.formats.coco_fields import OURS, ours_of
from maskrcnn_core.projects.copying.copied_rows import (
    copied_category,
    copied_image,
    copied_instance,
    copy_runs,
    rows_of,
)
from maskrcnn_core.projects.exchange.coco_ids import made_lines
from maskrcnn_core.projects.exchange.own_rows import project_mark
from maskrcnn_core.projects.journal import New, Ref
from maskrcnn_core.projects.records import ProjectRow
from maskrcnn_core.projects.removal import delete_project
from maskrcnn_core.projects.store import Store

__all__ = ["DUPLICATE", "duplicate_project"]

DUPLICATE = "duplicate project"
"""The journal's kind of the decision that fills a copy."""


def duplicate_project(store: Store, project_id: int, who: str, name: str) -> ProjectRow:
    """Make a project that holds all that another one does; the two are independent from then on.

    Ids in files stay, and an export of either is known by both as their own.

    Args:
        store, project_id: what is copied; an archived project can be, too.
        who: for the copy's journal.
        name: of the copy.

    Returns:
        The copy.

    Raises:
        StoreError: if there is no such project, or another one has the name.
        DamageError: if some of it is damaged.
        ConflictError: if somebody is working in it right now.
    """
    rows = rows_of(store, project_id)
    source = rows.project
    ours = {**ours_of(source.extra), "project": project_mark(source)}
    copy = store.create_project(name, who, description=source.description, extra={**source.extra, OURS: ours})
    news: list[New] = [copied_category(row, ("category", row.id)) for row in rows.categories]
    news += [copied_image(row, ("image", row.id)) for row in rows.images]
    news += [
        copied_instance(row, Ref(("image", row.image_id)), Ref(("category", row.category_id)))
        for row in rows.instances
    ]
    try:
        entry = store.decide(copy.id, who, DUPLICATE, news) if news else None
        made = [line["id"] for line in made_lines(entry, "image")]
        copy_runs(store, dict(zip((row.id for row in rows.images), made, strict=True)))
    except BaseException:  # also an interrupt: nobody asked for half a copy
        delete_project(store, who, store.project(copy.id))
        raise
    return store.project(copy.id)
