"""What an export gives back: read again by MaskDesk's own readers, and held against what was meant.

Every format whose row says how it is read gets one. It tells the least mask IoU, and counts what did not come
back at all: a format may have no room for it, and then says so in its row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import ImageRecord, Instance, unique_names
from maskrcnn_core.errors import CoreError, ExportError
from maskrcnn_core.formats.base import Export, Format, stems_of_records
from maskrcnn_core.formats.coco_file import GivenBox
from maskrcnn_core.formats.coco_reader import CocoReader
from maskrcnn_core.formats.packed import picture_of_bytes
from maskrcnn_core.formats.reader import GivenFile, Surroundings, stem_of
from maskrcnn_core.formats.recognising import ANNOTATION_SUFFIXES, read_sets
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.formats import IMAGE_SUFFIXES
from maskrcnn_core.slides.opening import WINDOW_SUFFIXES

_IMAGES_AT_ONCE = 100

__all__ = ["Certificate", "ReadBack", "WrittenFile", "certify", "read_members"]


class WrittenFile(Protocol):
    """A file of an export, by its name in it; what is on disk is read when it is wanted."""

    @property
    def name(self) -> str: ...

    @property
    def image(self) -> int | None: ...

    @property
    def data(self) -> bytes: ...


@dataclass(frozen=True)
class ReadBack:
    """An instance as a reader sees it.

    Args:
        image: the place of its image in the export.
        instance: its mask, score and category's id there.
        category: the category's name there.
    """

    image: int
    instance: Instance
    category: str


@dataclass(frozen=True)
class Certificate:
    """What came back of an export.

    Args:
        meant: instances that were written.
        found: of these, how many came back.
        least_iou: of a mask with what was meant; 1 where there are none.
        refused: what our reader would not take.
        images_lost: how many images are not in it.
    """

    meant: int
    found: int
    least_iou: float
    refused: tuple[str, ...] = ()
    images_lost: int = 0

    @property
    def sentence(self) -> str:
        """What it says, for people."""
        text = "read back: no instances"
        if self.meant:
            text = f"read back: {counted(self.found, 'instance')}, lowest mask IoU {self.least_iou:.6f}"
        if self.found < self.meant:
            lost = self.meant - self.found
            text += f"; {counted(lost, 'instance is', 'instances are')} not in it"
        if self.images_lost:
            text += f"; {counted(self.images_lost, 'image is', 'images are')} not in it"
        return text


class _Members(Surroundings):
    """The pictures of some images of an export, and these images."""

    def __init__(
        self,
        records: Sequence[ImageRecord],
        names: Sequence[tuple[str, str]],
        places: Sequence[int],
        members: Sequence[WrittenFile],
    ) -> None:
        self._pictures = {member.name: member for member in members if _suffix(member.name) in IMAGE_SUFFIXES}
        self._places: dict[str, int] = {}
        self._records = records
        for place in places:
            stem, name = names[place]
            for path in (name, stem, _picture_name(stem, records[place])):
                self._places.setdefault(path, place)
        self._stems = {names[place][0]: place for place in places}
        self._own = [_picture_name(names[place][0], records[place]) for place in places]

    @property
    def images(self) -> Sequence[str]:
        return [*self._own, *self._pictures]

    def place(self, path: str) -> int | None:
        """Return which image of the export a path means."""
        end = path
        while end not in self._places and "/" in end:
            end = end.partition("/")[2]
        return self._places.get(end, self._stems.get(stem_of(path)))

    def size(self, path: str) -> tuple[int, int] | None:
        place = self.place(path)
        return None if place is None else self._records[place].size

    def values(self, path: str) -> npt.NDArray[np.int64] | None:
        member = self._pictures.get(path)
        return None if member is None else picture_of_bytes(member.data)

    def frames(self, path: str) -> str:  # noqa: ARG002  # MaskDesk writes none with several
        return ""


def _picture_name(stem: str, record: ImageRecord) -> str:
    """Return what an image's file would be called; one that is read by windows keeps its ending."""
    suffix = _suffix(record.file_name)
    return f"{stem}{suffix if suffix in WINDOW_SUFFIXES else '.png'}"


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.casefold()


def _names_of(export: Export) -> list[tuple[str, str]]:
    records = export.records
    names = unique_names([record.file_name for record in records])
    return list(zip(stems_of_records(records), names, strict=True))


def read_members(
    row: Format, export: Export, members: Sequence[WrittenFile]
) -> tuple[list[ReadBack], list[str], int]:
    """Read an export again.

    Args:
        row: its format, which has a reader.
        export: what was written.
        members: the files.

    Returns:
        The instances, what was refused, and how many of the images are in it.

    Raises:
        ExportError: if the files are not recognised as what they are.
    """
    found: list[ReadBack] = []
    refused: list[str] = []
    images = 0
    for part in _read_parts(row, export, members):
        found, refused, images = found + part.found, refused + part.refused, images + part.images
    return found, refused, images


@dataclass(frozen=True)
class _Part:
    """What was read of the images of some places."""

    places: Sequence[int]
    found: list[ReadBack]
    refused: list[str]
    images: int
    is_recognised: bool


def _read_parts(row: Format, export: Export, members: Sequence[WrittenFile]) -> Iterator[_Part]:
    names = _names_of(export)
    is_recognised = not names
    for places, files in _parts(len(names), members):
        part = _read_part(row, _Members(export.records, names, places, files), places, files)
        is_recognised |= part.is_recognised
        yield part
    if not is_recognised:
        raise ExportError(f"{row.title}: the files are not recognised when they are read back")


def _parts(
    count: int, members: Sequence[WrittenFile]
) -> Iterator[tuple[Sequence[int], Sequence[WrittenFile]]]:
    """Yield places of images with the files to read for them: some hundred at once where that can be."""
    shared = [member for member in members if member.image is None]
    own: dict[int, list[WrittenFile]] = {}
    for member in members:
        if member.image is not None:
            own.setdefault(member.image, []).append(member)
    if not own:
        yield range(count), members
        return
    for first in range(0, count, _IMAGES_AT_ONCE):
        places = range(first, min(first + _IMAGES_AT_ONCE, count))
        yield places, [*shared, *(member for place in places for member in own.get(place, ()))]


def _read_part(
    row: Format, around: _Members, places_read: Sequence[int], members: Sequence[WrittenFile]
) -> _Part:
    files = [
        GivenFile(member.name, member.data)
        for member in members
        if _suffix(member.name) in ANNOTATION_SUFFIXES
    ]
    found: list[ReadBack] = []
    refused: list[str] = []
    images: set[int | None] = set()
    sets = [one for one in read_sets(files, around) if one.row.reader is row.reader]
    for one in sets:
        refused += one.draft.refusals.sentences()
        reader = CocoReader(one.draft.document(), size_of=around.size)
        names = {category.value.id: category.value.name for category in reader.categories}
        places = {image.value.id: around.place(image.value.file_name) for image in reader.images}
        for annotation in reader.annotations():
            value = annotation.value
            place = places.get(value.image_id)
            if isinstance(value, GivenBox) or place is None:
                continue
            found.append(ReadBack(place, value, names[value.category_id]))
        images |= set(places.values())
        refused += map(one.draft.told, reader.refused)
    return _Part(places_read, found, refused, len(images - {None}), bool(sets))


def certify(row: Format, export: Export, members: Sequence[WrittenFile]) -> Certificate:
    """Read an export again, and compare it with what was meant.

    Args:
        row: its format, which has a reader.
        export: what was written.
        members: the files.

    Raises:
        ExportError: if the files are not recognised as what they are.
    """
    meant, matched, images, least = 0, 0, 0, 1.0
    refused: list[str] = []
    try:
        for part in _read_parts(row, export, members):
            of_image: dict[int, list[ReadBack]] = {}
            for one in part.found:
                of_image.setdefault(one.image, []).append(one)
            for place in part.places:
                instances = export.images[place].instances
                meant += len(instances)
                for iou in _ious(instances, of_image.get(place, [])):
                    matched += 1
                    least = min(least, iou)
            images += part.images
            refused += part.refused
    except ExportError:
        raise
    except CoreError as error:
        raise ExportError(f"{row.title}: cannot be read back ({error})") from error
    return Certificate(meant, matched, least, tuple(refused), len(export.images) - images)


def _ious(meant: Sequence[Instance], came: Sequence[ReadBack]) -> Iterator[float]:
    """Yield the IoU of each instance that came back with what was meant, in their order where all did."""
    if len(meant) == len(came) and all(
        mask_iou(one.mask, other.instance.mask) == 1.0 for one, other in zip(meant, came, strict=True)
    ):
        yield from (1.0 for _ in meant)
        return
    # Formats without an order, or with fewer: each goes to the most alike that is left.
    left = list(came)
    exact = Counter(one.instance.mask for one in left)
    for instance in meant:
        if exact[instance.mask]:
            exact[instance.mask] -= 1
            left.remove(next(one for one in left if one.instance.mask == instance.mask))
            yield 1.0
            continue
        ious = [mask_iou(instance.mask, one.instance.mask) for one in left]
        best = int(np.argmax(ious)) if ious else -1
        if best >= 0 and ious[best] > 0:
            exact[left.pop(best).instance.mask] -= 1
            yield ious[best]
