"""What of the detections is right: COCO's matching and its precision and recall arrays, by ``hotcoco``.

This is the one module that knows which library counts. ``hotcoco`` gives what ``pycocotools``' ``COCOeval``
gives, to the last bit, in a fiftieth of its time; the tests hold the two side by side. It sees neither ids
of files nor anything unchecked: images and categories are numbered from 1 in the order of their ids, which is
the order in which ``COCOeval`` goes through them and so decides ties, and no ground truth has the id 0, which
would count as "no match". Images are handed over some at a time, so that few decoded masks are in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import hotcoco
import numpy as np
import numpy.typing as npt

from maskrcnn_core.dataset.annotations import ImageRecord
from maskrcnn_core.dataset.columns import Columns

__all__ = ["AREAS", "IOUS", "RECALLS", "Counts", "Kind", "count"]

Kind = Literal["bbox", "segm"]

IOUS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""COCO's thresholds of the intersection over union."""

AREAS: tuple[str, ...] = ("all", "small", "medium", "large")
"""COCO's ranges of size: parted at 32 x 32 and 96 x 96 pixels."""

RECALLS: tuple[float, ...] = tuple(np.linspace(0, 1, 101).tolist())
"""Where COCO reads precision: at 0, .01 ... 1 of the objects."""

_IMAGES_AT_ONCE = 200

_Row = dict[str, Any]  # an annotation as the library wants it; made here and seen by it alone


@dataclass(frozen=True, eq=False)
class Counts:
    """``COCOeval``'s arrays: T thresholds :data:`IOUS`, R recalls, K categories, A :data:`AREAS`, M limits.

    Args:
        category_ids: K ids, ascending.
        precision: float64 ``[T, R, K, A, M]``; -1 where there is no ground truth.
        recall: float64 ``[T, K, A, M]``; likewise.
    """

    category_ids: tuple[int, ...]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]


def count(
    images: Sequence[ImageRecord],
    category_ids: Sequence[int],
    truth: Columns,
    found: Columns,
    kind: Kind,
    limits: Sequence[int],
) -> Counts:
    """Match detections with a ground truth, each image and category by itself.

    Args:
        images: in any order; every row of both columns belongs to one of them.
        category_ids: likewise.
        truth: sized by their given areas, else by their masks'; crowds are ignored.
        found: sized by their masks' areas when masks are compared, by their boxes' when boxes are.
        kind: what is compared: boxes or masks.
        limits: M numbers, ascending: how many of the best scored of an image and category count.
    """
    ids = tuple(sorted(category_ids))
    if not images or not ids:
        shape = (len(IOUS), len(RECALLS), len(ids), len(AREAS), len(limits))
        nothing = np.full(shape, -1.0)
        return Counts(ids, nothing, nothing[:, 0])
    params = hotcoco.Params(kind)
    params.max_dets = list(limits)
    categories = [{"id": number, "name": str(number)} for number in range(1, len(ids) + 1)]
    stream = hotcoco.StreamingEval(categories, kind, params=params)
    ordered = sorted(images, key=lambda image: image.id)
    image_ids = np.array([image.id for image in ordered], np.int64)
    sides = [_Side(columns, image_ids, np.array(ids, np.int64)) for columns in (truth, found)]
    for first in range(0, len(ordered), _IMAGES_AT_ONCE):
        part = ordered[first : first + _IMAGES_AT_ONCE]
        rows = [
            {"id": first + n, "width": image.width, "height": image.height}
            for n, image in enumerate(part, start=1)
        ]
        sizes = [list(image.size) for image in part]
        gt, dt = (side.of_images(first, first + len(part)) for side in sides)
        stream.update(
            rows, _truth_rows(gt, sides[0], sizes, first, kind), _found(dt, sides[1], sizes, first, kind)
        )
    evaluator = stream.finalize()
    evaluator.accumulate()
    counted = evaluator.eval
    if counted is None:
        raise RuntimeError("hotcoco: expected counts after accumulate(), got none")
    return Counts(ids, np.asarray(counted["precision"]), np.asarray(counted["recall"]))


class _Side:
    """The rows of one side by their image, keeping the order within each image."""

    def __init__(
        self, columns: Columns, image_ids: npt.NDArray[np.int64], category_ids: npt.NDArray[np.int64]
    ) -> None:
        self.columns = columns
        self.image_numbers = np.searchsorted(image_ids, columns.image_ids)
        self.category_numbers = np.searchsorted(category_ids, columns.category_ids) + 1
        self._order = np.argsort(self.image_numbers, kind="stable")
        self._sorted = self.image_numbers[self._order]

    def of_images(self, first: int, end: int) -> npt.NDArray[np.intp]:
        """Return rows of the images ``first`` to before ``end``."""
        start, stop = np.searchsorted(self._sorted, (first, end))
        return self._order[start:stop]


def _truth_rows(
    rows: npt.NDArray[np.intp], side: _Side, sizes: Sequence[list[int]], first: int, kind: Kind
) -> list[_Row]:
    columns = side.columns
    areas = np.where(np.isnan(columns.given_areas[rows]), columns.areas[rows], columns.given_areas[rows])
    values = zip(
        (rows + 1).tolist(),
        side.image_numbers[rows].tolist(),
        side.category_numbers[rows].tolist(),
        columns.boxes[rows].tolist(),
        areas.tolist(),
        columns.crowds[rows].astype(int).tolist(),
        strict=True,
    )
    return [
        {
            "id": id_,
            "image_id": image + 1,
            "category_id": category,
            "bbox": box,
            "area": area,
            "iscrowd": crowd,
        }
        | (
            {"segmentation": {"size": sizes[image - first], "counts": columns.counts[id_ - 1]}}
            if kind == "segm"
            else {}
        )
        for id_, image, category, box, area, crowd in values
    ]


def _found(
    rows: npt.NDArray[np.intp], side: _Side, sizes: Sequence[list[int]], first: int, kind: Kind
) -> npt.NDArray[np.float64] | list[_Row]:
    columns = side.columns
    if kind == "bbox":
        numbers = (
            side.image_numbers[rows] + 1,
            columns.boxes[rows],
            columns.scores[rows],
            side.category_numbers[rows],
        )
        return np.column_stack(numbers).astype(np.float64)
    values = zip(
        rows.tolist(),
        side.image_numbers[rows].tolist(),
        side.category_numbers[rows].tolist(),
        columns.scores[rows].tolist(),
        strict=True,
    )
    # Without a box the area is the mask's, which is the one that masks are to be sized by.
    return [
        {
            "image_id": image + 1,
            "category_id": category,
            "score": score,
            "segmentation": {"size": sizes[image - first], "counts": columns.counts[row]},
        }
        for row, image, category, score in values
    ]
