"""What the model said of one image, before and after thresholds.

Mask R-CNN's second stage scores every proposal for every category, then drops low scores, runs
non-maximum suppression per category and keeps the best few (Ren et al. 2015, section 3.3; He et al.
2017, section 3.1). :class:`Candidates` is the table before those three steps, so that they can be
taken again with other thresholds without another run of the network; :class:`Detections` is what is
left after them.

Arrays are NumPy's: nothing behind this module needs torch, and they travel between threads freely.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Floats, Ints
from maskrcnn_core.detection.conventions import CONVENTIONS, ConventionKey
from maskrcnn_core.detection.pasting import have_pixels, paste_masks
from maskrcnn_core.detection.suppression import suppress
from maskrcnn_core.geometry.rle import Rle

__all__ = ["MOST_DETECTIONS", "SCORE_FLOOR", "Candidates", "Detections", "Thresholds"]


SCORE_FLOOR = 0.05
"""Candidates at or below this score are not kept: torchvision's own ``box_score_thresh``."""


MOST_DETECTIONS = 10_000
"""The most that a model, or a person, may have kept in an image."""


@dataclass(frozen=True)
class Thresholds:
    """What decides which candidates are shown, and how far their masks reach.

    Args:
        score_threshold: keep scores greater than this; from :data:`SCORE_FLOOR` to 1.
        nms_threshold: of two boxes of one category whose IoU is greater, the lower scored is dropped.
        max_detections: keep at most this many, the best scored.
        mask_threshold: a pixel belongs to a mask if its probability is greater; from 0 to below 1.
        labels: show only these model labels, or all where ``None``. Taken last, as one would pick
            rows from a finished result: it does not make room for others under ``max_detections``.

    Raises:
        ValueError: naming the value that is out of range.
    """

    score_threshold: float = 0.5
    nms_threshold: float = 0.5
    max_detections: int = 100
    mask_threshold: float = 0.5
    labels: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if not SCORE_FLOOR <= self.score_threshold <= 1.0:
            raise ValueError(f"score threshold: expected {SCORE_FLOOR} to 1, got {self.score_threshold}")
        if not 0.0 <= self.nms_threshold <= 1.0:
            raise ValueError(f"NMS threshold: expected 0 to 1, got {self.nms_threshold}")
        if self.max_detections < 1:
            raise ValueError(f"detections per image: expected 1 or more, got {self.max_detections}")
        if not 0.0 <= self.mask_threshold < 1.0:
            raise ValueError(f"mask threshold: expected 0 to below 1, got {self.mask_threshold}")


@dataclass(frozen=True, eq=False)
class Candidates:
    """K scored boxes of one image before non-maximum suppression, in the network's own order.

    The order is that of torchvision's ``postprocess_detections`` (proposal by proposal, label by
    label): it decides between equal scores.

    Args:
        boxes: float32 ``[K, 4]``, x1 y1 x2 y2 in pixels of the network's resized input.
        labels: int64 ``[K]``, model labels, 1 or more.
        scores: float32 ``[K]``, each above :data:`SCORE_FLOOR`.
        input_size: ``(height, width)`` of the resized input in pixels, without padding.
        image_size: ``(height, width)`` of the original image in pixels.
        convention: of the network's family, see :mod:`maskrcnn_core.detection.conventions`.

    Raises:
        ValueError: if the fields disagree on K or have another shape.
    """

    boxes: Floats
    labels: Ints
    scores: Floats
    input_size: tuple[int, int]
    image_size: tuple[int, int]
    convention: ConventionKey = "torchvision"

    def __post_init__(self) -> None:
        _check_rows(self.boxes, self.labels, self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, thresholds: Thresholds) -> Ints:
        """Return the rows that a fresh run of stock torchvision with these thresholds would return.

        Returns:
            int64 ``[N]``, by descending score. For equality with stock the suppression starts again from
            the rows above the threshold: torchvision's shortcut for few boxes rounds differently, so
            which way is taken must not depend on anything that stock does not see.
        """
        above = np.flatnonzero(self.scores > np.float32(thresholds.score_threshold))
        boxes = CONVENTIONS[self.convention].compared(self.boxes[above])
        kept = suppress(boxes, self.scores[above], self.labels[above], thresholds.nms_threshold)
        rows: Ints = above[kept[: thresholds.max_detections]]
        if thresholds.labels is not None:
            rows = rows[np.isin(self.labels[rows], list(thresholds.labels))]
        return rows

    def beyond_limit(self, thresholds: Thresholds) -> int:
        """Return how many rows pass all of the thresholds but the limit of detections in an image."""
        unlimited = replace(thresholds, max_detections=max(len(self.scores), 1))
        return len(self.select(unlimited)) - len(self.select(thresholds))

    def select_for_slider(self, thresholds: Thresholds) -> Ints:
        """Return rows for a viewer that moves the score threshold by itself, by descending score.

        Above the present score threshold they are exactly :meth:`select`'s. Below it come those that the
        lowest threshold keeps: suppression goes by descending score, so dropping rows below a higher
        score equals a run with that score, but for a tie in float rounding, which the next call of
        :meth:`select` decides.
        """
        shown = self.select(thresholds)
        floor = self.select(replace(thresholds, score_threshold=SCORE_FLOOR))
        below = floor[self.scores[floor] <= np.float32(thresholds.score_threshold)]
        return np.concatenate([shown, below])

    def boxes_in_image(self, rows: Ints) -> Floats:
        """Return boxes of some rows in pixels of the original image: float32 ``[N, 4]``."""
        to_image = CONVENTIONS[self.convention].to_image
        return to_image(self.boxes[rows], self.input_size, self.image_size)


@dataclass(frozen=True, eq=False)  # arrays have no truth value, so no __eq__
class Detections:
    """N detected instances in one image, sorted by descending score.

    Args:
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in pixels of the original image.
        labels: int64 ``[N]``, model labels, 0 is background and never occurs.
        scores: float32 ``[N]`` in [0, 1].
        mask_probs: float32 ``[N, M, M]`` in [0, 1], relative to its box; M is the model's mask size
            (28 for torchvision's models, 24 for MaskRCNN2Go).
        rows: int64 ``[N]``, the candidate row each came from: a name that stays when thresholds move.
        image_size: ``(height, width)`` of the original image in pixels.
        convention: of the network's family; it says how masks are pasted.

    Raises:
        ValueError: if the fields disagree on N or have another shape.
    """

    boxes: Floats
    labels: Ints
    scores: Floats
    mask_probs: Floats
    rows: Ints
    image_size: tuple[int, int]
    convention: ConventionKey = "torchvision"

    def __post_init__(self) -> None:
        _check_rows(self.boxes, self.labels, self.scores)
        n = len(self.scores)
        shape = self.mask_probs.shape
        if len(shape) != 3 or shape[0] != n or shape[1] != shape[2]:
            raise ValueError(f"mask_probs: expected [{n}, M, M], got {list(shape)}")
        if self.rows.shape != (n,):
            raise ValueError(f"rows: expected [{n}], got {list(self.rows.shape)}")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, keep: npt.NDArray[np.bool_] | Ints | slice) -> Detections:
        return Detections(
            self.boxes[keep],
            self.labels[keep],
            self.scores[keep],
            self.mask_probs[keep],
            self.rows[keep],
            self.image_size,
            self.convention,
        )

    def above(self, score_threshold: float) -> Detections:
        """Return those with a greater score."""
        return self[self.scores > np.float32(score_threshold)]

    def masks(self, mask_threshold: float = 0.5) -> list[Rle]:
        """Return the pasted, thresholded mask of each, bit-identical to the family's own paste on the CPU."""
        paste = CONVENTIONS[self.convention].paste
        return paste_masks(self.mask_probs, self.boxes, self.image_size, mask_threshold, paste)

    def have_pixels(self, mask_threshold: float = 0.5) -> npt.NDArray[np.bool_]:
        """Return whether the mask of each has any pixel: bool ``[N]``."""
        paste = CONVENTIONS[self.convention].paste
        return have_pixels(self.mask_probs, self.boxes, self.image_size, mask_threshold, paste)


def _check_rows(boxes: Floats, labels: Ints, scores: Floats) -> None:
    n = len(scores)
    for name, array, shape, dtype in (
        ("boxes", boxes, (n, 4), np.float32),
        ("labels", labels, (n,), np.int64),
        ("scores", scores, (n,), np.float32),
    ):
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(
                f"{name}: expected {np.dtype(dtype)} {list(shape)}, got {array.dtype} {list(array.shape)}"
            )
