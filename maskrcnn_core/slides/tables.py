"""The tables of a TIFF, looked through before any library makes objects of them.

A few bytes can claim a billion tiles, a chain of directories that runs in a circle, or a tag of gigabytes.
Here all directories are walked, those within others (SubIFDs) as well, and what no real slide has is refused.
Follows TIFF 6.0 (section 2), BigTIFF (https://www.awaresystems.be/imaging/tiff/bigtiff.html) and TIFF/EP for
SubIFDs.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import NoReturn, Protocol

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ImageError

__all__ = [
    "MAX_PARTS",
    "MAX_SIDE",
    "BytesFile",
    "Readable",
    "SlideFile",
    "check_tables",
    "damaged_tiff",
    "is_tiff",
]

MAX_SIDE = 2**20
"""Pixels: five times the widest slides of today's scanners."""
MAX_PARTS = 2**22
"""Tiles or strips of a level: a picture of 500,000 x 500,000 pixels in tiles of 256 x 256."""

_MAX_DIRECTORIES = 4096
_MAX_TAGS = 4096
_MAX_TEXT = 64 * 2**20  # OME-XML of a plate with thousands of planes has some megabytes
_MAX_VALUES = 2**18  # a 16-bit colour map has 196,608
_MAX_SUB_IFDS = 64

_SUB_IFDS = 330
_PARTS = (273, 279, 324, 325)  # offsets and byte counts of strips and tiles
_OPAQUE_TYPES = (1, 2, 7)  # BYTE, ASCII, UNDEFINED
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}


class Readable(Protocol):
    """Bytes that are read at any place."""

    @property
    def shown(self) -> str:
        """What messages call it."""

    def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset`` on; fewer at the end."""


@dataclass(frozen=True)
class BytesFile:
    """A file that is in memory.

    Args:
        data: the whole file.
        shown: what messages call it.
    """

    data: bytes
    shown: str

    def read(self, offset: int, length: int) -> bytes:
        """See :meth:`Readable.read`."""
        return self.data[offset : offset + max(0, length)] if offset >= 0 else b""


class SlideFile:
    """An open file, read at any place by several threads at once.

    Args:
        path: of the file.
        name: what messages call it.

    Raises:
        ImageError: if it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], name: str) -> None:
        self.shown = one_line(name)
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError(
                f"{self.shown}: cannot read this file ({one_line(reason)}); check that it exists and "
                "may be read"
            ) from error
        self.size = os.fstat(self._file).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset`` on; fewer at the file's end, none outside of it.

        Raises:
            OSError: as the system says.
        """
        if not 0 <= offset < self.size:  # a damaged table may name a place that no system call takes
            return b""
        return os.pread(self._file, max(0, min(length, self.size - offset)), offset)

    def close(self) -> None:
        """Close it; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self.close()


def damaged_tiff(shown: str, error: Exception) -> ImageError:
    """Return what is to be said of a file in whose tables tifffile ran into something.

    Args:
        shown: the file's name, on one line.
        error: what tifffile raised.
    """
    reason = one_line(str(error)).rstrip(".") or type(error).__name__
    return ImageError(
        f"{shown}: expected a whole TIFF, got a damaged or unusual one ({reason[:200]}); copy it from its "
        "source again"
    )


def is_tiff(head: bytes) -> bool:
    """Return whether a file that begins so is a TIFF, classic or BigTIFF, in either byte order."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def check_tables(file: Readable) -> None:
    """Walk all directories of a TIFF and refuse what would cost much before a pixel is asked for.

    Raises:
        ImageError: saying what was expected and found.
    """
    head = file.read(0, 16)
    layout = _Layout.of(head)
    if layout is None:
        raise ImageError(
            f"{file.shown}: expected a TIFF or BigTIFF, got another or a damaged file; copy it again"
        )
    waiting, seen = [layout.number(head, layout.first)], set[int]()
    while waiting:
        offset = waiting.pop()
        while offset and offset not in seen:
            seen.add(offset)
            if len(seen) > _MAX_DIRECTORIES:
                _refuse(file, f"at most {_MAX_DIRECTORIES:,} directories in a TIFF", "more")
            offset = _check_directory(file, layout, offset, waiting)


@dataclass(frozen=True)
class _Layout:
    """How numbers lie in a TIFF.

    Args:
        order: ``<`` or ``>``, as struct takes it.
        is_big: whether it is a BigTIFF.
    """

    order: str
    is_big: bool

    @classmethod
    def of(cls, head: bytes) -> _Layout | None:
        if len(head) < 16 or not is_tiff(head):
            return None
        return cls("<" if head[:2] == b"II" else ">", b"+" in head[2:4])

    @property
    def first(self) -> int:
        return 8 if self.is_big else 4

    @property
    def offset_size(self) -> int:
        return 8 if self.is_big else 4

    @property
    def count_size(self) -> int:
        return 8 if self.is_big else 2

    @property
    def entry(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ8s" if self.is_big else "HHI4s"))

    def number(self, data: bytes, at: int = 0, size: int | None = None) -> int:
        """Return an unsigned number; 0 where the file has ended."""
        part = data[at : at + (size or self.offset_size)]
        return int.from_bytes(part, "little" if self.order == "<" else "big") if part else 0


def _check_directory(file: Readable, layout: _Layout, offset: int, waiting: list[int]) -> int:
    """Check a directory, note those within it, and return where the next one is; 0 for none."""
    count = layout.number(file.read(offset, layout.count_size), 0, layout.count_size)
    if count > _MAX_TAGS:
        _refuse(file, f"at most {_MAX_TAGS:,} tags in a directory of a TIFF", f"{count:,}")
    begin = offset + layout.count_size
    rows = file.read(begin, count * layout.entry.size)
    rows = rows[: len(rows) // layout.entry.size * layout.entry.size]
    for tag, type_, values, field in layout.entry.iter_unpack(rows):
        _check_tag(file, tag, type_, values)
        if tag == _SUB_IFDS:
            if values > _MAX_SUB_IFDS:
                _refuse(file, f"at most {_MAX_SUB_IFDS} levels within a TIFF's directory", f"{values:,}")
            size = _SIZES.get(type_, 4)
            length = size * values
            data = field if length <= len(field) else file.read(layout.number(field), length)
            waiting += [layout.number(data, size * n, size) for n in range(values)]
    return layout.number(file.read(begin + count * layout.entry.size, layout.offset_size))


def _check_tag(file: Readable, tag: int, type_: int, values: int) -> None:
    if tag in _PARTS:
        if values > MAX_PARTS:
            _refuse(file, f"at most {MAX_PARTS:,} tiles or strips in a level", f"{values:,}")
    elif type_ in _OPAQUE_TYPES:
        if values > _MAX_TEXT:
            _refuse(file, f"texts of at most {_MAX_TEXT >> 20} MiB in a TIFF", f"{values >> 20:,} MiB")
    elif values > _MAX_VALUES:
        _refuse(file, f"at most {_MAX_VALUES:,} values in a TIFF tag", f"{values:,} in tag {tag}")


def _refuse(file: Readable, wanted: str, found: str) -> NoReturn:
    raise ImageError(f"{file.shown}: expected {wanted}, got {found}; write the file again")
