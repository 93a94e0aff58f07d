"""COCO's twelve numbers, for boxes and for masks (https://cocodataset.org/#detection-eval).

The matching is ``pycocotools``' own ``COCOeval``, so that the numbers are those that others publish. It
never sees a file: its dictionaries are built here from checked instances, as it segfaults on some
malformed run lengths, and a ground truth with id 0 would count as "no match".

Sizes (small, medium, large) follow COCO's rule: a ground truth's by the area that its file gives, a
detection's by its mask when masks are compared, and by its box when boxes are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from maskrcnn_core.annotations import Dataset, Instance
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.pycoco import COCO, COCOeval

__all__ = ["METRICS", "Evaluation", "Metric", "Scores", "evaluate"]

_Row = dict[str, Any]  # an annotation as pycocotools wants it; made here and seen by it alone


@dataclass(frozen=True)
class Metric:
    """One row of the table of metrics.

    Args:
        name: as publications write it; a field of :class:`Scores`.
        meaning: for people.
        kind: average precision, or average recall.
        iou: the one IoU threshold; ``None`` for the mean over .50, .55 ... .95.
        area: of ``COCOeval``'s area ranges.
        limit: the best scored detections of an image that count, as an index into ``maxDets``.
    """

    name: str
    meaning: str
    kind: Literal["precision", "recall"]
    iou: float | None = None
    area: Literal["all", "small", "medium", "large"] = "all"
    limit: int = 2


METRICS: tuple[Metric, ...] = (
    Metric("AP", "average precision, mean over IoU .50 to .95", "precision"),
    Metric("AP50", "average precision at IoU .50", "precision", 0.5),
    Metric("AP75", "average precision at IoU .75", "precision", 0.75),
    Metric("APs", "average precision, small objects (below 32 x 32 pixels)", "precision", None, "small"),
    Metric("APm", "average precision, medium objects", "precision", None, "medium"),
    Metric("APl", "average precision, large objects (above 96 x 96 pixels)", "precision", None, "large"),
    Metric("AR1", "average recall, the best detection of an image", "recall", limit=0),
    Metric("AR10", "average recall, the best 10 of an image", "recall", limit=1),
    Metric("AR100", "average recall, the best 100 of an image (or the limit given)", "recall"),
    Metric("ARs", "average recall, small objects", "recall", None, "small"),
    Metric("ARm", "average recall, medium objects", "recall", None, "medium"),
    Metric("ARl", "average recall, large objects", "recall", None, "large"),
)
"""The twelve, in the order of COCO's own summary."""


@dataclass(frozen=True)
class Scores:
    """The twelve numbers of :data:`METRICS`, in [0, 1]; -1 where there is no such ground truth."""

    AP: float
    AP50: float
    AP75: float
    APs: float
    APm: float
    APl: float
    AR1: float
    AR10: float
    AR100: float
    ARs: float
    ARm: float
    ARl: float


@dataclass(frozen=True)
class Evaluation:
    """How well detections match a ground truth.

    Args:
        box: boxes compared.
        mask: masks compared.
        images: of the ground truth.
        ground_truths: its instances, crowds left out.
        detections: that were compared: those of its images and categories.
    """

    box: Scores
    mask: Scores
    images: int
    ground_truths: int
    detections: int

    def rows(self) -> list[tuple[str, str, float, float]]:
        """Name, meaning, box value and mask value of each metric, in COCO's order."""
        return [(m.name, m.meaning, getattr(self.box, m.name), getattr(self.mask, m.name)) for m in METRICS]


def evaluate(ground_truth: Dataset, results: Sequence[Instance], *, max_detections: int = 100) -> Evaluation:
    """Compares detections with a ground truth as ``COCOeval`` does.

    Args:
        ground_truth: its crowd regions are ignored: what lies in them is neither right nor wrong.
        results: detections in any order, those without a score counting as 1. What belongs to other
            images or categories than the ground truth's is left out.
        max_detections: of each image and category the best scored so many count. COCO's is 100; with
            fewer, ``AR10`` and ``AR1`` count no more than that, either.

    Raises:
        DatasetError: naming the instance whose mask is not of its image's size, or whose score or box
            is not a number.
        ValueError: if ``max_detections`` is below 1.
    """
    if max_detections < 1:
        raise ValueError(f"detections per image: wanted 1 or more, got {max_detections}")
    sizes = {image.id: image.size for image in ground_truth.images}
    category_ids = {category.id for category in ground_truth.categories}
    kept = [i for i in results if i.image_id in sizes and i.category_id in category_ids]
    for where, instances in (("ground truth", ground_truth.instances), ("results", kept)):
        for index, instance in enumerate(instances):
            _check(instance, sizes[instance.image_id], f"{where}, instance {index}")
    return Evaluation(
        box=_scores(ground_truth, kept, "bbox", max_detections),
        mask=_scores(ground_truth, kept, "segm", max_detections),
        images=len(ground_truth.images),
        ground_truths=sum(not i.is_crowd for i in ground_truth.instances),
        detections=len(kept),
    )


def _check(instance: Instance, size: tuple[int, int], where: str) -> None:
    if instance.mask.size != size:
        raise DatasetError(
            f"{where}: wanted a mask of its image's size {size} (height, width), found {instance.mask.size}"
        )
    numbers = [*(instance.given_box or ()), instance.score or 0.0, instance.given_area or 0.0]
    if not all(math.isfinite(number) for number in numbers):
        raise DatasetError(f"{where}: wanted finite numbers for box, score and area, found {numbers}")


def _scores(
    ground_truth: Dataset, results: Sequence[Instance], kind: Literal["bbox", "segm"], max_detections: int
) -> Scores:
    evaluator = COCOeval(
        _coco(ground_truth, [_ground_truth_row(n, i) for n, i in enumerate(ground_truth.instances, start=1)]),
        _coco(ground_truth, [_detection_row(n, i, kind) for n, i in enumerate(results, start=1)]),
        kind,
    )
    evaluator.params.maxDets = [min(limit, max_detections) for limit in (1, 10, max_detections)]
    evaluator.evaluate()
    evaluator.accumulate()
    return Scores(**{metric.name: _mean(evaluator, metric) for metric in METRICS})


def _mean(evaluator: Any, metric: Metric) -> float:
    """One number out of ``COCOeval``'s arrays: precision ``[T, R, K, A, M]`` or recall ``[T, K, A, M]``.

    Its own ``summarize`` prints, and finds no AP at all with another limit than 100.
    """
    values: npt.NDArray[np.float64] = evaluator.eval[metric.kind]
    area = evaluator.params.areaRngLbl.index(metric.area)
    values = values[..., area, metric.limit]
    if metric.iou is not None:
        values = values[np.isclose(evaluator.params.iouThrs, metric.iou)]
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0


def _coco(dataset: Dataset, annotations: list[_Row]) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i.id, "width": i.width, "height": i.height} for i in dataset.images],
        "categories": [{"id": c.id, "name": c.name} for c in dataset.categories],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _row(number: int, instance: Instance) -> _Row:
    x, y, width, height = map(float, instance.box_xywh)
    if instance.given_box is not None:
        x, y, x2, y2 = instance.given_box
        width, height = x2 - x, y2 - y
    return {
        "id": number,
        "image_id": instance.image_id,
        "category_id": instance.category_id,
        "segmentation": {"size": list(instance.mask.size), "counts": instance.mask.counts.encode()},
        "bbox": [x, y, width, height],
        "iscrowd": int(instance.is_crowd),
    }


def _ground_truth_row(number: int, instance: Instance) -> _Row:
    area = float(instance.area) if instance.given_area is None else instance.given_area
    return _row(number, instance) | {"area": area}


def _detection_row(number: int, instance: Instance, kind: Literal["bbox", "segm"]) -> _Row:
    row = _row(number, instance)
    # As loadRes fills it in: for rows that carry only the box, and for rows that carry only the mask.
    area = row["bbox"][2] * row["bbox"][3] if kind == "bbox" else float(instance.area)
    score = 1.0 if instance.score is None else instance.score
    return row | {"area": area, "score": score, "iscrowd": 0}
