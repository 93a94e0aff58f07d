"""The networks that can be built from a description: what a model card keeps, and training begins with.

``FAMILIES`` is the table. To add one, write its configuration, a builder and one row. A builder makes the
network without values, on the "meta" device; only the slim one can also begin from random values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor

from maskrcnn_core import maskrcnn2go, slim
from maskrcnn_core.checkpoints import Version, build_resnet50_fpn
from maskrcnn_core.errors import WeightsError
from maskrcnn_core.slim import SlimConfig, build_slim

__all__ = [
    "FAMILIES",
    "Architecture",
    "Family",
    "MobileConfig",
    "ResNet50Config",
    "architecture_as_json",
    "architecture_from_json",
    "family_of",
    "replace_heads",
]


@dataclass(frozen=True)
class ResNet50Config:
    """torchvision's Mask R-CNN ResNet-50-FPN.

    Args:
        version: ``v1`` or ``v2``.
        norm_eps: of version 1's frozen batch norm.
        mask_hidden: channels between the two layers of the mask predictor.
    """

    version: Version = "v2"
    norm_eps: float = 1e-5
    mask_hidden: int = 256

    def __post_init__(self) -> None:
        if (
            self.version not in ("v1", "v2")
            or not 0 <= self.norm_eps < 1
            or not 1 <= self.mask_hidden <= 4096
        ):
            raise ValueError(f"wanted version v1 or v2, an epsilon and channels, found {self}")


@dataclass(frozen=True)
class MobileConfig:
    """MaskRCNN2Go.

    Args:
        anchors: x1 y1 x2 y2 in pixels around the first cell.
    """

    anchors: tuple[tuple[float, float, float, float], ...]

    def __post_init__(self) -> None:
        if len(self.anchors) != 15 or any(len(anchor) != 4 for anchor in self.anchors):
            raise ValueError("anchors: wanted 15 of four numbers")


Architecture = SlimConfig | ResNet50Config | MobileConfig


@dataclass(frozen=True)
class Family:
    """One row of the table of architectures.

    Args:
        key: as a model card names it.
        config: type of its description.
        backbone: in words.
        mask_size: side M of the square of mask probabilities.
        build: makes a network without values from a description and the classes with the background.
    """

    key: str
    config: type
    backbone: str
    mask_size: int
    build: Callable[[Any, int], MaskRCNN]


def _slim(config: SlimConfig, num_classes: int) -> MaskRCNN:
    with torch.device("meta"):
        return build_slim(config, num_classes)


def _resnet50(config: ResNet50Config, num_classes: int) -> MaskRCNN:
    return build_resnet50_fpn(
        config.version, num_classes, norm_eps=config.norm_eps, mask_hidden=config.mask_hidden
    )


def _mobile(config: MobileConfig, num_classes: int) -> MaskRCNN:
    return maskrcnn2go.build_maskrcnn2go(config.anchors, num_classes)


FAMILIES: tuple[Family, ...] = (
    Family("slim", SlimConfig, "narrow ResNet-18 with a feature pyramid", slim.MASK_SIZE, _slim),
    Family("resnet50-fpn", ResNet50Config, "ResNet-50 with a feature pyramid", 28, _resnet50),
    Family(
        "maskrcnn2go",
        MobileConfig,
        "inverted residual blocks as in MobileNetV2, one feature map of stride 16",
        maskrcnn2go.MASK_SIZE,
        _mobile,
    ),
)


def family_of(architecture: Architecture) -> Family:
    """The table's row of an architecture."""
    return next(family for family in FAMILIES if isinstance(architecture, family.config))


def architecture_as_json(architecture: Architecture) -> dict[str, Any]:
    """The description as JSON values."""
    return {"family": family_of(architecture).key, **asdict(architecture)}


def architecture_from_json(value: object) -> Architecture:
    """Reads a description, distrusting it.

    Raises:
        WeightsError: if it is of no known family, or a field is missing, unknown or out of range.
    """
    if not isinstance(value, Mapping):
        raise WeightsError(f"architecture: wanted an object, found {type(value).__name__}")
    family = next((f for f in FAMILIES if f.key == value.get("family")), None)
    if family is None:
        known = ", ".join(f.key for f in FAMILIES)
        raise WeightsError(f"architecture: wanted a family of {known}, found {value.get('family')!r}")
    given = {name: _as_tuples(v) for name, v in value.items() if name != "family"}
    wanted = {field.name for field in fields(family.config)}
    if given.keys() != wanted:
        raise WeightsError(
            f"architecture: {family.key} has the fields {', '.join(sorted(wanted))}, "
            f"found {', '.join(sorted(map(str, given))) or 'none'}"
        )
    try:
        made: Architecture = family.config(**given)
    except Exception as error:  # whatever a field of the wrong type leads to
        raise WeightsError(f"architecture: {error}") from error
    return made


def _as_tuples(value: object) -> object:
    return tuple(_as_tuples(v) for v in value) if isinstance(value, list) else value


# --- other categories -------------------------------------------------------------------------------


def replace_heads(network: MaskRCNN, sources: list[int | None]) -> None:
    """Gives a network other classes: what it knew of a class is kept, the rest is random.

    Args:
        network: changed in place; its last layers of the box and mask head are new.
        sources: for each new class (the background first) the old class that it is, or None.
    """
    heads = network.roi_heads
    count = len(sources)
    box, mask = heads.box_predictor, heads.mask_predictor
    if isinstance(box, FastRCNNPredictor):
        new_box = FastRCNNPredictor(box.cls_score.in_features, count)
        pairs = [(box.cls_score, new_box.cls_score, 1), (box.bbox_pred, new_box.bbox_pred, 4)]
        hidden = mask.conv5_mask
        new_mask = MaskRCNNPredictor(hidden.in_channels, hidden.out_channels, count)
        new_mask.conv5_mask.load_state_dict(hidden.state_dict())
        pairs.append((mask.mask_fcn_logits, new_mask.mask_fcn_logits, 1))
        heads.box_predictor, heads.mask_predictor = new_box, new_mask
    else:  # MaskRCNN2Go: each layer with its clamp, and a trained upsampling from classes to classes
        pairs = []
        for name, rows in (("cls_score", 1), ("bbox_pred", 4)):
            old = getattr(box, name)[0]
            new = nn.Linear(old.in_features, rows * count)
            nn.init.normal_(new.weight, std=0.01)
            nn.init.zeros_(new.bias)
            pairs.append((old, new, rows))
            getattr(box, name)[0] = new
        logits = nn.Conv2d(mask[1][0].in_channels, count, 1)
        nn.init.kaiming_normal_(logits.weight)
        pairs.append((mask[1][0], logits, 1))
        enlarge = _bilinear(count)
        _copy_pairs_of_classes(mask[2][0], enlarge, sources)
        mask[1][0], mask[2][0] = logits, enlarge
    for old, new, rows in pairs:
        _copy_classes(old, new, rows, sources)


@torch.no_grad()
def _copy_classes(old: nn.Module, new: nn.Module, rows: int, sources: list[int | None]) -> None:
    """Copies ``rows`` outputs a class."""
    for name in ("weight", "bias"):
        before: Tensor = getattr(old, name)
        after: Tensor = getattr(new, name)
        for at, source in enumerate(sources):
            if source is not None:
                after[at * rows : (at + 1) * rows] = before[source * rows : (source + 1) * rows]


@torch.no_grad()
def _copy_pairs_of_classes(
    old: nn.ConvTranspose2d, new: nn.ConvTranspose2d, sources: list[int | None]
) -> None:
    for at, source in enumerate(sources):
        for other, other_source in enumerate(sources):
            if source is not None and other_source is not None:
                new.weight[at, other] = old.weight[source, other_source]
        if source is not None and old.bias is not None and new.bias is not None:
            new.bias[at] = old.bias[source]


@torch.no_grad()
def _bilinear(channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution that doubles each channel's size by bilinear interpolation."""
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
    layer.weight.zero_()
    for channel in range(channels):
        layer.weight[channel, channel] = ramp[:, None] * ramp
    if layer.bias is not None:
        layer.bias.zero_()
    return layer
