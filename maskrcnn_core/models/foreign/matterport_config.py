"""What Matterport's weights do not say of their model: its ``Config``, as training prints it, or a preset.

``Config.display`` writes a line of name and value for each setting, at the head of every training's log. The
values are read as numbers and words, of known names alone; nothing of the text is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from maskrcnn_core.common.one_line import shortened
from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.detection.candidates import MOST_DETECTIONS
from maskrcnn_core.errors import InputError
from maskrcnn_core.networks.configs import MatterportConfig

__all__ = ["MATTERPORT_PRESETS", "MatterportSettings", "printed_config", "read_printed_config"]

_MOST_CHARACTERS = 1 << 20
"""Of a text: a training's whole log is read, too, where it has no more."""

_MOST_NUMBERS = 64
_TOLD = 80

_LINE = re.compile(r"[ \t]*([A-Z][A-Z0-9_]{1,63})[ \t]+(\S[^\r\n]{0,1000})", re.MULTILINE)
_NUMBER = re.compile(r"[-+]?(?:\d{1,20}\.?\d{0,20}|\.\d{1,20})(?:[eE][-+]?\d{1,3})?")
_PLAIN = re.compile(r"[\[(]?[\s\d.,eE+-]*[\])]?")


@dataclass(frozen=True)
class MatterportSettings:
    """A model's ``Config``, as far as a model in use needs it; by default Matterport's own.

    Args:
        resize: [IMAGE_RESIZE_MODE].
        min_size, max_size, min_scale: [IMAGE_MIN_DIM, IMAGE_MAX_DIM, IMAGE_MIN_SCALE].
        mean: of R, G and B [MEAN_PIXEL].
        anchor_scales, anchor_ratios: [RPN_ANCHOR_SCALES, RPN_ANCHOR_RATIOS].
        candidates, proposals, proposal_nms: [PRE_NMS_LIMIT, POST_NMS_ROIS_INFERENCE, RPN_NMS_THRESHOLD].
        proposal_spread, box_spread: y, x, height and width [RPN_BBOX_STD_DEV, BBOX_STD_DEV].
        min_confidence, detection_nms, max_instances: [DETECTION_MIN_CONFIDENCE, DETECTION_NMS_THRESHOLD,
            DETECTION_MAX_INSTANCES].
        backbone: ``resnet50`` or ``resnet101``, where it is known [BACKBONE].
        num_classes: with the background, where it is known [NUM_CLASSES].
        names: of the categories without the background, where they are known.
        notes: sentences for people.
    """

    resize: Literal["square", "pad64", "none"] = "square"
    min_size: int = 800
    max_size: int = 1024
    min_scale: float = 0.0
    mean: tuple[float, ...] = (123.7, 116.8, 103.9)
    anchor_scales: tuple[float, ...] = (32, 64, 128, 256, 512)
    anchor_ratios: tuple[float, ...] = (0.5, 1, 2)
    candidates: int = 6000
    proposals: int = 1000
    proposal_nms: float = 0.7
    proposal_spread: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)
    box_spread: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)
    min_confidence: float = 0.7
    detection_nms: float = 0.3
    max_instances: int = 100
    backbone: str | None = None
    num_classes: int | None = None
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, values in (("RPN_BBOX_STD_DEV", self.proposal_spread), ("BBOX_STD_DEV", self.box_spread)):
            if len(values) != 4 or not all(1e-4 <= value <= 1e3 for value in values):
                raise InputError(f"{name}: expected 4 numbers from 0.0001 to 1000, got {values!r}")
        for name, value in (
            ("DETECTION_MIN_CONFIDENCE", self.min_confidence),
            ("DETECTION_NMS_THRESHOLD", self.detection_nms),
        ):
            if not 0 <= value <= 1:
                raise InputError(f"{name}: expected a number from 0 to 1, got {value!r}")
        if not 1 <= self.max_instances <= MOST_DETECTIONS:
            raise InputError(
                f"DETECTION_MAX_INSTANCES: expected a whole number from 1 to {MOST_DETECTIONS}, "
                f"got {self.max_instances}"
            )

    def architecture(self, told: Mapping[str, Any]) -> MatterportConfig:
        """Return the network's description, given what its weights say.

        Args:
            told: the blocks and numbers of channels, by the names of :class:`MatterportConfig`.

        Raises:
            InputError: naming a setting that is out of range.
        """
        described: dict[str, Any] = {
            "resize": self.resize,
            "min_size": self.min_size,
            "max_size": self.max_size,
            "min_scale": self.min_scale,
            "mean": self.mean,
            "anchor_scales": self.anchor_scales,
            "anchor_ratios": self.anchor_ratios,
            "candidates": self.candidates,
            "proposals": self.proposals,
            "proposal_nms": self.proposal_nms,
            "proposal_weights": _weights(self.proposal_spread),
            "box_weights": _weights(self.box_spread),
        }
        return MatterportConfig(**described, **told)


def _weights(spread: tuple[float, ...]) -> tuple[float, ...]:
    y, x, height, width = (1 / value for value in spread)
    return x, y, width, height


MATTERPORT_PRESETS: Mapping[str, MatterportSettings] = MappingProxyType(
    {
        "coco": MatterportSettings(
            num_classes=81, names=tuple(category.name for category in COCO_CATEGORIES)
        ),
        "balloon": MatterportSettings(num_classes=2, names=("balloon",), min_confidence=0.9),
        "nucleus": MatterportSettings(
            resize="pad64",
            min_size=512,
            max_size=512,
            min_scale=2.0,
            mean=(43.53, 39.56, 48.22),
            anchor_scales=(8, 16, 32, 64, 128),
            proposals=2000,
            min_confidence=0.0,
            max_instances=400,
            num_classes=2,
            names=("nucleus",),
        ),
        "shapes": MatterportSettings(
            min_size=128,
            max_size=128,
            anchor_scales=(8, 16, 32, 64, 128),
            num_classes=4,
            names=("square", "circle", "triangle"),
        ),
    }
)
"""The models that Matterport published with its samples, by name."""


# -- a printed Config ----------------------------------------------------------------------------


def printed_config(settings: MatterportSettings) -> str:
    """Return settings as ``Config.display`` prints them; :func:`read_printed_config` reads them back."""
    lines = []
    for name, (field, _) in _FIELDS.items():
        value = getattr(settings, field)
        if value is not None:
            told = f"[{', '.join(f'{v:g}' for v in value)}]" if isinstance(value, tuple) else value
            lines.append(f"{name:<30} {told}")
    return "\n".join(lines)


def read_printed_config(text: str, base: MatterportSettings | None = None) -> MatterportSettings:
    """Read what ``Config.display`` has printed; lines of anything else are passed over.

    Args:
        text: a line for each setting, as a training's log begins with them.
        base: what holds where the text says nothing; by default Matterport's own ``Config``.

    Raises:
        InputError: if no setting is in it, or one has a value that it cannot have, naming both.
    """
    if len(text) > _MOST_CHARACTERS:
        raise InputError(
            f"printed Config: expected at most {_MOST_CHARACTERS:,} characters, got {len(text):,}"
        )
    found: dict[str, str] = {}
    for match in _LINE.finditer(text):
        name, value = match[1], match[2].strip()
        if name not in _FIELDS and name not in _FIXED:
            continue
        if found.setdefault(name, value) != value:
            raise InputError(
                f"printed Config, {name}: expected one value, got {_told(found[name])} and {_told(value)}; "
                "keep one model's lines"
            )
    if not found:
        raise InputError(
            "printed Config: expected lines such as 'IMAGE_MAX_DIM   1024', as training prints them, got none"
        )
    for name, wanted in _FIXED.items():
        if name in found and _numbers(name, found[name]) != wanted:
            listed = ", ".join(f"{number:g}" for number in wanted)
            raise InputError(f"{name}: only {listed} can be had, got {_told(found[name])}")
    notes: list[str] = []
    if "IMAGE_RESIZE_MODE" in found and found["IMAGE_RESIZE_MODE"] == "crop":
        found["IMAGE_RESIZE_MODE"] = "pad64"
        notes.append(
            "IMAGE_RESIZE_MODE crop is for training only; pad64 is used, as in Matterport's nucleus sample."
        )
    if found.get("IMAGE_RESIZE_MODE") == "none":
        notes.append(
            "IMAGE_RESIZE_MODE none: images keep their size. Matterport's network wants sides of multiples "
            "of 64; images with others are padded with black around them."
        )
    values: dict[str, Any] = {}
    for name, value in found.items():
        if name in _FIELDS:
            field, read = _FIELDS[name]
            values[field] = read(name, value)
    return replace(base or MatterportSettings(), **values, notes=tuple(notes))


def _told(value: str) -> str:
    return shortened(repr(value), _TOLD)


def _numbers(name: str, value: str) -> tuple[float, ...]:
    found = _NUMBER.findall(value)
    if not _PLAIN.fullmatch(value) or not 1 <= len(found) <= _MOST_NUMBERS:
        raise InputError(f"{name}: expected 1 to {_MOST_NUMBERS} numbers, got {_told(value)}")
    return tuple(float(number) for number in found)


def _number(name: str, value: str) -> float:
    numbers = _numbers(name, value)
    if len(numbers) != 1:
        raise InputError(f"{name}: expected one number, got {_told(value)}")
    return numbers[0]


def _whole(name: str, value: str) -> int:
    number = _number(name, value)
    if not 0 <= number < 1e9 or number != int(number):
        raise InputError(f"{name}: expected a whole number, got {_told(value)}")
    return int(number)


def _scale(name: str, value: str) -> float:
    """Read a number that may be turned off."""
    return 0.0 if value in ("None", "False") else _number(name, value)


def _mode(name: str, value: str) -> str:
    if value not in ("square", "pad64", "none"):
        raise InputError(f"{name}: expected square, pad64 or none, got {_told(value)}")
    return value


def _backbone(name: str, value: str) -> str:
    if value not in ("resnet50", "resnet101"):
        raise InputError(f"{name}: expected resnet50 or resnet101, got {_told(value)}")
    return value


_FIELDS: Mapping[str, tuple[str, Callable[[str, str], Any]]] = MappingProxyType(
    {
        "BACKBONE": ("backbone", _backbone),
        "NUM_CLASSES": ("num_classes", _whole),
        "IMAGE_RESIZE_MODE": ("resize", _mode),
        "IMAGE_MIN_DIM": ("min_size", _whole),
        "IMAGE_MAX_DIM": ("max_size", _whole),
        "IMAGE_MIN_SCALE": ("min_scale", _scale),
        "MEAN_PIXEL": ("mean", _numbers),
        "RPN_ANCHOR_SCALES": ("anchor_scales", _numbers),
        "RPN_ANCHOR_RATIOS": ("anchor_ratios", _numbers),
        "RPN_NMS_THRESHOLD": ("proposal_nms", _number),
        "PRE_NMS_LIMIT": ("candidates", _whole),
        "POST_NMS_ROIS_INFERENCE": ("proposals", _whole),
        "RPN_BBOX_STD_DEV": ("proposal_spread", _numbers),
        "BBOX_STD_DEV": ("box_spread", _numbers),
        "DETECTION_MIN_CONFIDENCE": ("min_confidence", _number),
        "DETECTION_NMS_THRESHOLD": ("detection_nms", _number),
        "DETECTION_MAX_INSTANCES": ("max_instances", _whole),
    }
)
"""What each setting is read as, and how."""

_FIXED: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "BACKBONE_STRIDES": (4, 8, 16, 32, 64),
        "RPN_ANCHOR_STRIDE": (1,),
        "POOL_SIZE": (7,),
        "MASK_POOL_SIZE": (14,),
        "MASK_SHAPE": (28, 28),
        "IMAGE_CHANNEL_COUNT": (3,),
    }
)
"""Settings of which only the standard value is known here."""
