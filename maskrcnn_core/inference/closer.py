"""A closer look: a network's mask head once more, on a crop around each object that it has found.

Mask R-CNN makes a mask of M x M numbers from RoIAlign's crop of feature maps (He et al. 2017, section 3.1).
Of an object that is small in the network's input those maps hold a few cells. So the object is cut out of
the image with as much around it as it measures itself, enlarged, and sent through backbone and mask head,
once as it is and once mirrored: box, label and score are known, so nothing is proposed or scored. The mean of
both is averaged with the first look's probabilities, which lie in the same box: a mask stays M x M numbers
beside its box.

An object that the network has seen as large as in its crop gains nothing by measurement and is left alone;
docs/adr/0056 has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.roi_heads import maskrcnn_inference
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from maskrcnn_core.common.arrays import Floats, Ints, Pixels
from maskrcnn_core.detection.candidates import Detections
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.geometry.boxes import box_scale
from maskrcnn_core.inference.buckets import input_size
from maskrcnn_core.inference.forward import MASKS_NOT_FINITE, resize_and_normalise, run_backbone

__all__ = ["Closer", "LookStopped", "Window", "cut_out", "look_closer", "window_of"]

CONTEXT = 2.0
"""Sides of a window in sides of the box: as much around the object as it measures itself."""

_SHARE = 0.7
"""Side of a crop in shorter sides of the network's input: half the work, for nearly all of the gain."""

_STEP = 32
"""Sides of crops are multiples of the coarsest stride of feature maps."""

_LEAST_ZOOM = 1.0
"""Objects that a crop would not show larger than the first look did gain nothing."""

_MOST_ZOOM = 4.0
"""Beyond it a crop shows no more of an object, but less around it."""

Size = tuple[int, int]


class LookStopped(InferenceError):
    """Somebody stopped a closer look between two objects."""


@dataclass(frozen=True)
class Window:
    """A square of an image that a crop shows; parts of it may lie outside of the image.

    Args:
        left, top: of the square, in pixels of the image.
        side: likewise.
    """

    left: float
    top: float
    side: float


@dataclass(frozen=True, eq=False)
class Closer:
    """How a network looks closer.

    Args:
        side: of its crops in pixels.
        share: what its transform's sizes are multiplied by, so that it leaves a crop at its size.
        at_once: objects that go through it together, each as it is and mirrored.
    """

    side: int
    share: float
    at_once: int = 1

    @classmethod
    def of(cls, transform: GeneralizedRCNNTransform, at_once: int = 1) -> Closer:
        """Return how a network with this transform looks closer."""
        shorter = int(transform.min_size[-1]) or int(transform.max_size)
        side = max(round(_SHARE * shorter / _STEP), 1) * _STEP
        return cls(side, (side + 0.5) / shorter, at_once)  # the half, as sizes are rounded down


def window_of(box: Floats, image_size: Size, least_side: float) -> Window:
    """Return the square that a crop of an object shows: moved into the image as far as it fits.

    Args:
        box: ``[4]``, x1 y1 x2 y2 in pixels of the image.
        image_size: ``(height, width)`` in pixels.
        least_side: of the square, in pixels of the image.
    """
    x1, y1, x2, y2 = box.tolist()
    side = max(CONTEXT * max(x2 - x1, y2 - y1), least_side)
    height, width = image_size
    return Window(_placed(x1, x2, side, width), _placed(y1, y2, side, height), side)


def _placed(low: float, high: float, side: float, size: int) -> float:
    if side >= size:
        return (size - side) / 2
    return min(max((low + high - side) / 2, 0.0), size - side)


def cut_out(image: Pixels, window: Window, side: int, around: Pixels) -> Pixels:
    """Return a window's pixels at another size, uint8 ``[side, side, 3]``.

    Args:
        image: uint8 ``[H, W, 3]`` RGB.
        window: has pixels of the image.
        side: of the crop in pixels.
        around: uint8 ``[3]``, what is shown outside of the image.
    """
    height, width = image.shape[:2]
    crop = np.empty((side, side, 3), np.uint8)
    crop[:] = around
    zoom = side / window.side
    left, right = max(window.left, 0.0), min(window.left + window.side, width)
    top, bottom = max(window.top, 0.0), min(window.top + window.side, height)
    x1, x2 = (min(max(round((x - window.left) * zoom), 0), side) for x in (left, right))
    y1, y2 = (min(max(round((y - window.top) * zoom), 0), side) for y in (top, bottom))
    if x1 == x2 or y1 == y2:  # of an image that is some thousand times as long as wide
        return crop
    # The image as a whole is not copied for a part of it.
    first_x, first_y = math.floor(left), math.floor(top)
    part = np.ascontiguousarray(image[first_y : math.ceil(bottom), first_x : math.ceil(right)])
    place = (left - first_x, top - first_y, right - first_x, bottom - first_y)
    size = (x2 - x1, y2 - y1)
    crop[y1:y2, x1:x2] = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BILINEAR, place))
    return crop


def look_closer(
    at_work: Callable[[], AbstractContextManager[MaskRCNN]],
    device: torch.device,
    closer: Closer,
    image: Pixels,
    found: Detections,
    on_look: Callable[[int, int], object] = lambda _done, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    score_threshold: float = 0.0,
) -> Detections:
    """Return detections with masks that a closer look has mended; nothing else of them changes.

    Args:
        at_work: holds the network on its device, without gradients.
        device: the network's.
        closer: how it looks.
        image: the detections', uint8 ``[H, W, 3]`` RGB.
        found: with the first look's masks.
        on_look: called with how many objects were looked at, and of how many.
        cancelled: asked before each look.
        score_threshold: objects whose score is not above it are left alone.

    Raises:
        InferenceError: if the mask head gives NaN or infinity.
        LookStopped: if ``cancelled`` said so.
    """
    if not len(found):
        return found
    with at_work() as network:
        transform = network.transform
    seen = min(box_scale(found.image_size, input_size(transform, found.image_size)).tolist())
    least_side = closer.side / (_MOST_ZOOM * seen)
    around = np.rint(255 * np.array(transform.image_mean)).astype(np.uint8)
    smaller = _seen_smaller(found.boxes, closer, seen)
    smaller = smaller[found.scores[smaller] > np.float32(score_threshold)]
    probs = found.mask_probs.copy()
    for start in range(0, len(smaller), closer.at_once):
        if cancelled():
            raise LookStopped(f"stopped after {start} of {len(smaller)} objects")
        rows = smaller[start : start + closer.at_once]
        windows = [window_of(box, found.image_size, least_side) for box in found.boxes[rows]]
        crops = [cut_out(image, window, closer.side, around) for window in windows]
        placed = [_placed_in(*one, closer.side) for one in zip(found.boxes[rows], windows, strict=True)]
        with at_work() as network:
            looked = _looked(network, device, closer, crops, np.stack(placed), found.labels[rows])
        probs[rows] = (probs[rows] + looked) / 2
        on_look(start + len(rows), len(smaller))
    return replace(found, mask_probs=probs)


def _seen_smaller(boxes: Floats, closer: Closer, seen: float) -> Ints:
    """Return which objects a crop shows larger than the first look, at ``seen`` pixels to one, did."""
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return np.flatnonzero((sides > 0) & (CONTEXT * sides * _LEAST_ZOOM * seen < closer.side))


def _placed_in(box: Floats, window: Window, side: int) -> Floats:
    """Return a box in pixels of the crop that shows a window."""
    corner = np.array([window.left, window.top] * 2)
    placed: Floats = ((box - corner) * (side / window.side)).astype(np.float32)
    return placed


def _looked(
    network: MaskRCNN, device: torch.device, closer: Closer, crops: list[Pixels], boxes: Floats, labels: Ints
) -> Floats:
    """Return probabilities ``[N, M, M]``: the mean of what N crops and their mirror images give."""
    side = closer.side
    mirrored = np.stack([side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]], axis=1)
    pixels = [*crops, *(np.ascontiguousarray(crop[:, ::-1]) for crop in crops)]
    batch = resize_and_normalise(network, pixels, device, closer.share)
    regions: list[Tensor] = []
    for box, size in zip(np.concatenate([boxes, mirrored]), batch.image_sizes, strict=True):
        regions.append(torch.from_numpy(box * box_scale((side, side), size))[None].to(device))
    heads = network.roi_heads
    pooled = heads.mask_roi_pool(run_backbone(network, batch), regions, batch.image_sizes)
    logits = heads.mask_predictor(heads.mask_head(pooled))
    both = torch.from_numpy(np.concatenate([labels, labels])).to(device)
    probs: Floats = maskrcnn_inference(logits, [both])[0][:, 0].cpu().numpy()
    if not np.isfinite(probs).all():
        raise InferenceError(MASKS_NOT_FINITE)
    mean: Floats = (probs[: len(crops)] + probs[len(crops) :, :, ::-1]) / np.float32(2)
    return mean
