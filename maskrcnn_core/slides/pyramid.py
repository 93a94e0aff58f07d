"""The square tiles of a picture as a viewer asks for them: each level half as large as the one before.

The picture's own levels may be halves or quarters, or none: a tile is read from the coarsest level that is
fine enough, and made smaller. Where even the coarsest level is large, a copy of it is made in the background.
"""

from __future__ import annotations

import threading
from typing import cast

import cv2
import numpy as np
from cachetools import LRUCache

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.images.reading import encode_jpeg
from maskrcnn_core.slides.overview import NotReady, Overview
from maskrcnn_core.slides.source import Level, WindowSource, level_for

__all__ = ["TILE", "NotReady", "TilePyramid"]

TILE = 512
"""Pixels of a tile's side."""

_KEPT_BYTES = 64 * 2**20
_QUALITY = 85
_ENOUGH = 2048
"""Pixels of the coarsest level's longer side: a smaller copy is not needed."""


class TilePyramid:
    """The tiles of one picture. Safe to use from several threads.

    Args:
        source: the picture.

    Attributes:
        levels: how many there are; level n shows the picture at 1 / 2^n.
    """

    def __init__(self, source: WindowSource) -> None:
        self._source = source
        height, width = source.levels[0].size
        self.size = height, width
        self.levels = max(0, (max(height, width) - 1) // TILE).bit_length() + 1
        self._kept: LRUCache[tuple[int, int, int], bytes] = LRUCache(_KEPT_BYTES, getsizeof=len)
        self._lock = threading.Lock()
        coarsest = source.levels[-1]
        self._overview: Overview | None = None
        if max(coarsest.size) > _ENOUGH:
            self._overview = Overview(source)
            self._overview.start()

    @property
    def share(self) -> float:
        """How much of the small copy is made, 0 to 1; 1 where none is needed."""
        return 1.0 if self._overview is None else self._overview.share

    def close(self) -> None:
        """Stop what goes on in the background."""
        if self._overview is not None:
            self._overview.close()

    def grid(self, level: int) -> tuple[int, int]:
        """Return how many rows and columns of tiles a level has.

        Raises:
            LookupError: if there is no such level.
        """
        if not 0 <= level < self.levels:
            raise LookupError(f"level {level}: expected 0 to {self.levels - 1}")
        span = TILE << level
        return -(-self.size[0] // span), -(-self.size[1] // span)

    def jpeg(self, level: int, row: int, column: int) -> bytes:
        """Return a tile as a JPEG file; those at the right and lower border are smaller.

        Raises:
            LookupError: if there is no such tile.
            NotReady: if the copy that it is made of is not there yet.
            ImageError: if the file cannot be read any more.
        """
        key = level, row, column
        with self._lock:
            if key in self._kept:
                known: bytes = self._kept[key]
                return known
        data = encode_jpeg(self.pixels(level, row, column), quality=_QUALITY)
        with self._lock:
            self._kept[key] = data
        return data

    def pixels(self, level: int, row: int, column: int) -> Pixels:
        """Return a tile, uint8 ``[h, w, 3]``, as :meth:`jpeg` does."""
        rows, columns = self.grid(level)
        if not (0 <= row < rows and 0 <= column < columns):
            raise LookupError(f"tile {row}, {column}: expected less than {rows}, {columns}")
        scale, span = 1 << level, TILE << level
        top, left = row * span, column * span
        bottom, right = min(top + span, self.size[0]), min(left + span, self.size[1])
        seen = -(-(bottom - top) // scale), -(-(right - left) // scale)
        window = self._window(top, left, bottom, right, scale)
        if window.shape[:2] == seen:
            return np.ascontiguousarray(window)
        return cast("Pixels", cv2.resize(window, seen[::-1], interpolation=cv2.INTER_AREA))

    def _window(self, top: int, left: int, bottom: int, right: int, scale: int) -> Pixels:
        """Return a window, in pixels of the whole picture, of the level that is fine enough."""
        overview = self._overview
        if overview is not None and overview.level.scale <= scale * 1.01:
            return overview.read(*_on(overview.level, top, left, bottom, right))
        place = level_for(self._source.levels, scale)
        return self._source.read(*_on(self._source.levels[place], top, left, bottom, right), place)


def _on(level: Level, top: int, left: int, bottom: int, right: int) -> tuple[int, int, int, int]:
    """Return a window of the whole picture as top, left, height and width on a level."""
    first = [
        min(int(side / level.scale), full - 1) for side, full in zip((top, left), level.size, strict=True)
    ]
    last = [
        min(max(round(side / level.scale), start + 1), full)
        for side, start, full in zip((bottom, right), first, level.size, strict=True)
    ]
    return first[0], first[1], last[0] - first[0], last[1] - first[1]
