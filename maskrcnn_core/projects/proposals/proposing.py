"""Runs a model over a project, image by image, and offers what it found.

Each image's run and its proposals are saved before the next image begins: whoever stops, is killed or
restarts goes on where it was. What people have decided, drawn or changed is never touched, and nothing is
offered on top of it, nor where they removed something.

Proposals belong to the model that made them. A run makes room only among those of the same model, of the
categories that it was asked for, that nobody has touched; what it finds again just so stays as it is. What
another model has proposed stays; of two that mean the same the one that was there is kept
(:mod:`maskrcnn_core.projects.proposals.offering`). A run that offers otherwise, by another threshold or
mapping, offers again from the kept runs: the network does not run again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from functools import partial
from typing import TYPE_CHECKING

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.detection.limits import LimitTally
from maskrcnn_core.detection.packed_runs import pack_run, unpack_run
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.errors import ConflictError, CoreError, ImageError, InferenceError
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.projects.proposals.offering import Offer, OfferCounts, changes_of, is_untouched
from maskrcnn_core.projects.records import ImageRow
from maskrcnn_core.projects.review.doubts import doubts_of_run
from maskrcnn_core.projects.seeing import pixels_of, seen_as, stretch_of
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.undo.piles import PROPOSE

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["ProposeReport", "Ran", "RunsElsewhere", "offered_before", "propose", "told_counts"]

_TRIES = 5

OnImage = Callable[[int, int, str], object]


@dataclass(frozen=True)
class Ran:
    """What a network said of an image, wherever it ran.

    Args:
        outcome: its run, or why there is none.
        engine: what ran it, as an export says it; empty for the exact engine.
        is_kept: whether a failure is the network's and stays; one to read the image is none.
    """

    outcome: Run | Failure
    engine: str = ""
    is_kept: bool = True


RunsElsewhere = Callable[[Sequence[ImageRow], Stretch, Thresholds], Generator[tuple[ImageRow, Ran]]]
"""Runs a network over images in other processes: given images, how dim ones are seen, and what masks are
made for, it yields each image once, in any order, as soon as it was run."""


@dataclass(frozen=True)
class ProposeReport:
    """What a pass over a project did, or has done so far.

    Args:
        total: images of the project that can be run.
        images: that have a run now, of this pass or an earlier one.
        offered: of them in this pass.
        ran: of them by the network, not from a kept run.
        proposed: instances that are new.
        replaced: open proposals of this model that made room.
        there: proposals that were there already and stay, by the model that made them.
        decided: detections that were left out, as people had decided on that object.
        failed: one sentence for each image without a run.
        was_cancelled: whether it ended before the last image.
    """

    total: int
    images: int
    offered: int
    ran: int
    proposed: int
    replaced: int
    there: Mapping[str, int]
    decided: int
    failed: tuple[str, ...]
    was_cancelled: bool


def told_counts(proposed: int, replaced: int, there: Mapping[str, int], decided: int) -> str:
    """Return what a run offered, and why not more, for people."""
    parts = [f"{counted(proposed, 'instance')} proposed"]
    if replaced:
        parts.append(f"{counted(replaced, 'earlier one')} replaced")
    parts += [f"{number:,} already proposed by {one_line(key)}" for key, number in sorted(there.items())]
    return ", ".join((*parts, f"{decided:,} already decided by people"))


def offered_before(
    store: Store,
    project_id: int,
    predictor: Predictor,
    thresholds: Thresholds,
    mapping: Mapping[int, int],
    *,
    exact_only: bool = False,
) -> tuple[int, int]:
    """Return what the images hold that :func:`propose` would pass over, as just so has been offered there.

    Args:
        store, project_id, predictor, thresholds, mapping, exact_only: as in :func:`propose`.

    Returns:
        How many of this model's instances of these categories are open proposals, and how many people have
        decided on or changed since.
    """
    key = seen_as(predictor.model.digest, stretch_of(store.project(project_id)))
    finished = store.offered_images(project_id, key, _asked_for(thresholds, mapping), exact_only=exact_only)
    categories = set(mapping.values())
    own = [
        fact
        for fact in (store.facts(project_id) if finished else ())
        if fact.image_id in finished and fact.source == predictor.model.key and fact.category_id in categories
    ]
    there = sum(is_untouched(fact) for fact in own)
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
    exact_only: bool = False,
    elsewhere: RunsElsewhere | None = None,
) -> ProposeReport:
    """Ask a model about every image of a project, and offer what it finds.

    Images in which just so has been offered before are passed over, and so is the network where its run
    was kept.

    An image without a run is named, and the others are done.

    Args:
        store: where.
        project_id: which project.
        predictor: the model.
        thresholds: what is offered. All candidates are kept with the run.
        mapping: from the model's labels to the store's category ids; other labels are off.
        on_image: called with ``(done, total, file name)`` after each of these images.
        on_report: called with the report so far, before the first of them and after each.
        cancelled: asked before each image; what was done stays.
        limits: takes note of what the limits left out.
        exact_only: whether images that another engine ran are run again.
        elsewhere: runs the network; ``None`` for this process. All else is done here.

    Raises:
        StoreError: if the store cannot be written.
    """
    images = [row for row in store.images(project_id) if row.digest]
    model = predictor.model
    store.refuse_closed(project_id)
    stretch = stretch_of(store.project(project_id))
    asked, seen = _asked_for(thresholds, mapping), seen_as(model.digest, stretch)
    finished = store.offered_images(project_id, seen, asked, exact_only=exact_only)
    open_ = [image for image in images if image.id not in finished]
    offered = ran = 0
    counts = OfferCounts()
    done = len(images) - len(open_)
    failed: list[str] = []

    def report(*, was_cancelled: bool = False) -> ProposeReport:
        return ProposeReport(
            len(images),
            done - len(failed),
            offered,
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
    ways = _in_turn(store, open_, predictor, thresholds, stretch, elsewhere, exact_only=exact_only)
    with closing(ways):
        for image, run in ways:
            if cancelled():
                return report(was_cancelled=True)
            try:
                outcome, is_new = run()
                if isinstance(outcome, Failure):
                    failed.append(f"{one_line(image.file_name)}: {outcome.reason}")
                else:
                    if limits is not None:
                        limits.add(one_line(image.file_name), outcome, thresholds)
                    offer = _offer(store, project_id, image, predictor, outcome, thresholds, mapping, stretch)
                    store.mark_offered(image.id, seen, asked, has_replaced=offer.replaced > 0)
                    counts.add(offer)
                    offered, ran = offered + 1, ran + is_new
            except (ImageError, InferenceError, ConflictError) as error:
                failed.append(_about(image, error))
            done += 1
            if on_image:
                on_image(done, len(images), image.file_name)
            if on_report:
                on_report(report())
    return report()


def _about(image: ImageRow, error: CoreError) -> str:
    """Return what went wrong with an image; most errors name it already."""
    name, reason = one_line(image.file_name), str(error)
    return reason if reason.startswith(f"{name}: ") else f"{name}: {reason}"


def _asked_for(thresholds: Thresholds, mapping: Mapping[int, int]) -> str:
    """Return a name for what is offered of a run, and as what."""
    settings = (*astuple(thresholds), *sorted(mapping.items()))
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


def _run_of(
    store: Store,
    image: ImageRow,
    predictor: Predictor,
    thresholds: Thresholds,
    stretch: Stretch,
    *,
    exact_only: bool,
) -> tuple[Run | Failure, bool]:
    """Return the network's run, an earlier one if there is one; and whether it ran now."""
    kept = store.kept_run(image.id, seen_as(predictor.model.digest, stretch), exact_only=exact_only)
    if kept is not None:
        return unpack_run(store.blobs.get(kept)), False
    try:
        pixels = pixels_of(store, image, stretch)
    except CoreError as error:
        return Failure(str(error)), False
    outcome = predictor.run([pixels], _floor(thresholds))[0]
    ran = Ran(outcome, predictor.engine_of(outcome) if isinstance(outcome, Run) else "")
    return _keep(store, image, predictor, stretch, ran)


def _floor(thresholds: Thresholds) -> Thresholds:
    """Return what masks are made for: all that a lower score threshold could ask for later."""
    return Thresholds(
        SCORE_FLOOR, thresholds.nms_threshold, thresholds.max_detections, thresholds.mask_threshold
    )


def _keep(
    store: Store, image: ImageRow, predictor: Predictor, stretch: Stretch, ran: Ran
) -> tuple[Run | Failure, bool]:
    """Save what a network said, and return it, and that it ran now."""
    outcome, model = ran.outcome, predictor.model
    if not ran.is_kept:
        return outcome, False
    store.save_run(
        image.id,
        model.key,
        seen_as(model.digest, stretch),
        candidates=store.blobs.put(pack_run(outcome)) if isinstance(outcome, Run) else "",
        failure=outcome.reason if isinstance(outcome, Failure) else "",
        engine=ran.engine,
    )
    return outcome, True


def _in_turn(
    store: Store,
    images: Sequence[ImageRow],
    predictor: Predictor,
    thresholds: Thresholds,
    stretch: Stretch,
    elsewhere: RunsElsewhere | None,
    *,
    exact_only: bool,
) -> Generator[tuple[ImageRow, Callable[[], tuple[Run | Failure, bool]]]]:
    """Yield each image with what gives its run; those that run elsewhere come last."""
    key, far = seen_as(predictor.model.digest, stretch), []
    for image in images:
        if elsewhere is not None and store.kept_run(image.id, key, exact_only=exact_only) is None:
            far.append(image)
        else:
            yield (
                image,
                partial(_run_of, store, image, predictor, thresholds, stretch, exact_only=exact_only),
            )
    if elsewhere is not None and far:
        with closing(elsewhere(far, stretch, _floor(thresholds))) as coming:
            for image, ran in coming:
                yield image, partial(_keep, store, image, predictor, stretch, ran)


def _offer(
    store: Store,
    project_id: int,
    image: ImageRow,
    predictor: Predictor,
    run: Run,
    thresholds: Thresholds,
    mapping: Mapping[int, int],
    stretch: Stretch,
) -> OfferCounts:
    """Save proposals as one decision of the model's."""
    model = predictor.model

    def pixels() -> Pixels:
        return pixels_of(store, image, stretch)

    detections = predictor.detections(run, thresholds, pixels)
    found = Instance.from_detections(detections, model.label_map, image.coco_id, thresholds.mask_threshold)
    of_label = {model.label_map.category(label).id: category for label, category in mapping.items()}
    found = tuple(instance for instance in found if instance.category_id in of_label)
    doubts = doubts_of_run(run, found, model.label_map)
    wanted = [Offer(i, of_label[i.category_id], d) for i, d in zip(found, doubts, strict=True)]
    for attempt in range(_TRIES):
        changes, counts = changes_of(store, project_id, image, model.key, wanted, set(mapping.values()))
        try:
            store.decide(project_id, f"model {model.key}", PROPOSE, changes, image_id=image.id)
            return counts
        except ConflictError:
            # Somebody is reviewing this very image: look again at what they have decided.
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")
