"""The scene that all judges see, written in each format, and what they should see in it."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.formats import Export, format_by_key, write_folder
from tests.builders.core import disc
from tests.builders.formats import HEIGHT, WIDTH, make_export, make_image_with, make_instances
from tests.interop.judging import Seen, Sees

__all__ = ["LARGE", "expected", "make_scene", "write_scene"]

LARGE = 100
"""Pixels from which on an object counts as large: one row around it more is less than half of it."""

_NAMES = (
    Category(1, "person"),
    Category(3, "Zellkern ☂"),
    Category(18, "日本語 犬", "animal"),
    Category(90, "a,b c"),
)
_WITH_IMAGES = frozenset({"cvat", "hugging-face", "open-images", "supervisely", "voc", "yolo"})
"""Formats whose readers look for copies of the images at a place within the export."""


def make_scene() -> Export:
    """Return an image of seven objects, and an empty one; both are JPEG files.

    The objects are a disc, a ring, two parts, a pixel, one at the border, and two that overlap others.
    """
    instances = (
        *make_instances(),
        Instance(1, 18, disc(HEIGHT, WIDTH, 26, 25, 8), 0.5),
        Instance(1, 1, disc(HEIGHT, WIDTH, 45, 8, 13, hole=5), 0.97),
    )
    images = (make_image_with(instances), make_image_with((), 2, "日本語 ☂ 空.jpg", "cd" * 32))
    files = tuple(replace(image, load_file=partial(_jpeg, image.load_pixels())) for image in images)
    return make_export(images=files, categories=_NAMES, has_images=True)


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def write_scene(key: str, folder: Path) -> None:
    """Write the scene in a format, with its images; the results form also with what it is about."""
    scene = make_scene()
    write_folder(format_by_key(key).members(scene), folder)
    if key == "results":
        write_folder(format_by_key("coco").members(scene), folder)
    if key not in _WITH_IMAGES:
        for image in scene.images:
            (folder / image.record.file_name).write_bytes(image.load_file())


def expected(sees: Sees) -> list[Seen]:
    """Return what a judge should see: whole masks, visible ones, single parts, or categories."""
    scene = make_scene()
    instances, stem = scene.images[0].instances, Path(scene.images[0].record.file_name).stem
    masks = [instance.mask.to_mask() for instance in instances]
    if sees in ("visible", "categories"):
        above = [[o for o in instances if o.score > instance.score] for instance in instances]
        masks = [
            np.logical_and.reduce([mask, *(~other.mask.to_mask() for other in others)])
            for mask, others in zip(masks, above, strict=True)
        ]
    seen = [
        Seen(stem, mask, scene.names[i.category_id], i.score)
        for mask, i in zip(masks, instances, strict=True)
    ]
    if sees == "parts":
        return [Seen(s.image, part, s.category, s.score) for s in seen for part in _parts(s.mask)]
    if sees == "categories":
        of_name: dict[str | None, list[np.ndarray]] = {}
        for one in seen:
            of_name.setdefault(one.category, []).append(one.mask)
        return [Seen(stem, np.logical_or.reduce(found), name) for name, found in of_name.items()]
    return seen


def _parts(mask: np.ndarray) -> list[np.ndarray]:
    from skimage.measure import label

    labels = label(mask, connectivity=1)
    return [labels == number for number in range(1, labels.max() + 1)]
