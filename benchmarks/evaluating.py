"""COCO's numbers with the reading and checking of the file, beside pycocotools on the same files."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.processes import Spent, run_process
from benchmarks.report import Claim, Report, megabytes, seconds, times
from maskrcnn_core.common.pycoco import COCO, COCOeval
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.evaluation.coco_metrics import METRICS, evaluate
from maskrcnn_core.formats.coco import coco_document
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.formats.coco_results import read_results_file, result_lines
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.geometry.rle import Rle

__all__ = ["run_evaluating"]

_HEIGHT, _WIDTH = 480, 640
_CATEGORIES = 80
_LARGE = 5_000, 500_000
"""Images, and detections of all of them."""


def run_evaluating(quick: bool) -> Report:
    """Draws a ground truth and detections, and compares them both ways; CPU time of this process."""
    images = 6 if quick else 100
    truth, found = _draw(images, 10 if quick else 100)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "truth.json", Path(folder) / "results.json"
        files[0].write_bytes(dump_json(coco_document(truth)))
        files[1].write_text("\n".join(result_lines(found, truth.images)))
        _compile(Path(folder))
        ours, quick_time = _timed(lambda: _ours(*files))
        theirs, slow_time = _timed(lambda: _theirs(*files))
    equal = bool(np.allclose(ours, theirs, rtol=0, atol=1e-12))
    text = "all twelve numbers for boxes and for masks are pycocotools' to 1e-12"
    claims = [Claim(text, equal, "equality")]
    if not quick:
        claims.append(
            Claim("more than five times as fast as pycocotools", slow_time > 5 * quick_time, "cost")
        )
    rows = [
        (
            _size(images, len(found)),
            seconds(quick_time),
            seconds(slow_time),
            times(slow_time, quick_time),
            "–",
        )
    ]
    if not quick:
        spent = _large()
        rows.append((_size(*_LARGE), seconds(spent.cpu), "–", "–", megabytes(spent.peak)))
        claims.append(
            Claim(f"the large file takes less than 20 CPU-s ({spent.cpu:.1f})", spent.cpu < 20, "cost")
        )
        claims.append(Claim("and less than 1 GB", spent.peak < 1e9, "cost"))
    columns = ("what", "MaskDesk, reading and checking", "pycocotools", "ratio", "peak memory")
    notes = ("CPU time. The command `evaluate` compares the large file, in its own process, start included.",)
    return Report(columns, tuple(rows), tuple(claims), notes)


def _size(images: int, detections: int) -> str:
    return f"{images:,} images, {detections:,} detections"


def _large() -> Spent:
    images, detections = _LARGE
    truth, found = _draw(images, detections // images)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "truth.json", Path(folder) / "results.json"
        files[0].write_bytes(dump_json(coco_document(truth)))
        files[1].write_text("\n".join(result_lines(found, truth.images)))
        command = [sys.executable, "-m", "maskrcnn_core", "evaluate", "--quiet"]
        return run_process([*command, "--ground-truth", str(files[0]), "--results", str(files[1])])


def _draw(images: int, detections: int) -> tuple[Dataset, Columns]:
    rng = np.random.default_rng(0)
    yy, xx = np.mgrid[:_HEIGHT, :_WIDTH]
    masks = []
    for _ in range(2 * _CATEGORIES):
        y, x, radius = rng.uniform(0, _HEIGHT), rng.uniform(0, _WIDTH), np.exp(rng.uniform(1.8, 5))
        masks.append(Rle.from_mask(np.hypot(yy - y, (xx - x) / 1.3) < radius))
    masks = [mask for mask in masks if mask.area]
    records = tuple(ImageRecord(n, f"{n}.png", _WIDTH, _HEIGHT) for n in range(1, images + 1))
    categories = tuple(Category(n, str(n)) for n in range(1, _CATEGORIES + 1))

    def one(record: ImageRecord, score: float | None) -> Instance:
        number = int(rng.integers(len(masks)))
        return Instance(record.id, number % _CATEGORIES + 1, masks[number], score)

    truth = tuple(one(record, None) for record in records for _ in range(8))
    found = [one(record, float(rng.random())) for record in records for _ in range(detections)]
    return Dataset(records, categories, truth), Columns.of(found)


def _compile(folder: Path) -> None:
    """Compiles what the first file costs once, which is no part of a comparison."""
    truth, found = _draw(1, 1)
    files = folder / "small_truth.json", folder / "small_results.json"
    files[0].write_bytes(dump_json(coco_document(truth)))
    files[1].write_text("\n".join(result_lines(found, truth.images)))
    _ours(*files)


def _timed(run: Callable[[], list[float]]) -> tuple[list[float], float]:
    start = time.process_time()
    return run(), time.process_time() - start


def _ours(truth: Path, results: Path) -> list[float]:
    dataset, _ = read_coco(truth.read_bytes())
    evaluation = evaluate(dataset, read_results_file(results, dataset).found)
    return [getattr(s, m.name) for s in (evaluation.box, evaluation.mask) for m in METRICS]


def _theirs(truth: Path, results: Path) -> list[float]:
    """Each file is read once, as by MaskDesk; both kinds are counted from what was read."""
    gt = COCO(str(truth))
    read = json.loads(results.read_text())
    numbers: list[float] = []
    for kind in ("bbox", "segm"):
        # With a box it takes the boxes' areas for the masks'; and it writes into the rows that it is given.
        rows = [{k: v for k, v in row.items() if kind == "bbox" or k != "bbox"} for row in read]
        evaluator = COCOeval(gt, gt.loadRes(rows), kind)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
        numbers += evaluator.stats.tolist()
    return numbers
