"""Objects and detections of one image in one picture, and as a grid of their overlaps.

What Matterport shows as ``visualize.display_differences`` and ``visualize.plot_overlaps``: objects green,
detections red, and each with what became of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Box, Doubles, Ints, Pixels
from maskrcnn_core.drawing.board import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    RED,
    Board,
    picture_size,
    scaled,
    with_legend,
)
from maskrcnn_core.drawing.outlines import Outline, draw_outlines, laid_over
from maskrcnn_core.drawing.palette import Color
from maskrcnn_core.drawing.plots import Line, draw_grid, draw_lines
from maskrcnn_core.evaluation.counting import RECALLS
from maskrcnn_core.evaluation.image_scores import Curve
from maskrcnn_core.evaluation.matching import Comparison, Matches
from maskrcnn_core.evaluation.set_curves import SetCurve
from maskrcnn_core.geometry.rle import Rle

__all__ = [
    "LEGEND",
    "Grid",
    "Mark",
    "draw_curve",
    "draw_differences",
    "draw_overlaps",
    "draw_set_curve",
    "grid_of",
    "marks_of",
    "outlines_of",
    "steps_of",
]

LEGEND: tuple[tuple[Color, str], ...] = (
    (GREEN, "object"),
    (RED, "detection; if right: score / IoU"),
    (GREY, "ignored: crowd, or beyond the limit"),
)
_TRUTH_WIDTH, _FOUND_WIDTH = 4, 2
_FILL = 0.18
_MOST_CELLS = 20
"""Rows, and columns, of a picture of the grid: more would not be read."""


@dataclass(frozen=True, eq=False)
class Mark:
    """One object or detection in the picture.

    Args:
        side: which of the two it is.
        index: of it in its side of the comparison.
        box: x1 y1 x2 y2 in pixels of the image.
        color: of its outline.
        text: what it is and what became of it; names of categories come from outside.
        is_told: whether the picture should say so: an object that was found says it by its detection.
    """

    side: Literal["truth", "found"]
    index: int
    box: Box
    color: Color
    text: str
    is_told: bool


def marks_of(
    comparison: Comparison, matches: Matches, names: Mapping[int, str], score_threshold: float = 0.0
) -> list[Mark]:
    """Say what became of each object, and of each detection above a score, the worst scored first.

    Args:
        comparison: of the image.
        matches: of the comparison.
        names: category id to name.
        score_threshold: of the detections that are shown; an object that only a lesser one matches is missed.
    """
    return [
        *_truth_marks(comparison, matches, names, score_threshold),
        *_found_marks(comparison, matches, names, score_threshold),
    ]


def _truth_marks(
    comparison: Comparison, matches: Matches, names: Mapping[int, str], score_threshold: float
) -> Iterator[Mark]:
    truth, scores = comparison.truth, comparison.found.scores
    for index, fate in enumerate(matches.truth_fates):
        name = names[int(truth.category_ids[index])]
        match = int(matches.of_truth[index])
        is_found = match >= 0 and float(scores[match]) > score_threshold
        color = GREY if fate == "crowd" else GREEN
        text = f"crowd: {name}" if fate == "crowd" else name if is_found else f"missed: {name}"
        yield Mark("truth", index, _corners(truth.boxes[index]), color, text, not is_found)


def _found_marks(
    comparison: Comparison, matches: Matches, names: Mapping[int, str], score_threshold: float
) -> Iterator[Mark]:
    found, truth = comparison.found, comparison.truth
    for index in comparison.order[::-1].tolist():
        score, fate = float(found.scores[index]), matches.found_fates[index]
        if not score > score_threshold:
            continue
        name = f"{names[int(found.category_ids[index])]} {score:.2f}"
        color = GREY if fate in ("in a crowd", "beyond limit") else RED
        if fate == "right":
            text = f"{name} / {comparison.ious[matches.of_found[index], index]:.2f}"
        elif fate == "wrong category":
            text = f"{name}, wrong: {names[int(truth.category_ids[matches.nearest[index]])]}"
        else:
            text = f"{name}, {fate}"
        yield Mark("found", index, _corners(found.boxes[index]), color, text, is_told=True)


def _corners(box_xywh: Doubles) -> Box:
    x, y, width, height = box_xywh.tolist()
    return (x, y, x + width, y + height)


def outlines_of(comparison: Comparison, marks: Sequence[Mark], size: tuple[int, int]) -> list[Outline]:
    """Return the outlines of those marks that have a mask, objects wide and detections narrow.

    Args:
        comparison: that the marks are of.
        marks: objects before detections, as :func:`marks_of` gives them.
        size: ``(height, width)`` of the image in pixels.
    """
    sides = {"truth": (comparison.truth, _TRUTH_WIDTH), "found": (comparison.found, _FOUND_WIDTH)}
    outlines = []
    for mark in marks:
        columns, width = sides[mark.side]
        if columns.counts[mark.index]:
            outlines.append((Rle.from_counts(columns.counts[mark.index], size), mark.color, width))
    return outlines


def draw_differences(
    pixels: Pixels,
    comparison: Comparison,
    matches: Matches,
    names: Mapping[int, str],
    score_threshold: float = 0.0,
) -> Pixels:
    """Draw an image with its objects in green and the detections in red, and say what became of each.

    Args:
        pixels: the image, uint8 ``[H, W, 3]`` RGB; not changed.
        comparison: of the image. Where boxes are compared, boxes are drawn.
        matches: of the comparison.
        names: category id to name.
        score_threshold: of the detections that are drawn.

    Returns:
        uint8 ``[h, w, 3]`` with a legend below, the image's longer side 480 to 900 pixels.
    """
    size = pixels.shape[0], pixels.shape[1]
    small = picture_size(size)
    marks = marks_of(comparison, matches, names, score_threshold)
    picture = scaled(pixels, small)
    if comparison.kind == "segm":
        picture = laid_over(picture, draw_outlines(outlines_of(comparison, marks, size), small, fill=_FILL))
    board = Board(picture, fade=0.0)
    scale = np.array([small[1] / size[1], small[0] / size[0]] * 2)
    for mark in marks:
        box = np.array(mark.box) * scale
        if comparison.kind == "bbox":
            board.box(box, mark.color, width=3 if mark.side == "truth" else 2)
    for mark in reversed(marks):  # labels of better detections come first, and objects last
        if mark.is_told:
            board.name(np.array(mark.box) * scale, mark.text, mark.color)
    return with_legend(board.pixels(), LEGEND)


# -- the grid of overlaps --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Grid:
    """Objects from the top, detections from the left, and how far they overlap.

    Args:
        truth: int64 ``[R]``, the objects: those that are found first, in the order of their detections.
        found: int64 ``[C]``, the detections above the score threshold, from the best score down.
        ious: float64 ``[R, C]``.
        matches: row and column of each match.
        wrong: likewise of pairs that overlap as much, of two categories.
    """

    truth: Ints
    found: Ints
    ious: Doubles
    matches: tuple[tuple[int, int], ...]
    wrong: tuple[tuple[int, int], ...]


def grid_of(comparison: Comparison, matches: Matches, score_threshold: float = 0.0) -> Grid:
    """Return the overlaps in an order in which matches lie near the diagonal.

    Args:
        comparison: of the image.
        matches: of the comparison.
        score_threshold: of the detections.
    """
    columns = comparison.order[comparison.found.scores[comparison.order] > score_threshold]
    place = {int(index): n for n, index in enumerate(columns)}
    found_by = [place.get(int(match), len(place)) for match in matches.of_truth]
    rows = np.argsort(np.array(found_by, np.int64), kind="stable").astype(np.int64)
    ious = comparison.ious[np.ix_(rows, columns)]
    is_match = matches.of_found[columns][None] == rows[:, None]
    other = ~comparison.same[np.ix_(rows, columns)] & (ious >= matches.iou_threshold)
    other &= ~comparison.truth.crowds[rows][:, None]
    return Grid(rows, columns, ious, _cells(is_match), _cells(other))


def _cells(chosen: npt.NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    return tuple((int(r), int(c)) for r, c in zip(*np.nonzero(chosen), strict=True))


def draw_overlaps(
    comparison: Comparison, matches: Matches, names: Mapping[int, str], score_threshold: float = 0.0
) -> tuple[Pixels, int]:
    """Draw the grid of overlaps: matches framed green, pairs of two categories red.

    Args:
        comparison: of the image.
        matches: of the comparison.
        names: category id to name.
        score_threshold: of the detections.

    Returns:
        uint8 ``[h, w, 3]`` with the first rows and columns, and how many of both are left out.
    """
    grid = grid_of(comparison, matches, score_threshold)
    rows, columns = grid.truth[:_MOST_CELLS], grid.found[:_MOST_CELLS]
    truth, found = comparison.truth, comparison.found
    frames = [(r, c, GREEN) for r, c in grid.matches] + [(r, c, RED) for r, c in grid.wrong]
    picture = draw_grid(
        [names[int(truth.category_ids[row])] for row in rows],
        [f"{names[int(found.category_ids[c])]} {found.scores[c]:.2f}" for c in columns],
        grid.ious[:_MOST_CELLS, :_MOST_CELLS],
        [(r, c, color) for r, c, color in frames if r < len(rows) and c < len(columns)],
    )
    legend = [(GREEN, "match"), (RED, "overlaps an object of another category")]
    left_out = len(grid.truth) - len(rows) + len(grid.found) - len(columns)
    return with_legend(picture, legend), left_out


# -- curves ------------------------------------------------------------------------------------------------


def draw_curve(curve: Curve, title: str) -> Pixels:
    """Draw precision against recall of one image, and the envelope whose area is its AP.

    Args:
        curve: of the image; without objects nothing is drawn in it.
        title: above it.
    """
    xs, ys = steps_of(curve)
    points = (curve.recalls.tolist(), curve.precisions.tolist()) if curve.truths else ([], [])
    lines: list[Line] = [("precision at each detection", BLUE, *points), ("envelope", RED, xs, ys)]
    return draw_lines(title, "recall", "precision", lines)


def steps_of(curve: Curve) -> tuple[list[float], list[float]]:
    """Return recalls and precisions of the envelope's corners, from recall 0 to the greatest, then down."""
    xs, ys, last = [], [], 0.0
    if curve.truths:
        for recall, precision in zip(curve.recalls, curve.envelope, strict=True):
            if recall > last:
                xs += [last, float(recall)]
                ys += [float(precision)] * 2
                last = float(recall)
    return [*xs, last], [*ys, 0.0]


def draw_set_curve(box: SetCurve, mask: SetCurve) -> Pixels:
    """Draw a set's curves, boxes above masks; those that are not known are left out."""
    parts = []
    for what, one in (("Boxes", box), ("Masks", mask)):
        lines: list[Line] = [
            (f"{name}: {np.mean(values):.3f}", color, RECALLS, values)
            for name, color, values in (
                ("AP50", BLUE, one.at50),
                ("AP75", AMBER, one.at75),
                ("AP, mean of IoU .50 to .95", RED, one.mean),
            )
            if values
        ]
        if lines:
            title = f"{what}: precision against recall, mean over categories"
            parts.append(draw_lines(title, "recall", "precision", lines))
    return np.vstack(parts) if parts else draw_lines("nothing to compare", "recall", "precision", [])
