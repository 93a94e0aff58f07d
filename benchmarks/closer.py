"""A closer look at objects: what it gains of their masks, by their sizes, and what it costs.

The boxes are ground truth's, so that masks alone are compared, and then the model's own, as people use it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.prompts import at_least_a_pixel, corners, photos_of, scenes_of
from benchmarks.report import Claim, Report
from benchmarks.scenes import mobile, shared_file
from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.detection.candidates import Detections, Thresholds
from maskrcnn_core.geometry.rle import Rle, mask_iou
from maskrcnn_core.inference.predictor import Failure, Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.spec import LoadedModel

__all__ = ["boundary_iou", "run_closer"]

Photo = tuple[Pixels, list[tuple[Rle, str]]]

_SCENES, _NUCLEI = 40, 12
_DILATION = 0.02
"""Width of a boundary in diagonals of the image: Cheng et al. 2021's, for COCO."""
_SMALL, _MEDIUM = 32**2, 96**2
"""Pixels of COCO's small and medium objects."""
_SAME = 0.5
"""IoU from which on a detection counts as one of the object."""
_FOUND = 0.3
"""Score above which the model's own boxes count."""

_GIVEN = "truth's box"
_OWN = "its own box"


@dataclass
class _Tally:
    """Of objects with one kind of box: IoU and boundary IoU before and after, and areas."""

    before: list[tuple[float, float]] = field(default_factory=list)
    after: list[tuple[float, float]] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)

    def gains(self, least: int, below: float) -> npt.NDArray[np.float64]:
        """Return percent points gained, ``[N, 2]``, of objects of some areas."""
        areas = np.array(self.areas)
        chosen = (areas >= least) & (areas < below)
        gained = 100 * (np.array(self.after) - np.array(self.before)).reshape(-1, 2)
        return np.asarray(gained[chosen])


def run_closer(quick: bool) -> Report:
    """Measures models of photos, microscopy and drawings, each on what it is for."""
    rows, claims, notes = list[tuple[str, ...]](), list[Claim](), list[str]()
    for model, what, photos in _sets(quick):
        print(f"closer: {model.key} on {what} ...", file=sys.stderr, flush=True)
        tallies, cost = _measured(model, photos())
        for kind, tally in tallies.items():
            everything = tally.gains(0, np.inf)
            sizes = (
                everything,
                tally.gains(0, _SMALL),
                tally.gains(_SMALL, _MEDIUM),
                tally.gains(_MEDIUM, np.inf),
            )
            before = 100 * np.array(tally.before).reshape(-1, 2).mean(axis=0)
            start = f"{before[0]:.1f} / {before[1]:.1f}"
            rows.append((f"`{model.key}` on {what}, {kind}", start, *map(_told, sizes)))
            if model.closer_gain is not None and not quick:
                mean, error = everything[:, 0].mean(), everything[:, 0].std() / len(everything) ** 0.5
                claims.append(
                    Claim(
                        f"`{model.key}`, {kind}: more is gained than twice the standard error",
                        bool(mean > 2 * error),
                        "cost",
                    )
                )
        notes.append(
            f"`{model.key}` on {what}: {cost.looked:,} of {cost.objects:,} objects were looked at closer, "
            f"each for {cost.share:.2f} of the whole inference of its image (median of images)."
        )
    columns = ("IoU / boundary IoU, percent", "before", "gained", "small", "medium", "large")
    notes.append(
        f"Points gained ± standard error. Boundary IoU by Cheng et al. 2021, {_DILATION:g} of the diagonal. "
        "Small: below 32 x 32 pixels, large: from 96 x 96 on. Its own box: each object's best detection "
        f"above {_FOUND:g}, if its IoU was at least {_SAME:.0%} before."
    )
    return Report(columns, tuple(rows), tuple(claims), tuple(notes))


def _sets(quick: bool) -> Iterator[tuple[LoadedModel, str, Callable[[], Iterator[Photo]]]]:
    file = shared_file("data", "coco_val2017", "instances.json")
    if file is not None:
        folder = file.with_name("images")
        for model in (mobile(), get_model("photos")):
            if model is not None:
                yield model, "COCO val2017", lambda: photos_of(file, folder, 2 if quick else None)
    nuclei = shared_file("data", "nuclei", "instances_val.json")
    if nuclei is not None and not quick:
        yield get_model("nuclei"), "nuclei", lambda: photos_of(nuclei, nuclei.with_name("val"), _NUCLEI)
    yield get_model("shapes"), "drawn scenes", lambda: scenes_of(2 if quick else _SCENES)


@dataclass(frozen=True)
class _Cost:
    objects: int
    looked: int
    share: float


def _measured(model: LoadedModel, photos: Iterator[Photo]) -> tuple[dict[str, _Tally], _Cost]:
    predictor = Predictor(model, "cpu")
    labels = {c.name: label for c, label in zip(model.label_map, model.label_map.labels, strict=True)}
    tallies = {_GIVEN: _Tally(), _OWN: _Tally()}
    objects = looked = 0
    shares = []
    for pixels, every in photos:
        truths = [(mask, labels[name]) for mask, name in every if name in labels]
        if not truths:
            continue
        began = time.perf_counter()
        (run,) = predictor.run([pixels])
        inference = time.perf_counter() - began
        assert not isinstance(run, Failure)
        boxes = at_least_a_pixel(np.array([corners(mask) for mask, _ in truths], np.float64))
        first = predictor.prompt(run, boxes, pixels, labels=[label for _, label in truths]).detections()
        count = 0

        def on_look(_done: int, total: int) -> None:
            nonlocal count
            count = total

        began = time.perf_counter()
        closer = predictor.look_closer(first, pixels, on_look)
        if count:
            shares.append((time.perf_counter() - began) / count / inference)
        objects, looked = objects + len(truths), looked + count
        pairs = list(range(len(truths)))
        _compare(tallies[_GIVEN], [mask for mask, _ in truths], first, closer, pairs)
        _compare_own(tallies[_OWN], predictor, run, pixels, truths)
    return tallies, _Cost(objects, looked, float(np.median(shares)) if shares else 0.0)


def _compare(
    tally: _Tally, truths: list[Rle], first: Detections, closer: Detections, rows: list[int]
) -> None:
    """Take note of objects, each with the row of its detection."""
    chosen = np.array(rows, np.int64)
    tally.areas += [truth.area for truth in truths]
    for found, kept in ((first, tally.before), (closer, tally.after)):
        masks = found[chosen].masks()
        kept += [(mask_iou(t, m), boundary_iou(t, m)) for t, m in zip(truths, masks, strict=True)]


def _compare_own(
    tally: _Tally, predictor: Predictor, run: object, pixels: Pixels, truths: list[tuple[Rle, int]]
) -> None:
    found = predictor.detections(run, Thresholds(_FOUND, predictor.model.nms_threshold), pixels)  # type: ignore[arg-type]
    masks, pairs = found.masks(), list[tuple[Rle, int]]()
    for truth, label in truths:
        overlaps = [
            mask_iou(truth, mask) if found.labels[n] == label else 0.0 for n, mask in enumerate(masks)
        ]
        if overlaps and max(overlaps) >= _SAME:
            pairs.append((truth, int(np.argmax(overlaps))))
    if pairs:
        rows = [row for _, row in pairs]
        needed = found[np.array(rows, np.int64)]
        closer = predictor.look_closer(needed, pixels)
        _compare(tally, [truth for truth, _ in pairs], needed, closer, list(range(len(pairs))))


def boundary_iou(a: Rle, b: Rle) -> float:
    """The IoU of what two masks have within 2 % of the image's diagonal of their outlines."""
    width = max(1, round(_DILATION * float(np.hypot(*a.size))))
    first, second = (_boundary(one, width) for one in (a, b))
    either = int((first | second).sum())
    return int((first & second).sum()) / either if either else 1.0


def _boundary(mask: Rle, width: int) -> npt.NDArray[np.bool_]:
    # Outside of the image lies background, as the paper's own code has it.
    whole = np.pad(mask.to_mask().astype(np.uint8), 1)
    inner = cv2.erode(whole, np.ones((3, 3), np.uint8), iterations=width)
    return np.asarray((whole - inner)[1:-1, 1:-1].astype(np.bool_))


def _told(gains: npt.NDArray[np.float64]) -> str:
    if not len(gains):
        return "–"
    mean, error = gains.mean(axis=0), gains.std(axis=0) / len(gains) ** 0.5
    return f"{mean[0]:+.1f} ± {error[0]:.1f} / {mean[1]:+.1f} ± {error[1]:.1f}"
