"""``measure``: sizes, shapes and intensities of annotated objects, as CSV and as a plot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from maskrcnn_core.cli.convert import brought, check_places, tell_converted, write_with_bar
from maskrcnn_core.cli.options import QuietOption
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.terminal import errors_told
from maskrcnn_core.dataset.annotations import AnnotatedImage
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.base import Export
from maskrcnn_core.formats.converting import data_sets_as_export
from maskrcnn_core.formats.measurements import MEASUREMENT_PLOT, MEASUREMENTS

__all__ = ["measure"]

_LARGEST = 1000.0


def measure(
    source: Annotated[Path, typer.Argument(help="The annotations: a file, a folder or a zip.")],
    out: Annotated[Path, typer.Option(help="The CSV file to write.")] = Path("measurements.csv"),
    images: Annotated[
        Path | None,
        typer.Option(help="The images' folder, where they do not lie beside the annotations."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also write histograms of the measurements to this file (.png).")
    ] = None,
    pixel_size: Annotated[
        float | None,
        typer.Option(help="Micrometres a pixel is wide and high, instead of what the images' metadata say."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Measure each object: area, perimeter, circularity, and the values of every channel within it.

    Intensities are those of the images' files. Of a stack the page and slice are measured that its
    annotations name, and all its channels.
    """
    with errors_told():
        if pixel_size is not None and not 0 < pixel_size <= _LARGEST:
            raise InputError(f"--pixel-size: expected micrometres from 0 to {_LARGEST:g}, got {pixel_size:g}")
        for place in filter(None, (out, plot)):
            check_places(source, images, place)
        with brought(source, images) as (files, photos):
            found = data_sets_as_export(files, photos, needs_files=True)
            tell_converted(found, needs_files=True)
            if not found.export.images:
                raise InputError(f"{one_line(str(source))}: expected images and annotations, got none to use")
            export = found.export if pixel_size is None else _sized(found.export, pixel_size)
            typer.echo(write_with_bar(MEASUREMENTS, export, out, quiet=quiet))
            if plot is not None:
                typer.echo(write_with_bar(MEASUREMENT_PLOT, export, plot, quiet=quiet))


def _sized(export: Export, pixel: float) -> Export:
    def sized(image: AnnotatedImage) -> AnnotatedImage:
        return replace(image, record=replace(image.record, pixel_um=(pixel, pixel)))

    return replace(export, images=tuple(sized(image) for image in export.images))
