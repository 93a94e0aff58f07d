"""Rows of a project as new rows of another one, with all that is kept of them; and its models' runs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import insert, select

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ConflictError
from maskrcnn_core.projects.db.inserting import JsonText, RowValues, as_json
from maskrcnn_core.projects.db.tables import ANSWER, chunks
from maskrcnn_core.projects.journal import New, Ref, WantedId
from maskrcnn_core.projects.new_rows import new_category, new_image
from maskrcnn_core.projects.records import CategoryRow, Extra, ImageRow, InstanceRow, ProjectRow
from maskrcnn_core.projects.store import Store

__all__ = ["ProjectRows", "copied_category", "copied_image", "copied_instance", "copy_runs", "rows_of"]


@dataclass(frozen=True)
class ProjectRows:
    """All of a project at one moment.

    Args:
        project, categories, images, instances: its rows, in the order in which they came.
    """

    project: ProjectRow
    categories: tuple[CategoryRow, ...]
    images: tuple[ImageRow, ...]
    instances: tuple[InstanceRow, ...]


def rows_of(store: Store, project_id: int) -> ProjectRows:
    """Return all rows of a project.

    Raises:
        DamageError: if some of it is not what was written: a copy would bless the damage.
        ConflictError: if somebody decides something in it meanwhile.
        StoreError: if there is no such project.
    """
    before = store.revision(project_id)
    store.refuse_damage(project_id)
    found = ProjectRows(
        store.project(project_id),
        tuple(store.categories(project_id)),
        tuple(store.images(project_id)),
        tuple(store.each_instance(project_id)),
    )
    if store.revision(project_id) != before:
        raise ConflictError(
            f"project {one_line(found.project.name)}: somebody is working in it right now; try again"
        )
    return found


def copied_category(row: CategoryRow, key: Hashable, *, extra: Extra | None = None) -> New:
    """Return a category to be made like another; a :class:`Ref` calls it ``key``."""
    return new_category(
        WantedId(row.coco_id),
        row.name,
        row.supercategory,
        color=row.color,
        extra=row.extra if extra is None else extra,
        key=key,
    )


def copied_image(
    row: ImageRow, key: Hashable, *, file_name: str | None = None, extra: Extra | None = None
) -> New:
    """Return an image to be made like another, maybe under another name."""
    return new_image(
        WantedId(row.coco_id),
        row.file_name if file_name is None else file_name,
        (row.height, row.width),
        row.digest,
        status=row.status,
        extra=row.extra if extra is None else extra,
        key=key,
    )


def copied_instance(row: InstanceRow, image_id: int | Ref, category_id: int | Ref) -> New:
    """Return an instance to be made like another, in its image's and with its category's copy."""
    values: dict[str, Any] = {
        "counts": row.counts,
        "polygons": None if row.polygons_json is None else JsonText(row.polygons_json),
        "area": row.area,
        "box": as_json(row.box_xywh),
        "image_id": image_id,
        "category_id": category_id,
        "coco_id": WantedId(row.coco_id),
        "score": row.score,
        "status": row.status,
        "source": row.source,
        "is_crowd": row.is_crowd,
        "given_box": as_json(row.given_box),
        "given_area": row.given_area,
        "candidate": row.candidate,
        "extra": as_json(row.extra) or JsonText("{}"),
        "doubt": None if row.doubts is None else as_json(asdict(row.doubts)),
    }
    return New("instance", RowValues(values))


def copy_runs(store: Store, copies: Mapping[int, int]) -> int:
    """Keep what models said of images for their copies, too, so that no network runs twice.

    Args:
        store: where.
        copies: from the store's ids of images to those of their copies.

    Returns:
        How many runs were copied.
    """
    columns = [column for column in ANSWER.c if column.name not in ("id", "image_id")]
    count = 0
    with store.writing() as connection:
        for chunk in chunks(sorted(copies)):
            query = select(ANSWER.c.image_id, *columns).where(ANSWER.c.image_id.in_(chunk))
            rows = [dict(row._mapping) for row in connection.execute(query)]
            for row in rows:
                row["image_id"] = copies[row["image_id"]]
            if rows:
                connection.execute(insert(ANSWER), rows)
            count += len(rows)
    return count
