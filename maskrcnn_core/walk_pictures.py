"""The stages of one walk as pictures: what the report shows, and the notebook.

``PICTURES`` has a row for each stage of :data:`~maskrcnn_core.walk.WALK`. Every function copes with a walk on
which nothing was proposed or found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskrcnn_core.boxes import box_areas, box_ious
from maskrcnn_core.drawing import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    RED,
    SIDE,
    WHITE,
    Board,
    bars,
    enlarge,
    false_colors,
    panels,
    picture_size,
    scaled,
    with_legend,
)
from maskrcnn_core.explaining import SAME, Explanation, explain_box
from maskrcnn_core.fates import FATES
from maskrcnn_core.layers import Layer, blocks_of, layers_of
from maskrcnn_core.messages import counted
from maskrcnn_core.models import LoadedModel
from maskrcnn_core.palette import Color, instance_color
from maskrcnn_core.pasting import paste_mask
from maskrcnn_core.rendering import Style, render
from maskrcnn_core.roi_crops import RoiCrop, crop_region
from maskrcnn_core.stages import FeatureMap
from maskrcnn_core.walk_run import Subject, Walk

__all__ = ["PICTURES", "Picture", "example_of_a_miss"]

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_MOST = 100  # boxes in a picture: more would hide it
_CHANNELS = 24  # of a feature map in a contact sheet, the map's strength among them
_COLUMNS = 6
_PANEL = 290  # pixels: three side by side
_NAMED = 20  # boxes with arrows
_CLASSES = 8
_MASKS = 3
_ODD = 3  # layers that are named


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with its words.

    Args:
        pixels: uint8 ``[h, w, 3]`` RGB.
        title: what it is, a few words; also for those who cannot see it.
        caption: what there is to see, a sentence or two; may name categories.
    """

    pixels: Pixels
    title: str
    caption: str


# -- input and feature maps ----------------------------------------------------------------------------


def _input(walk: Walk) -> tuple[Picture, ...]:
    seen = walk.stages.input
    (height, width), (padded_height, padded_width) = seen.input_size, seen.padded_size
    # the rim holds zeros, so it takes part in the stretch
    low, high = min(float(seen.values.min()), 0.0), max(float(seen.values.max()), 0.0)
    padded = np.zeros((3, padded_height, padded_width), np.float32)
    padded[:, :height, :width] = seen.values
    grey = ((padded - low) / max(high - low, 1e-6) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    shown = scaled(np.ascontiguousarray(grey), picture_size((padded_height, padded_width), least=1))
    board = Board(shown, fade=0)
    shrink = shown.shape[1] / padded_width
    board.box((0, 0, width * shrink, height * shrink), AMBER, width=2)
    rim = f"right {padded_width - width} and below {padded_height - height} pixels"
    return (
        Picture(walk.whole.picture, "The image", f"As it was given: {_times(seen.image_size)} pixels."),
        Picture(
            board.pixels(),
            "The network's input",
            f"Its numbers as a picture, {low:.2f} black and {high:.2f} white. Within the frame is the image, "
            f"scaled to {_times(seen.input_size)}; the rim of zeros is {rim}.",
        ),
    )


def _backbone(walk: Walk) -> tuple[Picture, ...]:
    return tuple(_sheet(walk, level, "backbone") for level in walk.stages.backbone)


def _pyramid(walk: Walk) -> tuple[Picture, ...]:
    return tuple(_sheet(walk, level, "pyramid") for level in walk.stages.pyramid)


def _sheet(walk: Walk, level: FeatureMap, where: str) -> Picture:
    """The image, the map's strength, and its channels with the widest range."""
    channels = level.strongest[: _CHANNELS - 2]
    size = _tile((level.size[0], level.size[1]))
    tiles = [
        ("image", scaled(walk.whole.picture, size)),
        ("all channels", enlarge(false_colors(level.strength), size)),
        *((f"channel {c}", enlarge(_stretched(level.pictures[c]), size)) for c in channels),
    ]
    return Picture(
        panels(tiles),
        f"Channels of {level.name}",
        f"{level.name} of the {where}: {level.channels} channels of {_times(level.size)} cells, one for "
        f"every {level.stride:.0f} pixels of the input. Shown are the mean strength of all, and the "
        f"{len(channels)} channels with the widest range, each stretched from its low values (violet) to its "
        "high ones (yellow), the outermost hundredths left out.",
    )


def _stretched(channel: Pixels) -> Pixels:
    """In false colours; a few cells far beyond all others would leave the rest in one colour."""
    low, high = np.percentile(channel, (1, 99)).tolist()
    return false_colors(channel, low, high) if high > low else false_colors(channel)


def _tile(cells: tuple[int, int]) -> tuple[int, int]:
    """Pixels of a tile, so that a row of them fills a picture and none is taller than two are wide."""
    width = (SIDE - 10 * (_COLUMNS - 1)) // _COLUMNS
    scale = min(width / cells[1], 2 * width / cells[0])
    return max(round(cells[0] * scale), 1), max(round(cells[1] * scale), 1)


# -- anchors and proposals -----------------------------------------------------------------------------


def _anchors(walk: Walk) -> tuple[Picture, ...]:
    height, width = walk.stages.input.input_size
    shown = scaled(walk.whole.picture, _fit(_size_of(walk.whole.picture), SIDE * 2 // 3))
    shrink = np.float32(shown.shape[1] / walk.whole.picture.shape[1])
    board, legend = Board(shown, margin=SIDE // 6), []
    for number, level in reversed(list(enumerate(walk.stages.anchors))):
        row, column = level.cell_at(width / 2, height / 2)
        color = instance_color(number)
        boxes = walk.whole.place(level.boxes[row, column]) * shrink
        for box in boxes:
            board.box(box, color)
        centre = boxes[0, :2] + (boxes[0, 2:] - boxes[0, :2]) / 2
        board.dot((float(centre[0]), float(centre[1])), color, radius=3)
        sides = np.sqrt(box_areas(level.boxes[row, column]))
        legend.append((color, f"{level.name}: {level.per_cell} of side {_range(sides)}"))
    return (
        Picture(
            with_legend(board.pixels(), legend[::-1]),
            "Anchors of the cell at the image's middle",
            "Of each level the anchors of one cell only; the same lie at every other cell. They may reach "
            "beyond the image. Sides are in pixels of the network's input, of a square of the same area.",
        ),
    )


def _proposals(walk: Walk) -> tuple[Picture, ...]:
    proposals = walk.stages.proposals
    best = np.argsort(-proposals.scores, kind="stable")[:_MOST]
    kept = proposals.kept[:_MOST]
    return (
        _objectness(walk),
        Picture(
            _scored_boxes(walk, proposals.boxes[best], proposals.scores[best]),
            "The best proposals before suppression",
            f"The {len(best)} with the greatest objectness of {len(proposals):,}: many are of one object."
            if len(best)
            else "Nothing was proposed.",
        ),
        Picture(
            _scored_boxes(walk, proposals.boxes[kept], proposals.scores[kept]),
            "The best proposals after suppression",
            f"The best {len(kept)} of the {len(proposals.kept):,} that go on as regions of interest: no two "
            f"of one level overlap by more than {proposals.nms_threshold:g}."
            if len(kept)
            else "No region of interest is left, so nothing can be detected.",
        ),
    )


def _objectness(walk: Walk) -> Picture:
    tiles = []
    for level in walk.stages.anchors:
        best = level.objectness.max(axis=2)
        size = _fit(level.size, _PANEL)
        title = f"{level.name}, at most {best.max():.2f}"
        tiles.append((title, enlarge(false_colors(best, 0, 1), size)))
    size = tiles[0][1].shape[:2]
    return Picture(
        panels([("image", scaled(walk.whole.picture, (size[0], size[1]))), *tiles]),
        "Objectness by level",
        "Of each cell the greatest objectness of its anchors, from 0 (violet) to 1 (yellow): fine levels see "
        "small objects, coarse ones large.",
    )


def _scored_boxes(walk: Walk, boxes: Floats, scores: Floats) -> Pixels:
    board = Board(walk.whole.picture, fade=0.4)
    colors = false_colors(scores, 0, 1)
    for box, color in reversed(list(zip(walk.whole.place(boxes), colors, strict=True))):
        board.box(box, _color(color), width=2)
    steps = ("objectness 0", 0.0), ("0.25", 0.25), ("0.5", 0.5), ("0.75", 0.75), ("1", 1.0)
    legend = [(_color(false_colors(np.array(value), 0, 1)), text) for text, value in steps]
    return with_legend(board.pixels(), legend)


# -- overlap -------------------------------------------------------------------------------------------


def _iou(walk: Walk) -> tuple[Picture, ...]:
    subject = walk.subject
    if subject is None:
        return (_nothing(walk, "Regions and the best detection"),)
    boxes = walk.stages.regions.boxes
    ious = box_ious(boxes, subject.final_box[None])[:, 0]
    same, rest = np.flatnonzero(ious >= SAME), np.flatnonzero(ious < SAME)
    board = Board(walk.whole.picture, fade=0.4)
    for rows, color, width in ((rest, RED, 1), (same, GREEN, 2)):
        for box in walk.whole.place(boxes[rows[:_MOST]])[::-1]:
            board.box(box, color, width=width)
    board.box(walk.whole.place(subject.final_box), WHITE, width=3, text=subject.what)
    pictures = [
        Picture(
            with_legend(
                board.pixels(),
                [(WHITE, subject.what), (GREEN, f"IoU {SAME:g} or more"), (RED, "IoU below")],
            ),
            "Regions and the best detection",
            f"{len(same)} of {len(boxes):,} regions of interest overlap {subject.what} by {SAME:g} or more. "
            f"Of the others {min(len(rest), _MOST)} are drawn, those with the greatest objectness.",
        )
    ]
    partly = np.flatnonzero(ious > 0)
    if len(partly):
        pictures.append(_one_iou(walk, subject, int(partly[np.abs(ious[partly] - SAME).argmin()])))
    return tuple(pictures)


def _one_iou(walk: Walk, subject: Subject, region: int) -> Picture:
    """Of a region that overlaps by about half: what is shared and what is covered."""
    a, b = subject.final_box, walk.stages.regions.boxes[region]
    shared = np.concatenate([np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])])
    both = float(box_areas(shared[None])[0])
    either = float(box_areas(np.stack([a, b])).sum()) - both
    view = walk.around(np.stack([a, b]))
    board = Board(view.picture, fade=0.4)
    first, second, common = view.place(np.stack([a, b, shared]))
    for box in (first, second):
        board.fill(box, AMBER, 0.35)
    board.fill(common, GREEN, 0.6)
    board.box(first, WHITE, text=subject.what)
    board.box(second, BLUE, text="region of interest")
    return Picture(
        with_legend(board.pixels(), [(GREEN, "shared"), (AMBER, "covered together, with the shared part")]),
        "One IoU, step by step",
        f"They share {both:,.0f} square pixels of the input and cover {either:,.0f} together: IoU "
        f"{both / either:.2f}.",
    )


# -- RoIAlign ------------------------------------------------------------------------------------------


def _roi_align(walk: Walk) -> tuple[Picture, ...]:
    subject = walk.subject
    if subject is None:
        height, width = walk.stages.input.input_size
        box = np.array([width / 4, height / 4, width * 3 / 4, height * 3 / 4], np.float32)
        what = "the middle of the image, as nothing was proposed"
    else:
        box, what = subject.box, f"the region of {subject.what}"
    crop = crop_region(walk.predictor, walk.stages, box, walk.pixels)
    level = walk.stages.pyramid[crop.level]
    view = walk.around(box)
    board = Board(view.picture, fade=0)
    board.box(view.place(box), GREEN, width=3)
    strength = np.abs(crop.crop).mean(axis=0)
    grids = panels(
        [
            (f"RoIAlign on {level.name}", _grid(crop, rounded=False)),
            ("RoIPool, rounded to cells", _grid(crop, rounded=True)),
            (f"the crop: {crop.side} by {crop.side}", enlarge(false_colors(strength), (_PANEL, _PANEL))),
        ]
    )
    return (
        Picture(
            board.pixels(),
            "The region",
            f"Shown is {what}, before the box head moves it, with what is around it.",
        ),
        Picture(
            grids,
            "The region on its feature map",
            f"Mean strength of the {level.channels} channels of {level.name}; a square is a cell. On the "
            f"left the {crop.side} × {crop.side} bins of RoIAlign and the points that it reads; in the "
            "middle where RoIPool would have cut, at whole cells; on the right what the box head gets, for "
            f"the whole region {len(crop.crop)} × {crop.side} × {crop.side} numbers.",
        ),
    )


def _grid(crop: RoiCrop, *, rounded: bool) -> Pixels:
    """The window's cells with the bins' edges; RoIAlign's with the points that are read."""
    cells = np.abs(crop.window).mean(axis=0)
    size = _fit((cells.shape[0], cells.shape[1]), _PANEL)
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


# -- box head, suppression -----------------------------------------------------------------------------


def _box_head(walk: Walk) -> tuple[Picture, ...]:
    subject = walk.subject
    if subject is None:
        return (_nothing(walk, "From region to box"),)
    regions, candidates = walk.stages.regions, walk.stages.run.candidates
    rows = walk.detections.rows[:_NAMED].tolist() or ([subject.row] if subject.row >= 0 else [])
    board = Board(walk.whole.picture, fade=0.4)
    for row in reversed(rows):
        start, end = walk.whole.place(
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
            f"Of {counted(len(rows), 'detection')} the region each came from, and where the box head moved "
            "it."
            if len(walk.detections)
            else "Nothing was detected; shown is the best there was.",
        ),
        Picture(
            bars([(walk.name_of(label), float(scores[label])) for label in best]),
            "Class probabilities of one region",
            f"The greatest {len(best)} of {len(scores)} for the region of {subject.what}; all of them "
            "together are 1.",
        ),
    )


def _suppression(walk: Walk) -> tuple[Picture, ...]:
    candidates, fates = walk.stages.run.candidates, walk.fates
    by_score = np.argsort(-candidates.scores, kind="stable")
    kept = _in_order(by_score, fates.rows("kept"))
    suppressed = _in_order(by_score, fates.rows("suppressed"))
    low = _in_order(by_score, fates.rows("low score"))
    board = Board(walk.whole.picture, fade=0.4)
    boxes = walk.whole.place(candidates.boxes)
    for row in low[:_MOST][::-1]:
        board.box(boxes[row], GREY, width=1)
    for row in suppressed[:_MOST][::-1]:
        board.box(boxes[row], instance_color(int(fates.by[row])), width=1, dashed=True)
    for row in kept[:_MOST][::-1]:
        board.box(boxes[row], instance_color(int(row)), width=3)
    for row in kept[:_MOST]:
        board.name(
            boxes[row],
            f"{walk.name_of(int(candidates.labels[row]))} {candidates.scores[row]:.2f}",
            instance_color(int(row)),
        )
    others = len(candidates) - len(kept) - len(suppressed) - len(low)
    return (
        Picture(
            with_legend(
                board.pixels(),
                [
                    (WHITE, "thick line: kept"),
                    (WHITE, "dashes of the same colour: suppressed by it"),
                    (GREY, "score too low"),
                ],
            ),
            "What became of the candidates",
            f"Of {len(candidates):,} candidates {len(low):,} score too low "
            f"(threshold {walk.thresholds.score_threshold:.2f}), {len(suppressed):,} are suppressed (NMS "
            f"threshold {walk.thresholds.nms_threshold:.2f}), {others:,} are beyond the limit or of a "
            f"category that is switched off, and {len(kept):,} are kept."
            + _drawn(max(len(kept), len(suppressed), len(low))),
        ),
        *_one_suppression(walk),
    )


def _one_suppression(walk: Walk) -> tuple[Picture, ...]:
    """The detection that suppressed the most, with all that it did."""
    candidates, fates = walk.stages.run.candidates, walk.fates
    by = fates.by[fates.rows("suppressed")]
    if not len(by):
        return ()
    row = int(np.bincount(by).argmax())
    dropped = np.flatnonzero((fates.by == row) & (fates.codes == FATES.index("suppressed")))
    view = walk.around(candidates.boxes[[row, *dropped]])
    board = Board(view.picture, fade=0.4)
    for other in dropped[np.argsort(candidates.scores[dropped], kind="stable")][-_MOST:]:
        board.box(view.place(candidates.boxes[other]), RED, width=1)
    name = f"{walk.name_of(int(candidates.labels[row]))} ({candidates.scores[row]:.2f})"
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


def _mask(walk: Walk) -> tuple[Picture, ...]:
    found = walk.detections
    if not len(found):
        return (_nothing(walk, "Masks, small and large"),)
    return tuple(_one_mask(walk, number) for number in range(min(len(found), _MASKS)))


def _one_mask(walk: Walk, number: int) -> Picture:
    found, threshold = walk.detections, walk.thresholds.mask_threshold
    probs, label, score = found.mask_probs[number], int(found.labels[number]), found.scores[number]
    left, top, right, bottom = _whole(found.boxes[number], found.image_size)
    size = _fit((bottom - top, right - left), _PANEL)
    mask = paste_mask(probs, found.boxes[number], found.image_size, threshold)
    inside = mask.window(top, left, bottom - top, right - left)
    cut = walk.pixels[top:bottom, left:right] * inside[..., None]
    soft = np.asarray(Image.fromarray(probs).resize((size[1], size[0]), Image.Resampling.BILINEAR))
    side = len(probs)
    name = f"{walk.name_of(label)} {score:.2f}"
    return Picture(
        panels(
            [
                (f"{side} by {side} probabilities", enlarge(false_colors(probs, 0, 1), (_PANEL, _PANEL))),
                ("laid over the box", false_colors(soft, 0, 1)),
                (f"above {threshold:g}", scaled(np.ascontiguousarray(cut), size)),
            ]
        ),
        f"Mask of {name}",
        f"The mask head's {side} × {side} probabilities from 0 (violet) to 1 (yellow), the same stretched "
        f"over the box, {bottom - top} pixels high and {right - left} wide, and the {mask.area:,} pixels of "
        f"the image that are above the threshold of {threshold:g}.",
    )


def _kinds(walk: Walk) -> tuple[Picture, ...]:
    segment = np.zeros_like(walk.whole.picture)
    for instance in walk.instances:
        inside = instance.mask.to_mask()
        segment[inside] = walk.whole.picture[inside]
    note = "" if walk.instances else " Here nothing was detected."
    return tuple(
        Picture(pixels, title, caption + note)
        for pixels, title, caption in (
            (
                _render(walk, Style(masks=False, contours=False)),
                "Object detection: boxes only",
                "Where objects are, with category and score.",
            ),
            (
                _render(
                    walk, Style(boxes=False, labels=False, contours=False, color_by="category", opacity=0.65)
                ),
                "Semantic segmentation",
                "Each pixel has the colour of its category: neighbours of one category cannot be told apart.",
            ),
            (_render(walk, Style()), "Instance segmentation", "Each object has its own pixels and colour."),
            (segment, "Segments", "The image times its masks: what belongs to no object is zero."),
        )
    )


def _render(walk: Walk, style: Style) -> Pixels:
    return render(walk.whole.picture, walk.instances, walk.names, style)


# -- what was missed -----------------------------------------------------------------------------------


def example_of_a_miss(walk: Walk) -> Explanation | None:
    """What became of the walk's own box; without one, of the best candidate that no detection covers.

    Raises:
        InputError: if the walk's box is none, or lies outside of the image.
    """
    if walk.box is not None:
        return explain_box(walk.stages, walk.thresholds, walk.label_map, walk.box)
    for box in _missed_boxes(walk):
        found = explain_box(walk.stages, walk.thresholds, walk.label_map, box.tolist())
        if found.verdict not in ("detected", "twice"):
            return found
    return None


def _missed_boxes(walk: Walk) -> list[Floats]:
    """Boxes in pixels of the image: of candidates that were dropped, then of regions, a few of each."""
    candidates, regions = walk.stages.run.candidates, walk.stages.regions.boxes
    kept = candidates.boxes[walk.fates.rows("kept")]
    by_score = np.argsort(-candidates.scores, kind="stable")
    height, width = walk.stages.input.image_size
    boxes = []
    for group in (candidates.boxes[by_score], regions):
        apart = box_ious(group, kept).max(axis=1, initial=0) < SAME
        for box in (group[apart][:5] * walk.stages.to_image).clip(
            0, np.array([width, height, width, height])
        ):
            if box[2] - box[0] >= 1 and box[3] - box[1] >= 1:
                boxes.append(box)
    return boxes


def _missed(walk: Walk) -> tuple[Picture, ...]:
    found = example_of_a_miss(walk)
    if found is None:
        return (
            Picture(
                walk.whole.picture,
                "Nothing was dropped",
                "There is neither a candidate nor a region of interest that is not part of a detection.",
            ),
        )
    marks = [(found.anchor_box, BLUE, f"best anchor, of {found.anchor_level}: IoU {found.anchor_iou:.2f}")]
    if found.proposal_box is not None:
        region = f"best region of interest: IoU {found.proposal_iou:.2f}"
        marks.append((found.proposal_box, AMBER, region))
    candidates = walk.stages.run.candidates
    for row, color in zip(found.rows, (GREEN, RED), strict=False):
        text = f"{walk.name_of(int(candidates.labels[row]))} ({candidates.scores[row]:.2f})"
        marks.append((candidates.boxes_in_image(np.array([row]))[0], color, text))
    marks.append((found.box, WHITE, "the object in question"))
    view = walk.around(np.stack([box for box, _, _ in marks]) / walk.stages.to_image)
    board = Board(view.picture, fade=0.4)
    for box, color, _ in marks:
        board.box(view.place_image_box(box), color, dashed=color == WHITE)
    return (
        Picture(
            with_legend(board.pixels(), [(color, text) for _, color, text in marks]),
            f"One object followed back: {found.verdict}",
            f"{found.sentence} {found.helps}".strip(),
        ),
    )


# -- small things --------------------------------------------------------------------------------------


def _nothing(walk: Walk, title: str) -> Picture:
    return Picture(
        walk.whole.picture, title, "Nothing was found on this image, so there is nothing to draw on it."
    )


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _size_of(pixels: Pixels) -> tuple[int, int]:
    return pixels.shape[0], pixels.shape[1]


def _range(values: npt.NDArray[np.float64]) -> str:
    low, high = round(values.min()), round(values.max())
    return f"{low}" if low == high else f"{low} to {high}"


def _drawn(most: int) -> str:
    return f" Of each kind the best {_MOST} are drawn." if most > _MOST else ""


def _in_order(order: Ints, rows: Ints) -> Ints:
    """Some rows in the order in which they stand in another list."""
    chosen: Ints = order[np.isin(order, rows)]
    return chosen


def _color(values: Pixels) -> Color:
    red, green, blue = values.tolist()
    return (red, green, blue)


def _fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    """``(height, width)`` of the same shape whose longer side is ``side``."""
    scale = side / max(size)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _whole(box: Floats, image_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box in whole pixels, at least one each way, inside the image."""
    left, top = (min(max(int(v), 0), limit - 1) for v, limit in zip(box[:2], image_size[::-1], strict=True))
    right, bottom = (int(np.ceil(v)) for v in box[2:])
    return left, top, min(max(right, left + 1), image_size[1]), min(max(bottom, top + 1), image_size[0])


# -- the model ------------------------------------------------------------------------------------------


_LAYERS: WeakKeyDictionary[LoadedModel, tuple[Layer, ...]] = WeakKeyDictionary()


def _layers_of(model: LoadedModel) -> tuple[Layer, ...]:
    """Looked through once for a model: a ResNet-50 has 44 million weights."""
    if model not in _LAYERS:
        _LAYERS[model] = layers_of(model)
    return _LAYERS[model]


def _weights(walk: Walk) -> tuple[Picture, ...]:
    """Blocks by parameters and by time, and how many layers have something odd about them."""
    model = walk.predictor.model
    blocks = blocks_of(model, walk.stages)
    odd = [layer for layer in _layers_of(model) if layer.oddities]
    told = (
        "; ".join(f"{layer.name}: {layer.oddities[0]}" for layer in odd[:_ODD])
        or "None of its layers is odd."
    )
    return (
        Picture(
            bars([(block.name, block.parameter_share) for block in blocks], color=BLUE),
            "Parameters of each block, of all",
            f"{sum(block.parameters for block in blocks):,} learned numbers. {told or 'No layer is odd.'}",
        ),
        Picture(
            bars([(block.name, block.time_share) for block in blocks], color=AMBER),
            "Time of each block, of all",
            f"{sum(block.seconds for block in blocks):.2f} s on this image, measured once.",
        ),
    )


PICTURES: Mapping[str, Callable[[Walk], tuple[Picture, ...]]] = MappingProxyType(
    {
        "input": _input,
        "backbone": _backbone,
        "pyramid": _pyramid,
        "anchors": _anchors,
        "proposals": _proposals,
        "iou": _iou,
        "roi-align": _roi_align,
        "box-head": _box_head,
        "suppression": _suppression,
        "mask": _mask,
        "kinds": _kinds,
        "missed": _missed,
        "weights": _weights,
    }
)
"""By the key of the stage, in the order of the walk: at least one picture of each."""
