"""The command line: annotate files, look at models, fetch and train them, evaluate detections.

Exit codes: 0 for success (of ``annotate``: at least one image was annotated), 1 if nothing was or
something failed, 2 if what was asked for cannot be (an unknown model, a threshold out of range, no
files), 130 after Ctrl-C. Results go to the standard output, all else to the standard error. Names of
files are escaped, as they could carry a terminal's control characters.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from maskrcnn_core import project_commands, walk_commands
from maskrcnn_core.batch import BatchReport, BatchSettings, Outcome, find_files, journal_file
from maskrcnn_core.batch import annotate as run_batch
from maskrcnn_core.console import (
    DomainOption,
    StretchOption,
    bar_of,
    errors_told,
    load_named_model,
    load_row,
    table,
    tell,
)
from maskrcnn_core.detections import SCORE_FLOOR, Thresholds
from maskrcnn_core.domains import offered_names
from maskrcnn_core.errors import InputError
from maskrcnn_core.evaluate_commands import evaluate
from maskrcnn_core.folders import PassedOver
from maskrcnn_core.formats.coco import MAX_TOLERANCE
from maskrcnn_core.images import one_line
from maskrcnn_core.messages import counted
from maskrcnn_core.model_summary import summarise
from maskrcnn_core.models import (
    MODELS,
    LoadedModel,
    ModelSpec,
    add_trained_model,
    all_models,
    model_by_key,
    weights_file,
)
from maskrcnn_core.training import commands as training

if TYPE_CHECKING:
    from maskrcnn_core.inference import Predictor

__all__ = ["app"]

_T = TypeVar("_T")

_KEYS = ", ".join(spec.key for spec in MODELS)
_OWN_LIMITS = ", ".join(f"{spec.key} {spec.max_detections}" for spec in MODELS)
_OWN_SCORES = ", ".join(f"{spec.key} {spec.score_threshold:g}" for spec in MODELS)
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
    domain: DomainOption = None,
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
        float | None,
        typer.Option(
            help=f"Keep scores above this, {SCORE_FLOOR:g} to 1. [default: the model's own: {_OWN_SCORES}]"
        ),
    ] = None,
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
    max_detections: Annotated[
        int | None,
        typer.Option(help=f"Keep at most so many in an image. [default: the model's own: {_OWN_LIMITS}]"),
    ] = None,
    categories: Annotated[
        str | None, typer.Option(help="Only these, by name, with commas: person,car. [default: all]")
    ] = None,
    simplify: Annotated[
        float, typer.Option(help="Polygons may leave the mask's edge by so many pixels; 0 keeps every pixel.")
    ] = 0.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    stretch: StretchOption = "auto",
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
    with errors_told():
        thresholds = _thresholds(
            0.5 if score_threshold is None else score_threshold,
            0.5 if nms_threshold is None else nms_threshold,
            1 if max_detections is None else max_detections,
            mask_threshold,
        )
        if not 0 <= simplify <= MAX_TOLERANCE:
            raise InputError(f"--simplify: wanted 0 to {MAX_TOLERANCE:g} pixels, found {simplify}")
        outputs = [folder for folder in (segments, overlays, masks) if folder is not None]
        others = PassedOver()
        files = find_files(paths, outputs=outputs, others=others)
        if left := others.sentence("no images"):
            tell(left)
        loaded = load_named_model(model, names, download=download, quiet=quiet, domain=domain)
        thresholds = _thresholds(
            loaded.score_threshold if score_threshold is None else score_threshold,
            loaded.nms_threshold if nms_threshold is None else nms_threshold,
            loaded.max_detections if max_detections is None else max_detections,
            mask_threshold,
            _labels(loaded, categories, domain),
        )
        settings = BatchSettings(
            tuple(files),
            out,
            thresholds,
            results,
            segments,
            overlays,
            masks,
            resume,
            simplify,
            stretch,
            domain,
        )
        report = _annotate_with_bar(settings, _predictor(loaded, device), quiet=quiet)
    for note in report.notes:
        tell(note)
    typer.echo(_summary_line(report))
    if not report.succeeded:
        tell("no image was annotated; nothing was written")
        raise typer.Exit(1)


def _predictor(loaded: LoadedModel, device: str) -> Predictor:
    from maskrcnn_core.inference import Predictor  # with torch, which help and refusals do without

    return Predictor(loaded, device)


def _thresholds(
    score: float, nms: float, limit: int, mask: float, labels: frozenset[int] | None = None
) -> Thresholds:
    try:
        return Thresholds(score, nms, limit, mask, labels)
    except ValueError as error:
        raise InputError(str(error)) from error


def _labels(loaded: LoadedModel, categories: str | None, domain: str | None) -> frozenset[int] | None:
    """Labels of the categories that were asked for, by name or as a domain's; ``None`` for all."""
    if categories is not None:
        return loaded.label_map.labels_of(_listed(categories))
    every = [category.name for category in loaded.label_map]
    offered = every if domain is None else offered_names(domain, every)
    return None if offered == every else loaded.label_map.labels_of(offered)


def _listed(categories: str) -> list[str]:
    listed = [name for name in categories.split(",") if name.strip()]
    if not listed:
        raise InputError("--categories: wanted names with commas between them, found none")
    return listed


def _annotate_with_bar(settings: BatchSettings, predictor: Predictor, *, quiet: bool) -> BatchReport:
    with bar_of(total=len(settings.files), unit="image", quiet=quiet) as bar:

        def on_progress(done: int, total: int, outcome: Outcome) -> None:
            if outcome.is_reused:
                bar.initial += 1  # took no time, so says nothing of the rate
            bar.update(1)
            for note in outcome.notes:
                tell(f"{one_line(outcome.file_name)}: {note}")
            if outcome.status == "failed":
                tell(f"{one_line(outcome.file_name)}: {outcome.reason}")

        try:
            return run_batch(settings, predictor, on_progress)
        except KeyboardInterrupt:
            bar.close()
            if journal_file(settings.out).exists():
                tell(
                    f"interrupted after {bar.n} of {counted(int(bar.total or 0), 'image')}; the same "
                    "command with --resume goes on from there"
                )
            raise typer.Exit(130) from None


def _summary_line(report: BatchReport) -> str:
    parts = [
        f"{report.succeeded:,} of {counted(report.total, 'image')} annotated",
        counted(report.instances, "instance"),
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
    head = ("key", "title", "for", "size", "ready")
    rows = [
        (s.key, s.title, ", ".join(s.domains), f"{s.size_bytes / 1e6:.0f} MB", _readiness(s))
        for s in all_models()
    ]
    for line in table([head, *rows], right=(3,)):
        typer.echo(line)
    for spec in all_models():
        typer.echo(f"\n{spec.key}: {spec.knows}")
        typer.echo(f"  speed    {spec.speed}")
        published = ", as published" if spec.is_published else ""
        # A line each, beside what it was measured on: figures of different images cannot be compared.
        for row in spec.measured:
            typer.echo(f"  measured {row.text} (percent{published})")
        typer.echo(f"  licence  {spec.licence or 'unknown'}")
        typer.echo(f"  source   {spec.source}")
        file = weights_file(spec)
        place = one_line(str(file)) if file else f"not here; 'download {spec.key}' fetches {spec.url}"
        typer.echo(f"  weights  {place}")


def _readiness(spec: ModelSpec) -> str:
    return "yes" if weights_file(spec) else "no"


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="Weights (.safetensors) of 'train', their card beside them.")],
) -> None:
    """Put a trained model into every menu, by copying it into the weights folder."""
    with errors_told():
        spec = add_trained_model(file)
    typer.echo(f"{spec.key} is a choice in every menu now: {one_line(spec.file)}")


_Model = Annotated[str, typer.Argument(help=f"{_KEYS}, a trained one, or a .pth or .safetensors file.")]


@app.command()
def summary(
    model: _Model,
    names: Annotated[
        Path | None, typer.Option(help="For a model from a file: its categories, one a line.")
    ] = None,
) -> None:
    """Tell what a model is made of."""
    with errors_told():
        loaded = load_named_model(model, names, download=False, quiet=True)
    rows = [*summarise(loaded).rows(), ("NMS threshold", f"{loaded.nms_threshold:g}")]
    rows += [("Weights (SHA-256)", loaded.digest), ("Licence", loaded.licence or "unknown")]
    rows += [("Source", loaded.source), *(("Note", note) for note in loaded.notes)]
    for line in table([(name, one_line(value)) for name, value in rows]):
        typer.echo(line)


@app.command()
def download(
    model: Annotated[str, typer.Argument(help=_KEYS)],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Fetch a model's weights; a download that was broken off goes on where it was."""
    with errors_told():
        spec = model_by_key(model)
        load_row(spec, download=True, quiet=quiet)
    typer.echo(f"{spec.key} is ready: {one_line(str(weights_file(spec)))}")


# -- evaluating and training -------------------------------------------------------------------------

app.command()(evaluate)
app.command()(training.train)
app.command()(training.draw_scenes)
app.add_typer(project_commands.app, name="project")
app.command()(walk_commands.explain)
