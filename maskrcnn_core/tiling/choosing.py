"""When a picture is cut into tiles, and into how large ones.

A network sees every picture at about one size. What it was trained on was seen in the same way, so a picture
that is much larger than those is seen at a scale at which it knows nothing: nuclei of a slide become dots,
and a panorama a stripe of some pixels. A large photo of one view is no such case: its objects are as large in
it as those of a small photo, and tiles would show the network parts of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError
from maskrcnn_core.tiling.planning import Tile, plan_tiles

if TYPE_CHECKING:
    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["AUTO", "OFF", "OVERLAP", "Tiling", "tiles_for", "tiling_of"]

AUTO, OFF = "auto", "off"
OVERLAP = 0.25
"""Of a tile's side: objects up to this size are whole in one of them."""

_SMALLEST, _LARGEST = 64, 16_384
_EXPECTED = f"{AUTO}, {OFF}, or {_SMALLEST} to {_LARGEST:,} pixels"
_MOST_OVERLAP = 0.5
_MICROSCOPY_SIDE = 320
"""Pixels: about the shorter side of the pictures that the microscopy models were trained on."""
_PHOTO = (480, 640)
_SMALL_SCALE = 0.3
"""Of the usual scale: at less of it, no microscopy picture was seen in training."""
_SMALL_SIDE = 0.5
"""Of a usual photo's shorter side, in the network's input: with less, a photo is a stripe."""
_MICROSCOPY = "microscopy"


@dataclass(frozen=True)
class Tiling:
    """How pictures are cut into tiles.

    Args:
        side: of a tile in pixels of the picture; ``None`` cuts those that the network would see too small.
        overlap: of neighbouring tiles, as a share of their side; 0 to 0.5.
    """

    side: int | None = None
    overlap: float = OVERLAP

    def __post_init__(self) -> None:
        if self.side is not None and not _SMALLEST <= self.side <= _LARGEST:
            raise InputError(
                f"tiles: expected {AUTO}, {OFF}, or {_SMALLEST} to {_LARGEST:,} pixels, got {self.side:,}"
            )
        if not 0.0 <= self.overlap <= _MOST_OVERLAP:
            raise InputError(f"tile overlap: expected 0 to {_MOST_OVERLAP}, got {self.overlap}")

    @property
    def told(self) -> str:
        """What settings say of it."""
        return f"{self.side or AUTO}, overlap {self.overlap:g}"


def tiling_of(text: str, overlap: float = OVERLAP) -> Tiling | None:
    """Return what a person asks for: ``auto``, a tile's side in pixels, or ``off``, which is ``None``.

    Raises:
        InputError: if it is none of these.
    """
    word = text.strip().casefold()
    if word == OFF:
        Tiling(None, overlap)
        return None
    if word == AUTO:
        return Tiling(None, overlap)
    if not word.isascii() or not word.isdigit() or len(word) > 6:
        raise InputError(f"tiles: expected {_EXPECTED}, got {one_line(text)!r}")
    return Tiling(int(word), overlap)


def tiles_for(tiling: Tiling, model: LoadedModel, size: tuple[int, int]) -> tuple[Tile, ...]:
    """Return the tiles of a picture; one alone where it is not cut.

    Args:
        tiling: how.
        model: that will see them.
        size: ``(height, width)`` of the picture in pixels.
    """
    side = tiling.side or _side_for(model, size)
    if side is None:
        return (Tile(0, 0, *size),)
    return plan_tiles(size, side, min(round(tiling.overlap * side), side - 1))


def _side_for(model: LoadedModel, size: tuple[int, int]) -> int | None:
    """Return the side of the tiles that a picture needs, or ``None`` if it needs none."""
    from maskrcnn_core.inference.buckets import input_size  # imports torch, as whoever has a model did

    transform = model.network.transform
    seen = input_size(transform, size)
    if _MICROSCOPY in model.domains:
        usual = input_size(transform, (_MICROSCOPY_SIDE, _MICROSCOPY_SIDE))[0] / _MICROSCOPY_SIDE
        is_small = max(seen[0] / size[0], seen[1] / size[1]) < _SMALL_SCALE * usual
        return _MICROSCOPY_SIDE if is_small else None
    # The usual photo's shorter side, as the network sees it, against that of this one.
    is_stripe = min(seen) < _SMALL_SIDE * min(input_size(transform, _PHOTO))
    return round(min(size) * _PHOTO[1] / _PHOTO[0]) if is_stripe and min(size) >= _SMALLEST else None
