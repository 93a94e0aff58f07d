"""Clicks instead of a box: whether choosing among the network's own masks can replace a drawn box.

A click says that a point belongs to the object, or that it does not. The network has heads for regions, not
for points, so clicks can only choose: among the regions that its proposals and boxes of several sizes around
the first point lead to, and among mask thresholds. The clicks are simulated as is usual for interactive
segmentation (Xu et al. 2016, Deep Interactive Object Selection): the first in the middle of the object, each
further one in the middle of the largest region that is wrong.

What the best choice would give, were it known, bounds whatever rule chooses.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks.prompts import at_least_a_pixel, corners, photos_of, scenes_of
from benchmarks.report import Claim, Report
from benchmarks.scenes import mobile, shared_file
from maskrcnn_core.common.arrays import Floats
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.geometry.rle import Rle, mask_iou
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model

__all__ = ["run_clicks"]

_Bools = npt.NDArray[np.bool_]

_CLICKS = 3
_NEEDED = 0.03
"""By so much the mean IoU after the clicks would have to exceed that of the drawn box to be worth a tool."""
_GRID = 96
"""Masks are compared at so many points in each direction, over three times the object's box."""
_CANDIDATES = 60
_THRESHOLDS = np.array([0.3, 0.4, 0.5, 0.6, 0.7])
_SIDES = np.array([16, 28, 48, 80, 130, 210, 340, 520]) / 640
"""Of boxes around the first click, as a share of the image's longer side."""
_SHAPES = (0.5, 1.0, 2.0)
_GIVEN, _BEST = "its box is drawn", "the best region and threshold, if it were known"


class _Choice(NamedTuple):
    """What clicks choose among, at the points of the grid: N regions times thresholds.

    Args:
        probs: float32 ``[R, G, G]`` of each region; 0 outside.
        masks: bool ``[N, G, G]``.
        priors: ``[N]``, how sure the network is of the region.
        ious: ``[N]`` with the truth, what lies outside of the grid included.
    """

    probs: Floats
    masks: _Bools
    priors: Floats
    ious: Floats


def run_clicks(quick: bool) -> Report:
    """One to three simulated clicks on each object, beside its drawn box."""
    file, folder = (
        shared_file("data", "coco_val2017", "instances.json"),
        shared_file("data", "coco_val2017", "images"),
    )
    model = mobile()
    if model is None or file is None or folder is None:
        model, photos, what = get_model("shapes"), scenes_of(2 if quick else 20), "drawn scenes"
    else:
        photos, what = photos_of(file, folder, 2 if quick else None), "photos of COCO val2017"
    predictor = Predictor(model, "cpu")
    overlaps: dict[str, list[float]] = defaultdict(list)
    images = 0
    for pixels, truths in photos:
        (run,) = predictor.run([pixels])
        assert not isinstance(run, Failure)
        images += 1
        boxes = at_least_a_pixel(np.array([corners(truth) for truth, _ in truths]))
        drawn = predictor.prompt(run, boxes).detections().masks()
        for (truth, _), mask in zip(truths, drawn, strict=True):
            overlaps[_GIVEN].append(mask_iou(truth, mask))
            _click(predictor, run, truth, overlaps)
    means = {name: float(np.mean(values)) for name, values in overlaps.items()}
    worth = means[_GIVEN] + _NEEDED
    claims = (
        Claim(
            f"{_CLICKS} clicks stay below the {worth:.3f} that would be worth a tool",
            means[_after(_CLICKS)] < worth,
            "equality",
        ),
    )
    notes = (
        f"{model.title} on {images} {what}, with {len(overlaps[_GIVEN]):,} objects (crowds left out). What "
        f"clicks choose is compared with the truth on {_GRID} x {_GRID} points.",
    )
    rows = tuple((name, f"{mean:.3f}") for name, mean in means.items())
    return Report(("per object of the ground truth", "mean mask IoU"), rows, claims, notes)


def _after(clicks: int) -> str:
    return f"{clicks} click{'s' if clicks > 1 else ''}, and the network's masks"


def _click(predictor: Predictor, run: Run, truth: Rle, overlaps: dict[str, list[float]]) -> None:
    left, top = truth.box_xywh[:2]
    y, x = _middle(truth.crop())
    first = (x + left, y + top)
    xs, ys = _grid(truth)
    choice = _choose_among(predictor, run, truth, _regions(run, first), xs, ys)
    overlaps[_BEST].append(float(choice.ious.max()))
    is_true = truth.to_mask()[ys.astype(int)[:, None], xs.astype(int)[None]]
    points = [(int(np.abs(ys - first[1]).argmin()), int(np.abs(xs - first[0]).argmin()), True)]
    best = 0
    for number in range(1, _CLICKS + 1):
        best = _chosen(choice, points)
        overlaps[_after(number)].append(float(choice.ious[best]))
        wrong, count = ndimage.label(choice.masks[best] ^ is_true)
        if count:
            largest = 1 + int(np.argmax(ndimage.sum_labels(wrong > 0, wrong, range(1, count + 1))))
            at = _middle(wrong == largest)
            points.append((*at, bool(is_true[at])))


def _middle(region: _Bools) -> tuple[int, int]:
    """The row and column that are farthest from the region's edge."""
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row), int(column)


def _regions(run: Run, point: tuple[int, int]) -> Floats:
    """The best scored boxes that hold a point, and boxes of several sizes and shapes around it."""
    x, y = point
    boxes = run.candidates.boxes_in_image(np.arange(len(run.candidates)))
    rows = np.flatnonzero((boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3]))
    rows = rows[np.argsort(-run.candidates.scores[rows], kind="stable")][:_CANDIDATES]
    height, width = run.image_size
    sides = np.array([(s * r**0.5, s / r**0.5) for s in _SIDES * max(height, width) for r in _SHAPES]) / 2
    around = np.hstack([point - sides, point + sides])
    around[:, 0::2], around[:, 1::2] = around[:, 0::2].clip(0, width), around[:, 1::2].clip(0, height)
    every = np.concatenate([boxes[rows], around]).astype(np.float32)
    return every[((every[:, 2:] - every[:, :2]) >= 2).all(1)]


def _grid(truth: Rle) -> tuple[Floats, Floats]:
    """The points' x and y: over the object's box and as much again on each side, within the image."""
    x, y, width, height = truth.box_xywh
    rows, columns = truth.size
    share = (np.arange(_GRID) + 0.5) / _GRID
    x0, x1 = max(x - width, 0), min(x + 2 * width, columns)
    y0, y1 = max(y - height, 0), min(y + 2 * height, rows)
    return (x0 + share * (x1 - x0)).astype(np.float32), (y0 + share * (y1 - y0)).astype(np.float32)


def _choose_among(
    predictor: Predictor, run: Run, truth: Rle, regions: Floats, xs: Floats, ys: Floats
) -> _Choice:
    prompted = predictor.prompt(run, regions, refine=1)
    boxes = np.concatenate([prompted.boxes] * 2)  # with the best category's mask, and with the next one's
    probs = _sampled(np.concatenate([prompted.mask_probs[:, 0], prompted.mask_probs[:, 1]]), boxes, xs, ys)
    masks = (probs[:, None] > _THRESHOLDS[None, :, None, None]).reshape(-1, _GRID, _GRID)
    is_true = truth.to_mask()[ys.astype(int)[:, None], xs.astype(int)[None]]
    inter, union = (masks & is_true).sum((1, 2)), (masks | is_true).sum((1, 2))
    # A mask that goes on beyond the grid is as dense there as within.
    step_x, step_y = xs[1] - xs[0], ys[1] - ys[0]
    seen = np.array([xs[0] - step_x / 2, ys[0] - step_y / 2, xs[-1] + step_x / 2, ys[-1] + step_y / 2])
    sides = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    within = (np.minimum(boxes[:, 2:], seen[2:]) - np.maximum(boxes[:, :2], seen[:2])).clip(0).prod(1)
    beyond = np.repeat(sides / np.maximum(within, 1e-6) - 1, len(_THRESHOLDS)) * masks.sum((1, 2))
    priors = np.repeat(
        np.concatenate([prompted.probabilities[:, 0], prompted.probabilities[:, 1]]), len(_THRESHOLDS)
    )
    return _Choice(probs, masks, priors, inter / np.maximum(union + beyond, 1))


def _sampled(probs: Floats, boxes: Floats, xs: Floats, ys: Floats) -> Floats:
    """Mask probabilities ``[R, M, M]`` within boxes, at the points of a grid, by bilinear interpolation."""
    size = probs.shape[-1]
    padded = np.pad(probs, ((0, 0), (1, 2), (1, 2)))

    def places(at: Floats, low: Floats, high: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
        place = np.clip((at[None] - low[:, None]) / (high - low)[:, None] * size - 0.5, -1, size) + 1
        whole = np.floor(place).astype(np.int64)
        return whole, (place - whole).astype(np.float32)

    u, across = places(xs, boxes[:, 0], boxes[:, 2])
    v, down = places(ys, boxes[:, 1], boxes[:, 3])
    each = np.arange(len(probs))[:, None, None]
    u, across, v, down = u[:, None], across[:, None], v[:, :, None], down[:, :, None]
    upper = (1 - across) * padded[each, v, u] + across * padded[each, v, u + 1]
    lower = (1 - across) * padded[each, v + 1, u] + across * padded[each, v + 1, u + 1]
    return (1 - down) * upper + down * lower


def _chosen(choice: _Choice, points: list[tuple[int, int, bool]]) -> int:
    """The region and threshold that the network is surest of, among those that agree best with the clicks."""
    said = np.log(choice.priors + 0.02)
    for row, column, belongs in points:
        probability = np.repeat(choice.probs[:, row, column], len(_THRESHOLDS))
        said = said + np.log((probability if belongs else 1 - probability) + 0.05)
        said = said - 8.0 * (choice.masks[:, row, column] != belongs)
    return int(said.argmax())
