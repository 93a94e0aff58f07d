"""A box that is given to the network's heads: how well its mask and category agree with ground truth."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.report import NOT_MEASURED, Claim, Report
from benchmarks.scenes import mobile, shared_file
from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.geometry.rle import Rle, mask_iou
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.predictor import Failure, Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene

__all__ = ["at_least_a_pixel", "corners", "photos_of", "run_prompts", "scenes_of"]

_Photo: TypeAlias = tuple[Pixels, list[tuple[Rle, str]]]

_SAME = 0.5
"""IoU from which on a plain detection counts as having found the object at all."""
_UNSTEADY = 0.1
"""Each side of an unsteady box is off by up to this part of the box's size."""
_PLAIN = "given nothing: the best detection with a score above {}"
_GIVEN = "given its box"
_SHAKEN = f"given its box, each side off by up to {_UNSTEADY:.0%} of the size"
_NAMED = "given its box and category"


@dataclass
class _Tally:
    overlaps: list[float] = field(default_factory=list)
    named: list[bool] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def add(self, overlap: float, is_named: bool) -> None:
        self.overlaps.append(overlap)
        self.named.append(is_named)

    def cells(self) -> tuple[str, ...]:
        took = f"{1000 * statistics.median(self.times):.0f} ms" if self.times else NOT_MEASURED
        return (f"{np.mean(self.overlaps):.3f}", f"{np.mean(self.named):.1%}", took)


def run_prompts(quick: bool) -> Report:
    """Ground-truth boxes of COCO's val2017 as prompts, beside plain detection."""
    columns = ("per object of the ground truth", "mean mask IoU", "category right", "one box takes")
    file = shared_file("data", "coco_val2017", "instances.json")
    folder = shared_file("data", "coco_val2017", "images")
    model = mobile()
    if model is None or file is None or folder is None:
        model, what = (
            get_model("shapes"),
            "drawn scenes, because the photos or their model's weights are missing",
        )
        photos = scenes_of(2 if quick else 40)
    else:
        what, photos = "photos of COCO val2017", photos_of(file, folder, 3 if quick else None)
    predictor = Predictor(model, "cpu")
    tallies: dict[str, _Tally] = defaultdict(_Tally)
    random = np.random.default_rng(0)
    count = images = 0
    for pixels, truths in photos:
        _measure(predictor, pixels, truths, random, tallies)
        images, count = images + 1, count + len(truths)
    plain, given = tallies[_PLAIN.format(0.5)], tallies[_GIVEN]
    claims = [
        Claim("a mask for every box", len(given.overlaps) == count, "equality"),
        Claim(
            "given boxes give better masks than plain detection, and no worse categories",
            float(np.mean(given.overlaps)) > float(np.mean(plain.overlaps))
            and float(np.mean(given.named)) >= float(np.mean(plain.named)),
            "equality",
        ),
    ]
    if not quick:
        claims.append(Claim("one box takes at most 100 ms", statistics.median(given.times) <= 0.1, "cost"))
    note = (
        f"{model.title} on {images} {what}, with {count:,} objects (crowds left out). A plain "
        f"detection has the category right if it is the best overlap, at least {_SAME:.0%}, and named so; an "
        "object without a detection counts 0. Times with the feature maps kept, one box at once."
    )
    return Report(columns, tuple((name, *t.cells()) for name, t in tallies.items()), tuple(claims), (note,))


def photos_of(file: Path, folder: Path, most: int | None) -> Iterator[_Photo]:
    """COCO's photos with their objects and those's categories."""
    dataset, _ = read_coco(file.read_bytes())
    names = {category.id: category.name for category in dataset.categories}
    of_image: dict[int, list[tuple[Rle, str]]] = defaultdict(list)
    for instance in dataset.instances:
        if not instance.is_crowd and instance.area:
            of_image[instance.image_id].append((instance.mask, names[instance.category_id]))
    for record in [image for image in dataset.images if of_image[image.id]][:most]:
        yield read_image(folder / record.file_name).pixels, of_image[record.id]


def scenes_of(count: int) -> Iterator[_Photo]:
    names = {category.id: category.name for category in SCENE_CATEGORIES}
    for seed in range(200_000, 200_000 + count):
        scene = draw_scene(seed)
        yield scene.pixels, [(m, names[c]) for m, c in zip(scene.masks, scene.category_ids, strict=True)]


def _measure(
    predictor: Predictor,
    pixels: Pixels,
    truths: list[tuple[Rle, str]],
    random: np.random.Generator,
    tallies: dict[str, _Tally],
) -> None:
    label_map = predictor.model.label_map
    labels = {category.name: label for category, label in zip(label_map, label_map.labels, strict=True)}
    (run,) = predictor.run([pixels])
    assert not isinstance(run, Failure)
    for score in (0.5, 0.05):
        found = predictor.detections(run, Thresholds(score, predictor.model.nms_threshold))
        masks = found.masks()
        for truth, name in truths:
            overlaps = [mask_iou(truth, mask) for mask in masks]
            best = int(np.argmax(overlaps)) if overlaps else None
            overlap = 0.0 if best is None else overlaps[best]
            called = "" if best is None else label_map.category(int(found.labels[best])).name
            tallies[_PLAIN.format(score)].add(overlap, overlap >= _SAME and called == name)
    boxes = np.array([corners(truth) for truth, _ in truths])
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    shaken = boxes + random.uniform(-_UNSTEADY, _UNSTEADY, boxes.shape) * sides
    began = time.perf_counter()
    predictor.prompt(run, boxes[:1])
    tallies[_GIVEN].times.append(time.perf_counter() - began)
    named = [labels[name] for _, name in truths]
    for what, given, decided in ((_GIVEN, boxes, None), (_SHAKEN, shaken, None), (_NAMED, boxes, named)):
        prompted = predictor.prompt(run, at_least_a_pixel(given), labels=decided)
        for n, (mask, (truth, name)) in enumerate(zip(prompted.detections().masks(), truths, strict=True)):
            called = label_map.category(int(prompted.labels[n, 0])).name
            tallies[what].add(mask_iou(truth, mask), called == name)


def corners(truth: Rle) -> tuple[int, int, int, int]:
    x, y, width, height = truth.box_xywh
    return x, y, x + width, y + height


def at_least_a_pixel(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Shaking may leave less of a very small box than counts as one."""
    result: npt.NDArray[np.float64] = boxes.astype(np.float64)
    result[:, 2:] = np.maximum(result[:, 2:], result[:, :2] + 1.01)
    return result
