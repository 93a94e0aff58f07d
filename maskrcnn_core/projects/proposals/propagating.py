"""Instances taken over to another image of a series, where the network finds them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.errors import StoreError
from maskrcnn_core.geometry.boxes import box_ious
from maskrcnn_core.geometry.rle import Rle, mask_iou
from maskrcnn_core.projects.journal import New
from maskrcnn_core.projects.mask_edits import was_asked_for
from maskrcnn_core.projects.new_rows import new_instance
from maskrcnn_core.projects.proposals.network_edits import BoxDrawer, labels_by_category, mapping_of
from maskrcnn_core.projects.records import PROPAGATED, Entry, ImageRow, InstanceRow
from maskrcnn_core.projects.store import Store

if TYPE_CHECKING:
    from maskrcnn_core.inference.prompts import Prompted

__all__ = ["PROPAGATE", "propagate"]

PROPAGATE = "propagate"
"""The journal's kind of such a decision."""

_LEAST_SIDE = 1.0  # pixels; see `maskrcnn_core.inference.prompts`, with which torch comes
_LEAST_PROBABILITY = 0.3
"""That an object of the category is in the moved box."""
_LEAST_OVERLAP = 0.2
"""IoU of the box before and after the network has moved it: one that went further found something else."""
_SAME = 0.7
"""Mask IoU with an instance of the same category from which on that is there already."""


def propagate(
    store: Store,
    drawer: BoxDrawer,
    image_id: int,
    to_image_id: int,
    instance_ids: Sequence[int],
    who: str,
    *,
    operation: str | None = None,
) -> Entry | None:
    """Offer instances of one image on another one, where the network finds them near the same place.

    Each instance's box is laid on the other image, the box head moves it once, and the mask is the one in
    there. What it makes is proposed, with the probability as score: nobody has seen it yet.

    Args:
        store: where.
        drawer: whose network looks.
        image_id: the store's id of the image that the instances are of.
        to_image_id: the other one, of the same project.
        instance_ids: at most :data:`maskrcnn_core.common.bounds.MAX_PROPAGATED`.
        who: for the journal, which has it as a decision on the other image.
        operation: see :meth:`Store.decide`.

    Raises:
        ImageError: if the other image's file cannot be read.
        StoreError: if an image or instance is not there, or none is found again.
    """
    project_id = store.project_of(image_id)
    if project_id is None or store.project_of(to_image_id) != project_id:
        raise StoreError(f"images {image_id} and {to_image_id}: expected two of one project")
    if was_asked_for(store, project_id, operation):
        return store.decide(project_id, who, PROPAGATE, [], image_id=to_image_id, operation=operation)
    rows = store.instances(project_id, image_id=image_id, ids=list(instance_ids))
    if missing := set(instance_ids) - {row.id for row in rows}:
        raise StoreError(f"instance {min(missing)}: there is no such instance in this image")
    (target,) = store.images(project_id, ids=[to_image_id])
    there = [row for row in store.instances(project_id, image_id=to_image_id) if row.status != "rejected"]
    label_of = labels_by_category(mapping_of(store, project_id, drawer.predictor))
    made: list[New] = []
    for row in rows:
        box = _within(row, target)
        label = label_of.get(row.category_id)
        if box is None:
            continue
        prompted = drawer.prompt(project_id, target, [box], None if label is None else [label], refine=1)
        found = _found(prompted, box, knows_it=label is not None)
        if found is not None and not _is_there(found[0], row, there):
            mask, moved, probability = found
            made.append(
                new_instance(
                    to_image_id,
                    row.category_id,
                    None,
                    mask,
                    source=PROPAGATED,
                    score=probability,
                    given_box=moved,
                )
            )
    if not made:
        raise StoreError(
            f"the network finds none of the {len(rows)} on {target.file_name} near the same place"
        )
    return store.decide(project_id, who, PROPAGATE, made, image_id=to_image_id, operation=operation)


def _within(row: InstanceRow, target: ImageRow) -> Box | None:
    """Return an instance's box on the other image; ``None`` where that does not reach so far."""
    x, y, width, height = row.box_xywh
    x1, y1, x2, y2 = row.given_box or (x, y, x + width, y + height)
    box = (max(x1, 0.0), max(y1, 0.0), min(x2, float(target.width)), min(y2, float(target.height)))
    return box if box[2] - box[0] >= _LEAST_SIDE and box[3] - box[1] >= _LEAST_SIDE else None


def _found(prompted: Prompted, box: Box, *, knows_it: bool) -> tuple[Rle, Box, float] | None:
    """Return the mask, its box and the probability, if the network means the same object.

    Args:
        prompted: of the one box.
        box: before it was moved.
        knows_it: whether the instance's category is one of the model's; else any object will do.
    """
    probability = float(prompted.probabilities[0, 0] if knows_it else 1 - prompted.background[0])
    overlap = float(box_ious(np.array([box]), prompted.boxes)[0, 0])
    mask = prompted.detections().masks()[0]
    if probability < _LEAST_PROBABILITY or overlap < _LEAST_OVERLAP or not mask.area:
        return None
    x1, y1, x2, y2 = (round(float(v), 2) for v in prompted.boxes[0])
    return mask, (x1, y1, x2, y2), min(max(probability, 0.0), 1.0)


def _is_there(mask: Rle, row: InstanceRow, there: Sequence[InstanceRow]) -> bool:
    alike = (one for one in there if one.category_id == row.category_id)
    return any(mask_iou(mask, one.mask) >= _SAME for one in alike)
