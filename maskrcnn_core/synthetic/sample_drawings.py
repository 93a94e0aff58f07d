"""What is drawn for the samples beside microscopy: shapes, a table and a street, 640 x 480 pixels each.

Everything random comes from a fixed seed: the same versions of NumPy and Pillow give the same pixels, on any
machine and in any order of calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Reals
from maskrcnn_core.synthetic.canvas import OVER, Canvas, Color, scatter

__all__ = ["HEIGHT", "WIDTH", "draw_own", "draw_shapes", "draw_street", "draw_table"]

HEIGHT, WIDTH = 480, 640
"""Pixels of each drawn sample."""


def draw_own() -> npt.NDArray[np.uint8]:
    """Draw an outline with corners to drag, half done: the picture for a person's own categories."""
    c = Canvas(5, (120, 211))
    c.rgb[:] = np.array([0.93, 0.94, 0.97], np.float32) - 0.03 * c.noise(60)[..., None]
    outline = [(62, 88), (48, 52), (78, 24), (120, 34), (158, 22), (172, 62), (138, 96), (98, 80)]
    c.paint(0.35 * c.polygon(outline), (0.35, 0.45, 0.95))
    c.paint(c.line([*outline, outline[0]], 3), (0.25, 0.35, 0.85))
    for x, y in outline:
        c.paint(np.clip(5.5 - np.hypot(c.x - x, c.y - y), 0, 1), (0.25, 0.35, 0.85))
        c.paint(np.clip(3.5 - np.hypot(c.x - x, c.y - y), 0, 1), (1.0, 1.0, 1.0))
    return c.finish()


def _ball(c: Canvas, x: float, y: float, r: float, color: Reals | Color, *, gloss: float = 0.5) -> Reals:
    """Draw a lit sphere with its shadow, and return its mask, so that patterns can be laid on it.

    Lambert's cosine law with some ambient light, and a Blinn-Phong highlight.
    """
    at = c.near(x, y, r + 2)
    dx, dy = (c.x[at] - x) / r, (c.y[at] - y) / r
    d2 = dx * dx + dy * dy
    nz = np.sqrt(np.clip(1 - d2, 0, 1))
    light = np.array([-0.45, -0.6, 0.66], np.float32)
    lambert = np.clip(dx * light[0] + dy * light[1] + nz * light[2], 0, 1)
    half = np.array([-0.247, -0.329, 0.911], np.float32)
    shine = np.clip(dx * half[0] + dy * half[1] + nz * half[2], 0, 1) ** 60
    own = np.asarray(color, np.float32)
    own = own[at] if own.ndim == 3 else own
    lit = own * (0.32 + 0.78 * lambert)[..., None] + gloss * shine[..., None]
    mask: Reals = np.zeros(c.shape, np.float32)
    mask[at] = np.clip((1 - np.sqrt(d2)) * r + 0.5, 0, 1)
    c.paint(mask[at], np.clip(lit, 0, 1), at=at)
    return mask


# -------------------------------------------------------------------------------------------- shapes


def draw_shapes() -> npt.NDArray[np.uint8]:
    c = Canvas(37, (HEIGHT, WIDTH))
    common = 0.13 * c.noise(130) + 0.07 * c.noise(30) + 0.04 * c.noise(5)
    for channel, base in enumerate((0.50, 0.51, 0.49)):
        c.rgb[..., channel] = base + common + 0.06 * c.noise(110) + 0.03 * c.noise(25)
    for _ in range(46):  # clutter: thin strokes that belong to nothing
        x, y = c.rng.uniform(0, WIDTH), c.rng.uniform(0, HEIGHT)
        angle, length = c.rng.uniform(0, math.pi), c.rng.uniform(20, 130)
        ends = [(x, y), (x + length * math.cos(angle), y + length * math.sin(angle))]
        wide = int(c.rng.integers(1, 6)) / OVER
        c.paint(0.55 * c.line(ends, wide), c.rng.uniform(0.2, 0.8, 3).astype(np.float32))
    for index, (x, y, r) in enumerate(scatter(c, 30, (24, 58), 0.55)):
        turn = float(c.rng.uniform(0, 2 * math.pi))
        at = c.near(x, y, r + 30)  # with the shadow, which lies 6 to the side and is blurred
        corners = (0, 4, 3)[index % 3]
        if corners:
            points = [
                (
                    x + r * math.cos(turn + k * 2 * math.pi / corners),
                    y + r * math.sin(turn + k * 2 * math.pi / corners),
                )
                for k in range(corners)
            ]
            mask = c.polygon(points)[at]
            dark = c.polygon([(px + 5, py + 6) for px, py in points], blur=4)[at]
        else:
            mask = np.clip((1 - c.ellipse(x, y, r * 0.85, r * 0.85, at=at)) * r + 0.5, 0, 1)
            dark = np.clip(1.15 - c.ellipse(x + 5, y + 6, r * 0.87, r * 0.87, at=at), 0, 0.25) * 4
        c.shade(1 - 0.45 * dark, at=at)
        hue = float(c.rng.uniform(0, 1))
        color = np.array([0.5 + 0.42 * math.cos(2 * math.pi * (hue + k / 3)) for k in range(3)], np.float32)
        slope = 1 + 0.30 * ((c.x[at] - x) * math.cos(turn) + (c.y[at] - y) * math.sin(turn)) / r
        c.paint(mask, np.clip(color * (slope + 0.06 * c.noise(8)[at])[..., None], 0, 1), at=at)
    return c.finish(grain=0.035)


# --------------------------------------------------------------------------------- everyday things


def draw_table() -> npt.NDArray[np.uint8]:
    c = Canvas(41, (HEIGHT, WIDTH))
    horizon = 235
    wall = (
        np.array([0.80, 0.84, 0.83], np.float32)
        * (1.05 - 0.25 * c.ellipse(180, 60, 700, 420) + 0.012 * c.noise(6))[..., None]
    )
    c.rgb[:] = wall
    _wood(c, horizon)
    _clock(c, 505, 100, 68)
    _vase(c, 120, 345)
    _bottle(c, 262, 352)
    _bowl_of_fruit(c, 420, 345)
    _orange(c, 215, 410, 37)
    _apple(c, 318, 412, 36)
    _tennis_ball(c, 560, 400, 30)
    return c.finish(blur=0.5, grain=0.012)


def _wood(c: Canvas, horizon: float) -> None:
    depth = np.clip((c.y - horizon) / (HEIGHT - horizon), 0.001, 1)
    across = (c.x - WIDTH / 2) / (0.55 + 0.6 * depth)  # planks run away from the viewer
    plank = np.floor(across / 88)
    tone = 0.06 * np.sin(plank * 12.9898 + 1.7)
    grain = 0.05 * np.sin(across * 0.9 + 5 * c.noise(60) + 4 * plank) + 0.03 * c.noise(3)
    seam = np.exp(-((((across / 88) % 1) / 0.018) ** 2)) * 0.3
    light = (0.72 + 0.38 * depth + tone + grain) * (1 - seam)
    table = np.array([0.66, 0.45, 0.28], np.float32) * light[..., None]
    c.paint(np.clip((c.y - horizon) * 2, 0, 1), np.clip(table, 0, 1))
    c.shade(1 - 0.25 * np.exp(-(((c.y - horizon) / 7) ** 2)))


def _clock(c: Canvas, x: float, y: float, r: float) -> None:
    c.shade(1 - 0.35 * np.clip(1.2 - c.ellipse(x + 7, y + 10, r * 1.05, r * 1.05), 0, 0.2) / 0.2)
    d = c.ellipse(x, y, r, r)
    lit = 1 - 0.3 * ((c.x - x) + (c.y - y)) / r
    c.paint(np.clip((1 - d) * r, 0, 1), np.array([0.20, 0.21, 0.24], np.float32) * lit[..., None])
    c.paint(np.clip((0.88 - d) * r, 0, 1), (0.97, 0.96, 0.93))
    for hour in range(12):
        a = hour * math.pi / 6
        inner, outer = (0.68 if hour % 3 == 0 else 0.74), 0.81
        _stroke(c, x, y, a, inner * r, outer * r, 4.0 if hour % 3 == 0 else 2.2, (0.1, 0.1, 0.12))
    for hour in range(1, 13):
        a = hour * math.pi / 6
        c.text(str(hour), x + 0.56 * r * math.sin(a), y - 0.56 * r * math.cos(a), 12, (0.1, 0.1, 0.12))
    _stroke(c, x, y, math.radians(305), -6, 0.42 * r, 5, (0.08, 0.08, 0.1))
    _stroke(c, x, y, math.radians(54), -8, 0.70 * r, 3.4, (0.08, 0.08, 0.1))
    _stroke(c, x, y, math.radians(222), -12, 0.72 * r, 1.4, (0.75, 0.1, 0.1))
    c.paint(np.clip((4 - np.hypot(c.x - x, c.y - y)), 0, 1), (0.08, 0.08, 0.1))


def _stroke(
    c: Canvas, x: float, y: float, angle: float, start: float, end: float, wide: float, color: Color
) -> None:
    """Draw a bar from the centre outwards, clockwise from 12 o'clock."""
    ux, uy = math.sin(angle), -math.cos(angle)
    nx, ny = -uy * wide / 2, ux * wide / 2
    points = [
        (x + ux * start + nx, y + uy * start + ny),
        (x + ux * end + nx, y + uy * end + ny),
        (x + ux * end - nx, y + uy * end - ny),
        (x + ux * start - nx, y + uy * start - ny),
    ]
    c.paint(c.polygon(points), color)


def _turned(
    c: Canvas, x: float, profile: Sequence[tuple[float, float]], color: Color, *, gloss: float = 0.5
) -> Reals:
    """Draw a turned body (bottle, vase) from ``(y, half width)`` pairs, lit from the left like a cylinder."""
    ys = [p[0] for p in profile]
    dense = np.linspace(ys[0], ys[-1], 160)
    widths = _smooth(np.interp(dense, ys, [p[1] for p in profile]))
    outline = [(x - w, v) for v, w in zip(dense, widths, strict=True)]
    outline += [(x + w, v) for v, w in zip(dense[::-1], widths[::-1], strict=True)]
    mask = c.polygon([(float(a), float(b)) for a, b in outline])
    half = np.interp(c.y[:, 0], dense, widths).astype(np.float32)[:, None]
    across = np.clip((c.x - x) / np.maximum(half, 1), -1, 1)
    lambert = np.clip(-0.55 * across + 0.8 * np.sqrt(1 - across**2), 0, 1)
    shine = np.exp(-(((across + 0.48) / 0.09) ** 2))
    lit = np.asarray(color, np.float32) * (0.34 + 0.72 * lambert)[..., None] + gloss * shine[..., None]
    c.paint(mask, np.clip(lit, 0, 1))
    return mask


def _smooth(widths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    kernel = np.hanning(11)[1:-1]
    padded = np.pad(widths, len(kernel) // 2, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def _bottle(c: Canvas, x: float, base: float) -> None:
    c.shadow(x + 34, base - 4, 62, 13)
    profile = [(base - 228, 11), (base - 178, 12), (base - 150, 20), (base - 122, 31), (base, 31)]
    _turned(c, x, profile, (0.10, 0.38, 0.19), gloss=0.75)
    _turned(c, x, [(base - 240, 13), (base - 215, 13)], (0.80, 0.66, 0.25), gloss=0.4)
    _turned(c, x, [(base - 98, 31.6), (base - 34, 31.6)], (0.95, 0.92, 0.82), gloss=0.1)
    c.text("OLIVE", x, base - 74, 15, (0.15, 0.33, 0.18))
    c.text("oil", x, base - 56, 13, (0.5, 0.25, 0.1))


def _vase(c: Canvas, x: float, base: float) -> None:
    c.shadow(x + 38, base - 4, 74, 15)
    for dx, top, hue in ((-52, 92, 0), (-20, 58, 1), (14, 80, 2), (50, 100, 0), (32, 46, 1)):
        steps = [(x + dx * t**1.6, base - 140 - (base - 140 - top) * t) for t in np.linspace(0, 1, 24)]
        left = [(a - 1.6, b) for a, b in steps]
        c.paint(c.polygon(left + [(a + 1.6, b) for a, b in reversed(steps)]), (0.22, 0.45, 0.18))
        leaf = c.ellipse(x + dx * 0.55 + 9, (base - 140 + top) / 2 + 24, 17, 5.5, -0.7 if dx > 0 else 0.8)
        c.paint(np.clip((1 - leaf) * 6, 0, 1), (0.28, 0.55, 0.22))
        _flower(c, x + dx, top, hue)
    profile = [
        (base - 150, 27),
        (base - 138, 21),
        (base - 110, 30),
        (base - 62, 50),
        (base - 22, 42),
        (base, 30),
    ]
    mask = _turned(c, x, profile, (0.22, 0.40, 0.68), gloss=0.55)
    for y, wide in ((base - 92, 3.5), (base - 82, 1.6), (base - 36, 3.5)):
        c.paint(mask * np.clip(wide - np.abs(c.y - y), 0, 1) * 0.85, (0.92, 0.93, 0.96))


def _flower(c: Canvas, x: float, y: float, hue: int) -> None:
    color = np.array(((0.93, 0.35, 0.45), (0.98, 0.80, 0.25), (0.80, 0.55, 0.88))[hue], np.float32)
    at = c.near(x, y, 24)
    for k in range(7):
        a = k * 2 * math.pi / 7
        petal = c.ellipse(x + 11 * math.cos(a), y + 11 * math.sin(a), 10.5, 6.5, a, at=at)
        light = 0.72 + 0.3 * np.clip(petal, 0, 1)
        c.paint(np.clip((1 - petal) * 7, 0, 1), color * light[..., None], at=at)
    c.paint(np.clip(7 - np.hypot(c.x[at] - x, c.y[at] - y), 0, 1), (0.55, 0.32, 0.10), at=at)


def _orange(c: Canvas, x: float, y: float, r: float, *, on_ground: bool = True) -> None:
    if on_ground:
        c.shadow(x + 0.45 * r, y + 0.86 * r, 1.15 * r, 0.32 * r)
    pores = 1 + 0.10 * c.noise(2.4)
    _ball(c, x, y, r, np.array([0.98, 0.55, 0.09], np.float32) * pores[..., None], gloss=0.35)
    c.paint(np.clip(3.4 - np.hypot(c.x - x - 0.2 * r, (c.y - y + 0.72 * r) * 1.8), 0, 1), (0.30, 0.36, 0.12))


def _apple(c: Canvas, x: float, y: float, r: float, *, on_ground: bool = True) -> None:
    if on_ground:
        c.shadow(x + 0.45 * r, y + 0.86 * r, 1.1 * r, 0.32 * r)
    streaks = c.noise(7)
    blush = np.clip(0.5 + 0.5 * (c.x - x) / r + 0.35 * streaks, 0, 1)[..., None]
    red, yellow = np.array([0.80, 0.10, 0.12], np.float32), np.array([0.88, 0.42, 0.16], np.float32)
    mask = _ball(c, x, y, r, red * blush + yellow * (1 - blush), gloss=0.6)
    dimple = np.exp(-((c.ellipse(x, y - 0.80 * r, 0.42 * r, 0.17 * r)) ** 2))
    c.paint(mask * dimple * 0.75, (0.35, 0.12, 0.06))
    stem = [(x - 2, y - 0.80 * r), (x + 5, y - 1.20 * r), (x + 8.5, y - 1.17 * r), (x + 2, y - 0.78 * r)]
    c.paint(c.polygon(stem), (0.33, 0.20, 0.10))
    leaf = c.ellipse(x + 17, y - 1.14 * r, 12, 5, -0.35)
    c.paint(np.clip((1 - leaf) * 6, 0, 1), (0.30, 0.56, 0.20))


def _tennis_ball(c: Canvas, x: float, y: float, r: float) -> None:
    c.shadow(x + 0.45 * r, y + 0.86 * r, 1.1 * r, 0.32 * r)
    fuzz = 1 + 0.10 * c.noise(1.6) + 0.05 * c.noise(5)
    mask = _ball(c, x, y, r, np.array([0.80, 0.90, 0.22], np.float32) * fuzz[..., None], gloss=0.05)
    for side in (-1, 1):
        seam = np.abs(np.hypot(c.x - x - side * 1.25 * r, c.y - y + side * 0.3 * r) - 0.92 * r)
        c.paint(mask * np.clip(2.2 - seam, 0, 1) * 0.9, (0.95, 0.96, 0.90))


def _bowl_of_fruit(c: Canvas, x: float, base: float) -> None:
    c.shadow(x + 30, base + 2, 104, 18)
    inner = c.ellipse(x, base - 66, 88, 20)
    c.paint(np.clip((1 - inner) * 30, 0, 1), (0.52, 0.54, 0.57))
    _orange(c, x - 42, base - 84, 30, on_ground=False)
    _apple(c, x + 44, base - 84, 30, on_ground=False)
    _orange(c, x + 2, base - 98, 31, on_ground=False)
    _banana(c, x - 6, base - 76)
    rim = [(x - 88, base - 66)]
    rim += [(x + 88 * math.cos(a), base - 66 + 20 * math.sin(a)) for a in np.linspace(math.pi, 0, 60)]
    wall = [(x + 88 - 50 * t**2.4, base - 66 + 66 * t) for t in np.linspace(0, 1, 30)]
    outline = rim + wall + [(2 * x - a, b) for a, b in reversed(wall)]
    mask = c.polygon(outline)
    across = np.clip((c.x - x) / 88, -1, 1)
    lit = 0.42 + 0.55 * np.clip(-0.5 * across + 0.8 * np.sqrt(1 - across**2), 0, 1)
    c.paint(mask, np.array([0.93, 0.94, 0.96], np.float32) * lit[..., None])
    stripe = np.abs(c.y - (base - 30 + 12 * np.sqrt(1 - across**2)))
    c.paint(mask * np.clip(4 - stripe, 0, 1) * 0.8, (0.25, 0.42, 0.70))


def _banana(c: Canvas, x: float, y: float) -> None:
    along = np.linspace(0.12, 1, 40)
    outer = [(x - 70 + 140 * t, y - 10 - 34 * (1 - (2 * t - 1) ** 2) + 26) for t in along]
    inner = [(x - 70 + 140 * t, y - 10 - 12 * (1 - (2 * t - 1) ** 2) + 30) for t in along]
    light = 1.02 - 0.25 * np.clip((c.y - y + 20) / 30, -0.2, 1)
    c.paint(c.polygon(outer + inner[::-1]), np.array([0.97, 0.82, 0.22], np.float32) * light[..., None])


def draw_street() -> npt.NDArray[np.uint8]:
    c = Canvas(53, (HEIGHT, WIDTH))
    horizon = 318
    up = np.clip(1 - c.y / horizon, 0, 1)
    for channel, (low, high) in enumerate(((0.86, 0.36), (0.90, 0.60), (0.95, 0.90))):
        c.rgb[..., channel] = low + (high - low) * up
    cloud = np.clip(0.6 * c.noise(150) + 0.4 * c.noise(50) + 0.12 * c.noise(14) + 0.05, 0, 1)
    c.paint(np.clip(cloud * 1.7, 0, 0.9) * (c.y < horizon), (0.98, 0.98, 0.99))
    _trees_and_houses(c, horizon)
    _road(c, horizon)
    _pole(c, 122, 205, 448, 5)
    _stop_sign(c, 122, 150, 82)
    _pole(c, 522, 236, 444, 6)
    _traffic_light(c, 522, 150)
    return c.finish(blur=0.5, grain=0.014)


def _trees_and_houses(c: Canvas, horizon: float) -> None:
    for x, wide, top, tone in ((50, 130, 190, 0.66), (330, 120, 205, 0.74), (588, 130, 180, 0.60)):
        front = (np.abs(c.x - x) < wide / 2) & (c.y > top) & (c.y < horizon + 6)
        brick = 1 - 0.07 * ((c.y % 7 < 1.1) | ((c.x + 7 * np.floor(c.y / 7)) % 15 < 1.1))
        c.paint(front, np.array([tone, tone * 0.82, tone * 0.70], np.float32) * brick[..., None])
        roof = [(x - wide / 2 - 8, top), (x, top - 42), (x + wide / 2 + 8, top)]
        c.paint(c.polygon(roof), (0.42, 0.27, 0.25))
        for wx in np.arange(x - wide / 2 + 14, x + wide / 2 - 22, 36):
            for wy in (top + 18, top + 66):
                pane = (c.x > wx) & (c.x < wx + 22) & (c.y > wy) & (c.y < wy + 30)
                c.paint(pane, (0.93, 0.93, 0.90))
                glass = (c.x > wx + 2) & (c.x < wx + 20) & (c.y > wy + 2) & (c.y < wy + 28)
                glass &= np.abs(c.x - wx - 11) > 1
                c.paint(glass, (0.30, 0.39, 0.47))
    leaves, fine = c.noise(12), c.noise(4)
    for x, y, r in ((196, 272, 44), (258, 288, 30), (404, 276, 40), (462, 288, 30), (4, 280, 40)):
        c.paint((np.abs(c.x - x) < 5) & (c.y > y) & (c.y < horizon + 8), (0.34, 0.25, 0.17))
        crown = np.clip((1 - c.ellipse(x, y - 14, r, r * 1.1) + 0.20 * leaves + 0.10 * fine) * 9, 0, 1)
        light = 0.95 + 0.28 * leaves + 0.22 * fine - 0.35 * (c.y - y) / r + 0.15 * (x - c.x) / r
        c.paint(crown, np.clip(np.array([0.28, 0.45, 0.19], np.float32) * light[..., None], 0, 1))


def _road(c: Canvas, horizon: float) -> None:
    grass = np.array([0.42, 0.56, 0.28], np.float32) * (1 + 0.12 * c.noise(4) + 0.1 * c.noise(25))[..., None]
    c.paint(np.clip((c.y - horizon) * 2, 0, 1), grass)
    asphalt = (
        np.array([0.37, 0.38, 0.40], np.float32) * (1 + 0.10 * c.noise(2) + 0.05 * c.noise(40))[..., None]
    )
    c.paint(c.polygon([(302, horizon), (344, horizon), (492, 480), (154, 480)]), (0.72, 0.71, 0.68))
    c.paint(c.polygon([(305, horizon), (341, horizon), (466, 480), (180, 480)]), asphalt)
    for near, far in ((1.0, 0.72), (0.55, 0.40), (0.31, 0.22), (0.16, 0.10)):
        y0, y1 = horizon + 162 * near, horizon + 162 * far
        w0, w1 = 6 * near + 0.4, 6 * far + 0.4
        c.paint(
            c.polygon([(322 - w0, y0), (322 + w0, y0), (323 + w1, y1), (323 - w1, y1)]), (0.93, 0.90, 0.75)
        )


def _pole(c: Canvas, x: float, top: float, base: float, half: float) -> None:
    c.shadow(x + 22, base, 40, 6, 0.4)
    across = np.clip((c.x - x) / half, -1, 1)
    inside = (np.abs(c.x - x) < half) & (c.y > top) & (c.y < base)
    light = 0.45 + 0.5 * np.clip(-0.5 * across + 0.8 * np.sqrt(1 - across**2), 0, 1)
    c.paint(inside, np.array([0.72, 0.73, 0.75], np.float32) * light[..., None])


def _octagon(x: float, y: float, r: float) -> list[tuple[float, float]]:
    return [
        (x + r * math.cos(math.pi / 8 + k * math.pi / 4), y + r * math.sin(math.pi / 8 + k * math.pi / 4))
        for k in range(8)
    ]


def _stop_sign(c: Canvas, x: float, y: float, r: float) -> None:
    sheen = (1.04 - 0.12 * (c.y - y) / r - 0.05 * (c.x - x) / r + 0.015 * c.noise(10))[..., None]
    c.paint(c.polygon(_octagon(x, y, r)), np.clip(np.array([0.94, 0.94, 0.94], np.float32) * sheen, 0, 1))
    c.paint(
        c.polygon(_octagon(x, y, r * 0.93)), np.clip(np.array([0.76, 0.07, 0.11], np.float32) * sheen, 0, 1)
    )
    c.text("STOP", x, y, r * 0.62, (0.96, 0.96, 0.96))


def _traffic_light(c: Canvas, x: float, y: float) -> None:
    half, tall = 34, 94
    box = [((x - half) * OVER, (y - tall) * OVER), ((x + half) * OVER, (y + tall) * OVER)]
    body = c.mask(lambda d: d.rounded_rectangle([*box[0], *box[1]], radius=12 * OVER, fill=255))
    edge = c.mask(
        lambda d: d.rounded_rectangle([*box[0], *box[1]], radius=12 * OVER, outline=255, width=3 * OVER)
    )
    light = (1 - 0.3 * (c.x - x) / half)[..., None]
    c.paint(body, np.array([0.12, 0.13, 0.12], np.float32) * light)
    c.paint(edge, (0.95, 0.76, 0.12))
    lamps = ((-58, (0.98, 0.16, 0.10), True), (0, (0.42, 0.32, 0.05), False), (58, (0.06, 0.30, 0.14), False))
    for dy, color, is_on in lamps:
        d = np.hypot(c.x - x, c.y - y - dy)
        hood = np.clip(27 - np.hypot(c.x - x, c.y - y - dy + 4), 0, 1) * (c.y < y + dy + 4)
        c.paint(hood, (0.03, 0.03, 0.03))
        glow = 1.0 + (0.35 if is_on else 0.15) * np.clip(1 - d / 22, 0, 1)
        c.paint(np.clip(22 - d, 0, 1), np.clip(np.asarray(color, np.float32) * glow[..., None], 0, 1))
        if is_on:
            c.paint(0.45 * np.exp(-((d / 30) ** 2)), (1.0, 0.35, 0.22))
            c.paint(0.65 * np.exp(-((np.hypot(c.x - x + 5, c.y - y - dy + 6) / 9) ** 2)), (1.0, 0.85, 0.75))
