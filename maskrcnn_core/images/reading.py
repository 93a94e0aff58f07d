"""Image files to pixels and back: decoding, upright turning, size guards and the content digest.

Everything downstream sees one form only: RGB ``uint8 [H, W, 3]``, upright, as :class:`SourceImage`.
What a file is, is decided by its first bytes and never by its name, from a short list (JPEG, PNG,
WebP, BMP, TIFF, AVIF, HEIC, GIF's first frame): :mod:`maskrcnn_core.images.formats`. What its tables say
and what is refused for it are in :mod:`maskrcnn_core.images.headers` and :mod:`maskrcnn_core.images.guards`;
how each mode of pixels becomes RGB is in :mod:`maskrcnn_core.images.modes`.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.formats import HEAD, IMAGE_SUFFIXES, EncodedImage, identify
from maskrcnn_core.images.guards import (
    DEFAULT_MAX_PIXELS,
    MAX_MEGAPIXELS_SETTING,
    check_cost,
    check_size,
    check_tables,
    pixel_limit,
)
from maskrcnn_core.images.headers import description_of, exif_orientation, frames_note, origin_notes
from maskrcnn_core.images.modes import upright_rgb
from maskrcnn_core.images.seen import seen_facts
from maskrcnn_core.images.stretch import STRETCHES, Stretch

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "HEAD_BYTES",
    "IMAGE_SUFFIXES",
    "MAX_FILE_BYTES",
    "MAX_MEGAPIXELS_SETTING",
    "STRETCHES",
    "SourceImage",
    "Stretch",
    "cut_to",
    "decode_image",
    "encode_jpeg",
    "encode_png",
    "image_format",
    "image_size",
    "is_upright",
    "one_line",
    "pixel_limit",
    "read_file",
    "read_image",
    "read_values",
    "thumbnail_jpeg",
]

HEAD_BYTES = HEAD
"""Bytes from a file's beginning by which :func:`image_format` names whatever can be named."""

MAX_FILE_BYTES = 2**30
"""Bytes a file on disk may have: 1 GiB, far above any real 50 MP image."""


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
        is_dim: it is deep and uses little of its range: ``stretch`` decides how it looks.
        view: what of a stack it is, as text (:class:`maskrcnn_core.microscopy.views.View`); else empty.
        pixel_um: width and height of a pixel in micrometres, where that is known.

    Raises:
        ValueError: if the pixels or the digest have another form.
    """

    name: str
    digest: str
    pixels: npt.NDArray[np.uint8]
    format: str
    notes: tuple[str, ...] = ()
    is_dim: bool = False
    view: str = ""
    pixel_um: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        p = self.pixels
        if p.dtype != np.uint8 or p.ndim != 3 or p.shape[2] != 3 or p.size == 0:
            raise ValueError(f"SourceImage.pixels: expected uint8 [H, W, 3], got {p.dtype} {list(p.shape)}")
        if not p.flags.c_contiguous:
            raise ValueError("SourceImage.pixels: expected a C-contiguous array, got a strided view")
        if re.fullmatch("[0-9a-f]{64}", self.digest) is None:
            raise ValueError(f"SourceImage.digest: expected 64 lower-case hex digits, got {self.digest!r}")

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def decode_image(
    data: bytes, name: str, *, max_pixels: int | None = None, stretch: Stretch = "auto"
) -> SourceImage:
    """Decode an image file held in memory.

    What is deeper than 8 bit is scaled from the depth that the file declares, or stretched where it uses
    little of that (:mod:`maskrcnn_core.images.stretch`); transparency is laid on white; the EXIF orientation
    is applied exactly once. Safe to call from many threads.

    Args:
        data: the whole file.
        name: what the image is called in messages; it does not decide the format.
        max_pixels: replaces :func:`pixel_limit`. WebP above 178 MP is beyond Pillow at any setting.
        stretch: ``"off"`` leaves deep pictures as dark as their depth makes them.

    Raises:
        ImageError: one sentence, beginning with the name, saying what was found and what helps.
        InputError: if the setting of the pixel limit is not a number.
    """
    limit = pixel_limit() if max_pixels is None else max_pixels
    source = identify(data, name)
    image = _open(source)
    check_size(image, source, limit)
    check_cost(image, source)
    notes = origin_notes(image, source)
    with source.refusing_damage():
        image.load()
    check_size(image, source, limit)  # a HEIC may turn out to have another size
    orientation = exif_orientation(image, source)
    if orientation != 1:
        notes.append("turned upright according to its EXIF orientation")
    pixels, changes = upright_rgb(image, orientation, source, stretch)
    digest = hashlib.sha256(data).hexdigest()
    seen = seen_facts(description_of(image))
    view, pixel_um = ("", None) if seen is None else (seen.view, seen.pixel_um)
    notes += changes
    return SourceImage(name, digest, pixels, source.format, tuple(notes), changes.is_dim, view, pixel_um)


def read_image(
    path: str | Path,
    *,
    name: str | None = None,
    max_pixels: int | None = None,
    stretch: Stretch = "auto",
) -> SourceImage:
    """Decode an image file on disk; ``name`` is the file's own name unless given.

    ``max_pixels`` and ``stretch`` are as in :func:`decode_image`.

    Raises:
        ImageError: if there is no such file, it cannot be read, it is larger than
            :data:`MAX_FILE_BYTES`, or :func:`decode_image` refuses its content.
    """
    name = Path(path).name if name is None else name
    return decode_image(read_file(path, name), name, max_pixels=max_pixels, stretch=stretch)


def read_file(path: str | Path, name: str) -> bytes:
    """Return the bytes of an image file on disk, as long as :func:`read_image` takes.

    Args:
        path: the file.
        name: what messages call it.

    Raises:
        ImageError: if there is no such file, it cannot be read, or is larger than :data:`MAX_FILE_BYTES`.
    """
    shown = one_line(name)
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):  # a pipe or a device may never end
                raise ImageError(f"{shown}: expected an image file, got something that is not a regular file")
            if facts.st_size > MAX_FILE_BYTES:
                raise ImageError(
                    f"{shown}: expected a file of at most {MAX_FILE_BYTES / 2**30:g} GiB, "
                    f"got {facts.st_size / 2**30:.1f} GiB; save it smaller or compressed"
                )
            return file.read(facts.st_size + 1)  # it asks for all of that memory before it reads
    except IsADirectoryError as error:
        raise ImageError(f"{shown}: expected an image file, got a folder; name the files in it") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(
            f"{shown}: cannot read this file ({one_line(reason)}); check that it exists and may be read"
        ) from error


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: opening a pipe would otherwise wait for its writer, perhaps forever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has no such pipes


def image_format(data: bytes, name: str) -> str:
    """Return what an image file is by its first bytes (:data:`HEAD_BYTES` suffice), such as ``"JPEG"``.

    Nothing is decoded.

    Raises:
        ImageError: if it is none of the formats that :func:`decode_image` reads.
    """
    return identify(data, name).format


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """Return ``(height, width)`` of an image file once upright, from its header alone: nothing is decoded.

    Raises:
        ImageError: as :func:`decode_image`, without a limit on the size.
    """
    source = identify(data, name)
    image = _open(source)
    width, height = image.size
    return (width, height) if exif_orientation(image, source) in (5, 6, 7, 8) else (height, width)


def read_values(data: bytes, name: str) -> npt.NDArray[np.generic]:
    """Return the numbers that an image file holds, ``[H, W]`` or ``[H, W, bands]``, as they lie in it.

    For pictures whose numbers mean something: those of a palette stay numbers, deep ones keep their depth.

    Raises:
        ImageError: as :func:`decode_image`.
    """
    source = identify(data, name)
    image = _open(source)
    check_size(image, source, pixel_limit())
    check_cost(image, source)
    with source.refusing_damage():
        image.load()
        return np.asarray(image)


def frames_in(data: bytes, name: str) -> str:
    """Return how many frames or pages a file has of which the first is read; empty if it is the only one.

    Raises:
        ImageError: as :func:`decode_image`, without a limit on the size.
    """
    source = identify(data, name)
    return frames_note(_open(source), source)


def is_upright(data: bytes, name: str) -> bool:
    """Return whether an image file is shown as its pixels lie in it: no tag says that it is to be turned.

    Raises:
        ImageError: as :func:`decode_image`, without a limit on the size.
    """
    source = identify(data, name)
    return exif_orientation(_open(source), source) == 1


def encode_jpeg(pixels: npt.NDArray[np.uint8], *, quality: int = 90) -> bytes:
    """Return a JPEG file of uint8 ``[H, W, 3]`` (RGB) or ``[H, W]`` (grey); ``quality`` is 1..95.

    Raises:
        ValueError: for an array of another form.
    """
    return _encode(pixels, (3,), "JPEG", quality=quality)


def thumbnail_jpeg(pixels: npt.NDArray[np.uint8], side: int) -> bytes:
    """Return a small JPEG of uint8 ``[H, W, 3]``, neither side longer than ``side`` pixels."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side))
    return encode_jpeg(np.asarray(picture), quality=80)


def cut_to(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> bytes:
    """Return a JPEG of the middle of uint8 ``[H, W, 3]``, of exactly ``size`` (height, width) in pixels."""
    picture = ImageOps.fit(Image.fromarray(pixels), (size[1], size[0]), Image.Resampling.BOX)
    return encode_jpeg(np.asarray(picture), quality=85)


def encode_png(pixels: npt.NDArray[np.uint8], *, compress_level: int = 6) -> bytes:
    """Return a PNG file of uint8 ``[H, W, 3]`` (RGB), ``[H, W, 4]`` (RGBA) or ``[H, W]`` (grey).

    Args:
        pixels: the image.
        compress_level: 0 (none, fastest) to 9; 1 is the right one for what is shown and forgotten.

    Raises:
        ValueError: for an array of another form.
    """
    return _encode(pixels, (3, 4), "PNG", compress_level=compress_level)


def _open(source: EncodedImage) -> ImageFile.ImageFile:
    check_tables(source)
    return source.open()


def _encode(pixels: npt.NDArray[np.uint8], channels: tuple[int, ...], format: str, **options: int) -> bytes:
    if (
        pixels.dtype != np.uint8
        or pixels.size == 0
        or not (pixels.ndim == 2 or pixels.shape[2:] in [(n,) for n in channels])
    ):
        raise ValueError(
            f"encode {format}: expected uint8 [H, W] or [H, W, {' or '.join(map(str, channels))}], "
            f"got {pixels.dtype} {list(pixels.shape)}"
        )
    out = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, format, **options)
    return out.getvalue()
