"""One set of objects of what was found in overlapping tiles: duplicates once, cut objects whole.

Two tiles that overlap have seen the same pixels there, so what they found is compared where both looked: two
pieces of one category are the same object if their masks, each cut down to the window that the tiles share,
have an IoU above the threshold for duplicates. That holds for an object that both saw whole, for one that is
whole in one tile and cut in the other, and for one that is cut in both. Of each object the best-scored piece
that is whole stays as it was found; where none is whole, the pieces are joined, pixel by pixel.

Pieces that touch no other tile are never compared: an object away from seams is exactly what its tile found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Floats, Ints
from maskrcnn_core.common.compiled import compiled
from maskrcnn_core.geometry.rle import BoolMask, Rle
from maskrcnn_core.tiling.planning import Tile

__all__ = ["Merged", "Pieces", "merge_pieces"]

_Bytes = npt.NDArray[np.uint8]
_Flags = npt.NDArray[np.bool_]

_NEAR = 2
"""Pixels from a tile's border: networks draw masks that are cut there up to so much too short."""
_SWALLOWED = 0.8
"""A cut piece of which more than this share lies within another object is a part of that."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """N masks that were found in tiles, each as the pixels of its box.

    Args:
        tiles: int64 ``[N]``, the tile that each was found in.
        labels: int64 ``[N]``.
        scores: float32 ``[N]``.
        boxes: int64 ``[N, 4]``, top, left, height and width in pixels of the picture.
        pixels: uint8, the masks' boxes row by row; 0 or 1.
        starts: int64 ``[N]``, where each begins in ``pixels``.
        is_cut: bool ``[N]``, whether it ends at a border of its tile within the picture.
        areas: int64 ``[N]``, how many pixels each has.
    """

    tiles: Ints
    labels: Ints
    scores: Floats
    boxes: Ints
    pixels: _Bytes
    starts: Ints
    is_cut: _Flags
    areas: Ints

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, keep: _Flags | Ints) -> Pieces:
        return Pieces(
            self.tiles[keep],
            self.labels[keep],
            self.scores[keep],
            self.boxes[keep],
            self.pixels,  # shared: each knows where its own begin
            self.starts[keep],
            self.is_cut[keep],
            self.areas[keep],
        )

    def crop(self, place: int) -> BoolMask:
        """Return the pixels of a piece's box: bool ``[height, width]``."""
        _, _, height, width = self.boxes[place].tolist()
        start = int(self.starts[place])
        return cast("BoolMask", self.pixels[start : start + height * width].reshape(height, width) != 0)

    @classmethod
    def of(
        cls,
        tiles: Sequence[Tile],
        found: Sequence[tuple[int, int, float, Rle]],
        picture: tuple[int, int],
        room: Callable[[int], _Bytes] = lambda size: np.empty(size, np.uint8),
    ) -> Pieces:
        """Return pieces of masks.

        Args:
            tiles: all.
            found: of each piece the place of its tile, its label, its score, and its mask, which has the
                tile's size and at least one pixel.
            picture: ``(height, width)`` of the picture.
            room: makes an array of so many bytes for the masks' pixels.
        """
        count = len(found)
        boxes = np.empty((count, 4), np.int64)
        is_cut = np.zeros(count, np.bool_)
        for place, (number, _, _, mask) in enumerate(found):
            tile = tiles[number]
            x, y, width, height = mask.box_xywh
            boxes[place] = (y + tile.top, x + tile.left, height, width)
            is_cut[place] = (
                (y < _NEAR and tile.top > 0)
                or (x < _NEAR and tile.left > 0)
                or (y + height > tile.height - _NEAR and tile.bottom < picture[0])
                or (x + width > tile.width - _NEAR and tile.right < picture[1])
            )
        sizes = boxes[:, 2] * boxes[:, 3]
        starts = np.cumsum(sizes) - sizes
        pixels = room(int(sizes.sum()))
        for start, size, (_, _, _, mask) in zip(starts.tolist(), sizes.tolist(), found, strict=True):
            pixels[start : start + size] = mask.crop().ravel()
        return cls(
            np.array([one[0] for one in found], np.int64),
            np.array([one[1] for one in found], np.int64),
            np.array([one[2] for one in found], np.float32),
            boxes,
            pixels,
            starts,
            is_cut,
            np.array([mask.area for _, _, _, mask in found], np.int64),
        )


@dataclass(frozen=True)
class Merged:
    """An object of the whole picture.

    Args:
        best: the piece that gives its label and score.
        parts: the pieces that its mask consists of: ``best`` alone, or all that were joined.
        same: all pieces that are this object.
        is_cut: whether it still ends at a seam: no other tile found its other side.
    """

    best: int
    parts: tuple[int, ...]
    same: tuple[int, ...]
    is_cut: bool

    def mask(self, pieces: Pieces, picture: tuple[int, int]) -> Rle:
        """Return its mask in a picture of ``(height, width)`` pixels."""
        boxes = pieces.boxes[list(self.parts)]
        top, left = (int(side) for side in boxes[:, :2].min(axis=0))
        bottom, right = (int(side) for side in (boxes[:, :2] + boxes[:, 2:]).max(axis=0))
        crop = np.zeros((bottom - top, right - left), np.bool_)
        for part in self.parts:
            y, x, height, width = pieces.boxes[part].tolist()
            crop[y - top : y - top + height, x - left : x - left + width] |= pieces.crop(part)
        return Rle.from_crop(crop, (top, left), picture)


def merge_pieces(pieces: Pieces, tiles: Sequence[Tile], same_iou: float = 0.5) -> list[Merged]:
    """Return the objects of a picture, by descending score.

    Args:
        pieces: what each tile keeps, suppressed and limited within itself.
        tiles: all.
        same_iou: pieces are one object if their IoU within the window that both tiles see is greater.
    """
    first, second = _neighbours(pieces, tiles)
    windows = np.array([(t.top, t.left, t.bottom, t.right) for t in tiles], np.int64).reshape(-1, 4)
    shared = _shared_pixels(first, second, pieces.boxes, pieces.starts, pieces.pixels, windows[pieces.tiles])
    common, one, other = shared[:, 0], shared[:, 1], shared[:, 2]
    iou = common / np.maximum(one + other - common, 1)
    alike = np.flatnonzero(iou > same_iou)
    groups = _Groups(pieces.tiles)
    for pair in alike[np.argsort(-iou[alike], kind="stable")].tolist():
        groups.join(int(first[pair]), int(second[pair]))
    swallowed = _swallowed(pieces, groups, first, second, common)
    return _objects(pieces, groups, swallowed)


def _objects(pieces: Pieces, groups: _Groups, swallowed: set[int]) -> list[Merged]:
    members: dict[int, list[int]] = {}
    for place in range(len(pieces)):
        members.setdefault(groups.of(place), []).append(place)
    objects = []
    for group, places in members.items():
        if group in swallowed:
            continue
        ranked = sorted(places, key=lambda place: (-float(pieces.scores[place]), place))
        whole = [place for place in ranked if not pieces.is_cut[place]]
        parts = (whole[0],) if whole else tuple(sorted(places))
        is_open = not whole and len(places) == 1
        objects.append(Merged((whole or ranked)[0], parts, tuple(sorted(places)), is_open))
    return sorted(objects, key=lambda one: (-float(pieces.scores[one.best]), one.best))


def _swallowed(pieces: Pieces, groups: _Groups, first: Ints, second: Ints, common: Ints) -> set[int]:
    """Return the groups of a single cut piece that lies within another object."""
    found: set[int] = set()
    for one, other, pixels in zip(first.tolist(), second.tolist(), common.tolist(), strict=True):
        for small, large in ((one, other), (other, one)):
            is_single = pieces.is_cut[small] and groups.size(small) == 1
            if is_single and pixels > _SWALLOWED * pieces.areas[small] and groups.of(large) not in found:
                found.add(groups.of(small))
                break
    return found


def _neighbours(pieces: Pieces, tiles: Sequence[Tile]) -> tuple[Ints, Ints]:
    """Return the pairs of pieces of one label and two tiles whose boxes meet where both tiles look."""
    of_tile: dict[int, Ints] = {
        number: np.flatnonzero(pieces.tiles == number) for number in np.unique(pieces.tiles).tolist()
    }
    tops, lefts = pieces.boxes[:, 0], pieces.boxes[:, 1]
    bottoms, rights = tops + pieces.boxes[:, 2], lefts + pieces.boxes[:, 3]
    firsts, seconds = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    numbers = np.array(sorted(of_tile), np.int64)
    windows = np.array(
        [(tiles[n].top, tiles[n].left, tiles[n].bottom, tiles[n].right) for n in numbers], np.int64
    ).reshape(-1, 4)
    for index, a in enumerate(numbers.tolist()):
        first, later = np.maximum(windows[index], windows[index + 1 :]), numbers[index + 1 :]
        last = np.minimum(windows[index], windows[index + 1 :])
        shared = (first[:, 0] < last[:, 2]) & (first[:, 1] < last[:, 3])
        for place in np.flatnonzero(shared).tolist():
            b = int(later[place])
            top, left = first[place, :2].tolist()
            bottom, right = last[place, 2:].tolist()
            near = []
            for places in (of_tile[a], of_tile[b]):
                is_in = (tops[places] < bottom) & (bottoms[places] > top)
                is_in &= (lefts[places] < right) & (rights[places] > left)
                near.append(places[is_in])
            one, other = near[0][:, None], near[1][None]
            meets = pieces.labels[one] == pieces.labels[other]
            meets &= np.maximum(np.maximum(tops[one], tops[other]), top) < np.minimum(
                np.minimum(bottoms[one], bottoms[other]), bottom
            )
            meets &= np.maximum(np.maximum(lefts[one], lefts[other]), left) < np.minimum(
                np.minimum(rights[one], rights[other]), right
            )
            rows, columns = np.nonzero(meets)
            firsts.append(near[0][rows])
            seconds.append(near[1][columns])
    return np.concatenate(firsts), np.concatenate(seconds)


@compiled
def _shared_pixels(
    first: Ints, second: Ints, boxes: Ints, starts: Ints, pixels: _Bytes, windows: Ints
) -> npt.NDArray[np.int64]:
    """Return for each pair how many pixels both have, and how many each has where both tiles look.

    Args:
        first, second: the pairs.
        boxes, starts, pixels: of :class:`Pieces`.
        windows: int64 ``[N, 4]``, top, left, bottom and right of each piece's tile.
    """
    out = np.zeros((first.size, 3), np.int64)
    for pair in range(first.size):
        a, b = first[pair], second[pair]
        top = max(windows[a, 0], windows[b, 0])
        left = max(windows[a, 1], windows[b, 1])
        bottom = min(windows[a, 2], windows[b, 2])
        right = min(windows[a, 3], windows[b, 3])
        for turn in range(2):
            one, other = (a, b) if turn == 0 else (b, a)
            y, x, height, width = boxes[one, 0], boxes[one, 1], boxes[one, 2], boxes[one, 3]
            v, u, rows, columns = boxes[other, 0], boxes[other, 1], boxes[other, 2], boxes[other, 3]
            for row in range(max(y, top), min(y + height, bottom)):
                at = starts[one] + (row - y) * width - x
                has_row = v <= row < v + rows
                beside = starts[other] + (row - v) * columns - u
                for column in range(max(x, left), min(x + width, right)):
                    if pixels[at + column] != 0:
                        out[pair, 1 + turn] += 1
                        if turn == 0 and has_row and u <= column < u + columns:
                            out[pair, 0] += pixels[beside + column]
    return out


class _Groups:
    """Pieces that are one object; a tile sees an object once, so none has two pieces of a tile."""

    def __init__(self, tiles: Ints) -> None:
        self._above = list(range(len(tiles)))
        self._tiles = [{int(tile)} for tile in tiles]

    def of(self, place: int) -> int:
        """Return the piece that stands for a piece's group."""
        while self._above[place] != place:
            self._above[place] = self._above[self._above[place]]
            place = self._above[place]
        return place

    def size(self, place: int) -> int:
        """Return how many pieces a piece's group has."""
        return len(self._tiles[self.of(place)])

    def join(self, one: int, other: int) -> None:
        """Join two groups, unless a tile would be in both."""
        a, b = self.of(one), self.of(other)
        if a != b and not self._tiles[a] & self._tiles[b]:
            self._above[b] = a
            self._tiles[a] |= self._tiles[b]
