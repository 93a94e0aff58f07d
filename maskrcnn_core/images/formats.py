"""What an image file is, by its first bytes, and the one Pillow reader that may open it.

Pillow's classes for these formats are called directly rather than through ``Image.open``, for three
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
from typing import Any

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.kinds import HEAD, other_kind
from maskrcnn_core.images.microscopes.table import MICROSCOPE_SUFFIXES, MICROSCOPES, open_microscope_file
from maskrcnn_core.images.tiff import TiffFile, Unreadable

__all__ = ["FORMATS_SAID", "HEAD", "IMAGE_SUFFIXES", "EncodedImage", "identify"]

IMAGE_SUFFIXES = frozenset(
    {
        *(
            ".avif",
            ".bmp",
            ".gif",
            ".heic",
            ".heif",
            ".hif",
            ".jfif",
            ".jpe",
            ".jpeg",
            ".jpg",
            ".mpo",
            ".png",
        ),
        *(".tif", ".tiff", ".webp"),
        *MICROSCOPE_SUFFIXES,
    }
)
"""Usual endings of readable files, lower case, for scanning folders. The content still decides."""

_Reader = Callable[[BytesIO, str], ImageFile.ImageFile]


@dataclass(frozen=True)
class EncodedImage:
    """An image file of a known format, not decoded.

    Args:
        shown: the file's name on one line, as messages begin with it.
        data: the whole file (:func:`identify` is content with its first 64 bytes, and names what is
            no image by the first :data:`~maskrcnn_core.images.kinds.HEAD`).
        format: ``"JPEG"``, ``"PNG"``, ``"WebP"``, ``"BMP"``, ``"TIFF"``, ``"GIF"``, ``"AVIF"``, ``"HEIC"``,
            or that of one of the :data:`~maskrcnn_core.images.microscopes.table.MICROSCOPES`.
        reader: Pillow's class for it.
    """

    shown: str
    data: bytes = field(repr=False)
    format: str
    reader: _Reader

    def open(self) -> ImageFile.ImageFile:
        """Return Pillow's image with its header read and no pixel decoded, in the stored orientation.

        Raises:
            ImageError: as :meth:`refusing_damage`.
        """
        with self.refusing_damage():
            return self.reader(BytesIO(self.data), "")

    @contextmanager
    def refusing_damage(self) -> Iterator[None]:
        """Turn whatever a decoder raises into an ImageError.

        Pillow answers broken files with a dozen exception types (OSError, SyntaxError, struct.error,
        KeyError, zlib.error, AssertionError ...), so nothing narrower than Exception will do; the
        block holds calls into Pillow only, so that our own bugs are not blamed on the file.
        """
        try:
            yield
        except ImageError:
            raise
        except Unreadable as error:
            raise ImageError(f"{self.shown}: {error}") from error
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
                f"{self.shown}: expected a whole {self.format} image, got a damaged, cut short or "
                f"unsupported one ({reason[:200]}); copy it from its source again, or save it again in "
                f"an image editor"
            ) from error


def identify(data: bytes, name: str) -> EncodedImage:
    """Tell by its first 64 bytes what an image file is; ``name`` is for messages only.

    Raises:
        ImageError: if it is none of these formats; the message names what it is where it can (by up to
            :data:`~maskrcnn_core.images.kinds.HEAD` bytes), and what helps.
    """
    head, shown = data[:64], one_line(name)
    for format, magic, reader in _FORMATS:
        if magic.match(head) and not _OTHER_BESIDE[format].match(head):
            return EncodedImage(shown, data, format, reader)
    kind = other_kind(data)
    found = "an empty file" if not data else "none of these" if kind is None else kind.name
    helps = "save it as PNG or JPEG and try again" if kind is None else kind.helps
    raise ImageError(
        f"{shown}: expected a {FORMATS_SAID} image, got {found} (the content decides, not the name); {helps}"
    )


class _JpegFile(JpegImagePlugin.JpegImageFile):
    """Pillow's JPEG reader, which also reads an MPO (several JPEGs one after the other): its first
    picture. Pillow's own MPO class would refuse the picture where only the table of the others is broken.
    """

    def _read_dpi_from_exif(self) -> None:
        """Read no resolution: nobody here asks for it, and its tags may hold millions of values."""


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


class _AvifFile(AvifImagePlugin.AvifImageFile):
    """Pillow's AVIF reader for the first frame only."""

    def load(self) -> Any:
        is_first = bool(self.tile)
        loaded = super().load()
        if is_first:
            self._decoder = None  # its frame and its file would stay
            self.fp = None
        return loaded


def _heic_file(file: BytesIO, name: str) -> ImageFile.ImageFile:
    """Return pillow-heif's reader (libheif), imported on demand because that takes a third of a second."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise Unreadable(
            "expected another format, got a HEIC photo, which needs the package pillow-heif; "
            "install it with 'pip install pillow-heif', or save the photo as JPEG"
        ) from error
    reader: _Reader = HeifImageFile
    return reader(file, name)


# Pillow takes a big-endian BigTIFF for a classic one, so that is not on the list. Of HEIF's containers the
# general brands (mif1, msf1) hold AVIF where their compatible brands say so.
_FORMATS: tuple[tuple[str, re.Pattern[bytes], _Reader], ...] = (
    ("JPEG", re.compile(rb"\xff\xd8\xff"), _JpegFile),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), _PngFile),
    ("WebP", re.compile(rb"RIFF....WEBP", re.DOTALL), _WebPFile),
    ("BMP", re.compile(rb"BM"), BmpImagePlugin.BmpImageFile),
    ("TIFF", re.compile(rb"II[*+]\0|MM\0\*|II\0\*|MM\*\0"), TiffFile),
    ("GIF", re.compile(rb"GIF8[79]a"), GifImagePlugin.GifImageFile),
    ("AVIF", re.compile(rb"....ftyp(?:avi[fs]|m[is]f1.{4}(?:.{4})*?avi[fs])", re.DOTALL), _AvifFile),
    ("HEIC", re.compile(rb"....ftyp(?:he[iv][cxmsf]|m[is]f1)", re.DOTALL), _heic_file),
    *((one.format, one.magic, open_microscope_file) for one in MICROSCOPES),
)

_NAMES = [name for name, _, _ in _FORMATS]
FORMATS_SAID = f"{', '.join(_NAMES[:-1])} or {_NAMES[-1]}"
"""The formats that are read, for sentences."""

# What begins like a format and is another one.
_NEVER = re.compile(rb"(?!)")
_OTHER_BESIDE = {format: _NEVER for format, _, _ in _FORMATS} | {
    "TIFF": re.compile(rb"II\*\0.{4}CR", re.DOTALL)
}
