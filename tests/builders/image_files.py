"""Image files as Pillow writes them, or written by hand where it does not."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.reading import (
    decode_image,
)


def make_pixels(height=6, width=9, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


def save(image, format, **options):
    """A file as Pillow writes it; WebP keeps every pixel unless told otherwise."""
    exactly = {"lossless": True, "exact": True} if format == "WEBP" else {}
    out = io.BytesIO()
    image.save(out, format, **{**exactly, **options})
    return out.getvalue()


def make_palette_image():
    """4 x 4 pixels of the palette's second colour, 10 200 30."""
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    return image


def ramp(dtype, top):
    """A 256 x 256 ramp from 0 to ``top``, each step once: its mean is half of the top."""
    return np.linspace(0, top, 65536).round().astype(dtype).reshape(256, 256)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_png(width, height, depth, color_type, rows, *extra):
    """A PNG written by hand, for what Pillow does not write."""
    head = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", head),
            *extra,
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND", b""),
        ]
    )


def tiff_of(tags, body=b""):
    """A little-endian TIFF: the body at 8, then one directory of ``(tag, type, value[, count])``."""
    entries = b"".join(
        struct.pack("<HHLL", tag, kind, count[0] if count else 1, value) for tag, kind, value, *count in tags
    )
    ifd = struct.pack("<H", len(tags)) + entries + struct.pack("<L", 0)
    return b"II*\0" + struct.pack("<L", 8 + len(body)) + body + ifd


def make_tiff(array, *, bits, sample_format=1, photometric=1, extra=()):
    """An uncompressed, one-strip grey TIFF; ``extra`` tags replace those of the same number."""
    tags = [
        (256, 4, array.shape[1]),
        (257, 4, array.shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, array.shape[0]),
        (279, 4, array.nbytes),
        (339, 3, sample_format),
    ]
    by_number = {tag[0]: tag for tag in (*tags, *extra)}
    return tiff_of(sorted(by_number.values()), array.tobytes())


def make_bmp(head, body):
    """A bitmap of a header (from its own length on) and all that follows it."""
    return b"BM" + struct.pack("<LHHL", 14 + len(head) + len(body), 0, 0, 14 + len(head)) + head + body


def refusal(data, name="photo.png", **options):
    with pytest.raises(ImageError) as caught:
        decode_image(data, name, **options)
    message = str(caught.value)
    assert message.startswith(f"{name}: ") and "\n" not in message
    return message


def assert_decoded_or_refused(data, **options):
    try:
        decode_image(data, "broken", **options)
    except ImageError as error:
        assert str(error).startswith("broken: ") and "\n" not in str(error)
