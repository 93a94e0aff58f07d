"""A drawn slide: stained tissue with nuclei that are known, as a pyramid of JPEG tiles.

A few blocks are drawn and laid side by side in an order of chance, so that hundreds of megapixels take
seconds, and each nucleus's mask is known at its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import tifffile

from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.geometry.rle import BoolMask, Rle
from maskrcnn_core.synthetic.canvas import Canvas
from maskrcnn_core.synthetic.microscopy import TISSUE, draw_tissue

__all__ = ["NUCLEUS", "Slide", "annotated", "draw_slide"]

NUCLEUS = Category(1, "nucleus")
_BLOCK = 500
_VARIANTS = 6
_TILE = 256
_FACTOR = 4
_LEAST_SIDE = 64

_Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Slide:
    """A slide that was drawn.

    Args:
        path: of the file.
        side: its height and width in pixels.
        order: which block lies where, ``[rows, columns]``.
        per_block: nuclei in each, at most.
    """

    path: Path
    side: int
    order: npt.NDArray[np.int64]
    per_block: int

    @property
    def count(self) -> int:
        """How many nuclei it has."""
        return int(sum(len(_block(int(n), self.per_block)[1]) for n in self.order.ravel()))


def draw_slide(path: Path, side: int, count: int, *, levels: int = 4) -> Slide:
    """Draw a slide.

    Args:
        path: of the file that is written.
        side: its height and width in pixels, a multiple of 500.
        count: about how many nuclei there are to be.
        levels: of the pyramid, each a quarter of the one before.
    """
    across = side // _BLOCK
    per_block = max(1, math.ceil(count / across**2))
    order = np.random.default_rng(7).integers(0, _VARIANTS, (across, across))
    slide = Slide(path, side, order, per_block)
    blocks = [_block(n, per_block)[0] for n in range(_VARIANTS)]
    how = {"tile": (_TILE, _TILE), "compression": "jpeg", "compressionargs": {"level": 88}, "metadata": None}
    tiles = f"{side}x{side} ({_TILE}x{_TILE})"
    description = f"Aperio Image Library\r\n{tiles} JPEG/RGB Q=88|AppMag = 20|MPP = 0.5"
    reduced = np.empty((0, 0, 3), np.uint8)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for level in range(levels):
            size = side // _FACTOR**level
            if size < _LEAST_SIDE:
                break
            if level == 1:
                small = [_reduced(block, _FACTOR) for block in blocks]
                reduced = np.concatenate(list(_strips(small, order)))
            elif level > 1:
                reduced = _reduced(reduced, _FACTOR)
            file.write(
                _tiles(iter([reduced]) if level else _strips(blocks, order), size),
                shape=(size, size, 3),
                dtype="uint8",
                photometric="rgb",
                description=description if level == 0 else None,
                subfiletype=int(level > 0),
                **how,
            )
    return slide


def annotated(slide: Slide, digest: str = "") -> AnnotatedImage:
    """Return a slide with all of its nuclei, by descending score."""
    size = (slide.side, slide.side)
    scores = np.random.default_rng(8).uniform(0.55, 1.0, slide.count)
    places = [
        (crop, (row * _BLOCK + top, column * _BLOCK + left))
        for (row, column), number in np.ndenumerate(slide.order)
        for crop, (top, left) in _block(int(number), slide.per_block)[1]
    ]
    found = []
    for number, (score, (crop, (top, left))) in enumerate(
        sorted(zip(scores.tolist(), places, strict=True), key=lambda one: -one[0])
    ):
        box = (float(left), float(top), float(left + crop.shape[1]), float(top + crop.shape[0]))
        mask = Rle.from_crop(crop, (top, left), size)
        found.append(Instance(1, NUCLEUS.id, mask, score, box, row=number))
    record = ImageRecord(1, slide.path.name, slide.side, slide.side, digest)
    return AnnotatedImage(record, tuple(found), _no_pixels)


def _no_pixels() -> _Pixels:
    raise AssertionError("nobody holds a slide's pixels")


@cache
def _block(number: int, per_block: int) -> tuple[_Pixels, tuple[tuple[BoolMask, tuple[int, int]], ...]]:
    """Return a block's pixels, and the crop and place of each of its nuclei."""
    look = replace(TISSUE, count=max(1, round(per_block * 480 * 640 / _BLOCK**2)))
    drawn = draw_tissue(Canvas([number, per_block], (_BLOCK, _BLOCK)), look)
    found = []
    for mask in drawn.masks():
        x, y, width, height = Rle.from_mask(mask).box_xywh
        found.append((mask[y : y + height, x : x + width].copy(), (y, x)))
    return drawn.pixels, tuple(found)


def _reduced(pixels: _Pixels, factor: int) -> _Pixels:
    if factor == 1:
        return pixels
    size = max(1, pixels.shape[1] // factor), max(1, pixels.shape[0] // factor)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _strips(blocks: list[_Pixels], order: npt.NDArray[np.int64]) -> Iterator[_Pixels]:
    for row in order:
        yield np.concatenate([blocks[int(number)] for number in row], axis=1)


def _tiles(strips: Iterator[_Pixels], size: int) -> Iterator[_Pixels]:
    """Cut strips of any height into tiles, row by row."""
    waiting = np.empty((0, size, 3), np.uint8)
    top = 0
    while top < size:
        height = min(_TILE, size - top)
        while len(waiting) < height:
            waiting = np.concatenate([waiting, next(strips)[:, :size]])
        for left in range(0, size, _TILE):
            tile = np.zeros((_TILE, _TILE, 3), np.uint8)
            part = waiting[:height, left : left + _TILE]
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile
        waiting = waiting[height:]
        top += height
