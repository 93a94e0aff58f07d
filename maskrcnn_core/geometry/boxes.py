"""Arithmetic of boxes: areas, scales, and how far two of them are the same.

Boxes are float arrays ``[N, 4]`` of x1 y1 x2 y2 in pixels, the second corner behind the last pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Floats

__all__ = ["Boxes", "box_areas", "box_ious", "box_scale"]

Boxes = npt.NDArray[np.floating[Any]]
Numbers = npt.NDArray[np.float64]


def box_areas(boxes: Boxes) -> Numbers:
    """Return areas, float64 ``[N]`` in square pixels; 0 for a box that is turned inside out."""
    sides = np.clip(boxes[..., 2:].astype(np.float64) - boxes[..., :2], 0, None)
    areas: Numbers = sides[..., 0] * sides[..., 1]
    return areas


def box_ious(a: Boxes, b: Boxes) -> Numbers:
    """Return the intersection over union of each with each: shared over covered area (Jaccard 1901).

    Args:
        a: ``[N, 4]``.
        b: ``[M, 4]``.

    Returns:
        float64 ``[N, M]`` in [0, 1]; 0 for two boxes without area.
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2]).astype(np.float64)
    high = np.minimum(a[:, None, 2:], b[None, :, 2:]).astype(np.float64)
    sides = np.clip(high - low, 0, None)
    both = sides[..., 0] * sides[..., 1]
    either = box_areas(a)[:, None] + box_areas(b)[None] - both
    ious: Numbers = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return ious


def box_scale(size: tuple[int, int], scaled: tuple[int, int]) -> Floats:
    """Return what boxes of an image are multiplied by to be boxes of the same image at another size.

    Each ratio is rounded to float32, as torchvision's ``resize_boxes`` has it.

    Args:
        size: ``(height, width)`` of the image in pixels.
        scaled: likewise at the other size.

    Returns:
        float32 ``[4]``.
    """
    y, x = (np.float32(after) / np.float32(before) for before, after in zip(size, scaled, strict=True))
    return np.array([x, y, x, y], np.float32)
