"""What a person gives beside a checkpoint, because the weights do not say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from maskrcnn_core.errors import InputError

__all__ = ["MatterportPreset", "MmdetectionStyle", "Sidecar", "preset_named", "style_named"]

MmdetectionStyle = Literal["pytorch", "caffe"]
"""Whether a backbone began from PyTorch's weights (RGB) or Caffe's (BGR, strides in 1 x 1 convolutions)."""


MatterportPreset = Literal["coco", "balloon", "nucleus", "shapes"]
"""The samples of Matterport's repository."""


def preset_named(name: str) -> MatterportPreset:
    """Return a preset by its name.

    Raises:
        InputError: if it is none.
    """
    if name in get_args(MatterportPreset):
        return cast(MatterportPreset, name)
    raise InputError(f"preset: expected {', '.join(get_args(MatterportPreset))}, got {name!r}")


def style_named(name: str) -> MmdetectionStyle:
    """Return a style by its name.

    Raises:
        InputError: if it is none.
    """
    if name in get_args(MmdetectionStyle):
        return cast(MmdetectionStyle, name)
    raise InputError(f"style: expected pytorch or caffe, got {name!r}")


@dataclass(frozen=True)
class Sidecar:
    """All of it is optional.

    Args:
        config: the training's: Detectron2's ``config.yaml``, mmdetection's ``.py``, or what Matterport's
            ``config.display()`` printed.
        style: of an mmdetection backbone, where neither file nor config says it.
        preset: which of Matterport's samples a model was trained as; what a config says goes before it.
        norm_eps: epsilon of torchvision's version 1's frozen batch norm.
        boxes_only: open a Faster R-CNN, which has no mask head, with each box as its mask.
    """

    config: Path | None = None
    style: MmdetectionStyle | None = None
    preset: MatterportPreset | None = None
    norm_eps: float | None = None
    boxes_only: bool = False
