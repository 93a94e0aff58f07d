"""The command ``explain``: the walk through the network, for one image, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maskrcnn_core.console import StretchOption
from maskrcnn_core.errors import ExportError, InputError
from maskrcnn_core.files import replace_file
from maskrcnn_core.messages import one_line

__all__ = ["explain"]

Box = tuple[float, float, float, float]


def explain(
    image: Annotated[Path, typer.Argument(help="The image file.")],
    html: Annotated[
        Path | None, typer.Option(help="Write the walk as one HTML file that needs nothing else.")
    ] = None,
    notebook: Annotated[
        Path | None, typer.Option(help="Write the walk as a Jupyter notebook that makes the same calls.")
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(help="x1,y1,x2,y2 in pixels around an object: say why it was missed, or found twice."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A key of 'models', or a file as 'annotate' takes it. [default: the best ready]"),
    ] = None,
    names: Annotated[
        Path | None, typer.Option(help="For a model from a file: its categories, one a line.")
    ] = None,
    score_threshold: Annotated[
        float | None,
        typer.Option(help="Keep scores above this, 0.05 to 1. [default: the model's own]"),
    ] = None,
    mask_threshold: Annotated[
        float, typer.Option(help="A pixel belongs to a mask above this probability, 0 to below 1.")
    ] = 0.5,
    nms_threshold: Annotated[
        float | None,
        typer.Option(help="IoU above which the weaker of two boxes goes. [default: the model's own]"),
    ] = None,
    max_detections: Annotated[
        int | None, typer.Option(help="Keep at most so many. [default: the model's own]")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    stretch: StretchOption = "auto",
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the model's weights if they are not here.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Explain what Mask R-CNN does with an image, stage by stage, in numbers.

    With --html or --notebook the whole walk goes into files to keep, with pictures. With --box the answer is
    one sentence on what became of the object in it.
    """
    # The network's libraries take seconds to come: no other command should wait for them.
    from maskrcnn_core.console import errors_told, load_named_model, table, tell
    from maskrcnn_core.detections import Thresholds
    from maskrcnn_core.explaining import explain_box
    from maskrcnn_core.images import read_image
    from maskrcnn_core.inference import Predictor
    from maskrcnn_core.walk import WALK
    from maskrcnn_core.walk_notebook import notebook as make_notebook
    from maskrcnn_core.walk_report import html_report
    from maskrcnn_core.walk_run import walk_through

    with errors_told():
        asked = None if box is None else _box(box)
        _check_outputs(image, html, notebook)
        source = read_image(image, stretch=stretch)
        for note in source.notes:
            tell(f"{one_line(source.name)}: {note}")
        loaded = load_named_model(model, names, download=download, quiet=quiet)
        try:
            thresholds = Thresholds(
                loaded.score_threshold if score_threshold is None else score_threshold,
                loaded.nms_threshold if nms_threshold is None else nms_threshold,
                loaded.max_detections if max_detections is None else max_detections,
                mask_threshold,
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        walk = walk_through(Predictor(loaded, device), source.pixels, thresholds, name=source.name, box=asked)
        answer = None
        if asked is not None:
            answer = explain_box(walk.stages, thresholds, loaded.label_map, asked)
        if html is not None:
            _write(html, html_report(walk).encode("utf-8"))
        if notebook is not None:
            made = make_notebook(
                model if model is not None else loaded.key,
                str(image),
                thresholds,
                names=None if names is None else str(names),
                box=asked,
                stretch=stretch,
            )
            _write(notebook, made)
    if answer is not None:
        typer.echo(one_line(f"{answer.sentence} {answer.helps}".strip()))
    elif html is None and notebook is None:
        for stage, facts in ((stage, stage.facts(walk.stages)) for stage in WALK):
            if not facts:
                continue
            typer.echo(f"{stage.title} ({stage.source})")
            for line in table(facts):
                typer.echo(f"  {one_line(line)}".rstrip())
    typer.echo(f"detections: {one_line(walk.counts())}")
    if files := [one_line(str(file)) for file in (html, notebook) if file is not None]:
        typer.echo(f"wrote {' and '.join(files)}")


def _box(text: str) -> Box:

    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"--box: wanted four numbers with commas, x1,y1,x2,y2 in pixels, found {text!r}"
        ) from error
    return (x1, y1, x2, y2)


def _check_outputs(image: Path, html: Path | None, notebook: Path | None) -> None:
    """No file is written over another one that the same command names."""

    taken = {image.resolve(): "the image"}
    for option, file in (("--html", html), ("--notebook", notebook)):
        if file is None:
            continue
        if file.resolve() in taken:
            raise InputError(
                f"{option}: wanted a file of its own, found {one_line(str(file))}, which is "
                f"{taken[file.resolve()]}"
            )
        taken[file.resolve()] = option


def _write(file: Path, data: bytes) -> None:

    try:
        replace_file(file, data)
    except OSError as error:
        raise ExportError(f"{one_line(str(file))}: cannot write ({error.strerror or error})") from error
