"""Flat figures on plain grounds: what drawings look like beside the scenes, for making the rule."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

__all__ = ["draw_figures"]


def draw_figures(seed: int) -> npt.NDArray[np.uint8]:
    """Draw the figures of a seed, uint8 ``[H, W, 3]``, sides 160 to 640: shapes, lines, charts, words."""
    rng = np.random.default_rng((seed, 77))
    width, height = (int(side) for side in rng.integers(160, 641, 2))
    over = 2 if rng.random() < 0.7 else 1
    colors = rng.integers(0, 256, (int(rng.integers(2, 9)), 3))
    if rng.random() < 0.2:
        colors[:] = colors.mean(1, keepdims=True).astype(int)
    ground = (255, 255, 255) if rng.random() < 0.4 else tuple(int(v) for v in rng.integers(0, 256, 3))
    image = Image.new("RGB", (width * over, height * over), ground)
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 28))):
        _figure(rng, pen, (width * over, height * over), tuple(int(v) for v in rng.choice(colors)))
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float32)
    if rng.random() < 0.25:  # light that falls off
        pixels = pixels * np.linspace(1, rng.uniform(0.4, 0.9), width, dtype=np.float32)[None, :, None]
    if rng.random() < 0.25:
        pixels = pixels + rng.normal(0, rng.uniform(2, 14), (height, width, 1)).astype(np.float32)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _figure(
    rng: np.random.Generator, pen: ImageDraw.ImageDraw, size: tuple[int, int], color: tuple[int, ...]
) -> None:
    x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
    radius = min(size) * rng.uniform(0.02, 0.3)
    line = int(rng.integers(1, 12))
    outline = tuple(int(v) for v in rng.integers(0, 256, 3)) if rng.random() < 0.3 else None
    kind = rng.choice(
        ["ellipse", "box", "corners", "line", "word", "bars", "arc"],
        p=[0.24, 0.2, 0.24, 0.1, 0.08, 0.08, 0.06],
    )
    box = (x - radius, y - radius * rng.uniform(0.5, 1), x + radius, y + radius)
    if kind == "ellipse":
        pen.ellipse(box, fill=color, outline=outline, width=line)
    elif kind == "box":
        pen.rounded_rectangle(box, radius * rng.choice([0, 0, 0.2]), fill=color, outline=outline, width=line)
    elif kind == "corners":
        count, turn = int(rng.integers(3, 9)), rng.uniform(0, math.tau)
        far = radius * rng.uniform(0.5, 1, count) if rng.random() < 0.4 else np.full(count, radius)
        angles = turn + np.arange(count) * math.tau / count
        pen.polygon(
            [(x + r * math.cos(a), y + r * math.sin(a)) for r, a in zip(far, angles, strict=True)],
            fill=color,
            outline=outline,
        )
    elif kind == "line":
        pen.line([(x, y), (rng.uniform(0, size[0]), rng.uniform(0, size[1]))], fill=color, width=line)
    elif kind == "word":
        letters = "".join(chr(int(code)) for code in rng.integers(65, 123, int(rng.integers(2, 14))))
        pen.text((x, y), letters, fill=color, font_size=max(8, radius / 2))
    elif kind == "bars":
        for at in range(int(rng.integers(3, 9))):
            left = x + at * radius / 4
            pen.rectangle((left, y - rng.uniform(0, radius), left + radius / 6, y), fill=color)
    else:
        pen.arc(box, 0, rng.uniform(90, 360), fill=color, width=line)
