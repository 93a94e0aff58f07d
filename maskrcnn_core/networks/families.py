"""The networks that can be built from a description: what a model card keeps, and training begins with.

``FAMILIES`` is the table. To add one, write its configuration, a builder and one row. A builder makes the
network without values, on the "meta" device; only the slim and the lite one can also begin from random
values. It imports torch when it is called: the table itself is read by every menu.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from maskrcnn_core.common.one_line import shortened
from maskrcnn_core.errors import WeightsError
from maskrcnn_core.networks.configs import (
    LITE_MASK_SIZE,
    LITE_ROIS,
    MOBILE_MASK_SIZE,
    MOBILE_ROIS,
    SLIM_MASK_SIZE,
    LiteConfig,
    MatterportConfig,
    MobileConfig,
    ResNet50Config,
    ResNetFpnConfig,
    SlimConfig,
)

if TYPE_CHECKING:
    from torchvision.models.detection import MaskRCNN

__all__ = [
    "FAMILIES",
    "Architecture",
    "Family",
    "LiteConfig",
    "MobileConfig",
    "ResNet50Config",
    "architecture_as_json",
    "architecture_from_json",
    "backbone_of",
    "family_of",
]


_TOLD = 300
"""Characters of what is said of a description: it may hold anything, of any length."""

Architecture = SlimConfig | LiteConfig | ResNet50Config | ResNetFpnConfig | MatterportConfig | MobileConfig


@dataclass(frozen=True)
class Family:
    """One row of the table of architectures.

    Args:
        key: as a model card names it.
        config: type of its description.
        backbone: in words.
        mask_size: side M of the square of mask probabilities.
        rois_per_image: from which its heads learn in a step, unless its card or a person says.
        build: makes a network without values from a description and the classes with the background.
    """

    key: str
    config: type
    backbone: str
    mask_size: int
    rois_per_image: int
    build: Callable[[Any, int], MaskRCNN]


def _slim(config: SlimConfig, num_classes: int) -> MaskRCNN:
    import torch

    from maskrcnn_core.networks.slim import build_slim

    with torch.device("meta"):
        return build_slim(config, num_classes)


def _lite(config: LiteConfig, num_classes: int) -> MaskRCNN:
    import torch

    from maskrcnn_core.networks.lite import build_lite

    with torch.device("meta"):
        return build_lite(config, num_classes)


def _resnet50(config: ResNet50Config, num_classes: int) -> MaskRCNN:
    from maskrcnn_core.networks.resnet50_fpn import build_resnet50_fpn

    return build_resnet50_fpn(
        config.version, num_classes, norm_eps=config.norm_eps, mask_hidden=config.mask_hidden
    )


def _matterport(config: MatterportConfig, num_classes: int) -> MaskRCNN:
    from maskrcnn_core.networks.matterport import build_matterport

    return build_matterport(config, num_classes)


def _resnet(config: ResNetFpnConfig, num_classes: int) -> MaskRCNN:
    from maskrcnn_core.networks.resnet_fpn import build_resnet_fpn

    return build_resnet_fpn(config, num_classes)


def _mobile(config: MobileConfig, num_classes: int) -> MaskRCNN:
    from maskrcnn_core.networks.maskrcnn2go.network import build_maskrcnn2go

    return build_maskrcnn2go(config.anchors, num_classes)


FAMILIES: tuple[Family, ...] = (
    Family("slim", SlimConfig, "narrow ResNet-18 with a feature pyramid", SLIM_MASK_SIZE, 128, _slim),
    Family(
        "lite0",
        LiteConfig,
        "EfficientNet-Lite0 with a feature pyramid, one box and one mask for all categories",
        LITE_MASK_SIZE,
        LITE_ROIS,
        _lite,
    ),
    Family("resnet50-fpn", ResNet50Config, "ResNet-50 with a feature pyramid", 28, 512, _resnet50),
    Family("resnet-fpn", ResNetFpnConfig, "ResNet with a feature pyramid", 28, 512, _resnet),
    Family(
        "matterport", MatterportConfig, "Matterport's ResNet with a feature pyramid", 28, 200, _matterport
    ),
    Family(
        "maskrcnn2go",
        MobileConfig,
        "inverted residual blocks as in MobileNetV2, one feature map of stride 16",
        MOBILE_MASK_SIZE,
        MOBILE_ROIS,
        _mobile,
    ),
)


_DEPTHS = {(2, 2, 2, 2): 18, (3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}


def backbone_of(architecture: Architecture) -> str:
    """Return what computes the features, in words."""
    backbone = family_of(architecture).backbone
    if not isinstance(architecture, ResNetFpnConfig | MatterportConfig):
        return backbone
    depth = _DEPTHS.get(architecture.blocks)
    if depth is None:
        return backbone
    if isinstance(architecture, MatterportConfig):
        return backbone.replace("ResNet", f"ResNet-{depth}")
    if architecture.is_basic:
        depth = 34 if depth == 50 else depth
    if architecture.groups > 1:
        shape = f"{architecture.groups}x{architecture.width_per_group}d"
        return backbone.replace("ResNet", f"ResNeXt-{depth}-{shape}")
    wide = "wide " if architecture.width_per_group > 64 else ""
    return backbone.replace("ResNet", f"{wide}ResNet-{depth}")


def family_of(architecture: Architecture) -> Family:
    """Return the table's row of an architecture."""
    return next(family for family in FAMILIES if isinstance(architecture, family.config))


def architecture_as_json(architecture: Architecture) -> dict[str, Any]:
    """Return the description as JSON values."""
    return {"family": family_of(architecture).key, **asdict(architecture)}


def architecture_from_json(value: object) -> Architecture:
    """Read a description, distrusting it.

    Raises:
        WeightsError: if it is of no known family, or a field is missing, unknown or out of range.
    """
    if not isinstance(value, Mapping):
        raise WeightsError(f"architecture: expected an object, got {type(value).__name__}")
    family = next((f for f in FAMILIES if f.key == value.get("family")), None)
    if family is None:
        known = ", ".join(f.key for f in FAMILIES)
        raise _refusal(f"expected a family of {known}, got {value.get('family')!r}")
    given = {name: _as_tuples(v) for name, v in value.items() if name != "family"}
    wanted = {field.name for field in fields(family.config)}
    if given.keys() != wanted:
        raise _refusal(
            f"{family.key} has the fields {', '.join(sorted(wanted))}, "
            f"got {', '.join(sorted(map(str, given))) or 'none'}"
        )
    try:
        made: Architecture = family.config(**given)
    except Exception as error:  # whatever a field of the wrong type leads to
        raise _refusal(str(error)) from error
    return made


def _refusal(text: str) -> WeightsError:
    return WeightsError(f"architecture: {shortened(text, _TOLD)}")


def _as_tuples(value: object) -> object:
    return tuple(_as_tuples(v) for v in value) if isinstance(value, list) else value
