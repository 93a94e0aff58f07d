"""A box that a person drew, answered by the network's own heads: a category with runners-up, and a mask.

Mask R-CNN's second stage takes regions of interest from wherever they come (He et al. 2017, section 3: the
box and mask branches see nothing of an image but RoIAlign's crop of the feature maps). A person's box is one
more region: no proposal network, no suppression and no score threshold stand between it and its mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.ops import clip_boxes_to_image

from maskrcnn_core.common.arrays import Floats, Ints
from maskrcnn_core.detection.candidates import Detections
from maskrcnn_core.detection.conventions import CONVENTIONS, ConventionKey
from maskrcnn_core.errors import InferenceError, InputError
from maskrcnn_core.geometry.boxes import box_scale
from maskrcnn_core.inference.features import Features
from maskrcnn_core.inference.forward import clip_to_input
from maskrcnn_core.networks.laws import laws_of

__all__ = ["LEAST_SIDE", "RUNNERS_UP", "Prompted", "check_boxes", "prompt_boxes"]


RUNNERS_UP = 4
"""Categories besides the best one that a box has a mask for."""

LEAST_SIDE = 1.0
"""Pixels of the image: a box that is smaller in one direction is a slip of the hand."""


@dataclass(frozen=True, eq=False)
class Prompted:
    """What the heads said of N boxes.

    Args:
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in pixels of the image: where the masks are. The boxes as given
            and clipped to the image, or, where refinement was asked for, as the box head moved them.
        labels: int64 ``[N, T]``, model labels by descending probability; never background.
        probabilities: float32 ``[N, T]`` of those labels in [0, 1], as the softmax over all labels and
            background says; so a box on nothing has low ones.
        background: float32 ``[N]``, the probability that there is no object.
        mask_probs: float32 ``[N, T, M, M]`` in [0, 1], each label's own mask within the box.
        image_size: ``(height, width)`` in pixels.
        convention: of the network's family; it says how masks are pasted.
    """

    boxes: Floats
    labels: Ints
    probabilities: Floats
    background: Floats
    mask_probs: Floats
    image_size: tuple[int, int]
    convention: ConventionKey

    def __len__(self) -> int:
        return len(self.boxes)

    def detections(self, ranks: Ints | None = None) -> Detections:
        """Return the boxes as detections in the order of the boxes, with the probability as score.

        Args:
            ranks: int64 ``[N]``, which of its labels each box takes; by default the best one, 0.
        """
        each = np.arange(len(self))
        ranks = np.zeros(len(self), np.int64) if ranks is None else ranks
        return Detections(
            boxes=self.boxes,
            labels=self.labels[each, ranks],
            scores=self.probabilities[each, ranks],
            mask_probs=self.mask_probs[each, ranks],
            rows=np.full(len(self), -1, np.int64),
            image_size=self.image_size,
            convention=self.convention,
        )


def check_boxes(boxes: npt.ArrayLike, image_size: tuple[int, int]) -> Floats:
    """Return boxes from outside, put in order and clipped to the image.

    Args:
        boxes: N of x1 y1 x2 y2 in pixels of the image; the two corners in any order.
        image_size: ``(height, width)`` in pixels.

    Returns:
        float32 ``[N, 4]``.

    Raises:
        InputError: naming the box that is no box, or not at least :data:`LEAST_SIDE` wide and high within
            the image.
    """
    try:
        given = np.asarray(boxes, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"boxes: expected four numbers each, got {boxes!r}") from error
    if given.ndim != 2 or given.shape[1] != 4:
        raise InputError(f"boxes: expected [N, 4], got {list(given.shape)}")
    height, width = image_size
    for index, box in enumerate(given):
        if not np.isfinite(box).all():
            raise InputError(f"boxes[{index}]: expected finite numbers, got {box.tolist()}")
    x, y = np.sort(given[:, 0::2], axis=1), np.sort(given[:, 1::2], axis=1)
    x, y = np.clip(x, 0, width), np.clip(y, 0, height)
    for index, (xs, ys) in enumerate(zip(x, y, strict=True)):
        if xs[1] - xs[0] < LEAST_SIDE or ys[1] - ys[0] < LEAST_SIDE:
            raise InputError(
                f"boxes[{index}]: expected at least {LEAST_SIDE:g} x {LEAST_SIDE:g} pixels within the "
                f"image's {width} x {height}, got x {xs[0]:.1f} to {xs[1]:.1f}, y {ys[0]:.1f} to {ys[1]:.1f}"
            )
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1).astype(np.float32)


def prompt_boxes(
    network: MaskRCNN,
    features: Features,
    boxes: Floats,
    image_size: tuple[int, int],
    known: Sequence[int],
    *,
    labels: Ints | None = None,
    refine: int = 0,
) -> Prompted:
    """Run the second stage's heads on given boxes.

    Args:
        network: on the features' device.
        features: of the image.
        boxes: as :func:`check_boxes` gives them.
        image_size: ``(height, width)`` of the image in pixels.
        known: the labels that stand for a category, ascending.
        labels: int64 ``[N]``, the label of each box where it is decided; it comes first then, whatever the
            network thinks, and leads the refinement.
        refine: how many times the box head's regression moves the boxes, before the masks are made; one that
            it would shrink to nothing stays.

    Raises:
        InferenceError: if the heads give NaN or infinity.
    """
    heads = network.roi_heads
    device = features.device
    scale = box_scale(image_size, features.input_size)
    regions = clip_boxes_to_image(torch.from_numpy(boxes * scale).to(device), features.input_size)
    columns = torch.tensor(list(known), device=device)
    fixed = None if labels is None else torch.from_numpy(labels).to(device)
    scores, moved = _classify(network, features, regions)
    for _ in range(refine):
        leading = columns[scores[:, columns].argmax(1)] if fixed is None else fixed
        refined = moved[torch.arange(len(regions), device=device), leading]
        sides = refined[:, 2:] - refined[:, :2]
        regions = torch.where((sides >= LEAST_SIDE).all(1, keepdim=True), refined, regions)
        scores, moved = _classify(network, features, regions)
    ranked = scores[:, columns]
    if fixed is not None:  # above all others, wherever it stands
        ranked = ranked + (columns[None] == fixed[:, None]).to(ranked.dtype)
    order = ranked.argsort(dim=1, descending=True, stable=True)[:, : RUNNERS_UP + 1]
    chosen = columns[order]
    pooled = heads.mask_roi_pool(features.maps, [regions], [features.input_size])
    logits = heads.mask_predictor(heads.mask_head(pooled))
    masks = logits[torch.arange(len(regions), device=device)[:, None], chosen].sigmoid()
    outputs = (scores, regions, masks)
    if not all(bool(torch.isfinite(one).all()) for one in outputs):
        raise InferenceError("the heads returned values that are not finite (NaN or infinity) for a box")
    return Prompted(
        boxes=boxes if not refine else (regions.cpu().numpy() / scale).astype(np.float32),
        labels=chosen.cpu().numpy(),
        probabilities=scores.gather(1, chosen).cpu().numpy(),
        background=scores[:, 0].cpu().numpy(),
        mask_probs=masks.cpu().numpy(),
        image_size=image_size,
        convention=laws_of(network),
    )


def _classify(network: MaskRCNN, features: Features, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probabilities ``[N, C]`` of all labels, and the clipped boxes of each: ``[N, C, 4]``."""
    heads = network.roi_heads
    pooled = heads.box_roi_pool(features.maps, [regions], [features.input_size])
    logits, regression = heads.box_predictor(heads.box_head(pooled))
    convention = CONVENTIONS[laws_of(network)]
    moved = clip_to_input(heads.box_coder.decode(regression, [regions]), features.input_size, convention)
    return logits.softmax(-1), moved
