"""How many of the true objects the RPN's proposals reach, with a network as it is in use.

What no proposal reaches the heads never see, whatever they have learned. Matterport's notebooks ask the same
of a trained model (*inspect_model*, 1.b).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torchvision.models.detection import MaskRCNN
from torchvision.ops import box_iou

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.inference.forward import resize_and_normalise, run_backbone

__all__ = ["ENOUGH", "SIZES", "Recall", "RecallOfSize", "reached_by_proposals", "recall_of"]

ENOUGH = 0.5
"""IoU of boxes at which a proposal reaches an object."""

SIZES: tuple[tuple[str, float, float], ...] = (
    ("small", 0, 32**2),
    ("medium", 32**2, 96**2),
    ("large", 96**2, float("inf")),
)
"""COCO's sizes: the least area in pixels of the image, and what it is below."""


@dataclass(frozen=True)
class RecallOfSize:
    """Objects of one size: how many there are, and how many some proposal reaches."""

    size: str
    objects: int
    reached: int


@dataclass(frozen=True)
class Recall:
    """What the proposals of a network reach.

    Args:
        images: that were looked at.
        proposals: of an image, in the mean.
        sizes: by COCO's sizes.
    """

    images: int
    proposals: float
    sizes: tuple[RecallOfSize, ...]

    @property
    def objects(self) -> int:
        """All objects."""
        return sum(row.objects for row in self.sizes)

    @property
    def reached(self) -> int:
        """All that some proposal reaches."""
        return sum(row.reached for row in self.sizes)


def reached_by_proposals(
    network: MaskRCNN, pixels: Pixels, masks: Sequence[Rle], device: torch.device
) -> tuple[list[bool], int]:
    """Return whether some proposal reaches each object of an image, and how many proposals there are.

    Args:
        network: in eval mode.
        pixels: uint8 ``[H, W, 3]`` RGB.
        masks: of the objects; their boxes are compared, as COCO has them: along pixel corners.
        device: where the network is.
    """
    with torch.inference_mode():
        batch = resize_and_normalise(network, [pixels], device)
        proposals = network.rpn(batch, run_backbone(network, batch))[0][0].cpu()
    height, width = batch.image_sizes[0]
    to_input = torch.tensor([width / pixels.shape[1], height / pixels.shape[0]] * 2)
    boxes = torch.tensor([mask.box_xywh for mask in masks], dtype=torch.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    if not len(proposals):
        return [False] * len(masks), 0
    return (box_iou(boxes * to_input, proposals).amax(1) >= ENOUGH).tolist(), len(proposals)


def recall_of(found: Sequence[tuple[Sequence[int], Sequence[bool], int]]) -> Recall:
    """Add up what was found on some images.

    Args:
        found: of each image the areas of its objects in pixels, whether each is reached, and the number of
            proposals.
    """
    objects = [pair for areas, reached, _ in found for pair in zip(areas, reached, strict=True)]
    rows = []
    for name, least, below in SIZES:
        here = [is_reached for area, is_reached in objects if least <= area < below]
        rows.append(RecallOfSize(name, len(here), sum(here)))
    proposals = sum(count for _, _, count in found)
    return Recall(len(found), proposals / len(found) if found else 0.0, tuple(rows))
