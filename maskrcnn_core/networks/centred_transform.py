"""The network's input as Matterport makes it: resized as scikit-image does, padded around, then normalised.

``resize_image`` and ``mold_image`` of *mrcnn/utils.py* and *mrcnn/model.py*. The image lies in the middle of
the padding, which is black before the mean is taken off, and so minus the mean.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from maskrcnn_core.common.arrays import Floats, Ints, Pixels
from maskrcnn_core.common.bounds import MAX_INPUT_PIXELS
from maskrcnn_core.networks.configs import MATTERPORT_STEP, MatterportConfig
from maskrcnn_core.networks.laws import corner_in_padding
from maskrcnn_core.networks.pixel_transform import PixelTransform

__all__ = ["CentredTransform", "resize_with_skimage"]

_BAND = 128
"""Rows that are resized at once: their numbers in double precision take 100 bytes for each pixel."""


class CentredTransform(PixelTransform):
    """Resizes uint8 images, pads them on all sides, and takes off the mean.

    In the original, an image in ``pad64`` or ``none`` may have any size. Here it is made smaller where its
    input would have more than :data:`~maskrcnn_core.common.bounds.MAX_INPUT_PIXELS`. In ``none`` the original
    pads nothing, and its network fails on most sides that are no multiples of 64; here they are padded.

    Args:
        config: of the network.
        factor: of the input's size, relative to the network's own: for want of memory.
    """

    def __init__(self, config: MatterportConfig, factor: float = 1.0) -> None:
        is_square = config.resize == "square"
        super().__init__(
            resize_with_skimage,
            config.mean,
            (1.0, 1.0, 1.0),
            config.min_size,
            config.max_size if is_square else math.isqrt(MAX_INPUT_PIXELS),
            is_capped_first=True,
        )
        self.config, self.factor = config, factor
        self.size_divisible = MATTERPORT_STEP

    def at(self, factor: float) -> CentredTransform:
        """Return the same with smaller inputs."""
        return CentredTransform(self.config, self.factor * factor)

    def input_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return ``(height, width)`` to which an image of a size is resized, without padding."""
        scale = 1.0
        if self.config.resize != "none":
            scale = max(scale, self.config.min_size / min(image_size), self.config.min_scale)
        longest = max(image_size)
        if self.config.resize == "square":
            if round(longest * scale) > self.config.max_size:
                scale = self.config.max_size / longest
        else:
            scale = min(scale, math.sqrt(MAX_INPUT_PIXELS / (image_size[0] * image_size[1])))
        # Python's round, half to even, is the original's.
        height, width = (max(round(side * scale * self.factor), 1) for side in image_size)
        return height, width

    def batch_images(self, images: list[Tensor], size_divisible: int = MATTERPORT_STEP) -> Tensor:
        """Return float images ``[3, h, w]`` in the middle of one padding: ``[B, 3, H, W]``."""
        least = round(self.config.max_size * self.factor) if self.config.resize == "square" else 1
        height, width = (
            math.ceil(max(least, *(image.shape[axis] for image in images)) / size_divisible) * size_divisible
            for axis in (1, 2)
        )
        black = images[0].new_tensor([-value for value in self.mean])
        batch = black[None, :, None, None].repeat(len(images), 1, height, width)
        for at, image in enumerate(images):
            size = image.shape[1], image.shape[2]
            top, left = corner_in_padding((height, width), size)
            batch[at, :, top : top + size[0], left : left + size[1]] = image
        return batch

    def _normalised(self, image: Pixels, device: torch.device) -> Tensor:
        # In double precision, as the original: 255 values are soon made.
        levels = np.arange(256, dtype=np.float64)
        planes = [(levels - mean).astype(np.float32)[image[:, :, at]] for at, mean in enumerate(self.mean)]
        return torch.from_numpy(np.stack(planes)).to(device)

    def __deepcopy__(self, memo: dict[int, Any]) -> CentredTransform:
        made = CentredTransform(self.config, self.factor)
        made.train(self.training)
        memo[id(self)] = made
        return made


def resize_with_skimage(image: Pixels, height: int, width: int) -> Pixels:
    """Resize as Matterport does: bilinear in double precision, zeros outside, not averaging, cut to bytes.

    ``skimage.transform.resize(order=1, mode="constant", anti_aliasing=False, preserve_range=True)``. Cutting
    makes a whole level of a rounding just below a whole number: products and sums go in the original's order.
    """
    low, high = float(image.min()), float(image.max())
    upper, lower, (above, below) = _axis(image.shape[0], height)
    left, right, (before, after) = _axis(image.shape[1], width)
    before, after = before[:, None], after[:, None]
    resized = np.empty((height, width, image.shape[2]), np.uint8)
    for start in range(0, height, _BAND):
        band = slice(start, start + _BAND)
        high_rows, low_rows = (image[rows[band]].astype(np.float64) for rows in (upper, lower))
        at_top, at_foot = above[band, None, None], below[band, None, None]
        total = high_rows[:, left] * at_top * before
        total = total + high_rows[:, right] * at_top * after
        total = total + low_rows[:, left] * at_foot * before
        total = total + low_rows[:, right] * at_foot * after
        resized[band] = total.clip(low, high).astype(np.uint8)
    return resized


def _axis(old: int, new: int) -> tuple[Ints, Ints, tuple[Floats, Floats]]:
    """Return the two source rows of each row, and their weights: 0 for one outside."""
    places = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(places).astype(np.int64)
    part = places - first
    weights = np.where(first >= 0, 1 - part, 0.0), np.where(first + 1 < old, part, 0.0)
    return first.clip(0, old - 1), (first + 1).clip(0, old - 1), weights
