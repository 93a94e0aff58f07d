"""What every export format is made of: members (a name and bytes), and where they go."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, unique_names
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.drawing.palette import category_color, hex_color
from maskrcnn_core.drawing.style import Style
from maskrcnn_core.formats.reader import Reader

__all__ = [
    "Export",
    "Format",
    "Kept",
    "Member",
    "StreamedImages",
    "file_name",
    "file_stem",
    "named_images",
    "stems_of",
    "stems_of_records",
    "told_renames",
    "write_folder",
    "write_zip",
]

_STORED_SUFFIXES = (".png", ".jpg", ".npz", ".zip")  # compressed already
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold: the same input, the same bytes


Kept = Literal["mask", "overlap", "crowd", "score", "category name", "category id", "image id", "order"]
"""What of an instance comes back out of a format: its pixels, also where another one lies on them, whether it
is a crowd, its score, its category's name and id, its image's id, and its place among the others."""


class StreamedImages(Sequence[AnnotatedImage]):
    """Images whose instances are fetched when they are written, and not kept.

    Args:
        records: the facts of all images.
        load: gives an image with its instances, by its place.
    """

    def __init__(self, records: Sequence[ImageRecord], load: Callable[[int], AnnotatedImage]) -> None:
        self.records, self._load = tuple(records), load

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._load(n) for n in range(*index.indices(len(self)))]
        return self._load(range(len(self))[index])


@dataclass(frozen=True)
class Export:
    """What is exported: exactly what is shown.

    Args:
        images: in the file's order, those without instances, too; gone through once or twice, one by one.
        categories: all that the data set knows, used or not.
        style: how overlays are drawn.
        description: one line on where it came from, for formats that have room for it.
        tolerance: in pixels, by which polygons may be simplified; 0 keeps every pixel.
        parts: which part (``train``, ``val``, ``test``) an image is in, by its id; ``train`` unless told.
        colors: ``#rrggbb`` of categories by id, where somebody chose one.
        has_images: whether formats that lie beside their images bring these along.
    """

    images: Sequence[AnnotatedImage]
    categories: tuple[Category, ...]
    style: Style = field(default_factory=Style)
    description: str = ""
    tolerance: float = 0.0
    parts: Mapping[int, str] = field(default_factory=dict)
    colors: Mapping[int, str] = field(default_factory=dict)
    has_images: bool = False

    @cached_property
    def names(self) -> dict[int, str]:
        """Category id to name."""
        return {category.id: category.name for category in self.categories}

    @cached_property
    def records(self) -> tuple[ImageRecord, ...]:
        """The facts of all images."""
        if isinstance(self.images, StreamedImages):
            return self.images.records
        return tuple(image.record for image in self.images)

    def color(self, category_id: int) -> str:
        """Return a category's color as ``#rrggbb``."""
        return self.colors.get(category_id) or hex_color(category_color(category_id))

    def part(self, image_id: int) -> str:
        """Return the part that an image is in."""
        return self.parts.get(image_id, "train")


@dataclass(frozen=True)
class Member:
    """One file of an export.

    Args:
        name: relative, with ``/`` between folders; made of safe characters.
        data: its bytes.
        note: what a check of it found, for people; empty where there is nothing to say.
        image: the place of the image that it is of, where no other file is needed to read it; ``None``
            for all else. Files of some images are then read back without those of all others.
    """

    name: str
    data: bytes
    note: str = ""
    image: int | None = None


@dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    Args:
        key: as the command line and URLs write it.
        title: for menus.
        suffix: of the file, with its dot; for formats with one file an image, too.
        mime: of that file.
        holds: one sentence on what is in it.
        loses: one sentence on what is not; empty if nothing is lost.
        members: makes the files one by one, so that no more than one is in memory.
        count: how many files ``members`` makes, for progress.
        kept: what comes back when it is read again.
        reader: how it is read; ``None`` for formats that are only written.
        used_by: programs that read it.
        judge: the programs that ``make test-interop`` holds it against; of what has no masks, what reads it.
        draws: whether it needs the images' pixels.
        per_image: whether it is a file for each image, known by the image's name.
        brings_images: whether images can come along, at the place where the format wants them.
        is_dense: whether it makes arrays of an image's size: not for pictures that are read by windows.
    """

    key: str
    title: str
    suffix: str
    mime: str
    holds: str
    loses: str
    members: Callable[[Export], Iterator[Member]]
    count: Callable[[Export], int]
    kept: frozenset[Kept] = frozenset()
    reader: Reader | None = None
    used_by: str = ""
    judge: str = ""
    draws: bool = False
    per_image: bool = False
    brings_images: bool = False
    is_dense: bool = False


def file_stem(name: str, *, longest: int = 100) -> str:
    """Return a file name for a foreign name: no folders, no characters that a system forbids, not too long.

    Letters of every script stay.
    """
    stem = unicodedata.normalize("NFC", re.split(r"[\\/]", name)[-1])
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", stem)
    # Control, format and surrogate characters (category C), and what Windows or shells take as signs.
    stem = "".join("_" if unicodedata.category(c)[0] == "C" or c in '<>:"|?*%' else c for c in stem)
    stem = stem.strip(" .").lstrip("-~")
    while len(stem.encode()) > longest:
        stem = stem[:-1]
    return stem or "image"


def file_name(name: str) -> str:
    """Return a whole file name for a foreign name: the stem that :func:`file_stem` makes, and its suffix."""
    suffix = re.search(r"\.[A-Za-z0-9]{1,12}$", name)
    return file_stem(name.removesuffix(suffix[0])) + suffix[0] if suffix else file_stem(name)


def stems_of(export: Export) -> list[str]:
    """Return one file stem for each image, all different, also where a file system ignores case."""
    return stems_of_records(export.records)


def stems_of_records(records: Sequence[ImageRecord]) -> list[str]:
    """Return the same for images without their instances."""
    stems = [file_stem(record.file_name) for record in records]
    folded = [stem.casefold() for stem in stems]
    counts = Counter(folded)
    # A new name must not be one that another image has by itself.
    taken = set(folded)
    found = []
    for stem, fold, record in zip(stems, folded, records, strict=True):
        if counts[fold] > 1:
            base = stem = f"{stem}_{record.digest[:8] or record.id}"
            number = 1
            while stem.casefold() in taken:
                number += 1
                stem = f"{base}_{number}"
            taken.add(stem.casefold())
        found.append(stem)
    return found


def told_renames(export: Export, members: Iterable[str]) -> list[str]:
    """Return what people should know of files that are not called as their images are.

    Args:
        export: what was written.
        members: the names of its files.
    """
    written = sorted({PurePosixPath(name).name for name in members})

    def is_used(stem: str) -> bool:
        place = bisect_left(written, stem)
        return place < len(written) and written[place].startswith(stem)

    renamed = [
        f"{one_line(record.file_name)} is {stem}"
        for record, stem in zip(export.records, stems_of_records(export.records), strict=True)
        if stem != PurePosixPath(record.file_name.replace("\\", "/")).stem and is_used(stem)
    ]
    if not renamed:
        return []
    some = ", ".join(renamed[:3]) + (" ..." if len(renamed) > 3 else "")
    count = counted(len(renamed), "image has files of another name", "images have files of other names")
    return [f"{count} here: {some}"]


def named_images(export: Export) -> Iterator[tuple[str, str, AnnotatedImage]]:
    """Yield each image with its file stem, and its file's name with what keeps it apart from others."""
    records = export.records
    names = unique_names([record.file_name for record in records])
    yield from zip(stems_of_records(records), names, export.images, strict=True)


def write_folder(members: Iterable[Member], folder: Path) -> list[str]:
    """Write members as files below ``folder``, each as a whole or not at all.

    Returns:
        The members' notes.
    """
    notes = []
    for member in members:
        path = folder / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, member.data)
        if member.note:
            notes.append(member.note)
    return notes


def write_zip(
    members: Iterable[Member], target: BinaryIO, on_member: Callable[[Member], None] | None = None
) -> list[str]:
    """Write members as a zip archive whose bytes depend on them alone (no clock, no umask).

    Args:
        members: made one by one, so that only one is in memory.
        target: a writable binary file.
        on_member: called after each.

    Returns:
        The members' notes.
    """
    notes = []
    with zipfile.ZipFile(target, "w") as archive:
        for member in members:
            info = zipfile.ZipInfo(member.name, _EPOCH)
            info.external_attr = 0o644 << 16
            stored = member.name.endswith(_STORED_SUFFIXES)
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, member.data)
            if member.note:
                notes.append(member.note)
            if on_member:
                on_member(member)
    return notes
