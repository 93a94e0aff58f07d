"""The command line: annotate files, look at models, fetch them, evaluate detections.

Exit codes: 0 for success (of ``annotate``: at least one image was annotated), 1 if nothing was or
something failed, 2 if what was asked for cannot be (an unknown model, a threshold out of range, no
files), 130 after Ctrl-C. Results go to the standard output, all else to the standard error. Names of
files are escaped, as they could carry a terminal's control characters.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from tqdm import tqdm

from maskrcnn_core.batch import BatchReport, BatchSettings, Outcome, find_files, journal_file
from maskrcnn_core.batch import annotate as run_batch
from maskrcnn_core.detections import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import CoreError, InputError
from maskrcnn_core.evaluation import Evaluation
from maskrcnn_core.evaluation import evaluate as compare
from maskrcnn_core.formats.coco import MAX_TOLERANCE
from maskrcnn_core.formats.coco_reader import Refusal, read_coco, read_results
from maskrcnn_core.images import one_line
from maskrcnn_core.inference import Predictor
from maskrcnn_core.models import (
    MODELS,
    LoadedModel,
    ModelSpec,
    default_model,
    load_custom_model,
    load_model,
    model_by_key,
    ready_models,
    summarise,
    weights_file,
)

__all__ = ["app"]

_T = TypeVar("_T")

_CUSTOM_SUFFIXES = (".pth", ".pt", ".safetensors")
_REFUSALS_SHOWN = 20

_KEYS = ", ".join(spec.key for spec in MODELS)
_OWN_NMS = ", ".join(f"{spec.key} {spec.nms_threshold:g}" for spec in MODELS)

app = typer.Typer(
    help="MaskDesk without a browser: instance segmentation with Mask R-CNN.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text, which also reads well in files and narrow terminals
    pretty_exceptions_enable=False,
)


# -- annotate ---------------------------------------------------------------------------------------


@app.command()
def annotate(
    paths: Annotated[
        list[str],
        typer.Argument(help="Image files, folders (with their sub-folders), patterns in quotes ('*.jpg')."),
    ],
    out: Annotated[Path, typer.Option(help="The COCO JSON file to write.")] = Path("annotations.json"),
    model: Annotated[
        str | None,
        typer.Option(help=f"{_KEYS}, or a .pth or .safetensors file. [default: the best that is ready]"),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(help="For a model from a file: its categories, one a line, background left out."),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Also write COCO's results form into this file.")
    ] = None,
    segments: Annotated[
        Path | None, typer.Option(help="Also write each instance's cut-out and mask into this folder.")
    ] = None,
    overlays: Annotated[
        Path | None, typer.Option(help="Also write each image with its instances drawn on it.")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Also write mask arrays (.npz) and label maps (.png).")
    ] = None,
    score_threshold: Annotated[
        float, typer.Option(help=f"Keep scores above this, {SCORE_FLOOR:g} to 1.")
    ] = 0.5,
    mask_threshold: Annotated[
        float, typer.Option(help="A pixel belongs to a mask above this probability, 0 to below 1.")
    ] = 0.5,
    nms_threshold: Annotated[
        float | None,
        typer.Option(
            help="Of two boxes of a category whose IoU is above this the weaker goes, 0 to 1. "
            f"[default: the model's own: {_OWN_NMS}]"
        ),
    ] = None,
    max_detections: Annotated[int, typer.Option(help="Keep at most so many in an image.")] = 100,
    categories: Annotated[
        str | None, typer.Option(help="Only these, by name, with commas: person,car. [default: all]")
    ] = None,
    simplify: Annotated[
        float, typer.Option(help="Polygons may leave the mask's edge by so many pixels; 0 keeps every pixel.")
    ] = 0.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was broken off.")] = False,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the model's weights if they are not here.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Find objects in many images and write COCO JSON, read back with pycocotools.

    Each finished image is kept at once in a journal beside the output file. After Ctrl-C, a crash or a
    power cut the same command with --resume goes on, and ends with the very same files.
    """
    with _errors_told():
        thresholds = _thresholds(
            score_threshold, 0.5 if nms_threshold is None else nms_threshold, max_detections, mask_threshold
        )
        if not 0 <= simplify <= MAX_TOLERANCE:
            raise InputError(f"--simplify: wanted 0 to {MAX_TOLERANCE:g} pixels, found {simplify}")
        outputs = [folder for folder in (segments, overlays, masks) if folder is not None]
        files = find_files(paths, outputs=outputs)
        loaded = _load(model, names, download=download, quiet=quiet)
        thresholds = _thresholds(
            score_threshold,
            loaded.nms_threshold if nms_threshold is None else nms_threshold,
            max_detections,
            mask_threshold,
            None if categories is None else loaded.label_map.labels_of(_listed(categories)),
        )
        settings = BatchSettings(
            tuple(files), out, thresholds, results, segments, overlays, masks, resume, simplify
        )
        report = _annotate_with_bar(settings, Predictor(loaded, device), quiet=quiet)
    for note in report.notes:
        _tell(note)
    typer.echo(_summary_line(report))
    if not report.succeeded:
        _tell("no image was annotated; nothing was written")
        raise typer.Exit(1)


def _thresholds(
    score: float, nms: float, limit: int, mask: float, labels: frozenset[int] | None = None
) -> Thresholds:
    try:
        return Thresholds(score, nms, limit, mask, labels)
    except ValueError as error:
        raise InputError(str(error)) from error


def _listed(categories: str) -> list[str]:
    listed = [name for name in categories.split(",") if name.strip()]
    if not listed:
        raise InputError("--categories: wanted names with commas between them, found none")
    return listed


def _annotate_with_bar(settings: BatchSettings, predictor: Predictor, *, quiet: bool) -> BatchReport:
    with _bar(total=len(settings.files), unit="image", quiet=quiet) as bar:

        def on_progress(done: int, total: int, outcome: Outcome) -> None:
            if outcome.is_reused:
                bar.initial += 1  # took no time, so says nothing of the rate
            bar.update(1)
            for note in outcome.notes:
                _tell(f"{one_line(outcome.file_name)}: {note}")
            if outcome.status == "failed":
                _tell(f"{one_line(outcome.file_name)}: {outcome.reason}")

        try:
            return run_batch(settings, predictor, on_progress)
        except KeyboardInterrupt:
            bar.close()
            if journal_file(settings.out).exists():
                _tell(
                    f"interrupted after {bar.n} of {bar.total} images; "
                    "the same command with --resume goes on from there"
                )
            raise typer.Exit(130) from None


def _summary_line(report: BatchReport) -> str:
    parts = [
        f"{report.succeeded} of {report.total} images annotated",
        f"{report.instances} instances",
        f"{report.empty} without objects",
        f"{len(report.failed)} failed",
    ]
    if report.reused:
        parts.insert(1, f"{report.reused} of them before the run was resumed")
    if report.least_iou is not None:
        parts.append(f"least mask IoU read back {report.least_iou:.6f}")
    if report.files:
        parts.append(f"wrote {' and '.join(one_line(str(file)) for file in report.files)}")
    return "; ".join(parts)


# -- models -----------------------------------------------------------------------------------------


@app.command()
def models() -> None:
    """List the models: whether they are ready, how good they are, their licence and source."""
    head = ("key", "title", "box AP", "mask AP", "size", "ready")
    rows = [
        (s.key, s.title, f"{s.box_ap:.1f}", f"{s.mask_ap:.1f}", f"{s.size_bytes / 1e6:.0f} MB", _readiness(s))
        for s in MODELS
    ]
    for line in _table([head, *rows], right=(2, 3, 4)):
        typer.echo(line)
    for spec in MODELS:
        typer.echo(f"\n{spec.key}: {spec.knows}")
        typer.echo(f"  speed    {spec.speed}")
        typer.echo(f"  AP on    {spec.measured_on}, in percent, as published")
        typer.echo(f"  licence  {spec.licence}")
        typer.echo(f"  source   {spec.source}")
        file = weights_file(spec)
        place = one_line(str(file)) if file else f"not here; 'download {spec.key}' fetches {spec.url}"
        typer.echo(f"  weights  {place}")


def _readiness(spec: ModelSpec) -> str:
    return "yes" if weights_file(spec) else "no"


_Model = Annotated[str, typer.Argument(help=f"{_KEYS}, or a .pth or .safetensors file.")]


@app.command()
def summary(
    model: _Model,
    names: Annotated[
        Path | None, typer.Option(help="For a model from a file: its categories, one a line.")
    ] = None,
) -> None:
    """Tell what a model is made of."""
    with _errors_told():
        loaded = _load(model, names, download=False, quiet=True)
    rows = [*summarise(loaded).rows(), ("NMS threshold", f"{loaded.nms_threshold:g}")]
    rows += [("Weights (SHA-256)", loaded.digest), ("Licence", loaded.licence or "unknown")]
    rows += [("Source", loaded.source), *(("Note", note) for note in loaded.notes)]
    for line in _table([(name, one_line(value)) for name, value in rows]):
        typer.echo(line)


@app.command()
def download(
    model: Annotated[str, typer.Argument(help=_KEYS)],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Fetch a model's weights; a download that was broken off goes on where it was."""
    with _errors_told():
        spec = model_by_key(model)
        _load_published(spec, download=True, quiet=quiet)
    typer.echo(f"{spec.key} is ready: {one_line(str(weights_file(spec)))}")


def _load(model: str | None, names: Path | None, *, download: bool, quiet: bool) -> LoadedModel:
    if model is not None and _is_file(model):
        if names is None:
            raise InputError(
                f"{one_line(model)}: a model from a file needs --names, a text file with one category a line"
            )
        loaded = load_custom_model(Path(model), names)
        for note in loaded.notes:
            _tell(f"{one_line(model)}: {note}")
        return loaded
    if names is not None:
        raise InputError("--names: it belongs to a model from a file; name that file with --model")
    if model is not None:
        spec = model_by_key(model)
    else:
        spec = MODELS[0] if download and not ready_models() else default_model()
    return _load_published(spec, download=download, quiet=quiet)


def _is_file(model: str) -> bool:
    known = any(spec.key == model for spec in MODELS)
    return not known and (model.casefold().endswith(_CUSTOM_SUFFIXES) or Path(model).is_file())


def _load_published(spec: ModelSpec, *, download: bool, quiet: bool) -> LoadedModel:
    bar: tqdm[Any] | None = None

    def on_progress(done: int, total: int | None) -> None:
        nonlocal bar
        if bar is None:
            bar = _bar(total=total, unit="B", quiet=quiet, initial=done)
        bar.update(done - bar.n)

    try:
        return load_model(spec, download=download, on_progress=on_progress)
    except KeyboardInterrupt:
        if bar is not None:
            bar.close()
            _tell("interrupted; the same command goes on from there")
        raise typer.Exit(130) from None
    finally:
        if bar is not None:
            bar.close()


# -- evaluate ---------------------------------------------------------------------------------------


@app.command()
def evaluate(
    ground_truth: Annotated[Path, typer.Option(help="COCO JSON with the truth.")],
    results: Annotated[Path, typer.Option(help="COCO results, or COCO JSON with the same file names.")],
    max_detections: Annotated[int, typer.Option(help="The best so many of an image count.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Write the numbers as JSON.")] = False,
) -> None:
    """Compare detections with a ground truth: COCO's twelve numbers, for boxes and for masks."""
    with _errors_told():
        if max_detections < 1:
            raise InputError(f"--max-detections: wanted 1 or more, found {max_detections}")
        dataset, refusals = _read(ground_truth, read_coco)
        _tell_refusals(ground_truth, refusals)
        found, refusals = _read(results, lambda data: read_results(data, dataset))
        _tell_refusals(results, refusals)
        evaluation = compare(dataset, found, max_detections=max_detections)
    if as_json:
        typer.echo(json.dumps(_as_json(evaluation), indent=2))
        return
    typer.echo(
        f"{evaluation.images} images, {evaluation.ground_truths} objects in the ground truth, "
        f"{evaluation.detections} detections\n"
    )
    rows = [(name, f"{box:.4f}", f"{mask:.4f}", meaning) for name, meaning, box, mask in evaluation.rows()]
    for line in _table([("metric", "box", "mask", ""), *rows], right=(1, 2)):
        typer.echo(line)
    if any(box < 0 or mask < 0 for _, _, box, mask in evaluation.rows()):
        typer.echo("\n-1: the ground truth has no such objects")


def _read(file: Path, read: Callable[[bytes], tuple[_T, list[Refusal]]]) -> tuple[_T, list[Refusal]]:
    shown = one_line(str(file))
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{shown}: cannot read this file ({error.strerror}); check that it exists and may be read"
        ) from error
    try:
        return read(data)
    except InputError as error:
        raise InputError(f"{shown}: {error}") from error


def _tell_refusals(file: Path, refusals: Sequence[Refusal]) -> None:
    for refusal in refusals[:_REFUSALS_SHOWN]:
        _tell(f"{one_line(str(file))}: {refusal}")
    if len(refusals) > _REFUSALS_SHOWN:
        _tell(f"{one_line(str(file))}: {len(refusals) - _REFUSALS_SHOWN} more were refused")


def _as_json(evaluation: Evaluation) -> dict[str, object]:
    rows = evaluation.rows()
    return {
        "images": evaluation.images,
        "ground_truths": evaluation.ground_truths,
        "detections": evaluation.detections,
        "box": {name: box for name, _, box, _ in rows},
        "mask": {name: mask for name, _, _, mask in rows},
    }


# -- speaking ---------------------------------------------------------------------------------------


@contextmanager
def _errors_told() -> Iterator[None]:
    """One line for what the core raises on purpose; anything else is a bug and shows as one."""
    try:
        yield
    except CoreError as error:
        _tell(str(error))
        raise typer.Exit(2 if isinstance(error, InputError) else 1) from None


def _tell(message: str) -> None:
    """A line on the standard error, above a progress bar if there is one."""
    tqdm.write(one_line(message), file=sys.stderr)


def _bar(*, total: int | None, unit: str, quiet: bool, initial: int = 0) -> tqdm[Any]:
    """With rate and remaining time; in a file or a pipe it speaks seldom."""
    return tqdm(
        total=total,
        unit=unit,
        unit_scale=unit == "B",
        initial=initial,
        file=sys.stderr,
        disable=quiet,
        mininterval=0.1 if sys.stderr.isatty() else 10.0,
        smoothing=0.0,
        dynamic_ncols=True,
    )


def _table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Rows as lines with aligned columns; those in ``right`` are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
