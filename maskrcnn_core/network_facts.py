"""What networks are described by: plain data, so that menus and model cards are read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from maskrcnn_core.bounds import MAX_FEATURE_BYTES, MAX_INPUT_PIXELS
from maskrcnn_core.errors import InputError

__all__ = [
    "LITE_MASK_SIZE",
    "LITE_ROIS",
    "MOBILE_MASK_SIZE",
    "MOBILE_ROIS",
    "MOBILE_WEIGHTS_BYTES",
    "MOBILE_WEIGHTS_SHA256",
    "SLIM_MASK_SIZE",
    "LiteConfig",
    "MobileConfig",
    "ResNet50Config",
    "SlimConfig",
    "Version",
]

Version = Literal["v1", "v2"]

SLIM_MASK_SIZE = 28

LITE_MASK_SIZE = 28

LITE_ROIS = 64
"""Regions of an image that a lite network's heads learn from in a step."""

MOBILE_MASK_SIZE = 24
"""Side of the square of mask probabilities; torchvision's models have 28."""

MOBILE_ROIS = 64
"""Regions of an image that its heads learn from in a step: torchvision's 512 take twice as long."""

MOBILE_WEIGHTS_SHA256 = "535faf6ba4f724f7b1b9b6ddd35b7c77048b7c44d7027fa1bb4941e5388fbc79"
MOBILE_WEIGHTS_BYTES = 3_802_460


@dataclass(frozen=True)
class SlimConfig:
    """What a slim network is built from; a model card keeps it.

    Args:
        widths: channels of the four stages, with strides 4, 8, 16 and 32.
        blocks: residual blocks in each stage.
        pyramid: channels of the feature pyramid and of the mask head.
        box_hidden: channels between pooled features and the box predictor.
        min_size: images are scaled so that their shorter side has so many pixels,
        max_size: unless the longer one would have more than this.
        anchor_sizes: side of a square of the anchor's area in pixels, one for each of the five levels.

    Raises:
        InputError: naming a field that is not a positive whole number, or has the wrong length.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 224)
    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    pyramid: int = 64
    box_hidden: int = 256
    min_size: int = 640
    max_size: int = 1280
    anchor_sizes: tuple[int, int, int, int, int] = (16, 32, 64, 128, 256)

    def __post_init__(self) -> None:
        for name, wanted, most in (("widths", 4, 1024), ("blocks", 4, 32), ("anchor_sizes", 5, 4096)):
            values = getattr(self, name)
            if len(values) != wanted or not all(type(v) is int and 1 <= v <= most for v in values):
                raise InputError(f"slim network, {name}: wanted {wanted} whole numbers, found {values!r}")
        for name in ("pyramid", "box_hidden", "min_size", "max_size"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= 8192:
                raise InputError(f"slim network, {name}: wanted a whole number above 0, found {value!r}")
        _check_cost("slim", self.min_size, self.max_size, (*self.widths, self.pyramid))


@dataclass(frozen=True)
class LiteConfig:
    """What a network on EfficientNet-Lite0 is built from; a model card keeps it.

    Args:
        pyramid: channels of the feature pyramid and of the mask head; a multiple of 8, for its group norm.
        box_hidden: values of a region between the two layers of the box head.
        min_size: images are scaled so that their shorter side has so many pixels,
        max_size: unless the longer one would have more than this.

    Raises:
        InputError: naming a field that is out of range.
    """

    pyramid: int = 112
    box_hidden: int = 512
    min_size: int = 384
    max_size: int = 691

    def __post_init__(self) -> None:
        for name in ("pyramid", "box_hidden", "min_size", "max_size"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= 8192:
                raise InputError(
                    f"lite network, {name}: expected a whole number from 1 to 8192, got {value!r}"
                )
        if self.pyramid % 8:
            raise InputError(f"lite network, pyramid: expected a multiple of 8, got {self.pyramid}")
        _check_cost("lite", self.min_size, self.max_size, (self.pyramid,))


def _check_cost(name: str, min_size: int, max_size: int, channels: tuple[int, ...]) -> None:
    """Refuses a network that takes gigabytes for an image of whatever size.

    Args:
        name: of the network.
        min_size, max_size: of its input.
        channels: of feature maps of strides 4, 8 and so on; those of the last one may be of stride 4, too.
    """
    pixels = min(min_size, max_size) * max_size
    if pixels > MAX_INPUT_PIXELS:
        raise InputError(
            f"{name} network, min_size and max_size: expected inputs of at most {MAX_INPUT_PIXELS / 1e6:.1f} "
            f"megapixels, got {min_size} x {max_size}"
        )
    maps = [pixels / 16 / 4**level * count * 4 for level, count in enumerate(channels[:-1])]
    if max(*maps, pixels / 16 * channels[-1] * 4, 0) > MAX_FEATURE_BYTES:
        raise InputError(
            f"{name} network: expected feature maps of at most {MAX_FEATURE_BYTES >> 20} MiB, got more: "
            f"{', '.join(map(str, channels))} channels for inputs of {min_size} x {max_size}"
        )


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
        sides = [side for anchor in self.anchors for side in anchor]
        if not all(type(side) in (int, float) and -1e4 < side < 1e4 for side in sides):
            raise ValueError("anchors: expected numbers from -10,000 to 10,000, found others")
