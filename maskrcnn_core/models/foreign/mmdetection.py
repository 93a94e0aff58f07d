"""mmdetection's Mask R-CNN with a feature pyramid, 2.x and 3.x: ``epoch_12.pth`` and the model zoo's files.

Sources in mmdetection 3.3.0: ``configs/_base_/models/mask-rcnn_r50_fpn.py``, ``mmdet/models``. The backbone's
names are torchvision's; the background is the last class, and neither boxes nor masks have a row for it. A
file's ``meta`` names the categories and mostly holds the whole config.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.foreign.facts import FamilyFacts
from maskrcnn_core.models.foreign.mmdetection_config import MmdetectionConfig, parse_mmdetection_config
from maskrcnn_core.models.foreign.renaming import Renames, first_few, inverse, rename
from maskrcnn_core.models.foreign.rows import background_in_front, needs_whole_boxes, spread_over_classes
from maskrcnn_core.models.foreign.shapes import resnet_shape, rows_of, wanted
from maskrcnn_core.models.foreign.sidecar import MmdetectionStyle
from maskrcnn_core.networks.boxes_only import whole_box_head
from maskrcnn_core.networks.configs import ResNetFpnConfig, cell_anchors

__all__ = ["read_mmdetection"]

_STD = (58.395, 57.12, 57.375)

_NAMES: Renames = (
    (r"backbone\.(conv1|bn1|layer[1-4])\.(.+)", r"backbone.body.\1.\2"),
    *((rf"neck\.lateral_convs\.{i}\.conv\.(\w+)", rf"backbone.fpn.inner_blocks.{i}.0.\1") for i in range(4)),
    *((rf"neck\.fpn_convs\.{i}\.conv\.(\w+)", rf"backbone.fpn.layer_blocks.{i}.0.\1") for i in range(4)),
    (r"rpn_head\.rpn_conv\.(weight|bias)", r"rpn.head.conv.0.0.\1"),
    (r"rpn_head\.rpn_cls\.(weight|bias)", r"rpn.head.cls_logits.\1"),
    (r"rpn_head\.rpn_reg\.(weight|bias)", r"rpn.head.bbox_pred.\1"),
    (r"roi_head\.bbox_head\.shared_fcs\.0\.(weight|bias)", r"roi_heads.box_head.fc6.\1"),
    (r"roi_head\.bbox_head\.shared_fcs\.1\.(weight|bias)", r"roi_heads.box_head.fc7.\1"),
    (r"roi_head\.bbox_head\.fc_cls\.(weight|bias)", r"roi_heads.box_predictor.cls_score.\1"),
    (r"roi_head\.bbox_head\.fc_reg\.(weight|bias)", r"roi_heads.box_predictor.bbox_pred.\1"),
    (r"roi_head\.mask_head\.convs\.([0-3])\.conv\.(weight|bias)", r"roi_heads.mask_head.\1.0.\2"),
    (r"roi_head\.mask_head\.upsample\.(weight|bias)", r"roi_heads.mask_predictor.conv5_mask.\1"),
    (r"roi_head\.mask_head\.conv_logits\.(weight|bias)", r"roi_heads.mask_predictor.mask_fcn_logits.\1"),
)
_BESIDE = re.compile(r"data_preprocessor\..*|.*\.num_batches_tracked")

_OTHERS: tuple[tuple[str, str], ...] = (
    (r"roi_head\.bbox_head\.[0-9]+\.", "a Cascade R-CNN or HTC, with several box heads one after another"),
    (r".*\.conv2_offset\.|.*\.conv_offset\.", "deformable convolution (DCN)"),
    (r"roi_head\.(semantic_head|glbctx_head)\.", "a network with a semantic branch"),
    (r"roi_head\.point_head\.", "PointRend"),
    (r"roi_head\.mask_iou_head\.", "Mask Scoring R-CNN, whose scores another head corrects"),
    (r"roi_head\.grid_head\.", "Grid R-CNN"),
    (r"roi_head\.shared_head\.", "a C4 network, whose heads share the ResNet's last stage"),
    (r"neck\.(bfp|pafpn|downsample_convs)|.*\.(gn|ln)\.", "another pyramid, or other norms, than plain ones"),
    (r"backbone\.(patch_embed|stages|s1|stem)\b", "a backbone that is no ResNet"),
)


def read_mmdetection(
    tensors: Mapping[str, Tensor],
    where: str,
    meta: Mapping[str, Any],
    config: MmdetectionConfig | None = None,
    style: MmdetectionStyle | None = None,
    *,
    boxes_only: bool = False,
) -> FamilyFacts:
    """Bring an mmdetection checkpoint into torchvision's terms.

    Args:
        tensors: by mmdetection's names.
        where: the file's name, for messages.
        meta: what the file holds beside its weights.
        config: of the training, where a person gave it; it wins over the file's.
        style: where a person says it, as neither does.
        boxes_only: open a Faster R-CNN for its boxes.

    Raises:
        WeightsError: if it is a network that is not supported, naming it, or tensors are in the way.
        InputError: if nothing says how images are to be prepared.
    """
    _refuse_others(tensors, where, meta)
    found, unknown = rename((n for n in tensors if not _BESIDE.fullmatch(n)), _NAMES)
    if unknown:
        raise WeightsError(
            f"{where}: expected an mmdetection Mask R-CNN with a feature pyramid, got tensors that none has: "
            f"{first_few(unknown)}"
        )
    named = {new: tensors[old] for old, new in found.items()}
    notes: list[str] = []
    is_faster = needs_whole_boxes(tensors, "roi_head.mask_head.", where, notes, boxes_only=boxes_only)
    said = config or _config_of(meta, where)
    classes = rows_of(named, "roi_heads.box_predictor.cls_score.bias", where)
    if is_faster:
        channels = rows_of(named, "backbone.fpn.inner_blocks.0.0.bias", where)
        named |= whole_box_head(channels, classes - 1, has_norms=False)
    named = spread_over_classes(named, classes - 1, where, notes)
    made, is_bgr = _architecture(named, where, said, style, notes)
    if is_bgr:
        first = "backbone.body.conv1.weight"
        named[first] = wanted(named, first, 4, where).flip(1)
    names = _names_of(meta, classes - 1, where)
    limits = {} if said is None else _limits(said)
    return FamilyFacts(
        made,
        classes,
        background_in_front(named),
        names,
        own_names=inverse(_NAMES),
        notes=tuple(notes),
        boxes_only=is_faster,
        **limits,
    )


def _refuse_others(tensors: Mapping[str, Tensor], where: str, meta: Mapping[str, Any]) -> None:
    version = str(meta.get("mmdet_version", ""))
    if not any(name.startswith("roi_head.") for name in tensors):
        raise WeightsError(
            f"{where}: expected mmdetection 2.x or 3.x, got heads without roi_head in their names: "
            f"mmdetection 1.x{f' ({version})' if version else ''}, with other anchors and pooling and the "
            "background first; this version is not supported"
        )
    for pattern, what in _OTHERS:
        named = next((name for name in tensors if re.match(pattern, name)), None)
        if named is not None:
            raise WeightsError(
                f"{where}: expected mmdetection's Mask R-CNN with a feature pyramid, got {what} ({named}); "
                "this network is not supported"
            )


def _config_of(meta: Mapping[str, Any], where: str) -> MmdetectionConfig | None:
    text = next((meta[key] for key in ("cfg", "config") if isinstance(meta.get(key), str)), None)
    return parse_mmdetection_config(text, f"{where}, its config") if text else None


def _names_of(meta: Mapping[str, Any], count: int, where: str) -> tuple[str, ...] | None:
    of_data_set = meta.get("dataset_meta")
    given = meta.get("CLASSES")
    if isinstance(of_data_set, Mapping):
        given = of_data_set.get("classes", of_data_set.get("CLASSES", given))
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        return None
    if len(given) != count:
        raise WeightsError(
            f"{where}: expected a name for each of the {count} classes of its box head (fc_cls), got "
            f"{len(given)} in its meta"
        )
    return tuple(given)


def _architecture(
    named: Mapping[str, Tensor],
    where: str,
    config: MmdetectionConfig | None,
    style: MmdetectionStyle | None,
    notes: list[str],
) -> tuple[ResNetFpnConfig, bool]:
    """Return the network, and whether it takes images in BGR."""
    blocks, is_basic, groups, width = resnet_shape(named, where)
    pixels, is_bgr, strides_1x1 = _pixels(config, style, where, notes)
    sizes = {} if config is None else _sizes(config)
    return ResNetFpnConfig(
        laws="mmdetection",
        blocks=blocks,
        is_basic=is_basic,
        groups=groups,
        width_per_group=width,
        strides_1x1=strides_1x1,
        pyramid=rows_of(named, "backbone.fpn.inner_blocks.0.0.bias", where),
        box_hidden=wanted(named, "roi_heads.box_predictor.cls_score.weight", 2, where).shape[1],
        mask_hidden=rows_of(named, "roi_heads.mask_predictor.conv5_mask.bias", where),
        anchors=_anchors(config, rows_of(named, "rpn.head.cls_logits.bias", where), where),
        **pixels,
        **sizes,
    ), is_bgr


def _pixels(
    config: MmdetectionConfig | None, style: MmdetectionStyle | None, where: str, notes: list[str]
) -> tuple[dict[str, Any], bool, bool]:
    """Return mean and deviation (R, G, B), whether images are BGR, and where bottlenecks stride."""
    said = None if config is None else config.get("model.backbone.style")
    if style is not None and said is not None and style != said:
        raise InputError(
            f"{where}: expected no style, or the config's {said}, got {style}; it says how images are "
            "prepared and where the backbone strides"
        )
    chosen = style or said
    if chosen not in ("pytorch", "caffe"):
        raise InputError(
            f"{where}: expected a config in its meta, got none: nothing says how images are prepared. Give "
            "the training's config, or say its style: pytorch (RGB, strides in 3 x 3 convolutions) or caffe "
            "(BGR, in 1 x 1); the config's name has caffe in it if it is that"
        )
    is_bgr = chosen == "caffe"
    mean: Any = (103.53, 116.28, 123.675) if is_bgr else (123.675, 116.28, 103.53)
    std: Any = (1.0, 1.0, 1.0) if is_bgr else _STD
    if config is not None:
        step = next((s for s in config.steps() if s.get("type") == "Normalize"), {})
        prepared = config.get("model.data_preprocessor") or step or config.get("img_norm_cfg") or {}
        mean, std = prepared.get("mean", mean), prepared.get("std", std)
        if "bgr_to_rgb" in prepared or "to_rgb" in prepared:
            is_bgr = not prepared.get("bgr_to_rgb", prepared.get("to_rgb"))
    if style is not None and said is None:
        notes.append(f"Images are prepared in the {chosen} style, as you said.")
    numbers = [tuple(float(v) for v in values) for values in (mean, std)]
    rgb = [values[::-1] if is_bgr else values for values in numbers]
    return {"mean": rgb[0], "std": rgb[1]}, is_bgr, chosen == "caffe"


def _sizes(config: MmdetectionConfig) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for step in config.steps():
        scale = step.get("scale") or step.get("img_scale")
        if (
            step.get("type") in ("Resize", "MultiScaleFlipAug")
            and isinstance(scale, list)
            and len(scale) == 2
        ):
            found = {"min_size": int(min(scale)), "max_size": int(max(scale))}
            break
    proposals = config.get("model.test_cfg.rpn") or config.get("test_cfg.rpn") or {}
    for field, names in (
        ("proposals_per_level", ("nms_pre",)),
        ("proposals", ("max_per_img", "max_num", "nms_post")),
    ):
        value = next((proposals[name] for name in names if name in proposals), None)
        if value is not None:
            found[field] = int(value)
    nms = proposals.get("nms")
    if isinstance(nms, Mapping) and "iou_threshold" in nms:
        found["proposal_nms"] = float(nms["iou_threshold"])
    return found


def _limits(config: MmdetectionConfig) -> dict[str, Any]:
    heads = config.get("model.test_cfg.rcnn") or config.get("test_cfg.rcnn") or {}
    found: dict[str, Any] = {}
    if isinstance(nms := heads.get("nms"), Mapping) and "iou_threshold" in nms:
        found["nms_threshold"] = float(nms["iou_threshold"])
    if "max_per_img" in heads:
        found["max_detections"] = int(heads["max_per_img"])
    return found


def _anchors(config: MmdetectionConfig | None, per_cell: int, where: str) -> Any:
    """Return each level's anchors: ratio by ratio, and scale by scale within, as mmdetection makes them."""
    said = {} if config is None else config.get("model.rpn_head.anchor_generator") or {}
    scales, ratios = said.get("scales", [8]), said.get("ratios", [0.5, 1.0, 2.0])
    strides = said.get("strides", [4, 8, 16, 32, 64])
    levels = tuple(
        tuple(
            anchor
            for ratio in ratios
            for scale in scales
            for anchor in cell_anchors((float(scale) * stride,), (float(ratio),))[0]
        )
        for stride in strides
    )
    if strides != [4, 8, 16, 32, 64] or any(len(level) != per_cell for level in levels):
        raise WeightsError(
            f"{where}: expected {len(levels[0])} anchors for each cell at strides 4 to 64, got {per_cell} "
            f"objectness rows and strides {strides}; give the training's config, which names the anchors"
        )
    return levels
