"""Image files to pixels: decoding, upright turning, size guards and the content digest.

Everything downstream sees one form only: RGB ``uint8 [H, W, 3]``, upright, as :class:`SourceImage`.
What a file is, is decided by its first bytes and never by its name, from a short list (JPEG, PNG,
WebP, BMP, TIFF, GIF's first frame). Pillow's classes for these six are called directly rather than
through ``Image.open``, for three reasons: no other decoder (EPS would start Ghostscript) can ever be
reached; the size in the header is ours to check, and to name, before a pixel is decoded; and a higher
limit needs no change of ``Image.MAX_IMAGE_PIXELS``, which is one value for every thread.

Pixel values stay as stored. Embedded colour profiles are not applied, as detectors are trained on
files read that way; only what cannot be shown otherwise is converted (CMYK by the plain formula, Lab
through sRGB), and then ``SourceImage.notes`` says so.

Follows EXIF 2.32 (orientation, tag 0x0112), TIFF 6.0 (photometric interpretation, sample format),
PNG 1.2 section 4.2.1 (transparency) and the GIF 89a block structure.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import stat
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
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

from maskrcnn_core.errors import ImageError, InputError

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "IMAGE_SUFFIXES",
    "MAX_FILE_BYTES",
    "MAX_MEGAPIXELS_SETTING",
    "SourceImage",
    "decode_image",
    "encode_jpeg",
    "encode_png",
    "image_format",
    "image_size",
    "one_line",
    "pixel_limit",
    "read_image",
]

DEFAULT_MAX_PIXELS = 50_000_000
"""Pixels an image may have unless told otherwise: 50 MP, the full frame of today's large cameras."""

MAX_MEGAPIXELS_SETTING = "MASKDESK_MAX_MEGAPIXELS"
"""The environment variable that replaces :data:`DEFAULT_MAX_PIXELS`, in millions of pixels."""

MAX_FILE_BYTES = 2**30
"""Bytes a file on disk may have: 1 GiB, far above any real 50 MP image."""

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)
"""Usual endings of readable files, lower case, for scanning folders. The content still decides."""

_BAND_PIXELS = 2**20  # pixels converted at a time: what keeps a 50 MP conversion from needing 1 GB
_MAX_RLE_BYTES = 16 * 2**20  # Pillow expands BMP run lengths in Python: 16 MiB take some seconds
_MAX_JPEG_SCANS = 200  # a progressive JPEG has about 10; each scan is a pass over the whole image
_MAX_TILE_PIXELS = 2**24  # TIFF tiles are decoded whole, even where they hang out of the image
_MAX_FRAMES_COUNTED = 10_000


@dataclass(frozen=True, eq=False)  # arrays have no truth value, so no __eq__
class SourceImage:
    """One decoded image.

    Args:
        name: the file's name as it was given, for people; it need not be unique.
        digest: SHA-256 of the file's bytes in hex: the image's identity, also in caches.
        pixels: uint8 ``[H, W, 3]``, RGB, upright, C-contiguous. Shared between those who hold the
            image, so nobody writes to it.
        format: what the file was, such as ``"JPEG"``.
        notes: what happened to the pixels on the way, each a short clause for people, such as
            ``"transparency laid on white"``.

    Raises:
        ValueError: if the pixels or the digest have another form.
    """

    name: str
    digest: str
    pixels: npt.NDArray[np.uint8]
    format: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        p = self.pixels
        if p.dtype != np.uint8 or p.ndim != 3 or p.shape[2] != 3 or p.size == 0:
            raise ValueError(f"SourceImage.pixels: wanted uint8 [H, W, 3], found {p.dtype} {list(p.shape)}")
        if not p.flags.c_contiguous:
            raise ValueError("SourceImage.pixels: wanted a C-contiguous array, found a strided view")
        if re.fullmatch("[0-9a-f]{64}", self.digest) is None:
            raise ValueError(f"SourceImage.digest: wanted 64 lower-case hex digits, found {self.digest!r}")

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def pixel_limit() -> int:
    """The most pixels an image may have: the setting ``MASKDESK_MAX_MEGAPIXELS``, else 50 million.

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
        raise InputError(f"{MAX_MEGAPIXELS_SETTING}: wanted a number above 0, such as 50, found {text!r}")
    return max(1, int(megapixels * 1_000_000))


def decode_image(data: bytes, name: str, *, max_pixels: int | None = None) -> SourceImage:
    """Decodes an image file held in memory.

    16-bit and deeper grey is scaled to 8 bit from the depth that the file declares; transparency is
    laid on white; the EXIF orientation is applied exactly once. Safe to call from many threads.

    Args:
        data: the whole file.
        name: what the image is called in messages; it does not decide the format.
        max_pixels: replaces :func:`pixel_limit`. WebP above 178 MP is beyond Pillow at any setting.

    Raises:
        ImageError: one sentence, beginning with the name, saying what was found and what helps.
        InputError: if the setting of the pixel limit is not a number.
    """
    limit = pixel_limit() if max_pixels is None else max_pixels
    shown = one_line(name)
    kind = _kind_of(data, shown)
    with _quiet_pillow():
        image = _open(data, kind, shown)
        _check_size(image, kind, shown, limit)
        _check_cost(image, data, kind, shown)
        notes = _origin_notes(image, data, kind)
        orientation = _exif_orientation(image)
        if orientation != 1:
            notes.append("turned upright as its EXIF orientation says")
        with _refusing_damage(shown, kind):
            image.load()
        if kind.name == "TIFF":  # Pillow has turned it while loading, as it does for TIFF alone
            orientation = 1
        pixels = _upright_rgb(image, orientation, data, kind, shown, notes)
    return SourceImage(name, hashlib.sha256(data).hexdigest(), pixels, kind.name, tuple(notes))


def read_image(path: str | Path, *, name: str | None = None, max_pixels: int | None = None) -> SourceImage:
    """Decodes an image file on disk; ``name`` is the file's own name unless given.

    Raises:
        ImageError: if there is no such file, it cannot be read, it is larger than
            :data:`MAX_FILE_BYTES`, or :func:`decode_image` refuses its content.
    """
    path = Path(path)
    name = path.name if name is None else name
    shown = one_line(name)
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):  # a pipe or a device may never end
                raise ImageError(f"{shown}: wanted an image file, found something that is no regular file")
            if facts.st_size > MAX_FILE_BYTES:
                raise ImageError(
                    f"{shown}: wanted a file of at most {MAX_FILE_BYTES / 2**30:g} GiB, "
                    f"found {facts.st_size / 2**30:.1f} GiB; save it smaller or compressed"
                )
            data = file.read(MAX_FILE_BYTES + 1)
    except IsADirectoryError as error:
        raise ImageError(f"{shown}: wanted an image file, found a folder; name the files in it") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(
            f"{shown}: cannot read this file ({one_line(reason)}); check that it exists and may be read"
        ) from error
    return decode_image(data, name, max_pixels=max_pixels)


def image_format(data: bytes, name: str) -> str:
    """What an image file is by its first bytes (64 suffice), such as ``"JPEG"``; nothing is decoded.

    Raises:
        ImageError: if it is none of the formats that :func:`decode_image` reads.
    """
    return _kind_of(data, one_line(name)).name


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """``(height, width)`` of an image file once upright, from its header alone: nothing is decoded.

    Raises:
        ImageError: as :func:`decode_image`, without a limit on the size.
    """
    shown = one_line(name)
    kind = _kind_of(data, shown)
    with _quiet_pillow():
        image = _open(data, kind, shown)
        width, height = image.size
        # a TIFF's size is given upright by Pillow
        swapped = kind.name != "TIFF" and _exif_orientation(image) in (5, 6, 7, 8)
    return (width, height) if swapped else (height, width)


def encode_jpeg(pixels: npt.NDArray[np.uint8], *, quality: int = 90) -> bytes:
    """A JPEG file of uint8 ``[H, W, 3]`` (RGB) or ``[H, W]`` (grey); ``quality`` is 1..95.

    Raises:
        ValueError: for an array of another form.
    """
    return _encode(pixels, (3,), "JPEG", quality=quality)


def encode_png(pixels: npt.NDArray[np.uint8], *, compress_level: int = 6) -> bytes:
    """A PNG file of uint8 ``[H, W, 3]`` (RGB), ``[H, W, 4]`` (RGBA) or ``[H, W]`` (grey).

    Args:
        pixels: the image.
        compress_level: 0 (none, fastest) to 9; 1 is the right one for what is shown and forgotten.

    Raises:
        ValueError: for an array of another form.
    """
    return _encode(pixels, (3, 4), "PNG", compress_level=compress_level)


def one_line(text: str) -> str:
    """``text`` for a one-line message: as it is, with invisible and undecodable characters escaped.

    A newline or a right-to-left mark in a file's name could otherwise make a message say something
    else, and a lone surrogate (a name that is not UTF-8) cannot be printed at all. The joiners
    within emoji and Indic or Arabic words are kept.
    """
    return "".join(
        c if c.isprintable() or c in "\u200c\u200d" else c.encode("unicode_escape").decode() for c in text
    )


def _encode(pixels: npt.NDArray[np.uint8], channels: tuple[int, ...], format: str, **options: int) -> bytes:
    if (
        pixels.dtype != np.uint8
        or pixels.size == 0
        or not (pixels.ndim == 2 or pixels.shape[2:] in [(n,) for n in channels])
    ):
        raise ValueError(
            f"encode {format}: wanted uint8 [H, W] or [H, W, {' or '.join(map(str, channels))}], "
            f"found {pixels.dtype} {list(pixels.shape)}"
        )
    out = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, format, **options)
    return out.getvalue()


# ------------------------------------------------------------------ Pillow, kept quiet and at arm's length

_decoding: ContextVar[bool] = ContextVar("maskdesk_decoding", default=False)


class _ThreadAwareWarnings:
    """Stands in for the ``warnings`` module inside Pillow's decoders.

    Pillow warns about odd metadata in images it reads well ("tag had too many entries"). A person
    cannot act on that, and where warnings are errors a good image would be refused. Python 3.11's
    filters are global, so ``warnings.catch_warnings`` in one thread leaks into the others; this asks
    a context variable instead: silent in a thread that is inside :func:`decode_image`, and as ever
    in all others.
    """

    def __getattr__(self, name: str) -> object:
        return getattr(warnings, name)

    def warn(
        self,
        message: str | Warning,
        category: type[Warning] | None = None,
        stacklevel: int = 1,
        source: object = None,
    ) -> None:
        if not _decoding.get():
            warnings.warn(message, category, stacklevel + 1, source)


for _module in (Image, PngImagePlugin, TiffImagePlugin):
    vars(_module)["warnings"] = _ThreadAwareWarnings()


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    token = _decoding.set(True)
    try:
        yield
    finally:
        _decoding.reset(token)


class _TiffFile(TiffImagePlugin.TiffImageFile):
    """Pillow's TIFF reader without its own pixel limit, which a higher limit of ours must not meet."""

    def load_prepare(self) -> None:
        if self._im is None:  # the memory being there already, Pillow does not check again
            self.im = Image.new(self.mode, self._tile_size).im
        super().load_prepare()


@dataclass(frozen=True)
class _Kind:
    """A kind of file: its name, the regular expression of its first bytes, and Pillow's class for it."""

    name: str
    magic: re.Pattern[bytes]
    reader: Callable[[BytesIO, str], ImageFile.ImageFile]


# JpegImageFile also reads an MPO (several JPEGs one after the other): its first picture. Pillow's own
# MPO class would refuse the picture where only the table of the others is broken.
_KINDS = (
    _Kind("JPEG", re.compile(rb"\xff\xd8\xff"), JpegImagePlugin.JpegImageFile),
    _Kind("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), PngImagePlugin.PngImageFile),
    _Kind("WebP", re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImagePlugin.WebPImageFile),
    _Kind("BMP", re.compile(rb"BM"), BmpImagePlugin.BmpImageFile),
    _Kind("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]|II\0[*+]|MM[*+]\0"), _TiffFile),
    _Kind("GIF", re.compile(rb"GIF8[79]a"), GifImagePlugin.GifImageFile),
)

# What people hand in most often that is not on the list, so that the message can name it.
_OTHERS = (
    (re.compile(rb"%!PS|\xc5\xd0\xd3\xc6"), "a PostScript file"),
    (re.compile(rb"%PDF"), "a PDF"),
    (re.compile(rb"8BPS"), "a Photoshop document"),
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


def _kind_of(data: bytes, shown: str) -> _Kind:
    head = data[:64]
    for kind in _KINDS:
        if kind.magic.match(head):
            return kind
    found = "an empty file" if not data else "none of these"
    found = next((what for magic, what in _OTHERS if magic.match(head)), found)
    raise ImageError(
        f"{shown}: wanted a JPEG, PNG, WebP, BMP, TIFF or GIF image, found {found} (the content decides, "
        f"not the name); save it as PNG or JPEG and try again"
    )


@contextmanager
def _refusing_damage(shown: str, kind: _Kind) -> Iterator[None]:
    """Turns whatever a decoder raises into an ImageError.

    Pillow answers broken files with a dozen exception types (OSError, SyntaxError, struct.error,
    KeyError, zlib.error, AssertionError ...), so nothing narrower than Exception will do; the block
    holds calls into Pillow only, lest our own bugs be blamed on the file.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{shown}: not enough memory to decode this {kind.name}; make it smaller") from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{shown}: this {kind.name} has more pixels than its decoder accepts at any setting; "
            f"make it smaller"
        ) from error
    except Exception as error:
        reason = one_line(str(error)).rstrip(".") or type(error).__name__
        raise ImageError(
            f"{shown}: wanted a whole {kind.name} image, found a damaged, cut short or unsupported one "
            f"({reason[:200]}); copy it anew from its source, or save it again in an image editor"
        ) from error


def _open(data: bytes, kind: _Kind, shown: str) -> ImageFile.ImageFile:
    """The image with its header read and nothing decoded."""
    with _refusing_damage(shown, kind):
        return kind.reader(BytesIO(data), "")


# ------------------------------------------------------------------------------------- guards and facts


def _check_size(image: ImageFile.ImageFile, kind: _Kind, shown: str, limit: int) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"{shown}: wanted an image of at least 1 x 1 pixels, found {width} x {height}")
    if width * height > limit:
        raise ImageError(
            f"{shown}: wanted at most {limit / 1e6:g} megapixels, found {width} x {height} pixels = "
            f"{width * height / 1e6:,.1f} megapixels; make the image smaller, or raise the setting "
            f"{MAX_MEGAPIXELS_SETTING}"
        )


def _check_cost(image: ImageFile.ImageFile, data: bytes, kind: _Kind, shown: str) -> None:
    """Refuses small files of few pixels that still cost minutes or gigabytes to decode."""
    if kind.name == "TIFF" and isinstance(image, _TiffFile):
        with _refusing_damage(shown, kind):
            sides = image.tag_v2.get(322, 0), image.tag_v2.get(323, 0)
        tile = sides[0] * sides[1] if all(isinstance(side, int) for side in sides) else 0
        if tile > max(_MAX_TILE_PIXELS, image.width * image.height):
            raise ImageError(
                f"{shown}: wanted TIFF tiles no larger than the image of {image.width} x {image.height} "
                f"pixels, found tiles of {sides[0]} x {sides[1]}; save it again in an image editor"
            )
    if kind.name == "BMP" and len(data) > _MAX_RLE_BYTES and image.tile and image.tile[0][0] == "bmp_rle":
        raise ImageError(
            f"{shown}: wanted at most {_MAX_RLE_BYTES / 2**20:g} MiB of run-length coded BMP, "
            f"found {len(data) / 2**20:.1f} MiB; save it as PNG"
        )
    if kind.name == "JPEG" and image.info.get("progressive"):
        scans = _jpeg_scans(data)
        if scans > _MAX_JPEG_SCANS:
            raise ImageError(
                f"{shown}: wanted a progressive JPEG of at most {_MAX_JPEG_SCANS} scans, found more, "
                f"as files made to stall a decoder have; save it again in an image editor"
            )


_JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")  # not stuffing, restart or fill


def _jpeg_scans(data: bytes) -> int:
    """The number of scans of a JPEG's first picture, counted up to one above the limit."""
    scans, pos = 0, 2
    while scans <= _MAX_JPEG_SCANS and (found := _JPEG_MARKER.search(data, pos)):
        marker, pos = found[1][0], found.end()
        if marker == 0xD9:  # end of image; what follows are other pictures of an MPO, or a video
            break
        if marker == 0xDA:
            scans += 1
        if marker not in (0x01, 0xD8):  # all others carry their length
            pos += int.from_bytes(data[pos : pos + 2], "big")
    return scans


def _exif_orientation(image: ImageFile.ImageFile) -> int:
    """The orientation, 1..8. Broken EXIF says nothing, and is no reason to refuse a good image."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # the parser raises as many types as the decoders do
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _origin_notes(image: ImageFile.ImageFile, data: bytes, kind: _Kind) -> list[str]:
    """What people should know of the file: that it holds more frames or more depth than is shown."""
    frames = 1
    if kind.name == "GIF":
        frames = _gif_frames(data)
    elif kind.name == "TIFF":
        frames = _tiff_pages(data)
    elif kind.name in ("PNG", "WebP"):
        frames = getattr(image, "n_frames", 1)
    notes = []
    if frames > _MAX_FRAMES_COUNTED:
        notes.append(f"first of more than {_MAX_FRAMES_COUNTED} frames")
    elif frames > 1:
        notes.append(f"first of {frames} frames")
    if kind.name == "PNG" and data[24:25] == b"\x10" and image.mode != "I;16":  # IHDR's bit depth
        notes.append("16 bits a channel reduced to 8")
    return notes


def _gif_frames(data: bytes) -> int:
    """Counts image blocks without decoding them (Pillow's own count has no bound on its time)."""

    def colour_table(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    frames = 0
    try:
        pos = 13 + colour_table(data[10])
        for _ in range(100 * _MAX_FRAMES_COUNTED):  # a bound on the blocks of a file made to stall
            if data[pos] == 0x2C:  # an image: its descriptor, then its sub-blocks
                frames += 1
                pos += 11 + colour_table(data[pos + 9])
            elif data[pos] == 0x21:  # an extension: its label, then its sub-blocks
                pos += 2
            else:
                break
            pos = _after_sub_blocks(data, pos)
    except IndexError:
        pass  # cut short: what was seen until here counts
    return frames


def _after_sub_blocks(data: bytes, pos: int) -> int:
    """The position after a GIF's chain of sub-blocks of up to 255 bytes."""
    for _ in range(100 * _MAX_FRAMES_COUNTED):
        if not data[pos]:
            return pos + 1
        pos += data[pos] + 1
    raise IndexError("more sub-blocks than any real image has")


def _tiff_pages(data: bytes) -> int:
    """Follows the chain of image file directories, which may be cut short or run in a circle."""
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    first, count, entry, link = (8, "Q", 20, "Q") if big else (4, "H", 12, "L")
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(order + link, data, first)
        while offset and offset not in seen and len(seen) <= _MAX_FRAMES_COUNTED:
            (entries,) = struct.unpack_from(order + count, data, offset)
            seen.add(offset)
            (offset,) = struct.unpack_from(
                order + link, data, offset + struct.calcsize(count) + entry * entries
            )
    except (struct.error, OverflowError):
        pass
    return len(seen)


# -------------------------------------------------------------------------------------- modes to RGB

_Band = npt.NDArray[np.uint8]  # uint8 [h, W, 3], or [h, W, 1] for grey: what fits into h rows of RGB


def _upright_rgb(
    image: ImageFile.ImageFile, orientation: int, data: bytes, kind: _Kind, shown: str, notes: list[str]
) -> npt.NDArray[np.uint8]:
    """Converts a loaded image band by band, straight into its upright place.

    A whole 50 MP image converted at once, laid on white and then turned would exist four times.
    Appends to ``notes`` what the conversion did.
    """
    to_rgb = _converter(image, data, kind, shown, notes)
    width, height = image.size
    turned = orientation in (5, 6, 7, 8)
    upright = np.empty((width, height, 3) if turned else (height, width, 3), np.uint8)
    stored = _as_stored(upright, orientation)
    for top, band in _bands(image):
        with _refusing_damage(shown, kind):
            stored[top : top + band.height] = to_rgb(band)
    return upright


def _as_stored(upright: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """A view of the upright array in the orientation in which the file stores its rows."""
    match orientation:
        case 2:
            return upright[:, ::-1]
        case 3:
            return upright[::-1, ::-1]
        case 4:
            return upright[::-1]
        case 5:
            return upright.transpose(1, 0, 2)
        case 6:
            return np.rot90(upright, 1)
        case 7:
            return upright[::-1, ::-1].transpose(1, 0, 2)
        case 8:
            return np.rot90(upright, -1)
    return upright


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """``(top row, rows)`` from top to bottom, each of about a million pixels."""
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _converter(
    image: ImageFile.ImageFile, data: bytes, kind: _Kind, shown: str, notes: list[str]
) -> Callable[[Image.Image], _Band]:
    """The function that turns bands of this image into RGB; it is chosen once for all bands."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _deep_grey(image, kind, shown, notes)
    if image.has_transparency_data:
        if kind.name == "BMP" and image.getchannel("A").getextrema() == (0, 0):
            # 32-bit BMPs mostly leave the fourth byte 0; read as alpha, nothing would be seen
            return lambda band: np.asarray(band)[:, :, :3]
        _scale_transparent_colour(image, data, kind)
        if _has_transparent_pixel(image, shown, kind):
            notes.append("transparency laid on white")
        return _on_white
    if mode == "CMYK":  # Adobe's inverted JPEGs come upright from Pillow
        notes.append("CMYK converted without its colour profile")
    elif mode == "LAB":
        notes.append("Lab colours converted to sRGB")
    return lambda band: np.asarray(band.convert("RGB"))


def _rgba(band: Image.Image) -> Image.Image:
    """Pillow has no direct way from premultiplied grey (``La``)."""
    return (band.convert("LA") if band.mode == "La" else band).convert("RGBA")


def _has_transparent_pixel(image: ImageFile.ImageFile, shown: str, kind: _Kind) -> bool:
    """Many screenshots carry an alpha channel that is opaque all over: nothing to note."""
    with _refusing_damage(shown, kind):
        return any(np.asarray(_rgba(band))[:, :, 3].min() < 255 for _, band in _bands(image))


def _on_white(band: Image.Image) -> _Band:
    rgba = np.asarray(_rgba(band))
    alpha = rgba[:, :, 3:].astype(np.uint16)
    if alpha.min() == 255:
        return rgba[:, :, :3]
    mixed: npt.NDArray[np.uint16] = (rgba[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)


def _scale_transparent_colour(image: ImageFile.ImageFile, data: bytes, kind: _Kind) -> None:
    """A PNG names its transparent colour in its own depth; Pillow's pixels have 8 bit by now."""
    colour = image.info.get("transparency")
    if kind.name != "PNG" or image.mode not in ("L", "RGB") or colour is None:
        return
    depth = data[24]
    scaled = [
        value >> 8 if depth == 16 else value * 255 // (2**depth - 1)
        for value in (colour if isinstance(colour, tuple) else (colour,))
    ]
    image.info["transparency"] = tuple(scaled) if len(scaled) > 1 else scaled[0]


def _deep_grey(
    image: ImageFile.ImageFile, kind: _Kind, shown: str, notes: list[str]
) -> Callable[[Image.Image], _Band]:
    """Scales grey of more than 8 bit to 0..255.

    Pillow's ``convert`` would cut values off at 255 and show a 16-bit image all white. Integers
    are scaled by their depth, not by their brightest pixel, so that images of one series stay
    comparable. TIFF adds what Pillow leaves out: white-is-zero and the declared largest value.
    """
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    values = _values_of(image, tags)
    darkest, brightest = _extremes(image, values)
    if image.mode == "F":
        black, white, note = _float_range(darkest, brightest, shown)
    else:
        black, white, note = _integer_range(darkest, brightest, image.mode, tags)
    notes.append(note)
    if tags.get(262) == 0:  # PhotometricInterpretation WhiteIsZero
        black, white = white, black
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        notes.append("transparency laid on white")

    def convert(band: Image.Image) -> _Band:
        stored = values(band)
        grey = np.clip(np.rint((stored.astype(np.float64) - black) * (255 / (white - black))), 0, 255)
        if isinstance(transparent, int):
            grey[stored == transparent] = 255
        return grey.astype(np.uint8)[:, :, None]

    return convert


def _values_of(
    image: ImageFile.ImageFile, tags: Mapping[int, object]
) -> Callable[[Image.Image], npt.NDArray[Any]]:
    """Reads a band's numbers; unsigned 32-bit ones reach Pillow's signed mode wrapped around."""
    unsigned = image.mode == "I" and _first(tags.get(339), 1) == 1 and _first(tags.get(258), 0) == 32

    def values(band: Image.Image) -> npt.NDArray[Any]:
        stored = np.asarray(band)
        return stored.view(np.uint32) if unsigned else stored

    return values


def _extremes(
    image: ImageFile.ImageFile, values: Callable[[Image.Image], npt.NDArray[Any]]
) -> tuple[float, float]:
    """The smallest and largest value; NaN if any is NaN."""
    each = [(band.min(), band.max()) for band in (values(band) for _, band in _bands(image))]
    lows, highs = zip(*each, strict=True)
    return float(np.min(lows)), float(np.max(highs))


def _integer_range(
    darkest: float, brightest: float, mode: str, tags: Mapping[int, object]
) -> tuple[float, float, str]:
    """The values that become 0 and 255, and a note.

    16-bit modes: the bits per sample of a TIFF (12-bit cameras), else 16. Mode ``I`` is what Pillow
    makes of signed 16 bits, read as such, and of 32 bits: there the smallest of 8, 16, 31 and 32
    bits that holds the brightest pixel counts, as programs store small numbers in wide types. With
    negative values zero becomes mid-grey. A declared largest value (tag 281) takes precedence if no
    pixel exceeds it.
    """
    declared_bits = _first(tags.get(258), 16)
    if mode != "I":
        bits = declared_bits if 1 <= declared_bits <= 16 else 16
    elif darkest < 0:
        reach = max(brightest, -darkest - 1)
        bits = 15 if declared_bits == 16 else next(b for b in (7, 15, 31) if reach < 2**b)
        return -(2.0**bits), 2.0**bits - 1, f"signed {bits + 1}-bit grey scaled to 8 bit"
    else:
        bits = 15 if declared_bits == 16 else next(b for b in (8, 16, 31, 32) if brightest < 2**b)
    white = 2**bits - 1
    declared = _first(tags.get(281), 0)
    if max(brightest, 1) <= declared < white:
        white = declared
    return 0.0, float(white), f"{bits}-bit grey scaled to 8 bit"


def _float_range(darkest: float, brightest: float, shown: str) -> tuple[float, float, str]:
    """The values that become 0 and 255, and a note.

    Floats declare no range. Two are customary, 0..1 and 0..255; values within one of them are taken
    to be in it (an image of 0..255 with nothing above 1 is as good as black). All others are
    stretched from their smallest to their largest value.
    """
    if not (math.isfinite(darkest) and math.isfinite(brightest)):
        raise ImageError(
            f"{shown}: wanted finite pixel values, found NaN or infinity; replace them and save it again"
        )
    if darkest >= 0 and brightest <= 1:
        return 0.0, 1.0, "floating-point grey of 0 to 1 scaled to 8 bit"
    if darkest >= 0 and brightest <= 255:
        return 0.0, 255.0, "floating-point grey of 0 to 255 rounded to 8 bit"
    if darkest == brightest:
        return darkest - 1, darkest + 1, "floating-point grey of a single value shown as mid-grey"
    return darkest, brightest, f"floating-point grey of {darkest:.4g} to {brightest:.4g} stretched to 8 bit"


def _first(value: object, default: int) -> int:
    """The first number of a TIFF tag, which may hold one, several, or something else when broken."""
    if isinstance(value, tuple) and value:
        value = value[0]
    return value if isinstance(value, int) else default
