"""What is wrong with one annotation of a COCO file: its mask, its box, its area against one another.

Looked for is what is read well and still is not what its writer meant: filled holes, boxes as corners.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.formats.coco_fields import number
from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.geometry.rle import Rle, mask_containment

__all__ = ["is_odd_form", "look_at_area", "look_at_box", "look_at_mask", "reaches_out"]

_TINY = 4
"""Pixels: smaller parts are told."""
_MOST_PARTS = 1000
"""Parts of one annotation among which holes are looked for: each may lie in each."""
_PIXEL = 1.0 + 1e-6

_BoxXyxy = tuple[float, float, float, float]


def is_odd_form(segmentation: Json, mask: Rle) -> bool:
    """Return whether a segmentation is read well here and nowhere else, without a word of the reader."""
    if isinstance(segmentation, dict):
        size = segmentation.get("size")
        return size is not None and not (size == list(mask.size) and set(map(type, size)) == {int})
    return any(isinstance(part, list) and part and isinstance(part[0], list) for part in segmentation)


def look_at_mask(
    polygons: list[list[float]] | None, mask: Rle, size: tuple[int, int]
) -> tuple[Rle, list[list[float]] | None, list[str]]:
    """Look at a segmentation.

    Returns:
        The mask that was meant; its polygons without empty parts, or ``None`` where there are no such; and
        the checks that it fails.
    """
    if polygons is None:
        return mask, None, []
    keys = ["outside"] if reaches_out(_bounds(polygons), size) else []
    if len(polygons) == 1:
        return mask, None, keys
    masks = [polygons_to_rle([part], size) for part in polygons]
    kept = [part for part, one in zip(polygons, masks, strict=True) if one.area]
    if any(0 < one.area < _TINY for one in masks):
        keys.append("tiny-part")
    if 0 < len(kept) < len(polygons):
        keys.append("empty-part")
    carved = _carved([one for one in masks if one.area], size)
    if carved is not None and carved != mask:
        return carved, None, [*keys, "hole"]
    return mask, kept if 0 < len(kept) < len(polygons) else None, keys


def reaches_out(bounds: _BoxXyxy, size: tuple[int, int]) -> bool:
    """Return whether a side lies more than a pixel out of the image."""
    height, width = size
    x1, y1, x2, y2 = bounds
    return x1 < -1 or y1 < -1 or x2 > width + 1 or y2 > height + 1


def _bounds(polygons: Sequence[Sequence[float]]) -> _BoxXyxy:
    return (
        float(min(min(part[0::2]) for part in polygons)),
        float(min(min(part[1::2]) for part in polygons)),
        float(max(max(part[0::2]) for part in polygons)),
        float(max(max(part[1::2]) for part in polygons)),
    )


def _carved(masks: Sequence[Rle], size: tuple[int, int]) -> Rle | None:
    """Return parts with those that lie wholly within another as holes, and what lies in holes as parts.

    A part within another adds nothing to it, so nobody would write it for its own sake.

    Returns:
        ``None`` where no part lies in another, or there are too many to tell.
    """
    if not 1 < len(masks) <= _MOST_PARTS:
        return None
    boxes = np.array([one.box_xywh for one in masks], np.int64)
    first, last = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    areas = np.array([one.area for one in masks])
    within = (first[:, None] >= first[None]).all(axis=2) & (last[:, None] <= last[None]).all(axis=2)
    pairs = np.argwhere(within & (areas[:, None] < areas[None])).tolist()
    depths = [0] * len(masks)
    for inner, outer in pairs:
        if mask_containment(masks[inner], masks[outer]) == 1.0:
            depths[inner] += 1
    if not any(depths):
        return None
    left, top = first.min(axis=0).tolist()
    right, bottom = last.max(axis=0).tolist()
    pixels = np.zeros((bottom - top, right - left), np.bool_)
    for place in sorted(range(len(masks)), key=depths.__getitem__):
        x, y, width, height = masks[place].box_xywh
        spot = pixels[y - top : y - top + height, x - left : x - left + width]
        crop = masks[place].crop()
        spot[crop] = depths[place] % 2 == 0
    return Rle.from_crop(pixels, (top, left), size) if pixels.any() else None


def look_at_box(
    instance: Instance, raw: Mapping[str, Json], mask: Rle, polygons: list[list[float]] | None
) -> list[str]:
    if instance.given_box is None:
        return []  # missing, or none: told already
    x, y, width, height = mask.box_xywh
    meant: list[_BoxXyxy] = [(x, y, x + width, y + height)]
    if polygons is not None:
        x1, y1, x2, y2 = _bounds(polygons)
        rows, columns = mask.size
        meant += [(x1, y1, x2, y2), (max(x1, 0), max(y1, 0), min(x2, columns), min(y2, rows))]
    if _fits(instance.given_box, meant):
        return []
    corners = [number(value) or 0.0 for value in raw["bbox"]]
    return ["bbox-corners" if _fits(corners, meant) else "bbox-off"]


def _fits(box: Sequence[float], meant: Sequence[_BoxXyxy]) -> bool:
    """Return whether no side of a box is more than a pixel away from that of one of those meant."""
    return any(all(abs(a - b) <= _PIXEL for a, b in zip(box, one, strict=True)) for one in meant)


def look_at_area(instance: Instance, mask: Rle, polygons: list[list[float]] | None) -> list[str]:
    given = instance.given_area
    if given is None:
        return []  # missing, or none: told already
    _, _, width, height = mask.box_xywh
    # Between corners and pixels up to half of the outline may lie.
    if abs(given - mask.area) <= 0.05 * mask.area + 2:
        return []
    if polygons is not None and abs(given - _enclosed(polygons)) <= 0.01 * given + 1:
        return []
    box = instance.given_box
    boxes = [width * height, (box[2] - box[0]) * (box[3] - box[1]) if box else 0.0]
    if any(abs(given - one) <= 0.005 * one + 0.5 for one in boxes):
        return ["area-of-box"]
    return ["area-off"] if abs(given - mask.area) > 0.1 * mask.area + width + height else []


def _enclosed(polygons: Sequence[Sequence[float]]) -> float:
    """Return what rings enclose, as writers of polygons compute an area; each ring by itself."""
    total = 0.0
    for part in polygons:
        ring = np.asarray(part, np.float64).reshape(-1, 2)
        x, y = ring[:, 0], ring[:, 1]
        total += abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return total
