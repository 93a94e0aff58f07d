"""Gives a network other categories: new last layers, which keep what it knew of those that stay."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor

__all__ = ["replace_heads"]


def replace_heads(network: MaskRCNN, sources: list[int | None]) -> None:
    """Gives a network other classes: what it knew of a class is kept, the rest is random.

    Args:
        network: changed in place; its last layers of the box and mask head are new.
        sources: for each new class (the background first) the old class that it is, or None.
    """
    heads = network.roi_heads
    count = len(sources)
    box, mask = heads.box_predictor, heads.mask_predictor
    if isinstance(box, FastRCNNPredictor):
        new_box = FastRCNNPredictor(box.cls_score.in_features, count)
        pairs = [(box.cls_score, new_box.cls_score, 1), (box.bbox_pred, new_box.bbox_pred, 4)]
        hidden = mask.conv5_mask
        new_mask = MaskRCNNPredictor(hidden.in_channels, hidden.out_channels, count)
        new_mask.conv5_mask.load_state_dict(hidden.state_dict())
        pairs.append((mask.mask_fcn_logits, new_mask.mask_fcn_logits, 1))
        heads.box_predictor, heads.mask_predictor = new_box, new_mask
    else:  # MaskRCNN2Go: each layer with its clamp, and a trained upsampling from classes to classes
        pairs = []
        for name, rows in (("cls_score", 1), ("bbox_pred", 4)):
            old = getattr(box, name)[0]
            new = nn.Linear(old.in_features, rows * count)
            nn.init.normal_(new.weight, std=0.01)
            nn.init.zeros_(new.bias)
            pairs.append((old, new, rows))
            getattr(box, name)[0] = new
        logits = nn.Conv2d(mask[1][0].in_channels, count, 1)
        nn.init.kaiming_normal_(logits.weight)
        pairs.append((mask[1][0], logits, 1))
        enlarge = _bilinear(count)
        _copy_pairs_of_classes(mask[2][0], enlarge, sources)
        mask[1][0], mask[2][0] = logits, enlarge
    for old, new, rows in pairs:
        _copy_classes(old, new, rows, sources)


@torch.no_grad()
def _copy_classes(old: nn.Module, new: nn.Module, rows: int, sources: list[int | None]) -> None:
    """Copies ``rows`` outputs a class."""
    for name in ("weight", "bias"):
        before: Tensor = getattr(old, name)
        after: Tensor = getattr(new, name)
        for at, source in enumerate(sources):
            if source is not None:
                after[at * rows : (at + 1) * rows] = before[source * rows : (source + 1) * rows]


@torch.no_grad()
def _copy_pairs_of_classes(
    old: nn.ConvTranspose2d, new: nn.ConvTranspose2d, sources: list[int | None]
) -> None:
    for at, source in enumerate(sources):
        for other, other_source in enumerate(sources):
            if source is not None and other_source is not None:
                new.weight[at, other] = old.weight[source, other_source]
        if source is not None and old.bias is not None and new.bias is not None:
            new.bias[at] = old.bias[source]


@torch.no_grad()
def _bilinear(channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution that doubles each channel's size by bilinear interpolation."""
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
    layer.weight.zero_()
    for channel in range(channels):
        layer.weight[channel, channel] = ramp[:, None] * ramp
    if layer.bias is not None:
        layer.bias.zero_()
    return layer
