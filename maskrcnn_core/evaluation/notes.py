"""Why a number is low, or not what another tool says: what an evaluation left out, with counts.

Numbers close to 0 have dull reasons more often than bad models: ids that count from 0 on one side and from 1
on the other, names that differ, images that are not there. Each is looked for and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import product

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.dataset.annotations import Dataset
from maskrcnn_core.dataset.category_maps import Joined, listed
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.evaluation.coco_metrics import Evaluation
from maskrcnn_core.evaluation.counting import AREAS, count
from maskrcnn_core.formats.coco_results import Results

__all__ = ["notes_on", "unknown_note"]

_LOW, _BETTER = 0.05, 0.1
"""Box AP under which another numbering is tried, and the least with which it is told."""
_IMAGES_TRIED = 200
_EDGES = (32.0**2, 96.0**2)

Ids = npt.NDArray[np.int64]


def notes_on(
    truth: Dataset, found: Columns, evaluation: Evaluation, limit: int, results: Results | None = None
) -> list[str]:
    """Return sentences on what an evaluation left out, and on what makes its numbers differ from others'.

    Args:
        truth: the ground truth.
        found: what was compared with it.
        evaluation: of the two.
        limit: how many of the best of an image and category counted.
        results: as they were read; ``None`` if a model made them.
    """
    notes = [*_on_truth(truth), *(_on_results(truth, results) if results else ()), *_on_found(truth, found)]
    notes += _on_boxes(found)
    if evaluation.over_limit:
        notes.append(
            f"the best {counted(limit, 'detection')} per image and category "
            f"{'counts' if limit == 1 else 'count'}; {evaluation.over_limit} of {evaluation.detections} are "
            "left out; --max-detections raises the limit"
        )
    everything = Columns.joined([found, results.strangers]) if results else found
    if evaluation.ground_truths and len(everything) and evaluation.box.AP < _LOW:
        notes += _other_numbering(truth, everything, evaluation.box.AP)
    if results and results.has_boxes:
        notes += _on_areas(found)
    return notes


def unknown_note(joined: Joined, names: Sequence[str], whose: str) -> str:
    """Return what of a ground truth ``whose`` categories ``names`` cannot find.

    Empty if they can find all.
    """
    if not joined.unknown:
        return ""
    objects = sum(joined.unknown.values())
    total = sum(not instance.is_crowd for instance in joined.truth.instances)
    shown = listed([f"{name} ({number})" for name, number in joined.unknown.items()])
    first = next(iter(joined.unknown))
    close = get_close_matches(first, names, n=1, cutoff=0.5)
    help_ = one_line(f"--map {first}={close[0] if close else 'NAME'} says which of {whose} matches")
    return (
        f"{len(joined.unknown)} of the ground truth's "
        f"{counted(len(joined.truth.categories), 'category', 'categories')}, with {objects} of its "
        f"{counted(total, 'object')}, are not among {whose} and count as missed: {shown}; {help_}"
    )


def _on_truth(truth: Dataset) -> Iterator[str]:
    crowds = sum(instance.is_crowd for instance in truth.instances)
    if not truth.instances:
        yield "the ground truth holds no objects: every number is -1"
    elif crowds == len(truth.instances):
        yield (
            f"the ground truth holds only {counted(crowds, 'crowd region')} (iscrowd 1), which are ignored: "
            "every number is -1; --crowds objects treats them as objects (CVAT writes all masks this way)"
        )
    elif crowds:
        yield (
            f"{counted(crowds, 'crowd region')} of the ground truth {'is' if crowds == 1 else 'are'} ignored"
        )


def _on_results(truth: Dataset, results: Results) -> Iterator[str]:
    if not results.rows:
        yield "the results hold no detections"
    images = [f"{image.id} ({image.file_name})" for image in truth.images]
    categories = [f"{category.id} ({category.name})" for category in truth.categories]
    for what, unknown, known in (
        (("image",), results.unknown_images, images),
        (("category", "categories"), results.unknown_categories, categories),
    ):
        if unknown:
            yield (
                f"{sum(unknown.values())} of {counted(results.rows, 'detection')} are of "
                f"{counted(len(unknown), *what)} that the ground truth does not have: "
                f"{listed(list(unknown), 5)}; it has {listed(known, 3)}"
            )
    if results.other_sizes:
        yield (
            f"{results.other_sizes} of {counted(results.rows, 'detection')} have masks of a size other than "
            "their image's"
        )


def _on_boxes(found: Columns) -> Iterator[str]:
    boxes = int((~found.has_mask).sum())
    if boxes and boxes == len(found):
        yield f"{counted(boxes, 'detection')}, none with a mask: the mask column is left empty"
    elif boxes:
        yield (
            f"{boxes} of {counted(len(found), 'detection')} are boxes without a mask: they count in the box "
            "column, but not in the mask column"
        )


def _on_found(truth: Dataset, found: Columns) -> Iterator[str]:
    if not len(found):
        yield "no detection could be compared"
        return
    without = len(truth.images) - np.unique(found.image_ids).size
    if without:
        yield (
            f"{without:,} of {counted(len(truth.images), 'image')} {'has' if without == 1 else 'have'} no "
            "detections"
        )
    if len(found) > 1 and (found.scores == found.scores[0]).all():
        yield (
            f"all {len(found)} detections have the same score, {found.scores[0]:g}: "
            "their order decides which count first"
        )


def _on_areas(found: Columns) -> Iterator[str]:
    """Yield where stock ``loadRes`` sorts masks into other sizes, as it takes the box's area."""
    if not found.has_mask.all():
        found = found.take(found.has_mask)
    boxes = found.boxes[:, 2] * found.boxes[:, 3]
    other = int((np.searchsorted(_EDGES, found.areas) != np.searchsorted(_EDGES, boxes)).sum())
    if other:
        yield (
            "APs, APm and APl of masks use the masks' own areas; pycocotools' loadRes uses the boxes' here, "
            f"which puts {other} of {counted(len(found), 'detection')} into another size"
        )


def _other_numbering(truth: Dataset, found: Columns, own: float) -> Iterator[str]:
    """Yield the numbering of images and categories under which detections fit, if they do not as they are."""
    images = sorted(truth.images, key=lambda image: image.id)[:_IMAGES_TRIED]
    chosen = {image.id for image in images}
    part = Columns.of([instance for instance in truth.instances if instance.image_id in chosen])
    image_ids = np.array([image.id for image in images], np.int64)
    category_ids = np.sort(np.array([category.id for category in truth.categories], np.int64))
    best, told = max(own * 2, _BETTER), ""
    for (of_images, new_images), (of_categories, new_categories) in product(
        _numberings(found.image_ids, image_ids, "image"),
        _numberings(found.category_ids, category_ids, "category"),
    ):
        if not (of_images or of_categories):
            continue
        fits = np.isin(new_images, image_ids) & np.isin(new_categories, category_ids)
        moved = found.with_ids(new_images, new_categories).take(fits)
        counts = count(images, category_ids.tolist(), part, moved, "bbox", (100,))
        values = counts.precision[..., AREAS.index("all"), 0]
        known = values[values > -1]
        if known.size and known.mean() > best:
            best, told = float(known.mean()), " and ".join(filter(None, (of_images, of_categories)))
    if told:
        yield f"the ids seem not to be the ground truth's: {told} box AP would be {best:.3f}, not {own:.3f}"


def _numberings(ids: Ids, known: Ids, what: str) -> Iterator[tuple[str, Ids]]:
    """Yield other meanings of ids, with words for them; first their own."""
    yield "", ids
    seen = [ids]
    for words, new in (
        (f"with {what} ids one higher", ids + 1),
        (f"with {what} ids one lower", ids - 1),
        (f"with {what} ids as places from 0 in the ground truth's list", _at(known, ids)),
        (f"with {what} ids as places from 1 in the ground truth's list", _at(known, ids - 1)),
    ):
        if not any(np.array_equal(new, old) for old in seen) and np.isin(new, known).any():
            seen.append(new)
            yield words, new


def _at(known: Ids, places: Ids) -> Ids:
    """Return the known ids at these places; outside, an id that nothing has."""
    inside = (places >= 0) & (places < known.size)
    return np.where(inside, known[np.where(inside, places, 0)], np.int64(-(2**62)))
