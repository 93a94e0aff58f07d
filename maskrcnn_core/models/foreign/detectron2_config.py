"""Detectron2's ``config.yaml``: what a training wrote beside its weights, as far as inference needs it.

Keys and defaults are those of ``detectron2/config/defaults.py``; only a whitelist of them is read, by
PyYAML's safe loader, which makes plain values alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from maskrcnn_core.errors import InputError
from maskrcnn_core.networks.configs import ResNetFpnConfig, cell_anchors

__all__ = ["Detectron2Config", "read_detectron2_config"]

_MAX_BYTES = 1 << 18
"""The configs that Detectron2 writes have some 8 kB."""

_FIXED: tuple[tuple[str, tuple[object, ...], str], ...] = (
    ("MODEL.META_ARCHITECTURE", ("GeneralizedRCNN",), "another kind of network"),
    ("MODEL.BACKBONE.NAME", ("build_resnet_fpn_backbone",), "a backbone that is no ResNet with a pyramid"),
    ("MODEL.ROI_HEADS.NAME", ("StandardROIHeads",), "other heads"),
    ("MODEL.ROI_BOX_HEAD.POOLER_TYPE", ("ROIAlignV2",), "another pooling"),
    ("MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO", (0,), "another number of samples in a bin"),
    ("MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION", (7,), "another size of crops"),
    ("MODEL.ROI_MASK_HEAD.POOLER_TYPE", ("ROIAlignV2",), "another pooling"),
    ("MODEL.ROI_MASK_HEAD.POOLER_SAMPLING_RATIO", (0,), "another number of samples in a bin"),
    ("MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION", (14,), "another size of crops"),
    ("MODEL.FPN.FUSE_TYPE", ("sum",), "another way of joining the pyramid's levels"),
    ("MODEL.RESNETS.RES5_DILATION", (1,), "dilated convolutions"),
    ("MODEL.ANCHOR_GENERATOR.NAME", ("DefaultAnchorGenerator",), "other anchors"),
    ("MODEL.ANCHOR_GENERATOR.OFFSET", (0.0,), "anchors with an offset"),
    ("MODEL.RPN.BBOX_REG_WEIGHTS", ([1.0, 1.0, 1.0, 1.0], (1.0, 1.0, 1.0, 1.0)), "other weights of deltas"),
    ("MODEL.MASK_ON", (True,), "a network without masks"),
    ("MODEL.KEYPOINT_ON", (False,), "a Keypoint R-CNN"),
)


@dataclass(frozen=True)
class Detectron2Config:
    """What a config says.

    Args:
        fields: of :class:`ResNetFpnConfig`, those that it names.
        limits: score_threshold, nms_threshold and max_detections, those that it names.
        is_bgr: whether the network takes images in BGR.
        norm: of the ResNet, as ``FrozenBN`` or ``GN``.
    """

    fields: Mapping[str, Any]
    limits: Mapping[str, Any]
    is_bgr: bool
    norm: str

    def applied(self, made: ResNetFpnConfig) -> ResNetFpnConfig:
        """Return a description with what the config says."""
        return replace(made, **self.fields)


def read_detectron2_config(file: Path, *, boxes_only: bool = False) -> Detectron2Config:
    """Read a ``config.yaml``; for its boxes only, a network may have no masks.

    Raises:
        InputError: if it is none, or describes a network that is not supported: naming the key, what was
            expected, and what it says.
    """
    values = _flat(_loaded(file), file.name)
    for key, allowed, what in _FIXED:
        if boxes_only and key == "MODEL.MASK_ON":
            continue
        if key in values and values[key] not in allowed:
            raise InputError(f"{file.name}: {key}: expected {allowed[0]}, got {values[key]!r}: {what}")
    image_format = values.get("INPUT.FORMAT", "BGR")
    if image_format not in ("BGR", "RGB"):
        raise InputError(f"{file.name}: INPUT.FORMAT: expected BGR or RGB, got {image_format!r}")
    is_bgr = image_format == "BGR"
    try:
        norm = str(values.get("MODEL.RESNETS.NORM", "FrozenBN"))
        return Detectron2Config(_fields(values, is_bgr=is_bgr), _limits(values), is_bgr, norm)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{file.name}: expected Detectron2's values, got others ({error})") from error


def _loaded(file: Path) -> object:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise InputError(f"{file.name}: expected a config of at most {_MAX_BYTES:,} bytes, got more")
        text = file.read_text(encoding="utf-8-sig")
        if any(sign in text for sign in ("&", "*")) and any(
            isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)
        ):
            raise InputError(f"{file.name}: expected plain YAML, got aliases, which can grow without end")
        return yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{file.name}: cannot be read ({error.strerror or error})") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        line = str(error).replace("\n", " ")[:200]
        raise InputError(
            f"{file.name}: expected the plain YAML that Detectron2 writes as config.yaml, got {line}"
        ) from error


def _flat(value: object, where: str) -> dict[str, Any]:
    """Return ``MODEL.RPN.NMS_THRESH``-like keys."""
    if not isinstance(value, Mapping) or not isinstance(value.get("MODEL"), Mapping):
        raise InputError(f"{where}: expected a Detectron2 config with a MODEL section, got another file")
    flat: dict[str, Any] = {}
    waiting: list[tuple[str, Mapping[object, object]]] = [("", value)]
    while waiting:
        prefix, section = waiting.pop()
        for key, item in section.items():
            name = f"{prefix}{key}"
            if isinstance(item, Mapping):
                waiting.append((f"{name}.", item))
            else:
                flat[name] = item
    return flat


def _fields(values: Mapping[str, Any], *, is_bgr: bool) -> dict[str, Any]:
    simple = {
        "strides_1x1": ("MODEL.RESNETS.STRIDE_IN_1X1", bool),
        "min_size": ("INPUT.MIN_SIZE_TEST", int),
        "max_size": ("INPUT.MAX_SIZE_TEST", int),
        "proposals_per_level": ("MODEL.RPN.PRE_NMS_TOPK_TEST", int),
        "proposals": ("MODEL.RPN.POST_NMS_TOPK_TEST", int),
        "proposal_nms": ("MODEL.RPN.NMS_THRESH", float),
    }
    found: dict[str, Any] = {
        field: kind(values[key]) for field, (key, kind) in simple.items() if key in values
    }
    for field, key in (("mean", "MODEL.PIXEL_MEAN"), ("std", "MODEL.PIXEL_STD")):
        if key in values:
            numbers = [float(v) for v in values[key]]
            found[field] = tuple(numbers[::-1] if is_bgr else numbers)
    if "MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS" in values:
        found["box_weights"] = tuple(float(v) for v in values["MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS"])
    sizes = values.get("MODEL.ANCHOR_GENERATOR.SIZES")
    ratios = values.get("MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS")
    if sizes is not None or ratios is not None:
        found["anchors"] = _anchors(sizes, ratios)
    return found


def _anchors(sizes: Any, ratios: Any) -> tuple[Any, ...]:
    """Return each level's anchors: size by size, and ratio by ratio within, as Detectron2 makes them."""
    of_sizes = sizes if sizes is not None else [[32], [64], [128], [256], [512]]
    of_ratios = ratios if ratios is not None else [[0.5, 1.0, 2.0]]
    of_sizes = of_sizes * 5 if len(of_sizes) == 1 else of_sizes
    of_ratios = of_ratios * 5 if len(of_ratios) == 1 else of_ratios
    if len(of_sizes) != 5 or len(of_ratios) != 5:
        raise ValueError(f"anchors of 5 levels, not {len(of_sizes)} of sizes and {len(of_ratios)} of ratios")
    levels = []
    for level_sizes, level_ratios in zip(of_sizes, of_ratios, strict=True):
        per_size = [
            cell_anchors((float(size),), tuple(float(r) for r in level_ratios))[0] for size in level_sizes
        ]
        levels.append(tuple(anchor for cell in per_size for anchor in cell))
    return tuple(levels)


def _limits(values: Mapping[str, Any]) -> dict[str, Any]:
    named = {
        "nms_threshold": ("MODEL.ROI_HEADS.NMS_THRESH_TEST", float),
        "max_detections": ("TEST.DETECTIONS_PER_IMAGE", int),
    }
    return {field: kind(values[key]) for field, (key, kind) in named.items() if key in values}
