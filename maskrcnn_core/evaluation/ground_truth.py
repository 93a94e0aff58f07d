"""What is trained on: COCO files with their images."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maskrcnn_core.common.refusals import Refusal, grouped
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.limits import NoteTally
from maskrcnn_core.errors import DatasetError, ImageError, InputError
from maskrcnn_core.evaluation.unlearned import Reading, Reason, Unlearned, region_of_refused, sort_out
from maskrcnn_core.formats.coco_fields import id_key
from maskrcnn_core.formats.coco_reader import CocoFile, read_coco_file
from maskrcnn_core.formats.coco_sizes import sizes_from
from maskrcnn_core.images.folders import FolderImages
from maskrcnn_core.images.reading import Stretch, one_line, read_image

__all__ = [
    "GroundTruth",
    "joint_categories",
    "other_size",
    "read_ground_truth",
    "renumbered",
]

_REASONS = 3  # that an error tells, of all for which images cannot be used

_AS_COCO_MEANS = Reading()


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """A COCO file and the folder of its images.

    Args:
        name: for logs and model cards: the file's folder and name.
        digest: SHA-256 of the file.
        folder: where its images lie.
        dataset: what the file says.
        refusals: what was left out of it, and why.
        licences: names that the file gives; empty if it gives none.
        stretch: whether deep images that use little of their range are stretched.
        notes: what had to be repaired in it, and what happened to the pixels of its images, counted.
        files: where the image of each record lies, by the record's file name.
        unlearned: regions that are neither background nor an instance; those of instances among them stand as
            crowds in the data set.
        rejected, undecided: see :class:`maskrcnn_core.evaluation.unlearned.Sorted`.
    """

    name: str
    digest: str
    folder: Path
    dataset: Dataset
    refusals: tuple[Refusal, ...] = ()
    licences: tuple[str, ...] = ()
    stretch: Stretch = "auto"
    notes: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    unlearned: tuple[Unlearned, ...] = ()
    rejected: int = 0
    undecided: int = 0

    def image_file(self, record: ImageRecord) -> Path:
        """Return where the image of a record lies: found by its name, or else where the name says.

        Raises:
            InputError: if the image has left its folder.
        """
        file = self.files.get(record.file_name, self.folder / record.file_name)
        if not file.is_file():
            raise InputError(f"{one_line(record.file_name)}: the image is no longer in its folder")
        return file


def read_ground_truth(
    file: Path,
    folder: Path,
    *,
    reading: Reading = _AS_COCO_MEANS,
    on_progress: Callable[[int, int], object] | None = None,
) -> GroundTruth:
    """Read a COCO file and decode each of its images once, so that no broken one ends a run in its middle.

    Args:
        file: the COCO file.
        folder: of its images.
        reading: what counts as ground truth.
        on_progress: called with ``(done, total)`` after each image.

    Raises:
        InputError: if the file or the folder cannot be read, or none of its images can be used; with the
            reader's own reasons.
    """
    shown = one_line(str(file))
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{shown}: cannot read this file ({error.strerror or error})") from error
    if not folder.is_dir():
        raise InputError(f"{one_line(str(folder))}: expected the folder of {shown}'s images, got no folder")
    try:
        images = FolderImages(folder, file)
        read = read_coco_file(data, size_of=sizes_from(images, data))
    except InputError as error:
        raise DatasetError(f"{shown}: {error}") from error
    refusals = read.refused()
    records = [row.value for row in read.images]
    found = images.expect([record.file_name for record in records])
    present, unusable, decoding = [], [], NoteTally()
    for done, record in enumerate(records, start=1):
        reason = _why_unusable(images.paths.get(record.file_name), record, reading.stretch, decoding)
        if on_progress:
            on_progress(done, len(records))
        if reason:
            unusable.append(Refusal(one_line(record.file_name), reason))
        else:
            present.append(record)
    if not present and not unusable and not any(r.place.startswith("images") for r in refusals):
        raise InputError(f"{shown}: this file lists no images; choose one with ground truth")
    if not present:
        of_images = [refusal for refusal in refusals if refusal.place.startswith("images")]
        reasons = "; ".join(grouped([*of_images, *unusable])[:_REASONS])
        raise InputError(
            f"{one_line(str(folder))}: none of the {len(unusable) + len(of_images)} images of {shown} can be "
            f"used{reasons and '; '}{reasons}" + ("; name the folder that holds them" if unusable else "")
        )
    refusals += unusable
    refusals += [Refusal("images", sentence) for sentence in found.refused]
    kept = {record.id for record in present}
    truths = sort_out(
        ((row.value, row.raw) for row in read.annotations if row.value.image_id in kept), reading
    )
    return GroundTruth(
        "/".join(file.absolute().parts[-2:]),
        hashlib.sha256(data).hexdigest(),
        folder,
        Dataset(tuple(present), tuple(row.value for row in read.categories), truths.instances),
        tuple(refusals),
        _licences(read.extra),
        reading.stretch,
        (*read.notes, *found.notes, *decoding.sentences()),
        {record.file_name: images.paths[record.file_name] for record in present},
        (*truths.unlearned, *_refused_regions(read, kept)),
        truths.rejected,
        truths.undecided,
    )


def _refused_regions(read: CocoFile, image_ids: Collection[int]) -> Iterator[Unlearned]:
    """Yield where annotations of those images lie that could not be read, or are boxes without a mask."""
    images = {id_key(row.raw.get("id")): row.value for row in read.images}
    left_out: tuple[tuple[Reason, Sequence[Mapping[str, Any]]], ...] = (
        ("refused", read.refused_rows),
        ("box", [row.raw for row in read.boxes]),
    )
    for reason, rows in left_out:
        for raw in rows:
            key = id_key(raw.get("image_id"))
            image = None if key is None else images.get(key)
            region = region_of_refused(raw, image) if image is not None and image.id in image_ids else None
            if image is not None and region is not None:
                yield Unlearned(image.id, region, reason)


def _why_unusable(file: Path | None, record: ImageRecord, stretch: Stretch, decoding: NoteTally) -> str:
    """Return what is wrong with an image; empty if nothing is. What decoding did is noted down."""
    if file is None:
        return "the image is not in the folder"
    try:
        image = read_image(file, stretch=stretch)
    except ImageError as error:
        return str(error).removeprefix(f"{one_line(file.name)}: ")
    decoding.add(one_line(record.file_name), image.notes)
    return "" if image.size == record.size else other_size(record, image.size)


def other_size(record: ImageRecord, size: tuple[int, int]) -> str:
    """Return a sentence on an image of ``(height, width)`` that is not of its record's size."""
    return f"the file says {record.width} x {record.height} pixels, the image has {size[1]} x {size[0]}"


def _licences(extra: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the licences that a COCO file lists, for the model card."""
    rows = extra.get("licenses")
    names = [row.get("name") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(dict.fromkeys(one_line(name) for name in names if isinstance(name, str) and name))


def joint_categories(truths: Sequence[GroundTruth]) -> tuple[Category, ...]:
    """Join the categories of several files by name; each keeps the id of the first file that has it.

    Only where two categories want the same id, the later one gets the next that is free.

    Raises:
        InputError: if there is none.
    """
    first: OrderedDict[str, Category] = OrderedDict()
    for truth in truths:
        for category in truth.dataset.categories:
            first.setdefault(category.name, category)
    if not first:
        raise InputError("ground truth: expected at least one category, got none")
    following = max(category.id for category in first.values()) + 1
    taken: set[int] = set()
    joint = []
    for category in first.values():
        if category.id in taken:
            category = replace(category, id=following)
            following += 1
        taken.add(category.id)
        joint.append(category)
    return tuple(joint)


def renumbered(truths: Sequence[GroundTruth], joint: Sequence[Category]) -> list[str]:
    """Return sentences on files in which categories have other ids than in the model."""
    ids = {category.name: category.id for category in joint}
    sentences = []
    for truth in truths:
        others = [c for c in truth.dataset.categories if ids.get(c.name, c.id) != c.id]
        if others:
            shown = ", ".join(f"{c.name} {c.id} -> {ids[c.name]}" for c in others[:8])
            more = f" and {len(others) - 8} more" if len(others) > 8 else ""
            sentences.append(
                f"{truth.name}: categories are matched by name, and have other ids in the model: "
                f"{shown}{more}"
            )
    return sentences
