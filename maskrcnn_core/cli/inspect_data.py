"""The command ``inspect-data``: what ``train`` would see, before it starts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskrcnn_core.cli.options import grouped
from maskrcnn_core.cli.train import check_beginning, prepare
from maskrcnn_core.cli.train_options import LearningOptions
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.terminal import bar_of, errors_told, shown_on, table, tell
from maskrcnn_core.errors import ExportError, InputError

if TYPE_CHECKING:
    from maskrcnn_core.training.inspection.inspecting import Inspection

__all__ = ["inspect_data"]

_MOST_SAMPLES, _MOST_OVER = 100, 1_000_000


@dataclass(frozen=True, kw_only=True)
class InspectOptions(LearningOptions):
    """The options of ``inspect-data``: those of ``train`` that decide what it sees come first."""

    out: Annotated[Path | None, typer.Option(help="Write a report with pictures: one HTML file.")] = None
    samples: Annotated[int, typer.Option(help="How many samples the report shows, 1 to 100.")] = 4
    over: Annotated[int, typer.Option(help="How many samples are counted, in whole steps.")] = 40
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON, object by object.")] = (
        False
    )


@grouped
def inspect_data(options: InspectOptions) -> None:
    """Show what train would learn from, with the same options: samples, anchors, regions and masks.

    Takes the first steps of a run up to their losses, but learns nothing, and says in words what looks wrong:
    objects that no anchor fits, regions that are nearly all background, empty masks. With --from a trained
    model it also counts the objects that its proposals reach.
    """
    with errors_told():
        _check(options)
        inspection, names = _inspect(options)
        if options.out is not None:
            _write(options.out, inspection, names)
    _show(inspection, as_json=options.as_json)
    if options.out is not None:
        tell(f"wrote {one_line(str(options.out))}")


def _check(options: InspectOptions) -> None:
    from maskrcnn_core.inference.predictor import pick_device

    for name, value, most in (
        ("samples", options.samples, _MOST_SAMPLES),
        ("over", options.over, _MOST_OVER),
    ):
        if not 1 <= value <= most:
            raise InputError(f"--{name}: expected 1 to {most}, got {value}")
    if options.out is not None and os.path.lexists(options.out):
        raise InputError(f"{one_line(str(options.out))}: this file already exists; choose another --out")
    pick_device(options.device)
    check_beginning(options)


def _inspect(options: InspectOptions) -> tuple[Inspection, list[str]]:
    from maskrcnn_core.cli.train_report import tell_crowded
    from maskrcnn_core.training.inspection.inspecting import inspect_training

    prepared = prepare(options, options.settings_with(Path("inspected.safetensors")))
    tell_crowded(prepared.training, prepared.beginning.model.max_detections)
    with bar_of(total=None, unit="sample", quiet=options.quiet) as bar:
        bar.set_description("inspecting", refresh=False)
        try:
            inspection = inspect_training(
                prepared.beginning,
                prepared.training,
                prepared.samples,
                prepared.settings,
                over=options.over,
                samples=options.samples,
                title=Path(options.from_).name if options.from_ else "random values",
                device=options.device,
                on_progress=shown_on(bar),
            )
        except KeyboardInterrupt:
            bar.close()
            tell("interrupted; nothing was written (--over 20 is quicker)")
            raise typer.Exit(130) from None
    return inspection, [truth.name for truth in prepared.training]


def _write(out: Path, inspection: Inspection, names: list[str]) -> None:
    from maskrcnn_core.training.inspection.report import html_of

    try:
        replace_file(out, html_of(inspection, names).encode("utf-8"))
    except OSError as error:
        raise ExportError(f"{one_line(str(out))}: cannot write ({error.strerror or error})") from error


def _show(inspection: Inspection, *, as_json: bool) -> None:
    from maskrcnn_core.training.inspection.findings import findings_of
    from maskrcnn_core.training.inspection.numbers import as_values, facts_of, rows_of_recall

    if as_json:
        typer.echo(json.dumps(as_values(inspection), ensure_ascii=False))
        return
    for line in table(facts_of(inspection)):
        typer.echo(one_line(line).rstrip())
    if recalled := rows_of_recall(inspection):
        typer.echo("Objects that the proposals reach, by COCO's sizes:")
        for line in table([("size", "objects", "reached", "recall"), *recalled], right=(1, 2, 3)):
            typer.echo(f"  {line}")
    found = findings_of(inspection)
    typer.echo("What looks wrong:" if found else "Nothing looks wrong.")
    for sentence in found:
        typer.echo(f"- {one_line(sentence)}")
