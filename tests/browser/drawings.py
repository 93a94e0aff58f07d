"""What the small apps of browser tests show, drawn once a server.

Streamlit runs an app's script anew for each press, and with it all that the script defines: a cache in it is
always empty. What is imported stays.
"""

import functools
import io

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from pages.components.viewer import CocoRle, ViewerInstance

HOSTILE = '<img src=x onerror="window.hacked=1">**x** ![y](http://127.0.0.1:9/z)'
COLORS = ["#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6"]
NAMES = ["person", "bicycle", "traffic light", HOSTILE]


@functools.lru_cache(maxsize=64)
def picture(number, width, height):
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    tint = np.random.default_rng(number).integers(0, 90, 3)
    image = Image.fromarray(
        np.dstack([90 * y + tint[0], 60 * x + tint[1], 190 - 80 * y - tint[2]]).astype(np.uint8)
    )
    draw = ImageDraw.Draw(image)
    rng = np.random.default_rng(1000 + number)
    for _ in range(60):
        cx, cy = int(rng.integers(0, width)), int(rng.integers(0, height))
        r = int(rng.integers(width // 60, width // 12))
        draw.ellipse(
            [cx - r, cy - r, cx + r, cy + r], fill=tuple(int(value) for value in rng.integers(60, 220, 3))
        )
    draw.text((width // 40, width // 40), f"picture {number + 1}", fill="white", font_size=width // 20)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


@functools.lru_cache(maxsize=64)
def masks(number, count, width, height):
    rng = np.random.default_rng(7 + number)
    found = []
    for _ in range(count):
        r = int(rng.integers(width // 40, width // 12))
        cx, cy = int(rng.integers(r, width - r)), int(rng.integers(r, height - r))
        ys, xs = np.mgrid[
            max(0, cy - 2 * r) : min(height, cy + 2 * r), max(0, cx - 2 * r) : min(width, cx + 2 * r)
        ]
        angle, distance = np.arctan2(ys - cy, xs - cx), np.hypot(ys - cy, xs - cx)
        mask = np.zeros((height, width), np.uint8, "F")
        mask[ys[0, 0] : ys[-1, 0] + 1, xs[0, 0] : xs[0, -1] + 1] = distance < r * (
            1 + 0.2 * np.sin(5 * angle)
        )
        rle = coco_mask.encode(mask)
        x, y, w, h = coco_mask.toBbox(rle)
        found.append((CocoRle((height, width), rle["counts"].decode()), (x, y, x + w, y + h)))
    return found


@functools.cache
def landscape(width, height):
    """A JPEG file of circles on a smooth ground."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    image = Image.fromarray(np.dstack([90 + 90 * y, 130 + 60 * x, 190 - 80 * y]).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    rng = np.random.default_rng(1)
    for _ in range(60):
        cx, cy = int(rng.integers(0, width)), int(rng.integers(0, height))
        r = int(rng.integers(width // 60, width // 12))
        color = tuple(int(value) for value in rng.integers(60, 220, 3))
        draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=color)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


def flower(width, height, cx, cy, r, i):
    """The mask of a flower: round, with dents and, for every fourth, a hole."""
    pad = int(1.3 * r) + 2
    x1, y1, x2, y2 = max(0, cx - pad), max(0, cy - pad), min(width, cx + pad), min(height, cy + pad)
    ys, xs = np.mgrid[y1:y2, x1:x2]
    angle, distance = np.arctan2(ys - cy, xs - cx), np.hypot(ys - cy, xs - cx)
    part = distance < r * (1 + 0.2 * np.sin((3 + i % 5) * angle))
    if i % 4 == 3:
        part &= distance > 0.4 * r
    mask = np.zeros((height, width), np.uint8, "F")
    mask[y1:y2, x1:x2] = part
    return coco_mask.encode(mask)


@functools.cache
def flowers(width, height, count):
    """Instances, of which the first lies free."""
    rng = np.random.default_rng(2)
    found = []
    for i in range(count):
        r = int(rng.integers(width // 50, width // 14))
        first = np.array([width // 4, height // 2])
        cx, cy = first
        while i and np.hypot(*(first - (cx, cy))) < width // 16 * 1.2 + r * 1.2:
            cx, cy = int(rng.integers(r, width - r)), int(rng.integers(r, height - r))
        if i == 0:
            r = width // 16
        rle = flower(width, height, cx, cy, r, i)
        x, y, w, h = coco_mask.toBbox(rle)
        found.append(
            ViewerInstance(
                id=100 + i,
                label=NAMES[i % 4],
                category_id=1 + i % 4,
                score=0.99 if i == 0 else float(rng.uniform(0.06, 0.98)),
                box=(x, y, x + w, y + h),
                rle=CocoRle((height, width), rle["counts"].decode()),
                color_instance=COLORS[i % 8],
                color_category=COLORS[i % 4],
            )
        )
    return tuple(found)
