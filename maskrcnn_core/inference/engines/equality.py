"""How nearly two ways of running a network say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.detection.candidates import Detections
from maskrcnn_core.geometry.boxes import box_ious
from maskrcnn_core.geometry.rle import mask_iou

__all__ = ["Bound", "Equality", "compare_detections"]

_SAME_OBJECT = 0.5  # IoU of boxes


@dataclass(frozen=True)
class Bound:
    """What an engine promises.

    Args:
        matched: least share of detections, of both sides, that the other side has too.
        box_pixels: most that an edge of a box may move, in pixels of the image; ``None`` for any.
        score: most that a score may change; ``None`` for any.
        mask_iou: least IoU of masks; ``None`` for any.
    """

    matched: float = 1.0
    box_pixels: float | None = None
    score: float | None = None
    mask_iou: float | None = None


@dataclass(frozen=True)
class Equality:
    """What was measured between two ways over the same images, the worst of all detections.

    Args:
        images: how many.
        detections: of both sides together.
        unmatched: of them without a counterpart of the same label.
        box_pixels: farthest that an edge of a box moved, in pixels of the image.
        score: most that a score changed.
        mask_iou: least IoU of masks.
    """

    images: int
    detections: int
    unmatched: int
    box_pixels: float
    score: float
    mask_iou: float

    @property
    def matched(self) -> float:
        """The share of detections with a counterpart; 0 if nothing was found to compare."""
        return 1 - self.unmatched / self.detections if self.detections else 0.0

    @property
    def text(self) -> str:
        """All of it, in a clause."""
        return (
            f"of {counted(self.detections, 'detection')} in {counted(self.images, 'image')} "
            f"{self.matched:.1%} the same as exact, "
            f"boxes within {self.box_pixels:.2g} px, scores within {self.score:.2g}, "
            f"mask IoU at least {self.mask_iou:.3f}"
        )

    def shortfall(self, bound: Bound) -> str:
        """Return what does not hold, found and expected, or nothing."""
        if not self.detections:
            return "nothing was found in the images to compare"
        found = [
            (self.matched < bound.matched, f"{self.matched:.1%} the same, expected {bound.matched:.0%}"),
            (
                bound.box_pixels is not None and self.box_pixels > bound.box_pixels,
                f"a box moved by {self.box_pixels:.3g} px, expected at most {bound.box_pixels}",
            ),
            (
                bound.score is not None and self.score > bound.score,
                f"a score changed by {self.score:.3g}, expected at most {bound.score}",
            ),
            (
                bound.mask_iou is not None and self.mask_iou < bound.mask_iou,
                f"a mask's IoU was {self.mask_iou:.3f}, expected at least {bound.mask_iou}",
            ),
        ]
        return "; ".join(text for is_short, text in found if is_short)


def compare_detections(
    exact: Sequence[Detections], other: Sequence[Detections], *, threshold: float, slack: float
) -> Equality:
    """Compare what two ways found in the same images.

    A detection's counterpart is the nearest of its label in score among those whose boxes overlap it by half
    or more, and is taken once.

    Args:
        exact, other: of each image, by descending score.
        threshold: the score above which both were kept.
        slack: what is within it of the threshold may be on one side alone.
    """
    unmatched, total = 0, 0
    boxes, scores, ious = [0.0], [0.0], [1.0]
    for mine, theirs in zip(exact, other, strict=True):
        pairs = _pairs(mine, theirs)
        for side, taken in ((mine, {i for i, _ in pairs}), (theirs, {j for _, j in pairs})):
            total += len(side.scores)
            alone = [s for k, s in enumerate(side.scores.tolist()) if k not in taken]
            unmatched += sum(score > threshold + slack for score in alone)
        for i, j in pairs:
            boxes.append(float(np.abs(mine.boxes[i] - theirs.boxes[j]).max()))
            scores.append(abs(float(mine.scores[i] - theirs.scores[j])))
        rows = np.array([i for i, _ in pairs], np.int64), np.array([j for _, j in pairs], np.int64)
        masks = zip(mine[rows[0]].masks(), theirs[rows[1]].masks(), strict=True)
        ious += [mask_iou(a, b) for a, b in masks if a.area or b.area]
    return Equality(len(exact), total, unmatched, max(boxes), max(scores), min(ious))


def _pairs(mine: Detections, theirs: Detections) -> list[tuple[int, int]]:
    ious = box_ious(mine.boxes, theirs.boxes)
    ious[mine.labels[:, None] != theirs.labels[None]] = 0
    distance = np.abs(mine.scores[:, None] - theirs.scores[None])
    pairs, free = [], np.ones(len(theirs.scores), np.bool_)
    for i in range(len(mine.scores)):
        fits = np.flatnonzero((ious[i] >= _SAME_OBJECT) & free)
        if len(fits):
            # Of several that overlap, the nearest score after the best overlap: boxes of one object repeat.
            j = int(min(fits, key=lambda k: (-round(float(ious[i, k]), 2), distance[i, k])))
            free[j] = False
            pairs.append((i, j))
    return pairs
