"""Which pages of a TIFF are the levels of one picture, and where their parts lie.

Three customs are known. OME-TIFF and Bio-Formats put the smaller levels within the first page (SubIFDs, tag
330); Aperio's SVS and what libvips writes have them as further pages of falling size, between which label,
thumbnail and overview stand; GDAL marks the same pages as reduced (tag 254). So a level is a page of the same
kind of samples and the same shape as the first one, smaller than the level before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskrcnn_core.errors import ImageError
from maskrcnn_core.slides.codecs import COMPRESSIONS, MAX_PART_PIXELS, NONE, Coding
from maskrcnn_core.slides.source import Level
from maskrcnn_core.slides.tables import MAX_PARTS, MAX_SIDE

__all__ = ["Parts", "level_pages", "parts_of"]

_SAME_SHAPE = 0.02
"""Levels are rounded to whole tiles by some scanners: so far their shapes may differ."""
_ROWS_AT_ONCE = 64
"""Of uncompressed strips, which are read in pieces."""
_LEAST_SIDE = 64
"""Pixels: what is smaller is an icon, and no level that anybody needs."""
_HELP = (
    "write it as a tiled TIFF, for instance with 'vips tiffsave in.tif out.tif --tile --pyramid --bigtiff'"
)
_GREYS, _COLOURS = (0, 1), (2, 6)


@dataclass(frozen=True)
class Parts:
    """The parts, tiles or strips, of which a level consists.

    Args:
        level: size and scale.
        coding: how each is coded.
        height, width: of a part in pixels; the last ones of strips are lower.
        rows, columns: how many parts lie below and beside each other.
        planes: 3 where the colours lie in parts of their own, else 1.
        offsets, lengths: int64 ``[planes * rows * columns]``, where each lies in the file, and its bytes.
        is_tiled: whether parts at the right and lower border reach beyond the level.
        white: the largest value of a sample.
        has_alpha: whether the last band is opacity.
    """

    level: Level
    coding: Coding
    height: int
    width: int
    rows: int
    columns: int
    planes: int
    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    is_tiled: bool
    white: int
    has_alpha: bool

    def height_of(self, row: int) -> int:
        """Return the height of the parts of a row."""
        return self.height if self.is_tiled else min(self.height, self.level.height - row * self.height)


def level_pages(tiff: Any) -> Iterator[Any]:
    """Yield the pages of a :class:`tifffile.TiffFile` that are levels of its first picture, largest first."""
    first = tiff.pages[0]
    yield first
    within = list(first.pages) if first.subifds else []
    last = first
    for page in within or list(tiff.pages)[1:]:
        if _is_smaller(page, first, last):
            last = page
            yield page


def _is_smaller(page: Any, first: Any, last: Any) -> bool:
    if page.imagewidth >= last.imagewidth or min(page.imagewidth, page.imagelength) < _LEAST_SIDE:
        return False
    across, down = first.imagewidth / page.imagewidth, first.imagelength / max(page.imagelength, 1)
    if abs(across / down - 1) > _SAME_SHAPE + 1 / min(page.imagewidth, page.imagelength):
        return False
    # An overview of a scanner looks like a level, in strips beside tiles.
    return bool(
        page.is_tiled == first.is_tiled
        and page.samplesperpixel == first.samplesperpixel
        and page.bitspersample == first.bitspersample
        and page.sampleformat == first.sampleformat
    )


def parts_of(page: Any, whole: tuple[int, int], order: str, shown: str) -> Parts:
    """Return the parts of a page.

    Args:
        page: a :class:`tifffile.TiffPage`.
        whole: ``(height, width)`` of the whole picture.
        order: ``<`` or ``>``, the file's byte order.
        shown: the file's name for messages.

    Raises:
        ImageError: if the page cannot be read by windows, saying why and what helps.
    """
    height, width = int(page.imagelength), int(page.imagewidth)
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ImageError(
            f"{shown}: expected a picture of 1 to {MAX_SIDE:,} pixels a side, got {width:,} x {height:,}; "
            "write the file again"
        )
    coding, planes, has_alpha = _coding_of(page, order, shown)
    if page.is_tiled:
        part = int(page.tilelength), int(page.tilewidth)
    else:
        part = min(int(page.rowsperstrip), height), width
    if part[0] < 1 or part[1] < 1:
        raise ImageError(f"{shown}: expected tiles of 1 pixel or more, got {part[1]} x {part[0]}; {_HELP}")
    offsets = np.asarray(page.dataoffsets, np.int64)
    lengths = np.asarray(page.databytecounts, np.int64)
    if not page.is_tiled and coding.compression == NONE and part[0] > _ROWS_AT_ONCE:
        part, offsets, lengths = _in_pieces(coding, (height, width), part[0], planes, offsets)
    if part[0] * part[1] > MAX_PART_PIXELS:
        what = "tiles" if page.is_tiled else "strips"
        raise ImageError(
            f"{shown}: expected {what} of at most {MAX_PART_PIXELS / 1e6:.1f} megapixels, got {what} of "
            f"{part[1]:,} x {part[0]:,} pixels, each of which would have to be held whole; {_HELP}"
        )
    rows, columns = -(-height // part[0]), -(-width // part[1])
    count = planes * rows * columns
    if count > MAX_PARTS or len(offsets) < count or len(lengths) < count:
        raise ImageError(
            f"{shown}: expected {count:,} tiles or strips, at most {MAX_PARTS:,}, got {len(offsets):,} in "
            "its tables; copy it from its source again"
        )
    scale = max(1.0, math.sqrt((whole[0] / height) * (whole[1] / width)))
    return Parts(
        Level(height, width, scale),
        coding,
        *part,
        rows,
        columns,
        planes,
        offsets[:count],
        lengths[:count],
        bool(page.is_tiled),
        2 ** int(page.bitspersample) - 1,
        has_alpha,
    )


def _in_pieces(
    coding: Coding, size: tuple[int, int], rows: int, planes: int, offsets: npt.NDArray[np.int64]
) -> tuple[tuple[int, int], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return uncompressed strips of many rows as strips of few: each row's place in the file is known."""
    height, width = size
    step = math.gcd(_ROWS_AT_ONCE, rows) if rows < height else _ROWS_AT_ONCE
    bytes_of_row = width * coding.bands * coding.bits // 8
    tops = np.arange(0, height, step, dtype=np.int64)
    strips = -(-height // rows)
    found = [
        offsets[plane * strips + tops // rows] + tops % rows * bytes_of_row
        for plane in range(planes)
        if len(offsets) >= planes * strips
    ]
    lengths = np.minimum(step, height - tops) * bytes_of_row
    return (step, width), np.concatenate(found or [tops[:0]]), np.tile(lengths, planes)


def _coding_of(page: Any, order: str, shown: str) -> tuple[Coding, int, bool]:
    """Return how a page's parts are coded, in how many planes, and whether its last band is opacity."""
    bands, bits = int(page.samplesperpixel), int(page.bitspersample)
    photometric, compression = int(page.photometric), int(page.compression)
    if compression not in COMPRESSIONS:
        raise ImageError(
            f"{shown}: expected tiles compressed by {', '.join(dict.fromkeys(COMPRESSIONS.values()))}, got "
            f"compression {compression}; {_HELP}"
        )
    has_alpha = len(page.extrasamples) == 1 and int(page.extrasamples[0]) in (1, 2)
    colours = bands - has_alpha
    is_planar = bands > 1 and int(page.planarconfig) == 2
    is_grey, is_colour = photometric in _GREYS and colours == 1, photometric in _COLOURS and colours == 3
    if (
        not (is_grey or is_colour)
        or bits not in (8, 16)
        or int(page.sampleformat) not in (1, 4)
        or (has_alpha and is_grey)
    ):
        raise ImageError(
            f"{shown}: expected one band of grey, or three of colour, of 8 or 16 bits without sign, got "
            f"{bands} of {bits} bits (photometric interpretation {photometric}, sample format "
            f"{int(page.sampleformat)}); save the channel or colours you want to see as such a TIFF"
        )
    subsampling = tuple(int(n) for n in page.subsampling or (1, 1))
    tables = page.jpegtables
    planes = bands if is_planar else 1
    return (
        Coding(
            "II" if order == "<" else "MM",
            compression,
            1 if is_planar else photometric,
            1 if is_planar else bands,
            bits,
            int(page.predictor),
            tables if isinstance(tables, bytes) else b"",
            (subsampling[0], subsampling[1]) if len(subsampling) == 2 else (1, 1),
            int(page.fillorder),
        ),
        planes,
        has_alpha,
    )
