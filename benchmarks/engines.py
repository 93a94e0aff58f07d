"""Each engine beside stock: whole images, from pixels to run lengths, each way in a process of its own."""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.memory import has_memory_for
from benchmarks.processes import measure_apart
from benchmarks.report import NOT_MEASURED, Claim, Report, seconds, times
from benchmarks.scenes import mobile, photo, random_resnet50
from benchmarks.stock import find_with_stock, paste_bytes
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.inference.engines.choosing import measure_equality
from maskrcnn_core.inference.engines.spec import Engine
from maskrcnn_core.inference.engines.table import ENGINES, EXACT, engine_by_key
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.synthetic.samples import pixels_for

__all__ = ["run_engines"]

Pixels = npt.NDArray[np.uint8]

_STOCK = "stock"
_THRESHOLDS = Thresholds(SCORE_FLOOR)  # torchvision's defaults: score 0.05, NMS 0.5, 100 detections
_LARGE = 12


@dataclass(frozen=True)
class _Case:
    """A model and the sizes of photos that it is timed on.

    Args:
        make: gives the model, or nothing where its weights are absent.
        megapixels: of each photo.
        is_trained: whether what it finds can be compared; of random weights it means nothing.
    """

    make: Callable[[], LoadedModel | None]
    megapixels: tuple[float, ...]
    is_trained: bool = True


_RESNET50 = "ResNet-50-FPN, random weights"
_CASES = {
    _RESNET50: _Case(random_resnet50, (2, _LARGE), is_trained=False),
    "mobile": _Case(mobile, (2,)),
    "photos": _Case(lambda: get_model("photos"), (2,)),
}
_QUICK = {"starter": _Case(lambda: get_model("starter"), (0.03,))}

_CLAIMED = 2
_WANTED = {"openvino": 1.8}

_WHAT = (
    "Stock: the model's forward, `masks > 0.5`, `pycocotools` encode, area and box of each. The engines: "
    "MaskDesk's way to the same. Each way runs in a process of its own, one after the other, and the least "
    "time counts, as other work on the machine only adds to it. Of random weights what is found means "
    "nothing, only what it costs."
)


def run_engines(quick: bool) -> Report:
    """Times stock and each engine that runs on the CPU, and compares what trained models find."""
    rows, claims = list[tuple[str, ...]](), list[Claim]()
    notes = [_WHAT, *(f"`{spec.key}` is left out: {lack}." for spec in ENGINES if (lack := spec.lack("cpu")))]
    for name, case in (_QUICK if quick else _CASES).items():
        if case.make() is None:
            notes.append(f"The model `{name}` is left out: its weights are not on this machine.")
            continue
        found = _ways(name, quick)
        for index, megapixels in enumerate(case.megapixels):
            taken = {way: one["seconds"][index] for way, one in found.items() if one["seconds"]}
            image = f"{name}, {megapixels:g} MP ({photo(megapixels)[1]})"
            rows += [_row(image, way, taken, str(found[way]["equality"])) for way in taken]
            if name == _RESNET50 and megapixels == _CLAIMED:
                claims += _cost_claims(name, taken)
        notes += [
            f"`{way}` cannot run {name}: {one['failure']}." for way, one in found.items() if one["failure"]
        ]
        claims += [
            Claim(f"{name}: {way} finds what exact finds", not one["shortfall"], "equality")
            for way, one in found.items()
            if one["equality"]
        ]
    columns = ("model, image", "engine", "least of the rounds", "ratio to stock", "to exact", "beside exact")
    return Report(columns, tuple(rows), tuple(claims), tuple(notes))


def _ways(name: str, quick: bool) -> dict[str, dict[str, Any]]:
    """Return what each way found, by its name."""
    found = {}
    keys = [spec.key for spec in ENGINES if not spec.lack("cpu")]
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        for way in (_STOCK, *keys):
            print(f"engines: {name}, {way} ...", file=sys.stderr, flush=True)
            environment = {"XDG_CACHE_HOME": folder}  # what is made of random weights is nobody's to keep
            found[way] = measure_apart("benchmarks.engines", environment, name=name, way=way, quick=quick)
    return found


def _row(image: str, way: str, taken: dict[str, float], equality: str) -> tuple[str, ...]:
    spent = taken[way]
    ratios = (
        times(taken[one], spent) if taken.get(one) and spent else NOT_MEASURED for one in (_STOCK, EXACT.key)
    )
    return image, way, seconds(spent) if spent else NOT_MEASURED, *ratios, equality or NOT_MEASURED


def _cost_claims(name: str, taken: dict[str, float]) -> list[Claim]:
    return [
        Claim(
            f"{name}, {_CLAIMED} MP: {way} at least {wanted} times as fast as stock",
            taken[_STOCK] >= wanted * taken[way],
            "cost",
        )
        for way, wanted in _WANTED.items()
        if way in taken
    ]


# -- in a process of its own ------------------------------------------------------------------------


def _measure(name: str, way: str, quick: bool) -> dict[str, Any]:
    """Return one way's least seconds for each size, and how it compares with the exact one.

    Seconds are ``None`` where memory does not suffice.
    """
    case = (_QUICK if quick else _CASES)[name]
    model = case.make()
    assert model is not None  # whoever asked has looked
    images = [photo(megapixels)[0] for megapixels in case.megapixels]
    if way == _STOCK:
        return _found([_stock_seconds(model, image) for image in images])
    engine = Engine(EXACT)
    equality = None
    if way != EXACT.key:
        spec = engine_by_key(way)
        samples = pixels_for(model.domains, 1)
        try:
            engine = Engine(spec, spec.build(model, samples, "cpu", lambda _: None))
            equality = measure_equality(model, "cpu", engine, samples) if case.is_trained else None
        except InferenceError as error:
            return _found([], failure=str(error))
    predictor = Predictor(model, "cpu", engine=engine)
    taken = [_least_seconds(lambda image=image: _detect(predictor, image), image) for image in images]  # type: ignore[misc]
    if equality is None or engine.spec.bound is None:
        return _found(taken)
    return _found(taken, equality.text, equality.shortfall(engine.spec.bound))


def _found(
    taken: Sequence[float | None], equality: str = "", shortfall: str = "", failure: str = ""
) -> dict[str, Any]:
    return {"seconds": taken, "equality": equality, "shortfall": shortfall, "failure": failure}


def _stock_seconds(model: LoadedModel, image: Pixels) -> float | None:
    if not has_memory_for(paste_bytes(_THRESHOLDS.max_detections, (image.shape[0], image.shape[1]))):
        return None
    return _least_seconds(lambda: find_with_stock(model.network, image, _THRESHOLDS), image)


def _least_seconds(call: Callable[[], object], image: Pixels) -> float:
    """Return the least of a few calls: the first is slow, as shapes are new to the libraries."""
    least = float("inf")
    for _ in range(2 if image.size > 20e6 or image.size < 1e6 else 4):
        gc.collect()
        start = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - start)
    return least


def _detect(predictor: Predictor, image: Pixels) -> list[tuple[str, int, tuple[int, ...]]]:
    (detections,) = predictor.predict([image], _THRESHOLDS)
    masks = detections.masks(_THRESHOLDS.mask_threshold)
    return [(mask.counts, mask.area, mask.box_xywh) for mask in masks]


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
