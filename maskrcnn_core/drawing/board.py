"""Pictures that explain: boxes and arrows on a photo, panels side by side, maps in false colours, bars.

All is uint8 RGB, at most :data:`SIDE` pixels wide, on a light ground that also prints. False colours are
viridis (Nathaniel Smith and Stéfan van der Walt 2015, CC0), whose steps look even, also in grey and to people
who see few colours; marks take theirs from the set of Okabe and Ito 2008 for the same reason.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.drawing.instances import draw_label, label_places, label_size
from maskrcnn_core.drawing.palette import Color

__all__ = [
    "AMBER",
    "BLUE",
    "GREEN",
    "GREY",
    "GROUND",
    "INK",
    "RED",
    "SIDE",
    "WHITE",
    "Board",
    "bars",
    "enlarge",
    "false_colors",
    "panels",
    "picture_size",
    "scaled",
    "with_legend",
]

Numbers = npt.NDArray[np.floating]
Point = tuple[float, float]

SIDE = 900
"""Pixels of a picture's longer side, at most."""

LEAST_SIDE = 480
"""Smaller images are enlarged to this, so that there is room for lines and words."""

GREEN: Color = (0, 200, 130)
RED: Color = (224, 80, 10)
BLUE: Color = (86, 180, 233)
AMBER: Color = (240, 200, 40)
GREY: Color = (150, 150, 150)
WHITE: Color = (255, 255, 255)

GROUND: Color = (250, 250, 248)
INK: Color = (40, 44, 52)
_GAP = 10  # pixels between panels
_TEXT = 14  # pixels of a font
_LONGEST = 34  # characters of a name in a picture

_VIRIDIS = np.array(
    [
        (68, 1, 84),
        (72, 40, 120),
        (62, 73, 137),
        (49, 104, 142),
        (38, 130, 142),
        (31, 158, 137),
        (53, 183, 121),
        (110, 206, 88),
        (181, 222, 43),
        (253, 231, 37),
    ]
)
_COLORS = np.stack(
    [np.interp(np.linspace(0, 9, 256), np.arange(10), _VIRIDIS[:, channel]) for channel in range(3)], axis=1
).round().astype(np.uint8)  # fmt: skip


# -- sizes and colours ------------------------------------------------------------------------------------


def picture_size(size: tuple[int, int], *, least: int = LEAST_SIDE) -> tuple[int, int]:
    """Return ``(height, width)`` of an image's picture: of its shape, the longer side within bounds."""
    longest = max(size)
    scale = min(SIDE / longest, 1.0) if longest >= least else least / longest
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def scaled(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Scale uint8 ``[h, w, 3]``: average to shrink it, and keep cells apart if it becomes much larger."""
    picture = Image.fromarray(pixels)
    if size[0] >= 2 * pixels.shape[0]:
        return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.NEAREST))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.LANCZOS, reducing_gap=2.0))


def enlarge(cells: Pixels, size: tuple[int, int]) -> Pixels:
    """Enlarge uint8 ``[h, w, 3]`` so that its pixels become visible squares; nothing is blended."""
    return np.asarray(Image.fromarray(cells).resize((size[1], size[0]), Image.Resampling.NEAREST))


def false_colors(values: npt.ArrayLike, low: float | None = None, high: float | None = None) -> Pixels:
    """Return numbers ``[...]`` as uint8 ``[..., 3]``, from dark violet at ``low`` to yellow at ``high``.

    Without bounds, the least and the greatest value are taken; what is all the same is dark.
    """
    numbers = np.asarray(values, np.float64)
    least = float(numbers.min(initial=np.inf)) if low is None else low
    span = (float(numbers.max(initial=-np.inf)) if high is None else high) - least
    steps = (numbers - least) / span * 255 if span > 0 else np.zeros_like(numbers)
    colors: Pixels = _COLORS[np.clip(np.round(steps), 0, 255).astype(np.uint8)]
    return colors


# -- marks on a photo -------------------------------------------------------------------------------------


class Board:
    """A photo that one draws on, in pixels of the photo.

    Args:
        pixels: uint8 ``[h, w, 3]``; not changed.
        fade: 0 to 1, how far the photo steps back behind what is drawn on it.
        margin: pixels of ground around the photo, for what reaches beyond it.
    """

    def __init__(self, pixels: Pixels, *, fade: float = 0.25, margin: int = 0) -> None:
        faded = pixels.astype(np.float32) * (1 - fade) + 255 * 0.5 * fade
        photo = np.round(faded).astype(np.uint8)
        if margin:
            ground = np.array(GROUND, np.uint8)
            grown = np.empty((photo.shape[0] + 2 * margin, photo.shape[1] + 2 * margin, 3), np.uint8)
            grown[:] = ground
            grown[margin:-margin, margin:-margin] = photo
            photo = grown
        self._margin = margin
        self._picture = Image.fromarray(photo)
        self._draw = ImageDraw.Draw(self._picture)
        self._labels: list[tuple[tuple[int, int, int, int], str, Color]] = []

    def box(
        self,
        box: Sequence[float] | Numbers,
        color: Color,
        *,
        width: int = 2,
        dashed: bool = False,
        text: str = "",
    ) -> None:
        """Draw a frame, a thick one with a dark rim so that it always shows, and a label if there is room."""
        x1, y1, x2, y2 = (round(float(v)) + self._margin for v in box)
        x2, y2 = max(x2 - 1, x1), max(y2 - 1, y1)
        if width > 1:
            self._draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=(0, 0, 0))
        if dashed:
            for a, b in (
                ((x1, y1), (x2, y1)),
                ((x2, y1), (x2, y2)),
                ((x2, y2), (x1, y2)),
                ((x1, y2), (x1, y1)),
            ):
                self._dashes(a, b, color, width)
        else:
            self._draw.rectangle((x1, y1, x2, y2), outline=color, width=width)
        if text:
            self.name(box, text, color)

    def name(self, box: Sequence[float] | Numbers, text: str, color: Color) -> None:
        """Put a label at a box if there is room; those named first come first."""
        x1, y1, x2, y2 = (round(float(v)) + self._margin for v in box)
        self._labels.append(((x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)), _short(text), color))

    def fill(self, box: Sequence[float] | Numbers, color: Color, opacity: float) -> None:
        """Fill a box's area, half transparent."""
        x1, y1, x2, y2 = (round(float(v)) + self._margin for v in box)
        if x2 <= x1 or y2 <= y1:
            return
        part = self._picture.crop((x1, y1, x2, y2))
        self._picture.paste(Image.blend(part, Image.new("RGB", part.size, color), opacity), (x1, y1))

    def arrow(self, start: Point, end: Point, color: Color) -> None:
        """Draw an arrow from one point to another, with a head if it is long enough."""
        a, b = np.array(start) + self._margin, np.array(end) + self._margin
        length = float(np.hypot(*(b - a)))
        self._draw.line((*a, *b), fill=color, width=2)
        if length < 4:
            return
        along = (b - a) / length
        across = np.array([-along[1], along[0]])
        size = min(9.0, length / 2)
        corners = [b, b - along * size + across * size / 2, b - along * size - across * size / 2]
        self._draw.polygon([(float(x), float(y)) for x, y in corners], fill=color)

    def line(self, start: Point, end: Point, color: Color, *, width: int = 1) -> None:
        """Draw a straight line."""
        m = self._margin
        self._draw.line((start[0] + m, start[1] + m, end[0] + m, end[1] + m), fill=color, width=width)

    def dot(self, point: Point, color: Color, *, radius: float = 2.0) -> None:
        """Draw a filled disc."""
        x, y = point[0] + self._margin, point[1] + self._margin
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)

    def pixels(self) -> Pixels:
        """Return uint8 ``[h, w, 3]`` with labels laid where they hide little, the first drawn first."""
        font = ImageFont.load_default(size=_TEXT)
        sizes = [label_size(self._draw, text, font) for _, text, _ in self._labels]
        places = label_places([box for box, _, _ in self._labels], sizes, self._picture.height)
        for (_, text, color), place in zip(self._labels, places, strict=True):
            if place is not None:
                x1, y1, x2, y2 = place
                shift = max(min(0, self._picture.width - x2), -x1)
                draw_label(self._draw, text, (x1 + shift, y1, x2 + shift, y2), color, font)
        return np.asarray(self._picture).copy()

    def _dashes(self, a: tuple[int, int], b: tuple[int, int], color: Color, width: int) -> None:
        length = max(abs(b[0] - a[0]), abs(b[1] - a[1]))
        steps = max(length // 6, 1)
        for step in range(0, steps, 2):
            part = [a[i] + (b[i] - a[i]) * s / steps for s in (step, min(step + 1, steps)) for i in (0, 1)]
            self._draw.line(part, fill=color, width=width)


def with_legend(pixels: Pixels, entries: Sequence[tuple[Color, str]]) -> Pixels:
    """Return the picture with a strip below it that says what the colours mean.

    It wraps where it is too long.
    """
    font = ImageFont.load_default(size=_TEXT)
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    width = max(pixels.shape[1], 320)
    places, x, y = [], 8, 8
    for color, text in entries:
        needed = 22 + round(ruler.textlength(_short(text, 60), font=font)) + 18
        if x > 8 and x + needed > width:
            x, y = 8, y + 22
        places.append((x, y, color, _short(text, 60)))
        x += needed
    height = pixels.shape[0]
    picture = Image.new("RGB", (width, height + y + 24), GROUND)
    picture.paste(Image.fromarray(pixels), ((width - pixels.shape[1]) // 2, 0))
    draw = ImageDraw.Draw(picture)
    for left, top, color, text in places:
        draw.rectangle((left, height + top, left + 14, height + top + 13), fill=color, outline=INK)
        draw.text((left + 21, height + top - 2), text, fill=INK, font=font)
    return np.asarray(picture)


# -- panels and bars --------------------------------------------------------------------------------------


def panels(parts: Sequence[tuple[str, Pixels]]) -> Pixels:
    """Lay out titled pictures in rows, as many in a row as fit; none is scaled.

    Args:
        parts: title (may be empty) and uint8 ``[h, w, 3]`` of each; one that is wider than a row is not cut.
    """
    head = 22 if any(title for title, _ in parts) else 0
    places, x, y, row = [], 0, 0, 0
    for _, part in parts:
        if x and x + part.shape[1] > SIDE:
            x, y, row = 0, y + row + _GAP, 0
        places.append((x, y))
        x += part.shape[1] + _GAP
        row = max(row, part.shape[0] + head)
    wide = max((left + part.shape[1] for (left, _), (_, part) in zip(places, parts, strict=True)), default=1)
    picture = Image.new("RGB", (wide, max(y + row, 1)), GROUND)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=_TEXT)
    for (left, top), (title, part) in zip(places, parts, strict=True):
        picture.paste(Image.fromarray(part), (left, top + head))
        draw.text((left + 1, top + 2), _fitting(draw, title, font, part.shape[1]), fill=INK, font=font)
    return np.asarray(picture)


def bars(rows: Sequence[tuple[str, float]], *, color: Color = BLUE) -> Pixels:
    """Draw names with bars from 0 to 1 and their numbers, one below the other: uint8 ``[h, 640, 3]``."""
    width = 640
    font = ImageFont.load_default(size=_TEXT)
    picture = Image.new("RGB", (width, 26 * max(len(rows), 1) + 12), GROUND)
    draw = ImageDraw.Draw(picture)
    left, right = 190, width - 70
    for number, (name, value) in enumerate(rows):
        y = 8 + 26 * number
        text = _fitting(draw, name, font, left - 16)
        draw.text((left - 8 - draw.textlength(text, font=font), y + 1), text, fill=INK, font=font)
        draw.rectangle((left, y, right, y + 18), fill=(232, 232, 228))
        end = left + round((right - left) * min(max(value, 0.0), 1.0))
        if end > left:
            draw.rectangle((left, y, end, y + 18), fill=color)
        draw.text((right + 8, y + 1), f"{value:.3f}", fill=INK, font=font)
    return np.asarray(picture)


def _short(text: str, longest: int = _LONGEST) -> str:
    text = one_line(text)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _fitting(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int
) -> str:
    text = _short(text)
    while text and draw.textlength(text, font=font) > width:
        text = text[:-4] + "..." if len(text) > 4 else ""
    return text
