"""Pictures of the heads: classes and boxes, what is dropped, masks, and kinds of segmentation."""

from __future__ import annotations

import numpy as np
from PIL import Image

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.drawing.board import (
    AMBER,
    GREEN,
    GREY,
    RED,
    WHITE,
    Board,
    bars,
    enlarge,
    false_colors,
    panels,
    scaled,
    with_legend,
)
from maskrcnn_core.drawing.instances import render
from maskrcnn_core.drawing.palette import instance_color
from maskrcnn_core.drawing.style import Style
from maskrcnn_core.explain.fates import FATES
from maskrcnn_core.explain.pictures.base import (
    MOST_BOXES,
    PANEL,
    Picture,
    fitted,
    in_order,
    nothing_found,
    told_most,
    whole_pixels,
)
from maskrcnn_core.explain.traced_image import TracedImage

__all__ = ["draw_box_head", "draw_kinds", "draw_mask", "draw_suppression"]
_NAMED = 20  # boxes with arrows
_CLASSES = 8
_MASKS = 3


# -- box head, suppression -----------------------------------------------------------------------------


def draw_box_head(traced: TracedImage) -> tuple[Picture, ...]:
    subject = traced.subject
    if subject is None:
        return (nothing_found(traced, "From region to box"),)
    regions, candidates = traced.trace.regions, traced.trace.run.candidates
    rows = traced.detections.rows[:_NAMED].tolist() or ([subject.row] if subject.row >= 0 else [])
    board = Board(traced.whole.picture, fade=0.4)
    for row in reversed(rows):
        start, end = traced.whole.place(
            np.stack([regions.boxes[regions.candidates[row]], candidates.boxes[row]])
        )
        board.box(start, AMBER, width=1, dashed=True)
        board.box(end, GREEN, width=2)
        for x, y in ((0, 1), (2, 1), (2, 3), (0, 3)):
            board.arrow((float(start[x]), float(start[y])), (float(end[x]), float(end[y])), WHITE)
    scores = regions.scores[subject.region]
    best = np.argsort(-scores, kind="stable")[:_CLASSES].tolist()
    return (
        Picture(
            with_legend(board.pixels(), [(AMBER, "region of interest"), (GREEN, "box of the box head")]),
            "From region to box",
            f"The region that each of {counted(len(rows), 'detection')} came from, and where the box head "
            "moved it."
            if len(traced.detections)
            else "Nothing was detected; this shows the best candidate.",
        ),
        Picture(
            bars([(traced.name_of(label), float(scores[label])) for label in best]),
            "Class probabilities of one region",
            f"The greatest {len(best)} of {len(scores)} for the region of {subject.what}; all of them sum "
            "to 1.",
        ),
    )


def draw_suppression(traced: TracedImage) -> tuple[Picture, ...]:
    candidates, fates = traced.trace.run.candidates, traced.fates
    by_score = np.argsort(-candidates.scores, kind="stable")
    kept = in_order(by_score, fates.rows("kept"))
    suppressed = in_order(by_score, fates.rows("suppressed"))
    low = in_order(by_score, fates.rows("low score"))
    board = Board(traced.whole.picture, fade=0.4)
    boxes = traced.whole.place(candidates.boxes)
    for row in low[:MOST_BOXES][::-1]:
        board.box(boxes[row], GREY, width=1)
    for row in suppressed[:MOST_BOXES][::-1]:
        board.box(boxes[row], instance_color(int(fates.by[row])), width=1, dashed=True)
    for row in kept[:MOST_BOXES][::-1]:
        board.box(boxes[row], instance_color(int(row)), width=3)
    for row in kept[:MOST_BOXES]:
        board.name(
            boxes[row],
            f"{traced.name_of(int(candidates.labels[row]))} {candidates.scores[row]:.2f}",
            instance_color(int(row)),
        )
    others = len(candidates) - len(kept) - len(suppressed) - len(low)
    return (
        Picture(
            with_legend(
                board.pixels(),
                [
                    (WHITE, "thick line: kept"),
                    (WHITE, "dashed line of the same colour: suppressed by it"),
                    (GREY, "score too low"),
                ],
            ),
            "What became of the candidates",
            f"Of {len(candidates):,} candidates {len(low):,} scored too low (threshold "
            f"{traced.thresholds.score_threshold:.2f}), {len(suppressed):,} are suppressed (NMS "
            f"threshold {traced.thresholds.nms_threshold:.2f}), {others:,} are beyond the limit or of a "
            f"category that is switched off, and {len(kept):,} are kept."
            + told_most(max(len(kept), len(suppressed), len(low))),
        ),
        *_one_suppression(traced),
    )


def _one_suppression(traced: TracedImage) -> tuple[Picture, ...]:
    """Return the detection that suppressed the most, with all that it did."""
    candidates, fates = traced.trace.run.candidates, traced.fates
    by = fates.by[fates.rows("suppressed")]
    if not len(by):
        return ()
    row = int(np.bincount(by).argmax())
    dropped = np.flatnonzero((fates.by == row) & (fates.codes == FATES.index("suppressed")))
    view = traced.around(candidates.boxes[[row, *dropped]])
    board = Board(view.picture, fade=0.4)
    for other in dropped[np.argsort(candidates.scores[dropped], kind="stable")][-MOST_BOXES:]:
        board.box(view.place(candidates.boxes[other]), RED, width=1)
    name = f"{traced.name_of(int(candidates.labels[row]))} ({candidates.scores[row]:.2f})"
    board.box(view.place(candidates.boxes[row]), GREEN, width=3, text=name)
    ious = fates.ious[dropped]
    return (
        Picture(
            with_legend(board.pixels(), [(GREEN, name), (RED, "suppressed by it")]),
            "The one that suppressed the most",
            f"{name} suppressed {len(dropped)} of its category, which overlap it by {ious.min():.2f} to "
            f"{ious.max():.2f}; the best of them scored {candidates.scores[dropped].max():.2f}.",
        ),
    )


# -- masks ---------------------------------------------------------------------------------------------


def draw_mask(traced: TracedImage) -> tuple[Picture, ...]:
    found = traced.detections
    if not len(found):
        return (nothing_found(traced, "Masks, small and large"),)
    return tuple(_one_mask(traced, number) for number in range(min(len(found), _MASKS)))


def _one_mask(traced: TracedImage, number: int) -> Picture:
    found, threshold = traced.detections, traced.thresholds.mask_threshold
    probs, label, score = found.mask_probs[number], int(found.labels[number]), found.scores[number]
    left, top, right, bottom = whole_pixels(found.boxes[number], found.image_size)
    size = fitted((bottom - top, right - left), PANEL)
    mask = found[number : number + 1].masks(threshold)[0]
    inside = mask.window(top, left, bottom - top, right - left)
    cut = traced.pixels[top:bottom, left:right] * inside[..., None]
    soft = np.asarray(Image.fromarray(probs).resize((size[1], size[0]), Image.Resampling.BILINEAR))
    side = len(probs)
    name = f"{traced.name_of(label)} {score:.2f}"
    return Picture(
        panels(
            [
                (f"{side} by {side} probabilities", enlarge(false_colors(probs, 0, 1), (PANEL, PANEL))),
                ("laid over the box", false_colors(soft, 0, 1)),
                (f"above {threshold:g}", scaled(np.ascontiguousarray(cut), size)),
            ]
        ),
        f"Mask of {name}",
        f"The mask head's {side} × {side} probabilities from 0 (violet) to 1 (yellow), the same stretched "
        f"over the box, {bottom - top} pixels high and {right - left} wide, and the {mask.area:,} pixels of "
        f"the image that are above the threshold of {threshold:g}.",
    )


def draw_kinds(traced: TracedImage) -> tuple[Picture, ...]:
    segment = np.zeros_like(traced.whole.picture)
    for instance in traced.instances:
        inside = instance.mask.to_mask()
        segment[inside] = traced.whole.picture[inside]
    note = "" if traced.instances else " Nothing was detected here."
    return tuple(
        Picture(pixels, title, caption + note)
        for pixels, title, caption in (
            (
                _render(traced, Style(masks=False, contours=False)),
                "Object detection: boxes only",
                "Where objects are, with category and score.",
            ),
            (
                _render(
                    traced,
                    Style(boxes=False, labels=False, contours=False, color_by="category", opacity=0.65),
                ),
                "Semantic segmentation",
                "Each pixel has the colour of its category: adjacent objects of one category cannot be told "
                "apart.",
            ),
            (_render(traced, Style()), "Instance segmentation", "Each object has its own pixels and colour."),
            (segment, "Segments", "The image times its masks: everything outside the objects is zero."),
        )
    )


def _render(traced: TracedImage, style: Style) -> Pixels:
    return render(traced.whole.picture, traced.instances, traced.names, style)
