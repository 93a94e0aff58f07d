"""Checks and measures many of COCO's compressed run lengths at once, without unpacking any.

What passes is exactly what :attr:`maskrcnn_core.geometry.rle.Rle.counts` writes for a mask of the size
wanted; the rest, right or wrong, is left to :meth:`maskrcnn_core.geometry.rle.Rle.from_counts`, which says
what is the matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.compiled import compiled

__all__ = ["measure"]

_Ints = npt.NDArray[np.int64]


def measure(
    texts: Sequence[str], heights: _Ints, widths: _Ints
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Measure N run-length codes.

    Args:
        texts: N codes.
        heights, widths: int64 ``[N]``, pixels of the images, at least 1 each.

    Returns:
        Bool ``[N]``, whether a code is the one of a mask of that size; and of those that are, float64 ``[N]``
        the mask's pixels, and float64 ``[N, 4]`` its tight box x, y, width, height, all 0 for an empty mask.
    """
    codes = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8)
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return _measure(codes, ends, heights, widths)


@compiled
def _measure(
    codes: npt.NDArray[np.uint8], ends: _Ints, heights: _Ints, widths: _Ints
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    good = np.zeros(ends.size, np.bool_)
    areas = np.zeros(ends.size)
    boxes = np.zeros((ends.size, 4))
    start = 0
    for n in range(ends.size):
        good[n] = _measure_one(codes[start : ends[n]], heights[n], widths[n], areas[n : n + 1], boxes[n])
        start = ends[n]
    return good, areas, boxes


@compiled
def _measure_one(
    code: npt.NDArray[np.uint8],
    height: int,
    width: int,
    area: npt.NDArray[np.float64],
    box: npt.NDArray[np.float64],
) -> bool:
    pixels = height * width
    # From the fourth on, a run is written as the difference to the one before the last.
    last, before = np.int64(0), np.int64(0)
    count, at, position = 0, 0, np.int64(0)
    x_first, y_first, inside = np.int64(width), np.int64(height), np.int64(0)
    x_last, y_last = np.int64(-1), np.int64(-1)
    while at < code.size:
        value = np.int64(0)
        shift, more, sign = 0, True, False
        while more:
            if at == code.size or shift > 35 or code[at] < 48 or code[at] > 111:
                return False
            group = np.int64(code[at]) - 48
            more = (group & 0x20) != 0
            # A last group that only repeats the sign is not as short as it could be.
            if not more and shift and (group & 0x1F) == (0x1F if sign else 0):
                return False
            value |= (group & 0x1F) << shift
            shift += 5
            sign = (group & 0x10) != 0
            at += 1
        if sign:
            value -= 1 << shift
        if count > 2:
            value += before
        if value < 0 or (value == 0 and count) or value > pixels - position:
            return False
        if count % 2:
            inside += value
            top, bottom = position, position + value - 1
            x_a, x_b = top // height, bottom // height
            x_first, x_last = min(x_first, x_a), max(x_last, x_b)
            # A run into the next column takes in that foot and the head of the next.
            y_first = min(y_first, top % height if x_a == x_b else np.int64(0))
            y_last = max(y_last, bottom % height if x_a == x_b else np.int64(height - 1))
        position += value
        before, last = last, value
        count += 1
    if position != pixels:
        return False
    area[0] = inside
    if inside:
        box[0], box[1] = x_first, y_first
        box[2], box[3] = x_last - x_first + 1, y_last - y_first + 1
    return True
