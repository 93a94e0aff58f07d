"""Gives a network other categories: new last layers, which keep what it knew of those that stay.

A category that the network has never seen begins as the mean of those that it knows: what all objects have
in common (that they are no background, where their boxes end, which pixels are theirs) need not be learned
again. Random rows begin without any of it (docs/adr/0019).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor

from maskrcnn_core.networks.lite import AgnosticBoxPredictor

__all__ = ["replace_heads"]


def replace_heads(
    network: MaskRCNN, sources: Sequence[int | None], foreground: Sequence[int] | None = None
) -> None:
    """Give a network other classes: what it knew of a class is kept, a new one is the mean of the old.

    Args:
        network: changed in place; its last layers of the box and mask head are new.
        sources: for each new class (the background first) the old class that it is, or None for a class
            that the network has never seen.
        foreground: the old classes that stand for objects; all but the background where None. Published
            networks have rows that no object was ever learned with. Without any, new classes are random.
    """
    heads = network.roi_heads
    box, mask = heads.box_predictor, heads.mask_predictor
    is_mobile = isinstance(box.cls_score, nn.Sequential)  # each layer with its clamp
    scores = box.cls_score[0] if is_mobile else box.cls_score
    known = range(1, scores.out_features) if foreground is None else foreground
    old_classes = [list(known) if source is None else [source] for source in sources]
    if is_mobile:
        replace = _replace_mobile
    else:
        replace = _replace_agnostic if isinstance(box, AgnosticBoxPredictor) else _replace_standard
    for old, new, rows in replace(network, len(sources)):
        _copy_classes(old, new, rows, old_classes)
    if is_mobile:
        enlarge = _bilinear(len(sources))
        _copy_pairs_of_classes(mask[2][0], enlarge, sources, known)
        mask[2][0] = enlarge


_Layers = list[tuple[nn.Module, nn.Module, int]]
"""A layer, what takes its place, and how many outputs a class has."""


def _replace_standard(network: MaskRCNN, count: int) -> _Layers:
    heads = network.roi_heads
    box, hidden = heads.box_predictor, heads.mask_predictor.conv5_mask
    new_box = FastRCNNPredictor(box.cls_score.in_features, count)
    new_mask = MaskRCNNPredictor(hidden.in_channels, hidden.out_channels, count)
    new_mask.conv5_mask.load_state_dict(hidden.state_dict())
    old_logits = heads.mask_predictor.mask_fcn_logits
    heads.box_predictor, heads.mask_predictor = new_box, new_mask
    return [
        (box.cls_score, new_box.cls_score, 1),
        (box.bbox_pred, new_box.bbox_pred, 4),
        (old_logits, new_mask.mask_fcn_logits, 1),
    ]


def _replace_agnostic(network: MaskRCNN, count: int) -> _Layers:
    """Replace the class logits alone: one box and one mask serve all categories."""
    box, mask = network.roi_heads.box_predictor, network.roi_heads.mask_predictor
    old, box.cls_score = box.cls_score, nn.Linear(box.cls_score.in_features, count)
    mask.num_classes = count
    return [(old, box.cls_score, 1)]


def _replace_mobile(network: MaskRCNN, count: int) -> _Layers:
    """Replace MaskRCNN2Go's last layers with their clamps, and the upsampling after the mask logits."""
    box, mask = network.roi_heads.box_predictor, network.roi_heads.mask_predictor
    layers: _Layers = []
    for name, rows in (("cls_score", 1), ("bbox_pred", 4)):
        old = getattr(box, name)[0]
        new = nn.Linear(old.in_features, rows * count)
        nn.init.normal_(new.weight, std=0.01)
        nn.init.zeros_(new.bias)
        layers.append((old, new, rows))
        getattr(box, name)[0] = new
    logits = nn.Conv2d(mask[1][0].in_channels, count, 1)
    nn.init.kaiming_normal_(logits.weight)
    layers.append((mask[1][0], logits, 1))
    mask[1][0] = logits
    return layers


@torch.no_grad()
def _copy_classes(old: nn.Module, new: nn.Module, rows: int, old_classes: list[list[int]]) -> None:
    """Fill ``rows`` outputs of each class with the mean over its old classes; none leaves it as it is."""
    for name in ("weight", "bias"):
        before: Tensor = getattr(old, name)
        after: Tensor = getattr(new, name)
        by_class = before.reshape(-1, rows, *before.shape[1:])
        for at, classes in enumerate(old_classes):
            if classes:
                after[at * rows : (at + 1) * rows] = by_class[classes].mean(0)


@torch.no_grad()
def _copy_pairs_of_classes(
    old: nn.ConvTranspose2d, new: nn.ConvTranspose2d, sources: Sequence[int | None], known: Sequence[int]
) -> None:
    """Copy the weights from class to class.

    A new class gets only those to itself, as nothing ties it to others.
    """
    objects = list(known)
    for at, source in enumerate(sources):
        for other, other_source in enumerate(sources):
            if source is not None and other_source is not None:
                new.weight[at, other] = old.weight[source, other_source]
        if source is None and objects:
            new.weight[at, at] = old.weight[objects, objects].mean(0)
        if old.bias is not None and new.bias is not None and (source is not None or objects):
            new.bias[at] = old.bias[objects].mean() if source is None else old.bias[source]


@torch.no_grad()
def _bilinear(channels: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution that doubles each channel's size by bilinear interpolation."""
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
    layer.weight.zero_()
    for channel in range(channels):
        layer.weight[channel, channel] = ramp[:, None] * ramp
    if layer.bias is not None:
        layer.bias.zero_()
    return layer
