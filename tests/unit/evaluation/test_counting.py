"""hotcoco's counts are pycocotools': every number of every array, on drawn sets with all the corners."""

import dataclasses

import numpy as np
import pytest

from maskrcnn_core.common.pycoco import COCO, COCOeval
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.dataset.columns import Columns, box_xywh
from maskrcnn_core.evaluation.counting import AREAS, IOUS, count
from maskrcnn_core.geometry.rle import Rle
from tests.builders.core import make_mask

EDGES = (0.0, 1023.999, 1024.0, 9216.0, 9216.001, 1e10, -5.0)
"""Areas on and beside the borders of COCO's ranges."""


def draw_mask(rng, height, width):
    kind = rng.integers(6)
    mask = np.zeros((height, width), bool)
    if kind == 0:
        return mask if rng.random() < 0.3 else ~mask
    if kind == 1:
        return make_mask(int(rng.integers(1000)), height, width)
    h, w = ((32, 32), (96, 96), (5, 5), (10, 20))[rng.integers(4)]
    y, x = rng.integers(height), rng.integers(width)
    mask[y : y + h, x : x + w] = True
    return mask


def draw_set(seed):
    """Images, category ids, ground truth and detections: crowds, ties, empty masks, any ids, or nothing."""
    rng = np.random.default_rng(seed)
    height, width = ((40, 50), (120, 160), (200, 200))[rng.integers(3)]
    image_ids = rng.choice(50, rng.integers(0, 6), replace=False).tolist()
    category_ids = rng.choice(20, rng.integers(0, 4), replace=False).tolist()
    images = [ImageRecord(id_, f"{id_}.png", width, height) for id_ in image_ids]
    if not images or not category_ids:
        return images, category_ids, [], []
    pool = [draw_mask(rng, height, width) for _ in range(8)]

    def draw(scored):
        mask = pool[rng.integers(8)] if rng.random() < 0.7 else draw_mask(rng, height, width)
        if scored and rng.random() < 0.5:
            mask = np.roll(mask, tuple(rng.integers(-3, 4, 2)), (0, 1))
        rle = Rle.from_mask(mask)
        x, y, w, h = rle.box_xywh
        box = np.array([x, y, x + w, y + h]) + rng.normal(size=4) * (rng.random() < 0.5)
        tied = rng.choice((0.0, 0.5, 0.5, 0.9, 1.0, -1.0))
        return Instance(
            int(rng.choice(image_ids)),
            int(rng.choice(category_ids)),
            rle,
            score=float(tied if rng.random() < 0.6 else rng.random()) if scored else None,
            given_box=tuple(box.tolist()) if rng.random() < 0.6 else None,
            given_area=float(rng.choice(EDGES)) if rng.random() < 0.3 else None,
            is_crowd=not scored and bool(rng.random() < 0.2),
        )

    truth = [draw(False) for _ in range(rng.integers(0, 25))]
    return images, category_ids, truth, [draw(True) for _ in range(rng.integers(0, 80))]


def draw_large_set():
    """A drawn set of several images with detections in each."""
    return next(s for s in map(draw_set, range(100)) if len(s[0]) > 2 and len(s[3]) > 30)


def by_pycocotools(images, category_ids, truth, found, kind, limits):
    """COCOeval on dictionaries whose areas are what the rule says, under the ids as they are."""

    def coco(instances, area):
        one = COCO()
        one.dataset = {
            "images": [{"id": i.id, "width": i.width, "height": i.height} for i in images],
            "categories": [{"id": id_, "name": str(id_)} for id_ in category_ids],
            "annotations": [
                {
                    "id": number,
                    "image_id": i.image_id,
                    "category_id": i.category_id,
                    "segmentation": {"size": list(i.mask.size), "counts": i.mask.counts.encode()},
                    "bbox": list(box_xywh(i)),
                    "area": area(i),
                    "iscrowd": int(i.is_crowd),
                    "score": i.score,
                }
                for number, i in enumerate(instances, start=1)
            ],
        }
        one.createIndex()
        return one

    def found_area(i):
        _, _, w, h = box_xywh(i)
        return w * h if kind == "bbox" else i.area

    gt = coco(truth, lambda i: i.area if i.given_area is None else i.given_area)
    evaluator = COCOeval(gt, coco(found, found_area), kind)
    evaluator.params.maxDets = list(limits)
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator.eval


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(40))
def test_every_number_is_that_of_pycocotools(seed, kind):
    images, category_ids, truth, found = draw_set(seed)
    limit = (1, 2, 5, 10, 100, 500)[seed % 6]
    limits = [min(few, limit) for few in (1, 10, limit)]
    counts = count(images, category_ids, Columns.of(truth), Columns.of(found), kind, limits)
    judge = by_pycocotools(images, category_ids, truth, found, kind, limits)
    for name in ("precision", "recall"):
        ours, theirs = getattr(counts, name), judge[name]
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_many_images_are_counted_in_parts_as_in_one(monkeypatch):
    images, category_ids, truth, found = draw_large_set()
    both = [Columns.of(truth), Columns.of(found)]
    whole = count(images, category_ids, *both, "segm", [1, 10, 100])
    monkeypatch.setattr("maskrcnn_core.evaluation.counting._IMAGES_AT_ONCE", 1)
    parts = count(images, category_ids, *both, "segm", [1, 10, 100])
    assert np.array_equal(whole.precision, parts.precision) and np.array_equal(whole.recall, parts.recall)


def test_thresholds_and_ranges_are_those_of_coco():
    params = COCOeval(iouType="segm").params
    assert np.array_equal(params.iouThrs, IOUS)
    assert tuple(params.areaRngLbl) == AREAS


def test_the_order_of_images_and_categories_does_not_matter():
    images, category_ids, truth, found = draw_large_set()
    both = [Columns.of(truth), Columns.of(found)]
    one = count(images, category_ids, *both, "bbox", [1, 10, 100])
    other = count(images[::-1], category_ids[::-1], *both, "bbox", [1, 10, 100])
    assert np.array_equal(one.precision, other.precision)


def test_columns_are_joined_and_taken_row_by_row():
    _, _, truth, found = draw_large_set()
    joined = Columns.joined([Columns.of(truth), Columns.of(found)])
    for columns in (joined.take(np.arange(len(joined))), Columns.of([*truth, *found])):
        for field in dataclasses.fields(Columns):
            np.testing.assert_array_equal(getattr(joined, field.name), getattr(columns, field.name))
    assert joined.take(joined.scores > 0.5).scores.min() > 0.5
    assert len(Columns.joined([])) == 0
