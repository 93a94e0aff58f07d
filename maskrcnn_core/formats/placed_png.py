"""PNG files of a small part on a blank picture, at the cost of the part.

Hundreds of instances of a 12 MP photo, each at the photo's full size, are gigabytes of zeros: an encoder
that looks at each of them takes minutes. Here the blank rows are compressed once and their bytes used again.

PNG (ISO/IEC 15948) holds one zlib stream (RFC 1950) of rows, each after a byte that names its filter. After a
full flush deflate (RFC 1951) refers to nothing before it, so pieces that end in one can be put together in
any order; the stream's Adler-32 is known for zeros without looking at them.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["placed_png"]

_FAST, _SMALL = 1, 6  # zlib levels; the higher one makes a fifth of zeros, and those are compressed once
_SUB = 1  # PNG filter: each byte less the one of the pixel to its left
_ADLER_BASE = 65521
_STREAM_HEAD = b"\x78\x01"  # zlib, window of 32 kB, fastest
_STREAM_END = b"\x03\x00"  # deflate's empty last block
_GREY, _RGB = 0, 2  # PNG color types


def placed_png(
    part: npt.NDArray[np.uint8] | npt.NDArray[np.bool_], top_left: tuple[int, int], size: tuple[int, int]
) -> bytes:
    """Return a PNG file that shows a part at its place, and 0 everywhere else.

    Args:
        part: uint8 ``[h, w, 3]`` RGB, or bool ``[h, w]``, which becomes a picture of one bit a pixel.
        top_left: ``(y, x)`` of the part's first pixel.
        size: ``(height, width)`` of the picture, which holds the part wholly.

    Raises:
        ValueError: for another form of part, or one that does not fit.
    """
    (top, left), (height, width) = top_left, size
    rows = part.shape[0]
    if part.ndim not in (2, 3) or (part.ndim == 3) != (part.dtype == np.uint8):
        raise ValueError(
            f"part: expected uint8 [h, w, 3] or bool [h, w], got {part.dtype} {list(part.shape)}"
        )
    if min(top, left) < 0 or top + rows > height or left + part.shape[1] > width:
        raise ValueError(f"part {list(part.shape)} at {top_left}: expected it inside the picture of {size}")
    lines = _bit_lines(part, left, width) if part.ndim == 2 else _rgb_lines(part, left, width)
    row_bytes = lines.shape[1]
    data = lines.tobytes()
    check = _adler_after_zeros(1, top * row_bytes)
    check = zlib.adler32(data, check)
    check = _adler_after_zeros(check, (height - top - rows) * row_bytes)
    stream = b"".join(
        [
            _STREAM_HEAD,
            *_blank_rows(row_bytes, top),
            _compress(data, _FAST),
            *_blank_rows(row_bytes, height - top - rows),
            _STREAM_END,
            struct.pack(">I", check),
        ]
    )
    depth, color = (1, _GREY) if part.ndim == 2 else (8, _RGB)
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")


def _bit_lines(part: npt.NDArray[np.generic], left: int, width: int) -> npt.NDArray[np.uint8]:
    wide = np.zeros((part.shape[0], width), np.bool_)
    wide[:, left : left + part.shape[1]] = part
    return np.pad(np.packbits(wide, axis=1), ((0, 0), (1, 0)))


def _rgb_lines(part: npt.NDArray[np.generic], left: int, width: int) -> npt.NDArray[np.uint8]:
    """Return filtered lines: photos compress far better as differences, which end with the part."""
    rows, columns = part.shape[:2]
    lines = np.zeros((rows, 1 + 3 * width), np.uint8)
    lines[:, 0] = _SUB
    pixels = lines[:, 1:].reshape(rows, width, 3)
    pixels[:, left : left + columns] = part
    if left + columns < width:
        pixels[:, left + columns] -= pixels[:, left + columns - 1]
    pixels[:, left + 1 : left + columns] -= part[:, :-1].astype(np.uint8)
    return lines


def _compress(data: bytes, level: int) -> bytes:
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush(zlib.Z_FULL_FLUSH)


def _blank_rows(row_bytes: int, rows: int) -> list[bytes]:
    """Return pieces of 1, 2, 4, ... rows that make up that many."""
    return [_blank_piece(row_bytes << bit) for bit in range(rows.bit_length()) if rows >> bit & 1]


@lru_cache(maxsize=64)  # of some 30 kB at most
def _blank_piece(length: int) -> bytes:
    return _compress(bytes(length), _SMALL)


def _adler_after_zeros(value: int, length: int) -> int:
    """Return the Adler-32 of bytes with that one, followed by ``count`` zeros (RFC 1950, section 8.2)."""
    low, high = value & 0xFFFF, value >> 16
    return (high + length * low) % _ADLER_BASE << 16 | low


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
