"""When a picture is cut into tiles, and into how large ones.

A network sees every picture at about one size. What it was trained on was seen in the same way, so a picture
that is much larger than those is seen at a scale at which it knows nothing: nuclei of a slide become dots,
and a panorama a stripe of some pixels. A large photo of one view is no such case: its objects are as large in
it as those of a small photo, and tiles would show the network parts of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError
from maskrcnn_core.tiling.planning import Tile, plan_tiles

if TYPE_CHECKING:
    from maskrcnn_core.models.spec import LoadedModel, ModelFacts

__all__ = ["AUTO", "OFF", "OVERLAP", "Tiling", "asked_of", "check_tiling", "cut_as", "tiles_for", "tiling_of"]

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
        object_size: how large the objects are in the picture: the usual square root of their area, in pixels.
            Tiles are then as large as makes the network see them as large as those that it learned from.
            ``None`` where nobody says.
    """

    side: int | None = None
    overlap: float = OVERLAP
    object_size: float | None = None

    def __post_init__(self) -> None:
        if self.side is not None and not _SMALLEST <= self.side <= _LARGEST:
            raise InputError(
                f"tiles: expected {AUTO}, {OFF}, or {_SMALLEST} to {_LARGEST:,} pixels, got {self.side:,}"
            )
        if not 0.0 <= self.overlap <= _MOST_OVERLAP:
            raise InputError(f"tile overlap: expected 0 to {_MOST_OVERLAP}, got {self.overlap}")
        if self.object_size is None:
            return
        if not 1.0 <= self.object_size <= _LARGEST:
            raise InputError(f"object size: expected 1 to {_LARGEST:,} pixels, got {self.object_size:g}")
        if self.side is not None:
            raise InputError(
                f"object size: expected it or the side of tiles, got both ({self.object_size:g} and "
                f"{self.side:,})"
            )

    @property
    def told(self) -> str:
        """What settings say of it."""
        of = self.side or AUTO if self.object_size is None else f"for objects of {self.object_size:g} px"
        return f"{of}, overlap {self.overlap:g}"


def tiling_of(text: str, overlap: float = OVERLAP, object_size: float | None = None) -> Tiling | None:
    """Return what a person asks for: ``auto``, a tile's side in pixels, or ``off``, which is ``None``.

    With a size of objects, which asks for tiles by itself, ``off`` is as good as ``auto``.

    Raises:
        InputError: if it is none of these, or a side comes with a size of objects.
    """
    word = text.strip().casefold()
    if object_size is not None and word in (AUTO, OFF):
        return Tiling(None, overlap, object_size)
    if word == OFF:
        Tiling(None, overlap)
        return None
    if word == AUTO:
        return Tiling(None, overlap)
    if not word.isascii() or not word.isdigit() or len(word) > 6:
        raise InputError(f"tiles: expected {_EXPECTED}, got {one_line(text)!r}")
    return Tiling(int(word), overlap, object_size)


def asked_of(model_digest: str, tiles: Sequence[Tile]) -> str:
    """Return a name for what a model is asked: its digest, and which tiles it sees where there are several.

    It begins with the digest and can be part of a file's name.
    """
    if len(tiles) == 1:
        return model_digest
    corners = [(tile.top, tile.left, tile.height, tile.width) for tile in tiles]
    return f"{model_digest}-tiles-{hashlib.sha256(repr(corners).encode()).hexdigest()[:16]}"


def check_tiling(tiling: Tiling | None, model: ModelFacts) -> None:
    """Check that pictures can be cut so for a model.

    Raises:
        InputError: for a size of objects, where nobody knows how large those were that the model learned.
    """
    if tiling is not None and tiling.object_size is not None:
        _object_pixels(model)


def _object_pixels(model: ModelFacts) -> float:
    if model.object_pixels is None:
        raise InputError(
            f"object size: the card of {one_line(model.key)} does not say how large the objects were that it "
            "learned from; ask for the side of tiles instead (--tiles N)"
        )
    return model.object_pixels


def cut_as(key: str, tiling: Tiling | None) -> str:
    """Return a key for what a model says of many pictures, which are cut in this way where they need it."""
    if tiling is None:
        return key
    of = tiling.side or AUTO if tiling.object_size is None else f"of{tiling.object_size:g}"
    return f"{key}-tiles-{of}-{tiling.overlap:g}"


def tiles_for(tiling: Tiling | None, model: LoadedModel, size: tuple[int, int]) -> tuple[Tile, ...]:
    """Return the tiles of a picture; one alone where it is not cut.

    Args:
        tiling: how; ``None`` for not at all.
        model: that will see them.
        size: ``(height, width)`` of the picture in pixels.

    Raises:
        InputError: for a size of objects, where nobody knows how large those were that the model learned.
    """
    if tiling is not None and tiling.object_size is not None:
        side: int | None = _side_of_objects(model, tiling.object_size)
    else:
        side = None if tiling is None else tiling.side or _side_for(model, size)
    if tiling is None or side is None:
        return (Tile(0, 0, *size),)
    return plan_tiles(size, side, min(round(tiling.overlap * side), side - 1))


def _side_of_objects(model: LoadedModel, object_size: float) -> int:
    """Return the side of tiles in which the network sees objects as large as it learned them."""
    from maskrcnn_core.inference.buckets import input_size  # imports torch, as whoever has a model did

    learned = _object_pixels(model)
    seen = min(input_size(model.network.transform, _PHOTO[:1] * 2))
    return min(max(round(seen * object_size / learned), _SMALLEST), _LARGEST)


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
