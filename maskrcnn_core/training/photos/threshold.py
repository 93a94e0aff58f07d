"""The score threshold that a model is shown with: where precision and recall are best together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.geometry.rle import mask_containment, mask_iou

__all__ = ["Hits", "best_threshold", "hits_of"]

_IOU = 0.5
_STEP = 0.05


@dataclass(frozen=True)
class Hits:
    """Detections of many images against their ground truth, each image and category by itself.

    Args:
        scores: of the detections that count.
        hits: which of them are the first on an object.
        objects: how many there are.
    """

    scores: tuple[float, ...]
    hits: tuple[bool, ...]
    objects: int

    def f1(self, threshold: float) -> float:
        """Return the harmonic mean of precision and recall above a threshold; 0 if nothing scores above."""
        shown = np.array(self.scores) > threshold
        right = int(np.array(self.hits, np.bool_)[shown].sum())
        return 2 * right / max(int(shown.sum()) + self.objects, 1)


def hits_of(truth: Sequence[Instance], found: Sequence[Instance]) -> Hits:
    """Match as COCO does at a mask IoU of .5: the best scored first, each object once.

    What matches no object but a crowd by half of its own area counts neither way.
    """
    objects: dict[tuple[int, int], list[Instance]] = defaultdict(list)
    for instance in truth:
        objects[instance.image_id, instance.category_id].append(instance)
    taken: set[int] = set()
    scores, hits = [], []
    for one in sorted(found, key=lambda instance: -(instance.score or 0.0)):
        rivals = objects[one.image_id, one.category_id]
        ious = [
            (mask_iou(one.mask, rival.mask), rival)
            for rival in rivals
            if not rival.is_crowd and id(rival) not in taken
        ]
        best, rival = max(ious, key=lambda pair: pair[0], default=(0.0, None))
        is_hit = best >= _IOU and rival is not None
        if is_hit:
            taken.add(id(rival))
        elif any(mask_containment(one.mask, crowd.mask) >= _IOU for crowd in rivals if crowd.is_crowd):
            continue
        scores.append(one.score or 0.0)
        hits.append(is_hit)
    return Hits(tuple(scores), tuple(hits), sum(not instance.is_crowd for instance in truth))


def best_threshold(hits: Hits) -> float:
    """Return the threshold among 0.05, 0.10 ... 0.95 with the best F1; of equals the lowest."""
    steps = [round(_STEP * n, 2) for n in range(1, 20)]
    return max(steps, key=lambda threshold: (hits.f1(threshold), -threshold))
