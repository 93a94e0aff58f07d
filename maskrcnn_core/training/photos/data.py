"""The photos that the model in the box learns from: boxes, labels, and each mask as a square on its box."""

from __future__ import annotations

import gzip
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from maskrcnn_core.common.arrays import Floats
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import COCO_CATEGORIES, LabelMap
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.training.loading import seed_of

__all__ = ["MASK_SIDE", "Photo", "Photos", "is_held_out", "read_photos"]

MASK_SIDE = 28
"""Of the square that is kept of each mask; as many cells as the network's own masks have."""

_FINER = 3
_HELD_OUT = 25
_LEAST_SIDE = 2.0


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo and what is on it.

    Args:
        id: of the image in its file.
        file: where it lies.
        size: ``(height, width)`` in pixels.
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in pixels, as the file gives them.
        labels: int64 ``[N]``, 1 to 80.
        masks: uint8 ``[N, 28, 28]``, 255 where the mask covers a cell of its box wholly.
        crowds: float32 ``[M, 4]``, boxes in which nobody told objects apart.
    """

    id: int
    file: Path
    size: tuple[int, int]
    boxes: Floats
    labels: npt.NDArray[np.int64]
    masks: npt.NDArray[np.uint8]
    crowds: Floats


@dataclass(frozen=True, eq=False)
class Photos:
    """All photos of a data set that have an object.

    Args:
        photos: in the file's order.
        digest: SHA-256 of the file, unpacked.
        empty: photos without an object, which are left out.
        small: objects thinner than 2 pixels, which are left out.
        crowds: regions of many objects.
    """

    photos: tuple[Photo, ...]
    digest: str
    empty: int
    small: int
    crowds: int


def is_held_out(image_id: int) -> bool:
    """Return whether an image is held out, one in 25, by its id alone: no later choice can move it."""
    return seed_of("held out", image_id) % _HELD_OUT == 0


def read_photos(folder: Path, cache: Path) -> Photos:
    """Read ``instances.json.gz`` of a folder with the photos in ``images``.

    Masks take a minute to be brought onto their boxes; that is kept in a file and read from there later.

    Args:
        folder: with the file and the images.
        cache: folder for what is kept.

    Raises:
        InputError: if the file is not there, or is not COCO's 80 categories.
        DatasetError: if it is no COCO file, or anything in it is refused.
    """
    file = folder / "instances.json.gz"
    try:
        data = gzip.decompress(file.read_bytes())
    except (OSError, EOFError) as error:
        raise InputError(f"{one_line(str(file))}: cannot be read ({error})") from error
    digest = hashlib.sha256(data).hexdigest()
    dataset, refused = read_coco(data)
    if refused:
        raise InputError(f"{file.name}: expected nothing to be refused, got {len(refused)}: {refused[0]}")
    names = {category.id: category.name for category in dataset.categories}
    labels = {c.name: label for label, c in zip(_LABELS.labels, _LABELS.categories, strict=True)}
    if unknown := names.values() - labels.keys():
        raise InputError(f"{file.name}: expected COCO's categories, got also {', '.join(sorted(unknown))}")
    by_image: dict[int, list[Instance]] = defaultdict(list)
    crowds: dict[int, list[tuple[float, ...]]] = defaultdict(list)
    small = 0
    for instance in dataset.instances:
        if instance.is_crowd:
            crowds[instance.image_id].append(_box(instance))
        elif min(_sides(_box(instance))) < _LEAST_SIDE:
            small += 1
        else:
            by_image[instance.image_id].append(instance)
    kept = [instance for image in dataset.images for instance in by_image[image.id]]
    masks = _squares(kept, cache / f"masks-{digest[:16]}.npy")
    photos, at = [], 0
    for image in dataset.images:
        rows = by_image[image.id]
        if rows:
            photos.append(
                Photo(
                    image.id,
                    folder / "images" / image.file_name,
                    image.size,
                    np.array([_box(row) for row in rows], np.float32),
                    np.array([labels[names[row.category_id]] for row in rows], np.int64),
                    masks[at : at + len(rows)],
                    np.array(crowds[image.id], np.float32).reshape(-1, 4),
                )
            )
        at += len(rows)
    empty = len(dataset.images) - len(photos)
    return Photos(tuple(photos), digest, empty, small, sum(map(len, crowds.values())))


_LABELS = LabelMap.contiguous(COCO_CATEGORIES)


def _box(instance: Instance) -> tuple[float, float, float, float]:
    if instance.given_box is not None:
        return instance.given_box
    x, y, width, height = instance.box_xywh
    return float(x), float(y), float(x + width), float(y + height)


def _sides(box: Sequence[float]) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]


def _squares(instances: Sequence[Instance], file: Path) -> npt.NDArray[np.uint8]:
    shape = (len(instances), MASK_SIDE, MASK_SIDE)
    if file.exists():
        kept: npt.NDArray[np.uint8] = np.load(file, mmap_mode="r")
        if kept.shape == shape:
            return kept
    squares = np.empty(shape, np.uint8)
    for row, instance in enumerate(instances):
        squares[row] = _square(instance)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.npy")
    np.save(part, squares)
    part.replace(file)
    return squares


def _square(instance: Instance) -> npt.NDArray[np.uint8]:
    """Return how much of each cell of its box a mask covers, 0 to 255."""
    mask = torch.from_numpy(instance.mask.to_mask()).float()
    height, width = mask.shape
    x1, y1, x2, y2 = _box(instance)
    points = (torch.arange(MASK_SIDE * _FINER) + 0.5) / (MASK_SIDE * _FINER)
    xs = (x1 + points * (x2 - x1)) / width * 2 - 1
    ys = (y1 + points * (y2 - y1)) / height * 2 - 1
    grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1)
    fine = F.grid_sample(mask[None, None], grid[None], align_corners=False)
    square: npt.NDArray[np.uint8] = (F.avg_pool2d(fine, _FINER)[0, 0] * 255).round().byte().numpy()
    return square
