"""The run over many files: one image in memory at a time, its result on the disk before the next begins.

What was found goes into the journal (:mod:`maskrcnn_core.batch.resume_log`) and, as files of their own,
into the folders that were asked for. The COCO files are written at the very end, each at once, so that
one that is there is whole; then the journal goes. Whether a run was broken off and resumed on the way
cannot be seen in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from maskrcnn_core.batch.finding import ENGINE, Finder, description_of, settings_of
from maskrcnn_core.batch.planning import PlannedImage, plan_images
from maskrcnn_core.batch.resume_log import Journal, header_of, journal_file, open_journal, writing
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.dataset.annotations import AnnotatedImage, Dataset, ImageRecord, Instance
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.limits import NoteTally
from maskrcnn_core.errors import ImageError, InferenceError, InputError
from maskrcnn_core.formats.arrays import npz_members
from maskrcnn_core.formats.base import Export, Member, stems_of, write_folder
from maskrcnn_core.formats.coco import coco_document, dump_json, least_iou, result_rows
from maskrcnn_core.formats.pictures import (
    label_map_members,
    overlay_members,
    segment_members,
    splash_members,
)
from maskrcnn_core.images.reading import Stretch, one_line, pixel_limit, read_image
from maskrcnn_core.inference.engines.table import EXACT
from maskrcnn_core.models.cards import is_card
from maskrcnn_core.models.downloads import file_sha256

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["BatchReport", "BatchSettings", "Failed", "Outcome", "annotate", "check_files", "engine_of_run"]


@dataclass(frozen=True)
class BatchSettings:
    """What a run is to do.

    Args:
        files: as :func:`~maskrcnn_core.batch.planning.find_files` gives them.
        out: the COCO JSON file, written at the end; the journal lies beside it meanwhile.
        thresholds: what is kept of the model's detections.
        results: the file for COCO's results form, or none.
        segments: the folder for each instance's segment and mask, or none.
        overlays: the folder for each image with its instances drawn on it, or none.
        masks: the folder for each image's mask arrays and label maps, or none.
        splash: the folder for each image, grey but for its instances, or none.
        resume: go on with a run that was broken off.
        tolerance: in pixels, by which the COCO file's polygons may be simplified; 0 keeps every pixel.
        stretch: whether deep images that use little of their range are stretched.
        domain: key of the domain that was asked for; ``None`` for those that the model is for.
    """

    files: tuple[Path, ...]
    out: Path
    thresholds: Thresholds
    results: Path | None = None
    segments: Path | None = None
    overlays: Path | None = None
    masks: Path | None = None
    splash: Path | None = None
    resume: bool = False
    tolerance: float = 0.0
    stretch: Stretch = "auto"
    domain: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one image.

    Args:
        file_name: as the output has it, or the whole path where files share no folder; from outside, so
            :func:`~maskrcnn_core.images.reading.one_line` it.
        status: ``empty`` is a run in which nothing was found, ``failed`` is none.
        instances: how many were found.
        reason: why it failed; empty otherwise.
        notes: what a person should know, as that memory ran out and a smaller input was used.
        is_reused: it was finished before the run was broken off.
        decoding: what happened to the pixels on the way; the report counts these.
    """

    file_name: str
    status: Literal["annotated", "empty", "failed"]
    instances: int = 0
    reason: str = ""
    notes: tuple[str, ...] = ()
    is_reused: bool = False
    decoding: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """An image that gave nothing, and why."""

    file_name: str
    reason: str


@dataclass(frozen=True)
class BatchReport:
    """What a run did.

    Args:
        total: images that were meant.
        annotated: images with at least one instance.
        empty: images in which the model found nothing.
        failed: images without a run.
        reused: images of those above that had been finished before the run was broken off.
        instances: of all images.
        least_iou: the least mask IoU when the COCO file was read back; ``None`` if none was written.
        files: what was written at the end; empty if the run was cancelled, or no image succeeded.
        notes: for people.
    """

    total: int
    annotated: int
    empty: int
    failed: tuple[Failed, ...]
    reused: int
    instances: int
    least_iou: float | None = None
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def succeeded(self) -> int:
        """The number of images with a run, empty ones included."""
        return self.annotated + self.empty


OnProgress = Callable[[int, int, Outcome], None]


def annotate(
    settings: BatchSettings,
    predictor: Predictor,
    on_progress: OnProgress | None = None,
    *,
    cancelled: Callable[[], bool] | None = None,
) -> BatchReport:
    """Run a model over files and write what it found.

    Args:
        settings: what is to be done.
        predictor: the model on its device.
        on_progress: called with ``(images_done, images_total, outcome)`` after each image.
        cancelled: asked before each image; True stops the run, which can be resumed then.

    Raises:
        InputError: if the outputs are impossible, or a run that was another one is to be resumed.
        ExportError: if something cannot be written; the run can be resumed then, as after any other
            exception.
    """
    _check_outputs(settings)
    pixel_limit()  # a setting that makes no sense is told once, not with every image
    plan = plan_images(settings.files)
    outcomes: list[Outcome] = []
    earlier = () if settings.resume else _told_of_earlier(settings)
    finder, decoding = Finder(predictor, settings.thresholds, settings.domain), NoteTally()

    def told() -> tuple[str, ...]:
        return (*notes, *earlier, *decoding.sentences(), *finder.sentences())

    images: list[tuple[ImageRecord, tuple[Instance, ...]]] = []
    with open_journal(journal_file(settings.out), _header(settings, predictor), resume=settings.resume) as (
        journal,
        notes,
    ):
        for planned in plan:
            if cancelled is not None and cancelled():
                return _report(plan, outcomes, told())
            turn = _Turn(settings, predictor, journal, planned, finder)
            outcomes.append(turn.take())
            decoding.add(one_line(planned.shown), outcomes[-1].decoding)
            if turn.record is not None:
                images.append((turn.record, turn.instances))
            if on_progress is not None:
                on_progress(len(outcomes), len(plan), outcomes[-1])
        report = _report(plan, outcomes, told())
        if images:
            report = _write_coco(settings, predictor, images, report)
        journal.remove()
    return report


def engine_of_run(out: Path) -> str:
    """Return the key of the engine of a run that was broken off; empty where there is none."""
    header = header_of(journal_file(out))
    return "" if header is None else str(header.get(ENGINE, EXACT.key))


class _Turn:
    """One image's turn; ``record`` stays ``None`` if it fails."""

    def __init__(
        self,
        settings: BatchSettings,
        predictor: Predictor,
        journal: Journal,
        planned: PlannedImage,
        finder: Finder,
    ) -> None:
        self.settings, self.predictor, self.journal, self.planned = settings, predictor, journal, planned
        self.finder = finder
        self.decoding: tuple[str, ...] = ()
        self.real_path = os.path.realpath(planned.path)
        self.record: ImageRecord | None = None
        self.instances: tuple[Instance, ...] = ()

    def take(self) -> Outcome:
        """Take the result from the run's log if it is there, else run the network."""
        if self._reuse():
            return self._outcome(is_reused=True)
        try:
            notes = self._run()
        except (ImageError, InferenceError) as error:
            # Messages begin with the file's own name; people tell files apart by the name with folders.
            reason = str(error).removeprefix(f"{one_line(self.planned.shown)}: ")
            self.journal.add_failed(self.real_path, reason)
            return Outcome(self.planned.shown, "failed", reason=reason)
        return self._outcome(notes=notes)

    def _reuse(self) -> bool:
        finished = self.journal.finished.get(self.real_path)
        if finished is None:
            return False
        try:
            if file_sha256(self.planned.path) != finished.digest:
                return False  # the file was changed since
        except OSError:
            return False  # its turn will say why
        self._keep(finished.digest, finished.size, finished.instances)
        return True

    def _run(self) -> tuple[str, ...]:
        source = read_image(self.planned.path, name=self.planned.shown, stretch=self.settings.stretch)
        self.decoding = source.notes
        found, notes = self.finder.find(source, self.planned.shown, self.planned.id)
        record = self._keep(source.digest, source.size, found)
        written = self._write_folders(AnnotatedImage(record, self.instances, lambda: source.pixels))
        # Only now: an image that is in the journal has all its files.
        self.journal.add_finished(self.real_path, source.digest, source.size, found)
        return (*notes, *written)

    def _keep(self, digest: str, size: tuple[int, int], found: Sequence[Instance]) -> ImageRecord:
        height, width = size
        record = ImageRecord(self.planned.id, self.planned.file_name, width, height, digest)
        self.record = record
        self.instances = tuple(replace(i, image_id=record.id) for i in found)
        return record

    def _write_folders(self, image: AnnotatedImage) -> list[str]:
        """Write an image's files, and give the formats' notes on them."""
        notes: list[str] = []
        export = Export((image,), self.predictor.model.label_map.categories)
        settings = self.settings
        for folder, formats in (
            (settings.segments, (segment_members,)),
            (settings.overlays, (overlay_members,)),
            (settings.masks, (npz_members, label_map_members)),
            (settings.splash, (splash_members,)),
        ):
            for members in formats if folder is not None else ():
                with writing(Path(folder or "")):
                    notes += write_folder(self._renamed(export, members(export)), Path(folder or ""))
        return notes

    def _renamed(self, export: Export, members: Iterator[Member]) -> Iterator[Member]:
        """Rename a member whose name another folder's image has: a format sees only one image."""
        (own,) = stems_of(export.images)
        for member in members:
            yield replace(member, name=self.planned.stem + member.name.removeprefix(own))

    def _outcome(self, *, notes: tuple[str, ...] = (), is_reused: bool = False) -> Outcome:
        status: Literal["annotated", "empty"] = "annotated" if self.instances else "empty"
        return Outcome(self.planned.shown, status, len(self.instances), "", notes, is_reused, self.decoding)


def _check_outputs(settings: BatchSettings) -> None:
    if not settings.files:
        raise InputError("files: expected one or more, got none")
    inputs = {os.path.realpath(file) for file in settings.files}
    check_files([file for file in (settings.out, settings.results) if file is not None], inputs)
    for folder in (settings.segments, settings.overlays, settings.masks, settings.splash):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise InputError(f"{one_line(str(folder))}: expected a folder, got a file")


def check_files(files: Sequence[Path], inputs: Collection[str] = ()) -> None:
    """Refuse output files that cannot be written, or should not.

    Args:
        files: one or two.
        inputs: real paths of what is read.

    Raises:
        InputError: saying of one what is in the way.
    """
    for file in files:
        shown = one_line(str(file))
        if file.is_dir():
            raise InputError(f"{shown}: expected a file to write, got a folder; add a file name to it")
        if file.name == "-" or (file.exists() and not file.is_file()):
            raise InputError(f"{shown}: expected a file to write, got a device or a pipe; name a file")
        if os.path.realpath(file) in inputs:
            raise InputError(f"{shown}: this is one of the images; choose another output file")
        if is_card(file):
            raise InputError(
                f"{shown}: this is a model card, without which its weights cannot be opened; choose another "
                "output file"
            )
    if len({os.path.realpath(file) for file in files}) < len(files):
        raise InputError(f"{one_line(str(files[0]))}: the two output files must differ")


def _told_of_earlier(settings: BatchSettings) -> tuple[str, ...]:
    """Return sentences on outputs that are there before a run begins: what becomes of them is said."""
    files = [file for file in (settings.out, settings.results) if file is not None and file.exists()]
    folders = [
        folder
        for folder in (settings.segments, settings.overlays, settings.masks, settings.splash)
        if folder is not None and folder.is_dir() and any(folder.iterdir())
    ]
    return (
        *(f"{one_line(str(file))}: there was a file of this name; it was replaced" for file in files),
        *(
            f"{one_line(str(folder))}: this folder had files in it; those of the same names were replaced, "
            "the others are still there"
            for folder in folders
        ),
    )


def _header(settings: BatchSettings, predictor: Predictor) -> dict[str, object]:
    """Return all that decides the results, but not the device and the files, which may grow meanwhile."""

    def place(path: Path | None) -> str | None:
        return None if path is None else os.path.realpath(path)

    return settings_of(settings.thresholds, settings.stretch, predictor) | {
        "segments folder": place(settings.segments),
        "overlays folder": place(settings.overlays),
        "masks folder": place(settings.masks),
        "splash folder": place(settings.splash),
    }


def _report(plan: Sequence[PlannedImage], outcomes: Sequence[Outcome], notes: Sequence[str]) -> BatchReport:
    return BatchReport(
        total=len(plan),
        annotated=sum(o.status == "annotated" for o in outcomes),
        empty=sum(o.status == "empty" for o in outcomes),
        failed=tuple(Failed(o.file_name, o.reason) for o in outcomes if o.status == "failed"),
        reused=sum(o.is_reused for o in outcomes),
        instances=sum(o.instances for o in outcomes),
        notes=tuple(notes),
    )


def _write_coco(
    settings: BatchSettings,
    predictor: Predictor,
    images: Sequence[tuple[ImageRecord, tuple[Instance, ...]]],
    report: BatchReport,
) -> BatchReport:
    model = predictor.model
    dataset = Dataset(
        tuple(record for record, _ in images),
        model.label_map.categories,
        tuple(instance for _, instances in images for instance in instances),
    )
    description = description_of(settings.thresholds, predictor)
    data = dump_json(coco_document(dataset, description, settings.tolerance))
    iou = least_iou(data, dataset.instances, exact=settings.tolerance == 0)
    files = [(settings.out, data)]
    if settings.results is not None:
        files.insert(0, (settings.results, dump_json(result_rows(dataset.instances))))
    for path, content in files:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
    return replace(report, least_iou=iou, files=tuple(path for path, _ in reversed(files)))
