"""Boxes of a data set without masks become proposals: a network's heads fill each of them.

To the second stage a box from a file is a region of interest like any other; see
:mod:`maskrcnn_core.prompts`. The file's category, id, score and box stay.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskrcnn_core.errors import ImageError, InferenceError
from maskrcnn_core.formats.coco_fields import OURS
from maskrcnn_core.images import Stretch
from maskrcnn_core.masks import Rle
from maskrcnn_core.messages import counted
from maskrcnn_core.store.coco_ids import FreeIds
from maskrcnn_core.store.drawing import mapping_of
from maskrcnn_core.store.import_report import BoxToFill
from maskrcnn_core.store.journal import New
from maskrcnn_core.store.records import ImageRow
from maskrcnn_core.store.seeing import pixels_of, stretch_of
from maskrcnn_core.store.store import Store, new_instance

if TYPE_CHECKING:
    from maskrcnn_core.inference import Predictor

__all__ = ["FILL_BOXES", "FilledBoxes", "fill_boxes"]

FILL_BOXES = "fill boxes"
"""The journal's kind of this decision."""

_TOGETHER = 100  # boxes that go through the heads at once: each has a mask for several labels


@dataclass(frozen=True)
class FilledBoxes:
    """What became of boxes.

    Args:
        proposals: how many have a mask now.
        notes: why others have none, with their counts.
    """

    proposals: int
    notes: tuple[str, ...] = ()


def fill_boxes(
    store: Store,
    project_id: int,
    who: str,
    boxes: Sequence[BoxToFill],
    predictor: Predictor,
    *,
    on_image: Callable[[int, int], object] = lambda done, total: None,
) -> FilledBoxes:
    """Makes proposals of boxes, in one decision.

    Where the network knows a box's category by its name, the mask is that of its label; else that of the
    label which it finds likeliest there.

    Args:
        store, project_id, who: where, and whose decision.
        boxes: as :func:`~maskrcnn_core.store.exchange.import_coco` reports them.
        predictor: whose heads fill them.
        on_image: called with ``(done, total)`` after each image.

    Raises:
        StoreError: if the store cannot be written; then nothing was taken in.
    """
    images = {row.coco_id: row for row in store.images(project_id)}
    categories = {row.coco_id: row.id for row in store.categories(project_id)}
    ids = FreeIds(store.given_coco_ids(project_id, "instance"), [box.row.id for box in boxes])
    label_of: dict[int, int] = {}
    for label, category_id in mapping_of(store, project_id, predictor).items():
        label_of.setdefault(category_id, label)
    of_image: dict[int, list[BoxToFill]] = defaultdict(list)
    for box in boxes:
        of_image[box.image].append(box)
    stretch = stretch_of(store.project(project_id))
    news: list[New] = []
    without = Counter[str]()
    for done, (image_id, group) in enumerate(of_image.items(), start=1):
        image = images.get(image_id)
        present = [box for box in group if box.category in categories]
        without["category is gone by now"] += len(group) - len(present)
        if image is None or not image.digest:
            without["image is not here yet: bring it, and import the file again"] += len(present)
            present = []
        try:
            for box, mask in _masks(store, image, present, categories, label_of, predictor, stretch):
                if mask.area and image is not None:
                    news.append(_proposal(box, mask, image.id, categories[box.category], ids, predictor))
                else:
                    without["box holds no object that the network sees"] += 1
        except (ImageError, InferenceError) as error:
            without[f"image could not go through the network ({error})"] += len(present)
        on_image(done, len(of_image))
    store.decide(project_id, who, FILL_BOXES, news)
    notes = tuple(
        f"{counted(count, 'box has', 'boxes have')} no mask: {'its' if count == 1 else 'their'} {why}"
        for why, count in without.items()
        if count
    )
    return FilledBoxes(len(news), notes + tuple(ids.notes("annotations")))


def _masks(
    store: Store,
    image: ImageRow | None,
    boxes: Sequence[BoxToFill],
    categories: Mapping[int, int],
    label_of: Mapping[int, int],
    predictor: Predictor,
    stretch: Stretch,
) -> Iterator[tuple[BoxToFill, Rle]]:
    """The mask of each box of an image, those of known categories first."""
    if image is None or not boxes:
        return
    pixels = pixels_of(store, image, stretch)
    run = predictor.open(pixels)
    known = [box for box in boxes if categories[box.category] in label_of]
    unknown = [box for box in boxes if categories[box.category] not in label_of]
    for group, is_known in ((known, True), (unknown, False)):
        for first in range(0, len(group), _TOGETHER):
            part = group[first : first + _TOGETHER]
            labels = [label_of[categories[box.category]] for box in part] if is_known else None
            answer = predictor.prompt(run, [box.row.value.box for box in part], pixels, labels=labels)
            yield from zip(part, answer.detections().masks(), strict=True)


def _proposal(
    box: BoxToFill, mask: Rle, image_id: int, category_id: int, ids: FreeIds, predictor: Predictor
) -> New:
    row = box.row
    # The area of a box says nothing of its mask; the box itself stays the file's, and is known again by it.
    ours = {"box": list(row.value.box)} | ({"id": row.text_id} if row.text_id else {})
    return new_instance(
        image_id,
        category_id,
        ids.take(row.id),
        mask,
        source=predictor.model.key,
        status="proposed",
        score=row.value.score,
        is_crowd=row.value.is_crowd,
        given_box=row.value.box,
        extra={**row.extra, "bbox": row.raw["bbox"], OURS: ours},
    )
