"""Measurements of each object as CSV, and as a plot."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maskrcnn_core.common.one_line import counted, one_line, quote_cell
from maskrcnn_core.dataset.annotations import AnnotatedImage
from maskrcnn_core.formats.base import Export, Format, Member
from maskrcnn_core.measuring.objects import INTENSITIES, SHAPES, Measured, measure
from maskrcnn_core.measuring.plots import plot_spread
from maskrcnn_core.measuring.values import Values, check_size, values_of, values_of_picture
from maskrcnn_core.microscopy.facts import PixelSize

__all__ = ["MEASUREMENTS", "MEASUREMENT_PLOT", "measured_objects", "measurement_members"]

_FIRST = ("image", "view", "number", "category", "category_id", "score")
_PLOTTED = ("area_um2", "area_px", "circularity", "eccentricity", "solidity")
_TITLES = {"area_px": "area (px)", "area_um2": "area (µm²)"}


@dataclass(frozen=True)
class _Row:
    """An object of a data set: what it is, and what was measured of it."""

    image: str
    view: str
    number: int
    category: str
    category_id: int
    score: float | None
    measured: Measured


def measured_objects(export: Export) -> tuple[list[_Row], list[str]]:
    """Measure all objects of an export, image by image.

    Returns:
        The objects, and what a person should know of their values.

    Raises:
        InputError: if a file cannot be read, or is of another size than its masks.
        ExportError: if what measures is not installed.
    """
    rows: list[_Row] = []
    notes: dict[str, int] = {}
    without_size = 0
    for image in export.images:
        if not image.instances:
            continue
        record = image.record
        values = _values(image)
        check_size(values, record.size, one_line(record.file_name))
        pixel = PixelSize(*record.pixel_um) if record.pixel_um else values.pixel
        without_size += pixel is None
        for note in values.notes:
            notes[note] = notes.get(note, 0) + 1
        measured = measure(image.instances, values, pixel)
        rows += [
            _Row(
                record.file_name,
                record.view,
                number,
                export.names[instance.category_id],
                instance.category_id,
                instance.score,
                one,
            )
            for number, (instance, one) in enumerate(zip(image.instances, measured, strict=True), start=1)
        ]
    said = [f"{counted(count, 'image')}: {note}" for note, count in notes.items()]
    if without_size:
        said.append(
            f"{counted(without_size, 'image')}: the size of a pixel is unknown, so there are no micrometres; "
            "'measure --pixel-size' takes it"
        )
    return rows, said


def _values(image: AnnotatedImage) -> Values:
    record = image.record
    if image.load_file is None:
        return values_of_picture(image.load_pixels())
    return values_of(image.load_file(), record.file_name, record.view)


def measurement_members(export: Export) -> Iterator[Member]:
    """Yield one row per instance, numbered within its image from 1, by descending score."""
    rows, notes = measured_objects(export)
    channels = _channels(rows)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    intensities = [(name, what) for name in channels for what in INTENSITIES]
    named = [quote_cell(f"{what} {name}") for name, what in intensities]
    writer.writerow([*_FIRST, *SHAPES, *named])
    for row in rows:
        found = row.measured
        writer.writerow(
            [
                quote_cell(row.image),
                quote_cell(row.view),
                row.number,
                quote_cell(row.category),
                row.category_id,
                "" if row.score is None else f"{row.score:.6f}",
                *(_cell(found.shape[name]) for name in SHAPES),
                *(_cell(found.intensities.get(name, {}).get(what)) for name, what in intensities),
            ]
        )
    # With its byte order mark spreadsheets read it as UTF-8; surrogates of odd file names become "?".
    data = buffer.getvalue().encode("utf-8-sig", "replace")
    yield Member("measurements.csv", data, "; ".join(notes))


def plot_members(export: Export) -> Iterator[Member]:
    """Yield histograms of what is measured, over all objects."""
    rows, notes = measured_objects(export)
    columns: dict[str, Sequence[float | None]] = {
        _TITLES.get(name, name): [row.measured.shape[name] for row in rows] for name in _PLOTTED
    }
    if all(row.measured.shape["area_um2"] is not None for row in rows):
        columns.pop(_TITLES["area_px"])
    else:  # of pixels of different sizes, or of none that is known
        columns.pop(_TITLES["area_um2"])
    for name in _channels(rows):
        columns[f"mean {name}"] = [row.measured.intensities.get(name, {}).get("mean") for row in rows]
    colors = {category.name: export.color(category.id) for category in export.categories}
    data = plot_spread(columns, [row.category for row in rows], colors)
    yield Member("measurements.png", data, "; ".join(notes))


def _channels(rows: Sequence[_Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.measured.intensities))


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}" if abs(value) < 1e5 else f"{value:.10g}"


MEASUREMENTS = Format(
    key="measurements",
    title="Measurements",
    suffix=".csv",
    mime="text/csv",
    holds="One row per instance: area, perimeter, circularity and other shapes, in micrometres where the "
    "size of a pixel is known; mean, least, largest and total value of every channel (skimage.regionprops).",
    loses="Masks.",
    members=measurement_members,
    count=lambda _export: 1,
    used_by="spreadsheets, R, pandas",
    draws=True,
    is_dense=True,
)


MEASUREMENT_PLOT = Format(
    key="measurement-plot",
    title="Plot of measurements",
    suffix=".png",
    mime="image/png",
    holds="Histograms of what is measured, over all instances, by category.",
    loses="Everything but the spread.",
    members=plot_members,
    count=lambda _export: 1,
    used_by="people",
    draws=True,
    is_dense=True,
)
