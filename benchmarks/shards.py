"""Very many images in shards, and their merge: memory that stays, and time that grows with the images alone.

The network is simulated: it takes its time and returns drawn instances, so that all else is measured. Run as
a module this is one measured process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import measure_apart
from benchmarks.report import Claim, Report, megabytes, seconds
from maskrcnn_core.batch.finding import Finding
from maskrcnn_core.batch.running import Here
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import SourceImage, encode_jpeg
from maskrcnn_core.shards.entries import Reader
from maskrcnn_core.shards.facts import RunFacts, facts_of, keep_facts
from maskrcnn_core.shards.merge import Merger
from maskrcnn_core.shards.plan import make_plan, read_plan
from maskrcnn_core.shards.run import run_shards
from maskrcnn_core.shards.shard_files import ShardImage, ShardWriter
from maskrcnn_core.shards.sources import Sources
from maskrcnn_core.shards.stores import Folder

__all__ = ["run_shards_benchmark"]

_HEIGHT, _WIDTH = 480, 640
_DIFFERENT = 100  # images, each of which has many names
_PER_IMAGE = 3
_NETWORK = 0.005  # seconds
_CATEGORIES = tuple(Category(n, f"category {n}") for n in range(1, 81))
_SETTINGS = {"model": "simulated", "weights (SHA-256)": "0" * 64}
_MILLION = 1_000_000
_MOST = 1e9
_FLAT = 1.10  # times the peak at a fifth of the images


class _Simulated:
    """A network that takes its time, and finds instances that were drawn before."""

    def __init__(self, per_image: float) -> None:
        self._per_image, self._masks = per_image, _masks()
        self._random = np.random.default_rng(0)
        self.spent = 0.0

    def bucket(self, size: tuple[int, int]) -> tuple[int, int]:
        return size

    def look(self, images: Sequence[SourceImage]) -> list[float]:
        started = time.perf_counter()
        time.sleep(self._per_image * len(images))
        self.spent += time.perf_counter() - started
        return [self._per_image] * len(images)

    def finish(self, _source: SourceImage, _looked: float, image_id: int) -> Finding:
        return Finding(_instances(image_id, self._masks, self._random))


def run_shards_benchmark(quick: bool = False) -> Report:
    """Run many images and merge them; then merge a million, each in a process of its own."""
    counts = (200, 500, 1_000) if quick else (10_000, 25_000, 50_000)
    many, size = (2_000, 100) if quick else (_MILLION, 1_000)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        listed = _write_images(folder / "in", counts[-1])
        here, there = str(folder / "s"), str(folder / "big")
        given = {"folder": here, "source": str(listed), "counts": counts, "shard_size": size}
        measured = measure_apart("benchmarks.shards", what="run", **given)
        joined = measure_apart("benchmarks.shards", what="merge", folder=here, out=str(folder / "a.json"))
        again = measure_apart("benchmarks.shards", what="resume", folder=here)
        measure_apart("benchmarks.shards", what="write", folder=there, images=many, shard_size=size)
        merged = measure_apart("benchmarks.shards", what="merge", folder=there, out=str(folder / "b.json"))
    rows = [
        (f"annotate {at['images']:,} images, the network's {_NETWORK * 1e3:g} ms each left out", *_cells(at))
        for at in measured
    ]
    rows.append((f"go over {counts[-1]:,} that are done (`--resume`)", *_cells(again)))
    rows += [(f"merge {at['images']:,} images, read back", *_cells(at)) for at in (joined, merged)]
    first, last = measured[0], measured[-1]
    slope = (last["seconds"] - first["seconds"]) / (last["images"] - first["images"])
    growth = (last["peak"] - first["peak"]) / (last["images"] - first["images"])
    return Report(
        ("what", "seconds", "an image", "peak memory"),
        tuple(rows),
        (
            Claim("every image is in both merged files, and every mask came back", True, "equality"),
            *([] if quick else _costs(first, slope, last, merged)),
        ),
        (
            f"{_WIDTH} x {_HEIGHT} JPEGs named in a list, {_PER_IMAGE} instances each; decoding runs "
            f"beside the network; processors worked {last['cpu'] / last['images'] * 1e3:.1f} ms an image.",
            f"The line drawn on to 1,000,000 images: {slope * _MILLION / 3600:.1f} h beside the network, "
            f"{megabytes(last['peak'] + growth * (_MILLION - last['images']))} at the peak.",
            f"The merged file of {many:,} images has {megabytes(merged['bytes'])}.",
        ),
    )


def _costs(first: dict[str, Any], slope: float, last: dict[str, Any], merged: dict[str, Any]) -> list[Claim]:
    linear = slope / (first["seconds"] / first["images"])
    return [
        Claim("everything but the network takes less than 5 ms an image", slope < 5e-3, "cost"),
        Claim("memory stays", last["peak"] < _FLAT * first["peak"], "cost"),
        Claim("time is linear", 0.8 < linear < 1.25, "cost"),
        Claim(
            f"the merge of {merged['images']:,} images takes less than 1 GB", merged["peak"] < _MOST, "cost"
        ),
    ]


def _cells(at: dict[str, Any]) -> Sequence[str]:
    return seconds(at["seconds"]), seconds(at["seconds"] / at["images"]), megabytes(at["peak"])


def _write_images(folder: Path, count: int) -> Path:
    """Write a few images under many names, and a list of all names."""
    folder.mkdir()
    random = np.random.default_rng(1)
    for n in range(min(_DIFFERENT, count)):
        small = random.integers(0, 256, (_HEIGHT // 8, _WIDTH // 8, 3), np.uint8)
        (folder / f"photo {n}.jpg").write_bytes(encode_jpeg(small.repeat(8, axis=0).repeat(8, axis=1)))
    for n in range(_DIFFERENT, count):
        os.link(folder / f"photo {n % _DIFFERENT}.jpg", folder / f"photo {n}.jpg")
    listed = folder / "list.txt"
    listed.write_text("".join(f"photo {n}.jpg\n" for n in range(count)))
    return listed


def _masks() -> list[Rle]:
    random = np.random.default_rng(2)
    yy, xx = np.ogrid[:_HEIGHT, :_WIDTH]
    masks = []
    for _ in range(64):
        y, x = random.uniform(40, _HEIGHT - 40), random.uniform(40, _WIDTH - 40)
        ry, rx = random.uniform(5, 30, 2)
        masks.append(Rle.from_mask(((yy - y) / ry) ** 2 + ((xx - x) / rx) ** 2 < 1))
    return masks


def _instances(image_id: int, masks: Sequence[Rle], random: np.random.Generator) -> tuple[Instance, ...]:
    found = []
    for n, place in enumerate(random.integers(0, len(masks), _PER_IMAGE)):
        mask = masks[place]
        x, y, width, height = mask.box_xywh
        box = (x + 0.1, y + 0.1, float(x + width), float(y + height))
        found.append(Instance(image_id, int(place) % 80 + 1, mask, 0.99 - n / 10, box))
    return tuple(found)


# -- in a process of its own --------------------------------------------------------------------------


def _peak() -> int:
    """Bytes at this process's own peak: what the system counts for it begins with that of who started it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def _run(folder: str, shard_size: int, source: str, counts: Sequence[int]) -> list[dict[str, float]]:
    place, measured, done = Folder(folder), [], 0
    keep_facts(place, RunFacts(_SETTINGS, _CATEGORIES, "drawn"))
    started, busy = time.perf_counter(), time.process_time()
    plan = make_plan(Sources([source]).entries(), place, {"named": [source]}, shard_size)
    finder = _Simulated(_NETWORK)

    def on_image(count: int, _image: ShardImage | None) -> None:
        nonlocal done
        done += count
        if done in counts:
            spent = time.perf_counter() - started - finder.spent
            cpu = time.process_time() - busy
            measured.append({"images": done, "seconds": spent, "cpu": cpu, "peak": _peak()})

    report = run_shards(plan, Here(finder, Reader().bytes_of), _SETTINGS, on_image=on_image)
    if report.succeeded != counts[-1]:
        raise RuntimeError(f"expected {counts[-1]} images, got {report.succeeded}: {report.failed[:3]}")
    return measured


def _resume(folder: str) -> dict[str, float]:
    started = time.perf_counter()
    plan = read_plan(Folder(folder))
    assert plan is not None
    report = run_shards(plan, Here(_Simulated(_NETWORK), Reader().bytes_of), _SETTINGS)
    if report.reused != plan.images:
        raise RuntimeError(f"expected {plan.images} images that are done, got {report.reused}")
    return {"images": plan.images, "seconds": time.perf_counter() - started, "peak": _peak()}


def _write(folder: str, shard_size: int, images: int) -> dict[str, float]:
    """Write shards of images that are nowhere, as a run would have."""
    place, masks, random = Folder(folder), _masks(), np.random.default_rng(3)
    names = Path(folder) / "names.txt"
    names.parent.mkdir(parents=True)
    with names.open("w") as out:
        out.writelines(f"shoot {n // 1000}/photo {n}.jpg\n" for n in range(images))
    keep_facts(place, RunFacts(_SETTINGS, _CATEGORIES, "drawn"))
    plan = make_plan(Sources([str(names)]).entries(), place, {"named": [str(names)]}, shard_size)
    for number in range(len(plan)):
        shard = plan.shard(number)
        writer = ShardWriter(place, shard, _SETTINGS)
        for id_, entry in shard.images:
            record = ImageRecord(id_, entry.file_name, _WIDTH, _HEIGHT, f"{id_:064x}")
            found = tuple(replace(one, image_id=id_) for one in _instances(id_, masks, random))
            writer.add(ShardImage(id_, entry.file_name, record, found))
        writer.write()
    return {"images": images}


def _merge(folder: str, out: str) -> dict[str, float]:
    started = time.perf_counter()
    place = Folder(folder)
    plan, facts = read_plan(place), facts_of(place)
    assert plan is not None and facts is not None
    merged = Merger(plan, facts.categories, facts.description).write(Path(out))
    if merged.images != plan.images or merged.instances != plan.images * _PER_IMAGE or merged.least_iou < 1:
        raise RuntimeError(f"expected {plan.images} images with {_PER_IMAGE} instances each, got {merged}")
    return {
        "images": merged.images,
        "seconds": time.perf_counter() - started,
        "peak": _peak(),
        "bytes": Path(out).stat().st_size,
    }


if __name__ == "__main__":
    _job = json.loads(sys.argv[1])
    _jobs = {"run": _run, "resume": _resume, "write": _write, "merge": _merge}
    print(json.dumps(_jobs[_job.pop("what")](**_job)))
