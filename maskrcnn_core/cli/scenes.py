"""The command ``draw-scenes``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from maskrcnn_core.cli.options import QuietOption
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import bar_of, errors_told
from maskrcnn_core.errors import ExportError, InputError
from maskrcnn_core.synthetic.scenes import SCENE_KINDS, write_scenes

__all__ = ["draw_scenes"]

_KINDS = ", ".join(kind.key for kind in SCENE_KINDS)


def draw_scenes(
    out: Annotated[Path, typer.Argument(help="The folder to write images/ and instances.json into.")],
    count: Annotated[int, typer.Option(help="How many scenes.")] = 300,
    first_seed: Annotated[int, typer.Option(help="The first scene's seed; the others follow it.")] = 0,
    over: Annotated[bool, typer.Option("--over", help="Overwrite existing scenes.")] = False,
    kind: Annotated[str, typer.Option(help=f"What the scenes show: {_KINDS}.")] = SCENE_KINDS[0].key,
    quiet: QuietOption = False,
) -> None:
    """Draw scenes of shapes or nuclei, with their exact COCO ground truth."""
    with errors_told():
        if not 1 <= count <= 1_000_000 or not 0 <= first_seed < 2**31:
            raise InputError(
                f"draw-scenes: expected a count above 0 and a seed of 0 or more, got {count} and {first_seed}"
            )
        if kind not in {row.key for row in SCENE_KINDS}:
            raise InputError(f"--kind: expected one of {_KINDS}, got {one_line(kind)!r}")
        there = next((f for f in (out / "instances.json", out / "images") if os.path.lexists(f)), None)
        if there is not None and not over:
            raise InputError(
                f"{one_line(str(there))}: this already exists; choose another folder, or --over to "
                "overwrite it"
            )
        with bar_of(total=count, unit="scene", quiet=quiet) as bar:
            try:
                dataset = write_scenes(
                    out,
                    range(first_seed, first_seed + count),
                    lambda _done, _total: bar.update(1),
                    kind=kind,
                )
            except OSError as error:
                raise ExportError(
                    f"{one_line(str(out))}: cannot write ({error.strerror or error}); free some space "
                    "or choose another place"
                ) from error
    typer.echo(
        f"{counted(len(dataset.images), 'scene')} with {counted(len(dataset.instances), 'instance')} in "
        f"{one_line(str(out))}"
    )
