"""Shapes of other programs as rings: rectangles, ellipses, and which hole is in which part."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.geometry.cuts import cut_holes, join_rings
from maskrcnn_core.geometry.polygons import Polygons, Ring, mask_to_polygons, simplify_polygons

__all__ = [
    "closed",
    "ellipse",
    "one_ring",
    "outlines",
    "parts_and_holes",
    "parts_with_holes",
    "rectangle",
    "traced",
]

Points = npt.NDArray[np.float64]
_OFF_THE_CURVE = 0.05
"""Pixels that a drawn ellipse may lie inside of the true one."""


def rectangle(x1: float, y1: float, x2: float, y2: float) -> Points:
    """Return the four corners of a box."""
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0.0) -> Points:
    """Return points of an ellipse around (x, y), so many that no pixel is missing.

    Args:
        x, y: its centre in pixels.
        rx, ry: its radii in pixels.
        degrees: by which it is turned, clockwise on the screen.
    """
    radius = max(abs(rx), abs(ry), 1.0)
    # The sagitta of n chords of a circle is r (1 - cos(pi / n)).
    count = int(np.clip(math.ceil(math.pi / math.acos(max(1 - _OFF_THE_CURVE / radius, -1.0))), 12, 4096))
    angles = np.linspace(0, 2 * math.pi, count, endpoint=False)
    turned = math.radians(degrees)
    across, down = rx * np.cos(angles), ry * np.sin(angles)
    return np.column_stack(
        [
            x + across * math.cos(turned) - down * math.sin(turned),
            y + across * math.sin(turned) + down * math.cos(turned),
        ]
    )


def traced(instance: Instance, tolerance: float) -> Polygons:
    """Return an instance's rings, simplified by a tolerance in pixels where that is above 0."""
    polygons = mask_to_polygons(instance.mask)
    return simplify_polygons(polygons, tolerance, instance.mask)[0] if tolerance else polygons


def outlines(instance: Instance, tolerance: float) -> tuple[Ring, ...]:
    """Return an instance's parts, each one ring, with cuts to its holes.

    Simplified rings that no cut can join are given up for the exact ones.
    """
    cut = cut_holes(traced(instance, tolerance))
    return cut if cut is not None else cut_holes(mask_to_polygons(instance.mask)) or ()


def one_ring(instance: Instance, tolerance: float) -> Ring:
    """Return an instance as one ring, with cuts to its holes and between its parts."""
    return join_rings(outlines(instance, tolerance))


def parts_with_holes(polygons: Polygons) -> list[tuple[Ring, list[Ring]]]:
    """Return each part of traced polygons with the holes in it.

    A hole lies in the smallest part around it: there may be parts in holes of other parts.
    """
    found: list[tuple[Ring, list[Ring]]] = [(part, []) for part in polygons.parts]
    if not polygons.holes or len(found) == 1:
        for _, holes in found:
            holes += polygons.holes
        return found
    shapes = shapely.polygons([shapely.linearrings(part) for part in polygons.parts])
    sizes = shapely.area(shapes)
    # The pixel above a hole's topmost point is of the part around it.
    tops = np.array([hole[np.lexsort((hole[:, 0], hole[:, 1]))[0]] for hole in polygons.holes])
    points = shapely.points(tops[:, 0] + 0.5, tops[:, 1] - 0.5)
    inside, around = shapely.STRtree(shapes).query(points, predicate="within")
    home: dict[int, int] = {}
    for hole, part in sorted(zip(inside.tolist(), around.tolist(), strict=True)):
        if hole not in home or sizes[part] < sizes[home[hole]]:
            home[hole] = part
    for number, hole in enumerate(polygons.holes):
        if number in home:
            found[home[number]][1].append(hole)
    return found


def parts_and_holes(rings: Sequence[Points]) -> tuple[list[Points], list[Points]]:
    """Return which of several rings, filled by the even-odd rule, are parts, and which are holes.

    Args:
        rings: none of which crosses another one.
    """
    shapes = shapely.make_valid(shapely.polygons([shapely.linearrings(ring) for ring in rings]))
    inner, outer = shapely.STRtree(shapes).query(shapes, predicate="covered_by")
    depth = np.zeros(len(rings), np.int64)
    is_other = inner != outer
    np.add.at(depth, inner[is_other], 1)
    parts = [ring for ring, level in zip(rings, depth, strict=True) if level % 2 == 0]
    return parts, [ring for ring, level in zip(rings, depth, strict=True) if level % 2]


def closed(ring: Ring) -> Sequence[Sequence[float]]:
    """Return a ring as lists whose last point is the first again."""
    return [*ring.tolist(), ring[0].tolist()]
