"""Regions that teach nothing: what lies in them is neither background nor an object to learn.

A crowd is many objects without masks of their own, a refused row an object whose outline nobody can read, an
open proposal one that nobody has looked at. To call their pixels background teaches the network not to find
such objects. torchvision knows no such regions, so its two samplers are told here: an anchor or a proposal
that matches no object and lies in them by half of its own area is left out, as those between two thresholds
are. What matches a true object is learned wherever it lies.

Without such regions every loss is torchvision's own, bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork

__all__ = ["IGNORED", "covered_shares", "leave_out_ignored"]

IGNORED = "ignored"
"""Key of a target: uint8 ``[h, w]``, 1 where nobody knows what is there. It may be absent."""

_COVERED = 0.5
_BACKGROUND, _LEFT_OUT = 0, -1
"""Labels as torchvision's sampler takes them."""


def leave_out_ignored(network: MaskRCNN) -> None:
    """Make a network heed :data:`IGNORED` in its targets while it trains, in place."""
    # The very same attributes and parameters, but for two methods each: there is nothing to copy.
    network.rpn.__class__ = _IgnoringRpn
    network.roi_heads.__class__ = _IgnoringHeads


def covered_shares(boxes: Tensor, region: Tensor) -> Tensor:
    """Return the share of each box that lies in a region.

    Args:
        boxes: float ``[N, 4]``, x1 y1 x2 y2 in pixels; they are widened to whole pixels, and what lies
            outside of the image does not count.
        region: ``[h, w]``, not 0 where it is.

    Returns:
        float32 ``[N]`` in [0, 1]; 0 for a box that is wholly outside.
    """
    height, width = region.shape
    sums = torch.zeros((height + 1, width + 1), dtype=torch.int64, device=region.device)
    sums[1:, 1:] = (region != 0).long().cumsum(0).cumsum(1)
    x1, y1 = (boxes[:, at].floor().long().clamp(0, most) for at, most in ((0, width), (1, height)))
    x2, y2 = (boxes[:, at].ceil().long().clamp(0, most) for at, most in ((2, width), (3, height)))
    inside = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]
    return inside.float() / ((x2 - x1) * (y2 - y1)).clamp(min=1).float()


def _leave_out(labels: Tensor, boxes: Tensor, region: Tensor | None) -> None:
    if region is not None:
        labels[(labels == _BACKGROUND) & (covered_shares(boxes, region) >= _COVERED)] = _LEFT_OUT


class _IgnoringRpn(RegionProposalNetwork):  # type: ignore[misc]  # torchvision has no types
    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        labels, matched = super().assign_targets_to_anchors(anchors, targets)
        for of_image, boxes, target in zip(labels, anchors, targets, strict=True):
            _leave_out(of_image, boxes, target.get(IGNORED))
        return labels, matched

    def compute_loss(
        self, objectness: Tensor, deltas: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        if all(int(of_image.max()) == _LEFT_OUT for of_image in labels):
            return objectness.sum() * 0, deltas.sum() * 0  # the mean over nothing would be NaN
        losses: tuple[Tensor, Tensor] = super().compute_loss(objectness, deltas, labels, regression_targets)
        return losses


class _NothingToLearn(Exception):
    """All proposals of a batch lie where nobody knows what is there."""


class _IgnoringHeads(RoIHeads):  # type: ignore[misc]  # torchvision has no types
    _regions: list[Tensor | None] | None = None

    def select_training_samples(
        self, proposals: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        self._regions = [target.get(IGNORED) for target in targets]
        try:
            selected: tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]
            selected = super().select_training_samples(proposals, targets)
        finally:
            self._regions = None
        if not any(len(of_image) for of_image in selected[0]):
            raise _NothingToLearn
        return selected

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        matched, labels = super().assign_targets_to_proposals(proposals, gt_boxes, gt_labels)
        for of_image, boxes, region in zip(labels, proposals, self._regions or (), strict=True):
            _leave_out(of_image, boxes, region)
        return matched, labels

    def forward(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: Any, targets: Any = None
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        try:
            outputs: tuple[list[dict[str, Tensor]], dict[str, Tensor]]
            outputs = super().forward(features, proposals, image_shapes, targets)
            return outputs
        except _NothingToLearn:
            nothing = torch.stack([level.sum() for level in features.values()]).sum() * 0
            return [], dict.fromkeys(("loss_classifier", "loss_box_reg", "loss_mask"), nothing)
