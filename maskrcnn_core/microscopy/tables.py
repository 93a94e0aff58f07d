"""Where the planes of a stack lie in a TIFF: directories, and values that lie there as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.guards import MAX_MEGAPIXELS_SETTING, pixel_limit
from maskrcnn_core.microscopy.claims import MAX_PLANES

__all__ = ["MAX_CHANNELS", "SAVE_AGAIN", "Layout", "layout_of"]

MAX_CHANNELS = 64
SAVE_AGAIN = "save it again as an uncompressed TIFF, for instance in Fiji"

_MAX_PARTS = 100_000  # strips or tiles of a plane: as of any image


@dataclass(frozen=True)
class Layout:
    """Where planes lie in a file.

    Args:
        pages: int ``[pages, slices, channels]``, the place of each plane's directory; -1 where it is missing.
        samples: of a pixel within a directory, each of which is a channel; else 1.
        is_planar: whether samples lie one after the other.
        offsets: by directory, where its values begin if they lie there one after the other; else -1.
        dtype: of the values in the file, with its byte order.
        stored: ``(height, width)`` as stored.
        orientation: 1..8.
        is_inverted: the file's zero is white.
    """

    pages: npt.NDArray[np.int64]
    samples: int
    is_planar: bool
    offsets: npt.NDArray[np.int64]
    dtype: np.dtype[Any]
    stored: tuple[int, int]
    orientation: int
    is_inverted: bool


def layout_of(series: Any, order: str, shown: str) -> Layout:
    """Return where the planes of one picture of a TIFF lie.

    Args:
        series: a :class:`tifffile.TiffPageSeries`.
        order: ``<`` or ``>``, the file's byte order.
        shown: the file's name for messages.

    Raises:
        ImageError: if planes are larger than images may be, or hold what are no numbers of channels.
    """
    first = series.keyframe
    height, width = int(first.imagelength), int(first.imagewidth)
    limit = pixel_limit()
    if height < 1 or width < 1 or height * width > limit:
        raise ImageError(
            f"{shown}: expected planes of at most {limit / 1e6:g} megapixels, got {width:,} x "
            f"{height:,} pixels; cut it in Fiji, or raise the setting {MAX_MEGAPIXELS_SETTING}"
        )
    if first.dtype is None or first.dtype.kind not in "iuf" or int(first.bitspersample) % 8:
        raise ImageError(
            f"{shown}: expected values of 8, 16, 32 or 64 bits, got {first.bitspersample}; {SAVE_AGAIN}"
        )
    axes, shape = str(series.axes), tuple(int(n) for n in series.shape)
    in_page = "".join(axis for axis in axes if axis in "YXS")
    leading = [(axis, n) for axis, n in zip(axes, shape, strict=True) if axis not in "YXS"]
    samples = int(first.samplesperpixel)
    wanted = "YX" if samples == 1 else in_page
    if in_page not in ("YX", "YXS", "SYX") or in_page != wanted or not axes.endswith(in_page):
        raise ImageError(f"{shown}: expected planes of height and width, got axes {axes}; {SAVE_AGAIN}")
    count = int(np.prod([n for _, n in leading], dtype=np.int64))
    if not 1 <= count <= MAX_PLANES:
        raise ImageError(f"{shown}: expected 1 to {MAX_PLANES:,} planes, got {count:,}; {SAVE_AGAIN}")
    places, offsets = _places(series, count, height * width * samples * first.dtype.itemsize)
    pages = _arranged(places, leading)
    channels = pages.shape[2] * samples
    if not pages.size or not 1 <= channels <= MAX_CHANNELS:
        raise ImageError(f"{shown}: expected 1 to {MAX_CHANNELS} channels, got {channels:,}; {SAVE_AGAIN}")
    return Layout(
        pages,
        samples,
        int(first.planarconfig or 1) == 2 and samples > 1,
        offsets,
        np.dtype(f"{order}{first.dtype.char}"),
        (height, width),
        _orientation(first),
        int(first.photometric) == 0,
    )


def _places(series: Any, count: int, plane_bytes: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the place of each of ``count`` planes, -1 where missing, and where each place's values begin."""
    found = list(series.pages)
    if len(found) == 1 and count > 1:  # Fiji leaves out directories of values that lie one after the other
        begin = series.dataoffset
        if begin is None:
            raise ImageError("it says that it has more planes than there are")
        return np.arange(count), int(begin) + plane_bytes * np.arange(count, dtype=np.int64)
    if len(found) != count:
        raise ImageError("its planes and what it says of them differ in number")
    places = np.array([-1 if page is None else int(page.index) for page in found], np.int64)
    offsets = np.full(max(int(places.max()) + 1, 1), -1, np.int64)
    for place, page in zip(places.tolist(), found, strict=True):
        if place >= 0:
            offsets[place] = _begin(page, plane_bytes)
    return places, offsets


def _begin(page: Any, plane_bytes: int) -> int:
    """Return where the values of a page begin if they lie there as they are, one after the other; else -1."""
    parts, lengths = page.dataoffsets, page.databytecounts
    if len(parts) > _MAX_PARTS:
        raise ImageError(f"expected at most {_MAX_PARTS:,} strips or tiles of a plane, got {len(parts):,}")
    keyframe = page.keyframe
    is_plain = int(keyframe.compression) == 1 and not keyframe.is_tiled and int(keyframe.fillorder) == 1
    if not is_plain or not parts or len(lengths) != len(parts) or sum(lengths) != plane_bytes:
        return -1
    ends = np.cumsum((parts[0], *lengths[:-1]))
    return int(parts[0]) if parts[0] > 0 and ends.tolist() == list(parts) else -1


def _arranged(places: npt.NDArray[np.int64], leading: list[tuple[str, int]]) -> npt.NDArray[np.int64]:
    """Return places as ``[pages, slices, channels]``."""
    names = [axis for axis, _ in leading]
    grid = places.reshape([n for _, n in leading])
    order = [*(n for n, axis in enumerate(names) if axis not in "ZC"), *_at(names, "Z"), *_at(names, "C")]
    grid = grid.transpose(order)
    slices = dict(leading).get("Z", 1)
    channels = dict(leading).get("C", 1)
    return grid.reshape(-1, slices, channels)


def _at(names: list[str], axis: str) -> list[int]:
    return [names.index(axis)] if axis in names else []


def _orientation(page: Any) -> int:
    value = page.tags.valueof(274, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
