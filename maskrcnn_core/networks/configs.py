"""What networks are described by: plain data, so that menus and model cards are read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from maskrcnn_core.common.bounds import MAX_FEATURE_BYTES, MAX_INPUT_PIXELS
from maskrcnn_core.errors import InputError

__all__ = [
    "LITE_MASK_SIZE",
    "LITE_ROIS",
    "MATTERPORT_STEP",
    "MOBILE_MASK_SIZE",
    "MOBILE_ROIS",
    "MOBILE_WEIGHTS_BYTES",
    "MOBILE_WEIGHTS_SHA256",
    "SLIM_MASK_SIZE",
    "Cell",
    "Laws",
    "LiteConfig",
    "MatterportConfig",
    "MobileConfig",
    "ResNet50Config",
    "ResNetFpnConfig",
    "SlimConfig",
    "Version",
    "cell_anchors",
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
        min_size: images are scaled so that their shorter side has this many pixels,
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
                raise InputError(f"slim network, {name}: expected {wanted} whole numbers, got {values!r}")
        for name in ("pyramid", "box_hidden", "min_size", "max_size"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= 8192:
                raise InputError(f"slim network, {name}: expected a whole number above 0, got {value!r}")
        _check_cost("slim", self.min_size, self.max_size, (*self.widths, self.pyramid))


@dataclass(frozen=True)
class LiteConfig:
    """What a network on EfficientNet-Lite0 is built from; a model card keeps it.

    Args:
        pyramid: channels of the feature pyramid and of the mask head; a multiple of 8, for its group norm.
        box_hidden: values of a region between the two layers of the box head.
        min_size: images are scaled so that their shorter side has this many pixels,
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


def _check_cost(
    name: str,
    min_size: int,
    max_size: int,
    channels: tuple[int, ...],
    most: int = MAX_FEATURE_BYTES,
) -> None:
    """Refuse a network that takes gigabytes for an image of whatever size.

    Args:
        name: of the network.
        min_size, max_size: of its input.
        channels: of feature maps of strides 4, 8 and so on; those of the last one may be of stride 4, too.
        most: bytes of one feature map.
    """
    pixels = min(min_size, max_size) * max_size
    if pixels > MAX_INPUT_PIXELS:
        raise InputError(
            f"{name} network, min_size and max_size: expected inputs of at most {MAX_INPUT_PIXELS / 1e6:.1f} "
            f"megapixels, got {min_size} x {max_size}"
        )
    maps = [pixels / 16 / 4**level * count * 4 for level, count in enumerate(channels[:-1])]
    if max(*maps, pixels / 16 * channels[-1] * 4, 0) > most:
        raise InputError(
            f"{name} network: expected feature maps of at most {most >> 20} MiB, got more: "
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
            raise ValueError(f"expected version v1 or v2, an epsilon and channels, got {self}")


@dataclass(frozen=True)
class MobileConfig:
    """MaskRCNN2Go.

    Args:
        anchors: x1 y1 x2 y2 in pixels around the first cell.
    """

    anchors: tuple[tuple[float, float, float, float], ...]

    def __post_init__(self) -> None:
        if len(self.anchors) != 15 or any(len(anchor) != 4 for anchor in self.anchors):
            raise ValueError("anchors: expected 15 of four numbers")
        sides = [side for anchor in self.anchors for side in anchor]
        if not all(type(side) in (int, float) and -1e4 < side < 1e4 for side in sides):
            raise ValueError("anchors: expected numbers from -10,000 to 10,000, got others")


Laws = Literal["torchvision", "detectron2", "mmdetection", "matterport"]
"""By whose laws a ResNet with a feature pyramid sees images, places anchors and reads regions."""

_COCO_ANCHOR_SIZES = (32, 64, 128, 256, 512)
_RATIOS = (0.5, 1.0, 2.0)

Cell = tuple[tuple[float, float, float, float], ...]
"""Anchors x1 y1 x2 y2 around a cell's corner, in pixels."""


def cell_anchors(
    sizes: tuple[float, ...] = _COCO_ANCHOR_SIZES, ratios: tuple[float, ...] = _RATIOS
) -> tuple[Cell, ...]:
    """Return the anchors of each level, one size a level and all ratios (height by width) of it."""
    levels = []
    for size in sizes:
        sides = [((size * size / ratio) ** 0.5, ratio * (size * size / ratio) ** 0.5) for ratio in ratios]
        levels.append(tuple((-w / 2, -h / 2, w / 2, h / 2) for w, h in sides))
    return tuple(levels)


@dataclass(frozen=True)
class ResNetFpnConfig:
    """A Mask R-CNN on a ResNet or ResNeXt with a feature pyramid, as torchvision and others build it.

    Args:
        laws: whose: they decide on resizing, anchors, RoIAlign, boxes and the paste.
        blocks: residual blocks in each of four stages: 3, 4, 6, 3 is a ResNet-50.
        is_basic: blocks of two 3 x 3 convolutions (ResNet-18 and 34) in place of bottlenecks.
        groups, width_per_group: of a bottleneck's 3 x 3 convolution: 32 and 8 are an X-101-32x8d.
        strides_1x1: a stage's first bottleneck strides in its 1 x 1 convolution, not in its 3 x 3.
        norm_eps: of the backbone's batch norm.
        heads: ``v1``, or ``v2`` with norms in pyramid and heads, two convolutions in the RPN head and four in
            the box head, as torchvision's version 2 and Detectron2's new baselines have.
        pyramid: channels of the feature pyramid, the RPN head and the mask head.
        box_hidden: values of a region between the layers of the box head.
        mask_hidden: channels between the two layers of the mask predictor.
        mean, std: of R, G and B in 0..255.
        min_size: the shorter side of the input gets this many pixels,
        max_size: unless the longer one would have more than this.
        anchors: of each of the five levels.
        proposals_per_level: the most that a level may send on, by objectness.
        proposals: the most that go on as regions of interest.
        proposal_nms: IoU above which the weaker of two of one level goes.
        box_weights: by which the box head's regression is divided.

    Raises:
        InputError: naming a field that is out of range.
    """

    laws: Laws = "torchvision"
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    is_basic: bool = False
    groups: int = 1
    width_per_group: int = 64
    strides_1x1: bool = False
    norm_eps: float = 1e-5
    heads: Version = "v1"
    pyramid: int = 256
    box_hidden: int = 1024
    mask_hidden: int = 256
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    min_size: int = 800
    max_size: int = 1333
    anchors: tuple[Cell, ...] = cell_anchors()
    proposals_per_level: int = 1000
    proposals: int = 1000
    proposal_nms: float = 0.7
    box_weights: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)

    def __post_init__(self) -> None:
        self._check_choices()
        whole = {
            "blocks": (self.blocks, 4, 64),
            "groups": ((self.groups,), 1, 1024),
            "width_per_group": ((self.width_per_group,), 1, 1024),
            "pyramid": ((self.pyramid,), 1, 4096),
            "box_hidden": ((self.box_hidden,), 1, 16_384),
            "mask_hidden": ((self.mask_hidden,), 1, 4096),
            "min_size": ((self.min_size,), 1, 8192),
            "max_size": ((self.max_size,), 1, 8192),
            "proposals_per_level": ((self.proposals_per_level,), 1, 100_000),
            "proposals": ((self.proposals,), 1, 100_000),
        }
        for name, (values, count, most) in whole.items():
            if len(values) != count or not all(type(v) is int and 1 <= v <= most for v in values):
                raise self._refusal(name, f"{count} whole numbers from 1 to {most}", getattr(self, name))
        for name, count, least, most_ in (
            ("mean", 3, -1e4, 1e4),
            ("std", 3, 1e-6, 1e4),
            ("box_weights", 4, 1e-3, 1e4),
        ):
            numbers = getattr(self, name)
            if len(numbers) != count or not all(
                type(v) in (int, float) and least <= v <= most_ for v in numbers
            ):
                raise self._refusal(name, f"{count} numbers from {least:g} to {most_:g}", numbers)
        if len(self.anchors) != 5 or not all(_are_anchors(level) for level in self.anchors):
            raise self._refusal("anchors", "1 to 64 boxes x1 y1 x2 y2 for each of 5 levels", "others")
        # The published ones have 65 MiB in their finest map.
        _check_cost("ResNet-FPN", self.min_size, self.max_size, (self.pyramid,), 4 * MAX_FEATURE_BYTES)

    def _check_choices(self) -> None:
        if self.laws not in ("torchvision", "detectron2", "mmdetection"):
            raise self._refusal("laws", "torchvision, detectron2 or mmdetection", self.laws)
        if self.heads not in ("v1", "v2"):
            raise self._refusal("heads", "v1 or v2", self.heads)
        for name in ("is_basic", "strides_1x1"):
            if type(getattr(self, name)) is not bool:
                raise self._refusal(name, "true or false", getattr(self, name))
        for name, below in (("norm_eps", 1.0), ("proposal_nms", 1.0)):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 <= value <= below:
                raise self._refusal(name, "a number from 0 to 1", value)

    @staticmethod
    def _refusal(name: str, expected: str, value: object) -> InputError:
        return InputError(f"ResNet-FPN network, {name}: expected {expected}, got {value!r}")


def _are_anchors(level: object) -> bool:
    return (
        isinstance(level, tuple)
        and 1 <= len(level) <= 64
        and all(
            isinstance(box, tuple)
            and len(box) == 4
            and all(type(v) in (int, float) and -1e4 < v < 1e4 for v in box)
            and box[2] > box[0]
            and box[3] > box[1]
            for box in level
        )
    )


MATTERPORT_STEP = 64
"""Inputs of Matterport's networks have sides of multiples of this, the stride of their last level."""

_MATTERPORT_SIDE = 2048
"""The largest IMAGE_MAX_DIM: four times the pixels of the 1024 that COCO's weights were trained with."""


@dataclass(frozen=True)
class MatterportConfig:
    """Matterport's Mask R-CNN on a ResNet with a feature pyramid.

    It is no :class:`ResNetFpnConfig`: the two have nothing in common but channels, as no law of resizing,
    padding, proposing or reading regions is the same. Names in brackets are those of its own ``Config``.

    Args:
        blocks: residual blocks in each of four stages: 3, 4, 6, 3 is a ResNet-50, 3, 4, 23, 3 a ResNet-101.
        pyramid: channels of the feature pyramid and of the mask head.
        rpn_hidden: channels of the RPN head.
        box_hidden: values of a region between the layers of the box head.
        mask_hidden: channels between the two layers of the mask predictor.
        mean: of R, G and B in 0..255 [MEAN_PIXEL].
        resize: ``square`` scales to fit ``max_size`` and pads to a square, ``pad64`` pads each side to a
            multiple of 64, ``none`` does so without scaling, where the original leaves images as they are
            [IMAGE_RESIZE_MODE].
        min_size: images are enlarged until their shorter side has this many pixels [IMAGE_MIN_DIM],
        max_size: unless the longer one would have more than this; in ``pad64`` it says nothing
            [IMAGE_MAX_DIM].
        min_scale: images are enlarged at least so much; 0 for no such rule [IMAGE_MIN_SCALE]. In ``none``
            these three say nothing.
        anchor_scales: side of a square of an anchor's area in pixels, for each level [RPN_ANCHOR_SCALES].
        anchor_ratios: width by height [RPN_ANCHOR_RATIOS].
        candidates: the most anchors that suppression sees, of all levels together [PRE_NMS_LIMIT].
        proposals: the most that go on as regions of interest [POST_NMS_ROIS_INFERENCE].
        proposal_nms: IoU above which the weaker of two goes [RPN_NMS_THRESHOLD].
        proposal_weights, box_weights: by which regression is divided, for x, y, width and height
            [the inverse of RPN_BBOX_STD_DEV and BBOX_STD_DEV].

    Raises:
        InputError: naming a field that is out of range.
    """

    blocks: tuple[int, int, int, int] = (3, 4, 23, 3)
    pyramid: int = 256
    rpn_hidden: int = 512
    box_hidden: int = 1024
    mask_hidden: int = 256
    mean: tuple[float, float, float] = (123.7, 116.8, 103.9)
    resize: Literal["square", "pad64", "none"] = "square"
    min_size: int = 800
    max_size: int = 1024
    min_scale: float = 0.0
    anchor_scales: tuple[float, float, float, float, float] = (32, 64, 128, 256, 512)
    anchor_ratios: tuple[float, ...] = _RATIOS
    candidates: int = 6000
    proposals: int = 1000
    proposal_nms: float = 0.7
    proposal_weights: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    box_weights: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)

    def __post_init__(self) -> None:
        if self.resize not in ("square", "pad64", "none"):
            raise self._refusal("resize", "square, pad64 or none", self.resize)
        for name, count, most in (
            ("blocks", 4, 64),
            ("pyramid", 0, 4096),
            ("rpn_hidden", 0, 4096),
            ("box_hidden", 0, 16_384),
            ("mask_hidden", 0, 4096),
            ("min_size", 0, _MATTERPORT_SIDE),
            ("max_size", 0, _MATTERPORT_SIDE),
            ("candidates", 0, 100_000),
            ("proposals", 0, 100_000),
        ):
            value = getattr(self, name)
            values = value if count else (value,)
            if len(values) != (count or 1) or not all(type(v) is int and 1 <= v <= most for v in values):
                raise self._refusal(name, f"{count or 1} whole number(s) from 1 to {most}", value)
        if self.resize == "square" and self.max_size % MATTERPORT_STEP:
            raise self._refusal("max_size", f"a multiple of {MATTERPORT_STEP}", self.max_size)
        for name, least_count, most_count, least, most_value in (
            ("mean", 3, 3, -1e4, 1e4),
            ("anchor_scales", 5, 5, 1, 1e4),
            ("anchor_ratios", 1, 64, 1e-3, 1e3),
            ("proposal_weights", 4, 4, 1e-3, 1e4),
            ("box_weights", 4, 4, 1e-3, 1e4),
        ):
            numbers = getattr(self, name)
            if not least_count <= len(numbers) <= most_count or not all(
                type(v) in (int, float) and least <= v <= most_value for v in numbers
            ):
                raise self._refusal(name, f"{least_count} numbers from {least:g} to {most_value:g}", numbers)
        for name, most_value in (("min_scale", 16.0), ("proposal_nms", 1.0)):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 <= value <= most_value:
                raise self._refusal(name, f"a number from 0 to {most_value:g}", value)

    @staticmethod
    def _refusal(name: str, expected: str, value: object) -> InputError:
        return InputError(f"Matterport network, {name}: expected {expected}, got {value!r}")
