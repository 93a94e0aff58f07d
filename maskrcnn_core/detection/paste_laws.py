"""How the families of Mask R-CNN lay a small mask over its box: the places of the cells, and what decides.

All of them scale an M x M square of probabilities to the box, bilinearly, and compare with a threshold. They
differ in where the square's cells lie, and a mask 20 pixels wide differs by a tenth of its area for it:

``torchvision``
    (also maskrcnn-benchmark, Detectron1) Pads the square by a cell, grows the box to fit, cuts its corners to
    whole pixels and interpolates over corner + 1 pixels: ``paste_masks_in_image``. Foreground is greater than
    the threshold.
``centres``
    (Detectron2, mmdetection) Samples at the centres of pixels, in the box as it is, zeros outside:
    ``detectron2/layers/mask_ops.py``, ``mmdet/models/roi_heads/mask_heads/fcn_mask_head.py``. Foreground
    reaches the threshold.
``matterport``
    Scales to a box of whole pixels as scikit-image does (order 1, zeros outside, clipped to the values that
    there were): ``mrcnn/utils.py``, ``unmold_mask``. Foreground reaches the threshold.

Each law says which cells make up each pixel, as float32 weights, and answers as the original does for the few
pixels that these cannot decide.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Floats, Ints

__all__ = ["PASTE_LAWS", "Paste", "PasteLaw", "Placed"]

_KEPT_SIDE = 256
"""Pixels of a box up to which its shares are kept."""

Paste = Literal["torchvision", "centres", "matterport"]

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Placed:
    """A padded mask over the pixels that it reaches.

    Args:
        top, left: of the first pixel in the image.
        weights_y, weights_x: float32 ``[M + 2, rows]`` and ``[M + 2, columns]``, each cell's share in each
            pixel; at most two neighbouring cells have one.
    """

    top: int
    left: int
    weights_y: Floats
    weights_x: Floats


class PasteLaw(ABC):
    """One way of laying a mask over its box."""

    band: ClassVar[float]
    """Distance from the threshold within which the exact value does not say what the original answers."""

    @abstractmethod
    def threshold(self, mask_threshold: float) -> np.float32:
        """Return the float32 that foreground is greater than."""

    def pad(self, probs: Floats, mask_threshold: float) -> Floats:  # noqa: ARG002, for those that ask
        """Return ``[M, M]`` probabilities with a cell of zeros around them."""
        return np.pad(probs, 1)

    @abstractmethod
    def place(self, box: Floats, cells: int, image_size: tuple[int, int]) -> Placed | None:
        """Lay M x M ``cells`` over a box; None where no pixel of the image is reached."""

    @abstractmethod
    def decide(
        self, probs: Floats, box: Floats, placed: Placed, points: Ints, mask_threshold: float
    ) -> Bools:
        """Answer for single pixels as the original does.

        Args:
            probs: float32 ``[M + 2, M + 2]``, of :meth:`pad`.
            box: float32 ``[4]``.
            placed: of :meth:`place`.
            points: int64 ``[K, 2]``, rows and columns within ``placed``.
            mask_threshold: as the person set it.
        """


class _Torchvision(PasteLaw):
    # Interpolating once along each axis rounds six times at most (two products and a sum each, fewer if
    # fused), each time by up to 2**-25 for values below 1: together 1.8e-7.
    band = 2.5e-7

    def threshold(self, mask_threshold: float) -> np.float32:
        return np.float32(mask_threshold)

    def place(self, box: Floats, cells: int, image_size: tuple[int, int]) -> Placed | None:
        x1, y1, x2, y2 = (int(v) for v in _grown(box, cells))
        top, left = max(y1, 0), max(x1, 0)
        bottom, right = min(y2 + 1, image_size[0]), min(x2 + 1, image_size[1])
        if left >= right or top >= bottom:
            return None
        weights_y = _interpolation_weights(cells + 2, max(y2 - y1 + 1, 1))[:, top - y1 : bottom - y1]
        weights_x = _interpolation_weights(cells + 2, max(x2 - x1 + 1, 1))[:, left - x1 : right - x1]
        return Placed(top, left, weights_y, weights_x)

    def decide(
        self, probs: Floats, box: Floats, placed: Placed, points: Ints, mask_threshold: float
    ) -> Bools:
        x1, y1, x2, y2 = (int(v) for v in _grown(box, len(probs) - 2))
        values = _interpolate(probs, (max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)))
        asked = values[points[:, 0] + placed.top - y1, points[:, 1] + placed.left - x1]
        decided: Bools = asked > np.float32(mask_threshold)
        return decided


class _Centres(PasteLaw):
    # A cell's place is rounded to 2**-20 of a cell, whether fused or not, and probabilities of neighbours
    # differ by at most 1; two places, three sums and products make 2.4e-6 at most.
    band = 3e-6

    def threshold(self, mask_threshold: float) -> np.float32:
        return _reached(mask_threshold)

    def place(self, box: Floats, cells: int, image_size: tuple[int, int]) -> Placed | None:
        axes = [_centre_weights(box[i], box[i + 2], cells, image_size[1 - i]) for i in (0, 1)]
        (left, weights_x), (top, weights_y) = axes
        return Placed(top, left, weights_y, weights_x) if weights_x.size and weights_y.size else None

    def decide(
        self, probs: Floats, box: Floats, placed: Placed, points: Ints, mask_threshold: float
    ) -> Bools:
        import torch
        import torch.nn.functional as F

        # The original's grid, at these pixels alone: each of its values depends on nothing else.
        places = [
            _centre_places(points[:, 1] + placed.left, box[0], box[2]),
            _centre_places(points[:, 0] + placed.top, box[1], box[3]),
        ]
        grid = torch.from_numpy(np.stack(places, axis=-1))[None, None]
        square = torch.from_numpy(np.ascontiguousarray(probs[1:-1, 1:-1]))[None, None]
        values = F.grid_sample(square, grid, align_corners=False)[0, 0, 0].numpy()
        decided: Bools = values > self.threshold(mask_threshold)
        return decided


class _Matterport(PasteLaw):
    # The original computes in float64; our weights are rounded to float32.
    band = 1e-6

    def threshold(self, mask_threshold: float) -> np.float32:
        return _reached(mask_threshold)

    def pad(self, probs: Floats, mask_threshold: float) -> Floats:
        # The original clips to the least probability: a mask that is foreground all over does not fade.
        return np.pad(probs, 1, mode="edge" if probs.min() > self.threshold(mask_threshold) else "constant")

    def place(self, box: Floats, cells: int, image_size: tuple[int, int]) -> Placed | None:
        x1, y1, x2, y2 = (int(v) for v in np.rint(box))
        top, left = max(y1, 0), max(x1, 0)
        bottom, right = min(y2, image_size[0]), min(x2, image_size[1])
        if left >= right or top >= bottom:
            return None
        weights_y = _zoom_weights(cells, y2 - y1)[:, top - y1 : bottom - y1]
        weights_x = _zoom_weights(cells, x2 - x1)[:, left - x1 : right - x1]
        return Placed(top, left, weights_y, weights_x)

    def decide(
        self, probs: Floats, box: Floats, placed: Placed, points: Ints, mask_threshold: float
    ) -> Bools:
        x1, y1, x2, y2 = (int(v) for v in np.rint(box))
        cells, square = len(probs) - 2, probs.astype(np.float64)
        first_y, part_y = _zoom_places(cells, y2 - y1)
        first_x, part_x = _zoom_places(cells, x2 - x1)
        rows, columns = points[:, 0] + placed.top - y1, points[:, 1] + placed.left - x1
        y, x, fy, fx = first_y[rows] + 1, first_x[columns] + 1, part_y[rows], part_x[columns]
        # In this order, as rounding decides where the value is the threshold itself.
        values = square[y, x] * (1 - fy) * (1 - fx)
        values = values + square[y, x + 1] * (1 - fy) * fx
        values = values + square[y + 1, x] * fy * (1 - fx)
        values = values + square[y + 1, x + 1] * fy * fx
        inner = square[1:-1, 1:-1]
        values = values.clip(inner.min(), inner.max())
        decided: Bools = values >= mask_threshold if mask_threshold > 0 else values > 0
        return decided


PASTE_LAWS: dict[Paste, PasteLaw] = {
    "torchvision": _Torchvision(),
    "centres": _Centres(),
    "matterport": _Matterport(),
}
"""The table. To add a way of pasting, write its law and one row."""


def _reached(mask_threshold: float) -> np.float32:
    """Return the float32 just below a threshold; 0 stays 0, which every pixel would reach."""
    threshold = np.float32(mask_threshold)
    return np.nextafter(threshold, np.float32(-1)) if threshold > 0 else threshold


# --- torchvision ------------------------------------------------------------------------------------


def _grown(box: Floats, cells: int) -> Ints:
    """Return a box grown to fit a mask padded by one cell on each side, as whole pixels.

    The order of operations is torchvision's (``expand_boxes``), so that float32 rounds alike; the cast
    truncates towards zero, as its does.
    """
    scale, half = np.float32((cells + 2) / cells), np.float32(0.5)
    half_size = (box[2:] - box[:2]) * half * scale
    centre = (box[2:] + box[:2]) * half
    return np.concatenate([centre - half_size, centre + half_size]).astype(np.int64)


# Torch is imported where it is asked: whoever reads or writes masks without pasting any does without it.


def _interpolate(probs: Floats, size: tuple[int, int]) -> Floats:
    import torch
    import torch.nn.functional as F

    square = torch.from_numpy(probs)[None, None]
    values: Floats = F.interpolate(square, size=size, mode="bilinear", align_corners=False)[0, 0].numpy()
    return values


def _interpolation_weights(cells: int, pixels: int) -> Floats:
    """Return each cell's share in each pixel, as torch computes them: not to be written to."""
    return _kept_weights(cells, pixels) if pixels <= _KEPT_SIDE else _asked_weights(cells, pixels)


def _asked_weights(cells: int, pixels: int) -> Floats:
    """Ask torch for each cell's share in each pixel, with unit vectors."""
    import torch
    import torch.nn.functional as F

    unit_vectors = torch.eye(cells)[:, None, :, None]
    weights = F.interpolate(unit_vectors, size=(pixels, 1), mode="bilinear", align_corners=False)
    table: Floats = weights[:, 0, :, 0].contiguous().numpy()
    return table


# Thousands of small boxes have few sizes, and asking takes longer than pasting.
_kept_weights = lru_cache(maxsize=2 * _KEPT_SIDE)(_asked_weights)


# --- centres of pixels ------------------------------------------------------------------------------


def _centre_places(pixels: Ints, low: np.float32, high: np.float32) -> Floats:
    """Return where centres of pixels lie between two sides of a box, -1 to 1, in the original's float32."""
    places: Floats = (pixels.astype(np.float32) + np.float32(0.5) - low) / (high - low) * np.float32(2) - 1
    return places


def _centre_weights(low: np.float32, high: np.float32, cells: int, pixels: int) -> tuple[int, Floats]:
    """Return the first pixel that a side reaches, and each padded cell's share in it and the others."""
    first = max(int(np.floor(low)) - 1, 0)
    reached = np.arange(first, min(int(np.ceil(high)) + 1, pixels), dtype=np.int64)
    if not high > low or not len(reached):
        return first, np.zeros((cells + 2, 0), np.float32)
    half = np.float32(0.5)
    places = (_centre_places(reached, low, high) + 1) * np.float32(cells / 2) - half
    floors = np.floor(places)
    inside = (floors >= -1) & (floors < cells)
    floors, places = floors[inside], places[inside]
    if not len(places):
        return first, np.zeros((cells + 2, 0), np.float32)
    return int(reached[inside][0]), _two_cells(floors.astype(np.int64) + 1, places - floors, cells + 2)


# --- scikit-image -----------------------------------------------------------------------------------


def _zoom_places(cells: int, pixels: int) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Return the cell before each pixel of a side, -1 for the one outside, and how far away the pixel is."""
    places = (np.arange(pixels) + 0.5) * (cells / pixels) - 0.5
    first = np.floor(places).astype(np.int64)
    return first, places - first


def _zoom_weights(cells: int, pixels: int) -> Floats:
    first, part = _zoom_places(cells, pixels)
    return _two_cells(first + 1, part.astype(np.float32), cells + 2)


def _two_cells(first: Ints, part: Floats, cells: int) -> Floats:
    """Return shares ``[cells, pixels]`` of a cell (1 - part) and of the next one (part)."""
    weights = np.zeros((cells, len(first)), np.float32)
    pixels = np.arange(len(first))
    weights[first, pixels] = 1 - part
    weights[np.minimum(first + 1, cells - 1), pixels] += part
    return weights
