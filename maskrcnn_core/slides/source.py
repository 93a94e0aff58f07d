"""What a picture is that is read by windows: its size, its levels, and a way to the pixels of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from maskrcnn_core.common.arrays import Pixels

__all__ = ["Damage", "Level", "WindowSource", "level_for"]


@dataclass(frozen=True)
class Level:
    """A picture at one of its resolutions.

    Args:
        height, width: in its own pixels.
        scale: pixels of the whole picture, level 0, to one of this level; 1 or more.
    """

    height: int
    width: int
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return self.height, self.width


@dataclass(frozen=True)
class Damage:
    """What of a picture could not be read so far.

    Args:
        parts: tiles or strips that are broken; grey is shown in their place.
        absent: parts that the file leaves out; white is shown in their place.
        first: where the first broken one lies, ``(left, top)`` in pixels of the whole picture.
        reason: why that one could not be read.
    """

    parts: int = 0
    absent: int = 0
    first: tuple[int, int] = (0, 0)
    reason: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return what a person should know of it."""
        said = []
        if self.parts:
            many = "1 damaged part is" if self.parts == 1 else f"{self.parts:,} damaged parts are"
            x, y = self.first
            said.append(
                f"{many} shown grey, the first one at {x:,}, {y:,} ({self.reason}); copy the file from its "
                "source again"
            )
        if self.absent:
            many = "1 part is" if self.absent == 1 else f"{self.absent:,} parts are"
            said.append(f"{many} not in the file and shown white")
        return tuple(said)


class WindowSource(Protocol):
    """A picture that is read window by window. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes in hex."""

    @property
    def levels(self) -> Sequence[Level]:
        """Its resolutions, the whole picture first, each coarser than the one before."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What happens to its pixels on the way, each a short clause for people."""

    @property
    def damage(self) -> Damage:
        """What could not be read so far."""

    def read(self, top: int, left: int, height: int, width: int, level: int = 0) -> Pixels:
        """Return a window, uint8 ``[height, width, 3]`` RGB, C-contiguous.

        Args:
            top, left, height, width: in pixels of the level, inside it.
            level: place in :attr:`levels`.

        Raises:
            ValueError: if the window is not inside the level.
            ImageError: if the file cannot be read any more.
        """


def level_for(levels: Sequence[Level], scale: float) -> int:
    """Return the place of the coarsest level that has a pixel for each of a picture reduced by ``scale``."""
    fitting = [place for place, level in enumerate(levels) if level.scale <= scale * 1.01]
    return fitting[-1] if fitting else 0
