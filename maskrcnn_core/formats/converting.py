"""Data sets of any format as one export, to be written in any other, without a project."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance, unique_names
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import CoreError, DatasetError, ImageError
from maskrcnn_core.formats.base import Export
from maskrcnn_core.formats.coco_fields import OURS
from maskrcnn_core.formats.coco_file import GivenBox
from maskrcnn_core.formats.coco_reader import CocoReader
from maskrcnn_core.formats.coco_sizes import sizes_from
from maskrcnn_core.formats.sets import DataSet, SetFile, sort_sets, why_unread
from maskrcnn_core.images.pools import FoundImages, ImageFinder, ImagePool, PooledFile
from maskrcnn_core.images.reading import decode_image
from maskrcnn_core.microscopy.seeing import bytes_as_seen

__all__ = ["Converted", "GivenImage", "data_sets_as_export"]

Load = Callable[[], bytes]
GivenImage = tuple[PooledFile, Load]
"""Where an image lies, and what gives its bytes."""

_PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


@dataclass(frozen=True)
class Converted:
    """What was read.

    Args:
        export: all data sets as one.
        read: what each was read as, for people.
        notes: what had to be changed or left out.
        refused: what cannot be used.
        boxes: how many annotations are boxes without masks, and not in it.
        without_file: images that are listed and whose files did not come along.
        without_pixels: how many instances these have.
    """

    export: Export
    read: tuple[str, ...]
    notes: tuple[str, ...]
    refused: tuple[str, ...]
    boxes: int
    without_file: Sequence[ImageRecord]
    without_pixels: int


class _Joined:
    """Data sets that become one."""

    def __init__(self) -> None:
        self.records: list[ImageRecord] = []
        self.instances: dict[int, list[Instance]] = {}
        self.categories: dict[str, Category] = {}
        self.colors: dict[int, str] = {}
        self.parts: dict[int, str] = {}
        self.loads: dict[int, Load] = {}
        self.read: list[str] = []
        self.notes: list[str] = []
        self.refused: list[str] = []
        self.boxes = 0
        self.renumbered = 0
        self._folders: list[str] = []
        self._ids: set[int] = set()
        self._category_ids: set[int] = set()

    def image(self, record: ImageRecord, part: str, load: Load | None, folder: str, *, has_ids: bool) -> int:
        """Add an image, and return its id here."""
        id_ = _free(record.id, self._ids)
        self.renumbered += has_ids and id_ != record.id
        self.records.append(replace(record, id=id_))
        self._folders.append(folder)
        self.instances[id_] = []
        if part:
            self.parts[id_] = part
        if load is not None:
            self.loads[id_] = load
        return id_

    def named(self) -> list[ImageRecord]:
        """Return the images' facts; where names occur twice, each has its data set's folder before it."""
        names = [record.file_name for record in self.records]
        if len(set(names)) < len(names):
            names = [
                f"{folder}/{name}" if folder else name
                for folder, name in zip(self._folders, names, strict=True)
            ]
        renamed = unique_names(names)
        return [replace(record, file_name=name) for record, name in zip(self.records, renamed, strict=True)]

    def category(self, category: Category, color: str, *, has_ids: bool) -> int:
        """Return the id here of a category, which its name stands for."""
        known = self.categories.get(category.name)
        if known is None:
            id_ = _free(category.id, self._category_ids)
            self.renumbered += has_ids and id_ != category.id
            known = self.categories[category.name] = replace(category, id=id_)
            if color:
                self.colors[id_] = color
        return known.id


def _free(wanted: int, taken: set[int]) -> int:
    number = wanted if wanted not in taken else max(taken) + 1
    taken.add(number)
    return number


def data_sets_as_export(
    files: Sequence[SetFile],
    images: Sequence[GivenImage],
    *,
    has_images: bool = False,
    tolerance: float = 0.0,
    needs_files: bool = False,
) -> Converted:
    """Read data sets of any format, and return them as one export.

    Args:
        files: those that may be annotations.
        images: those that came along.
        has_images: whether formats that lie beside their images bring these along.
        tolerance: see :class:`~maskrcnn_core.formats.base.Export`.
        needs_files: whether images without a file are left out.

    Raises:
        DatasetError: if there is no data set among the files.
    """
    found = sort_sets(files, images)
    sets = list(found.sets)
    refused: list[str] = []
    others = Counter[str]()
    for file in found.unread:
        if known := why_unread(file):
            refused.append(known)
        elif file.place.path.casefold().endswith(".json"):  # what it lacks is told as of a COCO file
            sets.append(DataSet(file.place, file.shown, file.data))
        else:
            others[PurePosixPath(file.place.path.casefold()).suffix] += 1
    for file in found.results:
        reason = "a list of detections, which does not say of which images: import it into their project"
        refused.append(f"{one_line(file.shown)}: {reason}")
    if not sets:
        kinds = ", ".join(
            f"{count:,} {suffix or 'without an ending'}"
            for suffix, count in (*others.most_common(), *_suffixes(images).most_common())
        )
        got = f"only files that are none ({kinds})" if kinds else "none"
        raise DatasetError("; ".join(refused) or f"expected annotations of a format that is read, got {got}")
    photos = [
        (place, load)
        for place, load in images
        if (place.source, place.path.replace("\\", "/")) not in found.masks
    ]
    pool = ImagePool([place for place, _ in photos], [one.place for one in sets])
    joined = _Joined()
    joined.refused += refused
    if others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.items())
        joined.notes.append(f"left alone because they are no annotations: {kinds}")
    for one in sets:
        try:
            _join(joined, one, pool, [load for _, load in photos])
        except CoreError as error:
            joined.refused.append(f"{one_line(one.shown)}: {error}")
    if joined.renumbered:
        numbers = counted(joined.renumbered, "id")
        joined.notes.append(f"{numbers} of images or categories occurred twice; they got the next free ones")
    everything = joined.named()
    without = [record for record in everything if record.id not in joined.loads]
    records = [r for r in everything if r.id in joined.loads] if needs_files else everything
    export = Export(
        tuple(
            AnnotatedImage(
                record,
                tuple(sorted(joined.instances[record.id], key=lambda one: -(one.score or 1.0))),
                partial(_pixels, record, joined.loads.get(record.id)),
                joined.loads.get(record.id),
            )
            for record in records
        ),
        tuple(joined.categories.values()),
        tolerance=tolerance,
        parts=joined.parts if len(set(joined.parts.values())) > 1 else {},
        colors=joined.colors,
        has_images=has_images,
    )
    return Converted(
        export,
        tuple(joined.read),
        tuple(joined.notes),
        tuple(joined.refused),
        joined.boxes,
        without,
        sum(len(joined.instances[r.id]) for r in without),
    )


def _suffixes(images: Sequence[GivenImage]) -> Counter[str]:
    return Counter(PurePosixPath(place.path.casefold()).suffix for place, _ in images)


class _Finder(ImageFinder):
    """A finder of one data set's images among all that came along."""

    def __init__(self, pool: ImagePool, place: PooledFile, loads: Sequence[Load]) -> None:
        self._pool, self._place, self._loads = pool, place, loads
        self._found = FoundImages()

    def expect(self, names: Sequence[str]) -> FoundImages:
        self._found = self._pool.find(names, self._place)
        return self._found

    def read(self, name: str) -> bytes | None:
        number = self._found.files.get(name)
        return None if number is None else self._loads[number]()


def _join(joined: _Joined, one: DataSet, pool: ImagePool, loads: Sequence[Load]) -> None:
    """Add a data set to others."""
    finder = _Finder(pool, one.place, loads)
    reader = CocoReader(one.document, size_of=sizes_from(finder, one.document))
    names = [row.value.file_name for row in reader.images]
    files = finder.expect(names).files
    part = _part_of(one.place)
    image_ids = {
        row.value.id: joined.image(
            row.value,
            part,
            _as_seen(row.value, loads[files[row.value.file_name]]) if row.value.file_name in files else None,
            one.place.path.replace("\\", "/").rpartition("/")[0],
            has_ids=one.has_ids,
        )
        for row in reader.images
    }
    category_ids = {
        row.value.id: joined.category(row.value, _color(row.raw), has_ids=one.has_ids)
        for row in reader.categories
    }
    count = empty = 0
    for annotation in reader.annotations():
        value = annotation.value
        if isinstance(value, GivenBox):
            joined.boxes += 1
            continue
        if not value.area:
            empty += 1
            continue
        count += 1
        id_ = image_ids[value.image_id]
        moved = replace(value, image_id=id_, category_id=category_ids[value.category_id])
        joined.instances[id_].append(moved)
    shown, draft = one_line(one.shown), one.draft
    joined.read.append(
        f"{shown}: read as {one.title}, {counted(len(names), 'image')}, {counted(count, 'instance')}"
    )
    refused, notes = list(reader.refused), list(reader.notes)
    if draft is not None:
        refused = [*draft.refusals.sentences(), *map(draft.told, refused)]
        notes = [*draft.notes.sentences(), *map(draft.told, notes)]
    else:
        refused, notes = ([f"{shown}: {text}" for text in texts] for texts in (refused, notes))
    if empty:
        without = counted(empty, "instance without a pixel is", "instances without a pixel are")
        refused.append(f"{shown}: {without} left out")
    joined.refused += refused
    joined.notes += notes


def _as_seen(record: ImageRecord, load: Load) -> Load:
    """Return what gives an image as its annotations have it, where that is a view of a stack."""
    if not record.view:
        return load
    return lambda: bytes_as_seen(load(), record.file_name, record.view)


def _color(raw: object) -> str:
    ours = raw.get(OURS) if isinstance(raw, dict) else None
    color = ours.get("colour") if isinstance(ours, dict) else None
    return color if isinstance(color, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", color) else ""


def _part_of(place: PooledFile) -> str:
    """Return the part that a data set's folder or file is named after; empty for none."""
    words = re.split(r"[^a-z]+", place.path.casefold())
    return next((_PARTS[word] for word in reversed(words) if word in _PARTS), "")


def _pixels(record: ImageRecord, load: Load | None) -> npt.NDArray[np.uint8]:
    """Return an image's pixels.

    Raises:
        ImageError: if its file did not come along, or is another one.
    """
    if load is None:
        raise ImageError(
            f"{one_line(record.file_name)}: its file, on which this format draws, did not come along"
        )
    image = decode_image(load(), record.file_name)
    if image.size != record.size:
        raise ImageError(
            f"{one_line(record.file_name)}: the annotations say {record.width} x {record.height} pixels, the "
            f"image has {image.size[1]} x {image.size[0]}"
        )
    return image.pixels
