"""Instances that a person adds with the network's help: a box that is drawn becomes a mask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from cachetools import LRUCache

from maskrcnn_core.common.arrays import Box, Pixels
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.errors import CategoryNeededError, StoreError
from maskrcnn_core.geometry.boxes import box_areas
from maskrcnn_core.projects.category_edits import CategoryRef, find_category
from maskrcnn_core.projects.drawn_shapes import DRAW_RECTANGLE, LEAST_FILLED, rectangle_of
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.mask_edits import mended_values, was_asked_for
from maskrcnn_core.projects.new_rows import new_instance
from maskrcnn_core.projects.proposals.jobs import jobs_of
from maskrcnn_core.projects.records import CategoryRow, Doubts, Entry, ImageRow
from maskrcnn_core.projects.seeing import pixels_of, seen_as, stretch_of
from maskrcnn_core.projects.store import Store
from maskrcnn_core.tiling.around_boxes import prompt_around
from maskrcnn_core.tiling.planning import Tile

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.inference.prompts import Prompted

__all__ = ["DRAW_BOX", "RESHAPE", "BoxDrawer", "ReshapeWay", "labels_by_category", "mapping_of"]

DRAW_BOX = "draw box"
"""The journal's kind of such a decision."""
ReshapeWay = Literal["threshold", "tighten", "closer"]
RESHAPE: dict[ReshapeWay, str] = {
    "threshold": "mask threshold",
    "tighten": "tighten",
    "closer": "look closer",
}
"""The journal's kinds of masks that the network made again."""

_RUNS_KEPT = 64  # without feature maps, which the predictor bounds, one is some hundred bytes


def mapping_of(store: Store, project_id: int, predictor: Predictor) -> dict[int, int]:
    """Return the project's category of each of a model's labels.

    As people had it when the model last ran over the project, and else by equal names.

    Returns:
        The store's category id by label; labels that are off, or of no category here, are left out.
    """
    label_map = predictor.model.label_map
    labels = {category.name: label for category, label in zip(label_map, label_map.labels, strict=True)}
    present = {row.id for row in store.categories(project_id)}
    for job in jobs_of(store, project_id):
        if job.model_key == predictor.model.key:
            chosen = job.settings.mapping
            return {labels[n]: id_ for n, id_ in chosen.items() if n in labels and id_ in present}
    ours = {row.name.casefold(): row.id for row in store.categories(project_id)}
    return {label: ours[name.casefold()] for name, label in labels.items() if name.casefold() in ours}


class BoxDrawer:
    """A model that turns boxes on a store's images into instances. Safe to use from several threads.

    The first box on an image costs a run of the backbone; those that follow cost the heads alone, for as long
    as the predictor keeps the feature maps. On an image that the network would see much too small it is the
    first box in a tile of it.

    Args:
        store: whose images.
        predictor: whose heads.
    """

    def __init__(self, store: Store, predictor: Predictor) -> None:
        self._store = store
        self.predictor = predictor
        self._runs: LRUCache[tuple[str, Tile], Run] = LRUCache(_RUNS_KEPT)
        self._lock = threading.Lock()

    def draw(
        self,
        image_id: int,
        box: tuple[float, float, float, float],
        who: str,
        *,
        category: CategoryRef | None = None,
        operation: str | None = None,
    ) -> Entry | None:
        """Add what the network sees in a box, accepted, as the person's decision.

        Where it sees next to nothing the box stays as a rectangle, which the journal calls so.

        Args:
            image_id: the store's id of the image.
            box: x1 y1 x2 y2 in pixels of the image.
            who: for the journal.
            category: as the person says, and the network then makes that category's mask if it knows it;
                ``None`` for the best of those that it sees.
            operation: see :meth:`Store.decide`.

        Raises:
            CategoryNeededError: if nobody says which, and the network knows none of the project's categories.
            InputError: if the box is none, or lies outside of the image.
            ImageError: if the image's file cannot be read.
            StoreError: if the image is not there, or not that category.
        """
        project_id = self._store.project_of(image_id)
        if project_id is None:
            raise StoreError(f"image {image_id}: there is no such image")
        if was_asked_for(self._store, project_id, operation):
            return self._store.decide(project_id, who, DRAW_BOX, [], image_id=image_id, operation=operation)
        (image,) = self._store.images(project_id, ids=[image_id])
        categories = self._store.categories(project_id)
        if not categories:
            raise CategoryNeededError("the project has no category yet: name the first one")
        mapping = mapping_of(self._store, project_id, self.predictor)
        wanted = None if category is None else find_category(self._store, project_id, category)
        label = None if wanted is None else labels_by_category(mapping).get(wanted)
        prompted = self.prompt(project_id, image, [box], None if label is None else [label])
        rank, category_id = _choose(prompted, mapping, categories) if wanted is None else (0, wanted)
        mask = prompted.detections(np.array([rank])).masks()[0]
        if mask.area < LEAST_FILLED * box_areas(prompted.boxes[:1].astype(np.float64))[0]:
            made = rectangle_of(image, box, category_id)
            return self._store.decide(
                project_id, who, DRAW_RECTANGLE, [made], image_id=image_id, operation=operation
            )
        doubts = self._runner_up(prompted, rank)

        made = new_instance(
            image_id,
            category_id,
            None,
            mask,
            source="person",
            status="accepted",
            given_box=box,
            doubts=doubts,
        )
        return self._store.decide(project_id, who, DRAW_BOX, [made], image_id=image_id, operation=operation)

    def reshape(
        self,
        image_id: int,
        rows: Mapping[int, int],
        who: str,
        *,
        how: ReshapeWay,
        threshold: float = 0.5,
        operation: str | None = None,
    ) -> Entry | None:
        """Make the masks of instances again, as their category.

        Args:
            image_id: the store's id of the image.
            rows: the instances' versions, as the person saw them, by id.
            who: for the journal.
            how: ``"threshold"`` looks into the instance's own box, ``"tighten"`` into the one that the
                network finds around it: the box head moves it once. ``"closer"`` looks into its own box a
                second time, on an enlarged crop (:mod:`maskrcnn_core.inference.closer`).
            threshold: a pixel is the object's from this probability on, in (0, 1).
            operation: see :meth:`Store.decide`.

        Raises:
            ConflictError: if somebody else changed one of the instances meanwhile.
            ImageError: if the image's file cannot be read.
            StoreError: if the image or an instance is not there, or no pixel would be left.
        """
        project_id = self._store.project_of(image_id)
        if project_id is None:
            raise StoreError(f"image {image_id}: there is no such image")
        if was_asked_for(self._store, project_id, operation):
            return self._store.decide(
                project_id, who, RESHAPE[how], [], image_id=image_id, operation=operation
            )
        (image,) = self._store.images(project_id, ids=[image_id])
        found = self._store.instances(project_id, image_id=image_id, ids=list(rows))
        present = {row.id: row for row in found}
        if missing := set(rows) - set(present):
            raise StoreError(f"instance {min(missing)}: there is no such instance in this image")
        label_of = labels_by_category(mapping_of(self._store, project_id, self.predictor))
        changes = []
        for id_, version in rows.items():
            row = present[id_]
            x, y, width, height = row.box_xywh
            box = (None if how == "tighten" else row.given_box) or (x, y, x + width, y + height)
            known = label_of.get(row.category_id)
            labels = None if known is None else [known]
            prompted = self.prompt(project_id, image, [box], labels, refine=int(how == "tighten"))
            seen = prompted.detections()
            if how == "closer":
                seen = self.predictor.look_closer(seen, self._pixels(project_id, image))
            mask = seen.masks(threshold)[0]
            if not mask.area:
                raise StoreError("the network sees no object there: nothing would be left")
            given = [round(float(v), 2) for v in prompted.boxes[0]]
            values = mended_values(row, mask) | {"given_box": given, "status": "accepted"}
            changes.append(Change("instance", id_, version, values))
        return self._store.decide(
            project_id, who, RESHAPE[how], changes, image_id=image_id, operation=operation
        )

    def prompt(
        self,
        project_id: int,
        image: ImageRow,
        boxes: Sequence[Box],
        labels: Sequence[int] | None = None,
        *,
        refine: int = 0,
    ) -> Prompted:
        """Let the network look at boxes of a project's image; see :meth:`Predictor.prompt`.

        In an image that it would see much too small, it looks at the tile around them.
        """
        stretch = stretch_of(self._store.project(project_id))
        size = (image.height, image.width)
        return prompt_around(
            self.predictor,
            size,
            lambda: pixels_of(self._store, image, stretch),
            boxes,
            run_of=partial(self._run_of, seen_as(image.digest, stretch)),
            labels=labels,
            refine=refine,
        )

    def _pixels(self, project_id: int, image: ImageRow) -> Pixels:
        return pixels_of(self._store, image, stretch_of(self._store.project(project_id)))

    def _run_of(self, image: str, tile: Tile, pixels: Callable[[], Pixels]) -> Run:
        key = image, tile
        with self._lock:
            run = self._runs.get(key)
        if run is None:
            run = self.predictor.open(pixels())
        with self._lock:
            self._runs[key] = run
        return run

    def _runner_up(self, prompted: Prompted, rank: int) -> Doubts | None:
        others = [k for k in range(prompted.labels.shape[1]) if k != rank]
        if not others:
            return None
        label_map = self.predictor.model.label_map
        label, probability = int(prompted.labels[0, others[0]]), float(prompted.probabilities[0, others[0]])
        return Doubts(probability, label_map.category(label).name, 0.0, 0.0)


def _choose(prompted: Prompted, mapping: Mapping[int, int], categories: list[CategoryRow]) -> tuple[int, int]:
    """Return the best of the box's labels that is a category here, and that category's id."""
    present = {row.id for row in categories}
    for rank, label in enumerate(prompted.labels[0].tolist()):
        if mapping.get(label) in present:
            return rank, mapping[label]
    raise CategoryNeededError(
        "the network knows none of the project's categories: choose the category of the box"
    )


def labels_by_category(mapping: Mapping[int, int]) -> dict[int, int]:
    """Return the model's label of each category: the first, where several labels are the same one."""
    return {category_id: label for label, category_id in reversed(list(mapping.items()))}
