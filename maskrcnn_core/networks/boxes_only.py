"""A mask head whose every mask is its whole box: for a Faster R-CNN, which has none, opened as a Mask R-CNN.

Its layers give 0 for whatever they see, and its logits a bias that a sigmoid turns into 1. The family's paste
then fills the box, but for a corner's pixel that lies half outside. Nobody should take such masks for a
network's: whoever opens one says :data:`BOXES_ONLY` in its title, and so in every export that names it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor

__all__ = ["BOXES_ONLY", "draws_boxes_only", "forget_masks", "whole_box_head"]

BOXES_ONLY = "boxes only: masks are the boxes"

_HIDDEN = 256
"""Channels of the mask predictor, as usual: if the network is trained further, it learns masks with them."""

_SURE = 20.0
"""A logit whose sigmoid is 1 in float32."""


def whole_box_head(channels: int, rows: int, *, has_norms: bool) -> dict[str, Tensor]:
    """Return the values of a mask head by torchvision's names.

    Args:
        channels: of the pyramid.
        rows: masks of a region: one for each class.
        has_norms: batch norm follows each of its convolutions, as in version 2.
    """
    made: dict[str, Tensor] = {}
    for layer in range(4):
        name = f"roi_heads.mask_head.{layer}"
        made[f"{name}.0.weight"] = torch.zeros(channels, channels, 3, 3)
        if has_norms:
            for kind, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
                made[f"{name}.1.{kind}"] = torch.full((channels,), value)
        else:
            made[f"{name}.0.bias"] = torch.zeros(channels)
    predictor = "roi_heads.mask_predictor"
    return made | {
        f"{predictor}.conv5_mask.weight": torch.zeros(channels, _HIDDEN, 2, 2),
        f"{predictor}.conv5_mask.bias": torch.zeros(_HIDDEN),
        f"{predictor}.mask_fcn_logits.weight": torch.zeros(rows, _HIDDEN, 1, 1),
        f"{predictor}.mask_fcn_logits.bias": torch.full((rows,), _SURE),
    }


def draws_boxes_only(network: MaskRCNN) -> bool:
    """Return whether a network's masks are its boxes, as :func:`whole_box_head` makes them."""
    predictor = network.roi_heads.mask_predictor
    return isinstance(predictor, MaskRCNNPredictor) and not bool(predictor.mask_fcn_logits.weight.any())


@torch.no_grad()
def forget_masks(network: MaskRCNN) -> None:
    """Give a network's mask head random values, in place: zeros would never learn anything."""
    heads = network.roi_heads
    for part in (heads.mask_head, heads.mask_predictor):
        for module in part.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
