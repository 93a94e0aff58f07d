"""Pictures of what is compared and cut out: IoU and RoIAlign."""

from __future__ import annotations

import numpy as np

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.drawing.board import (
    AMBER,
    BLUE,
    GREEN,
    RED,
    WHITE,
    Board,
    enlarge,
    false_colors,
    panels,
    with_legend,
)
from maskrcnn_core.explain.misses import SAME
from maskrcnn_core.explain.pictures.base import MOST_BOXES, PANEL, Picture, fitted, nothing_found
from maskrcnn_core.explain.roi_crops import RoiCrop, crop_region
from maskrcnn_core.explain.traced_image import Subject, TracedImage
from maskrcnn_core.geometry.boxes import box_areas, box_ious

__all__ = ["draw_iou", "draw_roi_align"]


# -- overlap -------------------------------------------------------------------------------------------


def draw_iou(traced: TracedImage) -> tuple[Picture, ...]:
    subject = traced.subject
    if subject is None:
        return (nothing_found(traced, "Regions and the best detection"),)
    boxes = traced.trace.regions.boxes
    ious = box_ious(boxes, subject.final_box[None])[:, 0]
    same, rest = np.flatnonzero(ious >= SAME), np.flatnonzero(ious < SAME)
    board = Board(traced.whole.picture, fade=0.4)
    for rows, color, width in ((rest, RED, 1), (same, GREEN, 2)):
        for box in traced.whole.place(boxes[rows[:MOST_BOXES]])[::-1]:
            board.box(box, color, width=width)
    board.box(traced.whole.place(subject.final_box), WHITE, width=3, text=subject.what)
    pictures = [
        Picture(
            with_legend(
                board.pixels(),
                [(WHITE, subject.what), (GREEN, f"IoU {SAME:g} or more"), (RED, "IoU below")],
            ),
            "Regions and the best detection",
            f"{len(same)} of {len(boxes):,} regions of interest overlap {subject.what} by {SAME:g} or more. "
            f"Of the others, the {min(len(rest), MOST_BOXES)} with the greatest objectness are drawn.",
        )
    ]
    partly = np.flatnonzero(ious > 0)
    if len(partly):
        pictures.append(_one_iou(traced, subject, int(partly[np.abs(ious[partly] - SAME).argmin()])))
    return tuple(pictures)


def _one_iou(traced: TracedImage, subject: Subject, region: int) -> Picture:
    """Draw what a region that overlaps by about half shares with a box, and what both cover."""
    a, b = subject.final_box, traced.trace.regions.boxes[region]
    shared = np.concatenate([np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])])
    both = float(box_areas(shared[None])[0])
    either = float(box_areas(np.stack([a, b])).sum()) - both
    view = traced.around(np.stack([a, b]))
    board = Board(view.picture, fade=0.4)
    first, second, common = view.place(np.stack([a, b, shared]))
    for box in (first, second):
        board.fill(box, AMBER, 0.35)
    board.fill(common, GREEN, 0.6)
    board.box(first, WHITE, text=subject.what)
    board.box(second, BLUE, text="region of interest")
    return Picture(
        with_legend(board.pixels(), [(GREEN, "shared"), (AMBER, "union, including the shared part")]),
        "One IoU, step by step",
        f"They share {both:,.0f} square pixels of the input, and their union covers {either:,.0f}: IoU "
        f"{both / either:.2f}.",
    )


# -- RoIAlign ------------------------------------------------------------------------------------------


def draw_roi_align(traced: TracedImage) -> tuple[Picture, ...]:
    subject = traced.subject
    if subject is None:
        height, width = traced.trace.input.input_size
        box = np.array([width / 4, height / 4, width * 3 / 4, height * 3 / 4], np.float32)
        what = "the middle of the image, because nothing was proposed"
    else:
        box, what = subject.box, f"the region of {subject.what}"
    crop = crop_region(traced.predictor, traced.trace, box, traced.pixels)
    level = traced.trace.pyramid[crop.level]
    view = traced.around(box)
    board = Board(view.picture, fade=0)
    board.box(view.place(box), GREEN, width=3)
    strength = np.abs(crop.crop).mean(axis=0)
    grids = panels(
        [
            (f"RoIAlign on {level.name}", _grid(crop, rounded=False)),
            ("RoIPool, rounded to cells", _grid(crop, rounded=True)),
            (f"the crop: {crop.side} by {crop.side}", enlarge(false_colors(strength), (PANEL, PANEL))),
        ]
    )
    return (
        Picture(
            board.pixels(),
            "The region",
            f"This shows {what}, before the box head moves it, with its surroundings.",
        ),
        Picture(
            grids,
            "The region on its feature map",
            f"Mean strength of the {level.channels} channels of {level.name}; each square is a cell. On the "
            f"left, the {crop.side} × {crop.side} bins of RoIAlign and the points it samples; in the "
            "middle, where RoIPool would have cut, at whole cells; on the right, what the box head gets: "
            f"for the whole region, {len(crop.crop)} × {crop.side} × {crop.side} numbers.",
        ),
    )


def _grid(crop: RoiCrop, *, rounded: bool) -> Pixels:
    """Return the window's cells with the bins' edges; RoIAlign's with the points that are read."""
    cells = np.abs(crop.window).mean(axis=0)
    size = fitted((cells.shape[0], cells.shape[1]), PANEL)
    cell = np.array([size[1] / cells.shape[1], size[0] / cells.shape[0]])
    corner = np.array(crop.corner[::-1], np.float64)
    # A cell's value is read at its whole number, its square reaches half a cell further each way; RoIPool
    # takes squares as a whole, so its edges are those between them.
    shift = 0.0 if rounded else 0.5
    board = Board(enlarge(false_colors(cells), size), fade=0)
    xs, ys = crop.rounded if rounded else crop.edges
    left, right = ((xs[[0, -1]] - corner[0] + shift) * cell[0]).tolist()
    top, bottom = ((ys[[0, -1]] - corner[1] + shift) * cell[1]).tolist()
    color = RED if rounded else WHITE
    for x in (xs - corner[0] + shift) * cell[0]:
        board.line((x, top), (x, bottom), color)
    for y in (ys - corner[1] + shift) * cell[1]:
        board.line((left, y), (right, y), color)
    if not rounded:
        for x, y in ((crop.points.reshape(-1, 2) - corner + shift) * cell).tolist():
            board.dot((x, y), RED, radius=1.5)
    return board.pixels()
