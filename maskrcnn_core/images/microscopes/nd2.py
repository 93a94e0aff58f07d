"""Nikon ND2 of version 3: chunks by name, with a map of them at the end of the file.

All numbers are little-endian. A chunk begins with a mark, the length of its name and that of its content.
What describes the picture lies in chunks of typed values within values (:func:`_values`); a frame holds all
channels of a page, slice and position, those of a pixel side by side, behind the time that it was taken at.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskrcnn_core.images.microscopes.planes import Bounds, Channel, Planes, first_of
from maskrcnn_core.images.tiff import Unreadable

__all__ = ["read_nd2"]

_CHUNK = struct.Struct("<IIQ")
_MARK = 0x0ABECEDA
_END = struct.Struct("<32sQ")
_END_NAME, _MAP_NAME = b"ND2 CHUNK MAP SIGNATURE 0000001!", b"ND2 FILEMAP SIGNATURE NAME 0001!"
_PLACE = struct.Struct("<QQ")
_TIME_BYTES = 8
_MAX_CHUNKS = 2**21

_NUMBERS = {
    1: struct.Struct("<?"), 2: struct.Struct("<i"), 3: struct.Struct("<I"), 4: struct.Struct("<q"),
    5: struct.Struct("<Q"), 6: struct.Struct("<d"), 7: struct.Struct("<Q"),
}  # fmt: skip
_TEXT, _BYTES, _LEVEL, _PACKED = 8, 9, 11, 76
_LEVEL_HEAD = struct.Struct("<IQ")
_MAX_VALUES, _MAX_DEPTH, _MAX_UNPACKED = 500_000, 32, 64 * 2**20

_TIME, _POSITIONS, _SLICES, _SPECTRUM, _TIMES = 1, 2, 4, 6, 8
_LOSSLESS, _LOSSY = 0, 1
_SAVE = "save it again in NIS-Elements, or as OME-TIFF"


@dataclass(frozen=True)
class _Loop:
    """How often something was taken.

    Args:
        kind: number of what changes.
        count: how many there are.
        step: micrometres between slices, or ``None``.
    """

    kind: int
    count: int
    step: float | None = None


def read_nd2(data: bytes, bounds: Bounds) -> Planes:
    """Return the first position of an ND2 file.

    Raises:
        Unreadable: if it holds what is not read here, or more than it may.
        Exception: whatever a damaged file runs into.
    """
    version = _chunk(data, 0)[3:6]
    if version[:1] != b"3":
        shown = version.decode("ascii", "replace")
        raise Unreadable(f"expected an ND2 file of version 3, got {shown!r}; {_SAVE}")
    chunks = _map(data)
    said = _inner(_values(_chunk(data, chunks[b"ImageAttributesLV!"])), "SLxImageAttributes")
    metadata = _inner(_values(_chunk(data, chunks[b"ImageMetadataSeqLV|0!"])), "SLxPictureMetadata")
    loops = [_Loop(_TIME, 1)]
    if b"ImageMetadataLV!" in chunks:
        experiment = _inner(_values(_chunk(data, chunks[b"ImageMetadataLV!"])), "SLxExperiment")
        loops = list(_loops(experiment))
    channels = list(_channels(metadata))
    values, notes = _read(data, chunks, said, loops, len(channels) or 1, bounds)
    side = metadata.get("dCalibration") if metadata.get("bCalibrated") else None
    pixel = (side, side) if isinstance(side, float) else None
    step = next((one.step for one in loops if one.kind == _SLICES), None)
    return Planes(values, channels, pixel, step, "µm", notes)


# -- chunks -----------------------------------------------------------------------------------------


def _chunk(data: bytes, begin: int) -> bytes:
    """Return the content of a chunk."""
    mark, name, length = _CHUNK.unpack_from(data, begin)
    begin += _CHUNK.size + name
    if mark != _MARK or begin + length > len(data):
        raise ValueError("no whole chunk where one should be")
    return data[begin : begin + length]


def _map(data: bytes) -> dict[bytes, int]:
    """Return where each chunk begins, by its name."""
    name, place = _END.unpack_from(data, len(data) - _END.size)
    if name != _END_NAME or not data[place + _CHUNK.size :].startswith(_MAP_NAME):
        raise ValueError("no map of its parts at its end")
    content, pos = _chunk(data, place), 0
    chunks: dict[bytes, int] = {}
    for _ in range(_MAX_CHUNKS):
        end = content.index(b"!", pos) + 1
        if (name := content[pos:end]) == _END_NAME:
            return chunks
        chunks[name], _ = _PLACE.unpack_from(content, end)
        pos = end + _PLACE.size
    raise Unreadable(f"expected at most {_MAX_CHUNKS:,} parts, got more; {_SAVE}")


# -- typed values within values ---------------------------------------------------------------------


@dataclass
class _Budget:
    """What reading values may still cost."""

    values: int = _MAX_VALUES
    unpacked: int = _MAX_UNPACKED

    def take(self) -> None:
        self.values -= 1
        if self.values < 0:
            raise Unreadable(f"expected at most {_MAX_VALUES:,} values that describe it, got more; {_SAVE}")

    def unpack(self, packed: bytes) -> bytes:
        reader = zlib.decompressobj()
        plain = reader.decompress(packed, self.unpacked)
        if reader.unconsumed_tail or not reader.eof:
            raise ValueError("packed values that are cut short or too many")
        self.unpacked -= len(plain)
        return plain


def _values(data: bytes) -> dict[str, Any]:
    """Return the values of a chunk by name; those without one are numbered."""
    if len(data) > _MAX_UNPACKED:
        raise Unreadable(
            f"expected at most {_MAX_UNPACKED / 2**20:g} MiB that describe it, got more; {_SAVE}"
        )
    return _level(data, None, _Budget(), 0)


def _level(data: bytes, count: int | None, budget: _Budget, depth: int) -> dict[str, Any]:
    if depth > _MAX_DEPTH:
        raise ValueError("values too deep within values")
    found: dict[str, Any] = {}
    pos = 0
    for _ in range(1 if count is None else count):
        budget.take()
        begin, kind = pos, data[pos]
        if kind == _PACKED:
            return _level(budget.unpack(data[pos + 12 :]), None, budget, depth + 1)
        pos += 2 + 2 * data[pos + 1]
        name = data[begin + 2 : pos].decode("utf-16-le").rstrip("\0") or f"#{len(found)}"
        if kind in _NUMBERS:
            (found[name],) = _NUMBERS[kind].unpack_from(data, pos)
            pos += _NUMBERS[kind].size
        elif kind == _TEXT:
            end = _end_of_text(data, pos)
            found[name] = data[pos:end].decode("utf-16-le")
            pos = end + 2
        elif kind == _BYTES:
            (length,) = _NUMBERS[5].unpack_from(data, pos)
            found[name] = data[pos + 8 : pos + 8 + length]
            pos += 8 + length
        elif kind == _LEVEL:
            items, length = _LEVEL_HEAD.unpack_from(data, pos)
            end = begin + length
            if not pos + _LEVEL_HEAD.size <= end <= len(data):
                raise ValueError("values that end behind those around them")
            found[name] = _level(data[pos + _LEVEL_HEAD.size : end], items, budget, depth + 1)
            pos = end + 8 * items
        else:
            raise ValueError(f"a value of kind {kind}")
    return found


def _end_of_text(data: bytes, begin: int) -> int:
    """Return where two zeros that are one sign end a text."""
    end = data.index(b"\0\0", begin)
    while (end - begin) % 2:  # the first belongs to one sign, the second to the next
        end = data.index(b"\0\0", end + 1)
    return end


def _inner(values: dict[str, Any], name: str) -> dict[str, Any]:
    return _as_level(values.get(name, values))


def _as_level(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


# -- what they say ----------------------------------------------------------------------------------


def _loops(experiment: Mapping[str, Any]) -> Iterator[_Loop]:
    """Yield what was repeated, the outermost first."""
    held, level = experiment, 0
    while held and level < _MAX_DEPTH:
        if (loop := _loop(held)) is not None:
            yield loop
        following = [_as_level(one) for one in _as_level(held.get("ppNextLevelEx")).values()]
        inner = [_as_level(one.get("SLxExperiment", one)) for one in following]
        # Of several at one level the longest counts: they are parts of one another.
        held = max(inner, key=lambda one: getattr(_loop(one), "count", 0), default={})
        level += 1


def _loop(experiment: Mapping[str, Any]) -> _Loop | None:
    """Return what one level repeats; ``None`` for channels, which lie within frames, and for nothing."""
    kind = experiment.get("eType", 0)
    said = _as_level(experiment.get("uLoopPars"))
    count = said.get("uiCount", 0)
    if kind == _POSITIONS:
        valid = experiment.get("pItemValid", b"")
        points = len(_as_level(said.get("Points"))) or count
        count = sum(1 for one in valid[:points] if one) if isinstance(valid, bytes) and valid else points
    elif kind == _TIMES:
        valid = said.get("pPeriodValid", b"")
        periods = [_as_level(one) for one in _as_level(said.get("pPeriod")).values()]
        uses = valid if isinstance(valid, bytes) else bytes(len(periods))
        count = sum(one.get("uiCount", 0) for one, is_used in zip(periods, uses, strict=False) if is_used)
    if kind == _SPECTRUM or not isinstance(count, int) or count < 1:
        return None
    return _Loop(kind, count, _step(said, count) if kind == _SLICES else None)


def _step(said: Mapping[str, Any], count: int) -> float | None:
    step = said.get("dZStep", 0.0)
    if not step and count > 1:
        step = abs(said.get("dZHigh", 0.0) - said.get("dZLow", 0.0)) / (count - 1)
    return float(step) or None


def _channels(metadata: Mapping[str, Any]) -> Iterator[Channel]:
    planes = _as_level(metadata.get("sPicturePlanes"))
    for one in _as_level(planes.get("sPlaneNew") or planes.get("sPlane")).values():
        color = _as_level(one).get("uiColor")
        if isinstance(color, int):  # blue, green and red from its high end
            color = int.from_bytes((color & 0xFFFFFF).to_bytes(3, "little"), "big")
        yield Channel(str(_as_level(one).get("sDescription", "")), color)


# -- frames -----------------------------------------------------------------------------------------


def _read(
    data: bytes,
    chunks: Mapping[bytes, int],
    said: Mapping[str, Any],
    loops: list[_Loop],
    channels: int,
    bounds: Bounds,
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Return the values of the first position, and what is to be known of them."""
    height, width, components = (int(said[name]) for name in ("uiHeight", "uiWidth", "uiComp"))
    bits = int(said["uiBpcInMemory"])
    if bits not in (8, 16, 32):
        raise Unreadable(f"expected values of 8, 16 or 32 bits, got {bits}; {_SAVE}")
    dtype = np.dtype(f"<{'f' if bits == 32 else 'u'}{bits // 8}")
    packing = said.get("eCompression", 2)
    if packing == _LOSSY:
        raise Unreadable(f"expected frames plain or packed without loss, got packed with loss; {_SAVE}")
    row = int(said.get("uiWidthBytes", 0)) or width * components * dtype.itemsize
    is_rgb = components == 3 and channels == 1
    pages = math.prod(one.count for one in loops if one.kind in (_TIME, _TIMES))
    slices = math.prod(one.count for one in loops if one.kind == _SLICES)
    shape = [pages, slices, 1, height, width, 3] if is_rgb else [pages, slices, components, height, width]
    bounds.check(shape, dtype.itemsize)
    if row < width * components * dtype.itemsize or row * height > 2 * bounds.max_pixels * components * 4:
        raise ValueError(f"rows of {row} bytes")
    values = np.zeros(shape, dtype)
    missing = 0
    strides = (row, components * dtype.itemsize, dtype.itemsize)
    for place in np.ndindex(pages, slices):
        begin = chunks.get(f"ImageDataSeq|{_number(place, loops)}!".encode())
        if begin is None:
            missing += 1
            continue
        content = _chunk(data, begin)[_TIME_BYTES:]
        if packing == _LOSSLESS:
            content = zlib.decompressobj().decompress(content, row * height)
        frame = np.ndarray((height, width, components), dtype, content, 0, strides)
        values[place] = frame[None] if is_rgb else frame.transpose(2, 0, 1)
    if missing == pages * slices:
        raise ValueError("no frames")
    notes = list(first_of(math.prod(one.count for one in loops if one.kind == _POSITIONS), "positions"))
    if missing:
        notes.append(f"{missing:,} frames are not in the file and shown black")
    return values, tuple(notes)


def _number(place: tuple[int, ...], loops: list[_Loop]) -> int:
    """Return the number of the frame of a page and slice, at the first position."""
    page, z = place
    number = 0
    for one in loops:
        inner = 0
        if one.kind in (_TIME, _TIMES):
            inner = page
        elif one.kind == _SLICES:
            inner = z
        number = number * one.count + inner
    return number
