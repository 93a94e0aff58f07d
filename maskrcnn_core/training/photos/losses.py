"""The five losses of a Mask R-CNN for samples whose masks are squares on their boxes.

torchvision's ``RegionProposalNetwork.forward`` and ``RoIHeads.forward`` are followed call by call; what
differs is that the body, the pyramid and the heads may run in bfloat16 while everything about boxes stays
float32, that at most ``MASKS`` regions of an image go through the mask head, and that mask targets are read
off the squares.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.models.detection.rpn import concat_box_prediction_layers

from maskrcnn_core.training.photos.samples import Batch

__all__ = ["MASKS", "losses_of", "mask_targets"]

MASKS = 14
"""Regions of an image that the mask head learns from in a step."""


def losses_of(network: MaskRCNN, batch: Batch, precision: torch.dtype) -> dict[str, Tensor]:
    """Return the losses, by torchvision's names; where no region matches an object there is no ``loss_mask``.

    Args:
        network: of the lite family, in training mode.
        batch: samples.
        precision: of the layers, ``bfloat16`` or ``float32``.
    """
    rpn, heads, sizes, targets = network.rpn, network.roi_heads, batch.sizes, batch.targets
    layers = torch.autocast("cpu", precision, enabled=precision != torch.float32)
    with layers:
        maps = network.backbone(batch.images)
        objectness, deltas = rpn.head(list(maps.values()))
    maps = {name: level.float().contiguous() for name, level in maps.items()}
    objectness, deltas = [o.float() for o in objectness], [d.float() for d in deltas]
    anchors = rpn.anchor_generator(ImageList(batch.images, sizes), list(maps.values()))
    counts = [o[0].numel() for o in objectness]
    objectness, deltas = concat_box_prediction_layers(objectness, deltas)
    with torch.no_grad():
        moved = rpn.box_coder.decode(deltas.detach(), anchors).view(len(sizes), -1, 4)
        proposals, _ = rpn.filter_proposals(moved, objectness.detach(), sizes, counts)
    labels, matched = rpn.assign_targets_to_anchors(anchors, targets)
    found, placed = rpn.compute_loss(objectness, deltas, labels, rpn.box_coder.encode(matched, anchors))

    # torchvision looks at the masks of a target only to hand them on.
    without_masks = [t | {"masks": t["boxes"].new_zeros(len(t["boxes"]), 1, 1)} for t in targets]
    regions, matches, classes, offsets = heads.select_training_samples(proposals, without_masks)
    pooled = heads.box_roi_pool(maps, regions, sizes)
    with layers:
        scores, moves = heads.box_predictor(heads.box_head(pooled))
    classified, moved_loss = fastrcnn_loss(scores.float(), moves.float(), classes, offsets)
    losses = {
        "loss_objectness": found,
        "loss_rpn_box_reg": placed,
        "loss_classifier": classified,
        "loss_box_reg": moved_loss,
    }
    chosen = [_some_objects(of_image) for of_image in classes]
    if any(len(rows) for rows in chosen):
        regions = [boxes[rows] for boxes, rows in zip(regions, chosen, strict=True)]
        wanted = mask_targets(regions, [m[rows] for m, rows in zip(matches, chosen, strict=True)], targets)
        pooled = heads.mask_roi_pool(maps, regions, sizes)
        with layers:
            logits = heads.mask_predictor(heads.mask_head(pooled))[:, 0]  # the same for all classes
        losses["loss_mask"] = F.binary_cross_entropy_with_logits(logits.float(), wanted)
    return losses


def _some_objects(classes: Tensor) -> Tensor:
    objects = torch.where(classes > 0)[0]
    return objects[torch.randperm(len(objects))[:MASKS]] if len(objects) > MASKS else objects


def mask_targets(
    regions: Sequence[Tensor], matches: Sequence[Tensor], targets: Sequence[dict[str, Tensor]]
) -> Tensor:
    """Return what the mask head should say of regions: float32 ``[R, 28, 28]`` in [0, 1].

    Args:
        regions: of each image float32 ``[R, 4]``, x1 y1 x2 y2.
        matches: of each image int64 ``[R]``, the row of the target that each region matches.
        targets: of each image ``frames`` and ``masks``.
    """
    wanted = []
    for boxes, rows, target in zip(regions, matches, targets, strict=True):
        squares = target["masks"][rows]
        side = squares.shape[-1] if len(squares) else 0
        if not side:
            continue
        frame = target["frames"][rows]
        points = (torch.arange(side) + 0.5) / side
        axes = []
        for low, high in ((0, 2), (1, 3)):
            at = boxes[:, low, None] + points * (boxes[:, high] - boxes[:, low])[:, None]
            axes.append((at - frame[:, low, None]) / (frame[:, high] - frame[:, low])[:, None] * 2 - 1)
        xs, ys = axes[0][:, None, :].expand(-1, side, -1), axes[1][:, :, None].expand(-1, -1, side)
        wanted.append(F.grid_sample(squares[:, None], torch.stack([xs, ys], -1), align_corners=False)[:, 0])
    return torch.cat(wanted)
