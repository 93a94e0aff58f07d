"""A box becomes an object, as a box that is drawn in the app: its mask, category and runners-up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from maskrcnn_core.detection.runs import Failure
from maskrcnn_core.errors import CoreError, InferenceError, InputError
from maskrcnn_core.geometry.boxes import box_areas
from maskrcnn_core.projects.drawn_shapes import LEAST_FILLED, rectangle_mask
from maskrcnn_core.service.annotating import Annotator, Turn
from maskrcnn_core.service.asking import Asked, BoxOptions
from maskrcnn_core.service.desk import Desk
from maskrcnn_core.service.pictures import Picture
from maskrcnn_core.service.refusals import Refused
from maskrcnn_core.service.work import Threads
from maskrcnn_core.tiling.around_boxes import prompt_around

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.inference.prompts import Prompted
    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["boxes_to_masks"]


async def boxes_to_masks(
    asked: Asked, options: BoxOptions, desk: Desk, threads: Threads, annotator: Annotator
) -> dict[str, object]:
    """Return the objects of a request's boxes, in their order.

    Raises:
        InputError: if a box is none, or the image cannot be used.
        InferenceError: if the heads give NaN.
        Refused: if too many are waiting, or there is no such model.
    """
    predictor = await threads.work(partial(desk.predictor, options.model))
    turn = Turn(1, asked.pictures[0], asked.urls[0] if asked.urls else "")
    await annotator.open(turn)
    if turn.record is None:
        raise InputError(turn.reason)
    await threads.work(partial(_check, predictor, turn.picture, options, turn.record.size))
    (outcome,) = await desk.run(predictor, [partial(_prompt, predictor, turn.picture, options)])
    if outcome is None or isinstance(outcome, Failure):
        raise InferenceError(outcome.reason if outcome else "a run failed")
    objects = await threads.work(partial(_objects, outcome, predictor.model, options.mask_threshold))
    size = {"width": turn.record.width, "height": turn.record.height}
    image = {"file_name": turn.record.file_name, **size, "notes": turn.notes}
    return {"model": predictor.model.key, "image": image, "objects": objects}


def _check(predictor: Predictor, picture: Picture, options: BoxOptions, size: tuple[int, int]) -> None:
    from maskrcnn_core.inference.prompts import check_boxes  # imports torch

    check_boxes(options.boxes, size)
    try:
        predictor.check(picture.pixels())
    except InferenceError as error:
        raise Refused(422, str(error)) from error


def _prompt(predictor: Predictor, picture: Picture, options: BoxOptions) -> Prompted | Failure:
    try:
        pixels = picture.pixels()
        return prompt_around(predictor, pixels.shape[:2], lambda: pixels, options.boxes)
    except CoreError as error:
        return Failure(str(error))


def _objects(prompted: Prompted, model: LoadedModel, mask_threshold: float) -> list[dict[str, object]]:
    found = []
    areas = box_areas(prompted.boxes.astype(np.float64))
    for index, mask in enumerate(prompted.detections().masks(mask_threshold)):
        box: Sequence[float] = prompted.boxes[index].tolist()
        is_rectangle = bool(mask.area < LEAST_FILLED * areas[index])
        if is_rectangle:
            mask = rectangle_mask((box[0], box[1], box[2], box[3]), prompted.image_size)
        labels, scores = prompted.labels[index].tolist(), prompted.probabilities[index].tolist()
        ranked = [
            {"id": (category := model.label_map.category(label)).id, "name": category.name, "score": score}
            for label, score in zip(labels, scores, strict=True)
        ]
        found.append(
            {
                "box": box,
                "category": {"id": ranked[0]["id"], "name": ranked[0]["name"]},
                "score": ranked[0]["score"],
                "background": float(prompted.background[index]),
                "runners_up": ranked[1:],
                "segmentation": {"size": list(mask.size), "counts": mask.counts},
                "area": mask.area,
                "bbox": list(mask.box_xywh),
                "is_rectangle": is_rectangle,
            }
        )
    return found
