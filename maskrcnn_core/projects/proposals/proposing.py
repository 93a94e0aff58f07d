"""Runs a model over a project, image by image, and offers what it found.

Each image's run and its proposals are saved before the next image begins: whoever stops, is killed or
restarts goes on where it was. Workers that share a job (:mod:`maskrcnn_core.projects.proposals.shares`)
save an image's proposals and that it is done as one. What people have decided, drawn or changed is never
touched, and nothing is offered on top of it, nor where they removed something.

Proposals belong to the model that made them. A run makes room only among those of the same model, of the
categories that it was asked for, that nobody has touched; what it finds again just so stays as it is. What
another model has proposed stays; of two that mean the same the one that was there is kept
(:mod:`maskrcnn_core.projects.proposals.offering`). A run that offers otherwise, by another threshold or
mapping, offers again from the kept runs: the network does not run again. A closer look at objects
(:mod:`maskrcnn_core.inference.closer`) is no part of a kept run: only objects that are offered get one.

Large images can be seen in tiles (:mod:`maskrcnn_core.tiling`). Runs in tiles are kept under a key of their
own, and an image that needs no tiles takes the run that was kept without.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, update

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.release import __version__
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.detection.limits import LimitTally, limits_of
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.errors import ConflictError, CoreError, FilesAwayError, ImageError, InferenceError
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.projects.db.tables import ANSWER
from maskrcnn_core.projects.proposals.offering import Offer, OfferCounts, changes_of, is_untouched
from maskrcnn_core.projects.proposals.shares import Asked, ImageOutcome, Share
from maskrcnn_core.projects.records import ImageRow
from maskrcnn_core.projects.review.doubts import doubts_of_run
from maskrcnn_core.projects.seeing import pixels_of, seen_as, stretch_of
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.undo.piles import PROPOSE
from maskrcnn_core.tiling.choosing import Tiling, check_tiling, cut_as, tiles_for
from maskrcnn_core.tiling.packing import pack_answer, unpack_answer
from maskrcnn_core.tiling.planning import Tile
from maskrcnn_core.tiling.running import TiledRun, run_tiles

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = [
    "ProposeReport",
    "Proposer",
    "Ran",
    "RunsElsewhere",
    "mark_offered",
    "offered_before",
    "propose",
    "told_counts",
]

_TRIES = 5

OnImage = Callable[[int, int, str], object]


@dataclass(frozen=True)
class Ran:
    """What a network said of an image, wherever it ran.

    Args:
        outcome: its run, or why there is none.
        engine: what ran it, as an export says it; empty for the exact engine.
        is_kept: whether a failure is the network's and stays; one to read the image is none.
        is_new: whether the network ran for it now.
    """

    outcome: Run | TiledRun | Failure
    engine: str = ""
    is_kept: bool = True
    is_new: bool = True


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
    tiling: Tiling | None = None,
) -> tuple[int, int]:
    """Return what the images hold that :func:`propose` would pass over, as just so has been offered there.

    Args:
        store, project_id, predictor, thresholds, mapping, exact_only, tiling: as in :func:`propose`.

    Returns:
        How many of this model's instances of these categories are open proposals, and how many people have
        decided on or changed since.
    """
    key = cut_as(seen_as(predictor.model.digest, stretch_of(store.project(project_id))), tiling)
    asked = _asked_for(thresholds, mapping, looks_closer=predictor.looks_closer)
    finished = store.offered_images(project_id, key, asked, exact_only=exact_only)
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
    tiling: Tiling | None = None,
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
        tiling: how large images are cut; ``None`` for not at all.

    Raises:
        StoreError: if the store cannot be written.
    """
    images = [row for row in store.images(project_id) if row.digest]
    store.refuse_closed(project_id)
    proposer = Proposer(
        store, project_id, predictor, thresholds, mapping, exact_only=exact_only, tiling=tiling
    )
    asked = proposer.asked
    finished = store.offered_images(project_id, asked.seen, asked.how, exact_only=exact_only)
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
    for image in open_:
        if cancelled():
            return report(was_cancelled=True)
        outcome = proposer.offer(image)
        if outcome.failure:
            failed.append(outcome.failure)
        else:
            counts.add(OfferCounts(outcome.new, outcome.replaced, outcome.decided, Counter(outcome.there)))
            offered, ran = offered + 1, ran + outcome.ran
        if limits is not None:
            limits.merge(outcome.limits)
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


def _asked_for(thresholds: Thresholds, mapping: Mapping[int, int], *, looks_closer: bool) -> str:
    """Return a name for what is offered of a run, and as what."""
    settings: tuple[object, ...] = (*astuple(thresholds), *sorted(mapping.items()))
    if looks_closer:  # else it is what it was before there was such a look
        settings = (*settings, "closer")
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


class Proposer:
    """Runs a model on images of a project and offers what it finds, one image after another.

    Args:
        store, project_id, predictor, thresholds, mapping, exact_only, tiling: as in :func:`propose`.

    Raises:
        InputError: if images cannot be cut so for this model.
    """

    def __init__(
        self,
        store: Store,
        project_id: int,
        predictor: Predictor,
        thresholds: Thresholds,
        mapping: Mapping[int, int],
        *,
        exact_only: bool = False,
        tiling: Tiling | None = None,
    ) -> None:
        self._store = store
        self._project_id = project_id
        self._predictor = predictor
        self._thresholds = thresholds
        self._mapping = dict(mapping)
        self._stretch: Stretch = stretch_of(store.project(project_id))
        check_tiling(tiling, predictor.model)
        self._tiling = tiling
        weights = predictor.model.digest
        self._seen_whole = seen_as(weights, self._stretch)
        self.asked = Asked(
            weights,
            cut_as(self._seen_whole, tiling),
            _asked_for(thresholds, mapping, looks_closer=predictor.looks_closer),
            exact_only,
            __version__,
        )

    def is_run(self, image: ImageRow) -> bool:
        """Return whether an image's run was kept, so that the network need not run."""
        return self._kept_run(image, self.asked.seen) is not None

    def run_elsewhere(
        self, runs: RunsElsewhere, images: Sequence[ImageRow]
    ) -> Generator[tuple[ImageRow, Ran]]:
        """Yield what the network says of images where it runs elsewhere, for :meth:`offer`."""
        return runs(images, self._stretch, self._floor)

    def offer(self, image: ImageRow, share: Share | None = None, ran: Ran | None = None) -> ImageOutcome:
        """Run the model on an image, unless its run was kept, and save what is offered of it.

        Args:
            image: which.
            share: of a job, to be finished in the same transaction.
            ran: what the network has said of it elsewhere; ``None`` where it is to run here.

        Returns:
            What became of it; an image without a run is no error.

        Raises:
            ShareLostError: if another worker has the image by now; nothing was saved.
            StoreError: if the store cannot be read or written.
        """
        try:
            run, is_new = self._run_of(image, share, ran)
            if not isinstance(run, Failure):
                limits, asked = LimitTally(), self._thresholds
                did = limits_of(run, asked) if isinstance(run, Run) else run.limits(asked)
                limits.take(one_line(image.file_name), did, asked)
                return self._offer(image, run, share, is_new, limits)
            failed = ImageOutcome(failure=f"{one_line(image.file_name)}: {run.reason}")
        except (ImageError, InferenceError, ConflictError) as error:
            failed = ImageOutcome(failure=_about(image, error))
        if share is not None:
            with self._store.writing() as connection:
                share.finish(connection, failed)
        return failed

    @property
    def _floor(self) -> Thresholds:
        """What masks are made for: all that a lower score threshold could ask for later."""
        asked = self._thresholds
        return Thresholds(SCORE_FLOOR, asked.nms_threshold, asked.max_detections, asked.mask_threshold)

    def _kept_run(self, image: ImageRow, seen: str) -> str | None:
        return self._store.kept_run(image.id, seen, exact_only=self.asked.exact_only)

    def _tiles_of(self, image: ImageRow) -> tuple[Tile, ...]:
        return tiles_for(self._tiling, self._predictor.model, (image.height, image.width))

    def _run_of(
        self, image: ImageRow, share: Share | None, ran: Ran | None
    ) -> tuple[Run | TiledRun | Failure, bool]:
        """Return the network's run, an earlier one if there is one; and whether it ran now."""
        store, predictor = self._store, self._predictor
        if (kept := self._kept_run(image, self.asked.seen)) is not None:
            return unpack_answer(store.blobs.get(kept)), False
        if ran is None and self._tiling is not None and len(self._tiles_of(image)) == 1:
            ran = self._ran_whole_before(image)
        is_new = ran is None or ran.is_new
        if ran is None:
            ran = self._run_here(image)
        outcome = ran.outcome
        if not ran.is_kept:
            return outcome, False
        store.save_run(
            image.id,
            predictor.model.key,
            self.asked.seen,
            candidates="" if isinstance(outcome, Failure) else store.blobs.put(pack_answer(outcome)),
            failure=outcome.reason if isinstance(outcome, Failure) else "",
            engine=ran.engine,
            before=None if share is None else share.check,
        )
        return outcome, is_new

    def _ran_whole_before(self, image: ImageRow) -> Ran | None:
        """Return the run that was kept of an image without tiles, if there is one."""
        kept = self._kept_run(image, self._seen_whole)
        if kept is None:
            return None
        engine = self._store.engine_of_run(image.id, self._seen_whole)
        return Ran(unpack_answer(self._store.blobs.get(kept)), engine, is_new=False)

    def _run_here(self, image: ImageRow) -> Ran:
        try:
            pixels = pixels_of(self._store, image, self._stretch)
        except FilesAwayError:
            raise  # of the place, not of the image
        except CoreError as error:
            return Ran(Failure(str(error)), is_kept=False)
        tiles = self._tiles_of(image)
        if len(tiles) == 1:
            (outcome,) = self._predictor.run([pixels], self._floor)
            return Ran(outcome, self._predictor.engine_of(outcome) if isinstance(outcome, Run) else "")
        try:
            # Masks for what is asked for now: those for all lower scores would be tens of thousands.
            answer = run_tiles(self._predictor, pixels, tiles, self._thresholds)
        except InferenceError as error:
            return Ran(Failure(str(error)))
        engines = {self._predictor.engine_of(run) for run in answer.runs}
        return Ran(answer, max(engines))

    def _offer(
        self, image: ImageRow, run: Run | TiledRun, share: Share | None, ran: bool, limits: LimitTally
    ) -> ImageOutcome:
        """Save proposals as one decision of the model's."""
        model, wanted = self._predictor.model, self._wanted(image, run)
        for attempt in range(_TRIES):
            changes, counts = changes_of(
                self._store, self._project_id, image, model.key, wanted, set(self._mapping.values())
            )
            outcome = ImageOutcome(
                counts.new, counts.replaced, counts.decided, dict(counts.there), ran, limits=limits
            )

            def finish(connection: Connection, outcome: ImageOutcome = outcome) -> None:
                has_replaced = outcome.replaced > 0
                mark_offered(connection, image.id, self.asked.seen, self.asked.how, has_replaced=has_replaced)
                if share is not None:
                    share.finish(connection, outcome)

            try:
                self._store.decide(
                    self._project_id, f"model {model.key}", PROPOSE, changes, image_id=image.id, along=finish
                )
                return outcome
            except ConflictError:
                # Somebody is reviewing this very image: look again at what they have decided.
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _wanted(self, image: ImageRow, run: Run | TiledRun) -> list[Offer]:
        label_map = self._predictor.model.label_map

        def pixels() -> Pixels:
            return pixels_of(self._store, image, self._stretch)

        if isinstance(run, TiledRun):
            found = run.instances(self._predictor, self._thresholds, pixels, image.coco_id)
        else:
            found = Instance.from_detections(
                self._predictor.detections(run, self._thresholds, pixels),
                label_map,
                image.coco_id,
                self._thresholds.mask_threshold,
            )
        of_label = {label_map.category(label).id: category for label, category in self._mapping.items()}
        found = tuple(instance for instance in found if instance.category_id in of_label)
        doubts = doubts_of_run(run, found, label_map)
        return [Offer(i, of_label[i.category_id], d) for i, d in zip(found, doubts, strict=True)]


def mark_offered(
    connection: Connection, image_id: int, model_digest: str, asked: str, *, has_replaced: bool = False
) -> None:
    """Note that what a model found in an image has been offered as instances, as it was ``asked`` for.

    Where proposals were replaced, other models may have left out theirs for them: what they found is offered
    again when they are asked again.
    """
    of = (ANSWER.c.image_id == image_id, ANSWER.c.model_digest == model_digest)
    if has_replaced:
        connection.execute(update(ANSWER).where(ANSWER.c.image_id == image_id).values(offered=""))
    connection.execute(update(ANSWER).where(*of).values(offered=asked))
