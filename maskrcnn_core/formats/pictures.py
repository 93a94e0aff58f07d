"""Files made for each image: cut-out segments, label maps, overlays.

The pictures are PNG at the image's full size, so that every pixel is what it says.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskrcnn_core.annotations import AnnotatedImage, Instance
from maskrcnn_core.formats.base import Export, Member, file_stem, stems_of
from maskrcnn_core.formats.placed_png import placed_png
from maskrcnn_core.palette import category_color
from maskrcnn_core.rendering import colors_of, cut_out, render

__all__ = ["label_map_members", "overlay_members", "segment_members"]

_FAST = 1  # zlib level: at full size the higher ones take ten times as long for a tenth of the bytes
_PALETTE_LIMIT = 255  # indices in an 8-bit picture beside 0, the background


def segment_members(export: Export) -> Iterator[Member]:
    """For each instance: its cut-out, the image times its mask, and its mask.

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
    """Each image at full size with its instances drawn on it, as shown."""
    for stem, image in zip(stems_of(export.images), export.images, strict=True):
        picture = render(image.load_pixels(), image.instances, export.names, export.style)
        yield Member(f"{stem}_overlay.png", _png(picture))


def label_map_members(export: Export) -> Iterator[Member]:
    """Two pictures an image: each pixel's instance number, and each pixel's category id; 0 is neither.

    Where masks overlap the better scored lies on top. Values up to 255 are 8-bit with a palette, so
    that the picture can be looked at, too; greater ones are 16-bit grey.
    """
    for stem, image in zip(stems_of(export.images), export.images, strict=True):
        numbers = list(range(1, len(image.instances) + 1))
        ids = [instance.category_id for instance in image.instances]
        instances = colors_of(image.instances, "instance")
        yield Member(
            f"{stem}_instances.png",
            _label_png(_label_map(image, numbers), dict(zip(numbers, instances, strict=True))),
        )
        yield Member(
            f"{stem}_categories.png",
            _label_png(_label_map(image, ids), {i: category_color(i) for i in ids}),
        )


def _label_map(image: AnnotatedImage, values: list[int]) -> npt.NDArray[np.uint16]:
    labels = np.zeros(image.record.size, np.uint16)
    for instance, value in reversed(list(zip(image.instances, values, strict=True))):
        _view(labels, instance)[instance.mask.crop()] = value
    return labels


def _view(array: npt.NDArray[np.uint16], instance: Instance) -> npt.NDArray[np.uint16]:
    x, y, width, height = instance.box_xywh
    return array[y : y + height, x : x + width]


def _label_png(labels: npt.NDArray[np.uint16], colors: dict[int, tuple[int, int, int]]) -> bytes:
    if max(colors, default=0) > _PALETTE_LIMIT:
        return _png(labels)
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette([v for index in range(256) for v in colors.get(index, (0, 0, 0))])
    return _save(picture)


def _png(array: npt.NDArray[np.generic]) -> bytes:
    return _save(Image.fromarray(array))


def _save(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=_FAST)
    return buffer.getvalue()
