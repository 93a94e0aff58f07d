"""What every format costs to write and read back, and how memory grows with the images."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.crowd import crowd_image
from benchmarks.memory import peak_extra_bytes
from benchmarks.report import Claim, Report, megabytes, seconds
from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord
from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.formats import FORMATS, Export, StreamedImages, format_by_key
from maskrcnn_core.formats.writing import write_export

__all__ = ["run_formats"]

_SIZE = (480, 640)
_INSTANCES = 10
_COUNTS = (500, 2_000)
_FLAT = ("yolo", "voc", "labelme", "geojson", "imagej", "label-tiff", "panoptic", "open-images")
"""Formats of many small files, which are never in memory together; the others are one file."""


def run_formats(quick: bool) -> Report:
    """Write all that is read again, as folders, with what reading them back finds."""
    counts = (4, 8) if quick else _COUNTS
    rows, claims = [], []
    for row in FORMATS:
        if row.reader is None:
            continue
        taken, size = _timed(row.key, counts[0])
        memory = [peak_extra_bytes(prepare, row.key, count) for count in ((1,) if quick else counts)]
        rows.append(
            (
                row.title,
                seconds(taken / counts[0]),
                megabytes(size),
                *(megabytes(peak) for peak in memory),
                *("–" for _ in range(len(counts) - len(memory))),
            )
        )
        if row.key in _FLAT and not quick:
            grows = (memory[1] - memory[0]) / (counts[1] - counts[0])
            text = f"{row.title}: an image more takes less than 50 kB more memory"
            claims.append(Claim(text, grows < 50e3, "cost"))
    first, second = counts
    columns = (
        "format",
        "an image",
        f"size of {first:,}",
        f"memory, {first:,} images",
        f"memory, {second:,} images",
    )
    note = (
        f"Images of {_SIZE[1]} x {_SIZE[0]} with {_INSTANCES} instances each, handed over one by one as from "
        "a project; written to a folder and read back. Memory: what the process takes beyond what it held "
        "before."
    )
    return Report(columns, tuple(rows), tuple(claims), (note,))


def prepare(key: str, count: int) -> Callable[[], object]:
    """One export, ready to be measured; see :func:`benchmarks.memory.peak_extra_bytes`."""
    _write(key, 2)
    return lambda: _write(key, count)


def _timed(key: str, count: int) -> tuple[float, int]:
    _write(key, 2)  # what is compiled once is no cost of an image
    begin = time.perf_counter()
    size = _write(key, count)
    return time.perf_counter() - begin, size


def _write(key: str, count: int) -> int:
    """Write images into a folder that is removed again; their bytes."""
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        write_export(format_by_key(key), _export(count), Path(folder) / "out")
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def _export(count: int) -> Export:
    one = crowd_image(_INSTANCES, _SIZE)
    known = {category.id for category in COCO_CATEGORIES}
    instances = [i if i.category_id in known else replace(i, category_id=1) for i in one.instances]
    records = [ImageRecord(n, f"image_{n:06d}.jpg", _SIZE[1], _SIZE[0]) for n in range(1, count + 1)]

    def load(place: int) -> AnnotatedImage:
        here = tuple(replace(instance, image_id=place + 1) for instance in instances)
        return AnnotatedImage(records[place], here, one.load_pixels)

    return Export(StreamedImages(records, load), COCO_CATEGORIES)
