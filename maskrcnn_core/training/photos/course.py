"""What a run does in each step: how far it is, at which rate, and on which photos.

Everything follows from the seed and a few whole numbers that a checkpoint keeps, so that a run that was ended
at any moment goes on with the very batches that it would have had.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskrcnn_core.training.loading import seed_of
from maskrcnn_core.training.photos.data import Photo
from maskrcnn_core.training.photos.samples import Sample, draw_mosaic, draw_part

__all__ = ["MOSAIC", "PHASES", "Course", "Epoch", "Phase", "Work", "draw", "phase_at", "plan_epoch"]

MOSAIC = 4
"""Photos in a mosaic."""

_FLOOR = 0.02
_WARM_UP = 100
_RARE = 0.02
"""Photos with a category that fewer photos than this share have are seen more often (Gupta et al. 2019, LVIS,
arXiv:1908.03195, section 4.2: by the square root)."""


@dataclass(frozen=True)
class Course:
    """How far a run is after each step: evenly from a point on to its end, which can be moved.

    Args:
        end: steps of the whole run.
        from_step: a step since which the end has not been moved,
        from_progress: and how far the run was there, in [0, 1].
    """

    end: int
    from_step: int = 0
    from_progress: float = 0.0

    def progress(self, step: int) -> float:
        """Return how far the run is when ``step`` steps are done, in [0, 1]."""
        if step >= self.end:
            return 1.0
        share = (step - self.from_step) / (self.end - self.from_step)
        return self.from_progress + (1 - self.from_progress) * share

    def ending(self, step: int, more: int) -> Course:
        """Return a course that is the same up to ``step`` and ends after ``more`` further steps."""
        return Course(step + more, step, self.progress(step))

    def rate(self, step: int) -> float:
        """Return the share of the highest rate for the step after ``step``: a warm-up, then half a cosine."""
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress(step)))
        return min(1.0, (step + 1) / _WARM_UP) * (_FLOOR + (1 - _FLOOR) * cosine)


@dataclass(frozen=True)
class Phase:
    """What samples are like in a part of a run.

    Args:
        until: how far the run is at its end.
        short: shorter side of a single photo.
        canvas: sides of a mosaic, the shorter one first; multiples of 32.
        mosaics: share of the steps that have mosaics.
    """

    until: float
    short: int
    canvas: tuple[int, int]
    mosaics: float


PHASES = (
    Phase(0.4, 256, (352, 480), 0.5),
    Phase(0.8, 288, (416, 544), 0.5),
    Phase(1.0, 384, (448, 608), 0.3),
)
"""Small pictures first, as many are seen in the same time; the last are like those that are met in use."""


def phase_at(phases: Sequence[Phase], progress: float) -> int:
    """Return the phase that a run is in at this progress."""
    return next((at for at, phase in enumerate(phases) if progress < phase.until), len(phases) - 1)


@dataclass(frozen=True)
class Work:
    """One step for all processes together.

    Args:
        photos: indices; of each sample one, or four for a mosaic.
        size: sides of a mosaic, ``(height, width)``; None where each photo is a sample of its own.
    """

    photos: tuple[int, ...]
    size: tuple[int, int] | None

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """The photos of each sample."""
        each = MOSAIC if self.size else 1
        return tuple(self.photos[at : at + each] for at in range(0, len(self.photos), each))


@dataclass(frozen=True)
class Epoch:
    """Where a run is among its photos.

    Args:
        number: of the epoch, from 0.
        done: its steps that are done.
        phase: index of the phase in which it began.
    """

    number: int = 0
    done: int = 0
    phase: int = 0


def plan_epoch(photos: Sequence[Photo], number: int, phase: Phase, batch: int, seed: int) -> list[Work]:
    """Return the steps of an epoch: each photo once, and those with rare categories a little more often.

    Photos of a batch are all wide or all high, as a batch is as large as its largest sample. What does not
    fill a batch is left out.

    Args:
        photos: all that are learned from.
        number: of the epoch.
        phase: in which it began.
        batch: samples of a step, of all processes together.
        seed: of the run.
    """
    chance = np.random.default_rng(seed_of(seed, "epoch", number))
    repeats = _repeats(photos)
    times = np.floor(repeats + chance.random(len(photos))).astype(int)
    order = chance.permutation(np.repeat(np.arange(len(photos)), times))
    share = MOSAIC * phase.mosaics / (MOSAIC * phase.mosaics + 1 - phase.mosaics)
    cut = round(len(order) * share)
    wide = np.array([photo.size[0] <= photo.size[1] for photo in photos])
    singles = order[cut:]
    work = [
        Work(tuple(rows), None)
        for group in (singles[wide[singles]], singles[~wide[singles]])
        for rows in _chunks(group, batch)
    ]
    for rows in _chunks(order[:cut], batch * MOSAIC):
        size = phase.canvas if chance.random() < wide.mean() else phase.canvas[::-1]
        work.append(Work(tuple(rows), size))
    return [work[at] for at in chance.permutation(len(work))]


def _chunks(rows: npt.NDArray[np.intp], size: int) -> list[list[int]]:
    return [rows[at : at + size].tolist() for at in range(0, len(rows) - size + 1, size)]


def _repeats(photos: Sequence[Photo]) -> npt.NDArray[np.float64]:
    """Return how often each photo is seen in an epoch, at least once."""
    present = [np.unique(photo.labels) for photo in photos]
    counts = np.bincount(np.concatenate(present)) / len(photos)
    return np.array([max(1.0, math.sqrt(_RARE / counts[labels].min())) for labels in present])


def draw(work: Work, photos: Sequence[Photo], phase: Phase, share: slice, *key: int) -> list[Sample]:
    """Draw some samples of a step, each from its own random numbers.

    Args:
        work: the step.
        photos: all that are learned from.
        phase: of the run.
        share: which samples.
        key: what chance depends on, with a sample's place in the step.
    """
    drawn = []
    for place, rows in list(enumerate(work.samples))[share]:
        chance = np.random.default_rng(seed_of("sample", *key, place))
        chosen = [photos[row] for row in rows]
        if work.size:
            drawn.append(draw_mosaic(chosen, work.size, chance))
        else:
            drawn.append(draw_part(chosen[0], phase.short, chance))
    return drawn
