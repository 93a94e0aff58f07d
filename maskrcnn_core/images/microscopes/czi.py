"""Zeiss CZI: segments, of which one is a directory of tiles that are placed in many dimensions.

All numbers are little-endian. A segment begins with 32 bytes: its kind (16 bytes of text) and two lengths.
The file's first segment says where the directory and the XML are. The directory has an entry for each tile:
what its values are, how they are packed, where its segment lies, and 20 bytes for each dimension in which it
has a place. Copies at lower resolution lie among the tiles and are passed over.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from maskrcnn_core.images.microscopes.planes import Bounds, Channel, Planes, first_of, xml_of
from maskrcnn_core.images.tiff import Unreadable

__all__ = ["read_czi"]

_SEGMENT = struct.Struct("<16sqq")
_PLACES = struct.Struct("<iqq")  # part of several files, directory, XML
_ENTRY = struct.Struct("<2siqiiB5xi")
_DIMENSION = struct.Struct("<4siifi")
_TILE_HEAD = struct.Struct("<iiq")

_MAX_TILES = 2**18
_MAX_DIMENSIONS = 16
_MOST_OVERLAP = 4  # times what the planes hold
_KINDS = {  # number: type of a value, samples of a pixel
    0: ("u1", 1), 1: ("u2", 1), 2: ("f4", 1), 3: ("u1", 3), 4: ("u2", 3), 8: ("f4", 3), 9: ("u1", 4),
    12: ("i4", 1),
}  # fmt: skip
_PLAIN, _JPEG_XR, _ZSTD, _ZSTD_WITH_HEAD = 0, 4, 5, 6
_FIRST_ONLY = {
    "S": "scenes", "H": "phases", "I": "illuminations", "R": "rotations", "V": "views", "B": "blocks",
}  # fmt: skip


@dataclass(frozen=True)
class _Tile:
    """An entry of the directory.

    Args:
        begin: where its segment lies.
        kind: number of the type of its pixels.
        packing: number of how its values are packed.
        start, size, stored: by dimension: its first place, how many it takes, and how many lie in the file.
    """

    begin: int
    kind: int
    packing: int
    start: dict[str, int]
    size: dict[str, int]
    stored: dict[str, int]

    @property
    def is_whole(self) -> bool:
        """Whether it is no copy at lower resolution."""
        return all(self.stored[axis] == self.size[axis] for axis in "XY")


def read_czi(data: bytes, bounds: Bounds) -> Planes:
    """Return the first scene of a CZI file.

    Raises:
        Unreadable: if it holds what is not read here, or more than it may.
        Exception: whatever a damaged file runs into.
    """
    part, directory, xml = _PLACES.unpack_from(data, _SEGMENT.size + 48)
    if part:
        raise Unreadable("expected the first of the files that it was saved as, got another; open that one")
    tiles = [one for one in _tiles(data, directory) if one.is_whole]
    notes: list[str] = []
    for axis, things in _FIRST_ONLY.items():
        places = sorted({one.start.get(axis, 0) for one in tiles})
        tiles = [one for one in tiles if one.start.get(axis, 0) == places[0]]
        notes += first_of(len(places), things)
    values, missing = _filled(data, tiles, bounds)
    if missing:
        notes.append(f"{missing:,} planes are not in the file and shown black")
    return _described(values, data, xml, [*_places(tiles, "C")], tuple(notes))


# -- tiles ------------------------------------------------------------------------------------------


def _tiles(data: bytes, directory: int) -> Iterable[_Tile]:
    pos = _check_segment(data, directory, b"ZISRAWDIRECTORY")
    (count,) = struct.unpack_from("<i", data, pos)
    if not 1 <= count <= _MAX_TILES:
        raise Unreadable(f"expected 1 to {_MAX_TILES:,} tiles, got {count:,}; save it again in ZEN")
    pos += 128
    tiles = []
    for _ in range(count):
        schema, kind, begin, _, packing, _, dimensions = _ENTRY.unpack_from(data, pos)
        if schema != b"DV" or not 2 <= dimensions <= _MAX_DIMENSIONS:
            raise ValueError(f"an entry of the directory with {dimensions} dimensions")
        pos += _ENTRY.size
        start, size, stored = {}, {}, {}
        for _ in range(dimensions):
            name, first, length, _, kept = _DIMENSION.unpack_from(data, pos)
            axis = name.rstrip(b"\0").decode("ascii")
            start[axis], size[axis], stored[axis] = first, length, kept or length
            pos += _DIMENSION.size
        if kind not in _KINDS:
            raise Unreadable(f"expected pixels of 8, 16 or 32 bits, got kind {kind}; save it as OME-TIFF")
        if any(length != 1 for axis, length in size.items() if axis not in "XY"):
            raise ValueError("a tile of several planes")
        tiles.append(_Tile(begin, kind, packing, start, size, stored))
    return tiles


def _check_segment(data: bytes, begin: int, kind: bytes) -> int:
    """Return where the content of a segment begins."""
    if begin < 0:
        raise ValueError(f"a place in the file of {begin}")
    found, _, _ = _SEGMENT.unpack_from(data, begin)
    if found.rstrip(b"\0") != kind:
        raise ValueError(f"no {kind.decode('ascii')} where one should be")
    return begin + _SEGMENT.size


def _places(tiles: list[_Tile], axis: str) -> dict[int, int]:
    """Return the number, from 0, of each place that a tile takes in a dimension."""
    return {place: n for n, place in enumerate(sorted({one.start.get(axis, 0) for one in tiles}))}


def _filled(data: bytes, tiles: list[_Tile], bounds: Bounds) -> tuple[npt.NDArray[Any], int]:
    """Return the planes of tiles, and how many of the planes no tile belongs to."""
    pages, slices, channels = (_places(tiles, axis) for axis in "TZC")
    left, top = (min(one.start[axis] for one in tiles) for axis in "XY")
    right, bottom = (max(one.start[axis] + one.size[axis] for one in tiles) for axis in "XY")
    kinds = [_KINDS[one.kind] for one in tiles]
    samples = min(count for _, count in kinds)
    if samples == 1 and max(count for _, count in kinds) > 1:
        raise Unreadable("expected all pictures grey or all in colour, got both; save them as OME-TIFF")
    # numpy's own rules: 8 and 16 bits in one file are 16, and no value changes
    dtype = np.result_type(*{np.dtype(name) for name, _ in kinds}).newbyteorder("<")
    shape = [len(pages), len(slices), len(channels), bottom - top, right - left]
    shape += [3] if samples > 1 else []
    bounds.check(shape, dtype.itemsize)
    area = sum(one.size["Y"] * one.size["X"] for one in tiles)
    if area > _MOST_OVERLAP * math.prod(shape[:5]):  # each tile is unpacked
        raise Unreadable("expected tiles that overlap at their borders, got more; save it again in ZEN")
    values = np.zeros(shape, dtype)
    seen = np.zeros(shape[:3], bool)
    for one in sorted(tiles, key=lambda tile: tile.start.get("M", 0)):  # later ones lie above
        place = tuple(
            known[one.start.get(axis, 0)]
            for axis, known in zip("TZC", (pages, slices, channels), strict=True)
        )
        y, x = one.start["Y"] - top, one.start["X"] - left
        values[place][y : y + one.size["Y"], x : x + one.size["X"]] = _unpacked(data, one)
        seen[place] = True
    return values, int((~seen).sum())


def _unpacked(data: bytes, tile: _Tile) -> npt.NDArray[Any]:
    """Return a tile's values, ``[H, W]``, or RGB ``[H, W, 3]``."""
    name, samples = _KINDS[tile.kind]
    dtype = np.dtype(f"<{name}")
    values: npt.NDArray[Any]
    shape = (tile.size["Y"], tile.size["X"], samples)
    length = shape[0] * shape[1] * samples * dtype.itemsize
    pos = _check_segment(data, tile.begin, b"ZISRAWSUBBLOCK")
    words, _, stored = _TILE_HEAD.unpack_from(data, pos)
    entry = pos + _TILE_HEAD.size
    dimensions = _ENTRY.unpack_from(data, entry)[-1]
    begin = entry + max(240, _ENTRY.size + _DIMENSION.size * dimensions) + words
    if words < 0 or dimensions < 0 or stored < 0 or begin + stored > len(data):
        raise ValueError("a tile that ends behind the file's end")
    packed = data[begin : begin + stored]
    if tile.packing == _JPEG_XR:
        values = _codecs("JPEG XR").jpegxr_decode(
            packed, out=np.empty(shape if samples > 1 else shape[:2], dtype)
        )
        values = np.asarray(values).reshape(shape)
    else:
        plain = (
            packed if tile.packing == _PLAIN else _decompressed(packed, tile.packing, length, dtype.itemsize)
        )
        values = np.frombuffer(plain, dtype, shape[0] * shape[1] * samples).reshape(shape)
        if samples > 1:
            values = values[:, :, [2, 1, 0]]  # blue lies first; a fourth would be transparency
    plane: npt.NDArray[Any] = values[:, :, 0] if samples == 1 else values[:, :, :3]
    return plane


def _decompressed(packed: bytes, packing: int, length: int, itemsize: int) -> bytes:
    if packing not in (_ZSTD, _ZSTD_WITH_HEAD):
        raise Unreadable(
            f"expected values plain, or packed by zstd or JPEG XR, got packing {packing}; {_SAVE}"
        )
    is_split = False
    if packing == _ZSTD_WITH_HEAD:
        head = packed[0]
        is_split = head == 3 and packed[1] == 1 and bool(packed[2] & 1)
        packed = packed[head:]
    plain = bytes(_codecs("zstd").zstd_decode(packed, out=length))
    if len(plain) != length:
        raise ValueError(f"a tile of {len(plain):,} bytes instead of {length:,}")
    if is_split:  # all low bytes lie first, then all high ones
        plain = np.frombuffer(plain, np.uint8).reshape(itemsize, -1).T.tobytes()
    return plain


_SAVE = "save it again in ZEN without compression, or as OME-TIFF"


def _codecs(packing: str) -> Any:
    try:
        import imagecodecs
    except ImportError as error:
        raise Unreadable(
            f"expected values that are not packed, got a Zeiss CZI file packed by {packing}, which needs the "
            f"package imagecodecs; install it with pip install 'maskdesk[microscopes]', or {_SAVE}"
        ) from error
    return imagecodecs


# -- what is said of them ---------------------------------------------------------------------------


def _described(
    values: npt.NDArray[Any], data: bytes, xml: int, channels: list[int], notes: tuple[str, ...]
) -> Planes:
    if xml <= 0:
        return Planes(values, notes=notes)
    pos = _check_segment(data, xml, b"ZISRAWMETADATA")
    (length,) = struct.unpack_from("<i", data, pos)
    text = data[pos + 256 : pos + 256 + length]
    if length < 0 or len(text) != length:
        raise ValueError("XML that ends behind the file's end")
    root = xml_of(text.rstrip(b"\0").decode("utf-8-sig"))
    x, y, z = (_length(root, axis) for axis in "XYZ")
    pixel = None if x is None or y is None else (x, y)
    return Planes(values, [_channel(root, n) for n in channels], pixel, z, "m", notes)


def _length(root: ElementTree.Element, axis: str) -> float | None:
    """Return the metres that a pixel measures in a direction."""
    text = root.findtext(f"./Metadata/Scaling/Items/Distance[@Id='{axis}']/Value")
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _channel(root: ElementTree.Element, number: int) -> Channel:
    """Return what is said of a channel: where it was taken, and if nothing is, where it is shown."""
    name, color = "", None
    for place in ("Information/Image/Dimensions/Channels", "DisplaySetting/Channels"):
        found = root.findall(f"./Metadata/{place}/Channel")
        by_id = [one for one in found if one.get("Id") == f"Channel:{number}"]
        one = by_id[0] if by_id else found[number] if 0 <= number < len(found) else None
        if one is not None:
            name = name or one.get("Name", "")
            color = _color(one.findtext("Color")) if color is None else color
    return Channel(name, color)


def _color(text: str | None) -> int | None:
    """Return the colour of ``#AARRGGBB`` or ``#RRGGBB``."""
    try:
        return int((text or "").strip().removeprefix("#")[-6:], 16)
    except ValueError:
        return None
