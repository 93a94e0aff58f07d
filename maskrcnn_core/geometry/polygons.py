"""Polygons of masks, in pixel-corner coordinates, that rasterise to the very same pixels.

A ring runs along the outer edges of the mask's pixels, so its points are pixel *corners*: the pixel
``(x, y)`` covers the square from ``(x, y)`` to ``(x + 1, y + 1)``. Contour tools that join pixel
*centres* lose a row and a column of every object. Foreground is 4-connected (pixels that touch only at
a corner are two parts), background therefore 8-connected: the usual dual pair, under which outer rings
and holes are told apart by the side on which the foreground lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from maskrcnn_core.common.bounds import MAX_EDGE, MAX_EDGE_FREE, MAX_EDGE_PER_BYTE
from maskrcnn_core.common.compiled import compiled
from maskrcnn_core.common.pycoco import coco_mask, frPoly
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.geometry.rle import BoolMask, Rle, mask_iou

__all__ = [
    "FAR_OUTSIDE",
    "LONG_EDGES",
    "EdgeBudget",
    "Polygons",
    "edge_length",
    "edge_lengths",
    "mask_to_polygons",
    "polygons_to_rle",
    "rasterise",
    "simplify_polygons",
]

FAR_OUTSIDE = 16.0
"""Longer sides of its image from the origin: a polygon with a point beyond them is none."""

LONG_EDGES = f"polygon edges are longer than {MAX_EDGE} pixels together: write the object as run lengths"
"""What is said of a polygon that is refused for it."""

_MERGED_AT_ONCE = 32
"""Masks of polygons that are joined in one go: the more there are, the more often the first one is read."""

Ring = npt.NDArray[np.float64]
"""One closed ring: float64 ``[V, 2]``, x y in pixel corners; the first point is not repeated."""


@dataclass(frozen=True, eq=False)
class Polygons:
    """The rings of one mask.

    Args:
        parts: outer rings, one for each 4-connected part.
        holes: inner rings. COCO's polygon form has no holes: most readers fill them.
    """

    parts: tuple[Ring, ...]
    holes: tuple[Ring, ...] = ()

    @property
    def vertex_count(self) -> int:
        """Number of points of all rings."""
        return sum(len(ring) for ring in (*self.parts, *self.holes))


def mask_to_polygons(mask: Rle) -> Polygons:
    """Trace a mask's pixel edges exactly; corners only, no points on straight stretches.

    Returns:
        Parts and holes, each in the order of its topmost-leftmost pixel row by row; nothing for an
        empty mask.
    """
    if mask.box_xywh[2] == 0:
        return Polygons(())
    cells, rows, columns = mask.folded()  # a few bytes of run lengths can cover 50 megapixels
    points, ends, is_hole = _trace(np.pad(cells, 1))
    corners = np.column_stack([columns[points[:, 0]], rows[points[:, 1]]]).astype(np.float64)
    rings = np.split(corners, ends[:-1])
    return Polygons(
        tuple(r for r, hole in zip(rings, is_hole, strict=True) if not hole),
        tuple(r for r, hole in zip(rings, is_hole, strict=True) if hole),
    )


def polygons_to_rle(parts: Sequence[Sequence[float] | Ring], size: tuple[int, int]) -> Rle:
    """Rasterise the union of COCO polygons as COCO's own library does.

    Args:
        parts: rings, each as ``[x1, y1, x2, y2, ...]`` or float64 ``[V, 2]``.
        size: ``(height, width)`` of the image.

    Raises:
        DatasetError: for a ring of fewer than three points, an odd number of coordinates,
            coordinates that are not finite or far outside the image, or edges that are too long together:
            ``pycocotools`` takes those for something else, or crashes.
    """
    flat = [np.asarray(part, np.float64).reshape(-1) for part in parts]
    limit = FAR_OUTSIDE * max(*size, 1)
    for index, ring in enumerate(flat):
        if ring.size < 6 or ring.size % 2:
            raise DatasetError(f"[{index}]: polygon needs at least 3 points, got {ring.size} numbers")
        if not _all_within(ring, limit):
            raise DatasetError(f"[{index}]: polygon has points far outside the image of {size}")
    if sum(map(_edge_length, flat)) > MAX_EDGE:
        raise DatasetError(LONG_EDGES)
    if not flat or 0 in size:
        return Rle(size, np.array([size[0] * size[1]], np.uint32))
    coded = frPoly(flat, *size)
    while len(coded) > 1:
        groups = [coded[at : at + _MERGED_AT_ONCE] for at in range(0, len(coded), _MERGED_AT_ONCE)]
        coded = [coco_mask.merge(group) for group in groups]
    return Rle.of_pycocotools(coded[0]["counts"], size)


def edge_length(parts: Sequence[Sequence[float] | Ring]) -> float:
    """Return the pixels along all edges as ``pycocotools`` walks them: the longer of across and down."""
    return float(sum(_edge_length(np.asarray(part, np.float64).reshape(-1)) for part in parts))


@compiled
def _edge_length(ring: npt.NDArray[np.float64]) -> float:
    total, last = 0.0, ring.size - 2
    for at in range(0, ring.size - 1, 2):
        before = at - 2 if at else last
        total += max(abs(ring[at] - ring[before]), abs(ring[at + 1] - ring[before + 1]))
    return total


@compiled
def edge_lengths(numbers: npt.NDArray[np.float64], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the same for many rings.

    Args:
        numbers: x y of all rings, one after the other.
        starts: int64 ``[N]``, where each ring begins in ``numbers``.

    Returns:
        float64 ``[N]``.
    """
    lengths = np.empty(starts.size, np.float64)
    for n in range(starts.size):
        end = starts[n + 1] if n + 1 < starts.size else numbers.size
        lengths[n] = _edge_length(numbers[starts[n] : end])
    return lengths


class EdgeBudget:
    """How long the edges of all polygons may be that one import draws: what it costs everybody else."""

    def __init__(self) -> None:
        self.left = float(MAX_EDGE_FREE)

    def earn(self, size: int) -> None:
        """Raise the budget by what a file of this many bytes may draw."""
        self.left += MAX_EDGE_PER_BYTE * size

    def spend(self, length: float) -> bool:
        """Spend this much if it is left, and return whether it was."""
        if not length <= self.left:
            return False
        self.left -= length
        return True


@compiled
def _all_within(numbers: npt.NDArray[np.float64], limit: float) -> bool:
    """Return whether all are finite and none is larger."""
    for number in numbers:  # noqa: SIM110  # Numba compiles no generator
        if not abs(number) <= limit:  # also what is not a number
            return False
    return True


def simplify_polygons(polygons: Polygons, tolerance: float, mask: Rle) -> tuple[Polygons, float]:
    """Drop points that lie within ``tolerance`` pixels of the line without them (Douglas-Peucker).

    Args:
        polygons: exact rings of ``mask``.
        tolerance: in pixels; 0 gives the rings as they are.
        mask: what the result is compared with.

    Returns:
        The simpler rings, and their mask IoU with ``mask`` after rasterising. A ring that would
        shrink to less than a triangle is kept as it was.
    """
    if tolerance < 0:
        raise ValueError(f"tolerance: expected 0 or more pixels, got {tolerance}")
    simpler = Polygons(
        tuple(_simplify(ring, tolerance) for ring in polygons.parts),
        tuple(_simplify(ring, tolerance) for ring in polygons.holes),
    )
    return simpler, mask_iou(rasterise(simpler, mask.size), mask)


def rasterise(polygons: Polygons, size: tuple[int, int]) -> Rle:
    """Return the mask that rings stand for: parts without their holes, but with the parts inside holes."""
    outer = polygons_to_rle(polygons.parts, size)
    if not polygons.holes:
        return outer
    # Even-odd over all rings: an island in a hole is in its own part, in the hole and in the part around.
    x, y, width, height = outer.box_xywh
    inside = np.zeros((height, width), np.bool_)
    for ring in (*polygons.parts, *polygons.holes):
        inside ^= polygons_to_rle([ring - (x, y)], (height, width)).to_mask()
    return Rle.from_crop(inside, (y, x), size)


def _simplify(ring: Ring, tolerance: float) -> Ring:
    if tolerance == 0:
        return ring
    closed = shapely.polygons(ring)
    simpler: Ring = np.asarray(
        shapely.get_coordinates(shapely.simplify(closed, tolerance, preserve_topology=True))[:-1]
    )
    return simpler if len(simpler) >= 3 else ring


# Directions are numbered so that turning right (on a screen, with y down) adds 1.
_EAST, _SOUTH, _WEST, _NORTH = 0, 1, 2, 3


@compiled
def _trace(
    padded: BoolMask,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Walk along pixel edges with the foreground on the right hand.

    Args:
        padded: bool ``[h + 2, w + 2]`` with a border of background.

    Returns:
        All corners ``[V, 2]`` in crop coordinates, where each ring ends, and which rings are holes.
    """
    rows, columns = padded.shape
    # Every ring, hole or not, has an edge that runs east: above a foreground pixel under background.
    done = np.zeros((rows, columns), np.bool_)
    points = np.empty((256, 2), np.int64)
    ends = np.empty(16, np.int64)
    is_hole = np.empty(16, np.bool_)
    used, rings = 0, 0
    for start_y in range(1, rows - 1):
        for start_x in range(1, columns - 1):
            if done[start_y, start_x] or not padded[start_y, start_x] or padded[start_y - 1, start_x]:
                continue
            x, y, direction, twice_area = start_x, start_y, _EAST, 0
            while True:
                # One step along the edge; x, y is a corner, the pixel (x, y) lies to its south-east.
                if direction == _EAST:
                    if done[y, x]:
                        break
                    done[y, x] = True
                    x += 1
                    twice_area -= y
                    ahead_left, ahead_right = padded[y - 1, x], padded[y, x]
                elif direction == _SOUTH:
                    y += 1
                    ahead_left, ahead_right = padded[y, x], padded[y, x - 1]
                elif direction == _WEST:
                    x -= 1
                    twice_area += y
                    ahead_left, ahead_right = padded[y, x - 1], padded[y - 1, x - 1]
                else:
                    y -= 1
                    ahead_left, ahead_right = padded[y - 1, x - 1], padded[y - 1, x]
                if not ahead_right:
                    turn = 1  # also where the left pixel is foreground: parts do not join at corners
                elif ahead_left:
                    turn = 3
                else:
                    continue
                direction = (direction + turn) % 4
                if used == len(points):
                    grown = np.empty((2 * len(points), 2), np.int64)
                    grown[:used] = points
                    points = grown
                points[used, 0], points[used, 1] = x - 1, y - 1
                used += 1
            if rings == len(ends):
                more_ends = np.empty(2 * len(ends), np.int64)
                more_holes = np.empty(2 * len(ends), np.bool_)
                more_ends[:rings], more_holes[:rings] = ends, is_hole
                ends, is_hole = more_ends, more_holes
            ends[rings] = used
            # Clockwise on the screen encloses foreground; a hole's ring runs the other way.
            is_hole[rings] = twice_area < 0
            rings += 1
    return points[:used].copy(), ends[:rings].copy(), is_hole[:rings].copy()
