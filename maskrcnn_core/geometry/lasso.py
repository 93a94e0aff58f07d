"""An object cut out of what a lasso encloses: GrabCut (Rother, Kolmogorov, Blake 2004), by OpenCV.

What lies outside of the lasso is background, and its inner part is the object; between the two a graph cut
puts the border where colours change. Without the inner part the cut loses objects whose colours their
surroundings have, too: on COCO's photos the masks were then worse than the lasso itself.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from maskrcnn_core.geometry.rle import Rle

__all__ = ["cut_out"]

_MOST_PIXELS = 60_000
"""Of the part that is cut, shrunk to it if it has more: a cut takes some microseconds for each."""
_AROUND = 0.1
"""Of the lasso's longer side, added on each side: where the background's colours are learned."""
_LEAST_AROUND = 8
_ROUNDS = 4
_INNER = 0.35
"""What is at least this far inside, of the depth of the innermost pixel, is the object's."""
_LEAST_FOUND = 0.1
"""Of the lasso: a cut that leaves less has lost the object."""
_SMALLEST_PART = 0.05
"""Of the largest part: smaller ones are specks."""


def cut_out(pixels: npt.NDArray[np.uint8], lasso: Rle) -> Rle | None:
    """Return the object that a lasso was drawn around, which lies wholly within it.

    Args:
        pixels: uint8 ``[H, W, 3]``, RGB.
        lasso: the pixels that it encloses, of the same size.

    Returns:
        ``None`` where no border stands out: nothing is outside of the lasso, or nearly nothing left inside.

    Raises:
        ValueError: if the sizes differ.
    """
    if pixels.shape[:2] != lasso.size:
        raise ValueError(f"lasso: expected one of {pixels.shape[:2]}, got {lasso.size}")
    if not lasso.area:
        return None
    import cv2  # 0.1 s, which only those who cut wait for

    top, left, height, width = _window(lasso)
    crop = np.ascontiguousarray(pixels[top : top + height, left : left + width])
    inside = lasso.window(top, left, height, width).astype(np.uint8)
    scale = min(1.0, sqrt(_MOST_PIXELS / (height * width)))
    small = (max(2, round(width * scale)), max(2, round(height * scale)))
    colors = cv2.resize(crop, small, interpolation=cv2.INTER_AREA)
    marks = np.where(cv2.resize(inside, small, interpolation=cv2.INTER_NEAREST), cv2.GC_PR_FGD, cv2.GC_BGD)
    depth = cv2.distanceTransform((marks == cv2.GC_PR_FGD).astype(np.uint8), cv2.DIST_L2, 5)
    marks[(depth >= _INNER * depth.max()) & (depth > 0)] = cv2.GC_FGD
    if not {cv2.GC_BGD, cv2.GC_FGD} <= set(np.unique(marks).tolist()):
        return None
    marks = marks.astype(np.uint8)
    cv2.setRNGSeed(1)  # its colour models begin at random, and the same lasso is to give the same mask
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(colors, marks, (0, 0, 0, 0), background, foreground, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    # In between the pixels of the shrunk picture the border is drawn smoothly.
    whole = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) >= 0.5
    mask = _without_specks((whole & (inside > 0)).astype(np.uint8))
    if np.count_nonzero(mask) < _LEAST_FOUND * lasso.area:
        return None
    return Rle.from_crop(mask, (top, left), lasso.size)


def _window(lasso: Rle) -> tuple[int, int, int, int]:
    """Return top, left, height and width of what is looked at: the lasso with what lies around it."""
    x, y, wide, high = lasso.box_xywh
    around = max(_LEAST_AROUND, round(_AROUND * max(wide, high)))
    top, left = max(0, y - around), max(0, x - around)
    bottom, right = min(lasso.size[0], y + high + around), min(lasso.size[1], x + wide + around)
    return top, left, bottom - top, right - left


def _without_specks(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    areas = stats[:, cv2.CC_STAT_AREA]
    keep = np.zeros(count, np.bool_)
    keep[1:] = areas[1:] >= _SMALLEST_PART * max(areas[1:], default=0)
    return np.asarray(keep[labels], np.bool_)
