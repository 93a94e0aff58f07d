"""MaskRCNN2Go, Facebook's Mask R-CNN for phones, as an ordinary float torchvision ``MaskRCNN``.

The network was published for Caffe2 with 8-bit weights (repository ``facebookarchive/models``, folder
``mask_rcnn_2go/model/int8``, Apache-2.0; COCO minival: box AP 24.8, mask AP 21.6). Its weights file is
a Caffe2 ``NetDef`` protobuf in which each operator fills one tensor. This module reads that file with
a protobuf reader of its own, turns the weights into float32, and puts them into torchvision's parts, so
that whatever works on ``model.transform``, ``backbone``, ``rpn`` and ``roi_heads`` works here, too.

How the published graph (``model.pb``) differs from torchvision's habits, and what is done about it:

- 8-bit activations saturate, and the network was trained knowing that. Each activation is clamped to
  what its 8 bits can say, ``(0 - zero_point) * scale`` to ``(255 - zero_point) * scale``; where the
  zero point is 0 this is the ReLU. Rounding to the 256 steps between is left out.
- Boxes are *inclusive*: ``x2`` is the last pixel, not the one behind it. Box arithmetic with widths
  ``x2 - x1 + 1`` is torchvision's, once 1 is added to the anchors' x2 and y2; only RoIAlign reads
  coordinates as they are, so 1 is taken off there (:class:`InclusiveRoIAlign`).
- Images are BGR in 0..255. The first convolution's input channels are flipped and ``image_std`` is 1/255,
  so that RGB in 0..1 goes in as for every other model.
- One feature map of stride 16 with 15 anchors a cell, listed in the weights file, and no padding of
  images to a multiple of 32: the stride is told to the anchor generator, which would otherwise
  derive ``427 // 27 = 15`` from the sizes (:class:`FixedAnchorGenerator`).

Activation ranges were taken from ``model.pb``, to six digits; block names are that file's.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, roi_align

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.networks.configs import MOBILE_WEIGHTS_BYTES, MOBILE_WEIGHTS_SHA256
from maskrcnn_core.networks.maskrcnn2go.caffe2_file import read_fills

__all__ = [
    "NMS_THRESHOLD",
    "FixedAnchorGenerator",
    "InclusiveRoIAlign",
    "build_maskrcnn2go",
    "load_maskrcnn2go",
]

NMS_THRESHOLD = 0.3
"""IoU above which the weaker of two boxes of one label goes, as in the published graph."""

_STRIDE = 16
_ROI_SIZE = 6
_CHANNELS = 128


def load_maskrcnn2go(file: Path) -> MaskRCNN:
    """Build the network from ``model_init.pb``.

    Args:
        file: the published weights file; only that very file is read (SHA-256), since the activation
            ranges in this module belong to it.

    Returns:
        A ``MaskRCNN`` in eval mode, float32, on the CPU, without gradients: images RGB in 0..1, labels
        1..80 in the order of COCO's categories, mask probabilities 24 x 24.

    Raises:
        WeightsError: if the file cannot be read or is another one.
    """
    try:
        data = file.read_bytes() if file.stat().st_size == MOBILE_WEIGHTS_BYTES else b""
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror or error})") from error
    if hashlib.sha256(data).hexdigest() != MOBILE_WEIGHTS_SHA256:
        raise WeightsError(
            f"{file}: expected MaskRCNN2Go's published weights ({MOBILE_WEIGHTS_BYTES:,} bytes, SHA-256 "
            f"{MOBILE_WEIGHTS_SHA256[:8]}...), got another or a damaged file; delete it and download it "
            "again"
        )
    return _build(read_fills(data, file.name))


def build_maskrcnn2go(anchors: Sequence[Sequence[float]], num_classes: int) -> MaskRCNN:
    """Return the architecture without any values, for weights that were trained from the published ones.

    Its tensors are on the "meta" device, as those of
    :func:`~maskrcnn_core.networks.resnet50_fpn.build_resnet50_fpn` are.

    Args:
        anchors: x1 y1 x2 y2 in pixels around the first cell, as :attr:`FixedAnchorGenerator.cell_anchors`
            has them; they are part of the published file and of no state dict.
        num_classes: with the background.
    """
    tensors = {name: torch.empty(shape, device="meta") for name, shape in _shapes(num_classes).items()}
    inclusive = torch.tensor(anchors, dtype=torch.float32) - torch.tensor([0.0, 0.0, 1.0, 1.0])
    return _build(tensors | {"anchor": inclusive})


# --- the graph --------------------------------------------------------------------------------------

_Quantised = tuple[float, int]
"""``(scale, zero_point)`` of an 8-bit activation."""


@dataclass(frozen=True)
class _Block:
    """One inverted residual block (Sandler et al. 2018, MobileNetV2) and the ranges of its activations.

    Args:
        name: prefix of its tensors in the weights file.
        stride: of the depthwise convolution.
        expanded: after the 1 x 1 convolution with ReLU.
        filtered: after the 3 x 3 depthwise convolution, which has no ReLU here.
        projected: after the second 1 x 1 convolution.
        total: after the sum with the block's input; None where there is no sum.
    """

    name: str
    stride: int
    expanded: _Quantised
    filtered: _Quantised
    projected: _Quantised
    total: _Quantised | None = None


_IMAGE = (0.989195, 0)
_STEM = (0.00843511, 0)
_TRUNK = (
    _Block("xif0_0", 1, (0.00880793, 0), (0.00712988, 129), (0.020313, 126)),
    _Block("xif1_0", 2, (0.0128972, 0), (0.00834972, 147), (0.0165965, 116)),
    _Block("xif1_1", 1, (0.0077138, 0), (0.00240988, 150), (0.0223858, 126), (0.0258086, 114)),
    _Block("xif2_0", 2, (0.00907638, 0), (0.00324379, 121), (0.0110472, 153)),
    _Block("xif2_1", 1, (0.00532392, 0), (0.00133157, 136), (0.0107332, 109), (0.0163455, 124)),
    _Block("xif2_2", 1, (0.00361168, 0), (0.00109504, 135), (0.0107152, 124), (0.0227259, 105)),
    _Block("xif3_0", 2, (0.0084814, 0), (0.00208773, 123), (0.00681372, 138)),
    _Block("xif3_1", 1, (0.0044805, 0), (0.0010311, 133), (0.00550486, 136), (0.00790982, 135)),
    _Block("xif3_2", 1, (0.00364584, 0), (0.00100435, 129), (0.00646019, 140), (0.0104208, 127)),
    _Block("xif3_3", 1, (0.00320973, 0), (0.00104856, 148), (0.0112078, 120), (0.013806, 132)),
    _Block("xif3_4", 1, (0.00329785, 0), (0.00125894, 130), (0.00328707, 127)),
    _Block("xif3_5", 1, (0.00229281, 0), (0.00100332, 118), (0.00333611, 134), (0.00616864, 132)),
    _Block("xif3_6", 1, (0.00277551, 0), (0.0010042, 120), (0.00397801, 132), (0.00950118, 132)),
)
_RPN = (
    _Block("[rpn]xif3_4", 1, (0.0025101, 0), (0.00100201, 136), (0.00527696, 143), (0.0120119, 141)),
    _Block("[rpn]xif3_5", 1, (0.00287319, 0), (0.00100283, 140), (0.00763325, 121), (0.0158556, 139)),
    _Block("[rpn]xif3_6", 1, (0.00306826, 0), (0.0013872, 125), (0.0186697, 113), (0.0296524, 124)),
)
_RPN_LOGITS = (0.0787111, 160)
_RPN_DELTAS = (0.00827283, 159)
_BOX_ROI = (0.00884577, 131)
_BOX = (
    _Block("_[bbox]_xif4_0", 2, (0.00314972, 0), (0.0010041, 112), (0.00258426, 129)),
    _Block("_[bbox]_xif4_1", 1, (0.0024076, 0), (0.00100297, 144), (0.00356589, 126), (0.00404446, 124)),
    _Block("_[bbox]_xif4_2", 1, (0.00385699, 0), (0.00100465, 130), (0.0054991, 108), (0.00592842, 124)),
    _Block("_[bbox]_xif4_3", 1, (0.00256922, 0), (0.00100314, 134), (0.00371731, 138)),
)
_BOX_LAST = (0.0524707, 0)
_BOX_LOGITS = (0.102189, 83)
_BOX_DELTAS = (0.0299278, 124)
_MASK_ROI = (0.00883627, 131)
_MASK = (
    _Block("_[mask]_xif4_0", 1, (0.00261789, 0), (0.00100232, 132), (0.00330829, 138), (0.00887291, 133)),
    _Block("_[mask]_xif4_1", 1, (0.00211046, 0), (0.00100174, 136), (0.00359451, 120), (0.00977462, 140)),
    _Block("_[mask]_xif4_2", 1, (0.00237736, 0), (0.00100219, 102), (0.00465587, 126), (0.0102248, 137)),
    _Block("_[mask]_xif4_3", 1, (0.00327095, 0), (0.00172581, 98), (0.0255769, 116)),
)
_MASK_UP = (0.0246979, 0)
_MASK_LOGITS = (0.0819323, 128)
_MASK_LOGITS_UP = (0.0785795, 128)


_WIDTHS: dict[str, tuple[int, int, int]] = {
    "xif0_0": (32, 32, 16),
    "xif1_0": (16, 96, 32),
    "xif1_1": (32, 192, 32),
    "xif2_0": (32, 192, 48),
    "xif2_1": (48, 288, 48),
    "xif2_2": (48, 288, 48),
    "xif3_0": (48, 288, 96),
    "xif3_1": (96, 576, 96),
    "xif3_2": (96, 576, 96),
    "xif3_3": (96, 576, 96),
    "xif3_4": (96, 576, 128),
    "_[bbox]_xif4_3": (128, 768, 160),
    "_[mask]_xif4_3": (128, 768, 160),
}
"""Channels before, inside and after a block, where they are not ``_USUAL_WIDTHS``."""
_USUAL_WIDTHS = (_CHANNELS, 6 * _CHANNELS, _CHANNELS)


def _shapes(num_classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor in a weights file (but the anchors), in Caffe2's order of axes."""
    last = f"{_BOX[-1].name}_bn_1x1"
    c = num_classes
    weights: dict[str, tuple[int, ...]] = {
        "conv0_conv": (32, 3, 3, 3),
        "rpn_cls_logits": (15, 1, 1, _CHANNELS),
        "rpn_bbox_pred": (60, 1, 1, _CHANNELS),
        f"{last}_conv": (160, 1, 1, 160),
        "cls_score": (c, 160),
        "bbox_pred": (4 * c, 160),
        "conv5_mask": (160, 2, 2, _CHANNELS),
        "mask_fcn_logits": (c, 1, 1, _CHANNELS),
        "mask_fcn_logits_up": (c, 4, 4, c),
    }
    biases = {"conv0_bn": 32, "rpn_cls_logits": 15, "rpn_bbox_pred": 60, f"{last}_bn": 160, "cls_score": c}
    biases |= {"bbox_pred": 4 * c, "conv5_mask": _CHANNELS, "mask_fcn_logits": c, "mask_fcn_logits_up": c}
    for block in (*_TRUNK, *_RPN, *_BOX, *_MASK):
        before, inside, after = _WIDTHS.get(block.name, _USUAL_WIDTHS)
        projection, bias = ("pwl_conv", "pwl_bn") if block.total else ("conv", "bn")
        weights[f"{block.name}_pw_conv"] = (inside, 1, 1, before)
        weights[f"{block.name}_dw_conv"] = (inside, 3, 3, 1)
        weights[f"{block.name}_{projection}"] = (after, 1, 1, inside)
        biases |= {f"{block.name}_pw_bn": inside, f"{block.name}_{bias}": after}
        biases[f"{block.name}_dw_conv"] = inside
    shapes = {f"{name}_w_int8": shape for name, shape in weights.items()}
    zeros = {f"{block.name}_dw_conv" for block in (*_TRUNK, *_RPN, *_BOX, *_MASK)}
    for name, count in biases.items():
        shapes[f"{name}_b_zero_generated_int8" if name in zeros else f"{name}_b_int8"] = (count,)
    return shapes


def _build(tensors: dict[str, Tensor]) -> MaskRCNN:
    """Return the network with the file's tensors in it."""
    parts = _Parts(tensors)
    network = MaskRCNN(
        _Backbone(parts),
        min_size=320,
        max_size=640,
        image_mean=[0.0, 0.0, 0.0],
        image_std=[1 / 255, 1 / 255, 1 / 255],
        size_divisible=1,
        rpn_anchor_generator=FixedAnchorGenerator(parts.take("anchor"), stride=_STRIDE),
        rpn_head=_RpnHead(parts),
        rpn_pre_nms_top_n_test=3000,
        rpn_post_nms_top_n_test=120,
        rpn_nms_thresh=0.7,
        box_roi_pool=InclusiveRoIAlign(output_size=_ROI_SIZE, stride=_STRIDE),
        box_head=_BoxHead(parts),
        box_predictor=_BoxPredictor(parts),
        box_nms_thresh=NMS_THRESHOLD,
        mask_roi_pool=InclusiveRoIAlign(output_size=_ROI_SIZE, stride=_STRIDE),
        mask_head=nn.Sequential(_saturation(_MASK_ROI), *(_InvertedResidual(parts, b) for b in _MASK)),
        mask_predictor=_mask_predictor(parts),
    )
    network.requires_grad_(False)
    return network.eval()


class FixedAnchorGenerator(AnchorGenerator):  # type: ignore[misc]  # torchvision has no types
    """Anchors given as a list, on one feature map of a known stride.

    Args:
        anchors: float32 ``[A, 4]``, x1 y1 x2 y2 in pixels around the first cell, corners inclusive.
        stride: pixels from one cell to the next.
    """

    def __init__(self, anchors: Tensor, *, stride: int) -> None:
        boxes = anchors + anchors.new_tensor([0.0, 0.0, 1.0, 1.0])
        widths_heights = (boxes[:, 2:] - boxes[:, :2]).tolist()
        sizes = tuple(round(sqrt(w * h), 1) for w, h in widths_heights)
        ratios = tuple(round(h / w, 2) for w, h in widths_heights)
        super().__init__(sizes=(sizes,), aspect_ratios=(ratios,))
        self.cell_anchors = [boxes]
        self.stride = stride

    def num_anchors_per_location(self) -> list[int]:
        """Return one number, as there is one level: the sizes and ratios go in pairs here, not in a grid."""
        return [len(self.cell_anchors[0])]

    def grid_anchors(self, grid_sizes: list[list[int]], strides: list[list[Tensor]]) -> list[Tensor]:  # noqa: ARG002
        """Place anchors as torchvision does, with the true stride, not one taken from the image's size."""
        anchors: list[Tensor] = super().grid_anchors(grid_sizes, [[self.stride, self.stride]])
        return anchors


class InclusiveRoIAlign(MultiScaleRoIAlign):  # type: ignore[misc]  # torchvision has no types
    """RoIAlign (He et al. 2017, section 3) on one feature map, for boxes with inclusive corners.

    The number of samples in a bin follows the box's size, and coordinates are not shifted by half a
    pixel, as in Caffe2's first version of the operator.

    Args:
        output_size: side of the square that each box is pooled to, in cells.
        stride: pixels of the image for each cell of the feature map.
    """

    def __init__(self, *, output_size: int, stride: int) -> None:
        super().__init__(featmap_names=["0"], output_size=output_size, sampling_ratio=0)
        self.stride = stride

    def forward(
        self,
        x: dict[str, Tensor],
        boxes: list[Tensor],
        image_shapes: Sequence[tuple[int, int]],  # noqa: ARG002
    ) -> Tensor:
        """Pool ``x["0"]`` (``[B, C, h, w]``) for B lists of xyxy boxes: ``[sum of N, C, size, size]``."""
        pooled: Tensor = roi_align(
            x["0"],
            [b - b.new_tensor([0.0, 0.0, 1.0, 1.0]) for b in boxes],
            output_size=self.output_size,
            spatial_scale=1 / self.stride,
            sampling_ratio=self.sampling_ratio,
            aligned=False,
        )
        return pooled


class _Parts:
    """A maker of layers from the file's tensors; each layer is followed by its activation's range."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors

    def take(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise WeightsError(f"MaskRCNN2Go: tensor {name!r} is missing from the weights file")
        return self._tensors[name]

    def conv(
        self,
        name: str,
        bias: str,
        after: _Quantised,
        *,
        stride: int = 1,
        depthwise: bool = False,
        flip: bool = False,
    ) -> nn.Sequential:
        """Return a convolution that keeps the size (or halves it), and the clamp after it."""
        weight = self.take(f"{name}_w_int8").permute(0, 3, 1, 2)
        weight = weight.flip(1) if flip else weight
        outputs, inputs, kernel, _ = weight.shape
        groups = outputs if depthwise else 1
        layer = nn.Conv2d(
            inputs * groups, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, device="meta"
        )
        return nn.Sequential(_filled(layer, weight, self.take(f"{bias}_int8")), _saturation(after))

    def conv_transpose(self, name: str, after: _Quantised, *, padding: int) -> nn.Sequential:
        """Return a transposed convolution that doubles the size, and the clamp after it."""
        # Caffe2 keeps these as [in, height, width, out], so the same permutation gives torch's order.
        weight = self.take(f"{name}_w_int8").permute(0, 3, 1, 2)
        inputs, outputs, kernel, _ = weight.shape
        layer = nn.ConvTranspose2d(inputs, outputs, kernel, stride=2, padding=padding, device="meta")
        return nn.Sequential(_filled(layer, weight, self.take(f"{name}_b_int8")), _saturation(after))

    def linear(self, name: str, after: _Quantised) -> nn.Sequential:
        weight = self.take(f"{name}_w_int8")
        layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
        return nn.Sequential(_filled(layer, weight, self.take(f"{name}_b_int8")), _saturation(after))


_Layer = TypeVar("_Layer", nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def _filled(layer: _Layer, weight: Tensor, bias: Tensor) -> _Layer:
    layer.weight = nn.Parameter(weight.contiguous())
    layer.bias = nn.Parameter(bias)
    return layer


def _saturation(quantised: _Quantised) -> nn.Hardtanh:
    """Return a clamp to what 8 bits with this scale and zero point can hold."""
    scale, zero_point = quantised
    return nn.Hardtanh((0 - zero_point) * scale, (255 - zero_point) * scale)


class _InvertedResidual(nn.Module):
    def __init__(self, parts: _Parts, block: _Block) -> None:
        super().__init__()
        # Caffe2's names tell the kinds apart: "pwl" (pointwise linear) where a sum follows.
        projection, bias = ("pwl_conv", "pwl_bn") if block.total else ("conv", "bn")
        name = block.name
        self.layers = nn.Sequential(
            parts.conv(f"{name}_pw_conv", f"{name}_pw_bn_b", block.expanded),
            parts.conv(
                f"{name}_dw_conv",
                f"{name}_dw_conv_b_zero_generated",
                block.filtered,
                stride=block.stride,
                depthwise=True,
            ),
            parts.conv(f"{name}_{projection}", f"{name}_{bias}_b", block.projected),
        )
        self.total = _saturation(block.total) if block.total else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        if self.total is None:
            return y
        total: Tensor = self.total(x + y)
        return total


class _Backbone(nn.Module):
    """Image ``[B, 3, H, W]`` to one feature map ``[B, 128, H / 16, W / 16]``, named "0"."""

    out_channels = _CHANNELS

    def __init__(self, parts: _Parts) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _saturation(_IMAGE),
            parts.conv("conv0_conv", "conv0_bn_b", _STEM, stride=2, flip=True),
            *(_InvertedResidual(parts, block) for block in _TRUNK),
        )

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        return OrderedDict([("0", self.body(x))])


class _RpnHead(nn.Module):
    """Feature maps to objectness logits ``[B, 15, h, w]`` and deltas ``[B, 60, h, w]`` of each."""

    def __init__(self, parts: _Parts) -> None:
        super().__init__()
        self.conv = nn.Sequential(*(_InvertedResidual(parts, block) for block in _RPN))
        self.cls_logits = parts.conv("rpn_cls_logits", "rpn_cls_logits_b", _RPN_LOGITS)
        self.bbox_pred = parts.conv("rpn_bbox_pred", "rpn_bbox_pred_b", _RPN_DELTAS)

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        shared = [self.conv(feature) for feature in x]
        return [self.cls_logits(t) for t in shared], [self.bbox_pred(t) for t in shared]


class _BoxHead(nn.Module):
    """Pooled features ``[N, 128, 6, 6]`` to ``[N, 160]``."""

    def __init__(self, parts: _Parts) -> None:
        super().__init__()
        last = f"{_BOX[-1].name}_bn_1x1"
        self.layers = nn.Sequential(
            _saturation(_BOX_ROI),
            *(_InvertedResidual(parts, block) for block in _BOX),
            parts.conv(f"{last}_conv", f"{last}_bn_b", _BOX_LAST),
            nn.AvgPool2d(3),
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class _BoxPredictor(nn.Module):
    """``[N, 160]`` to class logits ``[N, 81]`` and box deltas ``[N, 324]``."""

    def __init__(self, parts: _Parts) -> None:
        super().__init__()
        self.cls_score = parts.linear("cls_score", _BOX_LOGITS)
        self.bbox_pred = parts.linear("bbox_pred", _BOX_DELTAS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(x), self.bbox_pred(x)


def _mask_predictor(parts: _Parts) -> nn.Sequential:
    """Turn ``[N, 160, 6, 6]`` into mask logits ``[N, 81, 24, 24]``.

    The upsampling after the logits is trained.
    """
    return nn.Sequential(
        parts.conv_transpose("conv5_mask", _MASK_UP, padding=0),
        parts.conv("mask_fcn_logits", "mask_fcn_logits_b", _MASK_LOGITS),
        parts.conv_transpose("mask_fcn_logits_up", _MASK_LOGITS_UP, padding=1),
    )
