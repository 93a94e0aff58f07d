"""Precision, recall and average precision of one image, and their mean over images.

All categories of an image are one list here, as in Matterport's ``utils.compute_ap``: matched category by
category, then ranked by score together. An image has few objects; a curve of each of its categories would
have a step or two.

There are two laws of average precision for the same curve. ``COCOeval`` reads the envelope (the best
precision at a recall or any greater one) at 101 recalls, 0, .01 ... 1, and takes the mean:
:meth:`Curve.at_recalls`. PASCAL VOC since 2010 and Matterport's ``compute_ap`` take the area under the
envelope: :meth:`Curve.area`. The AP of an image is the area here: of three objects the first is worth a
third, where 101 recalls count it as 34 of 101. So the mean over images is Matterport's "mAP", which is not
COCO's AP: COCO ranks the detections of all images in one list for each category.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Doubles
from maskrcnn_core.evaluation.counting import IOUS, RECALLS
from maskrcnn_core.evaluation.matching import Comparison, Matches
from maskrcnn_core.geometry.boxes import Boxes, box_ious

__all__ = ["Curve", "ImageScores", "curve_of", "mean_ap", "proposal_recall", "score_image"]


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall of one image at one IoU threshold, down its ranked detections.

    Args:
        scores: float64 ``[N]``, descending: of the detections that count, those in crowds left out.
        is_right: bool ``[N]``, whether each matches an object.
        truths: the number of objects, crowds left out.
    """

    scores: Doubles
    is_right: npt.NDArray[np.bool_]
    truths: int

    @cached_property
    def recalls(self) -> Doubles:
        """float64 ``[N]``: the share of the objects found down to each detection; NaN without objects."""
        right = np.cumsum(self.is_right).astype(np.float64)
        return right / self.truths if self.truths else np.full_like(right, math.nan)

    @cached_property
    def precisions(self) -> Doubles:
        """float64 ``[N]``: the share of the detections that is right, down to each of them."""
        precisions: Doubles = np.cumsum(self.is_right) / np.arange(1, len(self.is_right) + 1)
        return precisions

    @cached_property
    def envelope(self) -> Doubles:
        """float64 ``[N]``: the greatest precision at a recall of each detection or more."""
        envelope: Doubles = np.maximum.accumulate(self.precisions[::-1])[::-1]
        return envelope

    def area(self) -> float:
        """Return the area under the envelope, in [0, 1]; NaN where there are no objects.

        Every right detection adds a step of one object in recall; so it is the sum of the envelope there.
        """
        return float(self.envelope[self.is_right].sum() / self.truths) if self.truths else math.nan

    def at_recalls(self) -> Doubles:
        """Return COCO's precisions, float64 ``[101]`` at recalls 0, .01 ... 1; 0 beyond the greatest.

        NaN where there are no objects.
        """
        if not self.truths:
            return np.full(len(RECALLS), math.nan)
        places = np.searchsorted(self.recalls, RECALLS, side="left")
        return np.append(self.envelope, 0.0)[np.minimum(places, len(self.envelope))]


@dataclass(frozen=True)
class ImageScores:
    """The numbers of one image.

    Args:
        truths: objects, crowds left out.
        crowds: regions of many objects.
        detections: that were compared and score above the threshold.
        right, missed: objects that such a detection matches, and the others.
        wrong_category, twice, wrong: detections that match none, as
            :class:`~maskrcnn_core.evaluation.matching.Matches` tells them apart.
        ignored: detections in crowds, or beyond the limit of those that count.
        AP50, AP: of all detections, whatever their score: the area under the curve at IoU .50, and its mean
            over .50, .55 ... .95. NaN where there are no objects.
    """

    truths: int
    crowds: int
    detections: int
    right: int
    missed: int
    wrong_category: int
    twice: int
    wrong: int
    ignored: int
    AP50: float
    AP: float


def curve_of(comparison: Comparison, iou_threshold: float) -> Curve:
    """Return the curve of all categories of an image together.

    Args:
        comparison: of the image.
        iou_threshold: from which on a detection may match an object, in (0, 1].
    """
    of_found, crowds = comparison.matched(iou_threshold), comparison.truth.crowds
    rows = comparison.order[comparison.counts[comparison.order]]
    matched = of_found[rows]
    in_crowd = np.zeros(len(rows), np.bool_)
    in_crowd[matched >= 0] = crowds[matched[matched >= 0]]
    rows, matched = rows[~in_crowd], matched[~in_crowd]
    return Curve(comparison.found.scores[rows], matched >= 0, int((~crowds).sum()))


def score_image(comparison: Comparison, matches: Matches, score_threshold: float = 0.0) -> ImageScores:
    """Count what is right and wrong in an image.

    Args:
        comparison: of the image.
        matches: of the comparison, at the IoU from which on a detection is right.
        score_threshold: only detections above it are counted. What better ones match does not depend on it,
            as they come first.
    """
    above = comparison.found.scores > score_threshold
    fates = [fate for fate, is_above in zip(matches.found_fates, above.tolist(), strict=True) if is_above]
    truths = int((~comparison.truth.crowds).sum())
    right = fates.count("right")
    areas = [curve_of(comparison, iou).area() for iou in IOUS]
    return ImageScores(
        truths=truths,
        crowds=len(comparison.truth) - truths,
        detections=len(fates),
        right=right,
        missed=truths - right,
        wrong_category=fates.count("wrong category"),
        twice=fates.count("twice"),
        wrong=fates.count("wrong"),
        ignored=fates.count("in a crowd") + fates.count("beyond limit"),
        AP50=areas[0],
        AP=float(np.mean(areas)),
    )


def mean_ap(images: Iterable[ImageScores]) -> tuple[float, float, int]:
    """Return the means of AP50 and AP over the images that have objects, and how many those are.

    The means are NaN where no image has any.
    """
    known = [(one.AP50, one.AP) for one in images if one.truths]
    if not known:
        return math.nan, math.nan, 0
    ap50, ap = np.mean(known, axis=0).tolist()
    return ap50, ap, len(known)


def proposal_recall(truth: Boxes, proposals: Boxes, ious: Sequence[float] = IOUS) -> Doubles:
    """Return the share of objects that at least one proposal overlaps well.

    That is the recall of Ren et al. 2015, "Analysis of Recall-to-IoU". A proposal has no category, and one
    may serve two objects that lie on each other.

    Args:
        truth: ``[G, 4]``, boxes of the objects as x1 y1 x2 y2.
        proposals: ``[R, 4]``, likewise.
        ious: T thresholds; by default COCO's ten, the mean over which is the average recall.

    Returns:
        float64 ``[T]`` in [0, 1]; NaN where there are no objects.
    """
    if not len(truth):
        return np.full(len(ious), math.nan)
    best = box_ious(truth, proposals).max(axis=1, initial=0.0)
    return np.array([float((best >= iou).mean()) for iou in ious])
