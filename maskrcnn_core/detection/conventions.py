"""How each family of Mask R-CNN makes candidates of regions, brings boxes to the image, and pastes masks.

``CONVENTIONS`` is the table. To add one, write a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from maskrcnn_core.common.arrays import Floats
from maskrcnn_core.detection.paste_laws import Paste
from maskrcnn_core.geometry.boxes import box_scale

__all__ = ["CONVENTIONS", "Convention", "ConventionKey"]

ConventionKey = Literal["torchvision", "detectron2", "mmdetection", "matterport"]

Size = tuple[int, int]


@dataclass(frozen=True)
class Convention:
    """One row of the table.

    Args:
        key: as stored runs name it.
        paste: the law by which masks lie over their boxes.
        least_side: candidates smaller than this in one direction are dropped, in pixels of the input.
        to_image: boxes ``[N, 4]`` of the input to those of the image, given ``(height, width)`` of both.
        is_one_category: a region has one candidate at most, for the most likely class of all, and none where
            that is the background.
        between_ends: pixels by which the places that a box's corners stand for are less far apart than the
            corners: 1 where they are its first and its last pixel.
    """

    key: ConventionKey
    paste: Paste
    least_side: float
    to_image: Callable[[Floats, Size, Size], Floats]
    is_one_category: bool = False
    between_ends: float = 0.0

    def compared(self, boxes: Floats) -> Floats:
        """Return boxes ``[N, 4]`` as the family takes them to say how much two overlap."""
        if not self.between_ends:
            return boxes
        lessened: Floats = boxes - np.array([0, 0, self.between_ends, self.between_ends], np.float32)
        return lessened


def _multiplied(boxes: Floats, input_size: Size, image_size: Size) -> Floats:
    """Scale as torchvision's ``resize_boxes`` does: by ratios in float32."""
    scaled: Floats = boxes * box_scale(input_size, image_size)
    return scaled


def _clipped(boxes: Floats, input_size: Size, image_size: Size) -> Floats:
    """Scale, and clip, as Detectron2's ``detector_postprocess`` does: rounding may lead beyond the image."""
    height, width = image_size
    limits = np.array([width, height, width, height], np.float32)
    clipped: Floats = np.clip(_multiplied(boxes, input_size, image_size), np.float32(0), limits)
    return clipped


def _divided(boxes: Floats, input_size: Size, image_size: Size) -> Floats:
    """Scale as mmdetection does (``scale_boxes``): divided by the factors by which the image was resized."""
    height, width = (new / old for new, old in zip(input_size, image_size, strict=True))
    factors: Floats = np.array([width, height, width, height]).astype(np.float32)
    scaled: Floats = boxes / factors
    return scaled


def _rounded(boxes: Floats, input_size: Size, image_size: Size) -> Floats:
    """Scale, and round, as Matterport does (``unmold_detections``): places of first and last pixels."""
    ends = np.array([0, 0, 1, 1])
    old, new = (np.array([width - 1, height - 1] * 2) for height, width in (input_size, image_size))
    places = (boxes.astype(np.float64) - ends) / np.maximum(old, 1) * new
    rounded: Floats = np.rint(places + ends).astype(np.float32)
    return rounded


_ROWS = (
    Convention("torchvision", "torchvision", 1e-2, _multiplied),
    Convention("detectron2", "centres", 0.0, _clipped),
    Convention("mmdetection", "centres", 0.0, _divided),
    Convention("matterport", "matterport", 0.0, _rounded, is_one_category=True, between_ends=1.0),
)
CONVENTIONS: dict[ConventionKey, Convention] = {row.key: row for row in _ROWS}
