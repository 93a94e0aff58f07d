"""The microscopes' own formats: one table, and the TIFF that each file is seen as.

Everything that exists for stacks works on TIFFs. So a file of Zeiss, Leica or Nikon is read once and becomes
an OME-TIFF in memory, with its slices, channels, names and the size of a pixel; what people have, and what
its digest is taken of, stays their own file.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from maskrcnn_core.images.tiff import TiffFile

if TYPE_CHECKING:
    from maskrcnn_core.images.microscopes.planes import Bounds, Planes

__all__ = [
    "MICROSCOPES",
    "MICROSCOPE_FORMATS",
    "MICROSCOPE_NOTES",
    "MICROSCOPE_SUFFIXES",
    "Microscope",
    "is_microscope_file",
    "microscope_tiff",
    "open_microscope_file",
]

MICROSCOPE_NOTES = "microscope_notes"
"""The key in ``info`` of :func:`open_microscope_file`'s image: what a person should know of the file."""


@dataclass(frozen=True)
class Microscope:
    """A row of the table.

    Args:
        format: what such a file is called, such as ``"CZI"``.
        title: for people, with the maker's name.
        magic: matches at the beginning of such a file.
        suffix: of its name, lower case; the content decides.
        read: gives the stack in a whole file, within bounds.
    """

    format: str
    title: str
    magic: re.Pattern[bytes]
    suffix: str
    read: Callable[[bytes, Bounds], Planes]


def _read_czi(data: bytes, bounds: Bounds) -> Planes:
    from maskrcnn_core.images.microscopes.czi import read_czi

    return read_czi(data, bounds)


def _read_lif(data: bytes, bounds: Bounds) -> Planes:
    from maskrcnn_core.images.microscopes.lif import read_lif

    return read_lif(data, bounds)


def _read_nd2(data: bytes, bounds: Bounds) -> Planes:
    from maskrcnn_core.images.microscopes.nd2 import read_nd2

    return read_nd2(data, bounds)


MICROSCOPES = (
    Microscope("CZI", "Zeiss CZI", re.compile(rb"ZISRAWFILE"), ".czi", _read_czi),
    Microscope("LIF", "Leica LIF", re.compile(rb"\x70\0\0\0.{4}\x2a", re.DOTALL), ".lif", _read_lif),
    Microscope("ND2", "Nikon ND2", re.compile(rb"\xda\xce\xbe\x0a"), ".nd2", _read_nd2),
)
MICROSCOPE_FORMATS = frozenset(one.format for one in MICROSCOPES)
MICROSCOPE_SUFFIXES = frozenset(one.suffix for one in MICROSCOPES)


def is_microscope_file(data: bytes) -> bool:
    """Return whether a file begins as one of a microscope's own formats."""
    return any(one.magic.match(data) for one in MICROSCOPES)


def open_microscope_file(file: BytesIO, _name: str = "") -> TiffFile:
    """Return Pillow's image of the TIFF that a microscope's file is seen as.

    Raises:
        Unreadable: if it holds what is not read here, or more than images may.
        Exception: whatever a damaged file runs into.
    """
    tiff, notes = _converted(file.getvalue())
    image = TiffFile(BytesIO(tiff), "")
    image.info[MICROSCOPE_NOTES] = notes
    return image


def microscope_tiff(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the OME-TIFF that a microscope's file is seen as, and what a person should know of it.

    Raises:
        Unreadable, Exception: as :func:`open_microscope_file`.
    """
    return _converted(data)


class _Recent:
    """The last TIFFs that were made, as one look at a file asks for several of them in turn."""

    _MOST_BYTES = 256 * 2**20

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[bytes, tuple[str, ...]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> tuple[bytes, tuple[str, ...]] | None:
        with self._lock:
            if (found := self._held.get(digest)) is not None:
                self._held.move_to_end(digest)
            return found

    def put(self, digest: str, made: tuple[bytes, tuple[str, ...]]) -> None:
        with self._lock:
            self._held[digest] = made
            while sum(len(tiff) for tiff, _ in self._held.values()) > self._MOST_BYTES:
                self._held.popitem(last=False)


_RECENT = _Recent()


def _converted(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    from maskrcnn_core.images.guards import pixel_limit  # which is built upon the formats
    from maskrcnn_core.images.microscopes.planes import Bounds, ome_tiff

    bounds = Bounds(pixel_limit(), len(data))
    digest = f"{hashlib.sha256(data).hexdigest()} {bounds.max_pixels}"
    if (found := _RECENT.get(digest)) is not None:
        return found
    row = next(one for one in MICROSCOPES if one.magic.match(data))
    planes = row.read(data, bounds)
    made = ome_tiff(planes), planes.notes
    _RECENT.put(digest, made)
    return made
