"""COCO's twelve numbers, for boxes and for masks (https://cocodataset.org/#detection-eval).

The numbers are those that others publish: :mod:`~maskrcnn_core.evaluation.counting` matches as
``pycocotools`` does. It never sees a file: what it counts is built here from checked instances.

Sizes (small, medium, large) follow COCO's rule: a ground truth's by the area that its file gives, a
detection's by its mask when masks are compared, and by its box when boxes are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from maskrcnn_core.dataset.annotations import Dataset, Instance
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.evaluation.counting import AREAS, IOUS, Counts, count
from maskrcnn_core.evaluation.set_curves import SetCurve, set_curve

__all__ = ["METRICS", "CategoryScores", "Evaluation", "Metric", "Scores", "evaluate"]

_Chosen = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """One row of the table of metrics.

    Args:
        name: as publications write it, with COCO's limits; a field of :class:`Scores`.
        meaning: for people; ``{best}`` stands for how many detections count.
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

    @property
    def tells_limit(self) -> bool:
        """Whether its name has the limit in it."""
        return self.name[-1].isdigit() and self.kind == "recall"


METRICS: tuple[Metric, ...] = (
    Metric("AP", "average precision, mean over IoU .50 to .95", "precision"),
    Metric("AP50", "average precision at IoU .50", "precision", 0.5),
    Metric("AP75", "average precision at IoU .75", "precision", 0.75),
    Metric("APs", "average precision, small objects (below 32 x 32 pixels)", "precision", None, "small"),
    Metric("APm", "average precision, medium objects", "precision", None, "medium"),
    Metric("APl", "average precision, large objects (above 96 x 96 pixels)", "precision", None, "large"),
    Metric("AR1", "average recall, {best} per image and category", "recall", limit=0),
    Metric("AR10", "average recall, {best} per image and category", "recall", limit=1),
    Metric("AR100", "average recall, {best} per image and category", "recall"),
    Metric("ARs", "average recall, small objects", "recall", None, "small"),
    Metric("ARm", "average recall, medium objects", "recall", None, "medium"),
    Metric("ARl", "average recall, large objects", "recall", None, "large"),
)
"""The twelve, in the order of COCO's own summary."""


@dataclass(frozen=True)
class Scores:
    """The twelve numbers of :data:`METRICS`, in [0, 1].

    They are -1 where there is no such ground truth, and NaN where nothing can be compared, as for masks of
    detections that are boxes.
    """

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
class CategoryScores:
    """One category of the ground truth.

    Args:
        name: of the category.
        ground_truths: its instances, crowds left out.
        detections: of it that were compared.
        box_AP, mask_AP: its part of AP, in [0, 1]; -1 and NaN as in :class:`Scores`.
    """

    name: str
    ground_truths: int
    detections: int
    box_AP: float
    mask_AP: float


@dataclass(frozen=True)
class Evaluation:
    """How well detections match a ground truth.

    Args:
        box: boxes compared.
        mask: masks compared; NaN if any detection is a box without a mask, which would count as missed.
        images: of the ground truth.
        ground_truths: its instances, crowds left out.
        detections: that were compared: those of its images and categories.
        categories: of the ground truth, in its order.
        over_limit: of the detections, those that did not count, as their image and category has more than
            the limit that score better.
        limits: how many of the best of an image and category counted, by :attr:`Metric.limit`.
        box_curve, mask_curve: precision against recall; without numbers where there is nothing to compare.
    """

    box: Scores
    mask: Scores
    images: int
    ground_truths: int
    detections: int
    categories: tuple[CategoryScores, ...] = ()
    over_limit: int = 0
    limits: tuple[int, int, int] = (1, 10, 100)
    box_curve: SetCurve = field(default_factory=SetCurve)
    mask_curve: SetCurve = field(default_factory=SetCurve)

    def rows(self) -> list[tuple[str, str, float, float]]:
        """Return name, meaning, box value and mask value of each metric, in COCO's order.

        Names of average recall tell the limit that counted, as ``AR500``; where two limits are the same, so
        are name and values, and one row tells both.
        """
        rows: dict[str, tuple[str, str, float, float]] = {}
        for m in METRICS:
            limit = self.limits[m.limit]
            best = "the best detection" if limit == 1 else f"the best {limit}"
            name = f"AR{limit}" if m.tells_limit else m.name
            values = getattr(self.box, m.name), getattr(self.mask, m.name)
            rows.setdefault(name, (name, m.meaning.format(best=best), *values))
        return list(rows.values())


def evaluate(
    ground_truth: Dataset, results: Sequence[Instance] | Columns, *, max_detections: int = 100
) -> Evaluation:
    """Compare detections with a ground truth as ``COCOeval`` does.

    Args:
        ground_truth: its crowd regions are ignored: what lies in them is neither right nor wrong.
        results: detections in any order, those without a score counting as 1; columns are checked ones.
            What belongs to other images or categories than the ground truth's is left out.
        max_detections: how many of the best scored of each image and category count. COCO's is 100; with
            fewer, ``AR10`` and ``AR1`` count no more than that, either.

    Raises:
        DatasetError: naming the instance whose mask is not of its image's size, or whose score or box
            is not a number.
        ValueError: if ``max_detections`` is below 1.
    """
    if max_detections < 1:
        raise ValueError(f"detections per image: expected 1 or more, got {max_detections}")
    truth = _columns(ground_truth, ground_truth.instances, "ground truth")
    found = results if isinstance(results, Columns) else _columns(ground_truth, results, "results")
    category_ids = [category.id for category in ground_truth.categories]
    known = np.isin(found.image_ids, [i.id for i in ground_truth.images]) & np.isin(
        found.category_ids, category_ids
    )
    if not known.all():
        found = found.take(known)
    limits = (1, min(10, max_detections), max_detections)
    compare = partial(count, ground_truth.images, category_ids, truth)
    box = compare(found, "bbox", limits)
    # A box without a mask is no detection where masks are compared.
    masks = found if found.has_mask.all() else found.take(found.has_mask)
    mask = compare(masks, "segm", limits) if len(masks) or not len(found) else None
    return Evaluation(
        box=_scores(box),
        mask=_scores(mask) if mask else Scores(*[math.nan] * len(METRICS)),
        images=len(ground_truth.images),
        ground_truths=int((~truth.crowds).sum()),
        detections=len(found),
        categories=_of_categories(ground_truth, truth, found, box, mask),
        over_limit=_over_limit(found, max_detections),
        limits=limits,
        box_curve=set_curve(box),
        mask_curve=set_curve(mask) if mask else SetCurve(),
    )


def _columns(ground_truth: Dataset, instances: Sequence[Instance], where: str) -> Columns:
    sizes = {image.id: image.size for image in ground_truth.images}
    kept = [instance for instance in instances if instance.image_id in sizes]
    for index, instance in enumerate(kept):
        _check(instance, sizes[instance.image_id], f"{where}, instance {index}")
    return Columns.of(kept)


def _check(instance: Instance, size: tuple[int, int], where: str) -> None:
    if instance.mask.size != size:
        raise DatasetError(
            f"{where}: expected a mask of its image's size {size} (height, width), got {instance.mask.size}"
        )
    numbers = [*(instance.given_box or ()), instance.score or 0.0, instance.given_area or 0.0]
    if not all(math.isfinite(number) for number in numbers):
        raise DatasetError(f"{where}: expected finite numbers for box, score and area, got {numbers}")


def _scores(counts: Counts) -> Scores:
    return Scores(**{metric.name: _mean(_chosen(counts, metric)) for metric in METRICS})


def _chosen(counts: Counts, metric: Metric) -> _Chosen:
    """Return the counts that a metric is the mean of, its categories last: ``[T, R, K]`` or ``[T, K]``."""
    values = counts.precision if metric.kind == "precision" else counts.recall
    chosen: _Chosen = values[..., AREAS.index(metric.area), metric.limit]
    return chosen if metric.iou is None else chosen[np.isclose(IOUS, metric.iou)]


def _mean(values: _Chosen) -> float:
    known = values[values != -1]
    return float(known.mean()) if known.size else -1.0


def _of_categories(
    ground_truth: Dataset, truth: Columns, found: Columns, box: Counts, mask: Counts | None
) -> tuple[CategoryScores, ...]:
    box_values = _chosen(box, METRICS[0])
    mask_values = _chosen(mask, METRICS[0]) if mask else np.full_like(box_values, math.nan)
    place = {id_: number for number, id_ in enumerate(box.category_ids)}
    wanted = dict(zip(*np.unique(truth.category_ids[~truth.crowds], return_counts=True), strict=True))
    given = dict(zip(*np.unique(found.category_ids, return_counts=True), strict=True))
    return tuple(
        CategoryScores(
            category.name,
            int(wanted.get(category.id, 0)),
            int(given.get(category.id, 0)),
            _mean(box_values[..., place[category.id]]),
            _mean(mask_values[..., place[category.id]]),
        )
        for category in ground_truth.categories
    )


def _over_limit(found: Columns, limit: int) -> int:
    _, numbers = np.unique(np.stack([found.image_ids, found.category_ids]), axis=1, return_counts=True)
    return int(np.maximum(numbers - limit, 0).sum())
