"""Which detections of one image are right, and what is wrong with the others.

Detections and objects are matched as ``COCOeval.evaluateImg`` of ``pycocotools`` does: each category by
itself, from the best score down, each detection with the free object that it overlaps most, if by the
threshold or more; crowds come last, take any number of detections, and make them count for nothing. The
tests hold the two side by side. Matterport's ``utils.compute_matches`` matches likewise.

What COCO leaves unmatched is then told apart, as in Matterport's ``visualize.plot_overlaps``: on an object
of another category, on one that a better detection has taken, or on nothing that is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Doubles, Ints
from maskrcnn_core.common.compiled import compiled
from maskrcnn_core.common.pycoco import coco_mask
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.evaluation.counting import Kind

__all__ = [
    "FOUND_FATES",
    "TRUTH_FATES",
    "Comparison",
    "FoundFate",
    "Matches",
    "TruthFate",
    "compare_image",
    "overlaps",
]

Bools = npt.NDArray[np.bool_]

TruthFate = Literal["found", "missed", "crowd"]
FoundFate = Literal["right", "wrong category", "twice", "wrong", "in a crowd", "beyond limit"]
TRUTH_FATES: tuple[TruthFate, ...] = get_args(TruthFate)
FOUND_FATES: tuple[FoundFate, ...] = get_args(FoundFate)

_ALMOST_ONE = 1 - 1e-10
"""COCOeval's highest threshold: so equal masks match at 1 whatever rounding does."""


@dataclass(frozen=True, eq=False)
class Matches:
    """G objects and D detections of one image at one threshold.

    Args:
        iou_threshold: from which on a detection may match an object, in (0, 1].
        of_truth: int64 ``[G]``, the detection that matched each object, or -1; -1 for crowds, too.
        of_found: int64 ``[D]``, the object that each detection matched, or -1.
        nearest: int64 ``[D]``, for a detection that is ``"wrong category"`` or ``"twice"``: the object
            that it lies on; -1 for the others.
        truth_fates: of each object.
        found_fates: of each detection: ``right``; on an object of another category; on one that a better
            detection of its category has matched; ``wrong`` where there is nothing; in a crowd, which counts
            for nothing; or beyond the limit of detections that count.
    """

    iou_threshold: float
    of_truth: Ints
    of_found: Ints
    nearest: Ints
    truth_fates: tuple[TruthFate, ...]
    found_fates: tuple[FoundFate, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The objects of one image and the detections on it.

    Args:
        truth: G objects; ``crowds`` tells which are regions of many.
        found: D detections of the same image, in any order.
        kind: whether boxes or masks are compared.
        ious: float64 ``[G, D]`` in [0, 1], as :func:`overlaps` gives them.
        order: int64 ``[D]``, the detections from the best score down; equal scores stay in their order.
        counts: bool ``[D]``, whether a detection is within the limit of its category.
    """

    truth: Columns
    found: Columns
    kind: Kind
    ious: Doubles
    order: Ints
    counts: Bools

    @cached_property
    def same(self) -> Bools:
        """Bool ``[G, D]``, whether object and detection are of one category."""
        same: Bools = self.truth.category_ids[:, None] == self.found.category_ids[None]
        return same

    def at(self, iou_threshold: float) -> Matches:
        """Match at one threshold.

        Args:
            iou_threshold: in (0, 1].

        Raises:
            ValueError: if the threshold is outside of that.
        """
        of_found = self.matched(iou_threshold)
        bar = min(iou_threshold, _ALMOST_ONE)
        crowds = self.truth.crowds
        of_truth = np.full(len(self.truth), -1, np.int64)
        in_crowd = np.zeros(len(self.found), np.bool_)
        hits = np.flatnonzero(of_found >= 0)
        in_crowd[hits] = crowds[of_found[hits]]
        right = hits[~in_crowd[hits]]
        of_truth[of_found[right]] = right
        near = (self.ious >= bar) & ~crowds[:, None]
        twice = np.any(near & self.same, axis=0)
        other = np.any(near & ~self.same, axis=0)
        nearest = np.full(len(self.found), -1, np.int64)
        fates: list[FoundFate] = []
        for index in range(len(self.found)):
            fate = _fate(
                self.counts[index],
                of_found[index] >= 0,
                in_crowd[index],
                bool(twice[index]),
                bool(other[index]),
            )
            fates.append(fate)
            if fate in ("twice", "wrong category"):
                rows = near[:, index] & (self.same[:, index] == (fate == "twice"))
                nearest[index] = int(np.where(rows, self.ious[:, index], -1.0).argmax())
        truth_fates: tuple[TruthFate, ...] = tuple(
            "crowd" if crowd else "found" if match >= 0 else "missed"
            for crowd, match in zip(crowds.tolist(), of_truth.tolist(), strict=True)
        )
        return Matches(iou_threshold, of_truth, of_found, nearest, truth_fates, tuple(fates))

    def matched(self, iou_threshold: float) -> Ints:
        """Return int64 ``[D]``, the object or crowd that each detection matches at a threshold, or -1.

        Raises:
            ValueError: if the threshold is not in (0, 1].
        """
        if not 0 < iou_threshold <= 1:
            raise ValueError(f"IoU threshold: expected a number above 0, at most 1, got {iou_threshold}")
        rows = self.order[self.counts[self.order]]
        # Crowds come after all objects, which otherwise keep their order.
        columns = np.argsort(self.truth.crowds, kind="stable").astype(np.int64)
        bar = min(iou_threshold, _ALMOST_ONE)
        return _match(self.ious, self.same, self.truth.crowds, columns, rows, bar)


def compare_image(
    truth: Columns, found: Columns, size: tuple[int, int], kind: Kind = "segm", *, max_detections: int = 100
) -> Comparison:
    """Compare the detections on one image with its objects.

    Args:
        truth: the objects, whose category ids mean the same as those of the detections.
        found: the detections; a box without a mask is none where masks are compared, and is left out.
        size: ``(height, width)`` of the image in pixels, which is that of all masks.
        kind: whether boxes or masks are compared.
        max_detections: how many of the best scored of each category count.

    Raises:
        ValueError: if ``max_detections`` is below 1.
    """
    if max_detections < 1:
        raise ValueError(f"detections per category: expected 1 or more, got {max_detections}")
    if kind == "segm" and not found.has_mask.all():
        found = found.take(found.has_mask)
    order = np.argsort(-found.scores, kind="stable").astype(np.int64)
    counts = np.zeros(len(found), np.bool_)
    for category_id in np.unique(found.category_ids):
        rows = order[found.category_ids[order] == category_id]
        counts[rows[:max_detections]] = True
    return Comparison(truth, found, kind, overlaps(truth, found, size, kind), order, counts)


def overlaps(truth: Columns, found: Columns, size: tuple[int, int], kind: Kind) -> Doubles:
    """Return the IoU of each object with each detection, as ``pycocotools.mask.iou`` counts it.

    A crowd's is the share of the detection that lies within it.

    Args:
        truth: G objects of one image; those without a mask, where masks are compared, overlap nothing.
        found: D detections, likewise.
        size: ``(height, width)`` of the image in pixels.
        kind: whether boxes or masks are compared.

    Returns:
        float64 ``[G, D]`` in [0, 1].
    """
    if not len(truth) or not len(found):
        return np.zeros((len(truth), len(found)))
    crowds = truth.crowds.astype(np.uint8).tolist()
    if kind == "bbox":
        ious = coco_mask.iou(found.boxes, truth.boxes, crowds)
    else:
        ious = coco_mask.iou(_masks(found, size), _masks(truth, size), crowds)
    return np.ascontiguousarray(np.asarray(ious, np.float64).T)


def _masks(columns: Columns, size: tuple[int, int]) -> list[dict[str, object]]:
    nothing = coco_mask.encode(np.zeros(size, np.uint8, order="F"))["counts"]
    return [{"size": list(size), "counts": text.encode("ascii") or nothing} for text in columns.counts]


def _fate(counts: bool, is_matched: bool, in_crowd: bool, is_twice: bool, is_other: bool) -> FoundFate:
    if not counts:
        return "beyond limit"
    if is_matched:
        return "in a crowd" if in_crowd else "right"
    if is_twice:
        return "twice"
    return "wrong category" if is_other else "wrong"


@compiled
def _match(
    ious: Doubles, same: Bools, crowds: Bools, columns: Ints, rows: Ints, threshold: float
) -> npt.NDArray[np.int64]:
    of_found = np.full(ious.shape[1], -1, np.int64)
    is_taken = np.zeros(ious.shape[0], np.bool_)
    for row in rows:
        best, match = threshold, -1
        for column in columns:
            if not same[column, row] or (is_taken[column] and not crowds[column]):
                continue
            if match > -1 and not crowds[match] and crowds[column]:
                break  # an object was found, and only crowds follow
            if ious[column, row] < best:
                continue
            best, match = ious[column, row], column  # of equal ones the last, as COCOeval has it
        if match > -1:
            of_found[row] = match
            is_taken[match] = True
    return of_found
