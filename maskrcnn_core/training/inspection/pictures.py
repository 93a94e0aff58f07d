"""Pictures of a sample: as it is in its file, as the network gets it, and its anchors, regions and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskrcnn_core.common.arrays import Doubles, Pixels, Reals
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.drawing.board import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    RED,
    SIDE,
    WHITE,
    Board,
    enlarge,
    false_colors,
    panels,
    scaled,
    with_legend,
)
from maskrcnn_core.drawing.instances import render
from maskrcnn_core.drawing.palette import Color, instance_color
from maskrcnn_core.drawing.style import Style
from maskrcnn_core.explain.pictures.base import Picture, fitted, size_of
from maskrcnn_core.geometry.rle import BoolMask, Rle
from maskrcnn_core.training.augmentation import Target
from maskrcnn_core.training.ignoring import IGNORED
from maskrcnn_core.training.inspection.inspecting import InspectedSample
from maskrcnn_core.training.inspection.watching import SeenSample

_Value = TypeVar("_Value", bound=np.generic)

__all__ = ["draw_again", "draw_anchors", "draw_in_use", "draw_masks", "draw_rois", "draw_sample"]

_HALF, _THIRD = (SIDE - 10) // 2, (SIDE - 20) // 3
_HIGH = 640  # pixels of a picture: more than a window shows
_FILL = 0.45
_MOST, _FEW = 80, 40  # boxes of objects, and of each other kind: more would hide the picture
_MASKS = 9
_CELL = 138  # pixels of a mask's picture: three pairs in a row


def draw_sample(sample: InspectedSample, label_map: LabelMap) -> Picture:
    """Return the image as its file has it, and as the first epoch sees it, with masks and boxes."""
    seen = sample.seen
    height, width = seen.picture.shape[1:]
    ignored = seen.target.get(IGNORED)
    note = "" if ignored is None else " Hatched regions teach nothing, neither object nor background."
    return Picture(
        panels(
            [
                ("in its file", _whole(sample, label_map)),
                ("as the first epoch sees it", _learned(seen.picture, seen.target, label_map, _HALF)),
            ]
        ),
        "Image and sample",
        f"{sample.record.width} × {sample.record.height} pixels and "
        f"{counted(len(sample.truth.masks), 'object')} in the file; {width} × {height} pixels and "
        f"{counted(len(seen.target['boxes']), 'object')} in the sample.{note}",
    )


def draw_in_use(sample: InspectedSample) -> Picture | None:
    """Return the whole image as the network gets it in use, normalised and padded, with the true boxes."""
    if sample.used is None:
        return None
    (height, width), (top, left), values = sample.used.size, sample.used.corner, sample.used.values
    low, high = float(values.min()), float(values.max())
    pixels = _bytes((values - low) / max(high - low, 1e-6))
    padded = size_of(pixels)
    size = _roomy(padded)
    board = Board(scaled(pixels, size), fade=0.0)
    shrink = size[1] / padded[1]
    ratio = np.array([width / sample.record.width, height / sample.record.height] * 2)
    board.box(np.array([left, top, left + width, top + height]) * shrink, AMBER, width=2)
    for number, mask in enumerate(sample.truth.masks):
        box = _corners(mask) * ratio + np.array([left, top, left, top])
        board.box(box * shrink, instance_color(number), width=1)
    legend = [(AMBER, "the image")]
    if padded != (height, width):
        legend.append((GREY, "around it: padding"))
    return Picture(
        with_legend(board.pixels(), legend),
        "As the network gets it in use",
        f"Resized to {width} × {height} pixels, normalised, and padded to {padded[1]} × {padded[0]}.",
    )


def draw_again(sample: InspectedSample, label_map: LabelMap) -> Picture:
    """Return the same image as the epochs after the first see it."""
    parts = [
        (f"epoch {epoch}", _learned(picture, target, label_map, _THIRD))
        for epoch, (picture, target) in enumerate(sample.again, start=2)
    ]
    return Picture(
        panels(parts),
        "The same image in later epochs",
        "Scale, place, mirroring and colours are drawn anew for each; these are the samples of this seed.",
    )


def draw_anchors(seen: SeenSample) -> tuple[Picture, ...]:
    """Return the anchors that this step learns from, and where their targets move those of objects."""
    positive = seen.anchor_labels > 0
    objects = torch.where(seen.drawn & positive)[0]
    background = torch.where(seen.drawn & (seen.anchor_labels == 0))[0]
    neither = torch.where(seen.anchor_labels < 0)[0]
    view, factor = _view(seen)
    board = Board(view, fade=0.4)
    for rows, color, width in ((background, RED, 1), (neither, AMBER, 1), (objects, GREEN, 2)):
        for box in seen.anchors[_some(rows, _MOST if width > 1 else _FEW)].numpy() * factor:
            board.box(box, color, width=width)
    _true_boxes(board, seen, factor)
    legend = [(GREEN, "object"), (RED, "background"), (AMBER, "neither"), (WHITE, "true boxes")]
    first = Picture(
        with_legend(board.pixels(), legend),
        "Anchors of the step",
        f"{len(objects):,} anchors of objects and {len(background):,} of background are drawn for this "
        f"step's losses, of {int(positive.sum()):,} and {int((seen.anchor_labels == 0).sum()):,}; "
        f"{len(neither):,} are neither and left out. At most {_MOST} of objects and {_FEW} of the others are "
        "shown.",
    )
    if not bool(positive.any()):
        return (first,)
    board = Board(view, fade=0.4)
    anchors = seen.anchors[positive]
    for row in _some(torch.arange(len(anchors))).tolist():
        start, end = anchors[row].numpy() * factor, seen.moved[row].numpy() * factor
        board.box(start, GREEN, width=1)
        board.box(end, BLUE, width=2)
        board.arrow(_centre(start), _centre(end), BLUE)
    second = Picture(
        with_legend(board.pixels(), [(GREEN, "anchors of objects"), (BLUE, "where their targets move them")]),
        "What the RPN has to learn",
        "Each anchor of an object, and the box that its regression target makes of it. At most "
        f"{_MOST} are shown.",
    )
    return (first, second)


def draw_rois(seen: SeenSample) -> Picture:
    """Return the regions that the heads learn from in this step."""
    held = seen.roi_labels > 0
    view, factor = _view(seen)
    board = Board(view, fade=0.4)
    for rows, color, width in ((torch.where(~held)[0], RED, 1), (torch.where(held)[0], GREEN, 2)):
        for box in seen.rois[_some(rows, _MOST if width > 1 else _FEW)].numpy() * factor:
            board.box(box, color, width=width)
    _true_boxes(board, seen, factor)
    return Picture(
        with_legend(
            board.pixels(),
            [(GREEN, "objects"), (RED, "background"), (WHITE, "true boxes (added by training)")],
        ),
        "Regions of the step",
        f"Of {len(seen.proposals):,} proposals and {len(seen.target['boxes']):,} true boxes the heads learn "
        f"from {int(held.sum()):,} as objects and {int((~held).sum()):,} as background. At most {_MOST} and "
        f"{_FEW} are shown.",
    )


def draw_masks(seen: SeenSample, label_map: LabelMap) -> Picture | None:
    """Return some regions of objects, beside the mask targets that the loss compares; None without any."""
    held = torch.where(seen.roi_labels > 0)[0]
    if not len(held):
        return None
    pixels = _bytes(seen.picture)
    parts = []
    for at in _of_different_objects(seen.roi_matches[held]):
        row, label = int(held[at]), int(seen.roi_labels[held[at]])
        mask = seen.target["masks"][seen.roi_matches[row]].numpy() > 0
        corners = seen.rois[row].tolist()
        inside = _cut(pixels, corners).copy()
        _blend(inside, _cut(mask, corners), GREEN)
        x1, y1, x2, y2 = seen.rois[row].tolist()
        target = enlarge(false_colors(seen.mask_targets[at].numpy(), 0, 1), (_CELL, _CELL))
        # The pictures' font has no multiplication sign.
        name = f"{label_map.category(label).name}, {x2 - x1:.0f} x {y2 - y1:.0f}"
        parts.append((name, np.concatenate([enlarge(inside, (_CELL, _CELL)), target], axis=1)))
    side = seen.mask_targets.shape[-1]
    return Picture(
        panels(parts),
        "Mask targets",
        f"Regions of objects as they lie in the sample, with the object's mask, and the {side} × {side} "
        f"values from 0 (violet) to 1 (yellow) that the mask head has to give for each; "
        f"{len(parts):,} of {len(held):,}.",
    )


# -- parts of pictures ----------------------------------------------------------------------------------


def _bytes(picture: Tensor) -> Pixels:
    """Return float ``[3, h, w]`` in [0, 1] as uint8 ``[h, w, 3]``."""
    values: Pixels = (picture * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return np.ascontiguousarray(values)


def _whole(sample: InspectedSample, label_map: LabelMap) -> Pixels:
    size = fitted(sample.record.size, _HALF)
    truth = sample.truth
    instances = [
        Instance(sample.record.id, label_map.category(label).id, mask)
        for mask, label in zip(truth.masks, truth.labels, strict=True)
    ]
    drawn = render(sample.pixels, instances, {}, Style(boxes=False, labels=False))
    board = Board(scaled(drawn, size), fade=0.0)
    factor = size[1] / sample.record.width
    for number, (mask, label) in enumerate(zip(truth.masks, truth.labels, strict=True)):
        board.box(
            _corners(mask) * factor, instance_color(number), width=1, text=label_map.category(label).name
        )
    for region in truth.ignored:
        board.box(_corners(region) * factor, AMBER, dashed=True, text="ignored")
    return board.pixels()


def _learned(picture: Tensor, target: Target, label_map: LabelMap, side: int) -> Pixels:
    """Return a sample with its masks, boxes and names, its longer side so many pixels."""
    pixels = _bytes(picture)
    for number, mask in enumerate(target["masks"].numpy()):
        _blend(pixels, mask > 0, instance_color(number))
    if IGNORED in target:
        pixels = _hatched(pixels, target[IGNORED].numpy() > 0)
    size = fitted(size_of(pixels), side)
    board = Board(scaled(pixels, size), fade=0.0)
    factor = size[1] / pixels.shape[1]
    for number, (box, label) in enumerate(
        zip(target["boxes"].numpy(), target["labels"].tolist(), strict=True)
    ):
        board.box(box * factor, instance_color(number), width=1, text=label_map.category(label).name)
    return board.pixels()


def _blend(pixels: Pixels, mask: BoolMask, color: Color) -> None:
    """Tint a picture where a mask is, in place."""
    pixels[mask] = np.round(pixels[mask] * (1 - _FILL) + np.array(color) * _FILL).astype(np.uint8)


def _hatched(pixels: Pixels, region: BoolMask) -> Pixels:
    rows, columns = np.indices(region.shape)
    shown = pixels.copy()
    shown[region & ((rows + columns) % 8 < 2)] = AMBER
    return shown


def _view(seen: SeenSample) -> tuple[Pixels, float]:
    """Return a sample's picture, as large as there is room, and what boxes are multiplied by."""
    pixels = _bytes(seen.picture)
    size = _roomy(size_of(pixels))
    return scaled(pixels, size), size[1] / pixels.shape[1]


def _roomy(size: tuple[int, int]) -> tuple[int, int]:
    """Return ``(height, width)`` of the same shape, as large as a window of some size shows at once."""
    return fitted(size, min(SIDE, max(round(_HIGH / size[0] * max(size)), 1)))


def _true_boxes(board: Board, seen: SeenSample, factor: float) -> None:
    for box in seen.target["boxes"].numpy() * factor:
        board.box(box, WHITE, width=1, dashed=True)


def _some(rows: Tensor, most: int = _MOST) -> Tensor:
    """Return at most so many rows, spread evenly."""
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most).long()]


def _of_different_objects(matches: Tensor) -> list[int]:
    """Return a few places in a list of objects: of each object one, and then again of each one."""
    seen: dict[int, int] = {}
    turns = []
    for at, match in enumerate(matches.tolist()):
        seen[match] = seen.get(match, 0) + 1
        turns.append((seen[match], at))
    return [at for _, at in sorted(turns)[:_MASKS]]


def _cut(plane: npt.NDArray[_Value], box: Sequence[float]) -> npt.NDArray[_Value]:
    """Return the part of ``[h, w, ...]`` below a box in whole pixels, at least one each way."""
    height, width = plane.shape[:2]
    left, top = min(max(int(box[0]), 0), width - 1), min(max(int(box[1]), 0), height - 1)
    right, bottom = (
        min(max(int(np.ceil(box[2])), left + 1), width),
        min(max(int(np.ceil(box[3])), top + 1), height),
    )
    return np.ascontiguousarray(plane[top:bottom, left:right])


def _corners(mask: Rle) -> Doubles:
    x, y, width, height = mask.box_xywh
    return np.array([x, y, x + width, y + height], np.float64)


def _centre(box: Reals) -> tuple[float, float]:
    return (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
