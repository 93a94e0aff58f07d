"""One training sample: an image at a random scale, whole or a part of it, turned, flipped and recoloured.

Images are seen whole unless a crop is asked for: cut objects are not what the network will meet. A crop is
cut out first, at the image's own resolution, so that masks of what lies elsewhere are never decoded, and
masks are brought to the network's input a few at a time. Colours are ``torchvision.transforms.v2``'s, and
resizing and the place of targets those of the network's family (:mod:`maskrcnn_core.training.target_laws`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.networks.configs import Laws
from maskrcnn_core.training.ignoring import IGNORED
from maskrcnn_core.training.target_laws import TARGET_LAWS

__all__ = ["Augmentation", "Sample", "Target", "Window"]

Target = dict[str, Tensor]

Window = tuple[int, int, int, int]
"""Top, left, height and width in pixels of an image."""

_Turn = Callable[[Tensor], Tensor]
"""Mirrors and turns planes ``[N, H, W]``."""

_PIXELS_AT_ONCE = 1 << 24
"""Of masks at the resolution of their image."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its ground truth.

    Args:
        pixels: uint8 ``[H, W, 3]`` RGB, upright.
        masks: of its instances, crowds left out.
        labels: of the network, parallel to ``masks``.
        scale: that the network itself would bring the image to.
        largest: to which the whole image may be enlarged; see :class:`~maskrcnn_core.training.views.View`.
        ignored: regions that are neither background nor an instance.
        laws: whose the network was built by: they say how it resizes images and where its targets lie.
    """

    pixels: Pixels
    masks: tuple[Rle, ...]
    labels: tuple[int, ...]
    scale: float
    largest: float = math.inf
    ignored: tuple[Rle, ...] = ()
    laws: Laws = "torchvision"


@dataclass(frozen=True)
class Augmentation:
    """What is left to chance, and within which bounds.

    Args:
        crop: side of the square that the network is trained on, in pixels of its input; None sees whole
            images.
        scales: smallest and largest factor on the network's own input scale. A whole image is never larger
            than the network's largest input.
        turns: by any multiple of 90 degrees, and mirrored up and down; right for microscopy and aerial
            images, wrong where up is up. Left and right are always swapped for half of the samples.
        colour: strength of changes in brightness, contrast, saturation and hue; 0 leaves colours alone.
        least_visible: an instance is kept if this share of it lies in the crop, or this many of its pixels
            that one could tell what it is (``least_pixels``, of the network's input). The visible rest of
            any other is neither learned nor background.
    """

    crop: int | None = None
    scales: tuple[float, float] = (0.6, 1.5)
    turns: bool = False
    colour: float = 0.3
    least_visible: float = 0.3
    least_pixels: int = 200

    def __call__(self, sample: Sample) -> tuple[Tensor, Target]:
        """Draw a sample from torch's global generator: the same seed gives the same sample.

        Returns:
            The image, float32 ``[3, h, w]`` in [0, 1] with sides of at most ``crop``, and the target as
            torchvision wants it: ``boxes`` float32 ``[N, 4]``, ``labels`` int64 ``[N]``, ``masks`` uint8
            ``[N, h, w]``; and ``ignored`` uint8 ``[h, w]`` if there is anything to ignore.
        """
        scale, window = self.draw_window(sample, sample.pixels.shape[:2])
        top, left, height, width = window
        turn = self._drawn_turn()
        pixels = sample.pixels[top : top + height, left : left + width]
        image = turn(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))
        size = self._input_size(image.shape[1], image.shape[2], scale)
        seen_masks, seen_labels = _reaching(sample, window)
        whole = torch.tensor([mask.area for mask in seen_masks], dtype=torch.float32)
        labels = torch.tensor(seen_labels, dtype=torch.int64)
        boxes, masks = _at_input(seen_masks, window, turn, size, sample.laws)
        ignored = _at_input(sample.ignored, window, turn, size, sample.laws)[1].any(0).to(torch.uint8)
        image = _resized(image, size, sample.laws)
        image = self._recolor(image)
        seen = masks.sum((1, 2))
        kept = (seen >= self.least_visible * whole * scale**2) | (seen >= self.least_pixels)
        kept &= (seen > 0) & (boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1)
        target = {"boxes": boxes[kept], "labels": labels[kept], "masks": masks[kept]}
        for x1, y1, x2, y2 in boxes[~kept].tolist():
            ignored[math.floor(y1) : math.ceil(y2), math.floor(x1) : math.ceil(x2)] = 1
        if ignored.any():
            target[IGNORED] = ignored
        return v2.functional.to_dtype(image, torch.float32, scale=True), target

    def _input_size(self, height: int, width: int, scale: float) -> tuple[int, int]:
        """Return height and width of a part of an image as the network gets it."""
        most = self.crop or sys.maxsize
        return min(max(round(height * scale), 1), most), min(max(round(width * scale), 1), most)

    def draw_window(self, sample: Sample, size: tuple[int, int]) -> tuple[float, Window]:
        """Return the scale of a sample, and what is seen of its image.

        Args:
            sample: its pixels are not looked at.
            size: height and width of the image.

        Returns:
            The scale, and top, left, height and width in the image's pixels. A crop holds some instance, as
            a whole if it fits.
        """
        low, high = (math.log(bound) for bound in self.scales)
        scale = sample.scale * math.exp(float(torch.empty(()).uniform_(low, high)))
        # All that is drawn is drawn always, so that the numbers that follow do not depend on the data.
        place_y, place_x, pick = torch.rand(3).tolist()
        height, width = size
        if self.crop is None:
            return min(scale, sample.largest), (0, 0, height, width)
        side = max(round(self.crop / scale), 1)
        h, w = min(side, height), min(side, width)
        top, left = round(place_y * (height - h)), round(place_x * (width - w))
        if sample.masks:
            # Where nothing is, nothing is learned.
            x, y, box_width, box_height = sample.masks[int(pick * len(sample.masks))].box_xywh
            top, left = _place(y, box_height, h, place_y), _place(x, box_width, w, place_x)
        return scale, (min(max(top, 0), height - h), min(max(left, 0), width - w), h, w)

    def _drawn_turn(self) -> _Turn:
        is_mirrored = bool(torch.rand(1) < 0.5)
        is_upside_down = is_turned = False
        if self.turns:
            is_upside_down, is_turned = bool(torch.rand(1) < 0.5), bool(torch.randint(2, ()))

        def turn(planes: Tensor) -> Tensor:
            axes = [axis for axis, flips in ((-1, is_mirrored), (-2, is_upside_down)) if flips]
            planes = planes.flip(axes)
            return torch.rot90(planes, 1, (-2, -1)) if is_turned else planes

        return turn

    def _recolor(self, image: Tensor) -> Tensor:
        if not self.colour:
            return image
        c = self.colour
        steps = (
            v2.ColorJitter(brightness=c, contrast=c, saturation=c, hue=min(c / 4, 0.5)),
            v2.RandomApply([v2.GaussianBlur(3, sigma=(0.2, 1.0))], p=0.15),
            v2.RandomGrayscale(p=0.1),
        )
        for step in steps:
            # A blur looks at both neighbours, and a picture one pixel across has none.
            if min(image.shape[1:]) > 1 or not isinstance(step, v2.RandomApply):
                image = step(image)
        return image


def _place(first: int, length: int, side: int, share: float) -> int:
    """Return where a window of ``side`` begins that holds all of a length, or at least its middle."""
    if length <= side:
        return round(first + length - side + share * (side - length))
    return round(first + length / 2 - share * side)


def _reaching(sample: Sample, window: Window) -> tuple[tuple[Rle, ...], tuple[int, ...]]:
    """Return the masks and labels of what reaches into a window, by their boxes."""
    top, left, height, width = window
    found = []
    for mask, label in zip(sample.masks, sample.labels, strict=True):
        x, y, w, h = mask.box_xywh
        if x < left + width and x + w > left and y < top + height and y + h > top:
            found.append((mask, label))
    return tuple(mask for mask, _ in found), tuple(label for _, label in found)


def _resized(image: Tensor, size: tuple[int, int], laws: Laws) -> Tensor:
    """Resize a uint8 image ``[3, h, w]`` as the network's own transform does."""
    resize = TARGET_LAWS[laws].resize
    if resize is None:
        smooth: Tensor = v2.functional.resize(image, list(size), antialias=True)
        return smooth
    if image.shape[1:] == size:
        return image
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    return torch.from_numpy(resize(pixels, *size)).permute(2, 0, 1).contiguous()


def _at_input(
    masks: Sequence[Rle], window: Window, turn: _Turn, size: tuple[int, int], laws: Laws
) -> tuple[Tensor, Tensor]:
    """Return boxes float32 ``[N, 4]`` and masks uint8 ``[N, h, w]`` in pixels of the network's input.

    Only a few of the masks are there at the image's resolution at once.
    """
    law = TARGET_LAWS[laws]
    at_once = max(1, _PIXELS_AT_ONCE // max(window[2] * window[3], 1))
    boxes, resized = [torch.zeros((0, 4))], [torch.zeros((0, *size), dtype=torch.uint8)]
    for first in range(0, len(masks), at_once):
        planes = np.stack([mask.window(*window) for mask in masks[first : first + at_once]])
        turned = turn(torch.from_numpy(planes))
        boxes.append(law.boxes(turned, size))
        resized.append(law.masks(turned, size))
    return torch.cat(boxes), torch.cat(resized)
