"""What became of each box on its way: which rule dropped it, and which other box stood in its way.

Detections leave by four doors, in this order (Ren et al. 2015, section 3.3): a score at or below the
threshold, suppression by a better box of the same label, the limit of detections per image, and a label that
stands for no category. Proposals leave by the same doors with other numbers. Here every row says which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Floats, Ints
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import Candidates, Thresholds
from maskrcnn_core.detection.conventions import CONVENTIONS
from maskrcnn_core.geometry.boxes import box_ious

__all__ = ["FATES", "Fate", "Fates", "fates_of_candidates", "find_suppressors"]


Fate = Literal["kept", "low score", "suppressed", "beyond limit", "other category", "too small"]
FATES: tuple[Fate, ...] = get_args(Fate)
"""In the order of their numbers in :attr:`Fates.codes`."""


@dataclass(frozen=True, eq=False)
class Fates:
    """What became of N boxes.

    Args:
        codes: int8 ``[N]``, indices into :data:`FATES`.
        by: int64 ``[N]``, the row that suppressed it, or -1.
        ious: float64 ``[N]``, its IoU with that row, or 0.

    Raises:
        ValueError: if the fields disagree on N.
    """

    codes: npt.NDArray[np.int8]
    by: Ints
    ious: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        if not self.codes.shape == self.by.shape == self.ious.shape:
            raise ValueError(
                f"codes, by and ious: expected one shape, got {self.codes.shape}, {self.by.shape}, "
                f"{self.ious.shape}"
            )

    def __len__(self) -> int:
        return len(self.codes)

    def of(self, row: int) -> Fate:
        """Return what became of one row."""
        return FATES[int(self.codes[row])]

    def rows(self, fate: Fate) -> Ints:
        """Return the rows with this fate, ascending."""
        rows: Ints = np.flatnonzero(self.codes == FATES.index(fate))
        return rows

    def count(self, fate: Fate) -> int:
        """Return how many rows have this fate."""
        return int((self.codes == FATES.index(fate)).sum())


def fates_of_candidates(candidates: Candidates, thresholds: Thresholds, label_map: LabelMap) -> Fates:
    """Return what these thresholds make of each candidate; the kept ones are :meth:`Candidates.select`'s.

    Args:
        candidates: of one image.
        thresholds: any.
        label_map: of the model: a label that it does not know is no category.
    """
    everything = replace(thresholds, labels=None, max_detections=max(len(candidates), 1))
    unlimited = candidates.select(everything)
    limited = unlimited[: thresholds.max_detections]
    allowed = [
        label in label_map and (thresholds.labels is None or label in thresholds.labels)
        for label in candidates.labels[limited].tolist()
    ]
    codes = np.full(len(candidates), FATES.index("suppressed"), np.int8)
    codes[candidates.scores <= np.float32(thresholds.score_threshold)] = FATES.index("low score")
    codes[unlimited] = FATES.index("beyond limit")
    codes[limited] = FATES.index("other category")
    codes[limited[np.array(allowed, np.bool_)]] = FATES.index("kept")
    dropped = np.flatnonzero(codes == FATES.index("suppressed"))
    by, ious = find_suppressors(
        CONVENTIONS[candidates.convention].compared(candidates.boxes),
        candidates.scores,
        candidates.labels,
        dropped,
        unlimited,
        thresholds.nms_threshold,
    )
    return Fates(codes, by, ious)


def find_suppressors(
    boxes: Floats, scores: Floats, labels: Ints, dropped: Ints, kept: Ints, iou_threshold: float
) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Return, for each suppressed row, the row that suppressed it: the best-scored one in its way.

    Args:
        boxes: float32 ``[N, 4]``.
        scores: float32 ``[N]``.
        labels: int64 ``[N]``; boxes of different labels never suppress each other.
        dropped: rows.
        kept: rows by descending score.
        iou_threshold: as the suppression had it.

    Returns:
        For all N rows, int64: the row that suppressed it or -1; float64: their IoU, or 0.
    """
    by = np.full(len(boxes), -1, np.int64)
    found = np.zeros(len(boxes), np.float64)
    for label in np.unique(labels[dropped]):
        rows, others = dropped[labels[dropped] == label], kept[labels[kept] == label]
        if not len(others):
            continue
        ious = box_ious(boxes[rows], boxes[others])
        ious[scores[others][None] < scores[rows][:, None]] = 0
        above = ious > iou_threshold
        # where float32 rounding decided, none may be above: then it was the nearest
        first = np.where(above.any(1), above.argmax(1), ious.argmax(1))
        by[rows] = others[first]
        found[rows] = ious[np.arange(len(rows)), first]
    return by, found
