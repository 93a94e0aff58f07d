"""One tile or strip of a TIFF to numbers: each is handed to Pillow as a small TIFF of its own.

So the one decoder for pictures that MaskDesk trusts reads these, too (libtiff, libjpeg-turbo and OpenJPEG, as
Pillow brings them), in whatever way they are compressed, and what it makes of the bytes can never be larger
than the tile that the tables declare. JPEG 2000 lies in TIFFs as a bare code stream, which libtiff knows
nothing of: Pillow reads that by itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, Jpeg2KImagePlugin

from maskrcnn_core.images.tiff import TiffFile

__all__ = ["COMPRESSIONS", "MAX_PART_PIXELS", "NONE", "Coding", "Damaged", "decode_part"]

NONE = 1
_JPEG = 7
_JPEG2000_YCBCR = 33003
_JPEG2000 = (_JPEG2000_YCBCR, 33004, 33005, 34712)

COMPRESSIONS = {
    NONE: "none",
    5: "LZW",
    _JPEG: "JPEG",
    8: "deflate",
    32946: "deflate",
    32773: "PackBits",
    34925: "LZMA",
    50000: "Zstandard",
    **dict.fromkeys(_JPEG2000, "JPEG 2000"),
}
"""What is read, by the number in the TIFF's tables."""

MAX_PART_PIXELS = 2**24
"""A tile or strip is decoded whole: 4,096 x 4,096 pixels are more than any scanner writes."""
_MOST_SCANS = 200  # of a progressive JPEG: each is a pass over the whole tile
_SPARE_BYTES = 2**16  # what a code may be longer than the pixels it stands for

_YCBCR, _RGB = 6, 2
_SHORT, _LONG, _UNDEFINED = 3, 4, 7
_OFFSET = 273


class Damaged(Exception):
    """A tile or strip that cannot be read; the message is a short reason."""


@dataclass(frozen=True)
class Coding:
    """How the parts of a level are coded.

    Args:
        order: ``II`` or ``MM``, the file's byte order.
        compression: a key of :data:`COMPRESSIONS`.
        photometric: what the samples mean: 0 and 1 grey, 2 RGB, 6 YCbCr.
        bands: samples of a pixel in a part: 1, 3 or 4.
        bits: of a sample: 8 or 16.
        predictor: 1 for none, 2 for differences.
        jpeg_tables: that all parts share; empty for none.
        subsampling: of YCbCr.
        fill_order: 2 where the bits of each byte are turned round.
    """

    order: str
    compression: int
    photometric: int
    bands: int
    bits: int
    predictor: int = 1
    jpeg_tables: bytes = b""
    subsampling: tuple[int, int] = (2, 2)
    fill_order: int = 1


def decode_part(data: bytes, coding: Coding, height: int, width: int) -> npt.NDArray[Any]:
    """Return the samples of a tile or strip.

    Args:
        data: its bytes as they lie in the file.
        coding: how they are coded.
        height, width: of it in pixels, at most :data:`MAX_PART_PIXELS` together.

    Returns:
        uint8 or uint16 ``[height, width]``, or uint8 ``[height, width, 3 or 4]``; of 16-bit colours the
        upper bytes.

    Raises:
        Damaged: if it cannot be decoded, or its code is of a kind that is made to stall a decoder.
    """
    raw = height * width * coding.bands * coding.bits // 8
    if len(data) > 2 * raw + _SPARE_BYTES:
        raise Damaged(f"its code is longer than its pixels: {len(data):,} bytes")
    if coding.compression == NONE and coding.bits == 8 and len(data) >= raw and coding.photometric != _YCBCR:
        samples = np.frombuffer(data, np.uint8, raw)
        return samples.reshape((height, width) if coding.bands == 1 else (height, width, coding.bands))
    try:
        image = _opened(data, coding, height, width)
        if image.size != (width, height):
            raise Damaged(f"expected {width} x {height} pixels, got {image.size[0]} x {image.size[1]}")
        image.load()
        return _samples(image, coding)
    except (Damaged, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise a dozen types
        raise Damaged(f"not decodable as {COMPRESSIONS[coding.compression]}") from error


def _opened(data: bytes, coding: Coding, height: int, width: int) -> Image.Image:
    if coding.compression in _JPEG2000:
        return Jpeg2KImagePlugin.Jpeg2KImageFile(BytesIO(data))
    if coding.compression == _JPEG:
        if data.count(b"\xff\xda") > _MOST_SCANS:
            raise Damaged(f"a JPEG of more than {_MOST_SCANS} scans")
        if b"\xff\xd9" not in data[-64:]:  # libjpeg would make up the rest of it without a word
            raise Damaged("a JPEG that is cut short")
    return TiffFile(BytesIO(_as_tiff(data, coding, height, width)), "")


def _samples(image: Image.Image, coding: Coding) -> npt.NDArray[Any]:
    if coding.compression == _JPEG2000_YCBCR and image.mode == "RGB":  # stored as YCbCr, and read as it lies
        image = Image.merge("YCbCr", image.split()).convert("RGB")
    if image.mode in ("RGBX", "CMYK"):
        return np.asarray(image)[:, :, :3]
    if image.mode in ("L", "RGB", "RGBA"):
        return np.asarray(image)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    raise Damaged(f"pixels of the unexpected mode {image.mode}")


def _as_tiff(data: bytes, coding: Coding, height: int, width: int) -> bytes:
    """Return a TIFF of one strip, which is the part as it is."""
    tags: dict[int, tuple[int, tuple[int, ...] | bytes]] = {
        256: (_LONG, (width,)),
        257: (_LONG, (height,)),
        258: (_SHORT, (coding.bits,) * coding.bands),
        259: (_SHORT, (coding.compression,)),
        262: (_SHORT, (coding.photometric or 1,)),  # Pillow would turn grey of 8 bits round, and of 16 not
        266: (_SHORT, (coding.fill_order,)),
        _OFFSET: (_LONG, (0,)),
        277: (_SHORT, (coding.bands,)),
        278: (_LONG, (height,)),
        279: (_LONG, (len(data),)),
        284: (_SHORT, (1,)),
        317: (_SHORT, (coding.predictor,)),
    }
    if coding.bands == 4:
        tags[338] = (_SHORT, (2,))  # alpha that colours are not multiplied with
    if coding.jpeg_tables and coding.compression == _JPEG:
        tags[347] = (_UNDEFINED, coding.jpeg_tables)
    if coding.photometric == _YCBCR:
        tags[530] = (_SHORT, coding.subsampling)
    order = "<" if coding.order == "II" else ">"
    packed = {tag: _packed(order, *value) for tag, value in tags.items()}
    begin = 8 + 2 + 12 * len(tags) + 4
    place = begin + sum(len(value) for _, _, value in packed.values() if len(value) > 4)
    packed[_OFFSET] = _packed(order, _LONG, (place,))
    rows, beside = [], b""
    for tag, (type_, count, value) in sorted(packed.items()):
        if len(value) > 4:
            value, beside = struct.pack(f"{order}I", begin + len(beside)), beside + value
        rows.append(struct.pack(f"{order}HHI4s", tag, type_, count, value))
    head = coding.order.encode() + struct.pack(f"{order}HIH", 42, 8, len(rows))
    return head + b"".join(rows) + bytes(4) + beside + data


def _packed(order: str, type_: int, values: tuple[int, ...] | bytes) -> tuple[int, int, bytes]:
    if isinstance(values, bytes):
        return type_, len(values), values + bytes(len(values) % 2)
    kind = "H" if type_ == _SHORT else "I"
    return type_, len(values), struct.pack(f"{order}{len(values)}{kind}", *values)
