"""Which part of a large picture the network sees when a person draws a box on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from maskrcnn_core.common.arrays import Box, Pixels
from maskrcnn_core.tiling.choosing import Tiling, tiles_for
from maskrcnn_core.tiling.planning import Tile
from maskrcnn_core.tiling.running import pixels_of

if TYPE_CHECKING:
    from maskrcnn_core.detection.runs import Run
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.inference.prompts import Prompted

__all__ = ["RunOf", "prompt_around", "tile_around"]

RunOf: TypeAlias = "Callable[[Tile, Callable[[], Pixels]], Run]"
"""Gives the run over a part of a picture: asked with the part, and a way to its pixels."""


def prompt_around(
    predictor: Predictor,
    size: tuple[int, int],
    image: Callable[[], Pixels],
    boxes: Sequence[Sequence[float]],
    *,
    run_of: RunOf | None = None,
    labels: Sequence[int] | None = None,
    refine: int = 0,
) -> Prompted:
    """Let the network look at boxes of a picture, each in the part in which it sees it best.

    Args:
        predictor: the model.
        size: ``(height, width)`` of the picture in pixels.
        image: a way to its pixels, uint8 ``[H, W, 3]`` RGB, upright: asked for where a run or its feature
            maps are wanting.
        boxes: one or more of x1 y1 x2 y2 in pixels of the picture.
        run_of: gives the predictor's run over a part of the picture and may have kept it; ``None`` runs it.
        labels, refine: as for :meth:`Predictor.prompt`.

    Returns:
        What the heads said, in the order of the boxes and in pixels of the picture.

    Raises:
        InputError, InferenceError: as :meth:`Predictor.prompt`.
    """
    from maskrcnn_core.inference.prompts import check_boxes  # with torch

    checked = check_boxes(boxes, size)
    tiles = tiles_for(Tiling(), predictor.model, size)
    of_tile: dict[Tile, list[int]] = {}
    for index, (x1, y1, x2, y2) in enumerate(checked.tolist()):
        tile = tile_around((x1, y1, x2, y2), tiles) or Tile(0, 0, *size)
        of_tile.setdefault(tile, []).append(index)
    parts = []
    for tile, indices in of_tile.items():
        corner = np.array([tile.left, tile.top, tile.left, tile.top], np.float32)
        pixels = partial(pixels_of, tile, image)
        run = predictor.open(pixels()) if run_of is None else run_of(tile, pixels)
        wanted = None if labels is None else [labels[index] for index in indices]
        part = predictor.prompt(run, checked[indices] - corner, pixels, labels=wanted, refine=refine)
        parts.append(replace(part, boxes=part.boxes + corner))
    order = np.argsort([index for indices in of_tile.values() for index in indices])
    fields = ("boxes", "labels", "probabilities", "background", "mask_probs")
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])[order] for name in fields
    }
    return replace(parts[0], **joined, image_size=size)


def tile_around(box: Box, tiles: Sequence[Tile]) -> Tile | None:
    """Return the tile in which the network sees a box best: the one in whose middle it lies most.

    A box that no tile has whole gets a tile of its own around it, as large as the others, so that the network
    sees its object at the same scale.

    Args:
        box: x1 y1 x2 y2 in pixels of the picture, in order.
        tiles: of the picture (:func:`~maskrcnn_core.tiling.choosing.tiles_for`).

    Returns:
        The tile, or ``None`` where the network sees the picture whole: it needs no tiles, or the box is
        larger than one.
    """
    height, width = tiles[0].height, tiles[0].width
    x1, y1, x2, y2 = box
    if len(tiles) == 1 or x2 - x1 > width or y2 - y1 > height:
        return None
    x, y = (x1 + x2) / 2, (y1 + y2) / 2

    def distance(tile: Tile) -> float:
        return max(abs(x - tile.left - tile.width / 2), abs(y - tile.top - tile.height / 2))

    whole = [t for t in tiles if t.left <= x1 and x2 <= t.right and t.top <= y1 and y2 <= t.bottom]
    if whole:
        return min(whole, key=distance)
    bottom, right = max(tile.bottom for tile in tiles), max(tile.right for tile in tiles)
    top = min(max(round(y - height / 2), 0), bottom - height)
    left = min(max(round(x - width / 2), 0), right - width)
    return Tile(top, left, height, width)
