"""Samples of ground truth, in an order that a seed decides, and the processes that prepare them."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import torch
from cachetools import LRUCache
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, get_worker_info
from torch.utils.data import Dataset as TorchDataset

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.dataset.annotations import ImageRecord
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.errors import CoreError, DatasetError, InputError
from maskrcnn_core.evaluation.ground_truth import GroundTruth, other_size
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import Stretch, one_line, read_image
from maskrcnn_core.training.augmentation import (
    Augmentation,
    Sample,
    Target,
)
from maskrcnn_core.training.views import View

__all__ = ["Batches", "Key", "TrainingImages", "seed_of"]

Key: TypeAlias = tuple[int, int, int]
"""Epoch, place in it, and which image: all that decides a sample, beside the run's seed."""

_CACHE_BYTES = 2 << 30
"""Decoded images kept by all processes together that load them."""


class TrainingImages(TorchDataset[tuple[Tensor, Target]]):
    """Samples by key; the same key and seed give the same sample, in any process and any order.

    Args:
        truths: what to train on.
        label_map: the network's labels; categories are found in it by name.
        augmentation: what is left to chance.
        view: how the network is shown images.
        seed: of the run.

    Raises:
        InputError: if no image holds an instance.
    """

    def __init__(
        self,
        truths: Sequence[GroundTruth],
        label_map: LabelMap,
        augmentation: Augmentation,
        view: View,
        seed: int,
    ) -> None:
        self.augmentation = augmentation
        self.seed = seed
        self._samples = [s for truth in truths for s in _without_pixels(truth, label_map, view)]
        if not any(sample.masks for _, _, sample, _ in self._samples):
            raise InputError("training data: none of the images has an instance to learn from")
        self._cache: LRUCache[int, Pixels] | None = None  # made in the process that decodes

    def __getitem__(self, key: Key) -> tuple[Tensor, Target]:
        file, record, bare, stretch = self._samples[key[2]]
        pixels = self._pixels(key[2], file, record, stretch)
        with self._chance_of(key):
            return self.augmentation(replace(bare, pixels=pixels))

    def bare(self, key: Key) -> tuple[ImageRecord, Sample]:
        """Return the record of a sample's image, and all that is known of it, without pixels."""
        _, record, sample, _ = self._samples[key[2]]
        return record, sample

    def pixels(self, key: Key) -> Pixels:
        """Return a sample's whole image as it is in its file, uint8 ``[H, W, 3]`` RGB.

        Raises:
            CoreError: if it cannot be read.
        """
        file, record, _, stretch = self._samples[key[2]]
        return self._pixels(key[2], file, record, stretch)

    def order(self, epoch: int) -> list[Key]:
        """Order one epoch: every image once, larger ones as often as crops are needed to see most of them."""
        repeated = [
            index
            for index, (_, record, sample, _) in enumerate(self._samples)
            for _ in range(self._crops(record, sample.scale))
        ]
        generator = torch.Generator().manual_seed(seed_of(self.seed, "order", epoch))
        places = torch.randperm(len(repeated), generator=generator).tolist()
        return [(epoch, n, repeated[place]) for n, place in enumerate(places)]

    def count(self) -> int:
        """Return the number of samples in an epoch."""
        return sum(self._crops(record, sample.scale) for _, record, sample, _ in self._samples)

    def share_left_whole(self, *, above: int = 0, samples: int = 1000) -> float:
        """Return the share of the instances in the first epoch's samples that are whole; NaN for none.

        Args:
            above: only of those that have more than this many pixels of the network's input.
            samples: at most this many are drawn; nothing is decoded for it.
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
        if self._cache is None:
            worker = get_worker_info()
            share = _CACHE_BYTES // (1 if worker is None else worker.num_workers)
            self._cache = LRUCache(share, getsizeof=lambda one: one.nbytes)
        if index in self._cache:
            return self._cache[index]
        pixels = read_image(file, stretch=stretch).pixels
        if pixels.shape[:2] != record.size:
            raise DatasetError(
                f"{one_line(record.file_name)}: {other_size(record, (pixels.shape[0], pixels.shape[1]))}"
            )
        if pixels.nbytes <= self._cache.maxsize:
            self._cache[index] = pixels
        return pixels


_NO_PIXELS: Pixels = torch.zeros((0, 0, 3), dtype=torch.uint8).numpy()


def _without_pixels(
    truth: GroundTruth, label_map: LabelMap, view: View
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
                view.scale(record.size),
                view.largest(record.size),
                tuple(unlearned[record.id]),
                view.laws,
            ),
            truth.stretch,
        )


def seed_of(*parts: int | str) -> int:
    """Return a seed that depends on all parts and is as good as independent of every other seed."""
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

    def keys_of(self, epoch: int) -> list[list[Key]]:
        """Return the keys of an epoch's samples, batch by batch."""
        order, size = self._images.order(epoch), self._batch_size
        return [order[i : i + size] for i in range(0, len(order) - size + 1, size)]

    def of(self, epoch: int, first: int = 0) -> Iterator[tuple[list[Tensor], list[Target]]]:
        """Yield an epoch's batches from ``first`` on; what does not fill one waits for the next epoch.

        Raises:
            CoreError: if an image cannot be read; also if a worker process met it.
        """
        self._order.batches = self.keys_of(epoch)[first:]
        try:
            yield from self._loader
        except CoreError as error:
            # A worker's error comes with its traceback as text; what a person needs is its last line.
            lines = str(error).strip().splitlines()
            raise type(error)(lines[-1].partition("Error: ")[2] or lines[-1]) from error


def _collate(samples: list[tuple[Tensor, Target]]) -> tuple[list[Tensor], list[Target]]:
    return [image for image, _ in samples], [target for _, target in samples]
