"""Regions that teach nothing: what lies in them is neither background nor an object to learn.

A crowd is many objects without masks of their own, a refused row an object whose outline nobody can read, an
open proposal one that nobody has looked at. To call their pixels background teaches the network not to find
such objects. torchvision knows no such regions, so its two samplers are told here: an anchor or a proposal
that matches no object and lies in them by half of its own area is left out, as those between two thresholds
are. What matches a true object is learned wherever it lies.

Without such regions every loss of a network of torchvision's is torchvision's own, bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork

from maskrcnn_core.networks.laws import laws_of
from maskrcnn_core.networks.matterport_parts import OverallRPN
from maskrcnn_core.training.target_laws import TARGET_LAWS, Project

__all__ = ["IGNORED", "covered_shares", "leave_out_ignored"]

IGNORED = "ignored"
"""Key of a target: uint8 ``[h, w]``, 1 where nobody knows what is there. It may be absent."""

_COVERED = 0.5
_BACKGROUND, _LEFT_OUT = 0, -1
"""Labels as torchvision's sampler takes them."""


def leave_out_ignored(network: MaskRCNN) -> None:
    """Make a network heed :data:`IGNORED` in its targets while it trains, in place.

    Its mask targets are then read by the laws of its family, too
    (:mod:`maskrcnn_core.training.target_laws`).
    """
    # The very same attributes and parameters, but for two methods each: there is nothing to copy.
    network.rpn.__class__ = _IgnoringOverallRpn if isinstance(network.rpn, OverallRPN) else _IgnoringRpn
    network.roi_heads.__class__ = _IgnoringHeads
    network.roi_heads.project = TARGET_LAWS[laws_of(network)].project


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


class _IgnoringOverallRpn(_IgnoringRpn, OverallRPN):
    """Matterport's, which asks the same two methods."""


class _NothingToLearn(Exception):
    """All proposals of a batch lie where nobody knows what is there."""


class _IgnoringHeads(RoIHeads):  # type: ignore[misc]  # torchvision has no types
    _regions: list[Tensor | None] | None = None
    project: Project | None = None

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
            if self.training and self.project is not None:
                return [], self._losses(features, proposals, image_shapes, targets)
            outputs: tuple[list[dict[str, Tensor]], dict[str, Tensor]]
            outputs = super().forward(features, proposals, image_shapes, targets)
            return outputs
        except _NothingToLearn:
            nothing = torch.stack([level.sum() for level in features.values()]).sum() * 0
            return [], dict.fromkeys(("loss_classifier", "loss_box_reg", "loss_mask"), nothing)

    def _losses(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: Any,
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """Follow torchvision's ``forward`` call by call; only mask targets are read by another law."""
        regions, matches, labels, offsets = self.select_training_samples(proposals, targets)
        pooled = self.box_roi_pool(features, regions, image_shapes)
        scores, moves = self.box_predictor(self.box_head(pooled))
        classified, moved = fastrcnn_loss(scores, moves, labels, offsets)
        objects = [torch.where(of_image > 0)[0] for of_image in labels]
        regions = [boxes[rows] for boxes, rows in zip(regions, objects, strict=True)]
        matches = [matched[rows] for matched, rows in zip(matches, objects, strict=True)]
        pooled = self.mask_roi_pool(features, regions, image_shapes)
        logits = self.mask_predictor(self.mask_head(pooled))
        of_objects = torch.cat([of_image[rows] for of_image, rows in zip(labels, objects, strict=True)])
        masked = self._mask_loss(logits, of_objects, regions, matches, targets)
        return {"loss_classifier": classified, "loss_box_reg": moved, "loss_mask": masked}

    def _mask_loss(
        self,
        logits: Tensor,
        labels: Tensor,
        regions: list[Tensor],
        matches: list[Tensor],
        targets: list[dict[str, Tensor]],
    ) -> Tensor:
        if self.project is None or not len(labels):
            return logits.sum() * 0  # the mean over nothing would be NaN
        side = logits.shape[-1]
        wanted = torch.cat(
            [
                self.project(target["masks"], boxes, rows, side)
                for target, boxes, rows in zip(targets, regions, matches, strict=True)
            ]
        )
        of_labels = logits[torch.arange(len(labels), device=labels.device), labels]
        return F.binary_cross_entropy_with_logits(of_labels, wanted.to(of_labels))
