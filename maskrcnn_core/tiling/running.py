"""Runs a network over the tiles of a picture, and makes one set of objects of what they gave.

The candidates of every tile are kept as the network left them, so that other thresholds need another merge
and no other run. Of the picture itself nothing is copied: a tile is a view of its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.tiling.merging import Pieces, merge_pieces
from maskrcnn_core.tiling.planning import Tile

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["TiledRun", "run_tiles"]


@dataclass(eq=False)
class TiledRun:
    """What the runs of a network over a picture's tiles left behind.

    Args:
        tiles: of the picture.
        runs: of each tile.
        image_size: ``(height, width)`` of the picture.
    """

    tiles: tuple[Tile, ...]
    runs: tuple[Run, ...]
    image_size: tuple[int, int]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the runs, each note once."""
        return tuple(dict.fromkeys(note for run in self.runs for note in run.notes))

    @property
    def scale(self) -> float:
        """At which the network saw the tiles, in pixels of its input to one of the picture."""
        sizes = [(run.candidates.input_size, run.image_size) for run in self.runs]
        return max(max(seen[0] / full[0], seen[1] / full[1]) for seen, full in sizes)

    @property
    def told(self) -> str:
        """How the picture was seen, for people."""
        tile = self.tiles[0]
        return f"seen in {counted(len(self.tiles), 'tile')} of {tile.width} x {tile.height} pixels"

    def left_out(self, thresholds: Thresholds) -> int:
        """Return how many detections the limit of each tile left out."""
        return sum(run.candidates.beyond_limit(thresholds) for run in self.runs)

    def instances(
        self, predictor: Predictor, thresholds: Thresholds, image: Pixels, image_id: int
    ) -> tuple[Instance, ...]:
        """Return the objects of the picture, by descending score.

        Args:
            predictor: that made the runs.
            thresholds: taken in each tile; the limit of detections counts for each.
            image: the picture.
            image_id: of the instances.

        Raises:
            InferenceError: if the mask head gives NaN.
        """
        found, boxes, rows = [], [], []
        first = 0
        for number, (tile, run) in enumerate(zip(self.tiles, self.runs, strict=True)):
            kept = predictor.detections(run, thresholds, partial(pixels_of, tile, image))
            corner = np.array([tile.left, tile.top, tile.left, tile.top], np.float32)
            masks = kept.masks(thresholds.mask_threshold)
            for place, mask in enumerate(masks):
                if mask.area:
                    found.append((number, int(kept.labels[place]), float(kept.scores[place]), mask))
                    boxes.append(kept.boxes[place] + corner)
                    rows.append(first + int(kept.rows[place]))
            first += len(run.candidates)
        pieces = Pieces.of(self.tiles, found, self.image_size)
        categories = predictor.model.label_map
        instances = []
        for one in merge_pieces(pieces, self.tiles):
            parts = np.stack([boxes[part] for part in one.parts])
            box = (*parts[:, :2].min(axis=0).tolist(), *parts[:, 2:].max(axis=0).tolist())
            instances.append(
                Instance(
                    image_id=image_id,
                    category_id=categories.category(int(pieces.labels[one.best])).id,
                    mask=one.mask(pieces, self.image_size),
                    score=float(pieces.scores[one.best]),
                    given_box=box,
                    row=rows[one.best],
                )
            )
        return tuple(instances)


def pixels_of(tile: Tile, image: Pixels) -> Pixels:
    """Return a tile's pixels, uint8 ``[height, width, 3]``, C-contiguous."""
    view: Pixels = np.ascontiguousarray(image[tile.top : tile.bottom, tile.left : tile.right])
    return view


def run_tiles(
    predictor: Predictor,
    image: Pixels,
    tiles: Sequence[Tile],
    thresholds: Thresholds,
    on_tile: Callable[[int, int], object] = lambda _done, _total: None,
) -> TiledRun:
    """Run a network over the tiles of a picture.

    Args:
        predictor: the model on its device.
        image: uint8 ``[H, W, 3]`` RGB, upright.
        tiles: of the picture.
        thresholds: masks are made at once for what these keep of a tile.
        on_tile: called with how many tiles are done, and of how many.

    Raises:
        InferenceError: if the network gave nothing usable for a tile, naming it: without it the objects of
            the whole picture would be some of them.
    """
    runs: list[Run] = []
    step = predictor.batch_size
    for first in range(0, len(tiles), step):
        batch = tiles[first : first + step]
        outcomes = predictor.run([pixels_of(tile, image) for tile in batch], thresholds)
        for tile, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Failure):
                place = f"the tile of {tile.width} x {tile.height} pixels at {tile.left}, {tile.top}"
                raise InferenceError(f"{place}: {outcome.reason}")
            runs.append(outcome)
        on_tile(len(runs), len(tiles))
    return TiledRun(tuple(tiles), tuple(runs), (image.shape[0], image.shape[1]))
