"""What an image file is, by its first bytes, and the one Pillow reader that may open it.

Pillow's classes for the six formats are called directly rather than through ``Image.open``, for three
reasons: no other decoder (EPS would start Ghostscript) can ever be reached; the size in the header is
ours to check, and to name, before a pixel is decoded; and a higher limit needs no change of
``Image.MAX_IMAGE_PIXELS``, which is one value for every thread. The subclasses here leave out what
Pillow does beyond decoding the stored pixels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from maskrcnn_core.errors import ImageError
from maskrcnn_core.messages import one_line

__all__ = ["IMAGE_SUFFIXES", "EncodedImage", "identify"]

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)
"""Usual endings of readable files, lower case, for scanning folders. The content still decides."""

_Reader = Callable[[BytesIO, str], ImageFile.ImageFile]


@dataclass(frozen=True)
class EncodedImage:
    """An image file of a known format, not decoded.

    Args:
        shown: the file's name on one line, as messages begin with it.
        data: the whole file (:func:`identify` is content with its first 64 bytes).
        format: ``"JPEG"``, ``"PNG"``, ``"WebP"``, ``"BMP"``, ``"TIFF"`` or ``"GIF"``.
        reader: Pillow's class for it.
    """

    shown: str
    data: bytes = field(repr=False)
    format: str
    reader: _Reader

    def open(self) -> ImageFile.ImageFile:
        """Pillow's image with its header read and no pixel decoded, in the stored orientation.

        Raises:
            ImageError: as :meth:`refusing_damage`.
        """
        with self.refusing_damage():
            return self.reader(BytesIO(self.data), "")

    @contextmanager
    def refusing_damage(self) -> Iterator[None]:
        """Turns whatever a decoder raises into an ImageError.

        Pillow answers broken files with a dozen exception types (OSError, SyntaxError, struct.error,
        KeyError, zlib.error, AssertionError ...), so nothing narrower than Exception will do; the
        block holds calls into Pillow only, lest our own bugs be blamed on the file.
        """
        try:
            yield
        except ImageError:
            raise
        except MemoryError as error:
            raise ImageError(
                f"{self.shown}: not enough memory to decode this {self.format}; make it smaller"
            ) from error
        except Image.DecompressionBombError as error:
            raise ImageError(
                f"{self.shown}: this {self.format} has more pixels than its decoder accepts at any "
                f"setting; make it smaller"
            ) from error
        except Exception as error:
            reason = one_line(str(error)).rstrip(".") or type(error).__name__
            raise ImageError(
                f"{self.shown}: wanted a whole {self.format} image, found a damaged, cut short or "
                f"unsupported one ({reason[:200]}); copy it anew from its source, or save it again in "
                f"an image editor"
            ) from error


def identify(data: bytes, name: str) -> EncodedImage:
    """Tells by its first 64 bytes what an image file is; ``name`` is for messages only.

    Raises:
        ImageError: if it is none of the six formats; the message names what it is where it can.
    """
    head, shown = data[:64], one_line(name)
    for format, magic, reader in _FORMATS:
        if magic.match(head):
            return EncodedImage(shown, data, format, reader)
    found = "an empty file" if not data else "none of these"
    found = next((what for magic, what in _OTHERS if magic.match(head)), found)
    raise ImageError(
        f"{shown}: wanted a JPEG, PNG, WebP, BMP, TIFF or GIF image, found {found} (the content decides, "
        f"not the name); save it as PNG or JPEG and try again"
    )


class _JpegFile(JpegImagePlugin.JpegImageFile):
    """Pillow's JPEG reader, which also reads an MPO (several JPEGs one after the other): its first
    picture. Pillow's own MPO class would refuse the picture where only the table of the others is broken.
    """

    def _read_dpi_from_exif(self) -> None:
        """Nobody here asks for the resolution, and its tags may hold millions of values."""


class _PngFile(PngImagePlugin.PngImageFile):
    """Pillow's PNG reader, which would decode the image when asked for EXIF that it has not met yet."""

    def getexif(self) -> Image.Exif:
        return ImageFile.ImageFile.getexif(self)


class _WebPFile(WebPImagePlugin.WebPImageFile):
    """Pillow's WebP reader for the first frame only."""

    def _get_next(self) -> tuple[bytes, int, int]:
        frame = super()._get_next()
        self._decoder = None  # its two canvases would stay: 400 MB at 50 MP
        return frame


class _TiffFile(TiffImagePlugin.TiffImageFile):
    """Pillow's TIFF reader, without its own pixel limit, which a higher limit of ours must not meet,
    and without its turning of the image, which the other readers leave to their caller.
    """

    def _setup(self) -> None:
        super()._setup()
        self._size = self._tile_size  # as stored

    def load_prepare(self) -> None:
        if self._im is None:  # the memory being there already, Pillow does not check again
            self.im = Image.new(self.mode, self._tile_size).im
        super().load_prepare()

    def load_end(self) -> None:
        """Reads the EXIF while the file is open; Pillow would also unpack all its values, and turn."""
        self.getexif()


# Pillow takes a big-endian BigTIFF for a classic one, so that is not on the list.
_FORMATS: tuple[tuple[str, re.Pattern[bytes], _Reader], ...] = (
    ("JPEG", re.compile(rb"\xff\xd8\xff"), _JpegFile),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), _PngFile),
    ("WebP", re.compile(rb"RIFF....WEBP", re.DOTALL), _WebPFile),
    ("BMP", re.compile(rb"BM"), BmpImagePlugin.BmpImageFile),
    ("TIFF", re.compile(rb"II[*+]\0|MM\0\*|II\0\*|MM\*\0"), _TiffFile),
    ("GIF", re.compile(rb"GIF8[79]a"), GifImagePlugin.GifImageFile),
)

# What people hand in most often that is not on the list, so that the message can name it.
_OTHERS = (
    (re.compile(rb"%!PS|\xc5\xd0\xd3\xc6"), "a PostScript file"),
    (re.compile(rb"%PDF"), "a PDF"),
    (re.compile(rb"8BPS"), "a Photoshop document"),
    (re.compile(rb"MM\0\+"), "a big-endian BigTIFF"),
    (re.compile(rb"....ftyp(?:hei|hev|mif|msf)", re.DOTALL), "a HEIC photo"),
    (re.compile(rb"....ftypavi", re.DOTALL), "an AVIF image"),
    (re.compile(rb"....ftyp", re.DOTALL), "a video"),
    (re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), "a JPEG 2000 image"),
    (re.compile(rb"PK\x03\x04"), "a zip archive or an office document"),
    (re.compile(rb"\0\0[\x01\x02]\0"), "a Windows icon"),
    (re.compile(rb"P[1-7]\s"), "a PNM image"),
    (re.compile(rb"DDS "), "a DDS texture"),
    (re.compile(rb"\s*(?:\xef\xbb\xbf)?<"), "an HTML, SVG or XML text"),
    (re.compile(rb"\s*[{\[]"), "what looks like JSON"),
)
