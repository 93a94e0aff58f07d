"""When the values of a deep picture use a small part of their range: to what range they are stretched.

Cameras and microscopes store 12 or 14 bits in 16, and dim pictures in a corner of that: scaled by the depth,
they are all but black, and a network finds nothing. Fiji, napari and StarDist therefore show and read such
pictures between two percentiles of their own values. Here that is done where, and only where, scaling by the
depth would leave fewer than :data:`SMALL_SHARE` of the grey levels; other pictures of a series stay
comparable. Pictures of 8 bits are never stretched: they are what people see, and what networks learned from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

__all__ = ["PERCENTILES", "SMALL_SHARE", "STRETCHES", "DecodingNotes", "Stretch", "UsedRange", "used_range"]

Stretch = Literal["auto", "off"]
"""``auto`` stretches where little of the range is used, ``off`` never does."""
STRETCHES: tuple[Stretch, ...] = get_args(Stretch)

PERCENTILES = (0.1, 99.9)
"""Of the values; what is below becomes 0, what is above 255. So few outliers (hot pixels) do not count."""

SMALL_SHARE = 0.25
"""Values whose percentiles are at most this share of the range apart use little of it: 64 grey levels of
256 would be left. 14-bit data in 16 bits do, a well exposed 16-bit photo does not."""

_SAMPLED = 2**22  # values that percentiles are taken of; from more, every n-th


class DecodingNotes(list[str]):
    """What happened to an image's pixels, each a short clause.

    Attributes:
        is_dim: it is deep and uses little of its range: how it looks depends on :data:`Stretch`.
    """

    is_dim: bool = False


@dataclass(frozen=True)
class UsedRange:
    """What part of its range a picture's values use.

    Args:
        lowest, highest: of all values; NaN where one is.
        low, high: their percentiles; the lowest and highest where these are equal, as a few bright
            points on even ground have it.
    """

    lowest: float
    highest: float
    low: float
    high: float

    def is_small(self, black: float, white: float) -> bool:
        """Tell if little of the range from ``black`` to ``white`` is used. A single value uses none of it,
        and could not be stretched.
        """
        return 0 < self.high - self.low <= SMALL_SHARE * (white - black)

    def share(self, black: float, white: float) -> str:
        """Return the part that is used, in percent, for people."""
        return f"{100 * (self.high - self.low) / (white - black):.2g}%"


def used_range(bands: Iterable[npt.NDArray[Any]], count: int, leave_out: int | None = None) -> UsedRange:
    """Measure values that come part by part.

    Args:
        bands: arrays of any shape that together hold all values.
        count: how many values there are in all.
        leave_out: a value that stands for no pixel (transparent), unless there are no others.
    """
    step = max(1, -(-count // _SAMPLED))
    sampled, lows, highs = [], [], []
    offset = 0
    for band in bands:
        values = band.reshape(-1)
        lows.append(values.min())
        highs.append(values.max())
        sampled.append(values[-offset % step :: step].copy())  # a view would keep its whole band
        offset += values.size
    lowest, highest = float(np.min(lows)), float(np.max(highs))
    if not math.isfinite(lowest + highest):
        return UsedRange(lowest, highest, lowest, highest)
    sample = np.concatenate(sampled)
    if leave_out is not None and (sample != leave_out).any():
        sample = sample[sample != leave_out]
    low, high = (float(v) for v in np.percentile(sample, PERCENTILES))
    return UsedRange(lowest, highest, *((low, high) if low < high else (lowest, highest)))
