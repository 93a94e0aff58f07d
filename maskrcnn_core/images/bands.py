"""A picture taken apart into bands of rows: what keeps a 50 MP conversion from needing 1 GB."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["BAND_PIXELS", "Convert", "Rgb", "band_of", "bands_of", "on_white", "rows_of"]

BAND_PIXELS = 2**20
"""Pixels converted at a time."""

Rgb = npt.NDArray[np.uint8]
"""uint8 ``[h, W, 3]``, or ``[h, W, 1]`` for grey: what fits into h rows of RGB."""

Convert = Callable[[int, int], Rgb]
"""Gives the rows of a picture from one to before another."""


def rows_of(image: Image.Image) -> Iterator[tuple[int, int]]:
    """Yield ``(first row, row behind the last)`` of each band, from top to bottom."""
    rows = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, min(top + rows, image.height)


def band_of(image: Image.Image, top: int, bottom: int) -> Image.Image:
    """Return the rows of an image from ``top`` to before ``bottom``."""
    return image.crop((0, top, image.width, bottom))


def bands_of(image: Image.Image) -> Iterator[Image.Image]:
    """Return all bands of an image."""
    return (band_of(image, *rows) for rows in rows_of(image))


def on_white(rgb: Rgb, alpha: Rgb) -> Rgb:
    """Return colours on white, by their opacity (uint8 ``[h, W, 1]``, 255 is opaque)."""
    if alpha.min() == 255:
        return rgb
    wide = alpha.astype(np.uint16)
    mixed: npt.NDArray[np.uint16] = (rgb * wide + 255 * (255 - wide) + 127) // 255
    return mixed.astype(np.uint8)
