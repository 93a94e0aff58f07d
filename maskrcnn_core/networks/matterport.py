"""Matterport's Mask R-CNN on a ResNet with a feature pyramid, as torchvision's, without any weights.

Keras keeps a bias beside each batch norm, and norms in the heads; both fold into torchvision's own layers
(:mod:`maskrcnn_core.models.foreign.matterport`). What does not fold is exchanged: see
:mod:`maskrcnn_core.networks.matterport_parts`. Whatever works on ``transform``, ``backbone``, ``rpn`` and
``roi_heads`` works on it.
"""

from __future__ import annotations

from functools import partial

import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from torchvision.ops.misc import FrozenBatchNorm2d

from maskrcnn_core.networks.centred_transform import CentredTransform
from maskrcnn_core.networks.configs import MatterportConfig
from maskrcnn_core.networks.laws import set_laws
from maskrcnn_core.networks.matterport_parts import (
    CentredAnchors,
    CropAndResize,
    OverallRPN,
    PlaceCoder,
    TopLeftMaxPool,
    WideRPNHead,
    matterport_cells,
)

__all__ = ["NORM_EPS", "build_matterport"]

NORM_EPS = 1e-3
"""Of Keras' batch norm."""

_BOX_CELLS, _MASK_CELLS = 7, 14
_TRAINING_PROPOSALS = 2000


def build_matterport(config: MatterportConfig, num_classes: int) -> MaskRCNN:
    """Return the architecture without any values.

    Its tensors are on the "meta" device; loading a state dict with ``assign=True`` puts real ones in.

    Args:
        config: what it is built from.
        num_classes: with the background.
    """
    with torch.device("meta"):
        network = _network(config, num_classes)
    network.transform = CentredTransform(config)
    network.rpn.box_coder = PlaceCoder(config.proposal_weights)
    network.roi_heads.box_coder = PlaceCoder(config.box_weights)
    set_laws(network, "matterport")
    network.built_from = config  # a network tells what it was built from, as its tensors do not
    return network


def _network(config: MatterportConfig, num_classes: int) -> MaskRCNN:
    channels = config.pyramid
    anchors = CentredAnchors(matterport_cells(config.anchor_scales, config.anchor_ratios))
    head = WideRPNHead(channels, config.rpn_hidden, len(config.anchor_ratios))
    network = MaskRCNN(
        _backbone(config),
        rpn_anchor_generator=anchors,
        rpn_head=head,
        box_roi_pool=CropAndResize(_BOX_CELLS),
        box_head=TwoMLPHead(channels * _BOX_CELLS**2, config.box_hidden),
        box_predictor=FastRCNNPredictor(config.box_hidden, num_classes),
        mask_roi_pool=CropAndResize(_MASK_CELLS),
        mask_head=MaskRCNNHeads(channels, [channels] * 4, 1),
        mask_predictor=MaskRCNNPredictor(channels, config.mask_hidden, num_classes),
    )
    network.rpn = OverallRPN(
        anchors,
        head,
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_top_n={"training": config.candidates, "testing": config.candidates},
        post_nms_top_n={"training": _TRAINING_PROPOSALS, "testing": config.proposals},
        nms_thresh=config.proposal_nms,
    )
    network.rpn.min_size = 0.0
    return network


def _backbone(config: MatterportConfig) -> BackboneWithFPN:
    body = ResNet(Bottleneck, list(config.blocks), norm_layer=partial(FrozenBatchNorm2d, eps=NORM_EPS))
    body.maxpool = TopLeftMaxPool()
    for stage in (body.layer2, body.layer3, body.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    widest = body.inplanes
    return BackboneWithFPN(
        body,
        {f"layer{stage}": str(stage - 1) for stage in (1, 2, 3, 4)},
        [widest // 8, widest // 4, widest // 2, widest],
        config.pyramid,
        extra_blocks=LastLevelMaxPool(),
    )
