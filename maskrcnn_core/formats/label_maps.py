"""Writes label maps: pictures in which each pixel is the number of its instance, or its category's id.

PNG of 16 bits as far as that goes, TIFF beyond; or TIFF always, for programs that look for it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import AnnotatedImage, Instance
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.label_images import LABEL_IMAGE_READER

__all__ = ["LABEL_MAPS", "LABEL_TIFF", "hidden_note", "label_map"]

_FAST = 1  # zlib level: at full size the higher ones take ten times as long for a tenth of the bytes
_LARGEST_UINT16 = 2**16 - 1
_LARGEST_INT32 = 2**31 - 1


def _map_members(export: Export) -> Iterator[Member]:
    """Yield two pictures per image: each pixel's instance number, and each pixel's category id; 0 is neither.

    16-bit grey PNG always, as readers of arrays (OpenCV, scikit-image, imageio) take palettes for colours;
    32-bit TIFF where a value is above 65,535. Where masks overlap the better scored lies on top; in an image
    with an instance without a score, the smaller one does. What differs from that is in the members' notes.
    """
    category_values, shift = _category_values(export)
    for place, (stem, _, image) in enumerate(named_images(export)):
        numbers = list(range(1, len(image.instances) + 1))
        labels = label_map(image, numbers)
        yield replace(
            _label_member(f"{stem}_instances", labels, numbers, hidden_note(labels, numbers)), image=place
        )
        values = [category_values[instance.category_id] for instance in image.instances]
        categories = _label_member(
            f"{stem}_categories", label_map(image, values), list(category_values.values()), shift
        )
        yield replace(categories, image=place)


def _category_values(export: Export) -> tuple[dict[int, int], str]:
    """Return each category id's value in the label maps of all images, and a note if it differs from the id.

    0 is the background: ids from 0 on are shifted to begin at 1. Ids that 32 bits cannot hold are counted.
    """
    ids = sorted(
        {category.id for category in export.categories}
        | {instance.category_id for image in export.images for instance in image.instances}
    )
    shift = max(0, 1 - ids[0]) if ids else 0
    if ids and ids[-1] + shift > _LARGEST_INT32:
        values = {id_: place for place, id_ in enumerate(ids, start=1)}
        listed = ", ".join(f"{values[id_]} is {id_}" for id_ in ids[:8]) + (" ..." if len(ids) > 8 else "")
        return (
            values,
            f"category ids do not fit into 32 bits: they are numbered in ascending order ({listed})",
        )
    note = f"values are the category ids plus {shift}, because 0 is the background" if shift else ""
    return {id_: id_ + shift for id_ in ids}, note


def label_map(image: AnnotatedImage, values: list[int]) -> npt.NDArray[np.int32]:
    labels = np.zeros(image.record.size, np.int32)
    for place in _from_below(image.instances):
        instance = image.instances[place]
        x, y, width, height = instance.box_xywh
        labels[y : y + height, x : x + width][instance.mask.crop()] = values[place]
    return labels


def _from_below(instances: tuple[Instance, ...]) -> list[int]:
    """Return places in the order of drawing. Scores count only if all have one: an order that mixed them
    with areas would not be one.
    """
    by_score = all(instance.score is not None for instance in instances)

    def height(place: int) -> tuple[float, int, int]:
        instance = instances[place]
        return (instance.score or 0.0) if by_score else 0.0, -instance.area, -place

    return sorted(range(len(instances)), key=height)


def hidden_note(labels: npt.NDArray[np.int32], numbers: list[int]) -> str:
    """Return a note on instances of which no pixel is left, as others lie on all of them."""
    hidden = sorted(set(numbers) - set(np.unique(labels).tolist()))
    if not hidden:
        return ""
    shown = ", ".join(map(str, hidden[:8])) + (" ..." if len(hidden) > 8 else "")
    return (
        f"{counted(len(hidden), 'instance is', 'instances are')} entirely below others, without a pixel "
        f"here ({shown})"
    )


def _label_member(stem: str, labels: npt.NDArray[np.int32], values: list[int], note: str) -> Member:
    if max(values, default=0) <= _LARGEST_UINT16:
        name, data = f"{stem}.png", _png(labels.astype(np.uint16))
    else:
        name, data = f"{stem}.tif", _save(Image.fromarray(labels), "TIFF", compression="tiff_adobe_deflate")
        note = "; ".join(filter(None, (note, f"a 32-bit TIFF, because values exceed {_LARGEST_UINT16:,}")))
    return Member(name, data, f"{name}: {note}" if note else "")


def _tiff_members(export: Export) -> Iterator[Member]:
    for place, (stem, _, image) in enumerate(named_images(export)):
        order = list(range(1, len(image.instances) + 1))
        labels = label_map(image, order)
        hidden = hidden_note(labels, order)
        name = f"{stem}_masks.tif"
        yield Member(name, _tiff(labels), f"{name}: {hidden}" if hidden else "", place)


def _tiff(labels: npt.NDArray[np.int32]) -> bytes:
    small = labels.astype(np.uint16) if labels.max(initial=0) <= _LARGEST_UINT16 else labels
    return _save(Image.fromarray(small), "TIFF", compression="tiff_adobe_deflate")


def _png(array: npt.NDArray[np.generic]) -> bytes:
    return _save(Image.fromarray(array), "PNG", compress_level=_FAST)


def _save(picture: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


LABEL_MAPS = Format(
    key="label-maps",
    title="Label maps",
    suffix=".zip",
    mime="application/zip",
    holds="Two 16-bit grey PNGs (32-bit TIFF if values exceed 65,535): each pixel's instance "
    "number, and each pixel's category id.",
    loses="Scores, categories' names, and what is below a better-scored instance (a smaller one if scores "
    "are missing).",
    members=_map_members,
    count=lambda export: 2 * len(export.images),
    kept=frozenset({"mask", "category id", "order"}),
    reader=LABEL_IMAGE_READER,
    used_by="OpenCV, scikit-image, Cellpose, torchvision's references",
    per_image=True,
    judge="scikit-image, cv2",
    is_dense=True,
)


LABEL_TIFF = Format(
    key="label-tiff",
    title="Label images (TIFF)",
    suffix=".tif",
    mime="image/tiff",
    holds="A 16-bit TIFF for each image (32-bit if there are more than 65,535 objects): 0 is no object.",
    loses="Categories, scores, ids, crowds' mark, what is below another instance.",
    members=_tiff_members,
    count=lambda export: len(export.images),
    kept=frozenset({"mask", "order"}),
    reader=LABEL_IMAGE_READER,
    used_by="Cellpose, StarDist, scikit-image, Fiji, napari",
    per_image=True,
    judge="tifffile, scikit-image, cv2",
    is_dense=True,
)
