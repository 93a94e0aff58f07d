"""Which files are annotations of which format, by their content; and what is known and not read.

Files of one folder or zip belong together: box files and the pictures of their objects, texts and the names
of their classes. What a format claims of the pictures are masks, and no images of the data set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree.ElementTree import ParseError, fromstring

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.json_rows import read_json
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.formats import FORMATS
from maskrcnn_core.formats.base import Format
from maskrcnn_core.formats.coco_reading import COCO_READER
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.label_images import LABEL_IMAGE_READER
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings
from maskrcnn_core.images.archives import ArchiveMember, Refusal, not_opened, read_zip_images

__all__ = [
    "ANNOTATION_SUFFIXES",
    "FoundSet",
    "format_of",
    "known_unread",
    "read_formats",
    "read_sets",
    "read_zip_sets",
    "why_damaged",
]


_ZIPPED = ".zip"


def _readers() -> dict[Reader, Format]:
    """Return each reader once, with the first row that has it; COCO, whose words others use, is the last."""
    found: dict[int, tuple[Reader, Format]] = {}
    for row in FORMATS:
        if row.reader is not None:
            found.setdefault(id(row.reader), (row.reader, row))
    own = found.pop(id(COCO_READER))
    return dict([*found.values(), own])


_READERS = _readers()


def read_formats() -> tuple[Format, ...]:
    """Return the rows that are told apart when they are read, COCO's first."""
    return tuple(sorted(_READERS.values(), key=FORMATS.index))


ANNOTATION_SUFFIXES = frozenset(suffix for reader in _READERS for suffix in reader.suffixes)
"""Endings of files that some reader is asked about."""


@dataclass(frozen=True)
class _Unread:
    """A kind of file that people bring and that is not read.

    Args:
        name: what it is.
        pattern: searched for in its first bytes.
        way: how they get there nevertheless.
    """

    name: str
    pattern: re.Pattern[bytes]
    way: str


_UNREAD = (
    _Unread("SuperAnnotate's JSON", re.compile(rb'"className"'), "export the project as COCO"),
    _Unread("Darwin JSON of V7", re.compile(rb'"schema_ref"|"slots"\s*:'), "export the data set as COCO"),
    _Unread(
        "a project of VIA 3", re.compile(rb'"data_format_version"'), "draw in VIA 2, or export it as COCO"
    ),
    _Unread("Cityscapes' JSON", re.compile(rb'"imgHeight"'), "convert it to COCO with cityscapesScripts"),
    _Unread("DeepFashion2's JSON", re.compile(rb'"item1"\s*:'), "its deepfashion2_to_coco.py writes COCO"),
    _Unread(
        "a JSON file of polygons for each image, as Mapillary Vistas has them",
        re.compile(rb'"polygon"\s*:\s*\[\s*\[|"readable"\s*:\s*"'),
        "read the pictures in its folders 'instances', or convert it to COCO",
    ),
    _Unread(
        "a backup of CVAT",
        re.compile(rb'"frame_quality"|"start_frame"|"tracks"\s*:\s*\['),
        "export the task as COCO or CVAT for images",
    ),
    _Unread("Labelbox's JSON", re.compile(rb'"data_row"\s*:'), "export it as COCO with Labelbox's converter"),
    _Unread("Datumaro's JSON", re.compile(rb'"dm_format_version"'), "'datum convert -f coco' writes COCO"),
    _Unread("Create ML's JSON", re.compile(rb'"coordinates"\s*:\s*\{'), "export it as COCO"),
    _Unread(
        "a NumPy file of Cellpose's window",
        re.compile(rb"^\x93NUMPY"),
        "save its masks as PNG (Ctrl+N)",
    ),
    _Unread("TFRecord", re.compile(rb"^.{12}\x0a.{1,8}image/", re.DOTALL), "export the data set as COCO"),
    _Unread("MATLAB's data", re.compile(rb"^MATLAB 5\.0"), "write its label matrix as PNG with imwrite"),
)


def known_unread(data: bytes) -> str:
    """Return what an annotation file is that is not read, and the way out; empty where that is not known."""
    head = data[: 1 << 20]
    for kind in _UNREAD:
        if kind.pattern.search(head):
            return f"{kind.name}, which is not read: {kind.way}"
    return ""


def why_damaged(path: str, data: bytes) -> str:
    """Return why a file of which only its name tells the kind is none of that kind; empty if it is one."""
    suffix = PurePosixPath(path).suffix.casefold()
    try:
        if suffix == ".xml" and b"<!ENTITY" not in data:  # a few of them can stand for gigabytes
            fromstring(data)
        elif suffix == ".jsonl":
            for line in filter(None, map(bytes.strip, data.splitlines())):
                read_json(line)
    except (ParseError, ValueError, LookupError, DatasetError) as error:
        text = str(error)
        return (
            text if isinstance(error, DatasetError) else f"this is not XML, or only part of a file ({text})"
        )
    if suffix == ".parquet" and not (data[:4] == data[-4:] == b"PAR1"):
        return "this is not Parquet, or only part of a file"
    return ""


def format_of(file: GivenFile) -> Format | None:
    """Return the row of the format that a file is of, by its content; ``None`` if it is of none."""
    for reader, row in _READERS.items():
        if file.suffix in reader.suffixes and reader.recognise(file):
            return row
    return None


@dataclass(frozen=True)
class FoundSet:
    """A data set among files.

    Args:
        row: its format.
        place: path of its file, which images are named relative to; in a folder of many files the top.
        draft: what was read.
        files: the paths of its files.
        masks: pictures that are masks of it, and no images.
    """

    row: Format
    place: str
    draft: Draft
    files: tuple[str, ...]
    masks: frozenset[str]


def read_sets(files: Sequence[GivenFile], surroundings: Surroundings, name: str = "") -> Iterator[FoundSet]:
    """Read all data sets of one folder or zip.

    Args:
        files: those that may be annotations; others are passed over.
        surroundings: the pictures beside them.
        name: what messages call the folder or zip.

    Yields:
        The data sets, those of one file each first.
    """
    of_reader: dict[Reader, list[GivenFile]] = {}
    for file in files:
        for reader in _READERS:
            if file.suffix in reader.suffixes and reader.recognise(file):
                of_reader.setdefault(reader, []).append(file)
                break
    claimed: set[str] = set()
    masks_of: dict[Reader, frozenset[str]] = {}
    # Pictures of numbers are known by their names alone: what others claim is none.
    tables = of_reader.pop(LABEL_IMAGE_READER, None)
    of_reader |= {} if tables is None else {LABEL_IMAGE_READER: tables}
    for reader in dict.fromkeys((*of_reader, LABEL_IMAGE_READER)):
        free = [path for path in surroundings.images if path not in claimed]
        masks_of[reader] = frozenset(reader.claims(of_reader.get(reader, ()), free))
        claimed |= masks_of[reader]
    if masks_of[LABEL_IMAGE_READER]:
        of_reader.setdefault(LABEL_IMAGE_READER, [])
    for reader, group in of_reader.items():
        for part in [[file] for file in group] if reader.is_one_file else [group]:
            around = _Narrowed(surroundings, claimed - masks_of[reader])
            place = part[0].path if reader.is_one_file else ""
            draft = Draft(place or name)
            reader.read(part, around, draft)
            yield FoundSet(
                _READERS[reader], place, draft, tuple(file.path for file in part), masks_of[reader]
            )


class _Narrowed(Surroundings):
    """Surroundings without the pictures that are masks of other formats."""

    def __init__(self, whole: Surroundings, hidden: set[str]) -> None:
        self._whole = whole
        self._images = tuple(path for path in whole.images if path not in hidden)

    @property
    def images(self) -> Sequence[str]:
        return self._images

    def size(self, path: str) -> tuple[int, int] | None:
        return self._whole.size(path)

    def values(self, path: str) -> npt.NDArray[np.int64] | None:
        return self._whole.values(path)

    def frames(self, path: str) -> str:
        return self._whole.frames(path)


def read_zip_sets(data: bytes, shown: str) -> Iterator[ArchiveMember | Refusal]:
    """Yield a zip's images, and what may be annotations by the end of its name; refusals for the rest.

    A zip within it is taken where it is annotations, as ImageJ's sets of regions are.

    Args:
        data: the zip.
        shown: what messages call it.

    Raises:
        ArchiveError: as :func:`maskrcnn_core.images.archives.read_zip_images` does.
    """
    for member in read_zip_images(data, shown, other_suffixes=ANNOTATION_SUFFIXES):
        if (
            isinstance(member, ArchiveMember)
            and member.name.casefold().endswith(_ZIPPED)
            and format_of(GivenFile(member.name, member.data)) is None
        ):
            yield Refusal(member.name, not_opened(f"{one_line(shown)}: {one_line(member.name)}"))
        else:
            yield member
