"""Samples of photos: a part of one, or parts of four side by side, at any scale, mirrored and recoloured.

A mosaic of four (Bochkovskiy et al. 2020, arXiv:2004.10934) shows each photo smaller than a sample of its own
would: it teaches small objects, sharply drawn, and four photos for the price of a large one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from maskrcnn_core.common.arrays import Floats, Pixels
from maskrcnn_core.training.photos.data import Photo

__all__ = ["Batch", "Sample", "collate", "draw_mosaic", "draw_part"]

_GREY = 127
"""Crowds are painted so: nothing in them can be learned as background, nor as objects. 0 to the network."""

_CROPPED = 0.6
_LEAST_AREA = 0.25
_LEAST_VISIBLE = 0.3
_LEAST_SIDE = 2.5
_MULTIPLE = 32

Window = tuple[float, float, float, float]
"""Left, top, width and height in pixels of a photo."""


@dataclass(frozen=True, eq=False)
class Sample:
    """What is learned from at once.

    Args:
        pixels: uint8 ``[H, W, 3]``.
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in its pixels, cut at its rim.
        labels: int64 ``[N]``.
        frames: float32 ``[N, 4]``, the boxes uncut: what the masks lie on.
        masks: uint8 ``[N, 28, 28]``.
    """

    pixels: Pixels
    boxes: Floats
    labels: npt.NDArray[np.int64]
    frames: Floats
    masks: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples as the network takes them.

    Args:
        images: float32 ``[N, 3, H, W]``, normalised, channels innermost, H and W multiples of 32.
        sizes: ``(height, width)`` of each without padding.
        targets: of each: ``boxes``, ``labels``, ``frames`` and ``masks`` (float32, 0 to 1).
    """

    images: Tensor
    sizes: list[tuple[int, int]]
    targets: list[dict[str, Tensor]]


def draw_part(photo: Photo, short: int, chance: np.random.Generator) -> Sample:
    """Draw a photo or a part of it, its shorter side about ``short`` pixels long."""
    height, width = photo.size
    left, top, w, h = 0, 0, width, height
    if chance.random() < _CROPPED:
        side, aspect = math.sqrt(chance.uniform(_LEAST_AREA, 1)), math.exp(chance.uniform(-0.25, 0.25))
        w = min(max(int(width * side * aspect), 64), width)
        h = min(max(int(height * side / aspect), 64), height)
        left, top = int(chance.integers(width - w + 1)), int(chance.integers(height - h + 1))
    scale = min(short / min(w, h) * chance.uniform(0.75, 1.25), 1.6 * short / max(w, h))
    size = max(_MULTIPLE, round(h * scale)), max(_MULTIPLE, round(w * scale))
    return _cut(photo, (left, top, w, h), size, chance)


def draw_mosaic(photos: Sequence[Photo], size: tuple[int, int], chance: np.random.Generator) -> Sample:
    """Draw parts of four photos around a point near the middle.

    Args:
        photos: four.
        size: ``(height, width)`` of the sample.
        chance: where all that is random comes from.
    """
    height, width = size
    y, x = (int(side * chance.uniform(0.35, 0.65)) for side in size)
    pixels = np.empty((height, width, 3), np.uint8)
    parts = []
    corners = ((0, 0, y, x), (0, x, y, width), (y, 0, height, x), (y, x, height, width))
    for photo, (top, left, bottom, right) in zip(photos, corners, strict=True):
        part = _cut_to_cover(photo, (bottom - top, right - left), chance)
        pixels[top:bottom, left:right] = part.pixels
        shift = np.array([left, top, left, top], np.float32)
        parts.append((part.boxes + shift, part.labels, part.frames + shift, part.masks))
    boxes, labels, frames, masks = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Sample(pixels, boxes, labels, frames, masks)


def _cut_to_cover(photo: Photo, size: tuple[int, int], chance: np.random.Generator) -> Sample:
    """Cut as large a part as fits into ``size``, or a part of that."""
    height, width = photo.size
    scale = max(size[0] / height, size[1] / width) * chance.uniform(1.0, 1.5)
    h, w = min(size[0] / scale, height), min(size[1] / scale, width)
    window = chance.uniform(0, width - w), chance.uniform(0, height - h), w, h
    return _cut(photo, window, size, chance)


def _cut(photo: Photo, window: Window, size: tuple[int, int], chance: np.random.Generator) -> Sample:
    """Cut a window of a photo at another size, mirrored or not."""
    left, top, width, height = window
    h, w = size
    pixels = _pixels(photo, window, size, chance)
    factor = np.array([w / width, h / height] * 2, np.float32)
    offset = np.array([left, top, left, top], np.float32)
    rim = np.array([w, h, w, h], np.float32)
    for x1, y1, x2, y2 in np.clip((photo.crowds - offset) * factor, 0, rim).astype(int):
        pixels[y1:y2, x1:x2] = _GREY
    frames: Floats = (photo.boxes - offset) * factor
    masks = photo.masks
    if chance.random() < 0.5:
        pixels, masks = pixels[:, ::-1], masks[:, :, ::-1]
        frames = np.stack([w - frames[:, 2], frames[:, 1], w - frames[:, 0], frames[:, 3]], 1)
    boxes = np.clip(frames, 0, rim)
    sides = boxes[:, 2:] - boxes[:, :2]
    visible = sides.prod(1) / (frames[:, 2:] - frames[:, :2]).prod(1)
    keep = (visible >= _LEAST_VISIBLE) & (sides >= _LEAST_SIDE).all(1)
    return Sample(
        pixels,
        boxes[keep].astype(np.float32),
        photo.labels[keep],
        frames[keep].astype(np.float32),
        masks[keep],
    )


def _pixels(photo: Photo, window: Window, size: tuple[int, int], chance: np.random.Generator) -> Pixels:
    left, top, width, height = window
    h, w = size
    with Image.open(photo.file) as image:
        # Decoded at half the size or less where that is enough: most of the time goes into it.
        image.draft("RGB", (round(photo.size[1] * w / width), round(photo.size[0] * h / height)))
        picture = image.convert("RGB")
    x, y = picture.width / photo.size[1], picture.height / photo.size[0]
    box = (
        left * x,
        top * y,
        min((left + width) * x, picture.width),
        min((top + height) * y, picture.height),
    )
    picture = picture.resize((w, h), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    for enhance, share, least in _COLORS:
        if chance.random() < share:
            picture = enhance(picture).enhance(chance.uniform(least, 2 - least))
    return np.array(picture)


_COLORS: tuple[tuple[type[ImageEnhance.Color], float, float], ...] = (
    (ImageEnhance.Color, 0.5, 0.4),
    (ImageEnhance.Brightness, 0.5, 0.6),
    (ImageEnhance.Contrast, 0.4, 0.6),
)  # type: ignore[assignment]  # all three are made and used alike


def collate(samples: Sequence[Sample]) -> Batch:
    """Return a batch of samples, each in the upper left of the least size that holds all."""
    height, width = (
        -(-max(s.pixels.shape[axis] for s in samples) // _MULTIPLE) * _MULTIPLE for axis in (0, 1)
    )
    images = torch.zeros(len(samples), 3, height, width)
    targets = []
    for image, sample in zip(images, samples, strict=True):
        h, w = sample.pixels.shape[:2]
        picture = torch.from_numpy(np.ascontiguousarray(sample.pixels)).permute(2, 0, 1).float()
        image[:, :h, :w] = (picture - 127) / 128
        targets.append(
            {
                "boxes": torch.from_numpy(sample.boxes),
                "labels": torch.from_numpy(sample.labels),
                "frames": torch.from_numpy(sample.frames),
                "masks": torch.from_numpy(np.ascontiguousarray(sample.masks)).float() / 255,
            }
        )
    sizes = [(s.pixels.shape[0], s.pixels.shape[1]) for s in samples]
    return Batch(images.contiguous(memory_format=torch.channels_last), sizes, targets)
