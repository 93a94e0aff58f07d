"""Where the tiles of a picture lie, and when a picture needs them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Tile", "plan_tiles"]


@dataclass(frozen=True)
class Tile:
    """A window of a picture, in pixels.

    Args:
        top, left: its first row and column.
        height, width: its size.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The row after its last one."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The column after its last one."""
        return self.left + self.width


def plan_tiles(size: tuple[int, int], side: int, overlap: int) -> tuple[Tile, ...]:
    """Return windows that cover a picture, row by row.

    All have the same size, and neighbours overlap by ``overlap`` pixels or more: as few windows as do that,
    evenly spread. A picture that is no larger than a window has one.

    Args:
        size: ``(height, width)`` of the picture.
        side: of a window, in pixels.
        overlap: at least as wide as objects that shall be whole in one window; 0 to ``side`` - 1.

    Raises:
        ValueError: naming the value that is out of range.
    """
    if side < 1:
        raise ValueError(f"side: expected 1 or more, got {side}")
    if not 0 <= overlap < side:
        raise ValueError(f"overlap: expected 0 to {side - 1}, less than a tile's side, got {overlap}")
    height, width = size
    return tuple(
        Tile(top, left, min(side, height), min(side, width))
        for top in _starts(height, side, overlap)
        for left in _starts(width, side, overlap)
    )


def _starts(length: int, side: int, overlap: int) -> Sequence[int]:
    if length <= side:
        return (0,)
    count = math.ceil((length - overlap) / (side - overlap))
    return [n * (length - side) // (count - 1) for n in range(count)]
