"""Matterport's Keras weights, layer by layer, as the values of a torchvision network.

Each convolution of Keras has a bias; those of torchvision's ResNet have none, so the bias goes into the mean
of the batch norm behind it. The norms of the box and the mask head go into their layers. Matterport's softmax
over background and object is a sigmoid of their difference, and its regression says y before x. No tensor is
left out, and none is made up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from maskrcnn_core.detection.candidates import SCORE_FLOOR
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.foreign.facts import FamilyFacts
from maskrcnn_core.models.foreign.matterport_config import MatterportSettings
from maskrcnn_core.models.foreign.renaming import first_few
from maskrcnn_core.networks.configs import MatterportConfig
from maskrcnn_core.networks.matterport import NORM_EPS

__all__ = ["read_matterport"]

_CONV, _NORM = ("kernel", "bias"), ("gamma", "beta", "moving_mean", "moving_variance")
_RESIDUAL = re.compile(r"(?:res|bn)([2-5])([a-z])_branch(?:1|2[abc])\..+")
_BRANCHES = (("2a", "1"), ("2b", "2"), ("2c", "3"))
_DEPTHS = {6: "resnet50", 23: "resnet101"}
_KINDS = ("weight", "bias")

_Tensors = Mapping[str, Tensor]


def read_matterport(tensors: _Tensors, where: str, settings: MatterportSettings | None = None) -> FamilyFacts:
    """Return what a file's tensors come to.

    Args:
        tensors: by layer and kind, as ``res2a_branch2a.kernel``.
        where: the file's name, for messages.
        settings: of the model's ``Config``, which the file does not hold; by default its defaults.

    Raises:
        WeightsError: if they are no whole Matterport network, naming the first that are in the way.
        InputError: if the settings are for another network.
    """
    given = settings or MatterportSettings()
    blocks = _blocks(tensors)
    _check_heads(tensors, where)
    _check_names(tensors, _layers(blocks), where)
    config, num_classes = _config(tensors, blocks, given, where)
    _check_shapes(tensors, config, num_classes, where)
    _check_settings(config, num_classes, given, where)
    floats = {name: tensor.to(torch.float32) for name, tensor in tensors.items()}
    return FamilyFacts(
        architecture=config,
        num_classes=num_classes,
        tensors={**_backbone(floats, blocks), **_rpn(floats), **_heads(floats)},
        names=given.names,
        score_threshold=max(given.min_confidence, SCORE_FLOOR),
        nms_threshold=given.detection_nms,
        max_detections=given.max_instances,
        notes=_notes(settings, blocks),
    )


# -- what there is -------------------------------------------------------------------------------


def _blocks(tensors: _Tensors) -> tuple[int, int, int, int]:
    """Return the residual blocks of each stage, by the last letter that any tensor of the stage has."""
    last = dict.fromkeys("2345", 0)
    for name in tensors:
        if match := _RESIDUAL.fullmatch(name):
            last[match[1]] = max(last[match[1]], ord(match[2]) - ord("a") + 1)
    two, three, four, five = (max(last[stage], 1) for stage in "2345")
    return two, three, four, five


def _check_heads(tensors: _Tensors, where: str) -> None:
    if not any(name.startswith(("mrcnn_", "rpn_", "fpn_")) for name in tensors):
        raise WeightsError(
            f"{where}: expected a whole Mask R-CNN, got only a backbone's layers: weights to begin training "
            "with (ImageNet's), without pyramid, proposals and heads"
        )
    if not any(name.startswith("mrcnn_mask") for name in tensors):
        raise WeightsError(f"{where}: expected a mask head (mrcnn_mask), got none")


def _layers(blocks: Sequence[int]) -> list[tuple[str, tuple[str, ...]]]:
    """Return every layer that has values, and their kinds, in the order of the network."""
    layers: list[tuple[str, tuple[str, ...]]] = [("conv1", _CONV), ("bn_conv1", _NORM)]
    for stage, count in enumerate(blocks, start=2):
        for at in range(count):
            block = f"{stage}{chr(ord('a') + at)}_branch"
            for branch in ("2a", "2b", "2c", *(("1",) if at == 0 else ())):
                layers += [(f"res{block}{branch}", _CONV), (f"bn{block}{branch}", _NORM)]
    layers += [(f"fpn_c{level}p{level}", _CONV) for level in (5, 4, 3, 2)]
    layers += [(f"fpn_p{level}", _CONV) for level in (5, 4, 3, 2)]
    layers += [(f"rpn_{part}", _CONV) for part in ("conv_shared", "class_raw", "bbox_pred")]
    for at in (1, 2):
        layers += [(f"mrcnn_class_conv{at}", _CONV), (f"mrcnn_class_bn{at}", _NORM)]
    layers += [("mrcnn_class_logits", _CONV), ("mrcnn_bbox_fc", _CONV)]
    for at in (1, 2, 3, 4):
        layers += [(f"mrcnn_mask_conv{at}", _CONV), (f"mrcnn_mask_bn{at}", _NORM)]
    return [*layers, ("mrcnn_mask_deconv", _CONV), ("mrcnn_mask", _CONV)]


def _check_names(tensors: _Tensors, layers: Sequence[tuple[str, tuple[str, ...]]], where: str) -> None:
    wanted = [f"{layer}.{kind}" for layer, kinds in layers for kind in kinds]
    missing = [name for name in wanted if name not in tensors]
    others = sorted(tensors.keys() - set(wanted))
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {len(wanted)} tensors are missing: {first_few(missing)}")
    if others:
        problems.append(f"{len(others)} are not Matterport's: {first_few(others)}")
    if problems:
        raise WeightsError(f"{where}: expected the layers of Matterport's Mask R-CNN; {'; '.join(problems)}")


def _config(
    tensors: _Tensors, blocks: tuple[int, int, int, int], settings: MatterportSettings, where: str
) -> tuple[MatterportConfig, int]:
    sizes = {
        name: _length(tensors, layer, where)
        for name, layer in (
            ("pyramid", "fpn_c5p5"),
            ("rpn_hidden", "rpn_conv_shared"),
            ("box_hidden", "mrcnn_class_conv1"),
            ("mask_hidden", "mrcnn_mask_deconv"),
        )
    }
    per_place = _length(tensors, "rpn_class_raw", where) / 2
    if per_place != len(settings.anchor_ratios):
        raise InputError(
            f"{where}: RPN_ANCHOR_RATIOS: expected {per_place:g}, one for each anchor of a place, "
            f"got {len(settings.anchor_ratios)}"
        )
    return settings.architecture({"blocks": blocks, **sizes}), _length(tensors, "mrcnn_class_logits", where)


def _length(tensors: _Tensors, layer: str, where: str) -> int:
    bias = tensors[f"{layer}.bias"]
    if bias.ndim != 1 or not len(bias):
        raise _wrong_shape(where, f"{layer}.bias", bias, "[N]")
    return len(bias)


def _check_shapes(tensors: _Tensors, config: MatterportConfig, classes: int, where: str) -> None:
    for name, shape in _shapes(config, classes).items():
        if tuple(tensors[name].shape) != shape:
            raise _wrong_shape(where, name, tensors[name], list(shape))


def _shapes(config: MatterportConfig, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor."""
    pyramid, anchors = config.pyramid, len(config.anchor_ratios)
    kernels: dict[str, tuple[int, ...]] = {"conv1": (7, 7, 3, 64)}
    norms: dict[str, int] = {"bn_conv1": 64}
    before = 64
    for stage, count in enumerate(config.blocks, start=2):
        narrow, wide = 64 << (stage - 2), 256 << (stage - 2)
        for at in range(count):
            block = f"{stage}{chr(ord('a') + at)}_branch"
            shapes = {"2a": (1, 1, before, narrow), "2b": (3, 3, narrow, narrow), "2c": (1, 1, narrow, wide)}
            if at == 0:
                shapes["1"] = (1, 1, before, wide)
            for branch, shape in shapes.items():
                kernels[f"res{block}{branch}"] = shape
                norms[f"bn{block}{branch}"] = shape[3]
            before = wide
        kernels[f"fpn_c{stage}p{stage}"] = (1, 1, wide, pyramid)
        kernels[f"fpn_p{stage}"] = (3, 3, pyramid, pyramid)
    kernels |= {
        "rpn_conv_shared": (3, 3, pyramid, config.rpn_hidden),
        "rpn_class_raw": (1, 1, config.rpn_hidden, 2 * anchors),
        "rpn_bbox_pred": (1, 1, config.rpn_hidden, 4 * anchors),
        "mrcnn_class_conv1": (7, 7, pyramid, config.box_hidden),
        "mrcnn_class_conv2": (1, 1, config.box_hidden, config.box_hidden),
        "mrcnn_class_logits": (config.box_hidden, classes),
        "mrcnn_bbox_fc": (config.box_hidden, 4 * classes),
        **{f"mrcnn_mask_conv{at}": (3, 3, pyramid, pyramid) for at in (1, 2, 3, 4)},
        "mrcnn_mask_deconv": (2, 2, config.mask_hidden, pyramid),
        "mrcnn_mask": (1, 1, config.mask_hidden, classes),
    }
    norms |= {f"mrcnn_class_bn{at}": config.box_hidden for at in (1, 2)}
    norms |= {f"mrcnn_mask_bn{at}": pyramid for at in (1, 2, 3, 4)}
    # A transposed convolution keeps its outputs before its inputs.
    biases = {
        layer: shape[2] if layer == "mrcnn_mask_deconv" else shape[-1] for layer, shape in kernels.items()
    }
    return {
        **{f"{layer}.kernel": shape for layer, shape in kernels.items()},
        **{f"{layer}.bias": (size,) for layer, size in biases.items()},
        **{f"{layer}.{kind}": (size,) for layer, size in norms.items() for kind in _NORM},
    }


def _wrong_shape(where: str, name: str, tensor: Tensor, expected: object) -> WeightsError:
    return WeightsError(f"{where}: {name}: expected shape {expected}, got {list(tensor.shape)}")


def _check_settings(config: MatterportConfig, classes: int, settings: MatterportSettings, where: str) -> None:
    if settings.num_classes is not None and settings.num_classes != classes:
        raise InputError(
            f"{where}: NUM_CLASSES: expected {classes}, as the weights have with the background, "
            f"got {settings.num_classes}"
        )
    depth = _DEPTHS.get(config.blocks[2])
    if settings.backbone is not None and depth is not None and settings.backbone != depth:
        raise InputError(f"{where}: BACKBONE: expected {depth}, as the weights are, got {settings.backbone}")


def _notes(settings: MatterportSettings | None, blocks: Sequence[int]) -> tuple[str, ...]:
    notes = [] if settings is None else list(settings.notes)
    if settings is None:
        usual = MatterportSettings()
        notes.append(
            "Nothing says how the model was configured, so Matterport's standard values are used (input "
            f"{usual.max_size} x {usual.max_size}, anchors of 32 to 512 pixels, detections above "
            f"{usual.min_confidence:g})."
        )
    depth = 3 * sum(blocks) + 2  # three convolutions a block, the first one, and the classifier that was
    notes.append(f"The backbone is a ResNet-{depth}, as its layers say.")
    notes.append("Biases and batch norms were folded into the layers beside them.")
    return tuple(notes)


# -- folding -------------------------------------------------------------------------------------


def _backbone(given: _Tensors, blocks: Sequence[int]) -> dict[str, Tensor]:
    made = _frozen(given, "conv1", "bn_conv1", "backbone.body.conv1", "backbone.body.bn1")
    for stage, count in enumerate(blocks, start=2):
        for at in range(count):
            old = f"{stage}{chr(ord('a') + at)}_branch"
            new = f"backbone.body.layer{stage - 1}.{at}"
            for branch, number in _BRANCHES:
                made |= _frozen(
                    given, f"res{old}{branch}", f"bn{old}{branch}", f"{new}.conv{number}", f"{new}.bn{number}"
                )
            if at == 0:
                made |= _frozen(
                    given, f"res{old}1", f"bn{old}1", f"{new}.downsample.0", f"{new}.downsample.1"
                )
        level = stage - 2
        made |= _conv(given, f"fpn_c{stage}p{stage}", f"backbone.fpn.inner_blocks.{level}.0")
        made |= _conv(given, f"fpn_p{stage}", f"backbone.fpn.layer_blocks.{level}.0")
    return made


def _rpn(given: _Tensors) -> dict[str, Tensor]:
    scores = _conv(given, "rpn_class_raw", "scores")  # rows are background, object, background, ...
    boxes = _conv(given, "rpn_bbox_pred", "boxes")
    return {
        **_conv(given, "rpn_conv_shared", "rpn.head.conv.0.0"),
        **{
            f"rpn.head.cls_logits.{k}": scores[f"scores.{k}"][1::2] - scores[f"scores.{k}"][::2]
            for k in _KINDS
        },
        **{f"rpn.head.bbox_pred.{k}": _x_first(boxes[f"boxes.{k}"]) for k in _KINDS},
    }


def _heads(given: _Tensors) -> dict[str, Tensor]:
    box = "roi_heads.box_predictor"
    made = _folded(given, "mrcnn_class_conv1", "mrcnn_class_bn1", "roi_heads.box_head.fc6")
    made |= _folded(given, "mrcnn_class_conv2", "mrcnn_class_bn2", "roi_heads.box_head.fc7")
    for at in (6, 7):  # a convolution as large as the crop is a linear layer of it
        made[f"roi_heads.box_head.fc{at}.weight"] = made[f"roi_heads.box_head.fc{at}.weight"].flatten(1)
    for at in range(1, 5):
        made |= _folded(
            given, f"mrcnn_mask_conv{at}", f"mrcnn_mask_bn{at}", f"roi_heads.mask_head.{at - 1}.0"
        )
    return {
        **made,
        f"{box}.cls_score.weight": given["mrcnn_class_logits.kernel"].T.contiguous(),
        f"{box}.cls_score.bias": given["mrcnn_class_logits.bias"].clone(),
        f"{box}.bbox_pred.weight": _x_first(given["mrcnn_bbox_fc.kernel"].T),
        f"{box}.bbox_pred.bias": _x_first(given["mrcnn_bbox_fc.bias"]),
        **_conv(given, "mrcnn_mask_deconv", "roi_heads.mask_predictor.conv5_mask"),
        **_conv(given, "mrcnn_mask", "roi_heads.mask_predictor.mask_fcn_logits"),
    }


def _conv(given: _Tensors, old: str, new: str) -> dict[str, Tensor]:
    """Turn a kernel of height, width, inputs and outputs (transposed: outputs and inputs) round."""
    return {
        f"{new}.weight": given[f"{old}.kernel"].permute(3, 2, 0, 1).contiguous(),
        f"{new}.bias": given[f"{old}.bias"].clone(),
    }


def _frozen(given: _Tensors, conv: str, norm: str, new_conv: str, new_norm: str) -> dict[str, Tensor]:
    """Return a convolution without a bias, and a frozen norm that has taken it off its mean."""
    return {
        f"{new_conv}.weight": given[f"{conv}.kernel"].permute(3, 2, 0, 1).contiguous(),
        f"{new_norm}.weight": given[f"{norm}.gamma"].clone(),
        f"{new_norm}.bias": given[f"{norm}.beta"].clone(),
        f"{new_norm}.running_mean": given[f"{norm}.moving_mean"] - given[f"{conv}.bias"],
        f"{new_norm}.running_var": given[f"{norm}.moving_variance"].clone(),
    }


def _folded(given: _Tensors, conv: str, norm: str, new: str) -> dict[str, Tensor]:
    """Return a convolution that does what it and its norm did together."""
    gamma, beta, mean, variance = (given[f"{norm}.{kind}"].double() for kind in _NORM)
    gain = gamma / (variance + NORM_EPS).sqrt()
    weight = given[f"{conv}.kernel"].permute(3, 2, 0, 1).double() * gain[:, None, None, None]
    bias = (given[f"{conv}.bias"].double() - mean) * gain + beta
    return {f"{new}.weight": weight.float().contiguous(), f"{new}.bias": bias.float()}


def _x_first(rows: Tensor) -> Tensor:
    """Return rows of y, x, height and width as x, y, width and height."""
    return rows.reshape(-1, 4, *rows.shape[1:])[:, [1, 0, 3, 2]].reshape(rows.shape).contiguous()
