"""Pictures of the detections against what is known to be on the image."""

from __future__ import annotations

from maskrcnn_core.evaluation.differences import draw_curve, draw_differences, draw_overlaps
from maskrcnn_core.evaluation.image_scores import curve_of, score_image
from maskrcnn_core.explain.against_truth import (
    recall_of_proposals,
    told_precision,
    told_recall,
    told_scores,
)
from maskrcnn_core.explain.misses import SAME
from maskrcnn_core.explain.pictures.base import Picture
from maskrcnn_core.explain.traced_image import TracedImage

__all__ = ["draw_truth", "told_truth"]


def draw_truth(traced: TracedImage) -> tuple[Picture, ...]:
    judgement, truth = traced.judgement, traced.truth
    if judgement is None or truth is None:
        return (
            Picture(
                traced.whole.picture,
                "Nothing is known of this image",
                "Which detections are right can be said where the objects are known: with a COCO file that "
                "has this image, or in a project, where people have accepted its instances.",
            ),
        )
    comparison, names = judgement.comparison, judgement.names
    matches, score = comparison.at(SAME), traced.thresholds.score_threshold
    scores = score_image(comparison, matches, score)
    grid, left_out = draw_overlaps(comparison, matches, names, score)
    return (
        Picture(
            draw_differences(traced.pixels, comparison, matches, names, score),
            "Objects and detections",
            " ".join(
                [
                    f"Ground truth {truth.source}, masks compared at IoU {SAME:.2f}: {told_scores(scores)}",
                    *judgement.sentences(),
                ]
            ),
        ),
        Picture(
            grid,
            "Overlaps of objects and detections",
            "The IoU of each object with each detection, best score first."
            + (f" Only the first of each are drawn, {left_out} are left out." if left_out else ""),
        ),
        Picture(
            draw_curve(curve_of(comparison, SAME), f"Precision against recall at IoU {SAME:.2f}"),
            "Precision against recall",
            f"{told_precision(scores)} {told_recall(recall_of_proposals(traced.trace, truth))}".strip(),
        ),
    )


def told_truth(traced: TracedImage) -> list[str]:
    """Return what the pictures say, in sentences; empty if nothing is known of the image."""
    if traced.judgement is None or traced.truth is None:
        return []
    comparison = traced.judgement.comparison
    scores = score_image(comparison, comparison.at(SAME), traced.thresholds.score_threshold)
    told = [
        f"Ground truth {traced.truth.source}, masks compared at IoU {SAME:.2f}: {told_scores(scores)}",
        told_precision(scores),
        told_recall(recall_of_proposals(traced.trace, traced.truth)),
        *traced.judgement.sentences(),
    ]
    return [sentence for sentence in told if sentence]
