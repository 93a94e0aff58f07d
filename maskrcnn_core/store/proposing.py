"""Runs a model over a project, image by image, and offers what it found.

Each image's answer and its proposals are saved before the next image begins: whoever stops, is killed or
restarts goes on where it was. What people have decided is never touched: an accepted, rejected or drawn
instance stays, and nothing is offered on top of it. Proposals of an earlier run that nobody has decided on
make room for the new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskrcnn_core.annotations import Instance
from maskrcnn_core.categories import LabelMap
from maskrcnn_core.detections import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import ConflictError, CoreError, ImageError, InferenceError, InputError
from maskrcnn_core.images import Stretch
from maskrcnn_core.masks import mask_iou
from maskrcnn_core.messages import one_line
from maskrcnn_core.run_limits import LimitTally
from maskrcnn_core.runs import Failure, Run
from maskrcnn_core.store.answers import pack_run, unpack_run
from maskrcnn_core.store.doubts import doubts_of_run
from maskrcnn_core.store.journal import Change, New
from maskrcnn_core.store.records import Doubts, ImageRow, InstanceRow
from maskrcnn_core.store.seeing import pixels_of, seen_as, stretch_of
from maskrcnn_core.store.store import Store, new_instance

if TYPE_CHECKING:
    from maskrcnn_core.inference import Predictor

__all__ = ["ProposeReport", "category_mapping", "match_categories", "propose"]

Pixels = npt.NDArray[np.uint8]

_TRIES = 5
SAME_OBJECT = 0.5
"""Mask IoU from which on a detection is the object that somebody has decided on already."""

OnImage = Callable[[int, int, str], object]


@dataclass(frozen=True)
class ProposeReport:
    """What a run over a project did, or has done so far.

    Args:
        total: images of the project that can be run.
        images: that have an answer now, of this run or an earlier one.
        answered: of them in this run.
        proposed: instances that are new.
        decided: detections that were left out, as people had decided on that object.
        failed: one sentence for each image without an answer.
        was_cancelled: whether it ended before the last image.
    """

    total: int
    images: int
    answered: int
    proposed: int
    decided: int
    failed: tuple[str, ...]
    was_cancelled: bool


@dataclass(frozen=True)
class _Offer:
    """A detection on its way into a project."""

    instance: Instance
    category_id: int
    doubts: Doubts


def category_mapping(
    store: Store, project_id: int, predictor: Predictor, given: Mapping[str, str] | None = None
) -> dict[int, int]:
    """From a model's labels to a project's categories, by name; all other labels are off.

    Args:
        store: where.
        project_id: whose categories.
        predictor: the model's.
        given: from the model's names to the project's, as ``{"car": "vehicle"}``; by default equal names,
            case ignored.

    Returns:
        The store's category id of each label that is on.

    Raises:
        InputError: for a name that is not there, or if no label is on.
    """
    label_map = predictor.model.label_map
    names = match_categories(store, project_id, label_map, given)
    labels = zip(label_map, label_map.labels, strict=True)
    return {label: names[category.name] for category, label in labels if category.name in names}


def match_categories(
    store: Store, project_id: int, label_map: LabelMap, given: Mapping[str, str] | None = None
) -> dict[str, int]:
    """As :func:`category_mapping`, for a model that need not be loaded.

    Returns:
        The store's category id by the model's name of each category that is on.

    Raises:
        InputError: for a name that is not there, or if no category is on.
    """
    ours = {row.name.casefold(): row.id for row in store.categories(project_id)}
    theirs = {category.name.casefold(): category.name for category in label_map}
    wanted = given if given is not None else {name: name for name in theirs if name in ours}
    names: dict[str, int] = {}
    for name, category in wanted.items():
        for kind, known, value in (("the model's", theirs, name), ("the project's", ours, category)):
            if value.casefold() not in known:
                raise InputError(
                    f"category {one_line(value)!r}: wanted one of {kind}, {one_line(_listed(list(known)))}"
                )
        names[theirs[name.casefold()]] = ours[category.casefold()]
    if not names:
        raise InputError(
            f"categories: none of the project's ({one_line(_listed(list(ours)))}) is one of the model's "
            f"({one_line(_listed(list(theirs)))}); say which is which"
        )
    return names


def _listed(names: Sequence[str]) -> str:
    return (", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")) or "none"


def propose(
    store: Store,
    project_id: int,
    predictor: Predictor,
    thresholds: Thresholds,
    mapping: Mapping[int, int],
    *,
    on_image: OnImage | None = None,
    on_report: Callable[[ProposeReport], object] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    limits: LimitTally | None = None,
) -> ProposeReport:
    """Asks a model about every image of a project that it has not answered yet, and offers what it finds.

    An image without an answer is named, and the others are done.

    Args:
        store: where.
        project_id: which project.
        predictor: the model.
        thresholds: what is offered. All candidates are kept with the answer.
        mapping: from the model's labels to the store's category ids; other labels are off.
        on_image: called with ``(done, total, file name)`` after each of these images.
        on_report: called with the report so far, before the first of them and after each.
        cancelled: asked before each image; what was done stays.
        limits: takes note of what the limits left out.

    Raises:
        StoreError: if the store cannot be written.
    """
    images = [row for row in store.images(project_id) if row.digest]
    model = predictor.model
    stretch = stretch_of(store.project(project_id))
    finished = store.offered_images(project_id, seen_as(model.digest, stretch))
    open_ = [image for image in images if image.id not in finished]
    answered = proposed = decided = 0
    done = len(images) - len(open_)
    failed: list[str] = []

    def report(*, was_cancelled: bool = False) -> ProposeReport:
        return ProposeReport(
            len(images), done - len(failed), answered, proposed, decided, tuple(failed), was_cancelled
        )

    if on_report:
        on_report(report())
    for image in open_:
        if cancelled():
            return report(was_cancelled=True)
        try:
            outcome = _answer(store, image, predictor, thresholds, stretch)
            if isinstance(outcome, Failure):
                failed.append(f"{one_line(image.file_name)}: {outcome.reason}")
            else:
                if limits is not None:
                    limits.add(one_line(image.file_name), outcome, thresholds)
                new, left = _offer(store, project_id, image, predictor, outcome, thresholds, mapping, stretch)
                answered, proposed, decided = answered + 1, proposed + new, decided + left
        except (ImageError, InferenceError, ConflictError) as error:
            failed.append(_about(image, error))
        done += 1
        if on_image:
            on_image(done, len(images), image.file_name)
        if on_report:
            on_report(report())
    return report()


def _about(image: ImageRow, error: CoreError) -> str:
    """What went wrong with an image; most errors name it already."""
    name, reason = one_line(image.file_name), str(error)
    return reason if reason.startswith(f"{name}: ") else f"{name}: {reason}"


def _answer(
    store: Store, image: ImageRow, predictor: Predictor, thresholds: Thresholds, stretch: Stretch
) -> Run | Failure:
    """The network's answer, from an earlier run if there is one."""
    model = predictor.model
    key = seen_as(model.digest, stretch)
    kept = store.answer(image.id, key)
    if kept is not None:
        return unpack_run(store.blobs.get(kept))
    try:
        pixels = pixels_of(store, image, stretch)
    except CoreError as error:
        return Failure(str(error))
    floor = Thresholds(
        SCORE_FLOOR, thresholds.nms_threshold, thresholds.max_detections, thresholds.mask_threshold
    )
    outcome = predictor.run([pixels], floor)[0]
    store.save_answer(
        image.id,
        model.key,
        key,
        candidates=store.blobs.put(pack_run(outcome)) if isinstance(outcome, Run) else "",
        failure=outcome.reason if isinstance(outcome, Failure) else "",
    )
    return outcome


def _offer(
    store: Store,
    project_id: int,
    image: ImageRow,
    predictor: Predictor,
    run: Run,
    thresholds: Thresholds,
    mapping: Mapping[int, int],
    stretch: Stretch,
) -> tuple[int, int]:
    """Saves proposals as one decision of the model's; how many are new, and how many were decided before."""
    model = predictor.model

    def pixels() -> Pixels:
        return pixels_of(store, image, stretch)

    detections = predictor.detections(run, thresholds, pixels)
    found = Instance.from_detections(detections, model.label_map, image.coco_id, thresholds.mask_threshold)
    of_label = {model.label_map.category(label).id: category for label, category in mapping.items()}
    found = tuple(instance for instance in found if instance.category_id in of_label)
    doubts = doubts_of_run(run, found, model.label_map)
    wanted = [_Offer(i, of_label[i.category_id], d) for i, d in zip(found, doubts, strict=True)]
    for attempt in range(_TRIES):
        changes, left = _changes(store, project_id, image, model.key, wanted)
        try:
            store.decide(project_id, f"model {model.key}", "propose", changes, image_id=image.id)
            break
        except ConflictError:
            # Somebody is reviewing this very image: look again at what they have decided.
            if attempt == _TRIES - 1:
                raise
    store.mark_offered(image.id, seen_as(model.digest, stretch))
    return sum(isinstance(change, New) for change in changes), left


def _changes(
    store: Store,
    project_id: int,
    image: ImageRow,
    source: str,
    wanted: Sequence[_Offer],
) -> tuple[list[Change | New], int]:
    """What an offer changes, and how many detections are of objects that people have decided on."""
    rows = store.instances(project_id, image_id=image.id)
    standing = [row for row in rows if not _is_open(row)]
    number = store.next_coco_id(project_id, "instance")
    changes: list[Change | New] = [
        Change("instance", row.id, row.version, {"gone": True}) for row in rows if _is_open(row)
    ]
    left = 0
    for offer in wanted:
        instance = offer.instance
        if any(mask_iou(instance.mask, row.mask) >= SAME_OBJECT for row in standing):
            left += 1
            continue
        changes.append(
            new_instance(
                image.id,
                offer.category_id,
                number,
                instance.mask,
                source=source,
                score=instance.score,
                given_box=instance.given_box,
                candidate=instance.row,
                doubts=offer.doubts,
            )
        )
        number += 1
    return changes, left


def _is_open(row: InstanceRow) -> bool:
    """Offered by a model, and nobody has said anything of it."""
    return row.status == "proposed" and row.source not in ("person", "file")
