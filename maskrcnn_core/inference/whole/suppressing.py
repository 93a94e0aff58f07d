"""Non-maximum suppression of many groups at once, as a fixed number of multiplications.

Greedy suppression goes box by box: each that is left drops all later ones that it overlaps. The same rows are
left by repeating "left is, whom nobody that is left drops" until nothing changes (Zheng et al. 2020,
arXiv:2005.03572, where it is called Cluster-NMS): after k rounds every row is right that is at the end of a
chain of fewer than k boxes, each dropped or spared by the one before. Chains are short; where one is longer
than the rounds, that is noticed, and said.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ROUNDS", "survivors"]

ROUNDS = 40
"""Of suppression: of the samples all settled within 27 rounds, those of torchvision's limits within 14."""


def survivors(
    boxes: Tensor,
    allowed: Tensor,
    iou_threshold: Tensor | float,
    labels: Tensor | None = None,
    rounds: int = ROUNDS,
) -> tuple[Tensor, Tensor]:
    """Return which boxes of each group greedy suppression leaves.

    Args:
        boxes: float32 ``[G, N, 4]``, each group's by descending score.
        allowed: bool ``[G, N]``: others count for nothing and are not left.
        iou_threshold: the IoU above which the later of two boxes is dropped.
        labels: ``[G, N]``; boxes of different labels drop one another never.
        rounds: how often to go over them.

    Returns:
        bool ``[G, N]``, and bool ``[G]``: whether the rounds sufficed.
    """
    drops = _overlaps(boxes, iou_threshold)
    if labels is not None:
        drops &= labels[:, :, None] == labels[:, None]
    drops &= allowed[:, None]
    # Zeros and ones, whose sums are compared with zero: no precision is too low for that.
    weights = drops.tril_(-1).to(torch.float16 if boxes.is_cuda else torch.float32)
    left = before = allowed
    for _ in range(rounds):
        before = left
        dropped = torch.bmm(weights, before.to(weights.dtype)[:, :, None])[:, :, 0] > 0
        left = allowed & ~dropped
    return left, (left == before).all(1)


def _overlaps(boxes: Tensor, iou_threshold: Tensor | float) -> Tensor:
    """Return whether each two boxes overlap by more than a threshold, by torchvision's arithmetic."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    areas = (x2 - x1) * (y2 - y1)
    both = _common(x1, x2).mul_(_common(y1, y2))
    either = (areas[:, :, None] + areas[:, None]).sub_(both)
    return both.div_(either) > iou_threshold


def _common(low: Tensor, high: Tensor) -> Tensor:
    """Return how long each two stretches ``[G, N]`` lie over one another."""
    ends = torch.minimum(high[:, :, None], high[:, None])
    return ends.sub_(torch.maximum(low[:, :, None], low[:, None])).clamp_(0)
