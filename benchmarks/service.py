"""`maskdesk serve` under load: fifty clients at once, and what a batch of images would bring.

The server is a process of its own, started as people start it; the clients share its cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import httpx
import numpy as np

from benchmarks.browser import ROOT
from benchmarks.report import NOT_MEASURED, Claim, Report, seconds
from benchmarks.scenes import shared_file
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import Detections, Thresholds
from maskrcnn_core.formats.coco import annotation_row
from maskrcnn_core.images.reading import decode_image, encode_jpeg
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.catalog import ready_models
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.scenes import draw_scene

__all__ = ["run_service"]

_WEIGHTS = shared_file("weights")
_CLIENTS, _EACH, _PHOTOS = 50, 2, 50
_PATIENCE = 300.0  # seconds
_BATCHES = (1, 2, 4, 8)
_SHARE = 0.6  # of what the network does by itself: the clients are on the same cores
_GAIN = 1.2  # times as fast, from which a batch would be worth its wait


@dataclass(frozen=True)
class _Load:
    """What clients had to wait for: seconds of each answer, and of all together."""

    waits: tuple[float, ...]
    whole: float
    errors: int
    unequal: int

    def row(self, name: str) -> tuple[str, ...]:
        p95 = float(np.percentile(self.waits, 95))
        rate = f"{len(self.waits) / self.whole:.2f}"
        return (name, rate, seconds(statistics.median(self.waits)), seconds(p95), str(self.errors))


def run_service(quick: bool) -> Report:
    """See the module."""
    # The process that is started here takes the same model.
    with patch.dict(os.environ, {"MASKDESK_WEIGHTS": str(_WEIGHTS)} if _WEIGHTS else {}):
        return _report(quick)


def _report(quick: bool) -> Report:
    ready = [spec.key for spec in ready_models()]
    key = "shapes" if quick else "mobile" if "mobile" in ready else "photos"
    photos = _photos(quick)
    predictor = Predictor(get_model(key), "cpu")
    expected = [_rows(predictor, photo) for photo in photos]  # also the first, which takes long
    began = time.perf_counter()
    for photo in photos:
        _rows(predictor, photo)
    alone = (time.perf_counter() - began) / len(photos)
    batches = _batches(predictor, photos, quick)
    clients, each = (5, 1) if quick else (_CLIENTS, _EACH)
    with _server(key) as address:
        one = asyncio.run(_load(address, photos, expected, 1, len(photos)))
        many = asyncio.run(_load(address, photos, expected, clients, each))
    rate = len(many.waits) / many.whole
    rows = (
        (
            "the network alone, in this process",
            f"{1 / alone:.2f}",
            NOT_MEASURED,
            NOT_MEASURED,
            NOT_MEASURED,
        ),
        one.row(f"one client, {len(one.waits)} requests"),
        many.row(f"{clients} clients, {each} requests each"),
        *batches,
    )
    claims = [
        Claim("no request failed", one.errors + many.errors == 0, "equality"),
        Claim("each answer has the rows of the library", one.unequal + many.unequal == 0, "equality"),
    ]
    if not quick:
        best = max(float(row[1]) for row in batches)
        claims += [
            Claim(
                f"all together get {_SHARE:.0%} of what the network does alone",
                rate * alone >= _SHARE,
                "cost",
            ),
            Claim(
                f"no batch is {_GAIN:g} times as fast as one image after the other",
                best < _GAIN * float(batches[0][1]),
                "cost",
            ),
        ]
    kind = "drawings" if quick else "photos"
    notes = (
        f"Model `{key}` on the CPU; {len(photos)} {kind}, an image a request. Clients ask again as soon as "
        "they have their answer, so each waits for all the others.",
        "Batches: images of one size that go through the network together, in this process; p50 is the time "
        "until a batch is done, the last column how many images have other detections than one by one.",
    )
    return Report(("", "images a second", "p50", "p95", "errors"), rows, tuple(claims), notes)


def _photos(quick: bool) -> list[bytes]:
    folder = shared_file("data", "coco_val2017", "images")
    if folder is None or quick:
        return [encode_jpeg(draw_scene(seed).pixels) for seed in range(3 if quick else _PHOTOS)]
    return [file.read_bytes() for file in sorted(folder.iterdir())[:_PHOTOS]]


def _rows(predictor: Predictor, photo: bytes) -> list[object]:
    """What the library says of a photo, as JSON."""
    model = predictor.model
    thresholds = Thresholds(model.score_threshold, model.nms_threshold, model.max_detections)
    (detections,) = predictor.predict([decode_image(photo, "photo").pixels], thresholds)
    found = Instance.from_detections(detections, model.label_map, 1, thresholds.mask_threshold)
    rows: list[object] = json.loads(json.dumps([annotation_row(n, i, 0) for n, i in enumerate(found, 1)]))
    return rows


def _batches(predictor: Predictor, photos: Sequence[bytes], quick: bool) -> list[tuple[str, ...]]:
    """Rows of several sizes of batches."""
    by_size: dict[tuple[int, ...], list[np.ndarray]] = {}
    for photo in photos:
        pixels = decode_image(photo, "photo").pixels
        by_size.setdefault(pixels.shape, []).append(pixels)
    images = max(by_size.values(), key=len)[:2] if quick else max(by_size.values(), key=len)[:8]
    sizes = [size for size in _BATCHES if size <= len(images)]
    ways = {size: Predictor(predictor.model, "cpu", batch_size=size) for size in sizes}
    took: dict[int, list[float]] = {size: [] for size in sizes}
    found: dict[int, list[Detections]] = {}
    for _ in range(1 if quick else 5):
        for size, way in ways.items():
            began = time.perf_counter()
            found[size] = way.predict(images)
            took[size].append((time.perf_counter() - began) / len(images))
    rows = []
    for size in sizes:
        each = min(took[size])
        other = sum(not _same(a, b) for a, b in zip(found[size], found[sizes[0]], strict=True))
        rows.append(
            (f"batches of {size}", f"{1 / each:.2f}", seconds(each * size), NOT_MEASURED, f"{other} differ")
        )
    return rows


def _same(a: Detections, b: Detections) -> bool:
    parts = ("boxes", "labels", "scores", "mask_probs")
    return all(np.array_equal(getattr(a, part), getattr(b, part)) for part in parts)


@contextmanager
def _server(key: str) -> Iterator[str]:
    """A server that has loaded its model, and its address."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = [sys.executable, "-m", "maskrcnn_core", "serve", "--model", key, "--device", "cpu"]
    environment = {**os.environ, "MASKDESK_TOKEN": ""}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(process, address)
            yield address
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start: exit code {process.poll()}")


async def _load(
    address: str, photos: Sequence[bytes], expected: Sequence[list[object]], clients: int, each: int
) -> _Load:
    """Clients, each of whom asks again and again."""
    waits: list[float] = []
    errors, unequal = [], []

    async def client(number: int) -> None:
        async with httpx.AsyncClient(base_url=address, timeout=_PATIENCE) as one:
            for turn in range(each):
                which = (number * each + turn) % len(photos)
                began = time.perf_counter()
                try:
                    answer = await one.post("/v1/annotate", files={"images": ("a.jpg", photos[which])})
                except httpx.HTTPError as error:
                    errors.append(repr(error))
                    continue
                finally:
                    waits.append(time.perf_counter() - began)
                if answer.status_code != 200:
                    errors.append(answer.text)
                elif answer.json()["result"]["annotations"] != expected[which]:
                    unequal.append(which)

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return _Load(tuple(waits), time.perf_counter() - began, len(errors), len(unequal))
