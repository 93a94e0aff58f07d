"""A traced image's detections, and its proposals, against what is known to be on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.evaluation.counting import Kind
from maskrcnn_core.evaluation.image_scores import ImageScores, proposal_recall
from maskrcnn_core.evaluation.image_truth import ImageTruth
from maskrcnn_core.evaluation.judging import Judgement, judge
from maskrcnn_core.explain.trace import Trace
from maskrcnn_core.inference.predictor import Predictor

__all__ = [
    "ProposalRecall",
    "judge_trace",
    "recall_of_proposals",
    "told_precision",
    "told_recall",
    "told_scores",
]


@dataclass(frozen=True)
class ProposalRecall:
    """How many of the objects the regions of interest reach: the heads look nowhere else.

    Args:
        objects: known, crowds left out.
        regions: of interest.
        at50: the share of the objects that a region overlaps by IoU .50 or more; NaN without objects.
        mean: likewise the mean over .50, .55 ... .95.
    """

    objects: int
    regions: int
    at50: float
    mean: float


def judge_trace(
    predictor: Predictor,
    trace: Trace,
    thresholds: Thresholds,
    truth: ImageTruth,
    image: Pixels | Callable[[], Pixels],
    *,
    kind: Kind = "segm",
) -> Judgement:
    """Compare all that a run found with what is known of the image, down to the lowest score.

    Average precision needs the whole list. What the score threshold leaves of it is a matter of counting:
    dropping detections below a score changes nothing for those above.

    Args:
        predictor: that made the trace.
        trace: of the image.
        thresholds: all but the score threshold count.
        truth: of the image.
        image: its pixels, or a way to get them, for masks that are still wanting.
        kind: whether boxes or masks are compared.

    Raises:
        InferenceError: if a mask cannot be made.
    """
    every = replace(thresholds, score_threshold=SCORE_FLOOR)
    detections = predictor.detections(trace.run, every, image)
    label_map = predictor.model.label_map
    found = Instance.from_detections(detections, label_map, 1, thresholds.mask_threshold)
    return judge(truth, found, label_map, labels=thresholds.labels, kind=kind)


def recall_of_proposals(trace: Trace, truth: ImageTruth) -> ProposalRecall:
    """Return how many objects the regions of interest reach, whatever their category.

    Args:
        trace: of the image.
        truth: of the image; crowds do not count.
    """
    objects = truth.without_crowds().boxes
    regions = trace.regions.boxes.astype(np.float64) * trace.to_image
    recalls = proposal_recall(objects, regions)
    return ProposalRecall(len(objects), len(regions), float(recalls[0]), float(recalls.mean()))


def told_scores(scores: ImageScores) -> str:
    """Return an image's counts in a sentence."""
    wrong = scores.wrong_category + scores.twice + scores.wrong
    parts = [
        f"{scores.right} right",
        f"{scores.missed} missed",
        f"{wrong} wrong ({scores.wrong_category} of another category, {scores.twice} twice, "
        f"{scores.wrong} on nothing known)",
    ]
    if scores.ignored:
        parts.append(f"{scores.ignored} ignored")
    objects, detections = counted(scores.truths, "object"), counted(scores.detections, "detection")
    return f"{objects} and {detections}: {', '.join(parts)}."


def told_precision(scores: ImageScores) -> str:
    """Return an image's AP in a sentence, with what it is of."""
    if not scores.truths:
        return "Without objects there is no average precision."
    return (
        f"AP50 {scores.AP50:.3f}, AP (mean over IoU .50 to .95) {scores.AP:.3f}: the area under the curve of "
        f"all categories together, down to a score of {SCORE_FLOOR:g}."
    )


def told_recall(recall: ProposalRecall) -> str:
    """Return in a sentence how many objects the regions of interest reach; empty without objects."""
    if not recall.objects:
        return ""
    return (
        f"The {counted(recall.regions, 'region')} of interest reach {recall.at50:.0%} of the objects at IoU "
        f".50, and {recall.mean:.0%} as the mean over .50 to .95: the heads look nowhere else."
    )
