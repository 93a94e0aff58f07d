"""What a watched sample comes to in numbers: its objects, and how many anchors and regions each has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from maskrcnn_core.training.ignoring import IGNORED
from maskrcnn_core.training.inspection.watching import SeenSample

__all__ = ["LevelCount", "SampleCount", "SeenObject", "count_sample", "share"]


@dataclass(frozen=True)
class SeenObject:
    """One object of one sample, as the network has to learn it.

    Args:
        image: file name of its image.
        label: of the network.
        size: ``(height, width)`` of its box in pixels of the network's input.
        anchor_iou: what it overlaps its best anchor by, in [0, 1].
        anchors: how many anchors stand for it.
        proposal_iou: what it overlaps the RPN's best proposal by.
        rois: how many of the step's regions stand for it.
        has_mask: whether each of their mask targets holds anything; true where there is none.
    """

    image: str
    label: int
    size: tuple[float, float]
    anchor_iou: float
    anchors: int
    proposal_iou: float
    rois: int
    has_mask: bool


@dataclass(frozen=True)
class LevelCount:
    """Anchors of one level of the pyramid, by what they stand for: an object, background, neither."""

    objects: int
    background: int
    left_out: int


@dataclass(frozen=True)
class SampleCount:
    """One sample in numbers.

    Args:
        image: file name of its image.
        size: ``(height, width)`` of the sample in pixels of the network's input.
        objects: all that are learned in it.
        levels: its anchors, the finest level first.
        drawn_objects, drawn_background: anchors whose objectness is learned in the step.
        roi_objects, roi_background: regions that the heads learn from.
        own_boxes: how many of ``roi_objects`` are the true boxes themselves, which training adds.
        ignored: share of the sample where nobody knows what is there, in [0, 1].
        too_small: instances of a whole image of which hardly a pixel is left at the sample's scale: they
            teach nothing. None where the sample is a crop, and instances are missing for other reasons.
    """

    image: str
    size: tuple[int, int]
    objects: tuple[SeenObject, ...]
    levels: tuple[LevelCount, ...]
    drawn_objects: int
    drawn_background: int
    roi_objects: int
    roi_background: int
    own_boxes: int
    ignored: float
    too_small: int | None = None


def count_sample(image: str, seen: SeenSample, instances: int | None = None) -> SampleCount:
    """Count what a step made of a sample.

    Args:
        image: file name of its image, for people.
        seen: the sample.
        instances: how many the image has, where the sample is all of it.
    """
    boxes = seen.target["boxes"]
    held = seen.roi_labels > 0
    ignored = seen.target.get(IGNORED)
    return SampleCount(
        image,
        (int(seen.picture.shape[1]), int(seen.picture.shape[2])),
        _objects(image, seen),
        tuple(_level(labels) for labels in torch.split(seen.anchor_labels, list(seen.levels))),
        int((seen.drawn & (seen.anchor_labels > 0)).sum()),
        int((seen.drawn & (seen.anchor_labels == 0)).sum()),
        int(held.sum()),
        int((~held).sum()),
        int(_equal(seen.rois[held], boxes).any(1).sum()),
        0.0 if ignored is None else float(ignored.float().mean()),
        None if instances is None else instances - len(boxes),
    )


def _objects(image: str, seen: SeenSample) -> tuple[SeenObject, ...]:
    boxes = seen.target["boxes"]
    # Two objects with one box cannot be told apart by their anchors: both have them.
    anchors = _equal(boxes, seen.matched).sum(1).tolist()
    matches = seen.roi_matches[seen.roi_labels > 0]
    rois = torch.bincount(matches, minlength=len(boxes)).tolist()
    is_empty = seen.mask_targets.flatten(1).amax(1) <= 0 if len(matches) else torch.zeros(0, dtype=torch.bool)
    without_mask = set(matches[is_empty].tolist())
    sides = (boxes[:, 2:] - boxes[:, :2]).flip(1).tolist()
    return tuple(
        SeenObject(
            image,
            label,
            (height, width),
            anchor_iou,
            anchors[row],
            proposal_iou,
            rois[row],
            row not in without_mask,
        )
        for row, ((height, width), label, anchor_iou, proposal_iou) in enumerate(
            zip(
                sides,
                seen.target["labels"].tolist(),
                seen.anchor_ious.tolist(),
                seen.proposal_ious.tolist(),
                strict=True,
            )
        )
    )


def _equal(some: Tensor, others: Tensor) -> Tensor:
    """Return which boxes ``[N, 4]`` are which others ``[M, 4]``: bool ``[N, M]``."""
    return (some[:, None] == others[None]).all(-1)


def _level(labels: Tensor) -> LevelCount:
    return LevelCount(int((labels > 0).sum()), int((labels == 0).sum()), int((labels < 0).sum()))


def share(
    counts: Sequence[SampleCount], part: Callable[[SampleCount], int], whole: Callable[[SampleCount], int]
) -> float:
    """Return the share of a part in a whole over all samples; 0 where there is no whole."""
    total = sum(map(whole, counts))
    return sum(map(part, counts)) / total if total else 0.0
