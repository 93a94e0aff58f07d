"""Runs a model over a project, image by image, and offers what it found.

Each image's answer and its proposals are saved before the next image begins: whoever stops, is killed or
restarts goes on where it was. What people have decided, drawn or changed is never touched, and nothing is
offered on top of it, nor where they removed something.

Proposals belong to the model that made them. A run makes room only among those of the same model, of the
categories that it was asked for, that nobody has touched; what it finds again just so stays as it is. What
another model has proposed stays; of two that mean the same (:data:`DUPLICATE`) the one that was there is
kept. A run that offers otherwise, by another threshold or mapping, offers anew from the kept answers: the
network does not run again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from maskrcnn_core.annotations import Instance
from maskrcnn_core.categories import LabelMap
from maskrcnn_core.detections import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import ConflictError, CoreError, ImageError, InferenceError, InputError
from maskrcnn_core.images import Stretch
from maskrcnn_core.masks import Rle, mask_iou
from maskrcnn_core.messages import counted, one_line
from maskrcnn_core.run_limits import LimitTally
from maskrcnn_core.runs import Failure, Run
from maskrcnn_core.store.answers import pack_run, unpack_run
from maskrcnn_core.store.doubts import doubts_of_run
from maskrcnn_core.store.journal import Change, New
from maskrcnn_core.store.piles import PROPOSE
from maskrcnn_core.store.records import Doubts, Fact, ImageRow, InstanceRow
from maskrcnn_core.store.seeing import pixels_of, seen_as, stretch_of
from maskrcnn_core.store.store import Store, new_instance
from maskrcnn_core.store.tables import INSTANCE, JOURNAL

if TYPE_CHECKING:
    from maskrcnn_core.inference import Predictor

__all__ = [
    "DUPLICATE",
    "SAME_OBJECT",
    "ProposeReport",
    "category_mapping",
    "match_categories",
    "offered_before",
    "propose",
    "told_counts",
]

Pixels = npt.NDArray[np.uint8]

_TRIES = 5
SAME_OBJECT = 0.5
"""Mask IoU from which on a detection is the object that somebody has decided on already."""

DUPLICATE = 0.75
"""Mask IoU from which on proposals of one category by two models are one: what two networks draw of an object
differs by a rim, and different objects of one kind hardly ever overlap so far."""

OnImage = Callable[[int, int, str], object]


@dataclass(frozen=True)
class ProposeReport:
    """What a run over a project did, or has done so far.

    Args:
        total: images of the project that can be run.
        images: that have an answer now, of this run or an earlier one.
        answered: of them in this run.
        ran: of them by the network, not from a kept answer.
        proposed: instances that are new.
        replaced: open proposals of this model that made room.
        there: proposals that were there already and stay, by the model that made them.
        decided: detections that were left out, as people had decided on that object.
        failed: one sentence for each image without an answer.
        was_cancelled: whether it ended before the last image.
    """

    total: int
    images: int
    answered: int
    ran: int
    proposed: int
    replaced: int
    there: Mapping[str, int]
    decided: int
    failed: tuple[str, ...]
    was_cancelled: bool


def told_counts(proposed: int, replaced: int, there: Mapping[str, int], decided: int) -> str:
    """What a run offered, and why not more, for people."""
    parts = [f"{counted(proposed, 'instance')} proposed"]
    if replaced:
        parts.append(f"{counted(replaced, 'earlier one')} replaced")
    parts += [f"{number:,} already there from {one_line(key)}" for key, number in sorted(there.items())]
    return ", ".join((*parts, f"{decided:,} decided by people before"))


@dataclass
class _Counts:
    """What offering did."""

    new: int = 0
    replaced: int = 0
    decided: int = 0
    there: Counter[str] = field(default_factory=Counter)

    def add(self, other: _Counts) -> None:
        """Count another image's, too."""
        self.new += other.new
        self.replaced += other.replaced
        self.decided += other.decided
        self.there += other.there


@dataclass(frozen=True)
class _Offer:
    """A detection on its way into a project."""

    instance: Instance
    category_id: int
    doubts: Doubts


def category_mapping(
    store: Store,
    project_id: int,
    predictor: Predictor,
    given: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
) -> dict[int, int]:
    """From a model's labels to a project's categories, by name; all other labels are off.

    Args:
        store: where.
        project_id: whose categories.
        predictor: the model's.
        given: from the model's names to the project's, as ``{"car": "vehicle"}``; by default equal names,
            case ignored.
        only: the model's names that are on by default, unless the project has none of them; all if ``None``.

    Returns:
        The store's category id of each label that is on.

    Raises:
        InputError: for a name that is not there, or if no label is on.
    """
    label_map = predictor.model.label_map
    names = match_categories(store, project_id, label_map, given, only)
    labels = zip(label_map, label_map.labels, strict=True)
    return {label: names[category.name] for category, label in labels if category.name in names}


def match_categories(
    store: Store,
    project_id: int,
    label_map: LabelMap,
    given: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
) -> dict[str, int]:
    """As :func:`category_mapping`, for a model that need not be loaded.

    Returns:
        The store's category id by the model's name of each category that is on.

    Raises:
        InputError: for a name that is not there, or if no category is on.
    """
    ours = {row.name.casefold(): row.id for row in store.categories(project_id)}
    first = set() if only is None else {name.casefold() for name in only}
    # Those that are offered stand first in what is said.
    ordered = sorted((category.name for category in label_map), key=lambda name: name.casefold() not in first)
    theirs = {name.casefold(): name for name in ordered}
    same = {name: name for name in theirs if name in ours}
    wanted = given if given is not None else {name: name for name in same if name in first} or same
    names: dict[str, int] = {}
    for name, category in wanted.items():
        for kind, known, value in (("the model's", theirs, name), ("the project's", ours, category)):
            if not known:
                raise InputError(
                    f"category {one_line(value)!r}: expected one of {kind}, which has none; "
                    f"{_MAKE_CATEGORIES}"
                )
            if value.casefold() not in known:
                raise InputError(
                    f"category {one_line(value)!r}: expected one of {kind}, {one_line(_listed(list(known)))}"
                )
        names[theirs[name.casefold()]] = ours[category.casefold()]
    if not names and not ours:
        raise InputError(
            "categories: the project has none, so nothing that the model finds "
            f"({one_line(_listed(list(theirs)))}) has a place; {_MAKE_CATEGORIES}"
        )
    if not names:
        raise InputError(
            f"categories: none of the project's ({one_line(_listed(list(ours)))}) is one of the model's "
            f"({one_line(_listed(list(theirs)))}); say which is which, as in "
            f"--map {_pair_of(list(theirs), list(ours))}"
        )
    return names


_MAKE_CATEGORIES = (
    "add categories on the Project page, import a data set that has some, or make the project with "
    "'project new NAME --categories a,b'"
)


def _pair_of(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """The first category of each, as an option says it; quoted where a shell would part it."""
    pair = one_line(f"{next(iter(theirs), 'model')}={ours[0]}")
    return f'"{pair}"' if " " in pair else pair


def _listed(names: Sequence[str]) -> str:
    return (", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")) or "none"


def offered_before(
    store: Store, project_id: int, predictor: Predictor, thresholds: Thresholds, mapping: Mapping[int, int]
) -> tuple[int, int]:
    """What the images hold that :func:`propose` would pass over, as just so has been offered there.

    Args:
        store, project_id, predictor, thresholds, mapping: as in :func:`propose`.

    Returns:
        How many of this model's instances of these categories are open proposals, and how many people have
        decided on or changed since.
    """
    key = seen_as(predictor.model.digest, stretch_of(store.project(project_id)))
    finished = store.offered_images(project_id, key, _asked_for(thresholds, mapping))
    categories = set(mapping.values())
    own = [
        fact
        for fact in (store.facts(project_id) if finished else ())
        if fact.image_id in finished and fact.source == predictor.model.key and fact.category_id in categories
    ]
    there = sum(_is_untouched(fact) for fact in own)
    return there, len(own) - there


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
    """Ask a model about every image of a project, and offer what it finds.

    Images in which just so has been offered before are passed over, and so is the network where it has
    answered.

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
    asked, seen = _asked_for(thresholds, mapping), seen_as(model.digest, stretch)
    finished = store.offered_images(project_id, seen, asked)
    open_ = [image for image in images if image.id not in finished]
    answered = ran = 0
    counts = _Counts()
    done = len(images) - len(open_)
    failed: list[str] = []

    def report(*, was_cancelled: bool = False) -> ProposeReport:
        return ProposeReport(
            len(images),
            done - len(failed),
            answered,
            ran,
            counts.new,
            counts.replaced,
            dict(counts.there),
            counts.decided,
            tuple(failed),
            was_cancelled,
        )

    if on_report:
        on_report(report())
    for image in open_:
        if cancelled():
            return report(was_cancelled=True)
        try:
            outcome, is_new = _answer(store, image, predictor, thresholds, stretch)
            if isinstance(outcome, Failure):
                failed.append(f"{one_line(image.file_name)}: {outcome.reason}")
            else:
                if limits is not None:
                    limits.add(one_line(image.file_name), outcome, thresholds)
                offered = _offer(store, project_id, image, predictor, outcome, thresholds, mapping, stretch)
                store.mark_offered(image.id, seen, asked, has_replaced=offered.replaced > 0)
                counts.add(offered)
                answered, ran = answered + 1, ran + is_new
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


def _asked_for(thresholds: Thresholds, mapping: Mapping[int, int]) -> str:
    """A name for what is offered of an answer, and as what."""
    settings = (*astuple(thresholds), *sorted(mapping.items()))
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


def _answer(
    store: Store, image: ImageRow, predictor: Predictor, thresholds: Thresholds, stretch: Stretch
) -> tuple[Run | Failure, bool]:
    """The network's answer, from an earlier run if there is one; and whether it was asked now."""
    model = predictor.model
    key = seen_as(model.digest, stretch)
    kept = store.answer(image.id, key)
    if kept is not None:
        return unpack_run(store.blobs.get(kept)), False
    try:
        pixels = pixels_of(store, image, stretch)
    except CoreError as error:
        return Failure(str(error)), False
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
    return outcome, True


def _offer(
    store: Store,
    project_id: int,
    image: ImageRow,
    predictor: Predictor,
    run: Run,
    thresholds: Thresholds,
    mapping: Mapping[int, int],
    stretch: Stretch,
) -> _Counts:
    """Save proposals as one decision of the model's."""
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
        changes, counts = _changes(store, project_id, image, model.key, wanted, set(mapping.values()))
        try:
            store.decide(project_id, f"model {model.key}", PROPOSE, changes, image_id=image.id)
            return counts
        except ConflictError:
            # Somebody is reviewing this very image: look again at what they have decided.
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _changes(
    store: Store,
    project_id: int,
    image: ImageRow,
    source: str,
    wanted: Sequence[_Offer],
    categories: Collection[int],
) -> tuple[list[Change | New], _Counts]:
    """What an offer changes: of this model's untouched proposals of these categories, and new ones."""
    rows = store.instances(project_id, image_id=image.id)
    decided = [row.mask for row in rows if not _is_untouched(row)]
    decided += _removed_masks(store, image)
    own = [r for r in rows if _is_untouched(r) and r.source == source and r.category_id in categories]
    others = [row for row in rows if _is_untouched(row) and row.source != source]
    same = {(row.category_id, row.counts, row.score): row for row in own}
    number, counts = store.next_coco_id(project_id, "instance"), _Counts()
    changes: list[Change | New] = []
    kept: set[int] = set()
    for offer in wanted:
        instance = offer.instance
        if any(mask_iou(instance.mask, mask) >= SAME_OBJECT for mask in decided):
            counts.decided += 1
            continue
        there = same.get((offer.category_id, instance.mask.counts, instance.score)) or _duplicate(
            offer, others
        )
        if there is not None:
            counts.there[there.source] += 1
            kept.add(there.id)
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
        counts.new += 1
    gone = [row for row in own if row.id not in kept]
    counts.replaced = len(gone)
    return [*(Change("instance", row.id, row.version, {"gone": True}) for row in gone), *changes], counts


def _duplicate(offer: _Offer, rows: Sequence[InstanceRow]) -> InstanceRow | None:
    """A proposal of the same object as the same, if there is one."""
    mask = offer.instance.mask
    alike = (r for r in rows if r.category_id == offer.category_id and mask_iou(mask, r.mask) >= DUPLICATE)
    return next(alike, None)


def _is_untouched(row: InstanceRow | Fact) -> bool:
    """Offered by a model, and nobody has said or changed anything of it."""
    return row.status == "proposed" and row.source not in ("person", "file") and row.version == 1


def _removed_masks(store: Store, image: ImageRow) -> list[Rle]:
    """What people have taken away in an image: also that is a word on what lies there."""
    with store.reading() as connection:
        query = select(INSTANCE.c.id, INSTANCE.c.counts).where(
            INSTANCE.c.image_id == image.id, INSTANCE.c.gone
        )
        gone = {row.id: row.counts for row in connection.execute(query)}
        if not gone:
            return []
        entries = select(JOURNAL.c.kind, JOURNAL.c.changes).where(
            JOURNAL.c.image_id == image.id, ~JOURNAL.c.is_refused
        )
        by: dict[int, str] = {}
        for entry in connection.execute(entries.order_by(JOURNAL.c.id)):
            for line in entry.changes:
                if line["table"] == "instance" and line.get("after", {}).get("gone") is True:
                    by[line["id"]] = entry.kind
    size = image.height, image.width
    return [
        Rle.from_counts(counts, size)
        for id_, counts in gone.items()
        if by.get(id_) not in (None, PROPOSE, "undo")
    ]
