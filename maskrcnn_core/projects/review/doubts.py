"""How doubtful a detection is, from what the network said beside it: what a reviewer should look at first.

Four things make one doubt an answer: a score near the threshold, a second category that is nearly as likely,
a mask that is neither in nor out over much of its area, and two detections on one object.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Floats
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import SCORE_FLOOR
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.geometry.boxes import box_ious
from maskrcnn_core.geometry.rle import mask_containment, mask_iou
from maskrcnn_core.projects.records import Doubts
from maskrcnn_core.tiling.running import TiledRun

__all__ = ["doubt_of", "doubts_of_run", "reasons"]


_SAME_BOX = 0.7
"""Box IoU from which on two candidates are of one object: the network refines a box for each category."""
_IN_BETWEEN = (0.25, 0.75)
"""Probabilities that decide a cell of a mask neither way."""
_NEAR = 0.3
"""Up to this distance from the threshold a score's closeness counts."""
_SOFT = 0.8
"""As many undecided cells as that part of the mask's own make an edge wholly soft; about 0.15 is usual."""
_LEAST_TWIN = 0.3
# How much each of the four alone can make of a doubt: an edge may be soft as the object is (hair, smoke).
_WEIGHTS = {"near": 0.8, "runner_up": 0.9, "soft": 0.5, "twin": 0.9}


def doubts_of_run(run: Run | TiledRun, instances: Sequence[Instance], label_map: LabelMap) -> list[Doubts]:
    """Return the doubts of a run's instances, in their order.

    Args:
        run: with the masks of these instances. In tiles, what speaks against an instance is what its best
            tile said beside it.
        instances: of the run; their ``row`` says which candidate each is.
        label_map: the model's.
    """
    doubts, labels_known = [], dict[int, npt.NDArray[np.bool_]]()
    twins = _Twins(instances)
    for index, instance in enumerate(instances):
        part, row = run.run_of_row(instance.row) if isinstance(run, TiledRun) else (run, instance.row)
        candidates = part.candidates
        if (known := labels_known.get(id(part))) is None:
            known = np.array([label in label_map for label in candidates.labels.tolist()], np.bool_)
            labels_known[id(part)] = known
        others = np.flatnonzero(known & (candidates.labels != candidates.labels[row]))
        overlap = box_ious(candidates.boxes[[row]], candidates.boxes[others])[0]
        others = others[overlap >= _SAME_BOX]
        score, name = 0.0, ""
        if len(others):
            best = others[np.argmax(candidates.scores[others])]
            score = float(candidates.scores[best])
            name = label_map.category(int(candidates.labels[best])).name
        probs = part.detections(np.array([row], np.int64)).mask_probs[0]
        doubts.append(Doubts(score, name, _soft_edge(probs), twins.of(index)))
    return doubts


def doubt_of(score: float | None, doubts: Doubts | None, score_threshold: float) -> float:
    """Return one number for the order of a queue: 0 for no doubt, towards 1 for much; each reason adds to it.

    Args:
        score: the model's, or ``None``.
        doubts: of the detection, or ``None`` where only the score is known.
        score_threshold: where one would cut.
    """
    parts = _parts(score, doubts, score_threshold)
    return float(1 - np.prod([1 - _WEIGHTS[name] * part for name, part in parts.items()]))


def reasons(score: float | None, doubts: Doubts | None, score_threshold: float) -> list[str]:
    """Return what speaks against a detection, in words, the gravest first; empty where nothing much does."""
    parts = _parts(score, doubts, score_threshold)
    doubts = doubts or Doubts()
    if score is None:  # a box that a person drew: the network's next guess is of use, and no doubt
        is_likely = bool(doubts.runner_up_name) and doubts.runner_up > SCORE_FLOOR
        return [f"or {doubts.runner_up_name} ({doubts.runner_up:.2f})"] if is_likely else []
    words = {
        "near": f"score near {score_threshold:.2f}",
        "runner_up": f"or {doubts.runner_up_name} ({doubts.runner_up:.2f})",
        "soft": "soft edge",
        "twin": f"overlaps another by {doubts.twin:.0%}",
    }
    grave = sorted((n for n, p in parts.items() if p >= 0.5), key=lambda n: -_WEIGHTS[n] * parts[n])
    return [words[name] for name in grave]


def _parts(score: float | None, doubts: Doubts | None, score_threshold: float) -> dict[str, float]:
    """Return the four reasons, each in [0, 1]."""
    if score is None:
        return {}
    near = max(0.0, 1 - abs(score - score_threshold) / _NEAR)
    if doubts is None:
        return {"near": near}
    return {
        "near": near,
        "runner_up": min(doubts.runner_up / score, 1.0) if score else 0.0,
        "soft": min(doubts.soft_edge / _SOFT, 1.0),
        "twin": doubts.twin if doubts.twin >= _LEAST_TWIN else 0.0,
    }


def _soft_edge(probs: Floats) -> float:
    low, high = _IN_BETWEEN
    inside = int((probs > 0.5).sum())
    return int(((probs > low) & (probs < high)).sum()) / max(inside, 1)


class _Twins:
    """Finds how far another instance is the same object."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self._instances = instances
        boxes = np.array([one.mask.box_xywh for one in instances], np.int64).reshape(-1, 4)
        self._from, self._to = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]

    def of(self, index: int) -> float:
        """Return how far: all of it if of one category, or a part of the other; in common for two, as a tie
        lies within a person and is no second one."""
        meets = (self._from < self._to[index]).all(axis=1) & (self._from[index] < self._to).all(axis=1)
        one, most = self._instances[index], 0.0
        for other_index in np.flatnonzero(meets).tolist():
            other = self._instances[other_index]
            if other_index != index:
                measure = mask_containment if other.category_id == one.category_id else mask_iou
                most = max(most, measure(one.mask, other.mask))
        return most
