"""Slides of scanners whose files are no plain TIFFs, by OpenSlide where it is installed.

``pip install "maskdesk[slides]"`` brings it (https://openslide.org): Hamamatsu NDPI, 3DHISTECH MRXS, Leica
SCN, Ventana BIF, Zeiss CZI and others.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.bands import on_white
from maskrcnn_core.slides.codecs import MAX_PART_PIXELS
from maskrcnn_core.slides.source import Damage, Level
from maskrcnn_core.slides.tables import MAX_SIDE

__all__ = ["OPENSLIDE_SUFFIXES", "OpenSlideSource", "openslide_reads", "size_by_openslide"]

OPENSLIDE_SUFFIXES = frozenset({".bif", ".czi", ".mrxs", ".ndpi", ".scn", ".svslide", ".vms", ".vmu"})
"""Of files that OpenSlide alone reads."""


def openslide_reads(path: Path) -> bool:
    """Return whether OpenSlide is installed and knows this file."""
    try:
        import openslide
    except (ImportError, OSError):  # OSError: the package is there and its library is not
        return False
    try:
        return openslide.OpenSlide.detect_format(str(path)) is not None
    except Exception:  # it says what is wrong with a file when that is opened
        return False


def size_by_openslide(path: Path) -> tuple[int, int] | None:
    """Return ``(height, width)`` of a slide; ``None`` where OpenSlide is not installed or cannot read it."""
    try:
        import openslide

        with openslide.OpenSlide(str(path)) as slide:
            width, height = slide.dimensions
    except Exception:  # whoever opens it says what is the matter
        return None
    return int(height), int(width)


class OpenSlideSource:
    """A slide as a :class:`~maskrcnn_core.slides.source.WindowSource`.

    Args:
        path: of the file.
        name: what people call it; the file's own name unless given.

    Raises:
        ImageError: if OpenSlide refuses it.
    """

    def __init__(self, path: str | Path, name: str | None = None) -> None:
        import openslide

        self.path = Path(path)
        self.name = self.path.name if name is None else name
        self._shown = one_line(self.name)
        self._lock = threading.Lock()
        self._broken = 0
        self._first: tuple[tuple[int, int], str] = ((0, 0), "")
        try:
            self._slide: Any = openslide.OpenSlide(str(path))
            sizes = [(int(height), int(width)) for width, height in self._slide.level_dimensions]
        except Exception as error:  # OpenSlide's own, and what its library runs into
            raise ImageError(
                f"{self._shown}: OpenSlide cannot read it ({one_line(str(error))[:200]}); copy it from its "
                "source again, with all files that belong to it"
            ) from error
        if not all(1 <= side <= MAX_SIDE for size in sizes for side in size):
            raise ImageError(
                f"{self._shown}: expected a picture of 1 to {MAX_SIDE:,} pixels a side, got "
                f"{sizes[0][1]:,} x {sizes[0][0]:,}"
            )
        whole = sizes[0]
        self.levels: Sequence[Level] = tuple(
            Level(*size, max(1.0, (whole[0] / size[0] * whole[1] / size[1]) ** 0.5)) for size in sizes
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file's bytes in hex; of several files, of the one that names the others."""
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` of the whole picture in pixels."""
        return self.levels[0].size

    @property
    def notes(self) -> tuple[str, ...]:
        """What happens to the pixels on the way."""
        return ("read by OpenSlide",)

    @property
    def damage(self) -> Damage:
        """What could not be read so far."""
        return Damage(self._broken, 0, *self._first)

    def read(self, top: int, left: int, height: int, width: int, level: int = 0) -> Pixels:
        """See :meth:`maskrcnn_core.slides.source.WindowSource.read`."""
        size = self.levels[level]
        if not (0 <= top < top + height <= size.height and 0 <= left < left + width <= size.width):
            raise ValueError(f"window {(top, left, height, width)}: expected it inside {size.size}")
        if height * width > MAX_PART_PIXELS:
            raise ValueError(f"window {(height, width)}: expected at most {MAX_PART_PIXELS:,} pixels")
        corner = round(left * size.scale), round(top * size.scale)
        try:
            rgba = np.asarray(self._slide.read_region(corner, level, (width, height)))
        except Exception as error:  # it closes a slide in which it met damage
            with self._lock:
                self._broken += 1
                if self._broken == 1:
                    self._first = corner, one_line(str(error))[:100]
                import openslide

                self._slide = openslide.OpenSlide(str(self.path))
            return np.full((height, width, 3), 128, np.uint8)
        return np.ascontiguousarray(on_white(rgba[:, :, :3], rgba[:, :, 3:]))

    def close(self) -> None:
        """Let go of the file."""
        self._slide.close()
