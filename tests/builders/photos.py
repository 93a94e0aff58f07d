"""Photos that are drawn in a moment, and a lite network that is as small as its body allows."""

from __future__ import annotations

import gzip
import hashlib
import json

import numpy as np
import torch
from PIL import Image

from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.models.cards import ModelCard, card_file, write_card_bytes
from maskrcnn_core.networks.configs import LiteConfig
from maskrcnn_core.networks.lite import build_lite
from maskrcnn_core.training.artifacts import serialise
from maskrcnn_core.training.photos.course import Phase

SMALL = LiteConfig(pyramid=8, box_hidden=16)

PHASES = (Phase(0.5, 64, (64, 96), 0.5), Phase(1.0, 64, (96, 96), 0.0))
"""Samples of few pixels."""

COLORS = ((220, 30, 30), (30, 200, 40), (40, 60, 230))


def write_photos(folder, count=12, *, first=1):
    """A folder as ``make photos`` reads it: each photo grey, with one to three squares of pure colours.

    Square n of a photo has category n + 1 (person, bicycle, car) and a mask without its upper left quarter;
    photo 1 also has a crowd, photo 2 an object that is too thin.
    """
    images, rows = [], []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        height, width = ((90, 120), (120, 80))[number % 2]
        chance = np.random.default_rng(number)
        pixels = np.full((height, width, 3), 128, np.uint8)
        for n in range(1 + number % 3):
            side = int(chance.integers(20, 30))
            top, left = n * 30, int(chance.integers(0, width - side))
            pixels[top : top + side, left : left + side] = COLORS[n]
            mask = np.zeros((height, width), np.bool_)
            mask[top : top + side, left : left + side] = True
            mask[top : top + side // 2, left : left + side // 2] = False
            rows.append(_row(number, n + 1, mask, [left, top, side, side]))
        if number == 1:
            rows.append(_row(1, 1, np.ones((height, width), np.bool_), [0, height - 20, 30, 20], crowd=1))
        if number == 2:
            rows.append(_row(2, 1, np.ones((height, width), np.bool_), [0, 0, 1, 40]))
        name = f"{number:03}.png"
        Image.fromarray(pixels).save(folder / "images" / name)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
    categories = [{"id": c.id, "name": c.name, "supercategory": c.supercategory} for c in COCO_CATEGORIES]
    document = {
        "images": images,
        "categories": categories,
        "annotations": [row | {"id": n} for n, row in enumerate(rows, start=1)],
    }
    with gzip.open(folder / "instances.json.gz", "wt") as file:
        json.dump(document, file)
    return folder


def _row(image_id, category_id, mask, box, crowd=0):
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": box,
        "area": int(mask.sum()),
        "iscrowd": crowd,
        "segmentation": {"size": list(mask.shape), "counts": Rle.from_mask(mask).counts},
    }


def make_network(seed=0):
    torch.manual_seed(seed)
    return build_lite(SMALL, 81)


def write_weights(file):
    """A small network's random values with a card, as a run begins from them."""
    weights = serialise(make_network().state_dict(), half=False)
    file.write_bytes(weights)
    card = ModelCard(
        "Small",
        "Finds nothing.",
        SMALL,
        COCO_CATEGORIES,
        hashlib.sha256(weights).hexdigest(),
        len(weights),
        run={"stages": ["Random values."]},
    )
    card_file(file).write_bytes(write_card_bytes(card))
    return file
