"""Leica LIF: one XML text that describes the pictures, and blocks of memory with their values.

Each block begins with the number 0x70; strings are UTF-16. The XML gives each picture's dimensions and
channels with the bytes from one place to the next, so that its values are an array with strides upon its
block. They are never packed.
"""

from __future__ import annotations

import math
import struct
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from maskrcnn_core.images.microscopes.planes import Bounds, Channel, Planes, first_of, xml_of
from maskrcnn_core.images.tiff import Unreadable

__all__ = ["read_lif"]

_HEAD = struct.Struct("<IIBI")
_BLOCK = {1: struct.Struct("<IIBIBI"), 2: struct.Struct("<IIBQBI")}  # by the XML's version
_MAX_BLOCKS = 100_000
_AXES = {1: "X", 2: "Y", 3: "Z", 4: "T"}
_DIMENSIONS = "./Data/Image/ImageDescription/Dimensions/DimensionDescription"
_CHANNELS = "./Data/Image/ImageDescription/Channels/ChannelDescription"
_RGB_TAGS = (1, 2, 3)
_COLORS = {
    "red": 0xFF0000, "green": 0x00FF00, "blue": 0x0000FF, "cyan": 0x00FFFF, "magenta": 0xFF00FF,
    "yellow": 0xFFFF00, "gray": 0xFFFFFF, "grey": 0xFFFFFF,
}  # fmt: skip


def read_lif(data: bytes, bounds: Bounds) -> Planes:
    """Return the first picture of a LIF file.

    Raises:
        Unreadable: if it holds what is not read here, or more than it may.
        Exception: whatever a damaged file runs into.
    """
    _, _, _, count = _HEAD.unpack_from(data)
    text = data[_HEAD.size : _HEAD.size + 2 * count]
    if len(text) != 2 * count:
        raise ValueError("a description that ends behind the file's end")
    root = xml_of(text.decode("utf-16-le"))
    pictures = [one for one in root.iter("Element") if one.find("./Data/Image") is not None]
    if not pictures:
        raise Unreadable(
            "expected a picture, got none; save what you need of it as OME-TIFF, for instance in Fiji"
        )
    begin, end = _block_of(data, _HEAD.size + 2 * count, _form(root), pictures[0])
    return _planes(data[begin:end], pictures[0], bounds, first_of(len(pictures), "pictures in the file"))


def _form(root: ElementTree.Element) -> struct.Struct:
    version = int(root.attrib["Version"])
    if version not in _BLOCK:
        raise Unreadable(f"expected a LIF file of version 1 or 2, got {version}; save it again in LAS X")
    return _BLOCK[version]


def _block_of(data: bytes, pos: int, form: struct.Struct, picture: ElementTree.Element) -> tuple[int, int]:
    """Return where a picture's values begin and end."""
    memory = picture.find("./Memory")
    wanted = None if memory is None else memory.get("MemoryBlockID")
    for _ in range(_MAX_BLOCKS):
        mark, _, star, size, other, count = form.unpack_from(data, pos)
        if (mark, star, other) != (0x70, 0x2A, 0x2A):
            raise ValueError("no block where one should be")
        name = data[pos + form.size : pos + form.size + 2 * count].decode("utf-16-le")
        pos += form.size + 2 * count
        if pos + size > len(data):
            raise ValueError("a block that ends behind the file's end")
        if name == wanted:
            return pos, pos + size
        pos += size
    raise Unreadable(f"expected at most {_MAX_BLOCKS:,} blocks, got more; copy it from its source again")


def _planes(block: bytes, picture: ElementTree.Element, bounds: Bounds, notes: tuple[str, ...]) -> Planes:
    dimensions = {int(one.attrib["DimID"]): one for one in picture.findall(_DIMENSIONS)}
    channels = picture.findall(_CHANNELS)
    sizes, strides = {}, {}
    for number, one in dimensions.items():
        size, stride = int(one.attrib["NumberOfElements"]), int(one.attrib["BytesInc"])
        if size < 1 or stride < 0:
            raise ValueError(f"{size} places, {stride} bytes apart")
        if number in _AXES:
            sizes[_AXES[number]], strides[_AXES[number]] = size, stride
        else:
            notes += first_of(size, "tiles" if number == 10 else "places of another dimension")
    if not {"X", "Y"} <= sizes.keys() or not channels:
        raise Unreadable("expected a picture of height and width, got another; save it as OME-TIFF")
    dtype = _type_of(channels)
    is_rgb = tuple(sorted(int(one.attrib["ChannelTag"]) for one in channels)) == _RGB_TAGS
    shape = [sizes.get(axis, 1) for axis in "TZYX"]
    bounds.check([*shape[:2], len(channels), *shape[2:]], dtype.itemsize)
    steps = [strides.get(axis, 0) for axis in "TZYX"]
    if is_rgb:
        channels.sort(key=lambda one: int(one.attrib["ChannelTag"]))
    each = [_placed(block, int(one.attrib["BytesInc"]), shape, steps, dtype) for one in channels]
    values = np.stack(each, axis=-1)[:, :, None] if is_rgb else np.stack(each, axis=2)
    lengths = {axis: _length(dimensions.get(number)) for number, axis in _AXES.items()}
    units = {
        dimensions[number].get("Unit") for number, axis in _AXES.items() if axis != "T" and lengths[axis]
    }
    x, y = lengths["X"], lengths["Y"]
    pixel = None if x is None or y is None or len(units) != 1 else (x, y)
    step = lengths["Z"] if len(units) == 1 else None
    return Planes(
        values, [_channel(one) for one in channels], pixel, step, next(iter(units), None) or "m", notes
    )


def _type_of(channels: list[ElementTree.Element]) -> np.dtype[Any]:
    found = {(int(one.attrib["DataType"]), _depth(int(one.attrib["Resolution"]))) for one in channels}
    if len(found) > 1:
        raise Unreadable(
            "expected channels of one depth, got several; save them as OME-TIFF, for instance in Fiji"
        )
    ((kind, size),) = found
    return np.dtype(f"<{'uf'[kind]}{size}")


def _depth(bits: int) -> int:
    """Return the bytes of a value of so many bits."""
    if not 1 <= bits <= 64:
        raise ValueError(f"values of {bits} bits")
    return 1 << max(0, math.ceil(math.log2(bits / 8)))


def _placed(
    block: bytes, begin: int, shape: list[int], strides: list[int], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Return the values ``[T, Z, H, W]`` of a channel; numpy refuses what would lie outside of the block."""
    return np.ndarray(shape, dtype, block, begin, strides)


def _length(dimension: ElementTree.Element | None) -> float | None:
    """Return the length from one place to the next; what is told is that from the first to the last."""
    if dimension is None:
        return None
    count, whole = int(dimension.attrib["NumberOfElements"]), abs(float(dimension.attrib["Length"]))
    return whole / (count - 1) if count > 1 and whole > 0 and math.isfinite(whole) else None


def _channel(one: ElementTree.Element) -> Channel:
    said = {
        str(each.findtext("Key")): each.findtext("Value") or "" for each in one.findall("ChannelProperty")
    }
    return Channel(said.get("DyeName", ""), _COLORS.get(one.get("LUTName", "").lower()))
