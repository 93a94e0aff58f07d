"""A COCO file as large as COCO's own training set: into a project and out of it again."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

__all__ = ["IMAGES", "INSTANCES", "write_large_coco"]

IMAGES, INSTANCES = 118_287, 800_000
"""What COCO's ``instances_train2017.json`` holds, but for its 60,001 further annotations."""

_HEIGHT, _WIDTH = 480, 640


def write_large_coco(file: Path, images: int = IMAGES, instances: int = INSTANCES, seed: int = 0) -> None:
    """Write a COCO file of drawn outlines: 22 corners on average, of sizes as in COCO, 80 categories.

    Rows are written as they are drawn, so that the generator takes no memory to speak of.
    """
    random = np.random.default_rng(seed)
    with file.open("w", encoding="utf-8") as out:
        out.write('{"info": {"description": "drawn"}, "licenses": [], "images": [')
        for number in range(images):
            row = {
                "license": 3,
                "file_name": f"{number + 1:012d}.jpg",
                "coco_url": f"http://images.example.org/train/{number + 1:012d}.jpg",
                "height": _HEIGHT,
                "width": _WIDTH,
                "date_captured": "2013-11-14 11:18:45",
                "id": number + 1,
            }
            out.write((", " if number else "") + json.dumps(row))
        out.write('], "annotations": [')
        for number in range(instances):
            out.write((", " if number else "") + json.dumps(_annotation(random, number, images)))
        out.write('], "categories": ')
        categories = [{"supercategory": "thing", "id": n, "name": f"category {n}"} for n in range(1, 81)]
        out.write(json.dumps(categories) + "}")


def _annotation(random: np.random.Generator, number: int, images: int) -> dict[str, object]:
    """A star-shaped outline around a random centre."""
    corners = int(random.integers(6, 39))
    radius = min(200.0, 6.0 * math.exp(random.exponential(1.1)))
    x, y = random.uniform(0, _WIDTH), random.uniform(0, _HEIGHT)
    angles = np.sort(random.uniform(0, 2 * math.pi, corners))
    reach = radius * random.uniform(0.6, 1.0, corners)
    xs = np.clip(x + reach * np.cos(angles), 0, _WIDTH).round(2)
    ys = np.clip(y + reach * np.sin(angles), 0, _HEIGHT).round(2)
    area = abs(float(np.dot(xs, np.roll(ys, 1)) - np.dot(ys, np.roll(xs, 1)))) / 2
    left, top = float(xs.min()), float(ys.min())
    return {
        "segmentation": [np.stack([xs, ys], axis=1).reshape(-1).tolist()],
        "area": area,
        "iscrowd": 0,
        "image_id": number % images + 1,
        "bbox": [left, top, round(float(xs.max()) - left, 2), round(float(ys.max()) - top, 2)],
        "category_id": number % 80 + 1,
        "id": 1_000_000 + number,
    }
