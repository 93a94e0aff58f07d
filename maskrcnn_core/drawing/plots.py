"""Plots and tables of numbers as pictures, on the light ground of :mod:`~maskrcnn_core.drawing.board`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from maskrcnn_core.common.arrays import Doubles, Pixels
from maskrcnn_core.common.one_line import one_line, shortened
from maskrcnn_core.drawing.board import GROUND, INK, false_colors, with_legend
from maskrcnn_core.drawing.palette import Color

__all__ = ["Line", "draw_grid", "draw_lines"]

Line = tuple[str, Color, Sequence[float], Sequence[float]]
"""Name, colour, and the points' places from left to right and from bottom to top, each in 0 to 1."""

_WIDE, _HIGH = 620, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 20, 34, 46
_OVER = 3  # supersampling of lines
_TEXT = 14
_PALE: Color = (222, 222, 218)

_CELL = 34
_NAMES = 190  # pixels for the names of rows, and for those of columns
_LONGEST = 24


def draw_lines(title: str, across: str, up: str, lines: Sequence[Line]) -> Pixels:
    """Draw lines in a square from 0 to 1 each way, with a legend: uint8 ``[h, 620, 3]``.

    Args:
        title: above it.
        across, up: what the two axes are.
        lines: the last on top.
    """
    large = Image.new("RGB", (_WIDE * _OVER, _HIGH * _OVER), GROUND)
    draw = ImageDraw.Draw(large)
    for step in range(6):
        x, y = _place(step / 5, step / 5)
        for ends in ((x, _TOP, x, _HIGH - _BOTTOM), (_LEFT, y, _WIDE - _RIGHT, y)):
            draw.line([v * _OVER for v in ends], fill=_PALE, width=_OVER)
    for _, color, xs, ys in lines:
        points = [_place(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
        flat = [v * _OVER for point in points for v in point]
        if len(points) > 1:
            draw.line(flat, fill=color, width=2 * _OVER, joint="curve")
    picture = large.resize((_WIDE, _HIGH), Image.Resampling.LANCZOS)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=_TEXT)
    draw.text((_LEFT, 8), one_line(title), fill=INK, font=font)
    for step in range(6):
        text = f"{step / 5:.1f}"
        x, y = _place(step / 5, step / 5)
        draw.text((x - draw.textlength(text, font=font) / 2, _HIGH - _BOTTOM + 5), text, fill=INK, font=font)
        draw.text((_LEFT - 8 - draw.textlength(text, font=font), y - 9), text, fill=INK, font=font)
    middle = (_WIDE - _RIGHT + _LEFT - draw.textlength(across, font=font)) / 2
    draw.text((middle, _HIGH - 22), across, fill=INK, font=font)
    side = _upright(up, font)
    picture.paste(side, (4, (_HIGH - _BOTTOM + _TOP - side.height) // 2))
    return with_legend(np.asarray(picture), [(color, name) for name, color, _, _ in lines])


def _place(x: float, y: float) -> tuple[float, float]:
    return _LEFT + x * (_WIDE - _LEFT - _RIGHT), _HIGH - _BOTTOM - y * (_HIGH - _TOP - _BOTTOM)


def draw_grid(
    rows: Sequence[str], columns: Sequence[str], values: Doubles, frames: Sequence[tuple[int, int, Color]]
) -> Pixels:
    """Draw numbers from 0 to 1 as a grid of coloured cells with their values; one that rounds to 0 has none.

    Args:
        rows, columns: names, R of rows from the top and C of columns from the left.
        values: float64 ``[R, C]``.
        frames: row, column and colour of cells that are marked with a frame.

    Returns:
        uint8 ``[h, w, 3]``.
    """
    font, small = ImageFont.load_default(size=_TEXT), ImageFont.load_default(size=12)
    names = [_upright(_short(name), font) for name in columns]
    top = max((name.height for name in names), default=0) + 10
    wide = max(len(columns), 1) * _CELL
    picture = Image.new("RGB", (_NAMES + wide + 8, top + max(len(rows), 1) * _CELL + 8), GROUND)
    draw = ImageDraw.Draw(picture)
    colors = false_colors(values, 0, 1)
    for r, c in np.ndindex(values.shape):
        red, green, blue = colors[r, c].tolist()
        _draw_cell(
            draw, (_NAMES + c * _CELL, top + r * _CELL), (red, green, blue), float(values[r, c]), small
        )
    for number, name in enumerate(rows):
        text = _short(name)
        x = _NAMES - 8 - draw.textlength(text, font=font)
        draw.text((x, top + number * _CELL + 8), text, fill=INK, font=font)
    for number, strip in enumerate(names):
        picture.paste(strip, (_NAMES + number * _CELL + (_CELL - strip.width) // 2, top - 6 - strip.height))
    for r, c, color in frames:
        x, y = _NAMES + c * _CELL, top + r * _CELL
        draw.rectangle((x - 1, y - 1, x + _CELL - 1, y + _CELL - 1), outline=color, width=3)
    return np.asarray(picture)


def _draw_cell(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    color: Color,
    value: float,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    x, y = corner
    draw.rectangle((x, y, x + _CELL - 2, y + _CELL - 2), fill=color)
    if value >= 0.005:
        text = f"{value:.2f}".removeprefix("0")
        room = (_CELL - draw.textlength(text, font=font)) / 2
        draw.text((x + room, y + 9), text, fill="black" if value > 0.6 else "white", font=font)


def _upright(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> Image.Image:
    """Return text that reads from the bottom to the top."""
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    strip = Image.new("RGB", (max(round(ruler.textlength(text, font=font)), 1), 18), GROUND)
    ImageDraw.Draw(strip).text((0, 0), text, fill=INK, font=font)
    return strip.transpose(Image.Transpose.ROTATE_90)


def _short(text: str) -> str:
    return shortened(one_line(text), _LONGEST)
