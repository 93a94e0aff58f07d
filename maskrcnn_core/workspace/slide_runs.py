"""Runs over the tiles of an open slide, in the background: begun, told of, stopped, and what they give."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import CoreError
from maskrcnn_core.inference.device_queue import DeviceQueue, device_queue_for
from maskrcnn_core.slides.opening import Slide
from maskrcnn_core.tiling.choosing import Tiling
from maskrcnn_core.tiling.kept_tiles import KeptTiles
from maskrcnn_core.tiling.windows import Cancelled, WindowedRun, look_again, run_windows, tiles_of_source

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["FoundInSlide", "Look", "SlideRun", "another_look", "carry_out", "whole_look"]

_T = TypeVar("_T")

_MOST_BELOW = 20_000
"""Pieces below the score threshold that are kept for the slider: a browser holds as many again."""
_LOOK = 0.2
"""Seconds between looks at whether somebody has stopped a run that waits for the device."""


@dataclass(frozen=True, eq=False)
class FoundInSlide:
    """What is known to be in a slide.

    Args:
        instances: by descending score.
        categories: of them.
        source: who says so: a model's key, or a file's name.
        least_score: objects with lower scores were not kept.
        notes: what a person should know.
        thresholds: of the run; ``None`` for a file's.
        kept: what the network said of each tile; ``None`` for a file's.
    """

    instances: tuple[Instance, ...]
    categories: tuple[Category, ...]
    source: str
    least_score: float
    notes: tuple[str, ...] = ()
    thresholds: Thresholds | None = None
    kept: KeptTiles | None = None

    def is_of(self, predictor: Predictor) -> bool:
        """Whether a model has found it, whose other thresholds need no other run."""
        return self.kept is not None and self.kept.model_digest == predictor.model.digest

    def is_as(self, thresholds: Thresholds) -> bool:
        """Whether these thresholds give the same, but for the score's, which is a filter over it."""
        return self.thresholds is not None and _but_score(self.thresholds) == _but_score(thresholds)


def _but_score(thresholds: Thresholds) -> Thresholds:
    return replace(thresholds, score_threshold=SCORE_FLOOR)


@dataclass(eq=False)
class SlideRun:
    """A run over a slide's tiles.

    Attributes:
        done, total: tiles.
        is_adjusting: it goes over what an earlier one has left.
        failed: why it gave nothing; empty otherwise.
        found: what it gave; ``None`` as long as it goes on.
        is_cancelled: somebody stopped it.
        thresholds: what is kept of each tile.
    """

    thresholds: Thresholds
    done: int = 0
    total: int = 0
    is_adjusting: bool = False
    failed: str = ""
    found: FoundInSlide | None = None
    is_cancelled: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _began: float = field(default_factory=time.monotonic)

    def is_for(self, thresholds: Thresholds) -> bool:
        """Whether these thresholds give the same, as for :meth:`FoundInSlide.is_as`."""
        return _but_score(self.thresholds) == _but_score(thresholds)

    @property
    def seconds_left(self) -> float | None:
        """About how long it goes on, by what its tiles took so far; ``None`` if nobody can know yet."""
        if not self.done or not self.is_active:
            return None
        return (time.monotonic() - self._began) / self.done * (self.total - self.done)

    @property
    def is_active(self) -> bool:
        """Whether it goes on."""
        return not self._ended.is_set()

    def end(self) -> None:
        """Say that it has ended."""
        self._ended.set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end and return whether it came within so many seconds."""
        return self._ended.wait(seconds)


Look = Callable[[SlideRun, Callable[[int, int], None]], tuple[WindowedRun, KeptTiles]]
"""Goes over the tiles, given the run and what to call with how many tiles are done, of how many."""


def whole_look(
    slide: Slide, predictor: Predictor, thresholds: Thresholds, tiling: Tiling | None, client: str
) -> Look:
    """Return what runs the network over all tiles; `client` takes turns at the device."""

    def look(run: SlideRun, tell: Callable[[int, int], None]) -> tuple[WindowedRun, KeptTiles]:
        tiles = tiles_of_source(tiling, predictor.model, slide.size)
        run.total = len(tiles)
        kept, turn = KeptTiles(tiles, predictor.model.digest), _turns(predictor, client, run)
        looked = run_windows(
            predictor, slide, tiles, thresholds, tell, run.stop, most_below=_MOST_BELOW, kept=kept, turn=turn
        )
        return looked, kept

    return look


def another_look(
    slide: Slide, predictor: Predictor, thresholds: Thresholds, kept: KeptTiles, client: str
) -> Look:
    """Return what takes other thresholds over what a run has kept."""

    def look(run: SlideRun, tell: Callable[[int, int], None]) -> tuple[WindowedRun, KeptTiles]:
        run.total = len(kept)
        turn = _turns(predictor, client, run)
        looked = look_again(
            predictor, slide, kept, thresholds, tell, run.stop, most_below=_MOST_BELOW, turn=turn
        )
        return looked, kept

    return look


def _turns(predictor: Predictor, client: str, run: SlideRun) -> _Turns:
    kind = f"{predictor.model.digest}-tiles"  # takes otherwise than a picture
    return _Turns(device_queue_for(str(predictor.device)), client, kind, run.stop)


@dataclass(frozen=True)
class _Turns:
    """How a slide's batches of tiles get at a device that others use, too."""

    queue: DeviceQueue
    client: str
    kind: str
    stop: threading.Event

    def __call__(self, work: Callable[[], _T], /) -> _T:
        """Return what the work gives after its turn.

        Raises:
            Cancelled: if the run was stopped before.
            Exception: what the work raises.
        """
        queued = self.queue.submit(self.client, partial(_given, work), kind=self.kind)
        while not queued.wait(_LOOK):
            if self.stop.is_set() and queued.cancel():
                raise Cancelled("stopped while it waited for the device")
        if queued.error is not None:
            raise queued.error
        given, error = queued.result or ([], None)
        if error is not None:
            raise error
        return given[0]


def _given(work: Callable[[], _T]) -> tuple[list[_T], CoreError | None]:
    """Return what work gives, or the error that it is known for: no bug of the queue's."""
    try:
        return [work()], None
    except CoreError as error:
        return [], error


def carry_out(
    run: SlideRun,
    predictor: Predictor,
    look: Look,
    keep: Callable[[FoundInSlide], None],
    on_change: Callable[[], None],
) -> None:
    """Carry a run out, in a thread of its own.

    Args:
        run: says how far it is, and what it gave.
        predictor: the model on its device.
        look: goes over the tiles.
        keep: called with what was found.
        on_change: called after each tile and at the end.
    """

    def on_tile(done: int, total: int) -> None:
        run.done, run.total = done, total
        on_change()

    thresholds = run.thresholds
    try:
        looked, kept = look(run, on_tile)
        instances = looked.instances(predictor.model, 1)
        notes = [looked.told, *looked.notes]
        if looked.left_out:
            limit = counted(thresholds.max_detections, "detection")
            notes.append(f"{looked.left_out:,} more exceed the limit of {limit} in a tile")
        if looked.floor > SCORE_FLOOR:
            notes.append(
                f"objects with scores of {looked.floor:.2f} or less are too many to be kept; a run with a "
                "lower score threshold keeps them"
            )
        run.found = FoundInSlide(
            instances,
            tuple(predictor.model.label_map.categories),
            predictor.model.key,
            looked.floor,
            tuple(notes),
            thresholds,
            kept,
        )
        keep(run.found)
    except Cancelled:
        run.is_cancelled = True
    except CoreError as error:
        run.failed = str(error)
    except BaseException as error:  # a thread's error is nobody's else
        run.failed = f"the run broke off ({type(error).__name__}); start it again"
        raise
    finally:
        run.end()
        on_change()
