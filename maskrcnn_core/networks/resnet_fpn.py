"""Mask R-CNN on any ResNet with a feature pyramid, by torchvision's laws or others', without any weights.

The network is torchvision's ``MaskRCNN`` whoever trained it, with those parts exchanged in which the projects
differ: the transform, the anchors, RoIAlign, and which convolution of a bottleneck strides. Whatever works on
``transform``, ``backbone``, ``rpn`` and ``roi_heads`` works on all of them.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from torchvision.ops.misc import FrozenBatchNorm2d

from maskrcnn_core.networks.aligned_parts import (
    AlignedRoIAlign,
    CellAnchors,
    detectron2_levels,
    mmdetection_levels,
)
from maskrcnn_core.networks.configs import ResNetFpnConfig
from maskrcnn_core.networks.laws import set_laws
from maskrcnn_core.networks.pixel_transform import PixelTransform, resize_with_opencv, resize_with_pil
from maskrcnn_core.networks.roi_scales import set_roi_scales

__all__ = ["build_resnet_fpn"]

_BOX_CELLS, _MASK_CELLS = 7, 14
_LEAST_SIDE = 1e-20
"""Detectron2 and mmdetection drop proposals without area; torchvision keeps what clipping leaves."""


def build_resnet_fpn(config: ResNetFpnConfig, num_classes: int, device: str = "meta") -> MaskRCNN:
    """Return the architecture, by default without any values.

    On the "meta" device loading a state dict with ``assign=True`` puts values in; elsewhere they are random.

    Args:
        config: what it is built from.
        num_classes: with the background, which is the first in any family.
        device: of its tensors.
    """
    with torch.device(device):
        network = _network(config, num_classes)
    if config.laws == "torchvision":
        set_roi_scales(network)
    else:
        _exchange_parts(network, config)
    set_laws(network, config.laws)
    network.built_from = config  # a network tells what it was built from, as its tensors do not
    return network


def _network(config: ResNetFpnConfig, num_classes: int) -> MaskRCNN:
    has_norms = config.heads == "v2"
    norm = nn.BatchNorm2d if has_norms else None
    channels = config.pyramid
    depth = [channels] * 4
    per_cell = len(config.anchors[0])
    if has_norms:
        box_head: nn.Module = FastRCNNConvFCHead(
            (channels, _BOX_CELLS, _BOX_CELLS), depth, [config.box_hidden], norm_layer=nn.BatchNorm2d
        )
    else:
        box_head = TwoMLPHead(channels * _BOX_CELLS**2, config.box_hidden)
    return MaskRCNN(
        _backbone(config, norm),
        min_size=config.min_size,
        max_size=config.max_size,
        rpn_anchor_generator=None if config.laws == "torchvision" else CellAnchors(config.anchors),
        rpn_head=RPNHead(channels, per_cell, conv_depth=2 if has_norms else 1),
        rpn_pre_nms_top_n_test=config.proposals_per_level,
        rpn_post_nms_top_n_test=config.proposals,
        rpn_nms_thresh=config.proposal_nms,
        box_head=box_head,
        box_predictor=FastRCNNPredictor(config.box_hidden, num_classes),
        bbox_reg_weights=config.box_weights,
        mask_head=MaskRCNNHeads(channels, depth, 1, norm_layer=norm),
        mask_predictor=MaskRCNNPredictor(channels, config.mask_hidden, num_classes),
    )


def _backbone(config: ResNetFpnConfig, norm: type[nn.Module] | None) -> BackboneWithFPN:
    frozen = partial(FrozenBatchNorm2d, eps=config.norm_eps)
    body = ResNet(
        BasicBlock if config.is_basic else Bottleneck,
        list(config.blocks),
        groups=config.groups,
        width_per_group=config.width_per_group,
        norm_layer=frozen if norm is None else partial(norm, eps=config.norm_eps),
    )
    if config.strides_1x1:
        for stage in (body.layer2, body.layer3, body.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    widest = body.inplanes
    return BackboneWithFPN(
        body,
        {f"layer{stage}": str(stage - 1) for stage in (1, 2, 3, 4)},
        [widest // 8, widest // 4, widest // 2, widest],
        config.pyramid,
        extra_blocks=LastLevelMaxPool(),
        norm_layer=norm,
    )


def _exchange_parts(network: MaskRCNN, config: ResNetFpnConfig) -> None:
    is_detectron2 = config.laws == "detectron2"
    network.transform = PixelTransform(
        resize_with_pil if is_detectron2 else resize_with_opencv,
        config.mean,
        config.std,
        config.min_size,
        config.max_size,
        is_capped_first=not is_detectron2,
    )
    rule = detectron2_levels if is_detectron2 else mmdetection_levels
    network.roi_heads.box_roi_pool = AlignedRoIAlign(_BOX_CELLS, rule)
    network.roi_heads.mask_roi_pool = AlignedRoIAlign(_MASK_CELLS, rule)
    network.rpn.min_size = _LEAST_SIDE
