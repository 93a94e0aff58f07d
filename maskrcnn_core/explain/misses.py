"""Why an object was missed, or found twice: the rule that decided, with its figure, in one sentence.

A person's box is followed through the stages from the end to the beginning. The first stage at which
something still overlapped it well (IoU of :data:`SAME` or more, as PASCAL VOC counts a hit) is where it was
lost, and that stage's rule is the explanation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Floats
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.explain.fates import fates_of_candidates
from maskrcnn_core.explain.trace import Trace
from maskrcnn_core.geometry.boxes import box_ious
from maskrcnn_core.inference.prompts import check_boxes

__all__ = ["SAME", "Explanation", "Verdict", "explain_box"]


SAME = 0.5
"""IoU from which on two boxes are taken for the same object."""

_CLASSES = 5

Verdict = Literal[
    "detected",
    "twice",
    "low score",
    "suppressed",
    "beyond limit",
    "other category",
    "moved away",
    "background",
    "proposal suppressed",
    "proposal beyond limit",
    "low objectness",
    "moved off",
    "not covered",
]


@dataclass(frozen=True, eq=False)
class Explanation:
    """What became of an object in a box.

    Args:
        verdict: the rule.
        sentence: the explanation with its figure.
        helps: what would change it, or empty.
        box: float32 ``[4]``, x1 y1 x2 y2 in pixels of the image.
        anchor_iou: of the anchor that covers it best.
        anchor_box: float32 ``[4]``, that anchor, in pixels of the image.
        anchor_level: its level's name.
        anchors_near: how many overlap by :data:`SAME` or more.
        objectness: the best probability among the boxes that the network made of anchors and that overlap by
            :data:`SAME` or more; that of the best anchor, where there are none.
        proposal_iou: of the best region of interest.
        proposal_box: float32 ``[4]`` in pixels of the image, or ``None`` where there are no proposals at all.
        classes: names and probabilities that the box head gave that region, the best few, background among
            them.
        rows: candidate rows that the sentence speaks of: the detections on the object, or the candidate that
            was dropped and then the one that stood in its way.
    """

    verdict: Verdict
    sentence: str
    helps: str
    box: Floats
    anchor_iou: float
    anchor_box: Floats
    anchor_level: str
    anchors_near: int
    objectness: float
    proposal_iou: float
    proposal_box: Floats | None
    classes: tuple[tuple[str, float], ...]
    rows: tuple[int, ...]


def explain_box(
    trace: Trace, thresholds: Thresholds, label_map: LabelMap, box: Sequence[float]
) -> Explanation:
    """Say why there is no detection on the object in a box, or why there are several.

    Args:
        trace: of the image.
        thresholds: those that the detections were taken with.
        label_map: the model's.
        box: x1 y1 x2 y2 in pixels of the image, around the object.

    Raises:
        InputError: if the box is none or lies outside of the image.
    """
    checked = check_boxes([list(box)], trace.input.image_size)
    return _Case(trace, thresholds, label_map, checked).explain()


class _Case:
    """One box and all that overlaps it."""

    def __init__(self, trace: Trace, thresholds: Thresholds, label_map: LabelMap, box: Floats) -> None:
        self.trace, self.thresholds, self.label_map, self.box = trace, thresholds, label_map, box
        self.target = box / trace.to_image
        self.candidates = trace.run.candidates
        self.fates = fates_of_candidates(self.candidates, thresholds, label_map)
        self.candidate_ious = self._ious(self.candidates.boxes)
        self.region_ious = self._ious(trace.regions.boxes)

    def explain(self) -> Explanation:
        for stage in (
            self._detected,
            self._dropped_candidate,
            self._region,
            self._proposal,
            self._anchor,
        ):
            if (found := stage()) is not None:
                return self._explanation(*found)
        return self._explanation(*self._not_covered())

    # -- the stages, the last one first ---------------------------------------------------------------

    def _detected(self) -> tuple[Verdict, str, str, tuple[int, ...]] | None:
        kept = self.fates.rows("kept")
        kept = kept[np.argsort(-self.candidates.scores[kept], kind="stable")]
        on_it = kept[self.candidate_ious[kept] >= SAME]
        if not len(on_it):
            return None
        first = int(on_it[0])
        if len(on_it) == 1:
            iou = self.candidate_ious[first]
            return (
                "detected",
                f"It was not missed: {self._name(first)} covers it (IoU {iou:.2f}).",
                "",
                (first,),
            )
        second = int(on_it[1])
        iou = float(box_ious(self.candidates.boxes[[first]], self.candidates.boxes[[second]])[0, 0])
        many = f"{len(on_it)} detections are on it"
        if self.candidates.labels[first] != self.candidates.labels[second]:
            sentence = (
                f"{many}: {self._name(first)} and {self._name(second)} overlap by {iou:.2f}, but suppression "
                "only compares boxes of one category."
            )
            helps = "Reject one, or switch its category off."
        else:
            sentence = (
                f"{many}: the boxes of {self._name(first)} and {self._name(second)} overlap by {iou:.2f}, "
                f"which is not above the NMS threshold of {self.thresholds.nms_threshold:.2f}."
            )
            helps = f"An NMS threshold below {iou:.2f} would keep only the first."
        return "twice", sentence, helps, (first, second)

    def _dropped_candidate(self) -> tuple[Verdict, str, str, tuple[int, ...]] | None:
        on_it = np.flatnonzero(self.candidate_ious >= SAME)
        named = np.array([label in self.label_map for label in self.candidates.labels[on_it]], np.bool_)
        on_it = on_it[named]
        if not len(on_it):
            return None
        row = int(on_it[np.argmax(self.candidates.scores[on_it])])
        name, iou, score = self._name(row), self.candidate_ious[row], float(self.candidates.scores[row])
        match self.fates.of(row):
            case "low score":
                sentence = (
                    f"Scored too low: {name} would cover it (IoU {iou:.2f}), but its score is not above the "
                    f"threshold of {self.thresholds.score_threshold:.2f}."
                )
                return "low score", sentence, self._at_lower_score(row, score), (row,)
            case "suppressed":
                other = int(self.fates.by[row])
                both = self.fates.ious[row]
                sentence = (
                    f"Suppressed: {name} would cover it (IoU {iou:.2f}), but its box overlaps that of "
                    f"{self._name(other)} by {both:.2f}, above the NMS threshold of "
                    f"{self.thresholds.nms_threshold:.2f}."
                )
                return (
                    "suppressed",
                    sentence,
                    self._at_higher_nms(row, float(both)),
                    (row, other),
                )
            case "beyond limit":
                sentence = (
                    f"Beyond the limit: {name} would cover it (IoU {iou:.2f}), but "
                    f"{counted(self.thresholds.max_detections, 'detection scores', 'detections score')} "
                    "better."
                )
                return "beyond limit", sentence, "Raise the limit of detections per image.", (row,)
            case _:
                sentence = f"Switched off: {name} covers it (IoU {iou:.2f}), and its category is not shown."
                return "other category", sentence, "Show all categories.", (row,)

    def _at_lower_score(self, row: int, score: float) -> str:
        """Return what a lower score threshold would do: it may let in something that is in the way."""
        below = float(np.nextafter(np.float32(score), np.float32(0)))
        lower = replace(self.thresholds, score_threshold=max(SCORE_FLOOR, below))
        fates = fates_of_candidates(self.candidates, lower, self.label_map)
        match fates.of(row):
            case "kept":
                return f"A score threshold below {score:.2f} shows it."
            case "suppressed":
                return f"At a lower score threshold {self._name(int(fates.by[row]))} would suppress it."
            case fate:
                return f"At a lower score threshold it would still be dropped: {fate}."

    def _at_higher_nms(self, row: int, iou: float) -> str:
        """Return what a higher NMS threshold would do: there may be more than one in the way."""
        enough = min(np.ceil(iou * 100 + 0.01) / 100, 1.0)
        higher = replace(self.thresholds, nms_threshold=float(enough))
        if fates_of_candidates(self.candidates, higher, self.label_map).of(row) == "kept":
            return f"An NMS threshold of {enough:.2f} keeps it."
        return "More than one box is in its way: an even higher NMS threshold is needed."

    def _region(self) -> tuple[Verdict, str, str, tuple[int, ...]] | None:
        regions = self.trace.regions
        if not len(self.region_ious) or self.region_ious.max() < SAME:
            return None
        region = int(self.region_ious.argmax())
        proposed = (
            f"proposed (IoU {self.region_ious[region]:.2f}, objectness {regions.objectness[region]:.2f})"
        )
        own = np.flatnonzero(regions.candidates == region)
        own = own[[label in self.label_map for label in self.candidates.labels[own].tolist()]]
        if len(own):
            row = int(own[np.argmax(self.candidates.scores[own])])
            sentence = (
                f"Moved away: it was {proposed}, but the box head's box for {self._name(row)} overlaps yours "
                f"by only {self.candidate_ious[row]:.2f}."
            )
            return "moved away", sentence, "A hand-drawn box keeps its place.", (row,)
        label, probability = self._best_label(region)
        sentence = (
            f"Taken for background: it was {proposed}, but the box head gives background "
            f"{regions.scores[region, 0]:.2f} and the best category, {label}, {probability:.2f}, not above "
            f"the floor of {SCORE_FLOOR}."
        )
        return "background", sentence, "", ()

    def _proposal(self) -> tuple[Verdict, str, str, tuple[int, ...]] | None:
        proposals = self.trace.proposals
        ious = self._ious(proposals.boxes)
        if not len(ious) or ious.max() < SAME:
            return None
        on_it = np.flatnonzero(ious >= SAME)
        row = int(on_it[np.argmax(proposals.scores[on_it])])
        score = proposals.scores[row]
        match proposals.fates.of(row):
            case "suppressed":
                other = int(proposals.fates.by[row])
                sentence = (
                    f"Not proposed: the network's box for it (IoU {ious[row]:.2f}, objectness {score:.2f}) "
                    f"was suppressed by one with objectness {proposals.scores[other]:.2f} that it overlaps "
                    f"by {proposals.fates.ious[row]:.2f}, above the proposals' NMS threshold of "
                    f"{proposals.nms_threshold:.2f}."
                )
                return "proposal suppressed", sentence, "", ()
            case "beyond limit":
                sentence = (
                    f"Not proposed: its box (IoU {ious[row]:.2f}) has objectness {score:.2f}, and the limit "
                    f"of {proposals.limit:,} proposals was filled by better ones, the last with "
                    f"{proposals.scores[proposals.kept[-1]]:.2f}."
                )
                return "proposal beyond limit", sentence, "", ()
            case _:
                sentence = (
                    f"Not proposed: its best box (IoU {ious[row]:.2f}) has objectness {score:.3f}, below "
                    f"the minimum of {proposals.least_score:.2f}."
                )
                return "low objectness", sentence, "", ()

    def _anchor(self) -> tuple[Verdict, str, str, tuple[int, ...]] | None:
        ious = self._ious(self.trace.all_refined)
        if ious.max() < SAME:
            return None
        on_it = np.flatnonzero(ious >= SAME)
        objectness = self.trace.all_objectness
        best = int(on_it[np.argmax(objectness[on_it])])
        proposals, level = self.trace.proposals, self._level(best)
        of_which = "all levels" if proposals.is_overall else f"level {self.trace.anchors[level].name}"
        taken = proposals.scores if proposals.is_overall else proposals.scores[proposals.levels == level]
        last = f"the last of them has {taken.min():.3f}" if len(taken) else "none was taken"
        sentence = (
            f"Not proposed: the best objectness near it is {objectness[best]:.3f}, not among the best "
            f"{proposals.per_level:,} of {of_which}; {last}."
        )
        return "low objectness", sentence, "", ()

    def _not_covered(self) -> tuple[Verdict, str, str, tuple[int, ...]]:
        anchors = self._ious(self.trace.all_anchors)
        best, moved = float(anchors.max()), float(self._ious(self.trace.all_refined).max())
        if best >= SAME:
            sentence = (
                f"Moved off: anchors cover it (IoU {best:.2f}), but the network moved them onto something "
                f"else; none of its boxes overlaps yours by more than {moved:.2f}."
            )
            helps = "The network boxes what it takes for one object; a hand-drawn box keeps its place."
            return "moved off", sentence, helps, ()
        sentence = (
            f"Not covered: no anchor overlaps it by more than {best:.2f}, and no box that the network "
            f"made from one by more than {moved:.2f}."
        )
        return "not covered", sentence, "Another model may have anchors of this size and shape.", ()

    # -- what every explanation has --------------------------------------------------------------------

    def _explanation(self, verdict: Verdict, sentence: str, helps: str, rows: tuple[int, ...]) -> Explanation:
        anchors, objectness = self.trace.all_anchors, self.trace.all_objectness
        ious = self._ious(anchors)
        best, near = int(ious.argmax()), ious >= SAME
        on_it = self._ious(self.trace.all_refined) >= SAME
        has_regions = bool(len(self.region_ious))
        region = int(self.region_ious.argmax()) if has_regions else -1
        return Explanation(
            verdict=verdict,
            sentence=sentence,
            helps=helps,
            box=self.box[0],
            anchor_iou=float(ious[best]),
            anchor_box=anchors[best] * self.trace.to_image,
            anchor_level=self.trace.anchors[self._level(best)].name,
            anchors_near=int(near.sum()),
            objectness=float(objectness[on_it].max() if on_it.any() else objectness[best]),
            proposal_iou=float(self.region_ious[region]) if has_regions else 0.0,
            proposal_box=self.trace.regions.boxes[region] * self.trace.to_image if has_regions else None,
            classes=self._classes(region) if has_regions else (),
            rows=rows,
        )

    def _classes(self, region: int) -> tuple[tuple[str, float], ...]:
        scores = self.trace.regions.scores[region]
        best = [int(label) for label in np.argsort(-scores, kind="stable")]
        named = [label for label in best if label == 0 or label in self.label_map][:_CLASSES]
        return tuple(
            ("background" if label == 0 else self.label_map.category(label).name, float(scores[label]))
            for label in named
        )

    def _best_label(self, region: int) -> tuple[str, float]:
        known = np.array(sorted(self.label_map.labels))
        scores = self.trace.regions.scores[region, known]
        best = int(scores.argmax())
        return self.label_map.category(int(known[best])).name, float(scores[best])

    def _ious(self, boxes: Floats) -> npt.NDArray[np.float64]:
        return box_ious(boxes, self.target)[:, 0]

    def _level(self, anchor: int) -> int:
        counts = np.cumsum([level.count for level in self.trace.anchors])
        return int(np.searchsorted(counts, anchor, side="right"))

    def _name(self, row: int) -> str:
        label = int(self.candidates.labels[row])
        return f"{self.label_map.category(label).name} ({self.candidates.scores[row]:.2f})"
