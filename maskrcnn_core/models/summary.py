"""What a network is made of, read off a loaded model for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.networks.configs import MATTERPORT_STEP

if TYPE_CHECKING:
    from torchvision.models.detection import MaskRCNN

__all__ = ["PARTS", "ModelSummary", "Part", "part_of", "summarise"]

Part = Literal["backbone", "feature pyramid", "RPN", "box head", "mask head"]

PARTS: tuple[Part, ...] = ("backbone", "feature pyramid", "RPN", "box head", "mask head")
"""In the order in which an image goes through them."""

_BEGINNINGS: tuple[tuple[str, Part], ...] = (
    ("backbone.fpn.", "feature pyramid"),
    ("backbone.", "backbone"),
    ("rpn.", "RPN"),
    ("roi_heads.box_", "box head"),
    ("roi_heads.mask_", "mask head"),
)


@dataclass(frozen=True)
class ModelSummary:
    """What a model is made of, for people.

    Args:
        title: the model's.
        backbone: in words.
        min_size: images are scaled so that their shorter side has this many pixels,
        max_size: unless the longer one would have more than this.
        padding: what Matterport's networks make of the sides, in words; empty for others.
        num_classes: with the background, as the heads count.
        num_categories: that have a name.
        mask_size: side M of the square of mask probabilities.
        anchor_sizes: for each feature level, side of a square of the anchor's area in pixels.
        anchor_ratios: for each feature level, height / width.
        anchors_per_cell: for each feature level.
        proposals_before_nms: kept per level, or of all levels together.
        proposals_after_nms: kept per image.
        is_overall: whether the levels' proposals are taken together, as Matterport's network does.
        roi_size: side of the pooled square for the box head, in cells.
        mask_roi_size: likewise for the mask head.
        nms_threshold: IoU above which the weaker of two boxes of one label goes, unless a person says.
        max_detections: kept in an image, likewise.
        parameters: learned numbers by part; frozen batch norm is not counted, as torchvision does.
        device: where the network is.
        precision: its float type.
    """

    title: str
    backbone: str
    min_size: int
    max_size: int
    padding: str
    num_classes: int
    num_categories: int
    mask_size: int
    anchor_sizes: tuple[tuple[float, ...], ...]
    anchor_ratios: tuple[tuple[float, ...], ...]
    anchors_per_cell: tuple[int, ...]
    proposals_before_nms: int
    proposals_after_nms: int
    is_overall: bool
    roi_size: int
    mask_roi_size: int
    nms_threshold: float
    max_detections: int
    parameters: dict[str, int]
    device: str
    precision: str

    @property
    def total_parameters(self) -> int:
        """The sum over all parts."""
        return sum(self.parameters.values())

    def _sides(self) -> str:
        return f"shorter side {self.min_size} px, longer side at most {self.max_size} px"

    def rows(self) -> list[tuple[str, str]]:
        """Return name and value of each fact, in the order to show them in."""
        levels = len(self.anchors_per_cell)
        per = "of all levels together" if self.is_overall else "per level"
        return [
            ("Model", self.title),
            ("Backbone", self.backbone),
            ("Input size", self.padding or self._sides()),
            ("Classes", f"{self.num_classes} including the background, {self.num_categories} named"),
            ("Masks", f"{self.mask_size} × {self.mask_size} probabilities per box"),
            ("Anchor sizes", f"{_each_level(self.anchor_sizes)} px"),
            ("Anchor ratios (height / width)", _each_level(self.anchor_ratios)),
            (
                "Anchors",
                f"{_each_level([(n,) for n in self.anchors_per_cell])} per cell on {levels} feature "
                f"level{'s' if levels > 1 else ''}",
            ),
            (
                "Proposals",
                f"{self.proposals_before_nms:,} {per} before NMS, {self.proposals_after_nms:,} after",
            ),
            (
                "RoI sizes",
                f"{self.roi_size} × {self.roi_size} for boxes, "
                f"{self.mask_roi_size} × {self.mask_roi_size} for masks",
            ),
            ("Detections", f"at most {self.max_detections} per image, NMS at IoU {self.nms_threshold:g}"),
            ("Parameters", f"{self.total_parameters:,}"),
            *((f"Parameters: {part}", f"{n:,}") for part, n in self.parameters.items() if n),
            ("Device", self.device),
            ("Precision", self.precision),
        ]


def _padding(network: MaskRCNN) -> str:
    """Return what a network of Matterport's makes of an image's sides, in its own settings' words."""
    from maskrcnn_core.networks.centred_transform import CentredTransform

    transform = network.transform
    if not isinstance(transform, CentredTransform):
        return ""
    config = transform.config
    if config.resize == "none":
        return f"as the image has them; black up to multiples of {MATTERPORT_STEP} px around it"
    least = f"enlarged until the shorter side has {config.min_size} px"
    if config.min_scale:
        least = f"{least}, {config.min_scale:g} times at least"
    if config.resize == "square":
        side = config.max_size
        return f"{side} × {side} px: {least} or the longer one {side}, black around it"
    return f"{least}; black up to multiples of {MATTERPORT_STEP} px around it"


def summarise(model: LoadedModel) -> ModelSummary:
    """Read off a loaded network what it is made of; nothing is run."""
    from torch import nn

    from maskrcnn_core.networks.laws import laws_of

    network = model.network
    heads, anchors = network.roi_heads, network.rpn.anchor_generator
    logits = [m for m in heads.box_predictor.cls_score.modules() if isinstance(m, nn.Linear)]
    first = next(network.parameters())
    parameters: dict[str, int] = dict.fromkeys(PARTS, 0)
    for name, parameter in network.named_parameters():
        parameters[part_of(name)] += parameter.numel()
    return ModelSummary(
        title=model.title,
        backbone=model.backbone,
        min_size=network.transform.min_size[-1],
        max_size=network.transform.max_size,
        padding=_padding(network),
        num_classes=logits[-1].out_features,
        num_categories=len(model.label_map),
        mask_size=model.mask_size,
        anchor_sizes=_different(anchors.sizes),
        anchor_ratios=_different(anchors.aspect_ratios),
        anchors_per_cell=tuple(anchors.num_anchors_per_location()),
        proposals_before_nms=network.rpn.pre_nms_top_n(),
        proposals_after_nms=network.rpn.post_nms_top_n(),
        is_overall=laws_of(network) == "matterport",
        roi_size=heads.box_roi_pool.output_size[0],
        mask_roi_size=heads.mask_roi_pool.output_size[0],
        nms_threshold=model.nms_threshold,
        max_detections=model.max_detections,
        parameters=parameters,
        device=str(first.device),
        precision=str(first.dtype).removeprefix("torch."),
    )


def _different(levels: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """Return each number of a level once: listed anchors repeat a size for each of its ratios."""
    return tuple(tuple(dict.fromkeys(round(float(number), 4) for number in level)) for level in levels)


def part_of(name: str) -> Part:
    """Return the part of a Mask R-CNN that a parameter or module belongs to, by its name in the network.

    Raises:
        ValueError: if torchvision's ``MaskRCNN`` has nothing of the kind.
    """
    for beginning, part in _BEGINNINGS:
        if name.startswith(beginning):
            return part
    raise ValueError(f"{name}: expected a name within backbone, rpn or roi_heads")


def _each_level(levels: Sequence[Sequence[float]]) -> str:
    """Return numbers of each feature level; once if all levels are alike, else parted by bars."""
    texts = [", ".join(f"{value:g}" for value in level) for level in levels]
    return texts[0] if len(set(texts)) == 1 else " | ".join(texts)
