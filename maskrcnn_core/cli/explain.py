"""The command ``explain``: How it works for one image, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maskrcnn_core.cli.options import (
    CustomNamesOption,
    DeviceOption,
    DownloadOption,
    MaskThresholdOption,
    MaxDetectionsOption,
    ModelOption,
    NmsThresholdOption,
    QuietOption,
    ScoreThresholdOption,
    StretchOption,
)
from maskrcnn_core.common.arrays import Box
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ExportError, InputError

__all__ = ["explain"]


def explain(
    image: Annotated[Path, typer.Argument(help="The image file.")],
    html: Annotated[
        Path | None, typer.Option(help="Write all stages as one self-contained HTML file.")
    ] = None,
    notebook: Annotated[
        Path | None, typer.Option(help="Write all stages as a Jupyter notebook that makes the same calls.")
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            help="x1,y1,x2,y2 in pixels around an object: explain why it was missed, or found twice."
        ),
    ] = None,
    ground_truth: Annotated[
        Path | None,
        typer.Option(help="COCO JSON with the image's objects: tells which detections are right and wrong."),
    ] = None,
    model: ModelOption = None,
    names: CustomNamesOption = None,
    score_threshold: ScoreThresholdOption = None,
    mask_threshold: MaskThresholdOption = 0.5,
    nms_threshold: NmsThresholdOption = None,
    max_detections: MaxDetectionsOption = None,
    device: DeviceOption = "auto",
    stretch: StretchOption = "auto",
    download: DownloadOption = False,
    quiet: QuietOption = False,
) -> None:
    """Explain what Mask R-CNN does with an image, stage by stage, in numbers.

    With --html or --notebook all stages are written to files, with pictures. With --box the output is one
    sentence on what became of the object in that box.
    """
    # The network's libraries take seconds to come: no other command should wait for them.
    from maskrcnn_core.cli.console import load_named_model, thresholds_of
    from maskrcnn_core.common.terminal import errors_told, table, tell
    from maskrcnn_core.evaluation.image_truth import read_image_truth
    from maskrcnn_core.explain.html_report import html_report
    from maskrcnn_core.explain.misses import explain_box
    from maskrcnn_core.explain.notebook import notebook as make_notebook
    from maskrcnn_core.explain.pictures.truth import told_truth
    from maskrcnn_core.explain.stages import STAGES
    from maskrcnn_core.explain.traced_image import trace_image
    from maskrcnn_core.images.reading import read_image
    from maskrcnn_core.inference.predictor import Predictor

    with errors_told():
        asked = None if box is None else _box(box)
        _check_outputs(image, html, notebook)
        source = read_image(image, stretch=stretch)
        for note in source.notes:
            tell(f"{one_line(source.name)}: {note}")
        named = source.name, source.size
        truth = None if ground_truth is None else read_image_truth(ground_truth, named)
        loaded = load_named_model(model, names, download=download, quiet=quiet)
        thresholds = thresholds_of(loaded, score_threshold, nms_threshold, max_detections, mask_threshold)
        traced = trace_image(
            Predictor(loaded, device), source.pixels, thresholds, name=source.name, box=asked, truth=truth
        )
        explanation = None
        if asked is not None:
            explanation = explain_box(traced.trace, thresholds, loaded.label_map, asked)
        if html is not None:
            _write(html, html_report(traced).encode("utf-8"))
        if notebook is not None:
            made = make_notebook(
                model if model is not None else loaded.key,
                str(image),
                thresholds,
                origin=loaded.origin,
                names=[category.name for category in loaded.label_map],
                laws=traced.trace.laws,
                box=asked,
                stretch=stretch,
                truth=None if ground_truth is None else str(ground_truth),
            )
            _write(notebook, made)
        judged = told_truth(traced)
    if explanation is not None:
        typer.echo(one_line(f"{explanation.sentence} {explanation.helps}".strip()))
    elif html is None and notebook is None:
        for stage, facts in ((stage, stage.facts(traced.trace)) for stage in STAGES):
            if not facts:
                continue
            typer.echo(f"{stage.title} ({stage.source})")
            for line in table(facts):
                typer.echo(f"  {one_line(line)}".rstrip())
    typer.echo(f"detections: {one_line(traced.counts())}")
    for sentence in judged:
        typer.echo(one_line(sentence))
    if files := [one_line(str(file)) for file in (html, notebook) if file is not None]:
        typer.echo(f"wrote {' and '.join(files)}")


def _box(text: str) -> Box:

    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"--box: expected four numbers separated by commas, x1,y1,x2,y2 in pixels, got {text!r}"
        ) from error
    return (x1, y1, x2, y2)


def _check_outputs(image: Path, html: Path | None, notebook: Path | None) -> None:
    """Refuse to write a file over another that the same command names."""

    taken = {image.resolve(): "the image"}
    for option, file in (("--html", html), ("--notebook", notebook)):
        if file is None:
            continue
        if file.resolve() in taken:
            raise InputError(
                f"{option}: expected a file of its own, got {one_line(str(file))}, which is "
                f"{taken[file.resolve()]}"
            )
        taken[file.resolve()] = option


def _write(file: Path, data: bytes) -> None:

    try:
        replace_file(file, data)
    except OSError as error:
        raise ExportError(f"{one_line(str(file))}: cannot write ({error.strerror or error})") from error
