"""Shapes that people draw and that Python makes masks of: rectangles to mend, and lassos around objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.errors import CategoryNeededError, StoreError
from maskrcnn_core.geometry.lasso import cut_out
from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.projects.category_edits import CategoryRef, find_category
from maskrcnn_core.projects.journal import New
from maskrcnn_core.projects.mask_edits import was_asked_for
from maskrcnn_core.projects.new_rows import new_instance
from maskrcnn_core.projects.records import PERSON, RECTANGLE, Entry, ImageRow
from maskrcnn_core.projects.seeing import pixels_of, stretch_of
from maskrcnn_core.projects.store import Store

__all__ = [
    "DRAW_OUTLINE",
    "DRAW_RECTANGLE",
    "LEAST_FILLED",
    "SCISSORS",
    "cut_out_object",
    "keep_rectangle",
    "rectangle_mask",
    "rectangle_of",
]

DRAW_RECTANGLE = "draw rectangle"
DRAW_OUTLINE = "draw outline"
SCISSORS = "scissors"
"""The journal's kinds: what it became is what it is called."""

LEAST_FILLED = 0.05
"""Of a box: a mask that fills less of it is none of the object that the box was drawn around."""


def rectangle_mask(box: Box, size: tuple[int, int]) -> Rle:
    """Return the pixels of a box as it was drawn, whole ones and at least one in each direction.

    Args:
        box: x1 y1 x2 y2 in pixels of the image.
        size: ``(height, width)`` of the image.

    Raises:
        StoreError: if it lies outside of the image.
    """
    height, width = size
    x1, x2 = _whole(box[0], box[2], width)
    y1, y2 = _whole(box[1], box[3], height)
    return Rle.from_crop(np.ones((y2 - y1, x2 - x1), np.bool_), (y1, x1), size)


def rectangle_of(image: ImageRow, box: Box, category_id: int) -> New:
    """Return a row for a box as it was drawn, on whole pixels and at least one in each direction.

    Raises:
        StoreError: if it lies outside of the image.
    """
    mask = rectangle_mask(box, (image.height, image.width))
    x1, y1, width, height = mask.box_xywh
    x2, y2 = x1 + width, y1 + height
    ring = [float(v) for v in (x1, y1, x2, y1, x2, y2, x1, y2)]
    return new_instance(
        image.id, category_id, None, mask, source=RECTANGLE, status="accepted", polygons=[ring], given_box=box
    )


def keep_rectangle(
    store: Store,
    image_id: int,
    box: Box,
    who: str,
    *,
    category: CategoryRef | None = None,
    operation: str | None = None,
) -> Entry | None:
    """Add a box as it was drawn, where no network can make a mask of it.

    Args:
        store: where.
        image_id: the store's id of the image.
        box: x1 y1 x2 y2 in pixels of the image.
        who: for the journal.
        category: as the person says.
        operation: see :meth:`Store.decide`.

    Raises:
        CategoryNeededError: if no one says which category it is.
        StoreError: if the image is not there, the box lies outside of it, or there is no such category.
    """
    project_id, image = _image(store, image_id)
    if was_asked_for(store, project_id, operation):
        return store.decide(project_id, who, DRAW_RECTANGLE, [], image_id=image_id, operation=operation)
    if category is None:
        raise CategoryNeededError("no network says what is in the box: choose its category")
    made = rectangle_of(image, box, find_category(store, project_id, category))
    return store.decide(project_id, who, DRAW_RECTANGLE, [made], image_id=image_id, operation=operation)


def cut_out_object(
    store: Store,
    image_id: int,
    ring: Sequence[float],
    who: str,
    *,
    category: CategoryRef,
    operation: str | None = None,
) -> Entry | None:
    """Add the object that a lasso was drawn around; where none stands out, the lasso as it was drawn.

    Args:
        store: where.
        image_id: the store's id of the image.
        ring: the lasso, flat x y in pixel corners.
        who: for the journal, which calls it :data:`SCISSORS`, or :data:`DRAW_OUTLINE` for the lasso itself.
        category: as the person says.
        operation: see :meth:`Store.decide`.

    Raises:
        DatasetError: if the lasso is none.
        ImageError: if the image's file cannot be read.
        StoreError: if the image or category is not there, or the lasso encloses no pixel.
    """
    project_id, image = _image(store, image_id)
    if was_asked_for(store, project_id, operation):
        return store.decide(project_id, who, SCISSORS, [], image_id=image_id, operation=operation)
    category_id = find_category(store, project_id, category)
    lasso = polygons_to_rle([ring], (image.height, image.width))
    if not lasso.area:
        raise StoreError("the lasso encloses no pixel of the image")
    found = cut_out(pixels_of(store, image, stretch_of(store.project(project_id))), lasso)
    kind, mask, polygons = (SCISSORS, found, None) if found else (DRAW_OUTLINE, lasso, [_rounded(ring)])
    made = new_instance(
        image_id, category_id, None, mask, source=PERSON, status="accepted", polygons=polygons
    )
    return store.decide(project_id, who, kind, [made], image_id=image_id, operation=operation)


def _image(store: Store, image_id: int) -> tuple[int, ImageRow]:
    project_id = store.project_of(image_id)
    if project_id is None:
        raise StoreError(f"image {image_id}: there is no such image")
    (image,) = store.images(project_id, ids=[image_id])
    return project_id, image


def _whole(low: float, high: float, most: int) -> tuple[int, int]:
    first = min(max(round(low), 0), most)
    last = min(max(round(high), 0), most)
    if first == last:  # less than a pixel, or nothing but the outside
        first = min(max(int(low), 0), most - 1)
        last = first + 1
        if high <= 0 or low >= most:
            raise StoreError("the box lies outside of the image")
    return first, last


def _rounded(ring: Sequence[float]) -> list[float]:
    return [round(float(v), 2) for v in ring]
