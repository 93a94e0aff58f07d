"""Draws instances on an image: each only inside its own box, at the image's full size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from maskrcnn_core.annotations import Instance
from maskrcnn_core.masks import BoolMask
from maskrcnn_core.palette import Color, category_color, instance_color

__all__ = ["ColorBy", "Style", "colors_of", "cut_out", "cut_out_thumbnail", "render"]

Pixels = npt.NDArray[np.uint8]
ColorBy = Literal["instance", "category"]


@dataclass(frozen=True)
class Style:
    """What is drawn, and how.

    Args:
        opacity: of the mask's fill, 0 to 1.
        masks, contours, boxes, labels: whether each is drawn.
        color_by: ``instance`` tells objects apart (instance segmentation), ``category`` gives all
            objects of a kind one color (semantic segmentation).
    """

    opacity: float = 0.5
    masks: bool = True
    contours: bool = True
    boxes: bool = True
    labels: bool = True
    color_by: ColorBy = "instance"


def colors_of(instances: Sequence[Instance], color_by: ColorBy) -> list[Color]:
    """One RGB color for each instance.

    By instance the color follows the candidate row where there is one, so that an object keeps its
    color while thresholds move.
    """
    if color_by == "category":
        return [category_color(i.category_id) for i in instances]
    return [instance_color(i.row if i.row >= 0 else n) for n, i in enumerate(instances)]


def render(
    pixels: Pixels, instances: Sequence[Instance], names: Mapping[int, str], style: Style | None = None
) -> Pixels:
    """The image with its instances drawn on it; the best scored lies on top.

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
    """The object on its own box with all else transparent: uint8 ``[h, w, 4]`` RGBA."""
    x, y, width, height = instance.box_xywh
    crop = pixels[y : y + height, x : x + width]
    alpha = instance.mask.crop().astype(np.uint8) * 255
    return np.dstack([crop, alpha])


def cut_out_thumbnail(pixels: Pixels, instance: Instance, side: int) -> Pixels:
    """The cut-out, at most ``side`` pixels wide and high: uint8 ``[h, w, 4]`` RGBA.

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
        area[_rim(mask, width)] = color


def _rim(mask: BoolMask, width: int) -> BoolMask:
    """The mask's pixels that lie within ``width`` of its outside, by steps to the four sides."""
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
    for instance, color in reversed(list(zip(instances, colors, strict=True))):
        x, y, box_width, box_height = instance.box_xywh
        if style.boxes:
            draw.rectangle((x, y, x + box_width - 1, y + box_height - 1), outline=color, width=width)
        if style.labels:
            text = names[instance.category_id]
            if instance.score is not None:
                text += f" {instance.score:.2f}"
            _draw_label(draw, text, (x, y), color, font)
    return np.asarray(picture).copy()


def _draw_label(
    draw: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[int, int],
    color: Color,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    x, y = corner
    y = max(y - int(bottom - top) - 4, 0)  # above the box, or inside it at the image's upper border
    draw.rectangle((x, y, x + right - left + 5, y + bottom - top + 4), fill=color)
    red, green, blue = color
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 140  # luma of ITU-R BT.601
    draw.text((x + 3 - left, y + 2 - top), text, fill="black" if bright else "white", font=font)


def _line_width(pixels: Pixels) -> int:
    longest: int = max(pixels.shape[:2])
    return max(1, round(longest / 700))
