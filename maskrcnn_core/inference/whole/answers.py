"""What a batch's pass says, packed into one row of floats an image: one transfer brings all of it.

Whole numbers below 2**24 are exact in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from maskrcnn_core.common.arrays import Floats, Ints

__all__ = ["Answer", "Layout", "pack", "read"]

_FACTS = 3
"""How many candidates, whether all is finite, whether suppression settled."""
_COLUMNS = 6
"""Of a candidate: its box, score and label."""


@dataclass(frozen=True)
class Layout:
    """Where what lies in a row.

    Args:
        candidates: rows of candidates that have room.
        masks: of masks.
        mask_size: side of each mask.
    """

    candidates: int
    masks: int
    mask_size: int


@dataclass(frozen=True, eq=False)
class Answer:
    """What a pass says of one image.

    Args:
        boxes: float32 ``[K, 4]`` in pixels of the input.
        labels: int64 ``[K]``.
        scores: float32 ``[K]``.
        is_finite: whether maps, scores and boxes are.
        is_whole: whether all candidates had room, and suppression of regions came to its end.
        rows: int64 ``[N]``: candidates with a mask.
        mask_probs: float32 ``[N, M, M]``.
    """

    boxes: Floats
    labels: Ints
    scores: Floats
    is_finite: bool
    is_whole: bool
    rows: Ints
    mask_probs: Floats


def pack(
    facts: tuple[Tensor, Tensor, Tensor],
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    rows: Tensor,
    mask_probs: Tensor,
) -> Tensor:
    """Return float32 ``[B, W]``.

    Args:
        facts: of each image, how many candidates, whether all is finite, and whether suppression settled.
        boxes, scores, labels: of K candidates, ``[B, K, ...]``.
        rows: int64 ``[B, N]``, -1 for none.
        mask_probs: ``[B, N, M, M]``.
    """
    table = torch.cat([boxes, scores[:, :, None], labels[:, :, None].float()], dim=2)
    parts = [torch.stack([fact.float() for fact in facts], dim=1), table, rows.float(), mask_probs]
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def read(row: Floats, layout: Layout) -> Answer:
    """Return what a row of :func:`pack` says."""
    side = layout.mask_size
    ends = np.cumsum([_FACTS, layout.candidates * _COLUMNS, layout.masks])
    facts, table, rows, masks = np.split(row, ends)
    count = int(facts[0])
    table = table.reshape(-1, _COLUMNS)[: min(count, layout.candidates)]
    chosen = rows >= 0
    return Answer(
        boxes=table[:, :4].copy(),
        labels=table[:, 5].astype(np.int64),
        scores=table[:, 4].copy(),
        is_finite=bool(facts[1]),
        is_whole=count <= layout.candidates and bool(facts[2]),
        rows=rows[chosen].astype(np.int64),
        mask_probs=masks.reshape(-1, side, side)[chosen],
    )
