"""A tiled or striped TIFF, read by windows: only the parts that a window touches are ever decoded."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.stretch import Stretch
from maskrcnn_core.slides.codecs import Damaged, decode_part
from maskrcnn_core.slides.depth import ToRgb, deep_grey_of
from maskrcnn_core.slides.pages import Parts, level_pages, parts_of
from maskrcnn_core.slides.source import Damage, Level
from maskrcnn_core.slides.tables import SlideFile, check_tables, damaged_tiff

__all__ = ["TiffSlide", "size_of_tiff"]

_CACHE_BYTES = 96 * 2**20
"""Of decoded parts: a row of tiles of the widest slides, so that neighbouring windows share them."""
_SAMPLED = 5
"""Places across and down at which the values of a deep slide are looked at."""
_GREY = 128

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # it tells stderr of each odd tag otherwise


class TiffSlide:
    """A TIFF as a :class:`~maskrcnn_core.slides.source.WindowSource`.

    Args:
        path: of the file, which stays open.
        name: what people call it; the file's own name unless given.
        stretch: whether 16-bit grey that uses little of its range is stretched.

    Raises:
        ImageError: if it is no TIFF, is damaged, has tables that no real slide has, or cannot be read by
            windows; the message says what helps.
    """

    def __init__(self, path: str | Path, name: str | None = None, stretch: Stretch = "auto") -> None:
        self.path = Path(path)
        self.name = self.path.name if name is None else name
        self._file = SlideFile(path, self.name)
        check_tables(self._file)
        self._notes: list[str] = []
        self._parts = self._read_levels()
        self.levels: Sequence[Level] = tuple(parts.level for parts in self._parts)
        self._cache: LRUCache[tuple[int, int], npt.NDArray[Any]] = LRUCache(
            _CACHE_BYTES, getsizeof=lambda samples: int(samples.nbytes)
        )
        self._lock = threading.Lock()
        self._broken: dict[tuple[int, int], str] = {}
        self._absent: set[tuple[int, int]] = set()
        self._to_rgb = self._depth(stretch)

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` of the whole picture in pixels."""
        return self.levels[0].size

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file's bytes in hex; the first time all of them are read."""
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def notes(self) -> tuple[str, ...]:
        """What happens to the pixels on the way."""
        return tuple(self._notes)

    @property
    def is_dim(self) -> bool:
        """Whether its values use little of their range."""
        return self._to_rgb.is_dim

    @property
    def damage(self) -> Damage:
        """What could not be read so far."""
        with self._lock:
            if not self._broken:
                return Damage(absent=len(self._absent))
            (level, number), reason = next(iter(self._broken.items()))
            parts = self._parts[level]
            row, column = divmod(number % (parts.rows * parts.columns), parts.columns)
            scale = parts.level.scale
            place = round(column * parts.width * scale), round(row * parts.height * scale)
            return Damage(len(self._broken), len(self._absent), place, reason)

    def read(self, top: int, left: int, height: int, width: int, level: int = 0) -> Pixels:
        """See :meth:`maskrcnn_core.slides.source.WindowSource.read`."""
        size = self.levels[level]
        if top < 0 or left < 0 or height < 1 or width < 1:
            raise ValueError(f"window {(top, left, height, width)}: expected it inside the level")
        if top + height > size.height or left + width > size.width:
            raise ValueError(f"window {(top, left, height, width)}: expected it inside {size.size}")
        pixels = np.empty((height, width, 3), np.uint8)
        parts = self._parts[level]
        for row in range(top // parts.height, (top + height - 1) // parts.height + 1):
            for column in range(left // parts.width, (left + width - 1) // parts.width + 1):
                y, x = row * parts.height, column * parts.width
                samples = self._samples(level, row, column)
                first_y, first_x = max(top, y), max(left, x)
                last_y = min(top + height, y + samples.shape[0])
                last_x = min(left + width, x + samples.shape[1])
                seen = samples[first_y - y : last_y - y, first_x - x : last_x - x]
                pixels[first_y - top : last_y - top, first_x - left : last_x - left] = self._to_rgb(seen)
        return pixels

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    # -- the file's tables --------------------------------------------------------------------------

    def _read_levels(self) -> tuple[Parts, ...]:
        import tifffile  # takes a tenth of a second, which the command line's help does without

        shown = self._file.shown
        try:
            with tifffile.TiffFile(self.path, is_ome=False) as tiff:
                if not tiff.pages:
                    raise ImageError(
                        f"{shown}: expected a whole TIFF, got one without a picture in it; copy it from its "
                        "source again"
                    )
                pages = list(level_pages(tiff))
                others = len(tiff.pages) - len([page for page in pages if not page.is_subifd])
                order = str(tiff.byteorder)
                first = pages[0]
                whole = int(first.imagelength), int(first.imagewidth)
                found = [parts_of(first, whole, order, shown)]
                for page in pages[1:]:
                    try:
                        found.append(parts_of(page, whole, order, shown))
                    except ImageError as error:
                        reason = str(error).removeprefix(f"{shown}: ")
                        self._notes.append(
                            f"level of {page.imagewidth:,} x {page.imagelength:,} left out ({reason})"
                        )
        except ImageError:
            raise
        except Exception as error:  # tifffile raises what its tables run into
            raise damaged_tiff(shown, error) from error
        if (turned := int(first.tags.valueof(274, 1))) != 1:
            self._notes.append(f"shown as it is stored: its orientation ({turned}) is not applied")
        if others:
            self._notes.append(f"first of {counted(others + 1, 'page')}; the others are other pictures")
        if found[0].has_alpha:
            self._notes.append("transparency laid on white")
        if found[0].coding.bits == 16 and found[0].coding.bands * found[0].planes > 1:
            self._notes.append("16 bits per channel reduced to 8")
        return tuple(found)

    def _depth(self, stretch: Stretch) -> ToRgb:
        parts = self._parts[0]
        is_inverted = parts.coding.photometric == 0
        if parts.coding.bits == 8 or parts.planes > 1 or parts.coding.bands > 1:
            return ToRgb(is_inverted=is_inverted)
        made = deep_grey_of(self._some_parts, is_inverted=is_inverted, stretch=stretch)
        self._notes.append(made.note)
        return made

    def _some_parts(self) -> Iterator[npt.NDArray[Any]]:
        """Yield the samples of parts that lie evenly over the coarsest level."""
        level = len(self._parts) - 1
        parts = self._parts[level]
        rows = np.unique(np.linspace(0, parts.rows - 1, _SAMPLED).round().astype(int))
        columns = np.unique(np.linspace(0, parts.columns - 1, _SAMPLED).round().astype(int))
        for row in rows.tolist():
            for column in columns.tolist():
                samples = self._samples(level, row, column)
                if (level, row * parts.columns + column) not in self._broken:
                    yield samples

    # -- parts --------------------------------------------------------------------------------------

    def _samples(self, level: int, row: int, column: int) -> npt.NDArray[Any]:
        """Return the samples of a part as far as it lies in the level."""
        parts = self._parts[level]
        number = row * parts.columns + column
        key = level, number
        with self._lock:
            if key in self._cache:
                known: npt.NDArray[Any] = self._cache[key]
                return known
        count = parts.rows * parts.columns
        planes = [self._decoded(level, row, plane * count + number) for plane in range(parts.planes)]
        samples = planes[0] if len(planes) == 1 else np.stack([_upper(plane) for plane in planes], axis=2)
        y, x = row * parts.height, column * parts.width
        samples = samples[: parts.level.height - y, : parts.level.width - x]
        with self._lock:
            if samples.nbytes <= self._cache.maxsize:
                self._cache[key] = samples
        return samples

    def _decoded(self, level: int, row: int, number: int) -> npt.NDArray[Any]:
        parts = self._parts[level]
        coding, size = parts.coding, (parts.height_of(row), parts.width)
        offset, length = int(parts.offsets[number]), int(parts.lengths[number])
        try:
            if offset == 0 or length == 0:
                with self._lock:
                    self._absent.add((level, number))
                return self._blank(parts, size, 255)
            if offset < 0 or length < 0 or offset + length > self._file.size:
                raise Damaged("the file ends before it")
            return decode_part(self._read(offset, min(length, self._most_bytes(parts))), coding, *size)
        except Damaged as error:
            with self._lock:
                self._broken.setdefault((level, number), str(error))
            return self._blank(parts, size, _GREY)

    def _most_bytes(self, parts: Parts) -> int:
        """Return how much is read of a part: what is longer is refused, and need not be read for that."""
        return 2 * parts.height * parts.width * parts.coding.bands * parts.coding.bits // 8 + 2**17

    def _read(self, offset: int, length: int) -> bytes:
        try:
            return self._file.read(offset, length)
        except OSError as error:
            raise ImageError(
                f"{self._file.shown}: cannot be read any more ({error.strerror}); open it again"
            ) from error

    def _blank(self, parts: Parts, size: tuple[int, int], value: int) -> npt.NDArray[Any]:
        """Return samples that look like a grey of 0 to 255."""
        if parts.coding.bits == 16 and parts.coding.bands == 1 and parts.planes == 1:
            to_rgb = getattr(self, "_to_rgb", ToRgb(0.0, 65535.0))
            share = value / 255
            if to_rgb.is_inverted:
                share = 1 - share
            return np.full(size, round(to_rgb.black + share * (to_rgb.white - to_rgb.black)), np.uint16)
        shape = size if parts.coding.bands == 1 else (*size, parts.coding.bands)
        samples = np.full(shape, 255 - value if parts.coding.photometric == 0 else value, np.uint8)
        if parts.has_alpha and parts.coding.bands == 4:
            samples[:, :, 3] = 255
        return samples


def size_of_tiff(path: str | Path) -> tuple[int, int] | None:
    """Return ``(height, width)`` of a TIFF's first picture, by its tables; ``None`` if they are no good."""
    import tifffile

    try:
        file = SlideFile(path, "")
        check_tables(file)
        file.close()
        with tifffile.TiffFile(path, is_ome=False) as tiff:
            page: Any = tiff.pages[0]
            return int(page.imagelength), int(page.imagewidth)
    except Exception:  # whoever opens it says what is the matter
        return None


def _upper(samples: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the upper bytes of 16-bit samples, as Pillow gives them of interleaved ones."""
    return (samples >> 8).astype(np.uint8) if samples.dtype == np.uint16 else samples
