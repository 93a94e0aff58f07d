"""The anchors and the RoIAlign that Detectron2 and mmdetection have in place of torchvision's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, roi_align

__all__ = ["AlignedRoIAlign", "CellAnchors", "LevelRule", "detectron2_levels", "mmdetection_levels"]

LevelRule = Callable[[Tensor], Tensor]
"""Gives the level of each region, float ``[N, 4]`` to float ``[N]`` on the scale of strides 2 to the n-th."""


class CellAnchors(AnchorGenerator):  # type: ignore[misc]  # torchvision has no types
    """Anchors as they are listed, not rounded to whole pixels, at strides of 4, 8 and so on.

    Args:
        cells: for each level A anchors x1 y1 x2 y2 in pixels around the first cell's corner.
        finest: the first level; level n has a stride of 2 to the n-th.
    """

    def __init__(self, cells: Sequence[Sequence[Sequence[float]]], finest: int = 2) -> None:
        sizes = tuple(tuple(((x2 - x1) * (y2 - y1)) ** 0.5 for x1, y1, x2, y2 in level) for level in cells)
        ratios = tuple(tuple((y2 - y1) / (x2 - x1) for x1, y1, x2, y2 in level) for level in cells)
        super().__init__(sizes, ratios)
        # Real ones, also where the network is built on the "meta" device: they are in no file.
        self.cell_anchors = [torch.tensor(level, dtype=torch.float32, device="cpu") for level in cells]
        self.strides = [2 ** (finest + level) for level in range(len(cells))]

    def num_anchors_per_location(self) -> list[int]:
        """Return A of each level: sizes and ratios go in pairs here, not in a grid."""
        return [len(level) for level in self.cell_anchors]

    def grid_anchors(self, grid_sizes: list[list[int]], strides: list[list[Tensor]]) -> list[Tensor]:
        """Place anchors as torchvision does, with true strides, not those taken from the image's size."""
        device = strides[0][0].device
        self.cell_anchors = [cell.to(device) for cell in self.cell_anchors]
        anchors: list[Tensor] = super().grid_anchors(
            grid_sizes, [[stride, stride] for stride in self.strides]
        )
        return anchors


def detectron2_levels(boxes: Tensor) -> Tensor:
    """Return levels as Detectron2's ``assign_boxes_to_levels``."""
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    return torch.floor(4 + torch.log2(sides / 224 + 1e-8))


def mmdetection_levels(boxes: Tensor) -> Tensor:
    """Return levels as mmdetection's ``SingleRoIExtractor.map_roi_levels``, whose 0 is the stride of 4."""
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    return torch.floor(torch.log2(sides / 56 + 1e-6)) + 2


class _Levels:
    """What torchvision calls a level mapper: regions of some images to indices of feature maps."""

    def __init__(self, rule: LevelRule, finest: int, coarsest: int) -> None:
        self.rule, self.finest, self.coarsest = rule, finest, coarsest

    def __call__(self, boxes: list[Tensor]) -> Tensor:
        levels = self.rule(torch.cat(boxes)).clamp(self.finest, self.coarsest)
        return (levels - self.finest).to(torch.int64)


class AlignedRoIAlign(MultiScaleRoIAlign):  # type: ignore[misc]  # torchvision has no types
    """RoIAlign on a pyramid with coordinates moved by half a pixel, and as many samples as a bin has cells.

    A pixel's value is that of its centre, so that a region's corner at 0 lies half a cell before the first
    value; torchvision's own pooling leaves that out.

    Args:
        output_size: side of the square that each region is pooled to, in cells.
        rule: which level a region is read from.
    """

    def __init__(self, output_size: int, rule: LevelRule) -> None:
        super().__init__(["0", "1", "2", "3"], output_size, 0)
        self.scales = [1 / 4, 1 / 8, 1 / 16, 1 / 32]
        self.map_levels = _Levels(rule, 2, 5)

    def forward(
        self,
        x: dict[str, Tensor],
        boxes: list[Tensor],
        image_shapes: Sequence[tuple[int, int]],  # noqa: ARG002
    ) -> Tensor:
        """Pool B lists of xyxy boxes from maps ``[B, C, h, w]``: ``[sum of N, C, size, size]``."""
        maps = [x[name] for name in self.featmap_names]
        regions = torch.cat(boxes)
        owners = torch.cat([b.new_full((len(b), 1), i) for i, b in enumerate(boxes)])
        rows = torch.cat([owners.to(regions.dtype), regions], dim=1)
        levels = self.map_levels(boxes)
        pooled = maps[0].new_zeros(len(rows), maps[0].shape[1], *self.output_size)
        for level, (features, scale) in enumerate(zip(maps, self.scales, strict=True)):
            here = torch.where(levels == level)[0]
            part = roi_align(features, rows[here], self.output_size, scale, 0, aligned=True)
            pooled[here] = part.to(pooled.dtype)
        return pooled
