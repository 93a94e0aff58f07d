"""The run over many files: what was found in an image is on the disk before the next one counts.

What was found goes into the journal (:mod:`maskrcnn_core.batch.resume_log`) and, as files of their own,
into the folders that were asked for, in the plan's order, whoever runs the network meanwhile
(:mod:`maskrcnn_core.batch.running`). The COCO files are written at the very end, each at once, so that
one that is there is whole; then the journal goes. Whether a run was broken off and resumed on the way
cannot be seen in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from maskrcnn_core.batch.finding import (
    CLOSER,
    ENGINE,
    HasModel,
    Tally,
    description_of,
    finder_of,
    settings_of,
)
from maskrcnn_core.batch.image_folders import ImageFolders
from maskrcnn_core.batch.planning import PlannedImage, plan_images
from maskrcnn_core.batch.resume_log import (
    FinishedImage,
    Journal,
    header_of,
    journal_file,
    open_journal,
    writing,
)
from maskrcnn_core.batch.running import Here, Result, Runner, Slides, Task, bounds_for
from maskrcnn_core.batch.slides import SlideFinder
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.limits import NoteTally
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco import coco_document, least_iou, result_rows
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.images.reading import SourceImage, Stretch, one_line, pixel_limit, read_file
from maskrcnn_core.inference.engines.table import EXACT
from maskrcnn_core.microscopy.views import View
from maskrcnn_core.models.cards import is_card
from maskrcnn_core.models.downloads import file_sha256
from maskrcnn_core.models.spec import AskedCloser
from maskrcnn_core.slides.opening import is_for_windows
from maskrcnn_core.tiling.choosing import Tiling

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = [
    "BatchReport",
    "BatchSettings",
    "Failed",
    "Outcome",
    "annotate",
    "annotate_by",
    "bytes_of",
    "check_files",
    "engine_of_run",
    "run_here",
    "slide_of",
]


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
        tiling: how pictures are cut into tiles; ``None`` for not at all.
        view: what is seen of stacks; ``None`` for their first page.
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
    tiling: Tiling | None = None
    view: View | None = None

    @property
    def folders(self) -> ImageFolders:
        """The folders for files of each image."""
        return ImageFolders(self.segments, self.overlays, self.masks, self.splash)


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
_Image = tuple[ImageRecord, tuple[Instance, ...]]


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
    return annotate_by(run_here(settings, predictor), settings, predictor, on_progress, cancelled=cancelled)


def run_here(settings: BatchSettings, predictor: Predictor) -> Runner:
    """Return who runs a model over a run's images in this process."""
    categories = tuple(predictor.model.label_map.categories)

    def write(result: Result, source: SourceImage) -> Sequence[str]:
        return settings.folders.write(result, source, categories)

    return Here(
        finder_of(predictor, settings.thresholds, settings.tiling),
        bytes_of,
        Tally(predictor.model, settings.thresholds, settings.domain),
        stretch=settings.stretch,
        bounds=bounds_for(predictor.batch_size),
        write=write if any(settings.folders.named.values()) else None,
        slides=Slides(slide_of, SlideFinder(predictor, settings.thresholds, settings.tiling)),
        view=settings.view,
    )


def slide_of(task: Task) -> Path | None:
    """Return the file of a picture that is read by windows; ``None`` for images that are decoded."""
    path = Path(str(task.place[0]))
    return path if is_for_windows(path) else None


def bytes_of(task: Task) -> bytes:
    """Return the bytes of an image whose place is a file.

    Raises:
        ImageError: if it cannot be read.
    """
    return read_file(str(task.place[0]), task.shown)


def annotate_by(
    runner: Runner,
    settings: BatchSettings,
    run: HasModel,
    on_progress: OnProgress | None = None,
    *,
    cancelled: Callable[[], bool] | None = None,
) -> BatchReport:
    """Have someone run a model over files, and write what was found.

    Args:
        runner: also writes the files of each image.
        settings: what is to be done.
        run: the model and its engine.
        on_progress, cancelled: as for :func:`annotate`.

    Raises:
        InputError, ExportError: as :func:`annotate`.
    """
    _check_outputs(settings)
    pixel_limit()  # a setting that makes no sense is told once, not with every image
    plan = plan_images(settings.files)
    earlier = () if settings.resume else _told_of_earlier(settings)
    outcomes, decoding = list[Outcome](), NoteTally()
    images: list[_Image] = []
    with open_journal(journal_file(settings.out), _header(settings, run), resume=settings.resume) as (
        journal,
        notes,
    ):

        def told() -> tuple[str, ...]:
            return (*notes, *earlier, *decoding.sentences(), *runner.sentences())

        with closing(_turns(plan, journal, runner)) as turns:
            while len(outcomes) < len(plan):
                if cancelled is not None and cancelled():
                    return _report(plan, outcomes, told())
                outcome, image = next(turns)
                outcomes.append(outcome)
                decoding.add(one_line(outcome.file_name), outcome.decoding)
                images += [] if image is None else [image]
                if on_progress is not None:
                    on_progress(len(outcomes), len(plan), outcome)
        report = _report(plan, outcomes, told())
        if images:
            report = _write_coco(settings, run, images, report)
        journal.remove()
    return report


def engine_of_run(out: Path) -> str:
    """Return the key of the engine of a run that was broken off; empty where there is none."""
    header = header_of(journal_file(out))
    return "" if header is None else str(header.get(ENGINE, EXACT.key))


def closer_of_run(out: Path) -> AskedCloser:
    """Return whether a run that was broken off looked closer at objects; ``auto`` where there is none."""
    header = header_of(journal_file(out))
    return "auto" if header is None else "on" if header.get(CLOSER) else "off"


def _turns(
    plan: Sequence[PlannedImage], journal: Journal, runner: Runner
) -> Generator[tuple[Outcome, _Image | None], None, None]:
    """Yield what became of each image, in the plan's order; what is yielded is in the journal."""
    known = {one.id: finished for one in plan if (finished := _still(one, journal.finished)) is not None}
    tasks = (
        Task(one.id, one.file_name, one.shown, (str(one.path),), one.stem)
        for one in plan
        if one.id not in known
    )
    with closing(runner.results(tasks)) as results:
        for planned in plan:
            finished = known.get(planned.id)
            if finished is not None:
                task = Task(planned.id, planned.file_name, planned.shown, ())
                found = tuple(replace(one, image_id=planned.id) for one in finished.instances)
                result = Result(
                    task,
                    finished.digest,
                    finished.size,
                    found,
                    view=finished.view,
                    pixel_um=finished.pixel_um,
                )
            else:
                result = next(results)
                _keep(journal, planned, result)
            yield (
                _outcome(result, is_reused=finished is not None),
                None if result.failed else (result.record, result.instances),
            )


def _still(planned: PlannedImage, finished: Mapping[str, FinishedImage]) -> FinishedImage | None:
    """Return what the journal has of an image, if its file is the same."""
    found = finished.get(os.path.realpath(planned.path))
    try:
        return found if found is not None and file_sha256(planned.path) == found.digest else None
    except OSError:
        return None  # its turn will say why


def _keep(journal: Journal, planned: PlannedImage, result: Result) -> None:
    path = os.path.realpath(planned.path)
    if result.failed:
        journal.add_failed(path, result.failed)
    else:
        # Only now: an image that is in the journal has all its files.
        journal.add_finished(
            FinishedImage(path, result.digest, result.size, result.instances, result.view, result.pixel_um)
        )


def _outcome(result: Result, *, is_reused: bool) -> Outcome:
    if result.failed:
        return Outcome(result.task.shown, "failed", reason=result.failed)
    status: Literal["annotated", "empty"] = "annotated" if result.instances else "empty"
    return Outcome(
        result.task.shown,
        status,
        len(result.instances),
        "",
        result.notes,
        is_reused,
        result.decoding,
    )


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


def _header(settings: BatchSettings, run: HasModel) -> dict[str, object]:
    """Return all that decides the results, but not the device and the files, which may grow meanwhile."""

    def place(path: Path | None) -> str | None:
        return None if path is None else os.path.realpath(path)

    seen = {} if settings.view is None else {"view": settings.view.text}
    return settings_of(settings.thresholds, settings.stretch, run, settings.tiling) | {
        **seen,
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
    run: HasModel,
    images: Sequence[_Image],
    report: BatchReport,
) -> BatchReport:
    model = run.model
    dataset = Dataset(
        tuple(record for record, _ in images),
        model.label_map.categories,
        tuple(instance for _, instances in images for instance in instances),
    )
    description = description_of(settings.thresholds, run, settings.tiling)
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
