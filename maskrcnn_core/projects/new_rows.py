"""Rows to be made, for decisions of a store."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict
from typing import Any

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.projects.db.inserting import JsonText, RowValues, as_json
from maskrcnn_core.projects.journal import New, Ref
from maskrcnn_core.projects.records import Doubts, Extra, ImageStatus, Status

__all__ = ["mask_values", "new_category", "new_image", "new_instance"]


# -- new rows -------------------------------------------------------------------------------------


def new_category(
    coco_id: int | None,
    name: str,
    supercategory: str = "",
    *,
    color: str = "",
    extra: Extra | None = None,
    key: Hashable = None,
) -> New:
    """Return a category to be made, with an id in files as for :class:`New`.

    A :class:`Ref` calls it ``key``.
    """
    return New(
        "category",
        {
            "coco_id": coco_id,
            "name": name,
            "supercategory": supercategory,
            "colour": color,
            "extra": dict(extra or {}),
        },
        key,
    )


def new_image(
    coco_id: int | None,
    file_name: str,
    size: tuple[int, int],
    digest: str,
    *,
    status: ImageStatus = "new",
    extra: Extra | None = None,
    key: Hashable = None,
) -> New:
    """Return an image to be made, with an id in files as for :class:`New`.

    Args:
        size: height and width.
        key: what a :class:`Ref` calls it.
    """
    return New(
        "image",
        {
            "coco_id": coco_id,
            "file_name": file_name,
            "width": size[1],
            "height": size[0],
            "digest": digest,
            "status": status,
            "extra": dict(extra or {}),
        },
        key,
    )


def new_instance(
    image_id: int | Ref,
    category_id: int | Ref,
    coco_id: int | None,
    mask: Rle,
    *,
    source: str,
    status: Status = "proposed",
    score: float | None = None,
    polygons: Sequence[Sequence[float]] | None = None,
    is_crowd: bool = False,
    given_box: Box | None = None,
    given_area: float | None = None,
    candidate: int | None = None,
    extra: Extra | None = None,
    doubts: Doubts | None = None,
) -> New:
    """Return an instance to be made.

    The id in files is as for :class:`New`, the rest as in :class:`InstanceRow`.
    """
    values = {
        "counts": mask.counts,
        "polygons": as_json(polygons),
        "area": mask.area,
        "box": as_json(mask.box_xywh),
        "image_id": image_id,
        "category_id": category_id,
        "coco_id": coco_id,
        "score": score,
        "status": status,
        "source": source,
        "is_crowd": is_crowd,
        "given_box": as_json(given_box),
        "given_area": given_area,
        "candidate": candidate,
        "extra": as_json(extra) if extra else _NOTHING,
        "doubt": None if doubts is None else asdict(doubts),
    }
    return New("instance", RowValues(values))


_NOTHING = JsonText("{}")


def mask_values(mask: Rle, polygons: list[list[float]] | None = None) -> dict[str, Any]:
    """Return what a mask is in the table of instances, to mend one."""
    return {
        "counts": mask.counts,
        "polygons": polygons,
        "area": mask.area,
        "box": list(mask.box_xywh),
    }
