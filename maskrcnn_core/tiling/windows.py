"""A network over the tiles of a picture that is read by windows: nothing of it is ever held whole.

Of a tile only what the thresholds keep stays in memory, as run lengths within the tile, and not the
candidates and feature maps that :class:`~maskrcnn_core.tiling.running.TiledRun` keeps for other thresholds: a
slide has thousands of tiles. Memory is bounded by a batch of tiles and by what was found. Candidates can be
kept in a file (:class:`~maskrcnn_core.tiling.kept_tiles.KeptTiles`), from which :func:`look_again` takes what
other thresholds keep.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.bounds import MAX_IMAGE_PIXELS
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Detections, Thresholds
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.errors import ImageError, InferenceError, InputError
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.slides.source import WindowSource
from maskrcnn_core.tiling.choosing import Tiling, tiles_for
from maskrcnn_core.tiling.kept_tiles import KeptTiles
from maskrcnn_core.tiling.merging import Pieces, merge_pieces
from maskrcnn_core.tiling.planning import Tile, plan_tiles

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["Cancelled", "Turn", "WindowedRun", "look_again", "run_windows", "tiles_of_source"]

_T = TypeVar("_T")

_PHOTO_SIDE = 1024
"""Pixels: of tiles for models that know photos, about what they see of one without making it smaller."""
_LARGEST_SIDE = 4096
"""Pixels: a tile is held whole, and its copy at the network's size beside it."""
_HELD_IN_MEMORY = 2**28
"""Bytes of masks that are compared in memory; more of them go to a file."""


class Cancelled(InferenceError):
    """Somebody stopped a run over a picture's tiles."""


class Turn(Protocol):
    """How work gets at the device: called with it, returns what it gives once it has had its turn."""

    def __call__(self, work: Callable[[], _T], /) -> _T: ...


def _at_once(work: Callable[[], _T]) -> _T:
    return work()


@dataclass(eq=False)
class WindowedRun:
    """What a network found in the tiles of a picture.

    Args:
        tiles: of the picture.
        image_size: ``(height, width)`` of the picture.
        found: of each piece the place of its tile, its label, its score and its mask within the tile.
        boxes: of each piece x1 y1 x2 y2 in float pixels of the picture, as the network regressed it.
        left_out: detections that the limit of each tile left out.
        scale: at which the network saw the tiles, in pixels of its input to one of the picture.
        notes: what a person should know, each once.
        done: tiles that were looked at.
        most_below: how many pieces at or below the score threshold are kept, the best scored: a slider finds
            its objects in them.
        floor: the score above which all pieces are kept; the score threshold where ``most_below`` is 0.
    """

    tiles: tuple[Tile, ...]
    image_size: tuple[int, int]
    found: list[tuple[int, int, float, Rle]] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    left_out: int = 0
    scale: float = 0.0
    notes: tuple[str, ...] = ()
    done: int = 0
    most_below: int = 0
    floor: float = SCORE_FLOOR
    _below: int = 0

    @classmethod
    def begun(
        cls, tiles: Sequence[Tile], size: tuple[int, int], thresholds: Thresholds, most_below: int
    ) -> WindowedRun:
        """Return a run that has looked at no tile yet."""
        floor = SCORE_FLOOR if most_below else thresholds.score_threshold
        return cls(tuple(tiles), size, most_below=most_below, floor=floor)

    def take(self, number: int, run: Run, kept: Detections, thresholds: Thresholds) -> None:
        """Take in what a tile keeps.

        Args:
            number: of the tile.
            run: over it.
            kept: of the run, down to :attr:`floor`.
            thresholds: of the whole run.
        """
        tile = self.tiles[number]
        corner = np.array([tile.left, tile.top, tile.left, tile.top], np.float32)
        for place, mask in enumerate(kept.masks(thresholds.mask_threshold)):
            if mask.area:
                x1, y1, x2, y2 = (kept.boxes[place] + corner).tolist()
                score = float(kept.scores[place])
                self.found.append((number, int(kept.labels[place]), score, mask))
                self.boxes.append((x1, y1, x2, y2))
                self._below += int(score <= np.float32(thresholds.score_threshold))
        if self._below > self.most_below:
            self._raise_floor(thresholds)
        seen, full = run.candidates.input_size, run.image_size
        self.scale = max(self.scale, seen[0] / full[0], seen[1] / full[1])
        self.left_out += run.candidates.beyond_limit(thresholds)
        self.notes = tuple(dict.fromkeys((*self.notes, *run.notes)))
        self.done += 1

    def _raise_floor(self, thresholds: Thresholds) -> None:
        """Let the lower half of the pieces below the threshold go, and keep no more like them."""
        scores = np.array([score for _, _, score, _ in self.found], np.float32)
        below = scores[scores <= np.float32(thresholds.score_threshold)]
        self.floor = float(np.median(below))
        stay = np.flatnonzero(scores > np.float32(self.floor)).tolist()
        self.found = [self.found[place] for place in stay]
        self.boxes = [self.boxes[place] for place in stay]
        self._below = int((below > np.float32(self.floor)).sum())

    @property
    def told(self) -> str:
        """How the picture was seen, for people."""
        tile = self.tiles[0]
        count = counted(len(self.tiles), "tile")
        return f"read by windows and seen in {count} of {tile.width} x {tile.height} pixels"

    def instances(self, model: LoadedModel, image_id: int) -> tuple[Instance, ...]:
        """Return the objects of the picture, by descending score.

        Args:
            model: that found the pieces.
            image_id: of the instances.
        """
        with tempfile.TemporaryFile() as file:

            def room(size: int) -> npt.NDArray[np.uint8]:
                if size <= _HELD_IN_MEMORY:
                    return np.empty(size, np.uint8)
                file.truncate(size)
                # As a plain array: Numba knows no others.
                return np.memmap(file, np.uint8, "r+", shape=(size,)).view(np.ndarray)

            pieces = Pieces.of(self.tiles, self.found, self.image_size, room)
            return tuple(self._objects(pieces, model, image_id))

    def _objects(self, pieces: Pieces, model: LoadedModel, image_id: int) -> Iterator[Instance]:
        for one in merge_pieces(pieces, self.tiles):
            # A slider goes over objects that were merged once: one that any tile is sure of must not go
            # because the tile that has it whole is less so.
            named = list(one.same) if self.most_below else [one.best]
            parts = np.array([self.boxes[part] for part in one.parts])
            x1, y1 = parts[:, :2].min(axis=0).tolist()
            x2, y2 = parts[:, 2:].max(axis=0).tolist()
            yield Instance(
                image_id=image_id,
                category_id=model.label_map.category(int(pieces.labels[one.best])).id,
                mask=one.mask(pieces, self.image_size),
                score=float(pieces.scores[named].max()),
                given_box=(x1, y1, x2, y2),
                row=one.best,
            )


def tiles_of_source(tiling: Tiling | None, model: LoadedModel, size: tuple[int, int]) -> tuple[Tile, ...]:
    """Return the tiles of a picture that is read by windows; it is always cut.

    Args:
        tiling: how; ``None`` for as the model needs it.
        model: that will see them.
        size: ``(height, width)`` of the picture in pixels.

    Raises:
        InputError: for tiles that are too large to be held.
    """
    tiling = Tiling() if tiling is None else tiling
    if tiling.side is not None and tiling.side > _LARGEST_SIDE:
        raise InputError(
            f"tiles: expected at most {_LARGEST_SIDE:,} pixels for a picture that is read by windows, got "
            f"{tiling.side:,}"
        )
    tiles = tiles_for(tiling, model, size)
    if max(tiles[0].height, tiles[0].width) <= _LARGEST_SIDE:
        return tiles
    return plan_tiles(size, _PHOTO_SIDE, round(tiling.overlap * _PHOTO_SIDE))


def run_windows(
    predictor: Predictor,
    source: WindowSource,
    tiles: Sequence[Tile],
    thresholds: Thresholds,
    on_tile: Callable[[int, int], object] = lambda _done, _total: None,
    stop: threading.Event | None = None,
    *,
    most_below: int = 0,
    kept: KeptTiles | None = None,
    turn: Turn = _at_once,
) -> WindowedRun:
    """Run a network over the tiles of a picture; the next tiles are read meanwhile.

    Args:
        predictor: the model on its device.
        source: the picture.
        tiles: of its level 0.
        thresholds: what is kept of a tile; the limit of detections counts for each.
        on_tile: called with how many tiles are done, and of how many.
        stop: set to end the run.
        most_below: see :class:`WindowedRun`.
        kept: where the runs are kept for other thresholds; ``None`` for nowhere.
        turn: how each batch of tiles gets at the device.

    Raises:
        ImageError: for a picture of more pixels than run lengths count, or whose file cannot be read.
        InferenceError: if the network gave nothing usable for a tile, naming it.
        Cancelled: if ``stop`` was set.
    """
    height, width = source.levels[0].size
    if height * width > MAX_IMAGE_PIXELS:
        raise ImageError(
            f"{one_line(source.name)}: expected at most {MAX_IMAGE_PIXELS / 1e6:,.0f} megapixels to "
            f"annotate, got {width:,} x {height:,} pixels = {height * width / 1e6:,.0f} megapixels; cut it "
            "into several files"
        )
    run = WindowedRun.begun(tiles, (height, width), thresholds, most_below)
    step = predictor.batch_size
    batches = [range(first, min(first + step, len(tiles))) for first in range(0, len(tiles), step)]

    def read(numbers: range) -> list[Pixels]:
        return [_pixels_of(source, tiles[number]) for number in numbers]

    with ThreadPoolExecutor(1, "windows") as reader:
        ahead: Future[list[Pixels]] = reader.submit(read, batches[0])
        for place, numbers in enumerate(batches):
            pixels = ahead.result()
            _end_if(stop, source, run)
            if place + 1 < len(batches):
                ahead = reader.submit(read, batches[place + 1])
            floor = replace(thresholds, score_threshold=run.floor)
            outcomes = turn(partial(predictor.run, pixels, floor))
            for number, image, outcome in zip(numbers, pixels, outcomes, strict=True):
                if isinstance(outcome, Failure):
                    tile = tiles[number]
                    place_of = f"the tile of {tile.width} x {tile.height} pixels at {tile.left}, {tile.top}"
                    raise InferenceError(f"{place_of}: {outcome.reason}")
                run.take(number, outcome, predictor.detections(outcome, floor, image), thresholds)
                if kept is not None:
                    kept.put(number, outcome)
            on_tile(run.done, len(tiles))
    run.notes = (*run.notes, *source.damage.sentences)
    return run


def look_again(
    predictor: Predictor,
    source: WindowSource,
    kept: KeptTiles,
    thresholds: Thresholds,
    on_tile: Callable[[int, int], object] = lambda _done, _total: None,
    stop: threading.Event | None = None,
    *,
    most_below: int = 0,
    turn: Turn = _at_once,
) -> WindowedRun:
    """Take of runs that were kept what other thresholds keep of each tile.

    The network sees only those tiles again of which a mask is wanted that was not made before.

    Args:
        predictor: that the runs are of.
        kept: of all tiles of the picture.
        source, thresholds, on_tile, stop, most_below, turn: as for :func:`run_windows`.

    Raises:
        ImageError, InferenceError, Cancelled: as :func:`run_windows`.
    """
    run = WindowedRun.begun(kept.tiles, source.levels[0].size, thresholds, most_below)
    for number, tile in enumerate(kept.tiles):
        _end_if(stop, source, run)
        known = kept.run(number)
        floor = replace(thresholds, score_threshold=run.floor)
        rows = known.candidates.select(floor)
        look = partial(predictor.detections_of, known, rows, partial(_pixels_of, source, tile))
        made = known.masks_kept
        found = turn(look) if known.without_mask(rows).size else look()
        if known.masks_kept > made:
            kept.put(number, known)
        run.take(number, known, found, thresholds)
        on_tile(run.done, len(kept.tiles))
    run.notes = (*run.notes, *source.damage.sentences)
    return run


def _pixels_of(source: WindowSource, tile: Tile) -> Pixels:
    return source.read(tile.top, tile.left, tile.height, tile.width)


def _end_if(stop: threading.Event | None, source: WindowSource, run: WindowedRun) -> None:
    if stop is not None and stop.is_set():
        raise Cancelled(f"{one_line(source.name)}: stopped after {counted(run.done, 'tile')}")
