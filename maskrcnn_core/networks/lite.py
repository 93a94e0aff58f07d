"""A Mask R-CNN for photos on small computers: EfficientNet-Lite0, a feature pyramid, agnostic heads.

The body is EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946; "Lite": no squeeze-and-excite, ReLU6, a
stem and a last stage that are not scaled) with each batch norm folded into the convolution before it, so its
norms are frozen by construction. Levels of strides 8, 16 and 32 go into the pyramid; there is none of stride
4, where a ResNet's pyramid spends most of its time.

Box regression and masks are the same for all categories: with few instances of most of them, all teach one
box and one mask head (He et al. 2017, section 4.2, "class-specific vs. class-agnostic masks"). The heads have
layer and group norm, which small batches do not disturb.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import Conv2dNormActivation, MultiScaleRoIAlign

from maskrcnn_core.networks.configs import LITE_MASK_SIZE, LITE_ROIS, LiteConfig
from maskrcnn_core.networks.roi_scales import set_roi_scales

__all__ = [
    "STAGES",
    "AgnosticBoxPredictor",
    "AgnosticMaskPredictor",
    "Block",
    "SameConv2d",
    "build_lite",
]

STAGES: tuple[tuple[int, int, int, int, int], ...] = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Of each stage: expansion, kernel, first stride, channels and blocks (Tan and Le 2019, table 1)."""

_STEM = 32
_LEVELS = {"stage3": "0", "stage5": "1", "stage7": "2"}
_LEVEL_WIDTHS = (40, 112, 320)
_FINEST, _COARSEST = 3, 5
_CANONICAL_SCALE = 112
"""Side of a region that is read from the level of stride 16, half of what a ResNet's pyramid has."""

_ANCHOR_SIZES = (20, 44, 90, 180)
_SECOND_SIZE = 1.45
"""Each level has anchors of two sizes, this factor apart."""

_MASK_WIDTH = 64


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's padding "SAME": the output has a cell for each stride of the input.

    With a stride of 2 and an even input, that is one pixel less on the left and upper side than PyTorch's
    symmetric padding; weights that were learned with the one are shifted by half a cell with the other.
    """

    def padding_of(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return zeros to the left, right, above and below an input of this size, as ``F.pad`` takes them."""
        sides = []
        for size, kernel, stride in ((width, 1, 1), (height, 0, 0)):
            step, side = self.stride[stride], self.kernel_size[kernel]
            # By whole numbers alone: what follows a network to convert it would take `math.ceil` of one size
            # for that of all.
            cells = (size + step - 1) // step
            total = max((cells - 1) * step + side - size, 0)
            sides += [total // 2, total - total // 2]
        return sides[0], sides[1], sides[2], sides[3]

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``[N, C, H, W]`` into ``[N, C', ceil(H / stride), ceil(W / stride)]``."""
        left, right, top, bottom = self.padding_of(x.shape[2], x.shape[3])
        if left == right and top == bottom:  # no copy of the input then
            return F.conv2d(x, self.weight, self.bias, self.stride, (top, left), groups=self.groups)
        padded = F.pad(x, (left, right, top, bottom))
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class Block(nn.Module):
    """An inverted residual (Sandler et al. 2018, arXiv:1801.04381), its norms folded into the convolutions.

    Args:
        expansion: channels within, as a multiple of those that come in; 1 has no first convolution.
        kernel: side of the depthwise convolution.
        stride: of the same.
        inputs, outputs: channels.
    """

    def __init__(self, expansion: int, kernel: int, stride: int, inputs: int, outputs: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = nn.Conv2d(inputs, width, 1) if expansion > 1 else None
        self.depthwise = SameConv2d(width, width, kernel, stride, groups=width)
        self.project = nn.Conv2d(width, outputs, 1)
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``[N, inputs, H, W]`` into ``[N, outputs, ceil(H / stride), ceil(W / stride)]``."""
        inner = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y: Tensor = self.project(F.relu6(self.depthwise(inner), inplace=True))
        return x + y if self.has_shortcut else y


class _Stem(SameConv2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(super().forward(x), inplace=True)


def _body() -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict(stem=_Stem(3, _STEM, 3, 2))
    inputs = _STEM
    for number, (expansion, kernel, stride, width, count) in enumerate(STAGES, start=1):
        blocks = []
        for index in range(count):
            blocks.append(Block(expansion, kernel, stride if index == 0 else 1, inputs, width))
            inputs = width
        parts[f"stage{number}"] = nn.Sequential(*blocks)
    return nn.Sequential(parts)


class _BoxHead(nn.Module):
    """Two layers, each with a norm: ``[R, C, 7, 7]`` to ``[R, hidden]``."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.fc6, self.norm6 = nn.Linear(inputs, hidden), nn.LayerNorm(hidden)
        self.fc7, self.norm7 = nn.Linear(hidden, hidden), nn.LayerNorm(hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm6(self.fc6(x.flatten(1))))
        return F.relu(self.norm7(self.fc7(x)))


class AgnosticBoxPredictor(nn.Module):
    """Class logits, and box deltas that are the same for every class.

    Args:
        hidden: values of a region.
        num_classes: with the background.
    """

    def __init__(self, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(hidden, num_classes)
        self.bbox_pred = nn.Linear(hidden, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``[R, hidden]`` into logits ``[R, C]`` and deltas ``[R, 4 C]``, as torchvision's heads do."""
        return self.cls_score(x), self.bbox_pred(x).repeat(1, self.cls_score.out_features)


class AgnosticMaskPredictor(nn.Module):
    """Mask logits that are the same for every class.

    Args:
        channels: of the mask head's features.
        num_classes: with the background.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(channels, _MASK_WIDTH, 2, 2)
        self.mask_fcn_logits = nn.Conv2d(_MASK_WIDTH, 1, 1)
        self.num_classes = num_classes

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``[R, channels, h, w]`` into ``[R, C, 2 h, 2 w]``; the classes share their memory."""
        logits: Tensor = self.mask_fcn_logits(F.relu(self.conv5_mask(x)))
        return logits.expand(-1, self.num_classes, -1, -1)


def build_lite(config: LiteConfig, num_classes: int) -> MaskRCNN:
    """Return the network with random values, in training mode.

    Args:
        config: its sizes.
        num_classes: with the background.
    """
    backbone = BackboneWithFPN(_body(), _LEVELS, list(_LEVEL_WIDTHS), config.pyramid)
    sizes = tuple((float(size), size * _SECOND_SIZE) for size in _ANCHOR_SIZES)
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
    pooled = partial(
        MultiScaleRoIAlign,
        featmap_names=list(_LEVELS.values()),
        sampling_ratio=1,
        canonical_scale=_CANONICAL_SCALE,
    )
    # A bias for each channel is not lost in a norm over groups of them.
    mask_layer = partial(Conv2dNormActivation, norm_layer=partial(nn.GroupNorm, 8), bias=True)
    network = MaskRCNN(
        backbone,
        min_size=config.min_size,
        max_size=config.max_size,
        image_mean=[127 / 255] * 3,
        image_std=[128 / 255] * 3,
        rpn_anchor_generator=anchors,
        rpn_head=RPNHead(config.pyramid, anchors.num_anchors_per_location()[0]),
        rpn_pre_nms_top_n_train=600,
        rpn_post_nms_top_n_train=300,
        rpn_pre_nms_top_n_test=600,
        rpn_post_nms_top_n_test=600,
        rpn_batch_size_per_image=128,
        box_roi_pool=pooled(output_size=7),
        box_head=_BoxHead(config.pyramid * 7 * 7, config.box_hidden),
        box_predictor=AgnosticBoxPredictor(config.box_hidden, num_classes),
        box_batch_size_per_image=LITE_ROIS,
        mask_roi_pool=pooled(output_size=LITE_MASK_SIZE // 2),
        mask_head=nn.Sequential(*(mask_layer(config.pyramid, config.pyramid, 3) for _ in range(3))),
        mask_predictor=AgnosticMaskPredictor(config.pyramid, num_classes),
    )
    set_roi_scales(network, _FINEST, _COARSEST)
    _start_values(network, num_classes)
    network.built_from = config  # a network tells what it was built from, as its tensors do not
    return network


@torch.no_grad()
def _start_values(network: MaskRCNN, num_classes: int) -> None:
    """Let the network say at first that nothing is there: most anchors and regions are background.

    Else the first hundred steps only learn that (Lin et al. 2017, arXiv:1708.02002, section 3.3).
    """
    predictor = network.roi_heads.box_predictor
    nn.init.constant_(network.rpn.head.cls_logits.bias, -4.0)
    nn.init.normal_(predictor.cls_score.weight, std=0.01)
    nn.init.zeros_(predictor.cls_score.bias)
    predictor.cls_score.bias[0] = 2 + math.log(num_classes)
    nn.init.normal_(predictor.bbox_pred.weight, std=0.001)
    nn.init.zeros_(predictor.bbox_pred.bias)
