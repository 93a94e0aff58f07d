"""What is trained on: COCO files with their images, as samples in an order that a seed decides."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, get_worker_info
from torch.utils.data import Dataset as TorchDataset

from maskrcnn_core.annotations import Dataset, ImageRecord
from maskrcnn_core.categories import Category, LabelMap
from maskrcnn_core.errors import CoreError, DatasetError, ImageError, InputError
from maskrcnn_core.folders import FolderImages
from maskrcnn_core.formats.coco_fields import id_key
from maskrcnn_core.formats.coco_reader import CocoFile, read_coco_file
from maskrcnn_core.formats.coco_sizes import sizes_from
from maskrcnn_core.images import Stretch, one_line, read_image
from maskrcnn_core.masks import Rle
from maskrcnn_core.refusals import Refusal, grouped
from maskrcnn_core.run_limits import NoteTally
from maskrcnn_core.training.augmentation import (
    Augmentation,
    Pixels,
    Sample,
    Target,
    input_scale,
    largest_whole_scale,
)
from maskrcnn_core.training.unlearned import Reading, Reason, Unlearned, region_of_refused, sort_out

__all__ = [
    "Batches",
    "GroundTruth",
    "TrainingImages",
    "joint_categories",
    "read_ground_truth",
    "renumbered",
    "seed_of",
]

Key = tuple[int, int, int]
"""Epoch, place in it, and which image: all that decides a sample, beside the run's seed."""

_REASONS = 3  # that an error tells, of all for which images cannot be used

_CACHE_BYTES = 2 << 30
"""Decoded images kept by all processes together that load them."""

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
        notes: what had to be mended in it, and what happened to the pixels of its images, counted.
        files: where the image of each record lies, by the record's file name.
        unlearned: regions that are neither background nor an instance; those of instances among them stand as
            crowds in the data set.
        rejected, undecided: see :class:`maskrcnn_core.training.unlearned.Sorted`.
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
        """Where the image of a record lies: found by its name, or else where the name says.

        Raises:
            InputError: if the image has left its folder.
        """
        file = self.files.get(record.file_name, self.folder / record.file_name)
        if not file.is_file():
            raise InputError(f"{one_line(record.file_name)}: the image has left its folder")
        return file


def read_ground_truth(
    file: Path,
    folder: Path,
    *,
    reading: Reading = _AS_COCO_MEANS,
    on_progress: Callable[[int, int], object] | None = None,
) -> GroundTruth:
    """Reads a COCO file and decodes each of its images once, so that no broken one ends a run in its middle.

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
        raise InputError(f"{one_line(str(folder))}: wanted the folder of {shown}'s images, found none")
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
    """Where annotations of those images lie that could not be read, or are boxes without a mask."""
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
    """What is wrong with an image; empty if nothing is. What decoding did is noted down."""
    if file is None:
        return "the image is not in the folder"
    try:
        image = read_image(file, stretch=stretch)
    except ImageError as error:
        return str(error).removeprefix(f"{one_line(file.name)}: ")
    decoding.add(one_line(record.file_name), image.notes)
    return "" if image.size == record.size else _other_size(record, image.size)


def _other_size(record: ImageRecord, size: tuple[int, int]) -> str:
    return f"the file says {record.width} x {record.height} pixels, the image has {size[1]} x {size[0]}"


def _licences(extra: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the licences that a COCO file lists, for the model card."""
    rows = extra.get("licenses")
    names = [row.get("name") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(dict.fromkeys(one_line(name) for name in names if isinstance(name, str) and name))


def joint_categories(truths: Sequence[GroundTruth]) -> tuple[Category, ...]:
    """The categories of several files, joined by name; each keeps the id of the first file that has it.

    Only where two categories want the same id, the later one gets the next that is free.

    Raises:
        InputError: if there is none.
    """
    first: OrderedDict[str, Category] = OrderedDict()
    for truth in truths:
        for category in truth.dataset.categories:
            first.setdefault(category.name, category)
    if not first:
        raise InputError("ground truth: wanted at least one category, found none")
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
    """Sentences on files in which categories have other ids than in the model."""
    ids = {category.name: category.id for category in joint}
    sentences = []
    for truth in truths:
        others = [c for c in truth.dataset.categories if ids.get(c.name, c.id) != c.id]
        if others:
            shown = ", ".join(f"{c.name} {c.id} -> {ids[c.name]}" for c in others[:8])
            more = f" and {len(others) - 8} more" if len(others) > 8 else ""
            sentences.append(
                f"{truth.name}: categories are joined by name, and have other ids in the model: {shown}{more}"
            )
    return sentences


class TrainingImages(TorchDataset[tuple[Tensor, Target]]):
    """Samples by key; the same key and seed give the same sample, in any process and any order.

    Args:
        truths: what to train on.
        label_map: the network's labels; categories are found in it by name.
        augmentation: what is left to chance.
        input_size: the network's ``(min_size, max_size)``.
        seed: of the run.

    Raises:
        InputError: if no image holds an instance.
    """

    def __init__(
        self,
        truths: Sequence[GroundTruth],
        label_map: LabelMap,
        augmentation: Augmentation,
        input_size: tuple[int, int],
        seed: int,
    ) -> None:
        self.augmentation = augmentation
        self.seed = seed
        self._samples = [s for truth in truths for s in _without_pixels(truth, label_map, input_size)]
        if not any(sample.masks for _, _, sample, _ in self._samples):
            raise InputError("training data: none of the images holds an instance to learn from")
        self._cache: OrderedDict[int, Pixels] = OrderedDict()
        self._cache_bytes = 0

    def __getitem__(self, key: Key) -> tuple[Tensor, Target]:
        file, record, bare, stretch = self._samples[key[2]]
        pixels = self._pixels(key[2], file, record, stretch)
        with self._chance_of(key):
            return self.augmentation(replace(bare, pixels=pixels))

    def order(self, epoch: int) -> list[Key]:
        """One epoch: every image once, larger ones as often as crops are needed to see most of them."""
        repeated = [
            index
            for index, (_, record, sample, _) in enumerate(self._samples)
            for _ in range(self._crops(record, sample.scale))
        ]
        generator = torch.Generator().manual_seed(seed_of(self.seed, "order", epoch))
        places = torch.randperm(len(repeated), generator=generator).tolist()
        return [(epoch, n, repeated[place]) for n, place in enumerate(places)]

    def count(self) -> int:
        """Samples in an epoch."""
        return sum(self._crops(record, sample.scale) for _, record, sample, _ in self._samples)

    def share_left_whole(self, *, above: int = 0, samples: int = 1000) -> float:
        """Which share of the instances in samples of the first epoch is there as a whole; NaN for none.

        Args:
            above: only of those that have more than so many pixels of the network's input.
            samples: at most so many are drawn; nothing is decoded for it.
        """
        whole = seen = 0
        for key in self.order(0)[:samples]:
            _, record, bare, _ = self._samples[key[2]]
            with self._chance_of(key):
                scale, (top, left, height, width) = self.augmentation.draw_window(bare, record.size)
            for mask in bare.masks:
                x, y, w, h = mask.box_xywh
                rows = min(y + h, top + height) - max(y, top)
                columns = min(x + w, left + width) - max(x, left)
                if rows > 0 and columns > 0 and mask.area * scale**2 > above:
                    seen += 1
                    whole += rows == h and columns == w
        return whole / seen if seen else math.nan

    @contextmanager
    def _chance_of(self, key: Key) -> Iterator[None]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self.seed, "sample", *key))
            yield

    def _crops(self, record: ImageRecord, scale: float) -> int:
        crop = self.augmentation.crop
        # The root of how many would cover it: parts of one image are more alike than different images.
        return 1 if crop is None else max(1, round(math.sqrt(record.height * record.width) * scale / crop))

    def _pixels(self, index: int, file: Path, record: ImageRecord, stretch: Stretch) -> Pixels:
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        pixels = read_image(file, stretch=stretch).pixels
        if pixels.shape[:2] != record.size:
            raise DatasetError(
                f"{one_line(record.file_name)}: {_other_size(record, (pixels.shape[0], pixels.shape[1]))}"
            )
        self._cache[index] = pixels
        self._cache_bytes += pixels.nbytes
        worker = get_worker_info()
        most = _CACHE_BYTES // (1 if worker is None else worker.num_workers)
        while self._cache_bytes > most and len(self._cache) > 1:
            self._cache_bytes -= self._cache.popitem(last=False)[1].nbytes
        return pixels


_NO_PIXELS: Pixels = torch.zeros((0, 0, 3), dtype=torch.uint8).numpy()


def _without_pixels(
    truth: GroundTruth, label_map: LabelMap, input_size: tuple[int, int]
) -> Iterator[tuple[Path, ImageRecord, Sample, Stretch]]:
    labels = {c.name: label for c, label in zip(label_map.categories, label_map.labels, strict=True)}
    names = {c.id: c.name for c in truth.dataset.categories}
    by_image: dict[int, list[tuple[int, int]]] = {}
    for number, instance in enumerate(truth.dataset.instances):
        # A crowd has no one mask, and an empty mask no place.
        if not instance.is_crowd and instance.area:
            label = labels[names[instance.category_id]]
            by_image.setdefault(instance.image_id, []).append((number, label))
    unlearned: defaultdict[int, list[Rle]] = defaultdict(list)
    for one in truth.unlearned:
        unlearned[one.image_id].append(one.region)
    for record in truth.dataset.images:
        file = truth.image_file(record)
        rows = by_image.get(record.id, [])
        yield (
            file,
            record,
            Sample(
                _NO_PIXELS,
                tuple(truth.dataset.instances[number].mask for number, _ in rows),
                tuple(label for _, label in rows),
                input_scale(record.size, *input_size),
                largest_whole_scale(record.size, *input_size),
                tuple(unlearned[record.id]),
            ),
            truth.stretch,
        )


def seed_of(*parts: int | str) -> int:
    """A seed that depends on all parts and is as good as independent of every other seed."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:7], "big")


class _Order(Sampler[list[Key]]):
    """Batches of keys; what it gives next can be set, as worker processes stay from epoch to epoch."""

    def __init__(self) -> None:
        self.batches: list[list[Key]] = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class Batches:
    """Batches of samples, epoch by epoch; processes that prepare them and what they have decoded stay.

    Args:
        images: what to train on.
        batch_size: samples of one batch.
        workers: processes; with 0 this one prepares them.
    """

    def __init__(self, images: TrainingImages, batch_size: int, workers: int) -> None:
        self._images, self._batch_size = images, batch_size
        self._order = _Order()
        self._loader: DataLoader[tuple[Tensor, Target]] = DataLoader(
            images,
            batch_sampler=self._order,
            num_workers=workers,
            collate_fn=_collate,
            persistent_workers=workers > 0,
        )

    def of(self, epoch: int, first: int = 0) -> Iterator[tuple[list[Tensor], list[Target]]]:
        """Those of an epoch from the ``first`` on; what does not fill a whole one waits for the next epoch.

        Raises:
            CoreError: if an image cannot be read; also if a worker process met it.
        """
        order, size = self._images.order(epoch), self._batch_size
        self._order.batches = [order[i : i + size] for i in range(0, len(order) - size + 1, size)][first:]
        try:
            yield from self._loader
        except CoreError as error:
            # A worker's error comes with its traceback as text; what a person needs is its last line.
            lines = str(error).strip().splitlines()
            raise type(error)(lines[-1].partition("Error: ")[2] or lines[-1]) from error


def _collate(samples: list[tuple[Tensor, Target]]) -> tuple[list[Tensor], list[Target]]:
    return [image for image, _ in samples], [target for _, target in samples]
