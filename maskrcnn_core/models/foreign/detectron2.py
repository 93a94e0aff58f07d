"""Detectron2's Mask R-CNN with a feature pyramid: the model zoo's files and those that people trained.

Sources at facebookresearch/detectron2 commit 02b5c4e: names of tensors in ``modeling/backbone``,
``modeling/proposal_generator/rpn.py`` and ``modeling/roi_heads``; defaults of what a file does not say in
``config/defaults.py`` and ``configs/Base-RCNN-FPN.yaml``. The background is the last class, and neither boxes
nor masks have a row for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.foreign.detectron2_config import Detectron2Config
from maskrcnn_core.models.foreign.facts import FamilyFacts
from maskrcnn_core.models.foreign.renaming import Renames, first_few, inverse, rename
from maskrcnn_core.models.foreign.rows import background_in_front, needs_whole_boxes, spread_over_classes
from maskrcnn_core.models.foreign.shapes import resnet_shape, rows_of, wanted
from maskrcnn_core.networks.boxes_only import whole_box_head
from maskrcnn_core.networks.configs import Cell, ResNetFpnConfig, Version

__all__ = ["read_detectron2"]

_IMAGENET_STD = (58.395, 57.12, 57.375)
_LEVELS = 5

_NAMES: Renames = (
    (r"backbone\.bottom_up\.stem\.conv1\.weight", r"backbone.body.conv1.weight"),
    (r"backbone\.bottom_up\.stem\.conv1\.norm\.(\w+)", r"backbone.body.bn1.\1"),
    *(
        row
        for stage in (2, 3, 4, 5)
        for row in (
            (
                rf"backbone\.bottom_up\.res{stage}\.(\d+)\.conv(\d)\.weight",
                rf"backbone.body.layer{stage - 1}.\1.conv\2.weight",
            ),
            (
                rf"backbone\.bottom_up\.res{stage}\.(\d+)\.conv(\d)\.norm\.(\w+)",
                rf"backbone.body.layer{stage - 1}.\1.bn\2.\3",
            ),
            (
                rf"backbone\.bottom_up\.res{stage}\.(\d+)\.shortcut\.weight",
                rf"backbone.body.layer{stage - 1}.\1.downsample.0.weight",
            ),
            (
                rf"backbone\.bottom_up\.res{stage}\.(\d+)\.shortcut\.norm\.(\w+)",
                rf"backbone.body.layer{stage - 1}.\1.downsample.1.\2",
            ),
            (rf"backbone\.fpn_lateral{stage}\.(weight|bias)", rf"backbone.fpn.inner_blocks.{stage - 2}.0.\1"),
            (rf"backbone\.fpn_lateral{stage}\.norm\.(\w+)", rf"backbone.fpn.inner_blocks.{stage - 2}.1.\1"),
            (rf"backbone\.fpn_output{stage}\.(weight|bias)", rf"backbone.fpn.layer_blocks.{stage - 2}.0.\1"),
            (rf"backbone\.fpn_output{stage}\.norm\.(\w+)", rf"backbone.fpn.layer_blocks.{stage - 2}.1.\1"),
        )
    ),
    (r"proposal_generator\.rpn_head\.conv\.(weight|bias)", r"rpn.head.conv.0.0.\1"),
    (r"proposal_generator\.rpn_head\.conv\.conv(\d)\.(weight|bias)", r"rpn.head.conv.\1.0.\2"),
    (r"proposal_generator\.rpn_head\.objectness_logits\.(\w+)", r"rpn.head.cls_logits.\1"),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.(\w+)", r"rpn.head.bbox_pred.\1"),
    (r"roi_heads\.box_predictor\.(cls_score|bbox_pred)\.(\w+)", r"roi_heads.box_predictor.\1.\2"),
    *(
        row
        for number in (1, 2, 3, 4)
        for row in (
            (
                rf"roi_heads\.box_head\.conv{number}\.(weight|bias)",
                rf"roi_heads.box_head.{number - 1}.0.\1",
            ),
            (rf"roi_heads\.box_head\.conv{number}\.norm\.(\w+)", rf"roi_heads.box_head.{number - 1}.1.\1"),
            (
                rf"roi_heads\.mask_head\.mask_fcn{number}\.(weight|bias)",
                rf"roi_heads.mask_head.{number - 1}.0.\1",
            ),
            (
                rf"roi_heads\.mask_head\.mask_fcn{number}\.norm\.(\w+)",
                rf"roi_heads.mask_head.{number - 1}.1.\1",
            ),
        )
    ),
    (r"roi_heads\.mask_head\.deconv\.(weight|bias)", r"roi_heads.mask_predictor.conv5_mask.\1"),
    (r"roi_heads\.mask_head\.predictor\.(weight|bias)", r"roi_heads.mask_predictor.mask_fcn_logits.\1"),
)
_BOX_HEAD: dict[Version, Renames] = {
    "v1": (
        (r"roi_heads\.box_head\.fc1\.(weight|bias)", r"roi_heads.box_head.fc6.\1"),
        (r"roi_heads\.box_head\.fc2\.(weight|bias)", r"roi_heads.box_head.fc7.\1"),
    ),
    # After four convolutions and the layer that flattens what they leave.
    "v2": ((r"roi_heads\.box_head\.fc1\.(weight|bias)", r"roi_heads.box_head.5.\1"),),
}
_BESIDE = re.compile(r"pixel_(mean|std)|proposal_generator\.anchor_generator\.cell_anchors\.\d+")

_OTHERS: tuple[tuple[str, str], ...] = (
    (
        r"sem_seg_head\.",
        "a Panoptic FPN with a semantic branch; its instances alone would not be that network",
    ),
    (r"roi_heads\.box_head\.[0-9]+\.", "a Cascade R-CNN with several box heads, one after another"),
    (r"roi_heads\.(mask_head\.point_head|mask_point_head|mask_coarse_head)\.", "PointRend"),
    (r"roi_heads\.mask_head\.coarse_head\.", "PointRend"),
    (
        r"roi_heads\.res5\.",
        "a C4 network, whose heads share the ResNet's last stage and which has no pyramid",
    ),
    (r".*\.conv2_offset\.", "deformable convolution (DCN)"),
    (r"roi_heads\.keypoint_head\.", "a Keypoint R-CNN with a keypoint head"),
    (r"backbone\.bottom_up\.(s1|patch_embed|blocks)\b", "a backbone that is no ResNet (RegNet, Swin or ViT)"),
)


def read_detectron2(
    tensors: Mapping[str, Tensor],
    where: str,
    config: Detectron2Config | None = None,
    *,
    boxes_only: bool = False,
) -> FamilyFacts:
    """Bring a Detectron2 checkpoint into torchvision's terms.

    Args:
        tensors: by Detectron2's names.
        where: the file's name, for messages.
        config: the ``config.yaml`` that the training wrote, where there is one.
        boxes_only: open a Faster R-CNN for its boxes.

    Raises:
        WeightsError: if it is a network that is not supported, naming it, or tensors are in the way.
    """
    refuse_others(tensors, where)
    has_norms = "roi_heads.box_head.conv1.weight" in tensors
    heads: Version = "v2" if has_norms else "v1"
    beside = {name: tensor for name, tensor in tensors.items() if _BESIDE.fullmatch(name)}
    table = (*_NAMES, *_BOX_HEAD[heads])
    found, unknown = rename((n for n in tensors if n not in beside), table)
    if unknown:
        raise WeightsError(
            f"{where}: expected a Detectron2 Mask R-CNN with a feature pyramid, got tensors that none has: "
            f"{first_few(unknown)}"
        )
    named = {new: tensors[old] for old, new in found.items()}
    notes: list[str] = []
    is_faster = needs_whole_boxes(tensors, "roi_heads.mask_head.", where, notes, boxes_only=boxes_only)
    _complete_norms(named, tensors, where, config, notes)
    classes = rows_of(named, "roi_heads.box_predictor.cls_score.bias", where)
    if is_faster:
        channels = len(wanted(named, "backbone.fpn.inner_blocks.0.0.weight", 4, where))
        named |= whole_box_head(channels, classes - 1, has_norms=has_norms)
    made = _architecture(named, beside, heads, where, config, notes)
    per_class = spread_over_classes(named, classes - 1, where, notes)
    limits = {} if config is None else config.limits
    return FamilyFacts(
        made,
        classes,
        background_in_front(per_class),
        own_names=inverse(table),
        notes=tuple(notes),
        boxes_only=is_faster,
        **limits,
    )


def refuse_others(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise WeightsError for a Detectron2 network that is no plain Mask R-CNN with a pyramid."""
    for pattern, what in _OTHERS:
        named = next((name for name in tensors if re.match(pattern, name)), None)
        if named is not None:
            raise WeightsError(
                f"{where}: expected Detectron2's Mask R-CNN with a feature pyramid, got {what} ({named}); "
                "this network is not supported"
            )


def _complete_norms(
    named: dict[str, Tensor],
    tensors: Mapping[str, Tensor],
    where: str,
    config: Detectron2Config | None,
    notes: list[str],
) -> None:
    """Refuse norms without statistics, or fill them in where the config says that they are frozen ones."""
    norms = [name.removesuffix(".weight") for name in tensors if name.endswith(".norm.weight")]
    bare = [name for name in norms if f"{name}.running_var" not in tensors]
    if not bare:
        return
    if any(name.startswith("backbone.fpn_") for name in bare):
        raise WeightsError(
            f"{where}: expected batch norm with running statistics, got group normalisation (GN), which has "
            f"weights but no statistics: {first_few(bare)}; this network is not supported"
        )
    if config is None or config.norm != "FrozenBN":
        raise WeightsError(
            f"{where}: expected batch norm with running statistics, got weights and biases alone: "
            f"{first_few(bare)}. That is group normalisation or an early frozen norm (mean 0, variance 1); "
            "the weights do not say which; give the training's config.yaml, which does"
        )
    for name, tensor in list(named.items()):
        if re.fullmatch(r"backbone\.body\..*(bn\d|downsample\.1)\.weight", name):
            layer = name.removesuffix(".weight")
            named.setdefault(f"{layer}.running_mean", torch.zeros_like(tensor))
            named.setdefault(f"{layer}.running_var", torch.ones_like(tensor))
    notes.append(
        "Its norms are frozen and have no statistics: mean 0 and variance 1, as Detectron2 fills in."
    )


def _architecture(
    named: dict[str, Tensor],
    beside: Mapping[str, Tensor],
    heads: Version,
    where: str,
    config: Detectron2Config | None,
    notes: list[str],
) -> ResNetFpnConfig:
    """Tell the network from shapes, then from the config, then from what lies beside the weights."""
    blocks, is_basic, groups, width = resnet_shape(named, where)
    is_resnext = groups > 1
    made = ResNetFpnConfig(
        laws="detectron2",
        blocks=blocks,
        is_basic=is_basic,
        groups=groups,
        width_per_group=width,
        strides_1x1=not is_resnext and not is_basic,
        heads=heads,
        pyramid=rows_of(named, "backbone.fpn.inner_blocks.0.0.bias", where)
        if heads == "v1"
        else len(wanted(named, "backbone.fpn.inner_blocks.0.0.weight", 4, where)),
        box_hidden=wanted(named, "roi_heads.box_predictor.cls_score.weight", 2, where).shape[1],
        mask_hidden=rows_of(named, "roi_heads.mask_predictor.conv5_mask.bias", where),
        std=_IMAGENET_STD if is_resnext else (1.0, 1.0, 1.0),
    )
    is_bgr = True
    if config is not None:
        made, is_bgr = config.applied(made), config.is_bgr
        notes.append("What the weights do not say was read from the config.")
    else:
        notes.append(
            "There was no config.yaml, so these are as in Detectron2's model zoo: images in BGR, strides in "
            f"{'1 x 1' if made.strides_1x1 else '3 x 3'} convolutions, {made.min_size} to {made.max_size} "
            "pixels."
        )
    made = _with_pixels(made, beside, where, notes, is_bgr=is_bgr)
    made = _with_anchors(made, beside, where, notes)
    per_cell = rows_of(named, "rpn.head.cls_logits.bias", where)
    if any(len(level) != per_cell for level in made.anchors):
        raise WeightsError(
            f"{where}: expected {len(made.anchors[0])} anchors for each cell, got {per_cell} objectness "
            "rows; give the training's config.yaml, which names the anchors"
        )
    if is_bgr:  # our images are RGB
        first = "backbone.body.conv1.weight"
        named[first] = wanted(named, first, 4, where).flip(1)
    return made


def _with_pixels(
    made: ResNetFpnConfig,
    beside: Mapping[str, Tensor],
    where: str,
    notes: list[str],
    *,
    is_bgr: bool,
) -> ResNetFpnConfig:
    """Take mean and deviation from the file, where it holds them: it knows best."""
    for field, name in (("mean", "pixel_mean"), ("std", "pixel_std")):
        if name not in beside:
            continue
        values = [float(v) for v in beside[name].flatten().tolist()]
        if len(values) != 3:
            raise WeightsError(f"{where}: {name}: expected 3 numbers, got {len(values)}")
        rgb = tuple(values[::-1] if is_bgr else values)
        rounded = tuple(round(v, 4) for v in rgb)
        if rounded != tuple(round(v, 4) for v in getattr(made, field)):
            notes.append(f"The file's own {name} was used: {', '.join(f'{v:g}' for v in rounded)} (R, G, B).")
        changes: dict[str, Any] = {field: rgb}
        made = replace(made, **changes)
    return made


def _with_anchors(
    made: ResNetFpnConfig, beside: Mapping[str, Tensor], where: str, notes: list[str]
) -> ResNetFpnConfig:
    prefix = "proposal_generator.anchor_generator.cell_anchors."
    given = {name: tensor for name, tensor in beside.items() if name.startswith(prefix)}
    if not given:
        return made
    levels: list[Cell] = []
    for level in range(_LEVELS):
        cell = given.pop(f"{prefix}{level}", None)
        if cell is None or cell.ndim != 2 or cell.shape[1] != 4:
            raise WeightsError(
                f"{where}: {prefix}{level}: expected anchors [A, 4], got none or another shape"
            )
        levels.append(tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in cell.tolist()))
    if given:
        raise WeightsError(f"{where}: expected anchors of {_LEVELS} levels, got more: {first_few(given)}")
    theirs = torch.tensor(levels) if len({len(level) for level in levels}) == 1 else None
    ours = torch.tensor(made.anchors)
    if theirs is None or theirs.shape != ours.shape or not torch.allclose(theirs, ours, atol=1e-3):
        notes.append("The file's own anchors were used; they are not those of the model zoo.")
        return replace(made, anchors=tuple(levels))
    return made
