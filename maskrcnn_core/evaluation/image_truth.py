"""What is known to be on one image, from wherever it is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_core.common.arrays import Doubles
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.refusals import grouped
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.errors import DatasetError, InputError
from maskrcnn_core.evaluation.ground_truth import other_size
from maskrcnn_core.evaluation.unlearned import Reading, sort_out
from maskrcnn_core.formats.coco_file import boxes_refused
from maskrcnn_core.formats.coco_reader import CocoReader
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.matching import NamedFile, match_names

__all__ = ["ImageTruth", "NamedImage", "read_image_truth", "truths_in_file"]

NamedImage = tuple[str, tuple[int, int]]
"""An image's file name, and ``(height, width)`` in pixels."""

_NOTES = 3


@dataclass(frozen=True, eq=False)
class ImageTruth:
    """The objects that are known to be on an image: G of them, which may be none.

    Args:
        names: of their categories.
        masks: of the image's size.
        crowds: whether each is a region of many objects, or one that nobody has decided on: ignored.
        known: names of all categories that whoever marked the objects told apart; a detection of another
            one is neither right nor wrong.
        source: where they are known from, in words.
        notes: what of the source is left out, a sentence for each kind.
    """

    names: tuple[str, ...]
    masks: tuple[Rle, ...]
    crowds: tuple[bool, ...]
    known: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()

    @property
    def boxes(self) -> Doubles:
        """float64 ``[G, 4]``, x1 y1 x2 y2 of the masks in pixels of the image."""
        corner_and_size = np.array([mask.box_xywh for mask in self.masks], np.float64).reshape(-1, 4)
        return np.hstack([corner_and_size[:, :2], corner_and_size[:, :2] + corner_and_size[:, 2:]])

    def without_crowds(self) -> ImageTruth:
        """Return the objects alone."""
        rows = [row for row, crowd in enumerate(self.crowds) if not crowd]
        return ImageTruth(
            tuple(self.names[row] for row in rows),
            tuple(self.masks[row] for row in rows),
            (False,) * len(rows),
            self.known,
            self.source,
            self.notes,
        )


def read_image_truth(file: Path, image: NamedImage) -> ImageTruth:
    """Return what a COCO file says of an image.

    Args:
        file: COCO JSON.
        image: looked for by its name.

    Raises:
        InputError: if the file cannot be read, or does not have the image.
    """
    shown = one_line(str(file))
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{shown}: cannot read this file ({error.strerror or error})") from error
    try:
        (truth,) = truths_in_file(data, one_line(file.name), [image]).values()
    except InputError as error:
        raise DatasetError(f"{shown}: {error}") from error
    return truth


def truths_in_file(data: bytes, name: str, images: Sequence[NamedImage]) -> dict[int, ImageTruth]:
    """Return what a COCO file says of some images.

    Crowds, and proposals that nobody has decided on, are ignored where detections are compared; rejected
    instances are gone, as in ``evaluate``.

    Args:
        data: the file.
        name: of the file, for people.
        images: looked for by their names.

    Returns:
        By the index of each image that the file has, in the order of the images.

    Raises:
        InputError: if this is no COCO file, if it has none of the images, or if one is of another size.
    """
    reader = CocoReader(data)
    records = [row.value for row in reader.images]
    matches = match_names([record.file_name for record in records], [NamedFile(image) for image, _ in images])
    found = {image: records[record] for record, image in matches.files.items()}
    if not records:
        raise DatasetError("it lists no image; choose the file with the ground truth of this one")
    if not found:
        contests = f"; {matches.contests[0]}" if matches.contests else ""
        names = ", ".join(one_line(image) for image, _ in images[:_NOTES])
        raise DatasetError(
            f"none of its {counted(len(records), 'image')} is called {names}"
            f"{' ...' if len(images) > _NOTES else ''}{contests}; rename the image as in the file"
        )
    for image, record in found.items():
        if record.size != images[image][1]:
            raise DatasetError(f"{one_line(record.file_name)}: {other_size(record, images[image][1])}")
    return _truths(reader, name, dict(sorted(found.items())))


def _truths(reader: CocoReader, name: str, found: Mapping[int, ImageRecord]) -> dict[int, ImageTruth]:
    image_ids = {record.id for record in found.values()}
    boxes = 0

    def rows() -> Iterator[tuple[Instance, Mapping[str, Any]]]:
        nonlocal boxes
        for row in reader.annotations():
            if row.value.image_id not in image_ids:
                continue
            if isinstance(row.value, Instance):
                yield row.value, row.raw
            else:
                boxes += 1

    sorted_out = sort_out(rows(), Reading())
    notes = grouped([*reader.refusals, *boxes_refused(boxes)])[:_NOTES]
    names = {row.value.id: row.value.name for row in reader.categories}
    return {
        image: _truth_of(
            [one for one in sorted_out.instances if one.image_id == record.id],
            names,
            f"in {one_line(name)}",
            tuple(notes),
        )
        for image, record in found.items()
    }


def _truth_of(
    instances: Sequence[Instance], names: Mapping[int, str], source: str, notes: tuple[str, ...]
) -> ImageTruth:
    return ImageTruth(
        tuple(names[one.category_id] for one in instances),
        tuple(one.mask for one in instances),
        tuple(one.is_crowd for one in instances),
        tuple(names.values()),
        source,
        notes,
    )
