"""Torchvision's Mask R-CNN on a ResNet-50 with a feature pyramid, versions 1 and 2, without any weights."""

from __future__ import annotations

from typing import cast

import torch
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.ops.misc import FrozenBatchNorm2d

from maskrcnn_core.networks.configs import Version
from maskrcnn_core.networks.roi_scales import set_roi_scales

__all__ = ["DEFAULT_EPS", "build_resnet50_fpn"]

DEFAULT_EPS = 1e-5
"""Of batch norm, frozen or not, where nothing else is known."""


def build_resnet50_fpn(
    version: Version, num_classes: int, *, norm_eps: float = DEFAULT_EPS, mask_hidden: int = 256
) -> MaskRCNN:
    """Return the architecture of torchvision's ``maskrcnn_resnet50_fpn`` or ``..._v2`` without any values.

    Its tensors are on the "meta" device, which costs no memory and no time for random values; loading
    a state dict with ``assign=True`` puts real ones in.

    Args:
        version: version 1 has frozen batch norm in the backbone only; version 2 has batch norm also in
            FPN and heads, a deeper RPN head and four convolutions in the box head.
        num_classes: with the background.
        norm_eps: of version 1's frozen batch norm.
        mask_hidden: channels between the two layers of the mask predictor.
    """
    with torch.device("meta"):
        if version == "v2":
            network = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=num_classes)
        else:
            backbone = resnet_fpn_backbone(
                backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=5
            )
            network = MaskRCNN(backbone, num_classes=num_classes)
        if mask_hidden != 256:
            network.roi_heads.mask_predictor = MaskRCNNPredictor(256, mask_hidden, num_classes)
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = norm_eps
    set_roi_scales(network)
    return cast(MaskRCNN, network)
