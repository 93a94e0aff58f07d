"""A whole image, from decoded pixels to run lengths, areas and boxes: ours beside the stock loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.memory import has_memory_for, peak_extra_bytes
from benchmarks.report import NOT_MEASURED, Claim, Report, megabytes, seconds, times
from benchmarks.scenes import mobile, photo, random_resnet50
from benchmarks.stock import Found, find_with_stock, paste_bytes
from benchmarks.timing import median_seconds
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.inference.predictor import Failure, Predictor
from maskrcnn_core.models.spec import LoadedModel

__all__ = ["run_end_to_end"]

Pixels = npt.NDArray[np.uint8]

_THRESHOLDS = Thresholds(SCORE_FLOOR)  # torchvision's defaults: score 0.05, NMS 0.5, 100 detections
_MEGAPIXELS = (0.3, 2, 12)
_MEMORY_AT = 12
_MODELS: dict[str, Callable[[], LoadedModel | None]] = {
    "mobile": mobile,
    "ResNet-50-FPN, random weights": random_resnet50,
}


@dataclass(eq=False)
class _Ours:
    """MaskDesk's way, with a clock inside: how long the network took in each call."""

    predictor: Predictor
    image: Pixels
    network_seconds: list[float] = field(default_factory=list)

    def __call__(self) -> Found:
        start = time.perf_counter()
        (run,) = self.predictor.run([self.image], _THRESHOLDS)
        if isinstance(run, Failure):
            raise RuntimeError(run.reason)
        self.network_seconds.append(time.perf_counter() - start)
        detections = self.predictor.detections(run, _THRESHOLDS)
        masks = detections.masks(_THRESHOLDS.mask_threshold)
        return Found(
            detections.boxes,
            detections.labels,
            detections.scores,
            [mask.counts for mask in masks],
            [mask.area for mask in masks],
            [mask.box_xywh for mask in masks],
        )


def _ways(model: LoadedModel, image: Pixels) -> tuple[_Ours, Callable[[], Found]]:
    return _Ours(Predictor(model, "cpu"), image), lambda: find_with_stock(model.network, image, _THRESHOLDS)


def prepare(way: str, name: str) -> Callable[[], object]:
    """One way at 12 MP, its loops compiled; see :func:`benchmarks.memory.peak_extra_bytes`."""
    tiny = _ways(random_resnet50(96, 144), photo(0.01)[0])
    for call in tiny:
        call()
    model = _MODELS[name]()
    if model is None:
        raise RuntimeError(f"{name}: no weights")
    ours, stock = _ways(model, photo(_MEMORY_AT)[0])
    return ours if way == "ours" else stock


def run_end_to_end(quick: bool) -> Report:
    """Times both ways for each model and image size and compares all that they say."""
    models = {name: make() for name, make in _MODELS.items() if not (quick and make is random_resnet50)}
    if quick:
        models["small ResNet-50-FPN, random weights"] = random_resnet50(96, 144)
    rows, claims, notes = [], [], [_WHAT]
    for name, model in models.items():
        if model is None:
            notes.append(f"The model `{name}` is left out: its weights are not on this machine.")
            continue
        for megapixels in (0.03,) if quick else _MEGAPIXELS:
            row, equal = _compare(name, model, megapixels, quick)
            rows.append(row)
            if equal is not None:
                text = (
                    f"{row[0]}: boxes, labels, scores, run lengths, areas, mask boxes equal stock's exactly"
                )
                claims.append(Claim(text, equal, "equality"))
    columns = (
        "model, image",
        "detections",
        "ours",
        "of which after the network",
        "stock",
        "ratio",
        "extra memory, ours",
        "stock's",
        "all equal",
    )
    return Report(columns, tuple(rows), tuple(claims), tuple(notes))


_WHAT = (
    "Both ways at torchvision's defaults: scores above 0.05, at most 100 detections. Stock: the model's "
    "forward, `masks > 0.5`, `pycocotools` encode, area and box of each. Neither includes decoding "
    "the file. The network is the same in both; the random one is a stand-in of `coco-v1`'s size, tuned to "
    "find 100."
)


def _rounds(model: LoadedModel, megapixels: float) -> int:
    """More where a call is short: there the ways differ least, and the load shows most."""
    if megapixels < _MEMORY_AT:
        return 7 if model.key == "mobile" else 3
    return 3 if model.key == "mobile" else 2


def _compare(
    name: str, model: LoadedModel, megapixels: float, quick: bool
) -> tuple[tuple[str, ...], bool | None]:
    image, what = photo(megapixels)
    title = f"{name}, {megapixels:g} MP ({what})"
    ours, stock = _ways(model, image)
    first = ours()
    needed = paste_bytes(len(first.scores), image.shape[:2])
    if not has_memory_for(needed):
        taken = median_seconds({"ours": ours}, 1)
        left_out = f"left out: needs {megabytes(needed)}"
        return (
            title, str(len(first.scores)), seconds(taken["ours"]), NOT_MEASURED, left_out, *[NOT_MEASURED] * 4
        ), None  # fmt: skip
    found: list[Found] = []
    ours.network_seconds.clear()
    after: list[float] = []

    def timed_ours() -> None:
        start = time.perf_counter()
        ours()
        after.append(time.perf_counter() - start - ours.network_seconds[-1])

    taken = median_seconds(
        {"ours": timed_ours, "stock": lambda: found.__setitem__(slice(None), [stock()])},
        1 if quick else _rounds(model, megapixels),
    )
    equal = first.equals(found[0])
    has_peak = not quick and megapixels == _MEMORY_AT
    extra = [megabytes(peak_extra_bytes(prepare, way, name)) for way in ("ours", "stock")] if has_peak else []
    row = (
        title,
        str(len(first.scores)),
        seconds(taken["ours"]),
        seconds(float(np.median(after))),
        seconds(taken["stock"]),
        times(taken["stock"], taken["ours"]),
        *(extra or [NOT_MEASURED] * 2),
        "yes" if equal else "no",
    )
    return row, equal
