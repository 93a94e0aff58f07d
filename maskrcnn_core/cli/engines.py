"""Engines on the command line: which there are, and the one that a job takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from maskrcnn_core.cli.console import load_named_model
from maskrcnn_core.cli.options import MODEL_KEYS, DeviceOption
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import errors_told, table, tell
from maskrcnn_core.inference.engines.kept import root
from maskrcnn_core.inference.engines.table import ENGINES, EXACT
from maskrcnn_core.inference.engines.tidying import MOST_BYTES, Kept, all_kept, tidy
from maskrcnn_core.synthetic.samples import pixels_for

if TYPE_CHECKING:
    from maskrcnn_core.inference.engines.spec import Engine
    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["chosen_engine", "list_engines"]


def chosen_engine(loaded: LoadedModel, device: str, key: str, *, count: int, quiet: bool) -> Engine:
    """Return the engine for a job of so many images, and tell what is not used and why.

    Raises:
        InputError: as :func:`~maskrcnn_core.inference.engines.choosing.choose_engine`.
    """
    from maskrcnn_core.inference.engines.choosing import choose_engine  # imports torch

    def on_step(step: str) -> None:
        if not quiet:
            tell(f"engine: {step} ...")

    engine = choose_engine(
        loaded, device, key, images=lambda: pixels_for(loaded.domains), count=count, on_step=on_step
    )
    for note in engine.notes:
        tell(note)
    if engine.description and not quiet:
        tell(engine.description)
    return engine


def list_engines(
    model: Annotated[
        str | None, typer.Option(help=f"Also try each engine on this one: {MODEL_KEYS}, or a file.")
    ] = None,
    device: DeviceOption = "cpu",
    clean: Annotated[
        bool, typer.Option("--clean", help="Remove what was converted and measured; it is made again.")
    ] = False,
) -> None:
    """List the engines that run networks; with --model, make each and compare it with the exact one."""
    with errors_told():
        if clean:
            removed = tidy(0)
            typer.echo(f"removed {counted(len(removed), 'model')}, {_megabytes(removed)}")
            return
        head = ("key", "runs on", "speed", "how")
        rows = [(spec.key, ", ".join(spec.devices), spec.speed, spec.how) for spec in ENGINES]
        for line in table([head, *rows]):
            typer.echo(line)
        if model is None:
            kept = all_kept()
            typer.echo(
                f"kept in {one_line(str(root()))}: {counted(len(kept), 'model')}, {_megabytes(kept)} of at "
                f"most {MOST_BYTES / 1e6:,.0f} MB; --clean removes them"
            )
            return
        from maskrcnn_core.inference.predictor import pick_device

        loaded = load_named_model(model, None, download=False, quiet=True)
        kind = pick_device(device).type
        for spec in ENGINES:
            if spec is EXACT:
                continue
            if lack := spec.lack(kind):
                typer.echo(one_line(lack))
                continue
            engine = chosen_engine(loaded, device, spec.key, count=0, quiet=True)
            if engine.description:
                typer.echo(one_line(engine.description))


def _megabytes(kept: Sequence[Kept]) -> str:
    return f"{sum(one.size for one in kept) / 1e6:,.1f} MB"
