"""How good a network is on ground truth: run as MaskDesk runs it, measured as COCO measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.category_maps import join_categories
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.detection.limits import LimitTally
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.evaluation.coco_metrics import Evaluation, evaluate
from maskrcnn_core.evaluation.ground_truth import GroundTruth
from maskrcnn_core.images.reading import one_line, read_image
from maskrcnn_core.inference.predictor import Failure, Predictor
from maskrcnn_core.tiling.choosing import Tiling, tiles_for
from maskrcnn_core.tiling.running import run_tiles

__all__ = ["Result", "evaluate_on", "find_on", "mean_mask_ap"]

OnImage = Callable[[int, int], object]


@dataclass(frozen=True)
class Result:
    """What one ground truth says of a network.

    Args:
        name: of the ground truth, for people.
        evaluation: COCO's numbers.
        max_detections: how many of the best of an image counted.
    """

    name: str
    evaluation: Evaluation
    max_detections: int


def evaluate_on(
    predictor: Predictor,
    truths: Sequence[GroundTruth],
    *,
    max_detections: int,
    on_image: OnImage | None = None,
    tiling: Tiling | None = None,
) -> list[Result]:
    """Run a model over the images of each ground truth and compare, categories by name.

    Args:
        predictor: the model.
        truths: each is measured by itself, on its own categories.
        max_detections: how many of the best of an image count.
        on_image: called with ``(done, total)`` after each image of all truths.
        tiling: how large images are cut; ``None`` for not at all.

    Raises:
        CoreError: naming an image that cannot be read, or on which the network failed.
    """
    total = sum(len(truth.dataset.images) for truth in truths)
    done = 0
    results = []
    for truth in truths:
        joined = join_categories(truth.dataset, [c.name for c in predictor.model.label_map.categories])
        found: list[Instance] = []
        for instances in find_on(predictor, truth, joined.ids, max_detections=max_detections, tiling=tiling):
            found += instances
            done += 1
            if on_image:
                on_image(done, total)
        evaluation = evaluate(joined.truth, found, max_detections=max_detections)
        results.append(Result(truth.name, evaluation, max_detections))
    return results


def find_on(
    predictor: Predictor,
    truth: GroundTruth,
    ids: Mapping[str, int],
    *,
    max_detections: int,
    limits: LimitTally | None = None,
    tiling: Tiling | None = None,
) -> Iterator[list[Instance]]:
    """Yield what a model finds on each image of a ground truth.

    Args:
        predictor: the model.
        truth: of its images.
        ids: the ground truth's category id by the name of each category of the model that is looked for.
        max_detections: how many of the best of an image, or of each of its tiles.
        limits: takes note of what the limits left out.
        tiling: how large images are cut; ``None`` for not at all.

    Raises:
        CoreError: naming an image that cannot be read, or on which the network failed.
    """
    label_map = predictor.model.label_map
    known = label_map.labels_of(c.name for c in label_map.categories if c.name in ids)
    thresholds = Thresholds(SCORE_FLOOR, predictor.model.nms_threshold, max_detections, labels=known)
    names = {category.id: category.name for category in label_map.categories}
    for record in truth.dataset.images:
        image = read_image(truth.image_file(record), stretch=truth.stretch).pixels
        name = one_line(record.file_name)
        tiles = tiles_for(tiling, predictor.model, image.shape[:2])
        if len(tiles) > 1:
            try:
                tiled = run_tiles(predictor, image, tiles, thresholds)
            except InferenceError as error:
                raise InferenceError(f"{name}: {error}") from error
            if limits is not None:
                limits.take(name, tiled.limits(thresholds), thresholds)
            instances = tiled.instances(predictor, thresholds, image, record.id)
        else:
            run = predictor.run([image], thresholds)[0]
            if isinstance(run, Failure):
                raise InferenceError(f"{name}: {run.reason}")
            if limits is not None:
                limits.add(name, run, thresholds)
            detections = predictor.detections(run, thresholds, image)
            instances = Instance.from_detections(detections, label_map, record.id, thresholds.mask_threshold)
        yield [
            Instance(i.image_id, ids[names[i.category_id]], i.mask, i.score, i.given_box) for i in instances
        ]


def mean_mask_ap(results: Sequence[Result]) -> float:
    """Return the mean of the mask APs of all ground truths that have one; NaN if none has."""
    known = [r.evaluation.mask.AP for r in results if r.evaluation.mask.AP >= 0]
    return sum(known) / len(known) if known else math.nan
