"""Masks with holes or several parts as simple lists of points, for formats and readers that know no holes.

A hole is joined to the ring around it by a cut: an edge that is walked to the hole, and back again after
the hole's own ring. It encloses nothing, so the outline covers what ring and hole stood for. Parts of a mask
are joined to one ring alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.compiled import compiled
from maskrcnn_core.geometry.polygons import Polygons, Ring

__all__ = ["cut_holes", "join_rings"]

_Ints = npt.NDArray[np.int64]


def cut_holes(polygons: Polygons) -> tuple[Ring, ...] | None:
    """Return a mask's parts, each with a cut to every hole in it.

    The cuts run straight up, from a hole's topmost point to the nearest edge above it: COCO's rasteriser
    notices edges only where they cross columns, so that such a cut cannot cost a pixel.

    Args:
        polygons: as :func:`~maskrcnn_core.geometry.polygons.mask_to_polygons` traces them, or simpler.

    Returns:
        As many rings as there are parts; ``None`` where a hole has nothing above it, as a simplified ring may
        have moved away from it.
    """
    if not polygons.holes:
        return polygons.parts
    # From above: the edge above a hole's topmost point is that of the part, or of a hole cut before.
    holes = sorted(polygons.holes, key=lambda ring: (ring[:, 1].min(), ring[:, 0].min()))
    starts_high = [np.roll(ring, -int(np.lexsort((ring[:, 0], ring[:, 1]))[0]), axis=0) for ring in holes]
    rings = [*polygons.parts, *starts_high]
    points = np.concatenate(rings)
    following, firsts = _circles(rings)
    order, ends = _cut(points, following, firsts, len(polygons.parts))
    if not order.size:
        return None
    cut = np.split(order, ends[:-1])
    return tuple(_without_repeats(ring) for ring in cut)


def join_rings(rings: Sequence[Ring]) -> Ring:
    """Return one ring that covers what all of them cover, joined by cuts between nearest points.

    Args:
        rings: at least one; none within another.
    """
    joined = np.asarray(rings[0], np.float64)
    for ring in rings[1:]:
        at, start = _nearest(joined, np.asarray(ring, np.float64))
        turned = np.roll(ring, -start, axis=0)
        joined = np.concatenate([joined[: at + 1], turned, turned[:1], joined[at:]])
    return joined


def _circles(rings: Sequence[Ring]) -> tuple[_Ints, _Ints]:
    """Return for each point of all rings the one after it, and where each ring begins."""
    lengths = [len(ring) for ring in rings]
    firsts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    following = np.arange(1, sum(lengths) + 1)
    following[firsts + lengths - 1] = firsts
    return following.astype(np.int64), firsts


def _without_repeats(ring: npt.NDArray[np.float64]) -> Ring:
    """Return a ring without points that come twice in a row: a cut may end at a corner."""
    return np.ascontiguousarray(ring[np.any(ring != np.roll(ring, 1, axis=0), axis=1)])


@compiled
def _cut(
    points: npt.NDArray[np.float64], following: _Ints, firsts: _Ints, parts: int
) -> tuple[npt.NDArray[np.float64], _Ints]:
    """Return the rings of the parts, one after the other, and where each ends; nothing if a hole is alone."""
    count, holes = len(points), len(firsts) - parts
    x, y = np.empty(count + 3 * holes), np.empty(count + 3 * holes)
    x[:count], y[:count] = points[:, 0], points[:, 1]
    after = np.empty(count + 3 * holes, np.int64)
    after[:count] = following
    # The first ``used`` edges are those that a cut may end at; holes follow one by one as they are joined.
    edges = np.empty(count + 3 * holes, np.int64)
    used = firsts[parts] if holes else count
    edges[:used] = np.arange(used)
    fresh = count
    for hole in range(parts, len(firsts)):
        start = firsts[hole]
        end = firsts[hole + 1] if hole + 1 < len(firsts) else count
        left, top = x[start], y[start]
        best, best_y = -1, -np.inf
        for n in range(used):
            a = edges[n]
            b = after[a]
            if (x[a] < left and x[b] < left) or (x[a] > left and x[b] > left):
                continue
            if x[a] == x[b]:
                at = max(y[a], y[b])
            elif y[a] == y[b]:
                at = y[a]
            else:
                at = y[a] + (left - x[a]) / (x[b] - x[a]) * (y[b] - y[a])
            if best_y < at < top:
                best, best_y = a, at
        if best < 0:
            return np.empty((0, 2)), np.empty(0, np.int64)
        down, up, back = fresh, fresh + 1, fresh + 2
        fresh += 3
        x[down], y[down] = left, best_y
        x[up], y[up] = left, top
        x[back], y[back] = left, best_y
        after[back] = after[best]
        after[best] = down
        after[down] = start
        after[end - 1] = up
        after[up] = back
        for n in range(start, end):
            edges[used] = n
            used += 1
        edges[used] = back
        used += 1
    order = np.empty((fresh, 2))
    ends = np.empty(parts, np.int64)
    at_end = 0
    for part in range(parts):
        n = firsts[part]
        while True:
            order[at_end, 0], order[at_end, 1] = x[n], y[n]
            at_end += 1
            n = after[n]
            if n == firsts[part]:
                break
        ends[part] = at_end
    return order[:at_end], ends


@compiled
def _nearest(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Return which point of the one ring and which of the other are nearest to each other."""
    best, best_a, best_b = np.inf, 0, 0
    for n in range(len(a)):
        for m in range(len(b)):
            distance = (a[n, 0] - b[m, 0]) ** 2 + (a[n, 1] - b[m, 1]) ** 2
            if distance < best:
                best, best_a, best_b = distance, n, m
    return best_a, best_b
