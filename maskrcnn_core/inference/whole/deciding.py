"""What a Mask R-CNN decides between its dense parts, for a batch, in tensors of fixed shapes.

Each function says which of torchvision's it follows. Rows that are not there are marked so and hold zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.rpn import RegionProposalNetwork

from maskrcnn_core.detection.candidates import SCORE_FLOOR
from maskrcnn_core.inference.whole.suppressing import survivors

__all__ = ["Chosen", "Proposed", "choose", "decode", "find_candidates", "propose"]

_MOST_COMPARED = 1024
"""Candidates of an image among which those are chosen whose masks are made at once."""


@dataclass(frozen=True, eq=False)
class Proposed:
    """Regions of B images.

    Args:
        boxes: float32 ``[B, P, 4]`` in pixels of the input, by descending objectness.
        is_there: bool ``[B, P]``.
        is_settled: bool ``[B]``: whether suppression came to its end.
    """

    boxes: Tensor
    is_there: Tensor
    is_settled: Tensor


@dataclass(frozen=True, eq=False)
class Chosen:
    """Candidates above the floor, of B images, in torchvision's order of rows.

    Args:
        boxes: float32 ``[B, K, 4]``, clipped, in pixels of the input.
        labels: int64 ``[B, K]``.
        scores: float32 ``[B, K]``, 0 in rows that are not there.
        counts: int64 ``[B]``: how many there are, which can be more than K.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    counts: Tensor


def decode(coder: BoxCoder, deltas: Tensor, boxes: Tensor) -> Tensor:
    """Move boxes ``[..., 4]`` by ``[..., 4]`` as ``BoxCoder.decode_single`` does, without its constants.

    It makes them on the processor and waits until they have been copied.
    """
    widths, heights = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    x, y = boxes[..., 0] + 0.5 * widths, boxes[..., 1] + 0.5 * heights
    dx, dy, dw, dh = (part / weight for part, weight in zip(deltas.unbind(-1), coder.weights, strict=True))
    x, y = dx * widths + x, dy * heights + y
    half_width = 0.5 * (torch.exp(dw.clamp(max=coder.bbox_xform_clip)) * widths)
    half_height = 0.5 * (torch.exp(dh.clamp(max=coder.bbox_xform_clip)) * heights)
    return torch.stack([x - half_width, y - half_height, x + half_width, y + half_height], dim=-1)


def propose(
    rpn: RegionProposalNetwork,
    objectness: Sequence[Tensor],
    deltas: Sequence[Tensor],
    anchors: Sequence[Tensor],
    sizes: Tensor,
) -> Proposed:
    """Follow ``RegionProposalNetwork.filter_proposals``.

    Args:
        rpn: whose limits hold.
        objectness, deltas: of each level, ``[B, A, h, w]`` and ``[B, 4 A, h, w]``.
        anchors: of each level, ``[h * w * A, 4]``.
        sizes: float32 ``[B, 2]``, height and width of each input without padding.
    """
    levels = [_best_of_level(rpn, *level, sizes) for level in zip(objectness, deltas, anchors, strict=True)]
    most = max(scores.shape[1] for _, scores in levels)
    count = len(sizes)
    boxes = torch.stack([_filled(boxes, most) for boxes, _ in levels], dim=1)
    scores = torch.stack([_filled(scores, most, -1.0) for _, scores in levels], dim=1)
    flat = boxes.reshape(-1, most, 4)
    left, settled = survivors(flat, scores.reshape(-1, most) >= 0, rpn.nms_thresh)
    ranked = torch.where(left.reshape(count, -1), scores.reshape(count, -1), -1.0)
    best, rows = ranked.sort(dim=1, descending=True, stable=True)
    wanted = min(rpn.post_nms_top_n(), sum(scores.shape[1] for _, scores in levels))
    is_there = best[:, :wanted] >= 0
    rows = rows[:, :wanted, None].expand(-1, -1, 4)
    kept = boxes.reshape(count, -1, 4).gather(1, rows)
    kept = torch.where(is_there[:, :, None], kept, 0)  # NaN times nothing would be NaN
    return Proposed(kept, is_there, settled.reshape(count, -1).all(1))


def _best_of_level(
    rpn: RegionProposalNetwork, objectness: Tensor, deltas: Tensor, anchors: Tensor, sizes: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a level's best boxes ``[B, N, 4]``, clipped, and their scores, -1 for those that are dropped."""
    count, per_cell, height, width = objectness.shape
    logits = objectness.permute(0, 2, 3, 1).reshape(count, -1).float()
    moves = deltas.view(count, per_cell, 4, height, width).permute(0, 3, 4, 1, 2).reshape(count, -1, 4)
    best, rows = logits.topk(min(rpn.pre_nms_top_n(), logits.shape[1]), dim=1)
    moved = decode(rpn.box_coder, moves.gather(1, rows[:, :, None].expand(-1, -1, 4)).float(), anchors[rows])
    boxes = _clipped(moved, sizes)
    scores = best.sigmoid()
    is_kept = _is_large(boxes, rpn.min_size) & (scores >= rpn.score_thresh)
    return boxes, torch.where(is_kept, scores, -1.0)


def _filled(values: Tensor, length: int, by: float = 0.0) -> Tensor:
    """Fill rows ``[B, N, ...]`` up to a length."""
    lacking = length - values.shape[1]
    if not lacking:
        return values
    more = values.new_full((values.shape[0], lacking, *values.shape[2:]), by)
    return torch.cat([values, more], dim=1)


def _clipped(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Clip boxes ``[B, ..., 4]`` to each image's own size: ``clip_boxes_to_image``."""
    limits = sizes.flip(1).repeat(1, 2).reshape(len(sizes), *[1] * (boxes.ndim - 2), 4)
    return torch.minimum(boxes.clamp(min=0), limits)


def _is_large(boxes: Tensor, least: float) -> Tensor:
    """Follow ``remove_small_boxes``."""
    return (boxes[..., 2] - boxes[..., 0] >= least) & (boxes[..., 3] - boxes[..., 1] >= least)


def find_candidates(
    scores: Tensor, boxes: Tensor, is_there: Tensor, sizes: Tensor, least_side: float, most: int
) -> Chosen:
    """Follow :func:`maskrcnn_core.inference.forward.candidates_of`, for torchvision's own convention.

    Args:
        scores: float32 ``[B, P, C]``.
        boxes: float32 ``[B, P, C, 4]``.
        is_there: bool ``[B, P]``.
        sizes: as for :func:`propose`.
        least_side: in pixels of the input.
        most: K, rows to keep.
    """
    count, classes = len(scores), scores.shape[2]
    boxes = _clipped(boxes, sizes)[:, :, 1:]
    kept = (scores[:, :, 1:] > SCORE_FLOOR) & is_there[:, :, None] & _is_large(boxes, least_side)
    kept = kept.reshape(count, -1)
    place = kept.cumsum(1)
    counts = place[:, -1]
    # Each kept row to its place, all others to one behind the last, which is then left off.
    place = torch.where(kept & (place <= most), place - 1, most)
    every = torch.arange(kept.shape[1], device=kept.device).expand_as(place)
    rows = place.new_zeros(count, most + 1).scatter_(1, place, every)[:, :most]
    is_row = torch.arange(most, device=kept.device) < counts[:, None]
    found = torch.where(is_row, scores[:, :, 1:].reshape(count, -1).gather(1, rows), 0)
    corners = boxes.reshape(count, -1, 4).gather(1, rows[:, :, None].expand(-1, -1, 4))
    corners = torch.where(is_row[:, :, None], corners, 0)
    return Chosen(corners, rows % (classes - 1) + 1, found, counts)


def choose(chosen: Chosen, limits: Tensor, wanted: int) -> Tensor:
    """Return the candidates whose masks will be asked for, as :meth:`Candidates.select` will choose them.

    It may differ where an IoU is next to the threshold, or thousands of candidates are above it: a forecast,
    not a decision.

    Args:
        chosen: of B images.
        limits: float32 ``[2]``: a score and an IoU.
        wanted: N, rows at most.

    Returns:
        int64 ``[B, N]``: rows, -1 for none.
    """
    ranked = torch.where(chosen.scores > limits[0], chosen.scores, -1.0)
    best, rows = ranked.sort(dim=1, descending=True, stable=True)
    best, rows = best[:, :_MOST_COMPARED], rows[:, :_MOST_COMPARED]
    boxes = chosen.boxes.gather(1, rows[:, :, None].expand(-1, -1, 4))
    left, _ = survivors(boxes, best > 0, limits[1], chosen.labels.gather(1, rows))
    place = left.cumsum(1)
    place = torch.where(left & (place <= wanted), place - 1, wanted)
    none = rows.new_full((len(rows), wanted + 1), -1)
    return none.scatter_(1, place, rows)[:, :wanted]
