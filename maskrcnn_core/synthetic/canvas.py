"""A canvas to draw sample images and microscopy on: float RGB, drawn large and halved at the end.

Scenes are built in [0, 1] at twice the final size; halving it at the end is what smooths the edges.
Everything random comes from the canvas's own generator, so a seed is an image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from maskrcnn_core.common.arrays import Reals

__all__ = ["OVER", "Canvas", "Color", "Window", "scatter", "to_bytes"]

Color = tuple[float, float, float]
Window = tuple[slice, slice]

OVER = 2
"""Supersampling: canvas pixels for each pixel of the image, along either side."""
_ALL: Window = (slice(None), slice(None))


class Canvas:
    """Float RGB in [0, 1] at ``OVER`` times the final size; all coordinates and lengths are final pixels.

    Args:
        seed: of the generator ``rng``, as NumPy takes it.
        size: height and width of the image.
    """

    def __init__(self, seed: int | Sequence[int], size: tuple[int, int]) -> None:
        self.rng = np.random.default_rng(seed)
        self.size = size
        self.shape = (size[0] * OVER, size[1] * OVER)
        self.rgb: Reals = np.zeros((*self.shape, 3), np.float32)
        rows, columns = np.mgrid[: self.shape[0], : self.shape[1]].astype(np.float32)
        self.y: Reals = (rows + 0.5) / OVER
        self.x: Reals = (columns + 0.5) / OVER

    def noise(self, grain: float) -> Reals:
        """Return smooth noise, roughly in [-1, 1], whose blobs are ``grain`` pixels wide."""
        small = (max(2, round(self.size[0] / grain)), max(2, round(self.size[1] / grain)))
        coarse = Image.fromarray(self.rng.uniform(-1.0, 1.0, small).astype(np.float32))
        return np.asarray(coarse.resize(self.shape[::-1], Image.Resampling.BICUBIC), dtype=np.float32)

    def mask(self, draw: Callable[[ImageDraw.ImageDraw], None], *, blur: float = 0.0) -> Reals:
        """Return what ``draw`` paints (in final pixels times ``OVER``), 0..1, optionally blurred."""
        image = Image.new("L", self.shape[::-1])
        draw(ImageDraw.Draw(image))
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * OVER))
        return np.asarray(image, dtype=np.float32) / 255

    def polygon(self, points: Sequence[tuple[float, float]], *, blur: float = 0.0) -> Reals:
        scaled = [(x * OVER, y * OVER) for x, y in points]
        return self.mask(lambda d: d.polygon(scaled, fill=255), blur=blur)

    def line(self, points: Sequence[tuple[float, float]], wide: float) -> Reals:
        scaled = [(x * OVER, y * OVER) for x, y in points]
        return self.mask(lambda d: d.line(scaled, fill=255, width=round(wide * OVER)))

    def near(self, x: float, y: float, reach: float) -> Window:
        """Return the part of the canvas within ``reach`` of a point.

        Small things need not cost a whole one.
        """
        top, left = max(0, round((y - reach) * OVER)), max(0, round((x - reach) * OVER))
        return slice(top, round((y + reach) * OVER)), slice(left, round((x + reach) * OVER))

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, angle: float = 0.0, *, at: Window = _ALL
    ) -> Reals:
        """Return the distance from the centre in radii: 0 there, 1 on the edge."""
        c, s = math.cos(angle), math.sin(angle)
        dx, dy = self.x[at] - x, self.y[at] - y
        return np.hypot((dx * c + dy * s) / rx, (dy * c - dx * s) / ry)

    def paint(self, mask: Reals | npt.NDArray[np.bool_], color: Reals | Color, *, at: Window = _ALL) -> None:
        """Lay a colour, or an image of colours, over the canvas where the mask says."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            return
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)  # most masks are small
        alpha = mask[box].astype(np.float32)[..., None]
        colors = np.asarray(color, np.float32)
        under = self.rgb[at][box]
        under += ((colors[box] if colors.ndim == 3 else colors) - under) * alpha

    def shade(self, factor: Reals, *, at: Window = _ALL) -> None:
        self.rgb[at] *= factor[..., None]

    def shadow(self, x: float, y: float, rx: float, ry: float, strength: float = 0.55) -> None:
        """Draw a soft shadow on the ground."""
        at = self.near(x, y, 1.25 * max(rx, ry) + 1)
        self.shade(1 - strength * np.clip(1.25 - self.ellipse(x, y, rx, ry, at=at), 0, 1) ** 0.8, at=at)

    def text(self, text: str, x: float, y: float, size: float, color: Color) -> None:
        """Draw text centred at a point, in the font that comes with Pillow."""
        font = ImageFont.load_default(size * OVER)
        # the font has no bold face: a stroke stands in for it
        mask = self.mask(
            lambda d: d.text((x * OVER, y * OVER), text, 255, font, "mm", stroke_width=size * OVER / 28)
        )
        self.paint(mask, color)

    def finish(self, *, grain: float = 0.0, blur: float = 0.0) -> npt.NDArray[np.uint8]:
        """Halve the canvas to the final size, and add the camera's blur and noise."""
        pixels = np.clip(self.rgb, 0, 1)
        small: Reals = pixels.reshape(self.size[0], OVER, self.size[1], OVER, 3).mean(axis=(1, 3))
        if blur:
            image = Image.fromarray(np.rint(small * 255).astype(np.uint8))
            small = np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float32) / 255
        if grain:
            small = small + self.rng.normal(0, grain, small.shape)
        return to_bytes(small)


def to_bytes(pixels: Reals) -> npt.NDArray[np.uint8]:
    """Return values in [0, 1] as uint8; what lies outside is cut."""
    rounded: npt.NDArray[np.uint8] = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return rounded


def scatter(
    canvas: Canvas, wanted: int, radii: tuple[float, float], gap: float
) -> list[tuple[float, float, float]]:
    """Return random discs ``(x, y, r)`` that keep ``gap`` times the sum of their radii.

    Some reach the border.
    """
    discs: list[tuple[float, float, float]] = []
    for _ in range(wanted * 40):
        r = float(canvas.rng.uniform(*radii))
        x, y = float(canvas.rng.uniform(0, canvas.size[1])), float(canvas.rng.uniform(0, canvas.size[0]))
        if all(math.hypot(x - a, y - b) > gap * (r + q) for a, b, q in discs):
            discs.append((x, y, r))
            if len(discs) == wanted:
                break
    return discs
