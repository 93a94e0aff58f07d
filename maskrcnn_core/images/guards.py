"""What is refused before decoding: too many pixels, and small files that cost minutes or gigabytes.

Each limit lies far above what real images have. The messages say so in the same form: what was
wanted, what was found, what helps.
"""

from __future__ import annotations

import math
import os
from itertools import islice

from PIL import ImageFile, TiffImagePlugin

from maskrcnn_core.errors import ImageError, InputError
from maskrcnn_core.images.formats import EncodedImage
from maskrcnn_core.images.headers import jpeg_segments, png_chunks, tiff_directories, tiff_tags

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "MAX_MEGAPIXELS_SETTING",
    "check_cost",
    "check_size",
    "check_tables",
    "pixel_limit",
]

DEFAULT_MAX_PIXELS = 50_000_000
"""Pixels an image may have unless told otherwise: 50 MP, the full frame of today's large cameras."""

MAX_MEGAPIXELS_SETTING = "MASKDESK_MAX_MEGAPIXELS"
"""The environment variable that replaces :data:`DEFAULT_MAX_PIXELS`, in millions of pixels."""

_MAX_RLE_BYTES = 16 * 2**20  # Pillow expands BMP run lengths in Python: 16 MiB take some seconds
_MAX_JPEG_SCANS = 200  # a progressive JPEG has about 10; each scan is a pass over the whole image
_MAX_JPEG_SEGMENTS = 10_000  # before the first scan; 64 KiB each hold any profile, preview or depth map
_MAX_PNG_CHUNKS = 250_000  # 50 MP in the usual chunks of 8 KiB are 20,000; Pillow reads them in Python
_MAX_JPEG_EXIF_BYTES = 4 * 2**20  # one segment has up to 64 KiB; Pillow joins them in quadratic time
_MAX_TILE_PIXELS = 2**24  # TIFF tiles are decoded whole, even where they hang out of the image
_MAX_TIFF_PARTS = 100_000  # 50 MP in tiles of 32 x 32 are half of that; Pillow keeps 0.5 kB of each
_MAX_TIFF_VALUES = 2**18  # a 16-bit colour map has 196,608; Pillow makes Python numbers of them
_MAX_TIFF_TAGS = 2**16  # all a classic TIFF can count; a BigTIFF can claim as many as it has room for

_STRIP_OFFSETS, _TILE_OFFSETS = 273, 324
_OPAQUE_TYPES = (1, 2, 7)  # BYTE, ASCII, UNDEFINED: profiles and texts, which stay bytes


def pixel_limit() -> int:
    """Return the most pixels an image may have: the setting ``MASKDESK_MAX_MEGAPIXELS``, else 50 million.

    Raises:
        InputError: if the setting is not a number above 0.
    """
    text = os.environ.get(MAX_MEGAPIXELS_SETTING, "").strip()
    if not text:
        return DEFAULT_MAX_PIXELS
    try:
        megapixels = float(text)
    except ValueError:
        megapixels = math.nan
    if not (megapixels > 0 and math.isfinite(megapixels)):
        raise InputError(f"{MAX_MEGAPIXELS_SETTING}: expected a number above 0, such as 50, got {text!r}")
    return max(1, int(megapixels * 1_000_000))


def check_tables(source: EncodedImage) -> None:
    """Refuse tables that Pillow, when it reads the header, would turn into millions of objects.

    Raises:
        ImageError: for too many strips, tiles, tags or values of a TIFF, segments or bytes of EXIF of
            a JPEG, or chunks of a PNG.
    """
    if source.format == "TIFF":
        _check_tiff_tables(source)
    elif source.format == "JPEG":
        _check_jpeg_segments(source)
    elif source.format == "PNG":
        _check_png_chunks(source)


def _check_png_chunks(source: EncodedImage) -> None:
    if next(islice(png_chunks(source.data), _MAX_PNG_CHUNKS, None), None) is not None:
        raise _refusal(source, f"a PNG of at most {_MAX_PNG_CHUNKS:,} chunks", "more")


def _check_jpeg_segments(source: EncodedImage) -> None:
    exif = 0
    for number, (marker, content) in enumerate(jpeg_segments(source.data)):
        if marker == 0xDA:
            break
        if number >= _MAX_JPEG_SEGMENTS:
            raise _refusal(source, f"a JPEG of at most {_MAX_JPEG_SEGMENTS:,} segments", "more")
        exif += len(content) if marker == 0xE1 and content.startswith(b"Exif\0") else 0
    if exif > _MAX_JPEG_EXIF_BYTES:
        raise _refusal(
            source, f"at most {_MAX_JPEG_EXIF_BYTES / 2**20:g} MiB of EXIF", f"{exif / 2**20:.1f} MiB"
        )


def _check_tiff_tables(source: EncodedImage) -> None:
    for begin, entries in islice(tiff_directories(source.data), 1):
        if entries > _MAX_TIFF_TAGS:
            raise _refusal(source, f"at most {_MAX_TIFF_TAGS:,} TIFF tags", f"{entries:,}")
        for tag, type_, count in tiff_tags(source.data, begin, entries):
            if count > len(source.data):  # no such values are there: Pillow passes the tag over
                continue
            if tag in (_STRIP_OFFSETS, _TILE_OFFSETS):
                if count > _MAX_TIFF_PARTS:
                    raise _refusal(
                        source, f"at most {_MAX_TIFF_PARTS:,} strips or tiles in a TIFF", f"{count:,}"
                    )
            elif type_ not in _OPAQUE_TYPES and count > _MAX_TIFF_VALUES:
                raise _refusal(
                    source, f"at most {_MAX_TIFF_VALUES:,} values in a TIFF tag", f"{count:,} in tag {tag}"
                )


def check_size(image: ImageFile.ImageFile, source: EncodedImage, limit: int) -> None:
    """Refuse an image of more than ``limit`` pixels, or of none, from its header.

    Raises:
        ImageError: with the size that was found.
    """
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(
            f"{source.shown}: expected an image of at least 1 x 1 pixels, got {width} x {height}"
        )
    if width * height > limit:
        raise ImageError(
            f"{source.shown}: expected at most {limit / 1e6:g} megapixels, got {width} x {height} pixels = "
            f"{width * height / 1e6:,.1f} megapixels; make the image smaller, or raise the setting "
            f"{MAX_MEGAPIXELS_SETTING}"
        )


def check_cost(image: ImageFile.ImageFile, source: EncodedImage) -> None:
    """Refuse few pixels that still cost minutes or gigabytes to decode.

    Raises:
        ImageError: for huge TIFF tiles, long run-length coded BMPs, and JPEGs of endless scans.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _check_tile_size(image, source)
    data = source.data
    if source.format == "BMP" and len(data) > _MAX_RLE_BYTES and image.tile and image.tile[0][0] == "bmp_rle":
        raise ImageError(
            f"{source.shown}: expected at most {_MAX_RLE_BYTES / 2**20:g} MiB of run-length coded BMP, "
            f"got {len(data) / 2**20:.1f} MiB; save it as PNG"
        )
    if source.format == "JPEG" and image.info.get("progressive"):
        scans = (marker for marker, _ in jpeg_segments(data) if marker == 0xDA)
        if next(islice(scans, _MAX_JPEG_SCANS, None), None) is not None:
            raise _refusal(
                source,
                f"a progressive JPEG of at most {_MAX_JPEG_SCANS} scans",
                "more, as in files made to stall a decoder",
            )


def _check_tile_size(image: TiffImagePlugin.TiffImageFile, source: EncodedImage) -> None:
    with source.refusing_damage():
        sides = image.tag_v2.get(322, 0), image.tag_v2.get(323, 0)
    tile = sides[0] * sides[1] if all(isinstance(side, int) for side in sides) else 0
    if tile > max(_MAX_TILE_PIXELS, image.width * image.height):
        raise _refusal(
            source,
            f"TIFF tiles no larger than the image of {image.width} x {image.height} pixels",
            f"tiles of {sides[0]} x {sides[1]}",
        )


def _refusal(source: EncodedImage, wanted: str, found: str) -> ImageError:
    return ImageError(f"{source.shown}: expected {wanted}, got {found}; save it again in an image editor")
