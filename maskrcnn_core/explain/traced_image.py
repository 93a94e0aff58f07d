"""One image with all that its run left: the stages, what was found, and what pictures of them need."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from maskrcnn_core.common.arrays import Box, Floats, Pixels
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import Detections, Thresholds
from maskrcnn_core.drawing.board import picture_size, scaled
from maskrcnn_core.evaluation.image_truth import ImageTruth
from maskrcnn_core.evaluation.judging import Judgement
from maskrcnn_core.explain.against_truth import judge_trace
from maskrcnn_core.explain.fates import Fates, fates_of_candidates
from maskrcnn_core.explain.trace import Trace
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.geometry.boxes import box_scale
from maskrcnn_core.inference.predictor import Predictor

__all__ = ["Subject", "TracedImage", "View", "trace_image"]


_CONTEXT = 1.6  # times the longer side of what is looked at
_LEAST_SHARE = 0.15  # of the image's longer side that a view shows


@dataclass(frozen=True, eq=False)
class Subject:
    """The object that is followed from stage to stage: the best that there is.

    Args:
        what: it is, as "the best detection".
        row: of the candidates, or -1.
        region: of the regions of interest, or -1.
        box: float32 ``[4]``, the region's, in pixels of the network's input.
        final_box: likewise after the box head moved it.
    """

    what: str
    row: int
    region: int
    box: Floats
    final_box: Floats


@dataclass(frozen=True, eq=False)
class View:
    """A part of the image in the size that is drawn on, its longer side within bounds.

    Args:
        picture: uint8 ``[h, w, 3]``.
        corner: float32 ``[4]``, the part's upper left corner in pixels of the image, as x y x y.
        scale: float32 ``[4]``, pixels of the picture for each of the image, likewise.
        to_image: float32 ``[4]``, pixels of the image for each of the network's input.
    """

    picture: Pixels
    corner: Floats
    scale: Floats
    to_image: Floats

    def place(self, boxes: Floats) -> Floats:
        """Return boxes ``[..., 4]`` in pixels of the network's input, in those of the picture."""
        return self.place_image_box(boxes * self.to_image)

    def place_image_box(self, boxes: Floats) -> Floats:
        """Return boxes ``[..., 4]`` in pixels of the image, in those of the picture."""
        placed: Floats = (boxes - self.corner) * self.scale
        return placed


@dataclass(frozen=True, eq=False)
class TracedImage:
    """A traced image.

    Args:
        predictor: that traced it.
        name: of the image, for people; any text.
        pixels: the image, uint8 ``[H, W, 3]`` RGB, upright.
        thresholds: that decide what is detected.
        trace: of the image.
        box: x1 y1 x2 y2 in pixels of the image around an object that one wonders about, or ``None``.
        truth: what is known to be on the image, or ``None``.
    """

    predictor: Predictor
    name: str
    pixels: Pixels
    thresholds: Thresholds
    trace: Trace
    box: Box | None = None
    truth: ImageTruth | None = None

    @property
    def label_map(self) -> LabelMap:
        """The model's label map."""
        return self.predictor.model.label_map

    @cached_property
    def detections(self) -> Detections:
        """What :meth:`Predictor.predict` says of the image."""
        return self.predictor.detections(self.trace.run, self.thresholds, self.pixels)

    @cached_property
    def fates(self) -> Fates:
        """The fate of each candidate."""
        return fates_of_candidates(self.trace.run.candidates, self.thresholds, self.label_map)

    @cached_property
    def judgement(self) -> Judgement | None:
        """All that the run found, whatever its score, against the truth; ``None`` if there is none."""
        if self.truth is None:
            return None
        return judge_trace(self.predictor, self.trace, self.thresholds, self.truth, self.pixels)

    @cached_property
    def whole(self) -> View:
        """The whole image."""
        height, width = self.trace.input.image_size
        return self._view(0, 0, width, height)

    def around(self, boxes: Floats) -> View:
        """Return the part of the image around boxes ``[N, 4]``, N >= 1, in pixels of the network's input."""
        placed = np.atleast_2d(boxes) * self.trace.to_image
        height, width = self.trace.input.image_size
        low, high = placed[:, :2].min(axis=0), placed[:, 2:].max(axis=0)
        longest = float((high - low).max())
        half = max(longest * _CONTEXT, max(height, width) * _LEAST_SHARE, 8.0) / 2
        x, y = (float(v) for v in (low + high) / 2)
        left, top = max(int(x - half), 0), max(int(y - half), 0)
        right, bottom = min(round(x + half), width), min(round(y + half), height)
        left, top = min(left, width - 1), min(top, height - 1)
        return self._view(left, top, max(right, left + 1), max(bottom, top + 1))

    def _view(self, left: int, top: int, right: int, bottom: int) -> View:
        part = self.pixels[top:bottom, left:right]
        size = picture_size((bottom - top, right - left))
        return View(
            scaled(np.ascontiguousarray(part), size),
            np.array([left, top, left, top], np.float32),
            box_scale((bottom - top, right - left), size),
            self.trace.to_image,
        )

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """The detections with their masks in pixels of :attr:`whole`'s picture.

        One that has no pixel there is left out.
        """
        found = self.detections
        size = self.whole.picture.shape[0], self.whole.picture.shape[1]
        boxes = self.whole.place_image_box(found.boxes)
        there = replace(found, boxes=boxes, image_size=size)
        return Instance.from_detections(there, self.label_map, 1, self.thresholds.mask_threshold)

    @property
    def names(self) -> dict[int, str]:
        """Category id to name."""
        return {category.id: category.name for category in self.label_map}

    def name_of(self, label: int) -> str:
        """Return a label's category; COCO's heads have some that are none."""
        if label == 0:
            return "background"
        return self.label_map.category(label).name if label in self.label_map else f"unused label {label}"

    def counts(self) -> str:
        """Return the detections in words, as "3 (2 cup, 1 fork)"."""
        found = Counter(self.name_of(label) for label in self.detections.labels.tolist())
        if not found:
            return "none"
        return f"{found.total()} ({', '.join(f'{count} {name}' for name, count in found.most_common())})"

    @cached_property
    def subject(self) -> Subject | None:
        """The best detection; where there is none the best candidate, else the best proposal, or nothing."""
        candidates, regions = self.trace.run.candidates, self.trace.regions
        if len(self.detections):
            return self._candidate("the best detection", int(self.detections.rows[0]))
        if len(candidates):
            return self._candidate("the best candidate", int(candidates.scores.argmax()))
        if len(regions.boxes):
            box = regions.boxes[0]
            return Subject("the best proposal", -1, 0, box, box)
        return None

    def _candidate(self, what: str, row: int) -> Subject:
        region = int(self.trace.regions.candidates[row])
        candidates = self.trace.run.candidates
        name = f"{what}, {self.name_of(int(candidates.labels[row]))} ({candidates.scores[row]:.2f})"
        return Subject(name, row, region, self.trace.regions.boxes[region], candidates.boxes[row])


def trace_image(
    predictor: Predictor,
    pixels: Pixels,
    thresholds: Thresholds | None = None,
    *,
    name: str = "image",
    box: Box | None = None,
    truth: ImageTruth | None = None,
) -> TracedImage:
    """Trace an image; from a trace already made, build a :class:`TracedImage` directly.

    Args:
        predictor: any.
        pixels: uint8 ``[H, W, 3]`` RGB, upright.
        thresholds: by default as :meth:`Predictor.predict` takes them.
        name: of the image, for people.
        box: x1 y1 x2 y2 in pixels of the image, around an object that one wonders about.
        truth: what is known to be on the image.

    Raises:
        InferenceError: as :func:`~maskrcnn_core.explain.tracing.trace_network`.
    """
    thresholds = thresholds or Thresholds(predictor.model.score_threshold, predictor.model.nms_threshold)
    trace = trace_network(predictor, pixels, thresholds)
    return TracedImage(predictor, name, pixels, thresholds, trace, box, truth)
