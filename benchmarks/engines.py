"""Each engine beside stock: whole images, from pixels to run lengths, each way in a process of its own."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.memory import has_memory_for
from benchmarks.processes import Turns
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
_ROUNDS = 3


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
_QUICK = {"shapes": _Case(lambda: get_model("shapes"), (0.03,))}

_WANTED = {
    ("openvino", 2): 1.8,
    ("openvino", _LARGE): 4.0,
    ("openvino-bf16", 2): 4.0,
    ("openvino-bf16", _LARGE): 8.0,
}
"""Times as fast as stock, by engine and megapixels, of a ResNet-50."""

_WHAT = (
    "Stock: the model's forward, `masks > 0.5`, `pycocotools` encode, area and box of each. The engines: "
    "MaskDesk's way to the same. Each way runs in a process of its own; they take turns, and the least "
    "time of three counts, as other work on the machine only adds to it. Of random weights what is found "
    "means nothing, only what it costs."
)


def run_engines(quick: bool) -> Report:
    """Times stock and each engine that runs on the CPU, and compares what trained models find."""
    rows, claims = list[tuple[str, ...]](), list[Claim]()
    notes = [_WHAT, *(f"`{spec.key}` is left out: {lack}." for spec in ENGINES if (lack := spec.lack("cpu")))]
    for name, case in (_QUICK if quick else _CASES).items():
        found = _ways(name, len(case.megapixels), quick)
        for index, megapixels in enumerate(case.megapixels):
            taken = {way: one["seconds"][index] for way, one in found.items() if not one["failure"]}
            image = f"{name}, {megapixels:g} MP ({photo(megapixels)[1]})"
            rows += [_row(image, way, taken, str(found[way]["equality"])) for way in taken]
            if name == _RESNET50:
                claims += _cost_claims(name, megapixels, taken)
        notes += [
            f"{name}, `{way}`: left out, {one['failure']}." for way, one in found.items() if one["failure"]
        ]
        claims += [
            Claim(f"{name}: {way} finds what exact finds", not one["shortfall"], "equality")
            for way, one in found.items()
            if one["equality"]
        ]
    columns = ("model, image", "engine", "least of the rounds", "ratio to stock", "to exact", "beside exact")
    return Report(columns, tuple(rows), tuple(claims), tuple(notes))


def _ways(name: str, sizes: int, quick: bool) -> dict[str, dict[str, Any]]:
    """Return what each way found, by its name: all of them wait in processes, and take turns."""
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder, contextlib.ExitStack() as stack:
        environment = {"XDG_CACHE_HOME": folder}  # what is made of random weights is nobody's to keep
        turns = {}
        for way in (_STOCK, *(spec.key for spec in ENGINES if not spec.lack("cpu"))):
            _tell(f"{name}, {way}: getting ready")
            turns[way] = Turns("benchmarks.engines", environment, name=name, way=way, quick=quick)
            stack.callback(turns[way].close)
            found[way] = {**turns[way].ready, "seconds": [float("inf")] * sizes}
        for size, rounds in itertools.product(range(sizes), range(_ROUNDS)):
            for way, one in found.items():
                if not one["failure"]:
                    _tell(f"{name}, {way}: image {size + 1} of {sizes}, round {rounds + 1} of {_ROUNDS}")
                    one["seconds"][size] = min(one["seconds"][size], turns[way].take(size))
    return found


def _tell(text: str) -> None:
    print(f"engines: {text} ...", file=sys.stderr, flush=True)


def _row(image: str, way: str, taken: dict[str, float], equality: str) -> tuple[str, ...]:
    spent = taken[way]
    if math.isinf(spent):
        return image, way, *[NOT_MEASURED] * 4
    beside = (taken[_STOCK], taken[EXACT.key])
    ratios = (NOT_MEASURED if math.isinf(one) else times(one, spent) for one in beside)
    return image, way, seconds(spent), *ratios, equality or NOT_MEASURED


def _cost_claims(name: str, megapixels: float, taken: dict[str, float]) -> list[Claim]:
    return [
        Claim(
            f"{name}, {megapixels:g} MP: {way} at least {wanted:g} times as fast as stock",
            wanted * taken[way] <= taken[_STOCK] < math.inf,
            "cost",
        )
        for (way, size), wanted in _WANTED.items()
        if size == megapixels and way in taken
    ]


# -- in a process of its own ------------------------------------------------------------------------


def _serve(name: str, way: str, quick: bool) -> None:
    """Make one way ready, and answer each number of an image with the seconds that it took."""
    case = (_QUICK if quick else _CASES)[name]
    model = case.make()
    if model is None:
        _answer(_ready(failure="as its weights are not on this machine"))
        return
    images = [photo(megapixels)[0] for megapixels in case.megapixels]
    engine, ready = _engine(model, way, is_compared=case.is_trained)
    _answer(ready)
    predictor = Predictor(model, "cpu", engine=engine)
    for line in sys.stdin:
        _answer(_seconds(way, predictor, images[json.loads(line)]))


def _answer(value: object) -> None:
    print(json.dumps(value), flush=True)


def _engine(model: LoadedModel, way: str, *, is_compared: bool) -> tuple[Engine, dict[str, str]]:
    """Return the engine, and how it compares with the exact one: its equality, shortfall and failure."""
    if way in (_STOCK, EXACT.key):
        return Engine(EXACT), _ready()
    spec = engine_by_key(way)
    samples = pixels_for(model.domains, 1)
    try:
        engine = Engine(spec, spec.build(model, samples, "cpu", lambda _: None))
        if not is_compared or spec.bound is None:
            return engine, _ready()
        equality = measure_equality(model, "cpu", engine, samples)
    except InferenceError as error:
        return Engine(EXACT), _ready(failure=f"as it fails: {error}")
    return engine, _ready(equality.text, equality.shortfall(spec.bound))


def _ready(equality: str = "", shortfall: str = "", failure: str = "") -> dict[str, str]:
    return {"equality": equality, "shortfall": shortfall, "failure": failure}


def _seconds(way: str, predictor: Predictor, image: Pixels) -> float:
    """Return what one call takes; infinity where stock has not the memory."""
    size = image.shape[0], image.shape[1]
    if way == _STOCK and not has_memory_for(paste_bytes(_THRESHOLDS.max_detections, size)):
        return math.inf
    gc.collect()
    start = time.perf_counter()
    if way == _STOCK:
        find_with_stock(predictor.model.network, image, _THRESHOLDS)
    else:
        _detect(predictor, image)
    return time.perf_counter() - start


def _detect(predictor: Predictor, image: Pixels) -> list[tuple[str, int, tuple[int, ...]]]:
    (detections,) = predictor.predict([image], _THRESHOLDS)
    masks = detections.masks(_THRESHOLDS.mask_threshold)
    return [(mask.counts, mask.area, mask.box_xywh) for mask in masks]


if __name__ == "__main__":
    _serve(**json.loads(sys.argv[1]))
