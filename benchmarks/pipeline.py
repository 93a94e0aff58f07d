"""Whole runs of `annotate`: how many images a second, and how many cores are busy meanwhile.

Each run is a process of its own over so many images and over more of them; the difference of both is what the
images take, without the start. "One by one" is what `annotate` did before it had a pipeline: as a module this
is that process.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Spent, run_process
from benchmarks.report import Claim, Report, megabytes, seconds
from benchmarks.scenes import shared_file, weights_variable
from maskrcnn_core.batch.finding import Finder
from maskrcnn_core.batch.resume_log import open_journal
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import CoreError
from maskrcnn_core.images.reading import encode_png, read_image
from maskrcnn_core.inference.engines.choosing import choose_engine
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.catalog import model_by_key
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.weights_files import weights_file
from maskrcnn_core.synthetic.samples import pixels_for
from maskrcnn_core.synthetic.scenes import draw_scene

__all__ = ["run_pipeline"]

_ONE_BY_ONE = "one by one, as before"
_COUNTS = (40, 160)
_QUICK_COUNTS = (2, 4)
_CASES = (("photos", "openvino"), ("mobile", "openvino"), ("shapes", "exact"))
_QUICK_CASES = (("shapes", "exact"),)
_BUSY = 0.95  # of each core
_FLAT = 1.10


@dataclass(frozen=True)
class _Ran:
    """What few images took and what more of them did."""

    few: Spent
    more: Spent
    images: int  # the difference of both

    @property
    def wall(self) -> float:
        return self.more.wall - self.few.wall

    @property
    def cpu(self) -> float:
        return self.more.cpu - self.few.cpu

    @property
    def busy(self) -> float:
        return self.cpu / max(self.wall, 1e-9)


def run_pipeline(quick: bool) -> Report:
    """Times whole runs one by one, in a pipeline, and in a worker for each core."""
    os.environ.update(weights_variable())  # this process and those it starts find `mobile`
    cores = len(os.sched_getaffinity(0))
    counts = _QUICK_COUNTS if quick else _COUNTS
    rows, claims, notes = list[tuple[str, ...]](), list[Claim](), list[str]()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        images = _images(Path(name), counts[-1], quick)
        for model, engine in _QUICK_CASES if quick else _CASES:
            if weights_file(model_by_key(model)) is None:
                notes.append(f"`{model}`: left out, as its weights are not on this machine.")
                continue
            place = Path(name) / model
            ran = {}
            for way in (_ONE_BY_ONE, "1", str(cores) if cores > 1 else "2"):
                _tell(f"{model}, {engine}: {way}")
                ran[way] = _ran(model, engine, way, images, counts, place)
            rows += [_row(model, engine, way, one) for way, one in ran.items()]
            claims += _claims(model, ran, place, cores, counts, quick)
    notes.append(
        f"Photos of COCO val2017, the difference of runs over {counts[1]} and over {counts[0]}. Cores busy: "
        f"processor time by time on the clock, of {cores}; other work on the machine lowers it. One by one "
        "the network has a thread for each core; else one in each process."
    )
    return Report(
        ("model, engine", "how", "images a second", "cores busy", "processors, an image", "largest process"),
        tuple(rows),
        tuple(claims),
        tuple(notes),
    )


def _tell(text: str) -> None:
    print(f"pipeline: {text} ...", file=sys.stderr, flush=True)


def _images(folder: Path, count: int, quick: bool) -> list[Path]:
    photos = None if quick else shared_file("data", "coco_val2017", "images")
    if photos is not None:
        return sorted(photos.iterdir())[:count]
    drawn = []
    for n in range(count):
        drawn.append(folder / f"scene {n}.png")
        drawn[-1].write_bytes(encode_png(draw_scene(n).pixels))
    return drawn


def _ran(model: str, engine: str, way: str, images: list[Path], counts: tuple[int, int], place: Path) -> _Ran:
    spent = []
    for count in counts:
        files = [str(file) for file in images[:count]]
        if way == _ONE_BY_ONE:
            job = {"model": model, "engine": engine, "files": files, "log": str(place / "log")}
            command = [sys.executable, "-m", "benchmarks.pipeline", json.dumps(job)]
        else:
            out = ["--out", str(place / way / f"{count}.json"), "--model", model, "--engine", engine]
            command = [
                sys.executable,
                "-m",
                "maskrcnn_core",
                "annotate",
                *files,
                *out,
                "--workers",
                way,
                "-q",
            ]
        spent.append(run_process(command))
    return _Ran(*spent, counts[1] - counts[0])


def _row(model: str, engine: str, way: str, ran: _Ran) -> tuple[str, ...]:
    return (
        f"`{model}`, {engine}",
        way if way == _ONE_BY_ONE else f"`--workers {way}`",
        f"{ran.images / max(ran.wall, 1e-9):.2f}",
        f"{ran.busy:.2f}",
        seconds(max(ran.cpu, 0.0) / ran.images),
        megabytes(ran.more.peak),
    )


def _claims(
    model: str, ran: dict[str, _Ran], place: Path, cores: int, counts: tuple[int, int], quick: bool
) -> list[Claim]:
    workers = [way for way in ran if way != _ONE_BY_ONE]
    files = [{(place / way / f"{count}.json").read_bytes() for way in workers} for count in counts]
    claims = [
        Claim(
            f"{model}: the files are the same bytes with any number of workers",
            all(len(same) == 1 for same in files),
            "equality",
        )
    ]
    if not quick:
        most = ran[workers[-1]]
        claims += [
            Claim(
                f"{model}: a worker for each of {cores} cores keeps {_BUSY * cores:.2g} of them busy",
                most.busy >= _BUSY * cores,
                "cost",
            ),
            Claim(f"{model}: memory stays", most.more.peak < _FLAT * most.few.peak, "cost"),
        ]
    return claims


# -- one by one, in a process of its own --------------------------------------------------------------


def _one_by_one(model: str, engine: str, files: list[str], log: str) -> None:
    """Decode, run, paste, log: each image after the one before, as `annotate` did."""
    loaded = get_model(model)
    made = choose_engine(loaded, "cpu", engine, images=lambda: pixels_for(loaded.domains), count=len(files))
    predictor = Predictor(loaded, "cpu", engine=made)
    finder = Finder(
        predictor, Thresholds(loaded.score_threshold, loaded.nms_threshold, loaded.max_detections)
    )
    with open_journal(Path(log), {}, resume=False) as (journal, _):
        for n, file in enumerate(files, 1):
            source = read_image(file)
            (looked,) = finder.look([source])
            if isinstance(looked, CoreError):
                raise looked
            found = finder.finish(source, looked, n)
            journal.add_finished(file, source.digest, source.size, found.instances)
        journal.remove()


if __name__ == "__main__":
    _one_by_one(**json.loads(sys.argv[1]))
