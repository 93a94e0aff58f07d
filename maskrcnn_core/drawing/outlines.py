"""Outlines of masks at the size at which an image is shown, each on its own box only."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.drawing.instances import rim_of
from maskrcnn_core.drawing.palette import Color
from maskrcnn_core.geometry.rle import Rle

__all__ = ["Outline", "draw_outlines", "laid_over"]

Outline = tuple[Rle, Color, int]
"""A mask, the colour of its outline, and how wide that is, in pixels of the picture."""


def draw_outlines(outlines: Iterable[Outline], size: tuple[int, int], *, fill: float = 0.0) -> Pixels:
    """Draw outlines on nothing, the last on top; they lie within their masks.

    Args:
        outlines: of masks of one image.
        size: ``(height, width)`` of the picture in pixels, any size.
        fill: 0 to 1, how far the inside of a mask has its colour, too.

    Returns:
        uint8 ``[h, w, 4]``, transparent where nothing is.
    """
    canvas = np.zeros((*size, 4), np.uint8)
    for mask, color, width in outlines:
        if not mask.area:
            continue
        (top, left), inside = _at_size(mask, size)
        part = canvas[top : top + inside.shape[0], left : left + inside.shape[1]]
        rim = rim_of(inside, width)
        if fill:
            part[inside & (part[..., 3] == 0)] = (*color, round(255 * fill))
        part[rim] = (*color, 255)
    return canvas


def laid_over(pixels: Pixels, layer: Pixels) -> Pixels:
    """Return uint8 ``[h, w, 3]`` with ``[h, w, 4]`` laid over it."""
    opacity = layer[..., 3:].astype(np.float32) / 255
    mixed = pixels * (1 - opacity) + layer[..., :3] * opacity
    laid: Pixels = np.round(mixed).astype(np.uint8)
    return laid


def _at_size(mask: Rle, size: tuple[int, int]) -> tuple[tuple[int, int], npt.NDArray[np.bool_]]:
    """Return a mask's part of a picture of another size: its corner, and bool ``[h, w]`` of 1 or more."""
    x, y, width, height = mask.box_xywh
    rows, columns = (
        _places(begin, length, of, shown)
        for begin, length, of, shown in zip((y, x), (height, width), mask.size, size, strict=True)
    )
    crop = mask.crop()
    inside: npt.NDArray[np.bool_] = crop[np.ix_(rows[1], columns[1])]
    return (rows[0], columns[0]), inside


def _places(begin: int, length: int, of: int, shown: int) -> tuple[int, npt.NDArray[np.intp]]:
    """Return the first pixel of a picture's side that shows a part of the image's, and what each shows."""
    first = min(begin * shown // of, shown - 1)
    end = max(-(-(begin + length) * shown // of), first + 1)
    shows = ((np.arange(first, min(end, shown)) + 0.5) * of / shown).astype(np.intp)
    return first, np.clip(shows, begin, begin + length - 1) - begin
