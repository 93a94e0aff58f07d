"""Drawn images with objects and detections, and pycocotools as the judge of them."""

import numpy as np

from maskrcnn_core.common.pycoco import COCO, COCOeval
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.columns import box_xywh
from maskrcnn_core.geometry.rle import Rle

SIZE = (48, 60)
"""Height and width."""


def box_mask(box):
    """The mask of a box x1 y1 x2 y2."""
    x1, y1, x2, y2 = box
    return Rle.from_crop(np.ones((y2 - y1, x2 - x1), bool), (y1, x1), SIZE)


def instance(category_id, box, score=None, **more):
    return Instance(1, category_id, box_mask(box), score, tuple(map(float, box)), **more)


def drawn_image(seed, categories=3):
    """Rectangles of few places, so that many overlap, some equally; crowds, ties of scores, empty masks."""
    rng = np.random.default_rng(seed)
    category_ids = [7, 2, 30][:categories]
    grid = int(rng.choice((6, 12)))

    def draw(scored):
        x, y = rng.integers(0, SIZE[1] // grid), rng.integers(0, SIZE[0] // grid)
        width, height = rng.integers(1, 4, 2)
        x1, y1 = x * grid, y * grid
        box = (x1, y1, min(x1 + width * grid, SIZE[1]), min(y1 + height * grid, SIZE[0]))
        if scored and rng.random() < 0.5:
            box = (box[0], box[1], box[2], max(box[3] - int(rng.integers(0, 4)), box[1] + 1))
        score = float(rng.choice((0.2, 0.5, 0.9)) if rng.random() < 0.5 else rng.random()) if scored else None
        one = instance(
            int(rng.choice(category_ids)), box, score, is_crowd=not scored and bool(rng.random() < 0.2)
        )
        if rng.random() < 0.05:
            return Instance(1, one.category_id, Rle.from_mask(np.zeros(SIZE, bool)), score, one.given_box)
        return one

    truth = [draw(False) for _ in range(rng.integers(0, 9))]
    return truth, [draw(True) for _ in range(rng.integers(0, 16))], category_ids


def judge_of(truth, found, category_ids, kind, limit):
    """COCOeval with its overlaps counted, so that ``evaluateImg`` can be asked; ids count from 1."""

    def coco(instances):
        one = COCO()
        one.dataset = {
            "images": [{"id": 1, "width": SIZE[1], "height": SIZE[0]}],
            "categories": [{"id": id_, "name": str(id_)} for id_ in category_ids],
            "annotations": [
                {
                    "id": number,
                    "image_id": 1,
                    "category_id": i.category_id,
                    "segmentation": {"size": list(i.mask.size), "counts": i.mask.counts.encode()},
                    "bbox": list(box_xywh(i)),
                    "area": i.area,
                    "iscrowd": int(i.is_crowd),
                    "score": i.score,
                }
                for number, i in enumerate(instances, start=1)
            ],
        }
        one.createIndex()
        return one

    judge = COCOeval(coco(truth), coco(found), kind)
    judge.params.maxDets = [limit]
    judge.evaluate()
    judge.accumulate()
    return judge
