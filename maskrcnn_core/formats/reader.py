"""What every reader of a format is given, and what it gives: files told apart by content, and drafts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, ParseError, fromstring

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.json_rows import Json, read_json
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.formats.coco_fields import number, whole
from maskrcnn_core.formats.draft import Draft

__all__ = [
    "GivenFile",
    "Reader",
    "Surroundings",
    "beside",
    "corner_pair",
    "head_of",
    "image_of_stem",
    "json_of",
    "nobody",
    "size_in",
    "stem_of",
    "text_of",
    "xml_of",
]


_LARGEST = 2**16


@dataclass(frozen=True)
class GivenFile:
    """A file that may be part of a data set.

    Args:
        path: within its folder or zip, with ``/`` between folders.
        data: its bytes.
    """

    path: str
    data: bytes = field(repr=False)

    @property
    def suffix(self) -> str:
        """In lower case, with its dot."""
        return PurePosixPath(self.path).suffix.casefold()

    @property
    def folder(self) -> str:
        """The folder that it lies in; empty at the top."""
        return self.path.rpartition("/")[0]


class Surroundings(ABC):
    """The images that came with a data set's files."""

    @property
    @abstractmethod
    def images(self) -> Sequence[str]:
        """Their paths within the same folder or zip."""

    @abstractmethod
    def size(self, path: str) -> tuple[int, int] | None:
        """Return the height and width of an image as it is seen, upright; ``None`` if it cannot be read."""

    @abstractmethod
    def values(self, path: str) -> npt.NDArray[np.int64] | None:
        """Return the numbers that a picture of one band or a palette holds, int64 ``[H, W]``.

        ``[H, W, 3]`` for three bands; ``None`` if it cannot be read.
        """

    @abstractmethod
    def frames(self, path: str) -> str:
        """Return a note if a picture has several frames or pages, of which the first is read."""


def nobody(_files: Sequence[GivenFile], _images: Sequence[str]) -> Collection[str]:
    """Claim none of the images."""
    return ()


@dataclass(frozen=True)
class Reader:
    """How a format is read.

    Args:
        suffixes: of the files that it is asked about, in lower case.
        recognise: whether a file is of the format, by its content.
        read: reads all files of one source that were recognised into a draft.
        claims: which of the pictures beside them are masks, and no images of the data set.
        is_one_file: each file is a data set of its own, which names images relative to itself.
        recognised_as: how a file of the format is known, for people.
    """

    suffixes: frozenset[str]
    recognise: Callable[[GivenFile], bool]
    read: Callable[[Sequence[GivenFile], Surroundings, Draft], None]
    recognised_as: str
    claims: Callable[[Sequence[GivenFile], Sequence[str]], Collection[str]] = nobody
    is_one_file: bool = False


def json_of(file: GivenFile, draft: Draft) -> Json | None:
    """Return what a JSON file holds; one that is none is refused, and nothing is returned."""
    try:
        return read_json(file.data)
    except DatasetError as error:
        draft.refuse(file.path, str(error))
        return None


def text_of(file: GivenFile) -> str:
    """Return a file's text: UTF-8, or UTF-16 where its mark says so; what is neither is replaced."""
    is_wide = file.data[:2] in (b"\xff\xfe", b"\xfe\xff")
    return file.data.decode("utf-16" if is_wide else "utf-8-sig", "replace")


def head_of(file: GivenFile) -> str:
    """Return the beginning of a file's text, as :func:`text_of` reads it."""
    return text_of(GivenFile(file.path, file.data[:4096]))


def xml_of(file: GivenFile, draft: Draft) -> Element | None:
    """Return an XML file's root; what is no XML, or defines entities, is refused, and nothing is returned."""
    if b"<!ENTITY" in file.data:  # a few of them can stand for gigabytes
        draft.refuse(file.path, "expected XML without entities of its own")
        return None
    try:
        return fromstring(file.data)
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding that nobody knows
        draft.refuse(file.path, f"this is not XML, or only part of a file ({error})")
        return None


def size_in(row: Mapping[str, Json], height: str, width: str) -> tuple[int, int] | None:
    """Return the height and width that an object tells under two keys, if both are whole numbers above 0."""
    sides = whole(row.get(height), 1, _LARGEST), whole(row.get(width), 1, _LARGEST)
    return None if sides[0] is None or sides[1] is None else (sides[0], sides[1])


def corner_pair(points: Json) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return two points; ``None`` for anything else."""
    if not isinstance(points, list) or len(points) != 2:
        return None
    numbers = [number(side) for point in points if isinstance(point, list) for side in point]
    if len(numbers) != 4 or None in numbers:
        return None
    x1, y1, x2, y2 = (side or 0.0 for side in numbers)
    return (x1, y1), (x2, y2)


def beside(file: GivenFile, name: str) -> str:
    """Return the path of an image that a file names, relative to the file."""
    name = name.replace("\\", "/")
    folder = file.folder
    while name.startswith(("./", "../")):
        head, _, name = name.partition("/")
        folder = folder if head == "." else folder.rpartition("/")[0]
    return f"{folder}/{name}" if folder and not name.startswith("/") else name


def image_of_stem(file: GivenFile, images: Sequence[str], draft: Draft) -> str | None:
    """Return the image that is called as a file is; else the only one there is, which is said."""
    stem = stem_of(file.path).casefold()
    named = [path for path in images if stem_of(path).casefold() == stem]
    near = [path for path in named if path.rpartition("/")[0] == file.folder]
    # Programs add to an image's name (cells.tif: cells.tif.geojson, RoiSet_cells.zip).
    within = [path for path in images if stem_of(path).casefold() in stem]
    longest = max((len(stem_of(path)) for path in within), default=0)
    wider = [path for path in within if len(stem_of(path)) == longest]
    for found in (near, named, wider):
        if len(found) == 1:
            return found[0]
    if len(images) == 1:
        draft.note(file.path, "no image of that name; it is taken to be of the only one", images[0])
        return images[0]
    draft.refuse(file.path, "expected an image of the same name beside it")
    return None


def stem_of(path: str) -> str:
    """Return a file's name without folders and its last suffix."""
    return PurePosixPath(path).stem
