"""The same work as people do it without MaskDesk: torchvision's own paste and pycocotools' encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from pycocotools import mask as coco_mask
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.roi_heads import paste_masks_in_image

from maskrcnn_core.detection.candidates import Thresholds

__all__ = ["Found", "find_with_stock", "paste_and_encode", "paste_bytes", "run_stock"]


@dataclass(frozen=True, eq=False)
class Found:
    """All that is said of an image's instances, one row each, ready for a COCO results file.

    Args:
        boxes: float32 ``[N, 4]``, xyxy in pixels of the image.
        labels: int64 ``[N]``.
        scores: float32 ``[N]``.
        counts: compressed run lengths of each mask.
        areas: pixels of each mask.
        mask_boxes_xywh: tight box of each mask.
    """

    boxes: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    counts: list[str]
    areas: list[int]
    mask_boxes_xywh: list[tuple[int, ...]]

    def equals(self, other: Found) -> bool:
        """Whether every number and every string is the same, to the last bit."""
        return (
            np.array_equal(self.boxes, other.boxes)
            and np.array_equal(self.labels, other.labels)
            and np.array_equal(self.scores, other.scores)
            and self.counts == other.counts
            and self.areas == other.areas
            and self.mask_boxes_xywh == other.mask_boxes_xywh
        )


def paste_bytes(instances: int, image_size: tuple[int, int]) -> int:
    """What torchvision's paste takes at its peak: N float32 canvases, twice while they are stacked."""
    height, width = image_size
    return 2 * 4 * instances * height * width


def paste_and_encode(
    mask_probs: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32], image_size: tuple[int, int]
) -> list[str]:
    """Pastes N masks onto canvases of the image's size, thresholds and encodes them."""
    canvases = paste_masks_in_image(
        torch.from_numpy(mask_probs)[:, None], torch.from_numpy(boxes), image_size
    )
    return [rle["counts"].decode() for rle in _encode(canvases)]


def _encode(canvases: Tensor) -> list[dict]:
    masks = (canvases[:, 0] > 0.5).numpy().view(np.uint8)
    return [coco_mask.encode(np.asfortranarray(mask)) for mask in masks]


@contextmanager
def _with_thresholds(network: MaskRCNN, thresholds: Thresholds) -> Iterator[None]:
    heads = network.roi_heads
    before = heads.score_thresh, heads.nms_thresh, heads.detections_per_img
    heads.score_thresh = thresholds.score_threshold
    heads.nms_thresh = thresholds.nms_threshold
    heads.detections_per_img = thresholds.max_detections
    try:
        yield
    finally:
        heads.score_thresh, heads.nms_thresh, heads.detections_per_img = before


def run_stock(network: MaskRCNN, image: npt.NDArray[np.uint8], thresholds: Thresholds) -> dict[str, Tensor]:
    """torchvision's own forward over one RGB image."""
    with _with_thresholds(network, thresholds), torch.inference_mode():
        found: dict[str, Tensor] = network([torch.from_numpy(image).permute(2, 0, 1).float().div(255)])[0]
    return found


def find_with_stock(network: MaskRCNN, image: npt.NDArray[np.uint8], thresholds: Thresholds) -> Found:
    """From pixels to run lengths, areas and boxes: forward, threshold, encode each mask."""
    found = run_stock(network, image, thresholds)
    rles = _encode(found["masks"])
    return Found(
        boxes=found["boxes"].numpy(),
        labels=found["labels"].numpy(),
        scores=found["scores"].numpy(),
        counts=[rle["counts"].decode() for rle in rles],
        areas=[int(coco_mask.area(rle)) for rle in rles],
        mask_boxes_xywh=[tuple(int(side) for side in coco_mask.toBbox(rle)) for rle in rles],
    )
