"""What a run could not find, and why: the limit of detections, and an input too small for an image.

Nothing else would tell: a count of 100 looks like any other, and "none found" of an image that the network
saw at a fortieth of its size looks like an empty image.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.runs import Run

__all__ = ["LimitTally", "Limits", "NoteTally", "limit_note", "limits_of", "resolution_note"]

_SMALLEST = 8
"""Pixels of the network's input that an object needs: two cells of the finest feature map, of stride 4."""

_MUCH_SMALLER = 1 / 3
"""An input of at most this share of the image's size is reported: objects of 24 pixels are lost in it."""

_CUT = "cut the image into parts and run those"
_CUT_ALL = "cut such images into parts and run those"


def limit_note(run: Run, thresholds: Thresholds) -> str:
    """Return how many detections the limit left out of one image; empty if none."""
    left_out = run.candidates.beyond_limit(thresholds)
    if not left_out:
        return ""
    return (
        f"{left_out} more pass these thresholds but exceed the limit of "
        f"{counted(thresholds.max_detections, 'detection')} per image"
    )


def resolution_note(run: Run) -> str:
    """Say at what size the network saw an image that it had to shrink much; empty otherwise."""
    scale = _scale(run)
    if scale > _MUCH_SMALLER:
        return ""
    height, width = run.candidates.input_size
    return (
        f"the network saw this image at {width} x {height} pixels, 1/{1 / scale:.2g} of its size: objects "
        f"smaller than about {_SMALLEST / scale:.0f} pixels are lost; {_CUT}"
    )


def _scale(run: Run) -> float:
    (height, width), (full_height, full_width) = run.candidates.input_size, run.image_size
    return max(height / full_height, width / full_width)


class Limits(NamedTuple):
    """What the limits did to one image.

    Args:
        left_out: detections that pass the thresholds and exceed their limit.
        scale: at which the network saw the image.
    """

    left_out: int
    scale: float


def limits_of(run: Run, thresholds: Thresholds) -> Limits:
    """Return what the limits did to an image."""
    return Limits(run.candidates.beyond_limit(thresholds), _scale(run))


class LimitTally:
    """A count of what the limits did to many images, with a sentence for each limit."""

    def __init__(self) -> None:
        self._limited = self._left_out = 0
        self._limit = 0
        self._small = 0
        self._smallest = (1.0, "")

    def add(self, name: str, run: Run, thresholds: Thresholds) -> None:
        """Take note of one image's run.

        Args:
            name: of the image, on one line.
            run: what the network left behind.
            thresholds: what was kept of it.
        """
        self.take(name, limits_of(run, thresholds), thresholds)

    def take(self, name: str, limits: Limits, thresholds: Thresholds) -> None:
        """Take note of what :func:`limits_of` said of an image."""
        self._limited += limits.left_out > 0
        self._left_out += limits.left_out
        self._limit = thresholds.max_detections
        if limits.scale <= _MUCH_SMALLER:
            self._small += 1
            self._smallest = min(self._smallest, (limits.scale, name))

    def merge(self, other: LimitTally) -> None:
        """Take note of what another tally has counted, of other images with the same limit."""
        self._limited += other._limited
        self._left_out += other._left_out
        self._limit = other._limit or self._limit
        self._small += other._small
        self._smallest = min(self._smallest, other._smallest)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as they are stored."""
        scale, name = self._smallest
        return {
            "limit": self._limit,
            "limited": self._limited,
            "left_out": self._left_out,
            "small": self._small,
            "scale": scale,
            "name": name,
        }

    @classmethod
    def from_json(cls, value: object) -> LimitTally:
        """Read what :meth:`to_json` gave; what is not as it should be counts as nothing."""
        tally = cls()
        if isinstance(value, Mapping):
            numbers = (value.get(key) for key in ("limit", "limited", "left_out", "small"))
            whole = [number if type(number) is int else 0 for number in numbers]
            tally._limit, tally._limited, tally._left_out, tally._small = whole
            scale, name = value.get("scale"), value.get("name")
            if isinstance(scale, float) and 0 < scale <= 1 and isinstance(name, str):
                tally._smallest = (scale, name)
        return tally

    def sentences(self, option: str = "--max-detections", cut: str = _CUT_ALL) -> list[str]:
        """Return what a person should know of these runs; none where no limit was met."""
        said = []
        if self._limited:
            said.append(
                f"{counted(self._limited, 'image')} reached the limit of "
                f"{counted(self._limit, 'detection')}, and "
                f"{counted(self._left_out, 'detection was', 'detections were')} left out; raise it with "
                f"{option}"
            )
        if self._small:
            scale, name = self._smallest
            said.append(
                f"the network saw {counted(self._small, 'image')} at a third of their size or less; "
                f"the smallest at 1/{1 / scale:.2g} of it: {name}, where objects smaller than about "
                f"{_SMALLEST / scale:.0f} pixels are lost; {cut}"
            )
        return said


class NoteTally:
    """Notes on many images, those of one kind as one sentence with their count."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, tuple[str, str]] = {}

    def add(self, name: str, notes: Iterable[str]) -> None:
        """Take the notes on one image; those that differ in their numbers alone are of one kind."""
        for note in notes:
            kind = re.sub(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", "#", note)
            self._counts[kind] += 1
            self._first.setdefault(kind, (name, note))

    def join(self, other: NoteTally) -> None:
        """Take what another tally counted of other images."""
        self._counts += other._counts
        self._first = other._first | self._first

    def sentences(self) -> list[str]:
        """Return ``a.tif: ...``, or ``12 images: ... (a.tif and 11 like it)`` with the first of them."""
        said = []
        for kind, count in self._counts.items():
            name, note = self._first[kind]
            alike = f"{count} images: {note} ({name} and {count - 1} like it)"
            said.append(f"{name}: {note}" if count == 1 else alike)
        return said
