"""Opens what is read by windows: the one table of readers, and which files need one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.guards import pixel_limit
from maskrcnn_core.images.microscopes.table import is_microscope_file
from maskrcnn_core.images.stretch import Stretch
from maskrcnn_core.slides.openslide_source import (
    OPENSLIDE_SUFFIXES,
    OpenSlideSource,
    openslide_reads,
    size_by_openslide,
)
from maskrcnn_core.slides.tables import is_tiff
from maskrcnn_core.slides.tiff_slide import TiffSlide, size_of_tiff

__all__ = ["SLIDE_SUFFIXES", "WINDOW_SUFFIXES", "Slide", "is_for_windows", "open_slide"]

Slide = TiffSlide | OpenSlideSource
"""What :func:`open_slide` gives."""

SLIDE_SUFFIXES = frozenset({".svs", ".btf", ".tf8"}) | OPENSLIDE_SUFFIXES
"""Usual endings of slides that no other image has, lower case, for scanning folders."""

WINDOW_SUFFIXES = SLIDE_SUFFIXES | {".tif", ".tiff"}
"""Usual endings of files that may be read by windows, lower case: the limit of pixels is not for these."""

_HEAD = 16


@dataclass(frozen=True)
class _Reader:
    """A row of the table.

    Args:
        reads: whether it is for a file with this path and these first bytes.
        open: opens it, given its path, its name and how deep slides are stretched.
    """

    reads: Callable[[Path, bytes], bool]
    open: Callable[[Path, str, Stretch], Slide]


_READERS = (
    _Reader(
        lambda path, _: path.suffix.lower() in OPENSLIDE_SUFFIXES and openslide_reads(path),
        lambda path, name, _: OpenSlideSource(path, name),
    ),
    _Reader(lambda _, head: is_tiff(head), TiffSlide),
    _Reader(lambda path, _: openslide_reads(path), lambda path, name, _: OpenSlideSource(path, name)),
)


def open_slide(path: str | Path, name: str | None = None, stretch: Stretch = "auto") -> Slide:
    """Open a file that is read by windows; nothing of its pixels is decoded, but for some of a deep one.

    Args:
        path: of the file, which stays open.
        name: what messages call it; the file's own name unless given.
        stretch: whether 16-bit grey that uses little of its range is stretched.

    Raises:
        ImageError: if it is none, is damaged, or cannot be read by windows; the message says what helps.
    """
    path = Path(path)
    name = path.name if name is None else name
    head = _head_of(path)
    for reader in _READERS:
        if reader.reads(path, head):
            return reader.open(path, name, stretch)
    if path.suffix.lower() in OPENSLIDE_SUFFIXES:
        raise ImageError(
            f"{one_line(name)}: this kind of slide is read by OpenSlide, which is not installed or does not "
            'know the file; pip install "maskdesk[slides]", or save it as a tiled TIFF'
        )
    raise ImageError(
        f"{one_line(name)}: expected a slide that is read by windows (tiled or striped TIFF, SVS, OME-TIFF), "
        "got another kind of file (the content decides, not the name); save it as a tiled TIFF"
    )


def is_for_windows(path: str | Path) -> bool:
    """Return whether a file is too large to be decoded whole and of a kind that is read by windows.

    Only its tables are looked at; whether it can be read, and what helps, :func:`open_slide` says. Files of
    fewer pixels than the limit of images are images, but for those that only OpenSlide reads.
    """
    path = Path(path)
    head = _head_of(path)
    if is_microscope_file(head):  # a scanner's slide and a microscope's stack may both be CZI files
        size = size_by_openslide(path)
    elif path.suffix.lower() in OPENSLIDE_SUFFIXES:
        return True
    else:
        size = size_of_tiff(path) if is_tiff(head) else None
    return size is not None and size[0] * size[1] > pixel_limit()


def _head_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD) if path.is_file() else b""
    except (OSError, ValueError):  # whoever reads it says what is the matter
        return b""
