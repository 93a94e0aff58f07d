"""Pictures of what was missed, and why."""

from __future__ import annotations

import numpy as np

from maskrcnn_core.common.arrays import Floats
from maskrcnn_core.drawing.board import (
    AMBER,
    BLUE,
    GREEN,
    RED,
    WHITE,
    Board,
    with_legend,
)
from maskrcnn_core.explain.misses import SAME, Explanation, explain_box
from maskrcnn_core.explain.pictures.base import Picture
from maskrcnn_core.explain.traced_image import TracedImage
from maskrcnn_core.geometry.boxes import box_ious

__all__ = ["draw_missed", "example_of_a_miss"]


# -- what was missed -----------------------------------------------------------------------------------


def example_of_a_miss(traced: TracedImage) -> Explanation | None:
    """Return what became of the traced image's own box, else of the best candidate that no detection covers.

    Raises:
        InputError: if the box of the traced image is none, or lies outside of the image.
    """
    if traced.box is not None:
        return explain_box(traced.trace, traced.thresholds, traced.label_map, traced.box)
    for box in _missed_boxes(traced):
        found = explain_box(traced.trace, traced.thresholds, traced.label_map, box.tolist())
        if found.verdict not in ("detected", "twice"):
            return found
    return None


def _missed_boxes(traced: TracedImage) -> list[Floats]:
    """Return boxes in image pixels, first of dropped candidates, then of regions, a few of each."""
    candidates, regions = traced.trace.run.candidates, traced.trace.regions.boxes
    kept = candidates.boxes[traced.fates.rows("kept")]
    by_score = np.argsort(-candidates.scores, kind="stable")
    height, width = traced.trace.input.image_size
    boxes = []
    for group in (candidates.boxes[by_score], regions):
        apart = box_ious(group, kept).max(axis=1, initial=0) < SAME
        for box in (group[apart][:5] * traced.trace.to_image).clip(
            0, np.array([width, height, width, height])
        ):
            if box[2] - box[0] >= 1 and box[3] - box[1] >= 1:
                boxes.append(box)
    return boxes


def draw_missed(traced: TracedImage) -> tuple[Picture, ...]:
    found = example_of_a_miss(traced)
    if found is None:
        return (
            Picture(
                traced.whole.picture,
                "Nothing was dropped",
                "Every candidate and every region of interest is part of a detection.",
            ),
        )
    marks = [(found.anchor_box, BLUE, f"best anchor, of {found.anchor_level}: IoU {found.anchor_iou:.2f}")]
    if found.proposal_box is not None:
        region = f"best region of interest: IoU {found.proposal_iou:.2f}"
        marks.append((found.proposal_box, AMBER, region))
    candidates = traced.trace.run.candidates
    for row, color in zip(found.rows, (GREEN, RED), strict=False):
        text = f"{traced.name_of(int(candidates.labels[row]))} ({candidates.scores[row]:.2f})"
        marks.append((candidates.boxes_in_image(np.array([row]))[0], color, text))
    marks.append((found.box, WHITE, "the object in question"))
    view = traced.around(np.stack([box for box, _, _ in marks]) / traced.trace.to_image)
    board = Board(view.picture, fade=0.4)
    for box, color, _ in marks:
        board.box(view.place_image_box(box), color, dashed=color == WHITE)
    return (
        Picture(
            with_legend(board.pixels(), [(color, text) for _, color, text in marks]),
            f"One object traced back: {found.verdict}",
            f"{found.sentence} {found.helps}".strip(),
        ),
    )
