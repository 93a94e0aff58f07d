"""What a run of a network leaves behind: plain arrays and words, for which nobody needs torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from maskrcnn_core.common.arrays import Floats, Ints
from maskrcnn_core.detection.candidates import Candidates, Detections

__all__ = ["Failure", "Run"]


@dataclass(frozen=True)
class Failure:
    """The network gave nothing usable for an image; not the same as a run without objects.

    Args:
        reason: one sentence for people.
        is_final: the same image and model would always fail like this, so asking again is of no use.
    """

    reason: str
    is_final: bool = False


@dataclass(eq=False)
class Run:
    """What one run of the network over one image left behind.

    Args:
        candidates: all scored boxes before non-maximum suppression.
        mask_size: M, the side of the model's mask probabilities.
        device: where it ran, as ``cpu`` or ``cuda``.
        notes: what a person should know, as "out of GPU memory: ran at half the input size".
        scale: the network's input size relative to the model's own; 1 but after a want of memory.
    """

    candidates: Candidates
    mask_size: int
    device: str
    notes: tuple[str, ...] = ()
    scale: float = 1.0
    _mask_probs: dict[int, Floats] = field(default_factory=dict, repr=False)

    @property
    def image_size(self) -> tuple[int, int]:
        """``(height, width)`` of the original image in pixels."""
        return self.candidates.image_size

    @property
    def masks_kept(self) -> int:
        """For how many candidates the mask head has run."""
        return len(self._mask_probs)

    def without_mask(self, rows: Ints) -> Ints:
        """Return those of ``rows`` for which the mask head has not run yet."""
        return np.array([row for row in rows.tolist() if row not in self._mask_probs], np.int64)

    def keep_masks(self, rows: Ints, mask_probs: Floats) -> None:
        """Keep the mask head's probabilities, ``[N, M, M]``, for some rows."""
        for row, probs in zip(rows.tolist(), mask_probs, strict=True):
            self._mask_probs[row] = probs

    def detections(self, rows: Ints) -> Detections:
        """Return the chosen rows as detections; each must have its mask.

        Raises:
            KeyError: for a row without one; :meth:`maskrcnn_core.inference.predictor.Predictor.detections`
                sees to that.
        """
        size = self.mask_size
        probs = np.empty((len(rows), size, size), np.float32)
        for i, row in enumerate(rows.tolist()):
            probs[i] = self._mask_probs[row]
        return Detections(
            boxes=self.candidates.boxes_in_image(rows),
            labels=self.candidates.labels[rows],
            scores=self.candidates.scores[rows],
            mask_probs=probs,
            rows=rows,
            image_size=self.image_size,
            convention=self.candidates.convention,
        )
