"""A small copy of a picture that has no levels of its own, made strip by strip while it is looked at."""

from __future__ import annotations

import tempfile
import threading
from typing import cast

import cv2
import numpy as np

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.errors import ImageError
from maskrcnn_core.slides.source import Level, WindowSource

__all__ = ["NotReady", "Overview"]

_LARGEST_SIDE = 8192
"""Pixels of the copy."""
_ROWS, _COLUMNS = 32, 2048
"""Of the copy, made in one go: a window of 2048 / 16 of them is read at a time."""


class NotReady(Exception):
    """A part of the copy is not made yet; it will be."""


class Overview:
    """The copy. Its pixels lie in a file without a name, so that they take no memory for long.

    Args:
        source: the picture.

    Attributes:
        level: size and scale of the copy.
        failed: why it could not be made; empty as long as it could.
    """

    def __init__(self, source: WindowSource) -> None:
        self._source = source
        height, width = source.levels[-1].size
        self._from = len(source.levels) - 1
        factor = 2
        while max(height, width) / factor > _LARGEST_SIDE:
            factor *= 2
        self._factor = factor
        size = -(-height // factor), -(-width // factor)
        self.level = Level(*size, source.levels[-1].scale * factor)
        self.failed = ""
        with tempfile.TemporaryFile() as file:  # what is mapped outlives it
            file.truncate(size[0] * size[1] * 3)
            self._pixels = np.memmap(file, np.uint8, "r+", shape=(*size, 3))
        self._rows = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._make, name="overview", daemon=True)

    def start(self) -> None:
        """Begin to make it, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop making it."""
        self._stop.set()

    @property
    def share(self) -> float:
        """How much of it is made, 0 to 1."""
        return self._rows / self.level.height

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        """Return a window of the copy.

        Raises:
            NotReady: if it is not made yet.
            ImageError: if it cannot be made.
        """
        if self.failed:
            raise ImageError(self.failed)
        if top + height > self._rows:
            raise NotReady
        return np.array(self._pixels[top : top + height, left : left + width])

    def _make(self) -> None:
        try:
            for top in range(0, self.level.height, _ROWS):
                bottom = min(top + _ROWS, self.level.height)
                for left in range(0, self.level.width, _COLUMNS // self._factor):
                    if self._stop.is_set():
                        return
                    right = min(left + _COLUMNS // self._factor, self.level.width)
                    self._pixels[top:bottom, left:right] = self._reduced(top, left, bottom, right)
                self._rows = bottom
        except ImageError as error:
            self.failed = str(error)

    def _reduced(self, top: int, left: int, bottom: int, right: int) -> Pixels:
        full_height, full_width = self._source.levels[self._from].size
        y, x = top * self._factor, left * self._factor
        height = min(bottom * self._factor, full_height) - y
        width = min(right * self._factor, full_width) - x
        pixels = self._source.read(y, x, height, width, self._from)
        return cast("Pixels", cv2.resize(pixels, (right - left, bottom - top), interpolation=cv2.INTER_AREA))
