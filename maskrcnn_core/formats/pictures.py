"""Files made for each image: cut-out segments, label maps, overlays, colour splashes.

The pictures are at the image's full size, so that every pixel is what it says: PNG, but for label maps of
values that its 16 bits cannot hold.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import AnnotatedImage, Instance
from maskrcnn_core.drawing.instances import cut_out, render
from maskrcnn_core.drawing.splash import color_splash
from maskrcnn_core.formats.base import Export, Member, file_stem, stems_of
from maskrcnn_core.formats.placed_png import placed_png

__all__ = ["label_map_members", "overlay_members", "segment_members", "splash_members"]

_FAST = 1  # zlib level: at full size the higher ones take ten times as long for a tenth of the bytes
_LARGEST_UINT16 = 2**16 - 1
_LARGEST_INT32 = 2**31 - 1


def segment_members(export: Export) -> Iterator[Member]:
    """Yield for each instance its cut-out, the image times its mask, and its mask.

    Names are ``<image>/<number>_<category>_<score>_<what>.png``; numbers count from 1 by descending
    score, so that the files sort as the table does.
    """
    names = export.names
    for stem, image in zip(stems_of(export.images), export.images, strict=True):
        if not image.instances:
            continue
        pixels = image.load_pixels()
        digits = max(3, len(str(len(image.instances))))
        for number, instance in enumerate(image.instances, start=1):
            score = "" if instance.score is None else f"_{instance.score:.2f}"
            category = file_stem(names[instance.category_id], longest=40)
            prefix = f"{stem}/{number:0{digits}d}_{category}{score}"
            x, y, width, height = instance.box_xywh
            mask = instance.mask.crop()
            masked = pixels[y : y + height, x : x + width] * mask[:, :, None]
            size = image.record.size
            yield Member(f"{prefix}_cutout.png", _png(cut_out(pixels, instance)))
            yield Member(f"{prefix}_masked.png", placed_png(masked, (y, x), size))
            yield Member(f"{prefix}_mask.png", placed_png(mask, (y, x), size))


def overlay_members(export: Export) -> Iterator[Member]:
    """Yield each image at full size with its instances drawn on it, as shown."""
    for stem, image in zip(stems_of(export.images), export.images, strict=True):
        picture = render(image.load_pixels(), image.instances, export.names, export.style)
        yield Member(f"{stem}_overlay.png", _png(picture))


def splash_members(export: Export) -> Iterator[Member]:
    """Yield each image at full size, grey but for its instances; all grey where it has none."""
    for stem, image in zip(stems_of(export.images), export.images, strict=True):
        picture = color_splash(image.load_pixels(), (instance.mask for instance in image.instances))
        yield Member(f"{stem}_splash.png", _png(picture))


def label_map_members(export: Export) -> Iterator[Member]:
    """Yield two pictures per image: each pixel's instance number, and each pixel's category id; 0 is neither.

    16-bit grey PNG always, as readers of arrays (OpenCV, scikit-image, imageio) take palettes for colours;
    32-bit TIFF where a value is above 65,535. Where masks overlap the better scored lies on top; in an image
    with an instance without a score, the smaller one does. What differs from that is in the members' notes.
    """
    category_values, shift = _category_values(export)
    for stem, image in zip(stems_of(export.images), export.images, strict=True):
        numbers = list(range(1, len(image.instances) + 1))
        labels = _label_map(image, numbers)
        yield _label_member(f"{stem}_instances", labels, numbers, _hidden(labels, numbers))
        values = [category_values[instance.category_id] for instance in image.instances]
        yield _label_member(
            f"{stem}_categories", _label_map(image, values), list(category_values.values()), shift
        )


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


def _label_map(image: AnnotatedImage, values: list[int]) -> npt.NDArray[np.int32]:
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


def _hidden(labels: npt.NDArray[np.int32], numbers: list[int]) -> str:
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


def _png(array: npt.NDArray[np.generic]) -> bytes:
    return _save(Image.fromarray(array), "PNG", compress_level=_FAST)


def _save(picture: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()
