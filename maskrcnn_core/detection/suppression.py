"""Non-maximum suppression per category, as torchvision's ``batched_nms`` gives it, in microseconds.

Greedy suppression (Ren et al. 2015, section 3.3): by descending score, a box drops all later ones of its
label whose IoU with it is greater than the threshold. torchvision runs it once for each label or, for few
boxes, once on boxes that were moved apart by label; on the CPU either way takes milliseconds, most of them
between the calls. Here one compiled loop does it, on exactly the coordinates that torchvision would see.

torchvision computes IoUs in float32. Ours are exact to double precision; one that lies within
:data:`ROUNDING_BAND` of the threshold is undecided by that, and then torchvision itself is asked.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Floats, Ints
from maskrcnn_core.common.compiled import compiled

__all__ = ["ROUNDING_BAND", "suppress"]


ROUNDING_BAND = 2e-6
"""Relative distance of an IoU from the threshold within which float32 rounding could decide: an IoU is nine
roundings of differences, products and a sum, each by up to 2**-24, and their errors at most double."""

_MOVED_APART_UP_TO = 4000  # coordinates on a CPU: up to here torchvision's ``batched_nms`` calls NMS once


def suppress(boxes: Floats, scores: Floats, labels: Ints, iou_threshold: float) -> Ints:
    """Return the rows that are left, by descending score.

    Args:
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2.
        scores: float32 ``[N]``.
        labels: int64 ``[N]``; boxes of different labels never suppress each other.
        iou_threshold: the IoU above which the lower scored of two boxes is dropped.

    Returns:
        int64 ``[K]``: element for element what ``batched_nms`` on the CPU returns.
    """
    if not len(boxes):
        return np.zeros(0, np.int64)
    import torch  # here, as whoever keeps detections without choosing among them does without it

    moved_apart = boxes.size <= _MOVED_APART_UP_TO
    seen = boxes
    if moved_apart:
        # The same float32 operations in the same order: moving rounds, and rounded boxes are compared.
        offsets = labels.astype(np.float32) * (boxes.max() + np.float32(1))
        seen = boxes + offsets[:, None]
    # By label, within it by descending score, equal scores as they came.
    order = np.lexsort((-scores, labels))
    kept, decided = _suppress_sorted(seen[order].astype(np.float64), labels[order], iou_threshold)
    if not decided:
        return _suppress_with_torchvision(boxes, scores, labels, iou_threshold)
    rows: Ints = np.sort(order[kept])
    # torchvision's own sort: stable in one way, and in the other as torch happens to order equal scores.
    by_score = torch.from_numpy(scores[rows]).sort(descending=True, stable=moved_apart)[1].numpy()
    result: Ints = rows[by_score]
    return result


def _suppress_with_torchvision(boxes: Floats, scores: Floats, labels: Ints, iou_threshold: float) -> Ints:
    import torch
    from torchvision.ops import batched_nms

    tensors = torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(labels)
    asked: Ints = batched_nms(*tensors, iou_threshold).numpy()
    return asked


@compiled
def _suppress_sorted(
    boxes: npt.NDArray[np.float64], labels: Ints, iou_threshold: float
) -> tuple[npt.NDArray[np.bool_], bool]:
    """Return which rows are kept, and whether all could be decided.

    Rows sorted by label and falling score.
    """
    kept = np.ones(len(boxes), np.bool_)
    for i in range(len(boxes)):
        if not kept[i]:
            continue
        area = (boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1])
        for j in range(i + 1, len(boxes)):
            if labels[j] != labels[i]:
                break
            if not kept[j]:
                continue
            width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
            if width <= 0 or height <= 0:
                continue  # an IoU of 0 is above no threshold, however it is rounded
            both = width * height
            other = (boxes[j, 2] - boxes[j, 0]) * (boxes[j, 3] - boxes[j, 1])
            iou = both / (area + other - both)
            if abs(iou - iou_threshold) <= ROUNDING_BAND * max(iou, iou_threshold):
                return kept, False
            kept[j] = iou <= iou_threshold
    return kept, True
