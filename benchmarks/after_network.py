"""From M x M mask probabilities to run lengths of the image: ours beside stock's canvases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.memory import has_memory_for, peak_extra_bytes
from benchmarks.report import NOT_MEASURED, Claim, Report, megabytes, seconds, times
from benchmarks.scenes import boxes_of, mask_probs_of
from benchmarks.stock import paste_and_encode, paste_bytes
from benchmarks.timing import median_seconds
from maskrcnn_core.detection.pasting import paste_masks

__all__ = ["run_after_network"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Case:
    """Args: ``least`` and ``most`` are sides of boxes as shares of the image's shorter side."""

    title: str
    instances: int
    image_size: tuple[int, int]
    least: float = 0.01
    most: float = 0.3
    rounds: int = 3

    def inputs(self) -> tuple[Floats, Floats, tuple[int, int]]:
        boxes = boxes_of(self.instances, self.image_size, self.least, self.most)
        return mask_probs_of(self.instances), boxes, self.image_size


_CASES = (
    _Case("12 MP, 100 instances up to 900 px", 100, (3000, 4000), rounds=2),
    _Case("0.3 MP, 100 instances up to 144 px", 100, (480, 640)),
    _Case("24 MP, 50 instances up to 1200 px", 50, (4000, 6000), rounds=2),
    _Case("12 MP, 20 huge instances of 2100 to 3000 px", 20, (3000, 4000), 0.7, 1.0),
)
_CLAIMED = 0  # the case that the claims on cost are about
_TINY = _Case("tiny, 5 instances", 5, (90, 120), 0.1, 0.8, rounds=1)


def _ours(mask_probs: Floats, boxes: Floats, image_size: tuple[int, int]) -> list[str]:
    return [rle.counts for rle in paste_masks(mask_probs, boxes, image_size)]


_WAYS = {"ours": _ours, "stock": paste_and_encode}


def prepare(way: str, case: int) -> Callable[[], object]:
    """One way of one case, ready to be measured; see :func:`benchmarks.memory.peak_extra_bytes`."""
    _WAYS[way](*_TINY.inputs())
    inputs = _CASES[case].inputs()
    return lambda: _WAYS[way](*inputs)


def run_after_network(quick: bool) -> Report:
    """Times both ways over all cases and compares their strings."""
    _ours(*_TINY.inputs())
    paste_and_encode(*_TINY.inputs())
    cases = (_TINY,) if quick else _CASES
    rows, claims = [], []
    for index, case in enumerate(cases):
        inputs = case.inputs()
        if not has_memory_for(paste_bytes(case.instances, case.image_size)):
            needed = megabytes(paste_bytes(case.instances, case.image_size))
            ours = median_seconds({"ours": lambda: _ours(*inputs)}, case.rounds)["ours"]  # noqa: B023
            rows.append((case.title, seconds(ours), f"left out: needs {needed}", *[NOT_MEASURED] * 4))
            continue
        found: dict[str, list[str]] = {}

        def keep(way: str, inputs=inputs, found=found) -> None:
            found[way] = _WAYS[way](*inputs)

        taken = median_seconds({way: lambda way=way: keep(way) for way in _WAYS}, case.rounds)
        equal = sum(a == b for a, b in zip(found["ours"], found["stock"], strict=True))
        extra = {} if quick else {way: peak_extra_bytes(prepare, way, index) for way in _WAYS}
        rows.append(
            (
                case.title,
                seconds(taken["ours"]),
                seconds(taken["stock"]),
                times(taken["stock"], taken["ours"]),
                *(megabytes(extra[way]) if extra else NOT_MEASURED for way in _WAYS),
                f"{equal} of {case.instances}",
            )
        )
        claims.append(_all_equal(case, equal))
        if extra and index == _CLAIMED:
            claims += _costs(case, taken, extra["ours"])
    columns = ("image", "ours", "stock", "ratio", "extra memory, ours", "stock's", "identical strings")
    return Report(columns, tuple(rows), tuple(claims), (_WHAT,))


_WHAT = (
    "Ours: `paste_masks` and `.counts`. Stock: torchvision's `paste_masks_in_image`, `> 0.5`, and "
    "`pycocotools.mask.encode` of each mask. Memory is the peak above the state before the call, each in "
    "a fresh process."
)


def _all_equal(case: _Case, equal: int) -> Claim:
    text = f"{case.title}: every run-length string equals stock's, character for character"
    return Claim(text, equal == case.instances, "equality")


def _costs(case: _Case, taken: dict[str, float], extra_bytes: int) -> list[Claim]:
    return [
        Claim(f"{case.title}: at least 100 times as fast", taken["stock"] >= 100 * taken["ours"], "cost"),
        Claim(f"{case.title}: less than 100 MB of extra memory", extra_bytes < 100e6, "cost"),
    ]
