"""Runs a network over the tiles of a picture, and makes one set of objects of what they gave.

The candidates of every tile are kept as the network left them, so that other thresholds need another merge
and no other run. Of the picture itself nothing is copied: a tile is a view of its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from maskrcnn_core.common.arrays import Floats, Ints, Pixels
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.limits import Limits
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.tiling.merging import Merged, Pieces, merge_pieces
from maskrcnn_core.tiling.planning import Tile

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["TileFinds", "TiledRun", "run_tiles", "tile_limit_note"]


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

    def limits(self, thresholds: Thresholds) -> Limits:
        """Return what the limits did to the picture."""
        return Limits(self.left_out(thresholds), self.scale)

    def instances(
        self,
        predictor: Predictor,
        thresholds: Thresholds,
        image: Pixels | Callable[[], Pixels],
        image_id: int,
    ) -> tuple[Instance, ...]:
        """Return the objects of the picture, by descending score.

        Args:
            predictor, thresholds, image: as for :meth:`found`.
            image_id: of the instances.

        Raises:
            InferenceError: if the mask head gives NaN.
        """
        return self.found(predictor, thresholds, image).instances(image_id)

    def found(
        self, predictor: Predictor, thresholds: Thresholds, image: Pixels | Callable[[], Pixels]
    ) -> TileFinds:
        """Return what each tile keeps, not yet merged.

        Args:
            predictor: that made the runs.
            thresholds: taken in each tile; the limit of detections counts for each.
            image: the picture, or a way to get it: needed only where a mask is wanting.

        Raises:
            InferenceError: if the mask head gives NaN.
        """
        found: list[tuple[int, int, float, Rle]] = []
        boxes, rows = [np.empty((0, 4), np.float32)], [np.empty(0, np.int64)]
        first = 0
        for number, (tile, run) in enumerate(zip(self.tiles, self.runs, strict=True)):
            kept = predictor.detections(run, thresholds, partial(pixels_of, tile, image))
            corner = np.array([tile.left, tile.top, tile.left, tile.top], np.float32)
            masks = kept.masks(thresholds.mask_threshold)
            have = np.array([mask.area > 0 for mask in masks], np.bool_)
            for place in np.flatnonzero(have).tolist():
                found.append((number, int(kept.labels[place]), float(kept.scores[place]), masks[place]))
            boxes.append(kept.boxes[have] + corner)
            rows.append(first + kept.rows[have])
            first += len(run.candidates)
        return TileFinds(
            self.tiles,
            self.image_size,
            predictor.model.label_map,
            Pieces.of(self.tiles, found, self.image_size),
            np.concatenate(boxes),
            np.concatenate(rows),
        )

    def run_of_row(self, row: int) -> tuple[Run, int]:
        """Return the run of the tile that an instance's row belongs to, and its row there."""
        for run in self.runs:
            if row < len(run.candidates):
                return run, row
            row -= len(run.candidates)
        raise IndexError("row: expected one of the candidates of these tiles, got a later one")


@dataclass(frozen=True, eq=False)
class TileFinds:
    """What the tiles of a picture keep, N pieces, from which a higher score threshold needs no other masks.

    Args:
        tiles: of the picture.
        image_size: ``(height, width)`` of the picture.
        categories: of the model.
        pieces: what was found.
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in pixels of the picture.
        rows: int64 ``[N]``, the candidate of each; the tiles' candidates are counted one after the other.
    """

    tiles: tuple[Tile, ...]
    image_size: tuple[int, int]
    categories: LabelMap
    pieces: Pieces
    boxes: Floats
    rows: Ints
    _whole: dict[int, Rle] = field(default_factory=dict, repr=False)

    def above(self, score_threshold: float) -> TileFinds:
        """Return those with a greater score: what that threshold would have kept in each tile."""
        keep = self.pieces.scores > np.float32(score_threshold)
        return replace(self, pieces=self.pieces[keep], boxes=self.boxes[keep], rows=self.rows[keep])

    def instances(self, image_id: int) -> tuple[Instance, ...]:
        """Return the objects of the picture, by descending score."""
        pieces, instances = self.pieces, []
        for one in merge_pieces(pieces, self.tiles):
            parts = self.boxes[list(one.parts)]
            box = (*parts[:, :2].min(axis=0).tolist(), *parts[:, 2:].max(axis=0).tolist())
            instances.append(
                Instance(
                    image_id=image_id,
                    category_id=self.categories.category(int(pieces.labels[one.best])).id,
                    mask=self._mask(one),
                    score=float(pieces.scores[one.best]),
                    given_box=box,
                    row=int(self.rows[one.best]),
                )
            )
        return tuple(instances)

    def _mask(self, one: Merged) -> Rle:
        """Return an object's mask; one of a single piece is the same whatever the threshold, and is kept."""
        if len(one.parts) > 1:
            return one.mask(self.pieces, self.image_size)
        row = int(self.rows[one.best])
        if row not in self._whole:
            self._whole[row] = one.mask(self.pieces, self.image_size)
        return self._whole[row]


def tile_limit_note(run: TiledRun, thresholds: Thresholds) -> str:
    """Return how many detections the limit left out of the tiles of one picture; empty if none."""
    left_out = run.left_out(thresholds)
    if not left_out:
        return ""
    return (
        f"{left_out:,} more pass these thresholds but exceed the limit of "
        f"{counted(thresholds.max_detections, 'detection')} per tile"
    )


def pixels_of(tile: Tile, image: Pixels | Callable[[], Pixels]) -> Pixels:
    """Return a tile's pixels, uint8 ``[height, width, 3]``, C-contiguous."""
    image = image() if callable(image) else image
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
