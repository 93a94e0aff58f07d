"""What a training run begins with: random values, a ResNet that knows ImageNet, or a whole model."""

from __future__ import annotations

import copy
from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.ops.misc import FrozenBatchNorm2d

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.categories import Category, LabelMap
from maskrcnn_core.models.backbones import Backbone, read_backbone
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.networks.boxes_only import draws_boxes_only, forget_masks
from maskrcnn_core.networks.configs import MatterportConfig, ResNetFpnConfig, SlimConfig
from maskrcnn_core.networks.families import Architecture, LiteConfig, MobileConfig, ResNet50Config, family_of
from maskrcnn_core.networks.heads import replace_heads
from maskrcnn_core.networks.resnet_fpn import build_resnet_fpn
from maskrcnn_core.networks.slim import build_slim
from maskrcnn_core.training.loading import seed_of

__all__ = ["Beginning", "begin_from", "begin_from_backbone", "begin_from_nothing"]


@dataclass(frozen=True, eq=False)
class Beginning:
    """A network to train, and what to say of it.

    Args:
        model: the network and its label map; nobody else uses them.
        architecture: of the network, for the card.
        origin: what the values are from, for the card and to tell runs apart.
        notes: sentences for people.
        knows: whether the values are from a model that was trained.
    """

    model: LoadedModel
    architecture: Architecture
    origin: str
    notes: tuple[str, ...]
    knows: bool = True


def begin_from_nothing(config: SlimConfig, categories: Sequence[Category], seed: int) -> Beginning:
    """Return a slim network with random values; equal seeds give equal ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "network"))
        network = build_slim(config, len(categories) + 1)
    parameters = sum(p.numel() for p in network.parameters())
    note = f"Starts from random values: a slim network with {parameters:,} parameters."
    return Beginning(_model(network, config, categories), config, "random values", (note,), knows=False)


def begin_from_backbone(
    backbone: Backbone, weights: Path | None, categories: Sequence[Category], seed: int
) -> Beginning:
    """Return a Mask R-CNN on a ResNet with a feature pyramid, by torchvision's laws.

    Args:
        backbone: a row of :data:`~maskrcnn_core.models.backbones.BACKBONES`.
        weights: what it learned of ImageNet; its norms keep those statistics. None for random values and
            norms that learn.
        categories: of the ground truth; they become labels 1..N in this order.
        seed: of all random values.

    Raises:
        WeightsError: if the weights cannot be read, or are those of another network.
    """
    config = backbone.architecture(from_nothing=weights is None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "network"))
        network = build_resnet_fpn(config, len(categories) + 1, "cpu")
    if weights is None:
        origin, of_backbone = "random values", "random values, and norms that learn, in all parts"
    else:
        body = network.backbone.body
        body.load_state_dict(read_backbone(weights, body.state_dict()), strict=False)
        origin = f"ImageNet's {backbone.key}, {weights.name}"
        of_backbone = (
            "what torchvision's has learned of ImageNet (BSD-3-Clause; ImageNet's own terms apply), its "
            "norms frozen; pyramid and heads from random values"
        )
    parameters = sum(p.numel() for p in network.parameters())
    note = (
        f"Starts from a {backbone.title} with a feature pyramid ({parameters:,} parameters): {of_backbone}."
    )
    return Beginning(_model(network, config, categories), config, origin, (note,), knows=False)


def begin_from(model: LoadedModel, categories: Sequence[Category], seed: int) -> Beginning:
    """Return a copy of a model; if its categories differ, its last layers are replaced.

    What the model knows of a category of the same name (case ignored) is kept; others begin as the mean of
    all that it knows.

    Args:
        model: any that MaskDesk loads; it is not changed.
        categories: of the ground truth; they become labels 1..N in this order.
        seed: of new layers' random values.
    """
    network = copy.deepcopy(model.network)
    architecture = _architecture(network)
    known = {
        category.name.casefold(): label
        for category, label in zip(model.label_map.categories, model.label_map.labels, strict=True)
    }
    if is_faster := draws_boxes_only(network):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, "masks"))
            forget_masks(network)
    sources = [0, *(known.get(category.name.casefold()) for category in categories)]
    if sources == list(range(len(known) + 1)) and len(known) == len(categories):
        notes = (
            f"Starts from {model.title}: the same {counted(len(categories), 'category', 'categories')}, so "
            "everything is kept.",
        )
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, "heads"))
            # Only labels that stand for something: published heads have rows that were never learned.
            replace_heads(network, sources, model.label_map.labels)
        kept = [c.name for c, source in zip(categories, sources[1:], strict=True) if source is not None]
        new = [c.name for c, source in zip(categories, sources[1:], strict=True) if source is None]
        notes = (
            f"Starts from {model.title}; its categories differ, so the last layers of its box and mask "
            f"head are replaced. Kept for {_named(kept)}; new for {_named(new)}{_mean_of(new, known)}.",
        )
    masks = "It was a Faster R-CNN: its mask head begins from random values, and learns masks."
    begun = replace(
        _model(network, architecture, categories),
        nms_threshold=model.nms_threshold,
        max_detections=model.max_detections,
        score_threshold=model.score_threshold,
        rois_per_image=model.rois_per_image,
    )
    all_notes = (*notes, masks) if is_faster else notes
    return Beginning(begun, architecture, f"SHA-256 {model.digest}", all_notes)


def _mean_of(new: Sequence[str], known: Sized) -> str:
    return f", as the mean of all {len(known)} it knows" if new else ""


def _named(names: list[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown


def _model(network: MaskRCNN, architecture: Architecture, categories: Sequence[Category]) -> LoadedModel:
    family = family_of(architecture)
    return LoadedModel(
        key="training",
        title="model in training",
        network=network,
        label_map=LabelMap.contiguous(categories),
        nms_threshold=0.5,
        mask_size=family.mask_size,
        rois_per_image=family.rois_per_image,
        digest="",
        backbone=family.backbone,
        licence="",
        source="",
    )


def _architecture(network: MaskRCNN) -> Architecture:
    """Read off a network what it would be built from."""
    anchors = network.rpn.anchor_generator
    heads = network.roi_heads
    built_from = getattr(network, "built_from", None)
    if isinstance(built_from, SlimConfig | LiteConfig | ResNetFpnConfig | MatterportConfig):
        return built_from
    if not isinstance(heads.mask_predictor, MaskRCNNPredictor):
        rows = anchors.cell_anchors[0].tolist()
        return MobileConfig(tuple(cast(tuple[float, float, float, float], tuple(row)) for row in rows))
    frozen = [m for m in network.modules() if isinstance(m, FrozenBatchNorm2d)]
    return ResNet50Config(
        version="v1" if hasattr(heads.box_head, "fc6") else "v2",
        norm_eps=frozen[0].eps if frozen else 1e-5,
        mask_hidden=heads.mask_predictor.conv5_mask.out_channels,
    )
