"""One training sample: a crop of an image at a random scale, turned, flipped and recoloured.

The crop is cut out first, at the image's own resolution, so that masks of what lies elsewhere are never
decoded; every other step is one of ``torchvision.transforms.v2``.

**Targets run through pixel centres.** torchvision pastes a mask into a box whose corners it cuts down to
whole pixels, first and last included (``paste_mask_in_image``), so on average a mask comes out half a pixel
larger on every side; and it samples mask targets at whole coordinates
(``project_masks_on_boxes``: RoIAlign with ``aligned=False``), so half a pixel towards the upper left. A
network that learns boxes and masks along the *centres* of the outermost pixels, with masks moved half a
pixel of its input, is pasted right. With perfect predictions for the nuclei of DSB2018 the mean IoU after
pasting is .97 that way, and .90 with boxes along pixel corners; for objects below 100 pixels .96 and .76
(docs/adr/0005).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from maskrcnn_core.masks import Rle

__all__ = ["Augmentation", "Sample", "Target", "input_scale"]

Pixels = npt.NDArray[np.uint8]
Target = dict[str, Tensor]

_INSIDE = 0.8
"""A sample is inside where the mask, interpolated bilinearly, is at least this: nearly half a pixel within on
straight edges. At 1 slanted edges would lose more than those; measured best for discs of 4 to 60 pixels."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its ground truth.

    Args:
        pixels: uint8 ``[H, W, 3]`` RGB, upright.
        masks: of its instances, crowds left out.
        labels: of the network, parallel to ``masks``.
        scale: that the network itself would bring the image to; see :func:`input_scale`.
    """

    pixels: Pixels
    masks: tuple[Rle, ...]
    labels: tuple[int, ...]
    scale: float


def input_scale(size: tuple[int, int], min_size: int, max_size: int) -> float:
    """How much larger the network sees an image of ``(height, width)``, as torchvision's transform says."""
    return min(min_size / min(size), max_size / max(size))


@dataclass(frozen=True)
class Augmentation:
    """What is left to chance, and within which bounds.

    Args:
        crop: side of the square that the network is trained on, in pixels of its input.
        scales: smallest and largest factor on the network's own input scale.
        turns: by any multiple of 90 degrees, and mirrored up and down; right for microscopy and aerial
            images, wrong where up is up. Left and right are always swapped for half of the samples.
        colour: strength of changes in brightness, contrast, saturation and hue; 0 leaves colours alone.
        least_visible: an instance is kept if this share of it lies in the crop, or so many of its pixels
            that one could tell what it is (``least_pixels``, of the network's input).
    """

    crop: int = 512
    scales: tuple[float, float] = (0.6, 1.5)
    turns: bool = False
    colour: float = 0.3
    least_visible: float = 0.3
    least_pixels: int = 200

    def __call__(self, sample: Sample) -> tuple[Tensor, Target]:
        """Draws from torch's global generator: seed it, and the same sample comes out.

        Returns:
            The image, float32 ``[3, h, w]`` in [0, 1] with sides of at most ``crop``, and the target as
            torchvision wants it: ``boxes`` float32 ``[N, 4]``, ``labels`` int64 ``[N]``, ``masks`` uint8
            ``[N, h, w]``.
        """
        low, high = (math.log(bound) for bound in self.scales)
        scale = sample.scale * math.exp(float(torch.empty(()).uniform_(low, high)))
        top, left, height, width = self._window(sample, scale)
        image, masks, labels, whole = _cut(sample, top, left, height, width)
        image, masks = self._turn(image, masks)
        height, width = masks.shape[-2:]
        size = (min(max(round(height * scale), 1), self.crop), min(max(round(width * scale), 1), self.crop))
        boxes = _boxes_through_centres(masks, size)
        masks = _resize_masks(masks, size)
        image = v2.functional.resize(image, list(size), antialias=True)
        image = self._recolour(image)
        seen = masks.sum((1, 2))
        kept = (seen >= self.least_visible * whole * scale**2) | (seen >= self.least_pixels)
        kept &= (seen > 0) & (boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1)
        target = {"boxes": boxes[kept], "labels": labels[kept], "masks": masks[kept]}
        return v2.functional.to_dtype(image, torch.float32, scale=True), target

    def _window(self, sample: Sample, scale: float) -> tuple[int, int, int, int]:
        """Top, left, height and width, in the image's pixels; around some instance if there is one."""
        height, width = sample.pixels.shape[:2]
        side = max(round(self.crop / scale), 1)
        h, w = min(side, height), min(side, width)
        # All that is drawn is drawn always, so that the numbers that follow do not depend on the data.
        place_y, place_x, pick = torch.rand(3).tolist()
        top, left = round(place_y * (height - h)), round(place_x * (width - w))
        if sample.masks:
            # Where nothing is, nothing is learned: some instance's middle lies anywhere in the crop.
            x, y, box_width, box_height = sample.masks[int(pick * len(sample.masks))].box_xywh
            top = round(y + box_height / 2 - place_y * h)
            left = round(x + box_width / 2 - place_x * w)
        return min(max(top, 0), height - h), min(max(left, 0), width - w), h, w

    def _turn(self, image: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        pair = (tv_tensors.Image(image), tv_tensors.Mask(masks))
        pair = v2.RandomHorizontalFlip()(*pair)
        if self.turns:
            pair = v2.RandomVerticalFlip()(*pair)
            quarter = int(torch.randint(2, ()))
            pair = (torch.rot90(pair[0], quarter, (-2, -1)), torch.rot90(pair[1], quarter, (-2, -1)))
        return pair[0].as_subclass(torch.Tensor), pair[1].as_subclass(torch.Tensor)

    def _recolour(self, image: Tensor) -> Tensor:
        if not self.colour:
            return image
        c = self.colour
        steps = (
            v2.ColorJitter(brightness=c, contrast=c, saturation=c, hue=min(c / 4, 0.5)),
            v2.RandomApply([v2.GaussianBlur(3, sigma=(0.2, 1.0))], p=0.15),
            v2.RandomGrayscale(p=0.1),
        )
        for step in steps:
            image = step(image)
        return image


def _cut(
    sample: Sample, top: int, left: int, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Image uint8 ``[3, h, w]``, masks bool ``[N, h, w]``, labels, and each instance's whole area."""
    crop = sample.pixels[top : top + height, left : left + width]
    image = torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1)))
    masks, labels, areas = [], [], []
    for mask, label in zip(sample.masks, sample.labels, strict=True):
        x, y, w, h = mask.box_xywh
        if x < left + width and x + w > left and y < top + height and y + h > top:
            masks.append(mask.window(top, left, height, width))
            labels.append(label)
            areas.append(mask.area)
    stacked = np.stack(masks) if masks else np.zeros((0, height, width), np.bool_)
    return (
        image,
        torch.from_numpy(stacked),
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(areas, dtype=torch.float32),
    )


def _boxes_through_centres(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes through the centres of each mask's outermost pixels, in pixels of ``size``: ``[N, 4]``."""
    height, width = masks.shape[-2:]
    ratio_y, ratio_x = size[0] / height, size[1] / width
    boxes = torch.zeros((len(masks), 4))
    for axis, (first, last, ratio) in enumerate(((0, 2, ratio_x), (1, 3, ratio_y))):
        filled = masks.any(1 if axis == 0 else 2)
        at = filled.to(torch.uint8)
        length = at.shape[1]
        boxes[:, first] = (at.argmax(1) + 0.5) * ratio
        boxes[:, last] = (length - at.flip(1).argmax(1) - 0.5) * ratio
    boxes[~masks.flatten(1).any(1)] = 0
    return boxes


def _resize_masks(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks uint8 ``[N, h, w]`` of ``size``, as the module's text says: eroded and moved by half pixels.

    The value at index i is the mask's at coordinate i, where torchvision's target sampling takes it to be.
    """
    if not len(masks):
        return torch.zeros((0, *size), dtype=torch.uint8)
    rows = torch.arange(size[0]) * (2 / size[0]) - 1
    columns = torch.arange(size[1]) * (2 / size[1]) - 1
    grid = torch.stack([columns.expand(size[0], -1), rows[:, None].expand(-1, size[1])], -1)[
        None
    ]  # x before y, as grid_sample wants
    values = F.grid_sample(
        masks[None].float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return (values[0] >= _INSIDE).to(torch.uint8)
