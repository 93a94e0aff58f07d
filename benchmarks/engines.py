"""Each engine beside the exact one and stock: whole images, from pixels to run lengths, in one process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.report import NOT_MEASURED, Claim, Report, seconds, times
from benchmarks.scenes import mobile, photo, random_resnet50
from benchmarks.stock import find_with_stock
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.inference.engines.choosing import measure_equality
from maskrcnn_core.inference.engines.spec import Engine, EngineSpec
from maskrcnn_core.inference.engines.table import ENGINES, EXACT
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.synthetic.samples import pixels_for

__all__ = ["run_engines"]

Pixels = npt.NDArray[np.uint8]

_THRESHOLDS = Thresholds(SCORE_FLOOR)  # torchvision's defaults: score 0.05, NMS 0.5, 100 detections
_CASES: tuple[tuple[str, Callable[[], LoadedModel | None], tuple[float, ...]], ...] = (
    ("ResNet-50-FPN, random weights", random_resnet50, (2, 12)),
    ("mobile", mobile, (2,)),
)
_ROUNDS = 3


def run_engines(quick: bool) -> Report:
    """Makes each engine that runs on the CPU, and times all of them and stock in turns."""
    rows, claims, notes = [], [], [_WHAT]
    cases = [(name, make(), sizes) for name, make, sizes in _CASES if not quick]
    if quick:
        cases = [("small ResNet-50-FPN, random weights", random_resnet50(96, 144), (0.03,))]
    for name, model, sizes in cases:
        if model is None:
            notes.append(f"The model `{name}` is left out: its weights are not on this machine.")
            continue
        engines = _engines(model, notes, pixels_for(model.domains, 1 if quick else 3))
        for megapixels in sizes:
            image, what = photo(megapixels)
            taken = _least_seconds(model, engines, image, 1 if quick else _ROUNDS)
            for key, spent in taken.items():
                told = next((e.equality.text for e in engines if e.spec.key == key and e.equality), "")
                rows.append(
                    (
                        f"{name}, {megapixels:g} MP ({what})",
                        key,
                        seconds(spent),
                        times(taken["stock"], spent),
                        times(taken["exact"], spent),
                        told or NOT_MEASURED,
                    )
                )
            if not quick and model.key != "mobile" and megapixels == _CLAIMED:
                claims += [
                    Claim(f"{name}, 2 MP: {key} at least {wanted} times as fast as stock", held, "cost")
                    for key, wanted in _WANTED.items()
                    if key in taken
                    for held in (taken["stock"] >= wanted * taken[key],)
                ]
    columns = ("model, image", "engine", "least of the rounds", "ratio to stock", "to exact", "beside exact")
    return Report(columns, tuple(rows), tuple(claims), tuple(notes))


_CLAIMED = 2
_WANTED = {"openvino": 1.8, "int8": 4.0}

_WHAT = (
    "Stock: the model's forward, `masks > 0.5`, `pycocotools` encode, area and box of each. The engines: "
    "MaskDesk's way to the same. The ways take turns, and the least time of each counts, as other work "
    "on the machine only adds to it. Of random weights what is found means nothing, only what it costs."
)


def _engines(model: LoadedModel, notes: list[str], images: list[Pixels]) -> list[Engine]:
    made = [Engine(EXACT)]
    for spec in ENGINES[1:]:
        if lack := spec.lack("cpu"):
            notes.append(f"`{spec.key}` is left out: {lack}.")
        elif (engine := _engine(spec, model, notes, images)) is not None:
            made.append(engine)
    return made


def _engine(spec: EngineSpec, model: LoadedModel, notes: list[str], images: list[Pixels]) -> Engine | None:
    """Whether its bound holds or not: what a job would refuse is measured here all the same."""
    try:
        engine = Engine(spec, spec.build(model, images, "cpu", lambda _: None))
        equality = measure_equality(model, "cpu", engine, images)
    except InferenceError as error:
        notes.append(f"`{spec.key}` cannot run {model.key}: {error}.")
        return None
    return Engine(spec, engine.network, equality)


def _least_seconds(model: LoadedModel, engines: list[Engine], image: Pixels, rounds: int) -> dict[str, float]:
    ways: dict[str, Callable[[], object]] = {
        "stock": lambda: find_with_stock(model.network, image, _THRESHOLDS)
    }
    for engine in engines:
        predictor = Predictor(model, "cpu", engine=engine)
        ways[engine.spec.key] = lambda predictor=predictor: _found(predictor, image)
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds + 1):  # the first is slow: shapes are new to the libraries
        for name, way in ways.items():
            gc.collect()
            start = time.perf_counter()
            way()
            least[name] = min(least[name], time.perf_counter() - start)
    return least


def _found(predictor: Predictor, image: Pixels) -> list[tuple[str, int, tuple[int, ...]]]:
    (detections,) = predictor.predict([image], _THRESHOLDS)
    masks = detections.masks(_THRESHOLDS.mask_threshold)
    return [(mask.counts, mask.area, mask.box_xywh) for mask in masks]
