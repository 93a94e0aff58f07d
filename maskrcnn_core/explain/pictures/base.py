"""A picture with its words, and what pictures of several stages share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Floats, Ints, Pixels
from maskrcnn_core.drawing.palette import Color
from maskrcnn_core.explain.traced_image import TracedImage

__all__ = [
    "MOST_BOXES",
    "PANEL",
    "Picture",
    "color_of",
    "fitted",
    "in_order",
    "nothing_found",
    "size_of",
    "told_most",
    "told_range",
    "told_size",
    "whole_pixels",
]


MOST_BOXES = 100  # boxes in a picture: more would hide it
PANEL = 290  # pixels: three side by side


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with its words.

    Args:
        pixels: uint8 ``[h, w, 3]`` RGB.
        title: what it is, a few words; also for those who cannot see it.
        caption: what there is to see, a sentence or two; may name categories.
    """

    pixels: Pixels
    title: str
    caption: str


# -- small things --------------------------------------------------------------------------------------


def nothing_found(traced: TracedImage, title: str) -> Picture:
    return Picture(
        traced.whole.picture, title, "Nothing was found in this image, so there is nothing to draw."
    )


def told_size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def size_of(pixels: Pixels) -> tuple[int, int]:
    return pixels.shape[0], pixels.shape[1]


def told_range(values: npt.NDArray[np.float64]) -> str:
    low, high = round(values.min()), round(values.max())
    return f"{low}" if low == high else f"{low} to {high}"


def told_most(most: int) -> str:
    return f" Only the best {MOST_BOXES} of each kind are drawn." if most > MOST_BOXES else ""


def in_order(order: Ints, rows: Ints) -> Ints:
    """Return some rows in the order that they have in another list."""
    chosen: Ints = order[np.isin(order, rows)]
    return chosen


def color_of(values: Pixels) -> Color:
    red, green, blue = values.tolist()
    return (red, green, blue)


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return ``(height, width)`` of the same shape whose longer side is ``side``."""
    scale = side / max(size)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def whole_pixels(box: Floats, image_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a box in whole pixels, at least one each way, inside the image."""
    left, top = (min(max(int(v), 0), limit - 1) for v, limit in zip(box[:2], image_size[::-1], strict=True))
    right, bottom = (int(np.ceil(v)) for v in box[2:])
    return left, top, min(max(right, left + 1), image_size[1]), min(max(bottom, top + 1), image_size[0])
