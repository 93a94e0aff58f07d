"""The parts of a Mask R-CNN that Matterport has in place of torchvision's.

Line numbers are of *mrcnn/model.py* and *mrcnn/utils.py* of ``mrcnn`` 2.1. The original counts in shares of
its padded input, and a box's corners are places of pixels there: the first is 0, the last 1. Here boxes are
as everywhere else: in pixels of the input, from the image's corner, each second corner behind the last pixel.
The parts go from one to the other where it makes a difference: to them, a box's sides are a pixel less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import (
    RegionProposalNetwork,
    RPNHead,
    concat_box_prediction_layers,
)
from torchvision.ops import MultiScaleRoIAlign, nms, roi_align
from torchvision.ops.misc import Conv2dNormActivation

from maskrcnn_core.networks.aligned_parts import CellAnchors
from maskrcnn_core.networks.configs import Cell
from maskrcnn_core.networks.laws import corner_in_padding

__all__ = [
    "CentredAnchors",
    "CropAndResize",
    "OverallRPN",
    "PlaceCoder",
    "TopLeftMaxPool",
    "WideRPNHead",
    "clip_places",
    "matterport_cells",
    "matterport_levels",
    "without_last_pixel",
]

Size = tuple[int, int]

_FINEST = 4
"""Stride of the first level."""

_CANONICAL = 224.0
"""Side of a region that is read from the third level, in pixels: ImageNet's images."""

_LARGEST_LOG = 50.0
"""The original bounds no regression; beyond this a side would be infinite."""


def without_last_pixel(boxes: Tensor) -> Tensor:
    """Return boxes ``[..., 4]`` with their second corner on the last pixel in place of behind it."""
    return boxes - boxes.new_tensor([0.0, 0.0, 1.0, 1.0])


def _with_last_pixel(boxes: Tensor) -> Tensor:
    return boxes + boxes.new_tensor([0.0, 0.0, 1.0, 1.0])


def clip_places(boxes: Tensor, size: Size, corner: Size = (0, 0)) -> Tensor:
    """Clip boxes ``[..., 4]`` as the original does: both corners to pixels of an area.

    Args:
        size: ``(height, width)`` of the area.
        corner: row and column, within the area, of the point that boxes count from.
    """
    (height, width), (top, left) = size, corner
    low = boxes.new_tensor([-left, -top, -left, -top])
    high = boxes.new_tensor([width - 1 - left, height - 1 - top] * 2)
    return _with_last_pixel(without_last_pixel(boxes).maximum(low).minimum(high))


def matterport_cells(scales: Sequence[float], ratios: Sequence[float]) -> tuple[Cell, ...]:
    """Return the anchors of each level, one scale a level and all ratios (width by height) of it.

    ``generate_anchors`` (utils.py, 583).
    """
    levels = []
    for scale in scales:
        sides = [(scale * math.sqrt(ratio), scale / math.sqrt(ratio)) for ratio in ratios]
        levels.append(tuple((-w / 2, -h / 2, w / 2, h / 2) for w, h in sides))
    return tuple(levels)


class CentredAnchors(CellAnchors):
    """Anchors at multiples of the strides from the corner of the padded input."""

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Return anchors ``[N, 4]`` of each image, counting from the image's own corner."""
        padded = _size(image_list.tensors)
        placed = []
        for anchors, size in zip(
            super().forward(image_list, feature_maps), image_list.image_sizes, strict=True
        ):
            top, left = corner_in_padding(padded, size)
            placed.append(anchors - anchors.new_tensor([left, top, left, top]))
        return placed


class TopLeftMaxPool(nn.MaxPool2d):
    """Max pooling of 3 x 3 at every second pixel, padded below and on the right: TensorFlow's "same"."""

    def __init__(self) -> None:
        super().__init__(kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Pool what a ReLU has left: padding with zeros changes no maximum."""
        pooled: Tensor = super().forward(F.pad(x, (0, 1, 0, 1)))
        return pooled


class WideRPNHead(RPNHead):  # type: ignore[misc]  # torchvision has no types
    """An RPN head with more channels than the pyramid; its logit is that of object less that of background.

    Args:
        channels: of the pyramid.
        hidden: of its 3 x 3 convolution.
        anchors: at each place.
    """

    def __init__(self, channels: int, hidden: int, anchors: int) -> None:
        super().__init__(channels, anchors)
        self.conv = nn.Sequential(Conv2dNormActivation(channels, hidden, 3, norm_layer=None))
        self.cls_logits = nn.Conv2d(hidden, anchors, 1)
        self.bbox_pred = nn.Conv2d(hidden, 4 * anchors, 1)


class PlaceCoder(BoxCoder):  # type: ignore[misc]  # torchvision has no types
    """Moves boxes by regression, their sides a pixel less (``apply_box_deltas_graph``, model.py)."""

    def __init__(self, weights: tuple[float, float, float, float]) -> None:
        super().__init__(weights, _LARGEST_LOG)

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """Return what moves each proposal onto its box."""
        moved: Tensor = super().encode_single(
            without_last_pixel(reference_boxes), without_last_pixel(proposals)
        )
        return moved

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """Return boxes ``[N, 4 C]``, each moved in C ways."""
        moved = super().decode_single(rel_codes, without_last_pixel(boxes))
        return _with_last_pixel(moved.reshape(len(moved), -1, 4)).reshape(moved.shape)


class OverallRPN(RegionProposalNetwork):  # type: ignore[misc]  # torchvision has no types
    """Proposes the best anchors of all levels together, and suppresses without regard to levels.

    ``ProposalLayer`` (model.py, 255). No box is too small. The original fills up to its limit with boxes of
    no size; here there are fewer then.
    """

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return proposals of each image; in training with losses, as torchvision's."""
        levels = list(features.values())
        objectness, deltas = self.head(levels)
        anchors = self.anchor_generator(images, levels)
        flat_objectness, flat_deltas = concat_box_prediction_layers(objectness, deltas)
        refined = self.box_coder.decode(flat_deltas.detach(), anchors).reshape(len(anchors), -1, 4)
        scores = flat_objectness.detach().reshape(len(anchors), -1).sigmoid()
        padded = _size(images.tensors)
        proposals = [
            self._propose(boxes, of_image, padded, size)
            for boxes, of_image, size in zip(refined, scores, images.image_sizes, strict=True)
        ]
        if not self.training:
            return proposals, {}
        if targets is None:
            raise ValueError("targets: expected boxes to learn from, got none")
        labels, matched = self.assign_targets_to_anchors(anchors, targets)
        losses = self.compute_loss(
            flat_objectness, flat_deltas, labels, self.box_coder.encode(matched, anchors)
        )
        return proposals, {"loss_objectness": losses[0], "loss_rpn_box_reg": losses[1]}

    def _propose(self, boxes: Tensor, scores: Tensor, padded: Size, size: Size) -> Tensor:
        best = self.best(scores)
        clipped = clip_places(boxes[best], padded, corner_in_padding(padded, size))
        return clipped[self.survivors(clipped, scores[best])[: self.post_nms_top_n()]]

    def best(self, scores: Tensor) -> Tensor:
        """Return the rows that suppression sees, by falling score; of equal ones the first goes first."""
        return scores.sort(descending=True, stable=True)[1][: self.pre_nms_top_n()]

    def survivors(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """Return the rows that suppression leaves, by falling score."""
        kept: Tensor = nms(without_last_pixel(boxes), scores, self.nms_thresh)
        return kept


def matterport_levels(boxes: Tensor, padded_size: Size) -> Tensor:
    """Return levels 2 to 5 of regions, given ``(height, width)`` of the padded input: rounded, half to even.

    ``PyramidROIAlign`` (model.py, 344).
    """
    height, width = padded_size
    sides = (without_last_pixel(boxes)[:, 2:] - boxes[:, :2]).clamp(min=0)
    shares = sides / sides.new_tensor([width - 1, height - 1])
    canonical = _CANONICAL / math.sqrt(height * width)
    levels = torch.log2((shares[:, 0] * shares[:, 1]).sqrt() / canonical)
    return (4 + levels.round()).clamp(2, 5)


class CropAndResize(MultiScaleRoIAlign):  # type: ignore[misc]  # torchvision has no types
    """Reads each region at one point a bin, the outermost points on its corners.

    TensorFlow's ``crop_and_resize``, as ``PyramidROIAlign`` (model.py, 344) uses it. A point that rounding
    places beyond the map is 0 to TensorFlow; here it is the map's last value.

    Args:
        output_size: side of the square that each region is pooled to, in cells.
    """

    def __init__(self, output_size: int) -> None:
        super().__init__(["0", "1", "2", "3"], output_size, 1)
        self.scales = [1 / (_FINEST << level) for level in range(4)]

    def forward(self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: Sequence[Size]) -> Tensor:
        """Pool B lists of xyxy boxes from maps ``[B, C, h, w]``: ``[sum of N, C, size, size]``."""
        maps = [x[name] for name in self.featmap_names]
        padded = self.padded_size(maps[0])
        levels = self.levels_of(torch.cat(boxes), padded)
        owners = torch.cat([b.new_full((len(b), 1), i) for i, b in enumerate(boxes)])
        pooled = maps[0].new_zeros(len(levels), maps[0].shape[1], *self.output_size)
        for level, features in enumerate(maps):
            here = torch.where(levels == level)[0]
            placed = torch.cat(
                [self.reach(b, features, padded, size) for b, size in zip(boxes, image_shapes, strict=True)]
            )
            # Aligned RoIAlign counts from half a cell before the first value.
            rows = torch.cat([owners, placed + 0.5], dim=1)[here]
            part = roi_align(features, rows, self.output_size, 1.0, 1, aligned=True)
            pooled[here] = part.to(pooled.dtype)
        return pooled

    @staticmethod
    def padded_size(finest: Tensor) -> Size:
        """Return ``(height, width)`` of the input that the finest map was made from."""
        return finest.shape[-2] * _FINEST, finest.shape[-1] * _FINEST

    @staticmethod
    def levels_of(boxes: Tensor, padded_size: Size) -> Tensor:
        """Return the index of the map that each region is read from."""
        return matterport_levels(boxes, padded_size).to(torch.int64) - 2

    def reach(self, boxes: Tensor, features: Tensor, padded_size: Size, input_size: Size) -> Tensor:
        """Return regions in cells of a map, grown by half a bin: then each bin is read in its middle."""
        top, left = corner_in_padding(padded_size, input_size)
        places = without_last_pixel(boxes) + boxes.new_tensor([left, top, left, top])
        height, width = padded_size
        shares = places / boxes.new_tensor([width - 1, height - 1] * 2)
        cells = shares * boxes.new_tensor([features.shape[-1] - 1, features.shape[-2] - 1] * 2)
        half = (cells[:, 2:] - cells[:, :2]) / (self.output_size[0] - 1) / 2
        return torch.cat([cells[:, :2] - half, cells[:, 2:] + half], dim=1)


def _size(batch: Tensor) -> Size:
    return batch.shape[-2], batch.shape[-1]
