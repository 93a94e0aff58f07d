"""The network's input as others than torchvision make it: images resized as whole bytes, then normalised.

torchvision resizes floats, after normalising. Detectron2, mmdetection and Matterport resize uint8, each with
another library, and what is lost by rounding is part of what their networks learned from. Their mean and
standard deviation count from 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from maskrcnn_core.common.arrays import Ints, Pixels

__all__ = ["PixelTransform", "resize_with_opencv", "resize_with_pil"]

Resize = Callable[[Pixels, int, int], Pixels]
"""Resizes an image to a height and a width."""


class PixelTransform(GeneralizedRCNNTransform):  # type: ignore[misc]  # torchvision has no types
    """Resizes uint8 images, normalises them as 0 to 255, and pads with zeros to a multiple of 32.

    ``image_mean`` and ``image_std`` are those of an image in [0, 1], as torchvision's are, for those who show
    or invert the input.

    Args:
        resize: the project's own.
        mean, std: of R, G and B, in 0..255.
        min_size: the shorter side gets this many pixels,
        max_size: unless the longer one would have more than this.
        is_capped_first: whether the two limits decide on one scale (mmdetection), or the second one scales
            what the first has made (Detectron2): the sides can differ by a pixel.
    """

    def __init__(
        self,
        resize: Resize,
        mean: Sequence[float],
        std: Sequence[float],
        min_size: int,
        max_size: int,
        *,
        is_capped_first: bool,
    ) -> None:
        super().__init__(
            min_size=min_size,
            max_size=max_size,
            image_mean=[value / 255 for value in mean],
            image_std=[value / 255 for value in std],
        )
        self.resize_pixels = resize
        self.mean, self.std = tuple(mean), tuple(std)
        self.is_capped_first = is_capped_first

    def from_pixels(self, images: Sequence[Pixels], device: torch.device) -> ImageList:
        """Return the network's input for uint8 images ``[H, W, 3]`` in RGB."""
        ready = [self._normalised(self._resized(image), device) for image in images]
        sizes = [(image.shape[-2], image.shape[-1]) for image in ready]
        return ImageList(self.batch_images(ready, size_divisible=self.size_divisible), sizes)

    def input_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return ``(height, width)`` to which an image of a size is resized."""
        low, high = min(image_size), max(image_size)
        shorter, longest = self.min_size[-1], self.max_size
        if self.is_capped_first:
            scale = min(shorter / low, longest / high)
            sides = [side * scale for side in image_size]
        else:
            scale = shorter * 1.0 / low
            sides = [shorter if side == low else scale * side for side in image_size]
            if max(sides) > longest:
                scale = longest * 1.0 / max(sides)
                sides = [side * scale for side in sides]
        height, width = (max(int(side + 0.5), 1) for side in sides)
        return height, width

    # What training gives the network are floats in [0, 1], which came from bytes.

    def normalize(self, image: Tensor) -> Tensor:
        """Normalise a float image ``[3, H, W]`` in [0, 1]."""
        mean = image.new_tensor(self.mean)[:, None, None]
        return (image * 255 - mean) / image.new_tensor(self.std)[:, None, None]

    def forward(
        self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        """Transform as torchvision does, but resize bytes first; training images have their size already."""
        if not getattr(self, "_skip_resize", False):
            images = [self._resized_floats(image) for image in images]
            if targets is not None:
                raise ValueError("targets: expected images that have their size already, got others")
        ready = [self.normalize(image) for image in images]
        sizes = [(image.shape[-2], image.shape[-1]) for image in ready]
        return ImageList(self.batch_images(ready, size_divisible=self.size_divisible), sizes), targets

    def _resized_floats(self, image: Tensor) -> Tensor:
        pixels = (image * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return torch.from_numpy(self._resized(pixels)).to(image.device).permute(2, 0, 1) / 255

    def _resized(self, image: Pixels) -> Pixels:
        height, width = self.input_size((image.shape[0], image.shape[1]))
        if image.shape[:2] == (height, width):
            return image
        return self.resize_pixels(image, height, width)

    def _normalised(self, image: Pixels, device: torch.device) -> Tensor:
        floats = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1).float()
        mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (self.mean, self.std))
        return ((floats - mean) / std).contiguous()

    def __deepcopy__(self, memo: dict[int, Any]) -> PixelTransform:
        made = PixelTransform(
            self.resize_pixels,
            self.mean,
            self.std,
            self.min_size[-1],
            self.max_size,
            is_capped_first=self.is_capped_first,
        )
        made.train(self.training)
        memo[id(self)] = made
        return made


def resize_with_pil(image: Pixels, height: int, width: int) -> Pixels:
    """Resize as Detectron2 does (``ResizeTransform``): Pillow's bilinear filter, averaging as it shrinks."""
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


_BITS = 11
"""OpenCV's weights are whole numbers of 2**-11."""


def resize_with_opencv(image: Pixels, height: int, width: int) -> Pixels:
    """Resize as mmdetection does: OpenCV's ``INTER_LINEAR`` of uint8, in its whole numbers, not averaging.

    OpenCV keeps 7 of the 11 bits of the horizontal pass, multiplies, and rounds the sum of two rows
    (``VResizeLinear`` in *imgproc/src/resize.cpp*).
    """
    left, right, weights_x = _opencv_axis(image.shape[1], width)
    upper, lower, weights_y = _opencv_axis(image.shape[0], height)
    resized = np.empty((height, width, image.shape[2]), np.uint8)
    for channel in range(image.shape[2]):
        plane = image[:, :, channel].astype(np.int32)
        wide = (plane[:, left] * weights_x[0] + plane[:, right] * weights_x[1]) >> 4
        above = (wide[upper] * weights_y[0][:, None]) >> 16
        below = (wide[lower] * weights_y[1][:, None]) >> 16
        resized[:, :, channel] = np.clip((above + below + 2) >> 2, 0, 255)
    return resized


def _opencv_axis(old: int, new: int) -> tuple[Ints, Ints, tuple[Any, Any]]:
    """Return the two source rows of each row, and their weights."""
    place = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int64)
    part = place - first.astype(np.float32)
    part[(first < 0) | (first >= old - 1)] = 0
    first = np.clip(first, 0, old - 1)
    one = np.float32(1 << _BITS)
    weights = tuple(np.rint(share * one).astype(np.int32) for share in (np.float32(1) - part, part))
    return first, np.minimum(first + 1, old - 1), (weights[0], weights[1])
