"""An image as browsers show it: upright, at its full size, in the colours that everything else here sees.

That is a JPEG made of its pixels, unless the file is a large JPEG which browsers show just so: then its own
picture is taken over as it is coded, without what lies around it (ITU T.81 annex B). That saves a decoder
and an encoder.

A very large one takes a browser a second to decode. A small copy of it, to be seen until then, costs a tenth
of that: a JPEG decoder scales by 2, 4 or 8 as it goes (annex A.3.3: fewer points of each block).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.images.formats import identify
from maskrcnn_core.images.headers import exif_orientation, jpeg_places
from maskrcnn_core.images.reading import encode_jpeg

__all__ = ["BrowserPicture", "browser_picture", "very_large_picture"]

_LARGE = 4_000_000
"""Pixels: smaller ones are made anew in a blink, and are then lighter on the line."""
_MOST_BYTES = 0.75
"""For a pixel, in a file that is taken over: more would take longer on the line than making it anew."""
_QUALITY = 90
_VERY_LARGE = 16_000_000
"""Pixels: from here on there is a small copy."""
_SMALL_SIDE = 1280
"""Pixels of a small copy's longer side at least, so that a picture that fills a screen is sharp."""

_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # frames that every browser reads: sequential and progressive
_TABLES = frozenset({0xC4, 0xDB, 0xDD})
_JFIF, _ADOBE = (0xE0, b"JFIF\0"), (0xEE, b"Adobe")  # what says how three components are colours
_SCAN, _END = 0xDA, 0xD9
_START_OF_IMAGE = b"\xff\xd8"


@dataclass(frozen=True)
class BrowserPicture:
    """An image as browsers show it, as JPEG.

    Attributes:
        whole: at its full size.
        small: a copy to be seen until that is decoded; empty where it is not worth it.
    """

    whole: bytes
    small: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of both."""
        return len(self.whole) + len(self.small)


def browser_picture(data: bytes, pixels: Callable[[], Pixels]) -> BrowserPicture:
    """Return an image file's picture for browsers.

    Args:
        data: the file, which `decode_image` reads.
        pixels: what that makes of it, uint8 ``[H, W, 3]``; called where they are needed.
    """
    whole = _own_picture(data) or encode_jpeg(pixels(), quality=_QUALITY)
    return BrowserPicture(whole, _small_copy(whole))


def very_large_picture(data: bytes) -> BrowserPicture | None:
    """Return the picture of a file that has a small copy and can be shown as it is coded; else nothing.

    It needs no pixels, so it can be made beside decoding the file.

    Raises:
        ImageError: if the file cannot be read.
    """
    whole = _own_picture(data, _VERY_LARGE)
    return None if whole is None else BrowserPicture(whole, _small_copy(whole))


def _small_copy(whole: bytes) -> bytes:
    """Return a copy of a very large JPEG by 2, 4 or 8 smaller, not below `_SMALL_SIDE`; else nothing."""
    image = Image.open(io.BytesIO(whole))
    width, height = image.size
    if width * height < _VERY_LARGE:
        return b""
    scale = next((by for by in (8, 4, 2) if max(width, height) >= by * _SMALL_SIDE), 1)
    # Pillow divides, rounds down, and takes the smaller of both for its scale.
    image.draft(None, (width // scale, height // scale))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()


def _own_picture(data: bytes, least: int = _LARGE) -> bytes | None:
    """Return the picture of an upright JPEG of so many pixels alone; ``None`` for every other file.

    EXIF, colour profiles (which are not applied here), thumbnails and what follows the picture are left out.
    """
    source = identify(data, "picture")
    if source.format != "JPEG":
        return None
    image = source.open()
    width, height = image.size
    if width * height < least or image.mode not in ("L", "RGB") or exif_orientation(image, source) != 1:
        return None
    parts, scans, has_frame = [_START_OF_IMAGE], None, False
    for marker, begin, end in jpeg_places(data):
        if marker == _END:
            picture = b"".join([*parts, data[scans:end]]) if scans is not None and has_frame else b""
            return picture if 0 < len(picture) <= _MOST_BYTES * width * height else None
        if scans is not None:
            continue
        if marker == _SCAN:
            scans = begin
        elif marker in _FRAMES | _TABLES or _tells_colours(marker, data[begin + 4 : end]):
            has_frame = has_frame or marker in _FRAMES
            parts.append(data[begin:end])
    return None


def _tells_colours(marker: int, content: bytes) -> bool:
    return any(marker == one and content.startswith(name) for one, name in (_JFIF, _ADOBE))
