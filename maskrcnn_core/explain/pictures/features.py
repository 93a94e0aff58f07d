"""Pictures of the first stages: the input, the feature maps, anchors and proposals."""

from __future__ import annotations

import numpy as np

from maskrcnn_core.common.arrays import Floats, Pixels
from maskrcnn_core.drawing.board import (
    AMBER,
    SIDE,
    Board,
    enlarge,
    false_colors,
    panels,
    picture_size,
    scaled,
    with_legend,
)
from maskrcnn_core.drawing.palette import instance_color
from maskrcnn_core.explain.pictures.base import (
    MOST_BOXES,
    PANEL,
    Picture,
    color_of,
    fitted,
    size_of,
    told_range,
    told_size,
)
from maskrcnn_core.explain.trace import FeatureMap
from maskrcnn_core.explain.traced_image import TracedImage
from maskrcnn_core.geometry.boxes import box_areas

__all__ = ["draw_anchors", "draw_backbone", "draw_input", "draw_proposals", "draw_pyramid"]
_CHANNELS = 24  # of a feature map in a contact sheet, the map's strength among them
_COLUMNS = 6


# -- input and feature maps ----------------------------------------------------------------------------


def draw_input(traced: TracedImage) -> tuple[Picture, ...]:
    seen = traced.trace.input
    (height, width), (padded_height, padded_width) = seen.input_size, seen.padded_size
    top, left = seen.corner
    # the rim takes part in the stretch
    low, high = min(float(seen.values.min()), *seen.rim), max(float(seen.values.max()), *seen.rim)
    padded = np.empty((3, padded_height, padded_width), np.float32)
    padded[:] = np.array(seen.rim, np.float32)[:, None, None]
    padded[:, top : top + height, left : left + width] = seen.values
    grey = ((padded - low) / max(high - low, 1e-6) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    shown = scaled(np.ascontiguousarray(grey), picture_size((padded_height, padded_width), least=1))
    board = Board(shown, fade=0)
    shrink = shown.shape[1] / padded_width
    inside = (left, top, left + width, top + height)
    board.box(tuple(side * shrink for side in inside), AMBER, width=2)
    right, bottom = padded_width - width - left, padded_height - height - top
    if seen.corner == (0, 0) and not any(seen.rim):
        rim = f"the border of zeros is {right} pixels on the right and {bottom} at the bottom"
    else:
        rim = (
            f"the border of black, less the mean, is {left} pixels on the left, {right} on the right, "
            f"{top} at the top and {bottom} at the bottom"
        )
    return (
        Picture(traced.whole.picture, "The image", f"As given: {told_size(seen.image_size)} pixels."),
        Picture(
            board.pixels(),
            "The network's input",
            f"Its numbers as a picture, {low:.2f} black and {high:.2f} white. Inside the frame is the image, "
            f"scaled to {told_size(seen.input_size)}; {rim}.",
        ),
    )


def draw_backbone(traced: TracedImage) -> tuple[Picture, ...]:
    return tuple(_sheet(traced, level, "backbone") for level in traced.trace.backbone)


def draw_pyramid(traced: TracedImage) -> tuple[Picture, ...]:
    return tuple(_sheet(traced, level, "pyramid") for level in traced.trace.pyramid)


def _sheet(traced: TracedImage, level: FeatureMap, where: str) -> Picture:
    """Draw the image, the map's strength, and its channels with the widest range."""
    channels = level.strongest[: _CHANNELS - 2]
    size = _tile((level.size[0], level.size[1]))
    tiles = [
        ("image", scaled(traced.whole.picture, size)),
        ("all channels", enlarge(false_colors(level.strength), size)),
        *((f"channel {c}", enlarge(_stretched(level.pictures[c]), size)) for c in channels),
    ]
    return Picture(
        panels(tiles),
        f"Channels of {level.name}",
        f"{level.name} of the {where}: {level.channels} channels of {told_size(level.size)} cells, one for "
        f"every {level.stride:.0f} pixels of the input. This shows the mean strength of all channels, "
        f"and the {len(channels)} with the widest range, each stretched from low (violet) to high (yellow), "
        "without the outermost percent.",
    )


def _stretched(channel: Pixels) -> Pixels:
    """Return false colours; outliers are cut, as a few cells would leave the rest in one colour."""
    low, high = np.percentile(channel, (1, 99)).tolist()
    return false_colors(channel, low, high) if high > low else false_colors(channel)


def _tile(cells: tuple[int, int]) -> tuple[int, int]:
    """Return pixels of a tile, so that a row of them fills a picture and none is taller than two are wide."""
    width = (SIDE - 10 * (_COLUMNS - 1)) // _COLUMNS
    scale = min(width / cells[1], 2 * width / cells[0])
    return max(round(cells[0] * scale), 1), max(round(cells[1] * scale), 1)


# -- anchors and proposals -----------------------------------------------------------------------------


def draw_anchors(traced: TracedImage) -> tuple[Picture, ...]:
    height, width = traced.trace.input.input_size
    shown = scaled(traced.whole.picture, fitted(size_of(traced.whole.picture), SIDE * 2 // 3))
    shrink = np.float32(shown.shape[1] / traced.whole.picture.shape[1])
    board, legend = Board(shown, margin=SIDE // 6), []
    for number, level in reversed(list(enumerate(traced.trace.anchors))):
        row, column = level.cell_at(width / 2, height / 2)
        color = instance_color(number)
        boxes = traced.whole.place(level.boxes[row, column]) * shrink
        for box in boxes:
            board.box(box, color)
        centre = boxes[0, :2] + (boxes[0, 2:] - boxes[0, :2]) / 2
        board.dot((float(centre[0]), float(centre[1])), color, radius=3)
        sides = np.sqrt(box_areas(level.boxes[row, column]))
        legend.append((color, f"{level.name}: {level.per_cell} of side {told_range(sides)}"))
    return (
        Picture(
            with_legend(board.pixels(), legend[::-1]),
            "Anchors of the cell at the image's centre",
            "Only one cell's anchors per level; every other cell has the same. They may extend beyond the "
            "image. Sides are in pixels of the network's input, for a square of the same area.",
        ),
    )


def draw_proposals(traced: TracedImage) -> tuple[Picture, ...]:
    proposals = traced.trace.proposals
    of_which = "no two" if proposals.is_overall else "no two of one level"
    best = np.argsort(-proposals.scores, kind="stable")[:MOST_BOXES]
    kept = proposals.kept[:MOST_BOXES]
    return (
        _objectness(traced),
        Picture(
            _scored_boxes(traced, proposals.boxes[best], proposals.scores[best]),
            "The best proposals before suppression",
            f"The {len(best)} with the greatest objectness of {len(proposals):,}: many are of the same "
            "object."
            if len(best)
            else "Nothing was proposed.",
        ),
        Picture(
            _scored_boxes(traced, proposals.boxes[kept], proposals.scores[kept]),
            "The best proposals after suppression",
            f"The best {len(kept)} of the {len(proposals.kept):,} that continue as regions of interest: "
            f"{of_which} overlap by more than {proposals.nms_threshold:g}."
            if len(kept)
            else "No region of interest is left, so nothing can be detected.",
        ),
    )


def _objectness(traced: TracedImage) -> Picture:
    tiles = []
    for level in traced.trace.anchors:
        best = level.objectness.max(axis=2)
        size = fitted(level.size, PANEL)
        title = f"{level.name}, at most {best.max():.2f}"
        tiles.append((title, enlarge(false_colors(best, 0, 1), size)))
    size = tiles[0][1].shape[:2]
    return Picture(
        panels([("image", scaled(traced.whole.picture, (size[0], size[1]))), *tiles]),
        "Objectness by level",
        "The greatest objectness among each cell's anchors, from 0 (violet) to 1 (yellow): fine levels see "
        "small objects, coarse levels large ones.",
    )


def _scored_boxes(traced: TracedImage, boxes: Floats, scores: Floats) -> Pixels:
    board = Board(traced.whole.picture, fade=0.4)
    colors = false_colors(scores, 0, 1)
    for box, color in reversed(list(zip(traced.whole.place(boxes), colors, strict=True))):
        board.box(box, color_of(color), width=2)
    steps = ("objectness 0", 0.0), ("0.25", 0.25), ("0.5", 0.5), ("0.75", 0.75), ("1", 1.0)
    legend = [(color_of(false_colors(np.array(value), 0, 1)), text) for text, value in steps]
    return with_legend(board.pixels(), legend)
