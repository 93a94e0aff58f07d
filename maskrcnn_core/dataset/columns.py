"""Instances as columns: half a million detections are compared without an object for each.

A row of every column belongs to one instance, whose mask, if it has one, is of its image's size. The text
form of the run lengths is kept, as it takes a tenth of a NumPy array for each mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Doubles
from maskrcnn_core.dataset.annotations import Instance

__all__ = ["Columns", "box_xywh"]

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Columns:
    """N instances of any images.

    Args:
        image_ids, category_ids: int64 ``[N]``.
        scores: float64 ``[N]``; 1 for those without a score.
        boxes: float64 ``[N, 4]``, x, y, width and height in pixels: the given one, else the mask's.
        areas: float64 ``[N]``, pixels of the mask; of the box where there is no mask.
        given_areas: float64 ``[N]``, as a file says; NaN where it says nothing.
        crowds: bool ``[N]``.
        counts: N run lengths in COCO's compressed text form; empty for a box without a mask.
    """

    image_ids: Ids
    category_ids: Ids
    scores: Doubles
    boxes: Doubles
    areas: Doubles
    given_areas: Doubles
    crowds: npt.NDArray[np.bool_]
    counts: Sequence[str]

    def __len__(self) -> int:
        return self.image_ids.size

    @property
    def has_mask(self) -> npt.NDArray[np.bool_]:
        """Bool ``[N]``, whether a row has a mask, not only a box."""
        return np.array([text != "" for text in self.counts], np.bool_)

    @classmethod
    def of(cls, instances: Sequence[Instance]) -> Columns:
        """Return the columns of instances, in their order."""
        nan = float("nan")
        return cls(
            np.array([i.image_id for i in instances], np.int64),
            np.array([i.category_id for i in instances], np.int64),
            np.array([1.0 if i.score is None else i.score for i in instances], np.float64),
            np.array([box_xywh(i) for i in instances], np.float64).reshape(-1, 4),
            np.array([i.area for i in instances], np.float64),
            np.array([nan if i.given_area is None else i.given_area for i in instances], np.float64),
            np.array([i.is_crowd for i in instances], np.bool_),
            [i.mask.counts for i in instances],
        )

    @classmethod
    def joined(cls, parts: Iterable[Columns]) -> Columns:
        """Return all rows of all parts, in order."""
        parts = [cls.of(()), *parts]
        return cls(
            np.concatenate([part.image_ids for part in parts]),
            np.concatenate([part.category_ids for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.areas for part in parts]),
            np.concatenate([part.given_areas for part in parts]),
            np.concatenate([part.crowds for part in parts]),
            [text for part in parts for text in part.counts],
        )

    def take(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Columns:
        """Return the rows of these indices, or where a mask is true."""
        rows = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return Columns(
            self.image_ids[rows],
            self.category_ids[rows],
            self.scores[rows],
            self.boxes[rows],
            self.areas[rows],
            self.given_areas[rows],
            self.crowds[rows],
            [self.counts[row] for row in rows.tolist()],
        )

    def with_ids(self, image_ids: Ids, category_ids: Ids) -> Columns:
        """Return the same rows under other ids."""
        return replace(self, image_ids=image_ids, category_ids=category_ids)


def box_xywh(instance: Instance) -> tuple[float, float, float, float]:
    """Return an instance's given box, else its mask's: x, y, width and height in pixels."""
    if instance.given_box is None:
        x, y, width, height = instance.box_xywh
        return (float(x), float(y), float(width), float(height))
    left, top, right, bottom = instance.given_box
    return (left, top, right - left, bottom - top)
