"""Draws instances on an image: each only inside its own box, at the image's full size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.drawing.palette import Color, category_color, instance_color
from maskrcnn_core.drawing.style import ColorBy, Style
from maskrcnn_core.geometry.rle import BoolMask

__all__ = [
    "colors_of",
    "cut_out",
    "cut_out_thumbnail",
    "draw_label",
    "label_places",
    "label_size",
    "render",
    "rim_of",
]

PixelBox = tuple[int, int, int, int]
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

_HIDDEN_SHARE = 0.2  # of a neighbour's box that a label may hide


def colors_of(instances: Sequence[Instance], color_by: ColorBy) -> list[Color]:
    """Return one RGB color for each instance.

    By instance the color follows the candidate row where there is one, so that an object keeps its
    color while thresholds move.
    """
    if color_by == "category":
        return [category_color(i.category_id) for i in instances]
    return [instance_color(i.row if i.row >= 0 else n) for n, i in enumerate(instances)]


def render(
    pixels: Pixels, instances: Sequence[Instance], names: Mapping[int, str], style: Style | None = None
) -> Pixels:
    """Return the image with its instances drawn on it; the best scored lies on top.

    Args:
        pixels: uint8 ``[H, W, 3]`` RGB; not changed.
        instances: of this image, by descending score.
        names: category id to name.
        style: what is drawn.

    Returns:
        uint8 ``[H, W, 3]``.
    """
    style = style or Style()
    canvas = pixels.copy()
    width = _line_width(pixels)
    colors = colors_of(instances, style.color_by)
    for instance, color in reversed(list(zip(instances, colors, strict=True))):
        _draw_mask(canvas, instance, color, style, width)
    if style.boxes or style.labels:
        canvas = _draw_boxes(canvas, instances, colors, names, style, width)
    return canvas


def cut_out(pixels: Pixels, instance: Instance) -> Pixels:
    """Return the object on its own box with all else transparent: uint8 ``[h, w, 4]`` RGBA."""
    x, y, width, height = instance.box_xywh
    crop = pixels[y : y + height, x : x + width]
    alpha = instance.mask.crop().astype(np.uint8) * 255
    return np.dstack([crop, alpha])


def cut_out_thumbnail(pixels: Pixels, instance: Instance, side: int) -> Pixels:
    """Return the cut-out, at most ``side`` pixels wide and high: uint8 ``[h, w, 4]`` RGBA.

    Large objects are thinned out to twice that first: nobody sees it at this size, and it takes a
    hundredth of the time.
    """
    x, y, width, height = instance.box_xywh
    step = max(1, max(width, height) // (2 * side))
    crop = pixels[y : y + height : step, x : x + width : step]
    alpha = instance.mask.crop()[::step, ::step].astype(np.uint8) * 255
    picture = Image.fromarray(np.dstack([crop, alpha]))
    picture.thumbnail((side, side))
    return np.asarray(picture)


def _draw_mask(canvas: Pixels, instance: Instance, color: Color, style: Style, width: int) -> None:
    x, y, box_width, box_height = instance.box_xywh
    mask = instance.mask.crop()
    area = canvas[y : y + box_height, x : x + box_width]
    if style.masks:
        # Whole numbers: 256ths of opacity, rounded; a float crop would take four times the memory.
        weight = round(style.opacity * 256)
        inside = area[mask].astype(np.uint16)
        area[mask] = (inside * (256 - weight) + np.array(color, np.uint16) * weight + 128) >> 8
    if style.contours:
        area[rim_of(mask, width)] = color


def rim_of(mask: BoolMask, width: int) -> BoolMask:
    """Return the mask's pixels that lie within ``width`` of its outside, by steps to the four sides."""
    core = mask
    for _ in range(width):
        padded = np.pad(core, 1)
        core = core & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~core


def _draw_boxes(
    canvas: Pixels,
    instances: Sequence[Instance],
    colors: Sequence[Color],
    names: Mapping[int, str],
    style: Style,
    width: int,
) -> Pixels:
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=10 + 3 * width)
    places: list[PixelBox | None] = [None] * len(instances)
    texts = [_label_text(instance, names) for instance in instances]
    if style.labels:
        sizes = [label_size(draw, text, font) for text in texts]
        places = label_places([_corners(instance) for instance in instances], sizes, picture.height)
    drawn = list(zip(instances, colors, texts, places, strict=True))
    if style.boxes:
        for instance, color, _, _ in reversed(drawn):
            x1, y1, x2, y2 = _corners(instance)
            draw.rectangle((x1, y1, x2 - 1, y2 - 1), outline=color, width=width)
    for _, color, text, place in reversed(drawn):
        if place is not None:
            draw_label(draw, text, place, color, font)
    return np.asarray(picture).copy()


def _corners(instance: Instance) -> PixelBox:
    x, y, width, height = instance.box_xywh
    return (x, y, x + width, y + height)


def _label_text(instance: Instance, names: Mapping[int, str]) -> str:
    score = "" if instance.score is None else f" {instance.score:.2f}"
    return names[instance.category_id] + score


def label_size(draw: ImageDraw.ImageDraw, text: str, font: Font) -> tuple[int, int]:
    """Return width and height of a label with the space around its text."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    return (int(right - left) + 6, int(bottom - top) + 5)


def label_places(
    boxes: Sequence[PixelBox], sizes: Sequence[tuple[int, int]], picture_height: int
) -> list[PixelBox | None]:
    """Return where each label lies, above its box or else below it; ``None`` where there is no room.

    Hundreds of labels would hide the picture. So one is drawn only where it lies on no label of a better
    scored instance, and hides at most a fifth of any other's box. The viewer's rule is the same.

    Args:
        boxes: x1 y1 x2 y2 in whole pixels, ends exclusive.
        sizes: width and height of each label.
        picture_height: in pixels.
    """
    every = np.array(boxes, np.int64).reshape(-1, 4)
    areas = (every[:, 2] - every[:, 0]) * (every[:, 3] - every[:, 1])
    taken = np.empty((0, 4), np.int64)
    places: list[PixelBox | None] = []
    for number, ((x, y1, _, y2), (width, height)) in enumerate(zip(boxes, sizes, strict=True)):
        above = max(y1 - height + 1, 0)  # inside the box at the image's upper border
        found: PixelBox | None = None
        for y in (above, y2):
            label = (x, y, x + width, y + height)
            hidden = _shared_areas(every, label) > _HIDDEN_SHARE * areas
            hidden[number] = False
            if y + height <= picture_height and not hidden.any() and not _shared_areas(taken, label).any():
                found = label
                taken = np.vstack([taken, [label]])
                break
        places.append(found)
    return places


def _shared_areas(boxes: npt.NDArray[np.int64], box: PixelBox) -> npt.NDArray[np.int64]:
    """Return pixels that each of some boxes, ``[N, 4]``, shares with one."""
    wide = np.minimum(boxes[:, 2], box[2]) - np.maximum(boxes[:, 0], box[0])
    high = np.minimum(boxes[:, 3], box[3]) - np.maximum(boxes[:, 1], box[1])
    shared: npt.NDArray[np.int64] = np.maximum(wide, 0) * np.maximum(high, 0)
    return shared


def draw_label(draw: ImageDraw.ImageDraw, text: str, place: PixelBox, color: Color, font: Font) -> None:
    """Draw text on a colored ground, black or white by the ground's brightness."""
    left, top, _, _ = draw.textbbox((0, 0), text, font=font)
    x1, y1, x2, y2 = place
    draw.rectangle((x1, y1, x2 - 1, y2 - 1), fill=color)
    red, green, blue = color
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 140  # luma of ITU-R BT.601
    draw.text((x1 + 3 - left, y1 + 2 - top), text, fill="black" if bright else "white", font=font)


def _line_width(pixels: Pixels) -> int:
    longest: int = max(pixels.shape[:2])
    return max(1, round(longest / 700))
