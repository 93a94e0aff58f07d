"""Boxes of a data set without masks become proposals: a network's heads fill each of them.

To the second stage a box from a file is a region of interest like any other; see
:mod:`maskrcnn_core.inference.prompts`. The file's category, id, score and box stay.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.errors import ImageError, InferenceError
from maskrcnn_core.formats.coco_fields import OURS
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.projects.exchange.coco_ids import renumbered_notes
from maskrcnn_core.projects.exchange.import_report import BoxToFill
from maskrcnn_core.projects.journal import New, WantedId
from maskrcnn_core.projects.new_rows import new_instance
from maskrcnn_core.projects.proposals.network_edits import mapping_of
from maskrcnn_core.projects.records import ImageRow
from maskrcnn_core.projects.seeing import pixels_of, stretch_of
from maskrcnn_core.projects.store import Store
from maskrcnn_core.tiling.around_boxes import prompt_around
from maskrcnn_core.tiling.planning import Tile

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

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
    on_image: Callable[[int, int], object] = lambda _done, _total: None,
) -> FilledBoxes:
    """Make proposals of boxes, in one decision.

    Where the network knows a box's category by its name, the mask is that of its label; else that of the
    label which it finds likeliest there.

    Args:
        store, project_id, who: where, and whose decision.
        boxes: as :func:`~maskrcnn_core.projects.exchange.coco_in.import_coco` reports them.
        predictor: whose heads fill them.
        on_image: called with ``(done, total)`` after each image.

    Raises:
        StoreError: if the store cannot be written; then nothing was taken in.
    """
    images = {row.coco_id: row for row in store.images(project_id)}
    categories = {row.coco_id: row.id for row in store.categories(project_id)}
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
        without["{its} category no longer exists"] += len(group) - len(present)
        if image is None or not image.digest:
            without["{its} image is missing; add it, and import the file again"] += len(present)
            present = []
        try:
            for box, mask in _masks(store, image, present, categories, label_of, predictor, stretch):
                if mask.area and image is not None:
                    news.append(_proposal(box, mask, image.id, categories[box.category], predictor))
                else:
                    without["the network sees no object in {it}"] += 1
        except (ImageError, InferenceError) as error:
            without[f"the network could not process {{its}} image ({error})"] += len(present)
        on_image(done, len(of_image))
    kept_free = {"instance": max((box.row.id for box in boxes), default=0)}
    entry = store.decide(project_id, who, FILL_BOXES, news, kept_free=kept_free)
    notes = tuple(
        f"{counted(count, 'box was', 'boxes were')} not filled: "
        + why.replace("{its}", "its" if count == 1 else "their").replace(
            "{it}", "it" if count == 1 else "them"
        )
        for why, count in without.items()
        if count
    )
    return FilledBoxes(len(news), (*notes, *renumbered_notes(entry)))


def _masks(
    store: Store,
    image: ImageRow | None,
    boxes: Sequence[BoxToFill],
    categories: Mapping[int, int],
    label_of: Mapping[int, int],
    predictor: Predictor,
    stretch: Stretch,
) -> Iterator[tuple[BoxToFill, Rle]]:
    """Yield the mask of each box of an image, those of known categories first."""
    if image is None or not boxes:
        return
    pixels = pixels_of(store, image, stretch)
    runs: dict[Tile, Run] = {}

    def run_of(tile: Tile, part: Callable[[], Pixels]) -> Run:
        if tile not in runs:
            runs[tile] = predictor.open(part())
        return runs[tile]

    known = [box for box in boxes if categories[box.category] in label_of]
    unknown = [box for box in boxes if categories[box.category] not in label_of]
    for group, is_known in ((known, True), (unknown, False)):
        for first in range(0, len(group), _TOGETHER):
            part = group[first : first + _TOGETHER]
            labels = [label_of[categories[box.category]] for box in part] if is_known else None
            wanted = [box.row.value.box for box in part]
            size = (image.height, image.width)
            prompted = prompt_around(predictor, size, lambda: pixels, wanted, run_of=run_of, labels=labels)
            yield from zip(part, prompted.detections().masks(), strict=True)


def _proposal(box: BoxToFill, mask: Rle, image_id: int, category_id: int, predictor: Predictor) -> New:
    row = box.row
    # The area of a box says nothing of its mask; the box itself stays the file's, and is known again by it.
    ours = {"box": list(row.value.box)} | ({"id": row.text_id} if row.text_id else {})
    return new_instance(
        image_id,
        category_id,
        WantedId(row.id),
        mask,
        source=predictor.model.key,
        status="proposed",
        score=row.value.score,
        is_crowd=row.value.is_crowd,
        given_box=row.value.box,
        extra={**row.extra, "bbox": row.raw["bbox"], OURS: ours},
    )
