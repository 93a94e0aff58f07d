"""Files made for each image: cut-out segments, overlays, colour splashes.

The pictures are PNG at the image's full size, so that every pixel is what it says.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskrcnn_core.drawing.instances import cut_out, render
from maskrcnn_core.drawing.splash import color_splash
from maskrcnn_core.formats.base import Export, Format, Member, file_stem, stems_of
from maskrcnn_core.formats.placed_png import placed_png

__all__ = [
    "OVERLAY",
    "SEGMENTS",
    "SPLASH",
    "overlay_members",
    "segment_members",
    "splash_members",
]

_FAST = 1  # zlib level: at full size the higher ones take ten times as long for a tenth of the bytes


def segment_members(export: Export) -> Iterator[Member]:
    """Yield for each instance its cut-out, the image times its mask, and its mask.

    Names are ``<image>/<number>_<category>_<score>_<what>.png``; numbers count from 1 by descending
    score, so that the files sort as the table does.
    """
    names = export.names
    for stem, image in zip(stems_of(export), export.images, strict=True):
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
    for stem, image in zip(stems_of(export), export.images, strict=True):
        picture = render(image.load_pixels(), image.instances, export.names, export.style)
        yield Member(f"{stem}_overlay.png", _png(picture))


def splash_members(export: Export) -> Iterator[Member]:
    """Yield each image at full size, grey but for its instances; all grey where it has none."""
    for stem, image in zip(stems_of(export), export.images, strict=True):
        picture = color_splash(image.load_pixels(), (instance.mask for instance in image.instances))
        yield Member(f"{stem}_splash.png", _png(picture))


def _png(array: npt.NDArray[np.generic]) -> bytes:
    return _save(Image.fromarray(array), "PNG", compress_level=_FAST)


def _save(picture: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


SEGMENTS = Format(
    key="segments",
    title="Segments",
    suffix=".zip",
    mime="application/zip",
    holds="For each instance, as PNG: the segment on a transparent background, the image times its "
    "mask, and its mask.",
    loses="Scores beyond two places.",
    members=segment_members,
    count=lambda export: 3 * sum(len(image.instances) for image in export.images),
    used_by="image editors, slides, training of classifiers",
    draws=True,
    is_dense=True,
)


OVERLAY = Format(
    key="overlay",
    title="Overlay",
    suffix=".png",
    mime="image/png",
    holds="The image at full size with what is drawn on it.",
    loses="Everything but the look.",
    members=overlay_members,
    count=lambda export: len(export.images),
    used_by="people",
    draws=True,
    per_image=True,
    is_dense=True,
)


SPLASH = Format(
    key="splash",
    title="Colour splash",
    suffix=".png",
    mime="image/png",
    holds="The image at full size: its instances in their own colours, all else in grey (the luma of "
    "ITU-R BT.601).",
    loses="Everything but the look.",
    members=splash_members,
    count=lambda export: len(export.images),
    used_by="people",
    draws=True,
    per_image=True,
    is_dense=True,
)
