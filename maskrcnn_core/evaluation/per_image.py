"""A set image by image: what is right and wrong in each, and a table of it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.one_line import quote_cell
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.evaluation.counting import Kind
from maskrcnn_core.evaluation.image_scores import ImageScores, score_image
from maskrcnn_core.evaluation.matching import Comparison, Matches, compare_image

__all__ = ["IMAGE_COLUMNS", "OfImage", "compare_images", "image_table", "kind_of"]

IMAGE_COLUMNS = (
    "image", "image_id", "objects", "crowds", "detections", "right", "missed", "wrong_category", "twice",
    "wrong", "ignored", "AP50", "AP",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class OfImage:
    """One image of a set, compared.

    Args:
        record: of the image.
        comparison: of its objects and detections.
        matches: at the IoU from which on a detection is right.
        scores: what they come to.
    """

    record: ImageRecord
    comparison: Comparison
    matches: Matches
    scores: ImageScores


def kind_of(found: Columns) -> Kind:
    """Return what of detections is compared: masks, unless none has any."""
    return "segm" if not len(found) or found.has_mask.any() else "bbox"


def compare_images(
    truth: Dataset,
    found: Columns,
    *,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
    max_detections: int = 100,
) -> Iterator[OfImage]:
    """Compare detections with a ground truth, an image at a time, in the ground truth's order.

    Args:
        truth: the ground truth.
        found: the detections; those of other images or categories are left out.
        iou_threshold: from which on a detection is right.
        score_threshold: only detections above it are counted; AP has them all.
        max_detections: how many of the best scored of each image and category count.
    """
    kind = kind_of(found)
    objects = Columns.of(truth.instances)
    known = np.isin(found.category_ids, [category.id for category in truth.categories])
    sides = _ByImage(objects), _ByImage(found.take(known))
    for record in truth.images:
        of_truth, of_found = (side.of(record.id) for side in sides)
        comparison = compare_image(of_truth, of_found, record.size, kind, max_detections=max_detections)
        matches = comparison.at(iou_threshold)
        yield OfImage(record, comparison, matches, score_image(comparison, matches, score_threshold))


class _ByImage:
    """Columns by their image, keeping the order within each."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._order = np.argsort(columns.image_ids, kind="stable")
        self._sorted: npt.NDArray[np.int64] = columns.image_ids[self._order]

    def of(self, image_id: int) -> Columns:
        first, end = np.searchsorted(self._sorted, (image_id, image_id + 1))
        return self._columns.take(self._order[first:end])


def image_table(rows: Iterable[tuple[ImageRecord, ImageScores]]) -> bytes:
    """Return a CSV file with a row for each image, in which no spreadsheet finds a formula.

    AP and AP50 are empty where an image has no objects.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(IMAGE_COLUMNS)
    for record, scores in rows:
        writer.writerow(
            [
                quote_cell(record.file_name),
                quote_cell(record.text_id) or record.id,
                scores.truths,
                scores.crowds,
                scores.detections,
                scores.right,
                scores.missed,
                scores.wrong_category,
                scores.twice,
                scores.wrong,
                scores.ignored,
                *("" if math.isnan(ap) else f"{ap:.6f}" for ap in (scores.AP50, scores.AP)),
            ]
        )
    # With its byte order mark spreadsheets read it as UTF-8; surrogates of odd file names become "?".
    return stream.getvalue().encode("utf-8-sig", "replace")
