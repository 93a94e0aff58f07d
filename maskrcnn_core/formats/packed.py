"""Masks packed into texts by other programs: pictures in base64, run lengths of rows, Label Studio's brush.

Texts come from outside: each is bounded by the picture that it claims to be before anything is unpacked.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.compiled import compiled
from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.errors import ImageError
from maskrcnn_core.geometry.rle import BoolMask
from maskrcnn_core.images.guards import pixel_limit
from maskrcnn_core.images.reading import read_values

__all__ = [
    "brush_of_mask",
    "mask_of_brush",
    "mask_of_row_runs",
    "picture_of_base64",
    "picture_of_bytes",
    "row_runs",
]

_WORD = 8
"""Bits of a value in a brush."""


def picture_of_base64(text: Json, *, is_deflated: bool = False) -> npt.NDArray[np.int64] | None:
    """Return the numbers of a small picture, int64 ``[H, W]`` or ``[H, W, bands]``; ``None`` if it is none.

    Args:
        text: the file in base64.
        is_deflated: whether the file was packed with zlib before.
    """
    if not isinstance(text, str):
        return None
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
        if is_deflated:
            unpack = zlib.decompressobj()
            data = unpack.decompress(data, 8 * pixel_limit())
    except (UnicodeEncodeError, binascii.Error, zlib.error):
        return None
    return picture_of_bytes(data)


def picture_of_bytes(data: bytes) -> npt.NDArray[np.int64] | None:
    """Return a picture's numbers, those of a palette as they are; ``None`` if it cannot be read."""
    try:
        values = read_values(data, "picture")
    except ImageError:
        return None
    if values.dtype.kind == "f":
        values = np.nan_to_num(values)
    return values.astype(np.int64) if values.ndim in (2, 3) else None


def row_runs(crop: BoolMask) -> list[int]:
    """Return run lengths of a mask along its rows, that of background first, as CVAT has them."""
    flat = crop.reshape(-1)
    edges = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def mask_of_row_runs(runs: Sequence[int], height: int, width: int) -> BoolMask | None:
    """Return the mask of run lengths along rows, bool ``[height, width]``; ``None`` if they do not fit."""
    lengths = np.asarray(runs, np.int64)
    if lengths.ndim != 1 or height * width > pixel_limit() or (lengths < 0).any():
        return None
    if lengths.sum() != height * width:
        return None
    values = np.arange(lengths.size) % 2 == 1
    return np.repeat(values, lengths).reshape(height, width)


def brush_of_mask(mask: BoolMask) -> list[int]:
    """Return a mask as Label Studio's brush: bytes of run lengths over RGBA pixels, row by row.

    The form is that of thi.ng/rle-pack: 32 bits of how many values, 5 of a value's bits less one, four times
    4 of the bits that a run's length may have less one; then for each run a bit that says that it is one,
    two that choose among those four, its length less one, and its value.
    """
    runs = row_runs(mask)
    lengths: list[int] = []
    values: list[int] = []
    for number, run in enumerate(runs):
        left = 4 * run
        while left:
            lengths.append(min(left, 1 << 16))
            values.append(255 * (number % 2))
            left -= lengths[-1]
    sizes = (3, 4, 8, 16)
    chosen = [0 if n <= 8 else 1 if n <= 16 else 2 if n <= 256 else 3 for n in lengths]
    bits = [f"{4 * mask.size:032b}", f"{_WORD - 1:05b}", *(f"{size - 1:04b}" for size in sizes)]
    bits += [
        f"1{choice:02b}{length - 1:0{sizes[choice]}b}{value:08b}"
        for length, choice, value in zip(lengths, chosen, values, strict=True)
    ]
    text = "".join(bits)
    padded = text + "0" * (-len(text) % 8)
    return list(int(padded, 2).to_bytes(len(padded) // 8, "big"))


def mask_of_brush(values: Json, height: int, width: int) -> BoolMask | None:
    """Return the mask of a brush: what is not wholly transparent; ``None`` if it is no brush of that size."""
    if not isinstance(values, list) or height * width > pixel_limit():
        return None
    try:
        packed = np.array(values, np.uint8)
    except (TypeError, ValueError, OverflowError):
        return None
    if packed.ndim != 1 or packed.size < 8:
        return None
    unpacked = _unpack(packed, 4 * height * width)
    return None if unpacked.size != 4 * height * width else unpacked.reshape(height, width, 4)[..., 3] > 0


@compiled
def _bits(packed: npt.NDArray[np.uint8], at: int, count: int) -> int:
    value = 0
    for n in range(at, at + count):
        value = 2 * value + ((packed[n >> 3] >> (7 - (n & 7))) & 1)
    return value


@compiled
def _unpack(packed: npt.NDArray[np.uint8], most: int) -> npt.NDArray[np.uint8]:
    """Return the values of a brush; none if they are not as many as wanted."""
    nothing = np.empty(0, np.uint8)
    total, word = _bits(packed, 0, 32), _bits(packed, 32, 5) + 1
    if total != most or word > 8:
        return nothing
    sizes = np.array([_bits(packed, 37 + 4 * n, 4) + 1 for n in range(4)])
    out = np.zeros(total, np.uint8)
    at, done, end = 53, 0, 8 * packed.size
    while done < total:
        if at + 3 > end:
            return nothing
        is_run, size = _bits(packed, at, 1), sizes[_bits(packed, at + 1, 2)]
        at += 3
        if at + size > end:
            return nothing
        length = _bits(packed, at, size) + 1
        at += size
        needed = word if is_run else word * length
        if at + needed > end or done + length > total:
            return nothing
        if is_run:
            out[done : done + length] = _bits(packed, at, word)
        else:
            for n in range(length):
                out[done + n] = _bits(packed, at + n * word, word)
        at += needed
        done += length
    return out
