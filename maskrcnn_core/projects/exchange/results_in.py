"""Detections that come as a bare list: of which images they are, the project has to know."""

from __future__ import annotations

from collections.abc import Iterable

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.formats.json_writing import dump_json, dump_rows, join_members
from maskrcnn_core.projects.store import Store

__all__ = ["results_document"]


def results_document(store: Store, project_id: int, rows: Iterable[Json]) -> bytes:
    """Return detections as COCO JSON with the images and categories of a project, which they are of.

    Args:
        store, project_id: which project.
        rows: of the list.
    """
    images = [
        {"id": row.coco_id, "file_name": row.file_name, "width": row.width, "height": row.height}
        | ({"sha256": row.digest} if row.digest else {})
        for row in store.images(project_id)
    ]
    categories = [
        {"id": row.coco_id, "name": row.name, "supercategory": row.supercategory}
        for row in store.categories(project_id)
    ]
    return join_members(
        {
            "images": [dump_json(images)],
            "annotations": dump_rows(_as_annotation(n, row) for n, row in enumerate(rows, start=1)),
            "categories": [dump_json(categories)],
        }
    )


def _as_annotation(number: int, row: Json) -> Json:
    return {"iscrowd": 0, **row, "id": number} if isinstance(row, dict) else row
