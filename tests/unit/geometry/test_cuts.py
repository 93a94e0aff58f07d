import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskrcnn_core.geometry.cuts import cut_holes, join_rings
from maskrcnn_core.geometry.polygons import Polygons, mask_to_polygons, polygons_to_rle, simplify_polygons
from maskrcnn_core.geometry.rle import Rle, mask_iou
from tests.builders.core import disc, make_mask

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=16))


@given(masks)
def test_cut_polygons_rasterise_to_the_same_pixels(mask):
    rle = Rle.from_mask(mask)
    polygons = mask_to_polygons(rle)
    rings = cut_holes(polygons)
    assert len(rings) == len(polygons.parts) and polygons_to_rle(rings, rle.size) == rle


@given(masks.filter(np.any))
def test_a_single_ring_rasterises_to_the_same_pixels(mask):
    rle = Rle.from_mask(mask)
    ring = join_rings(cut_holes(mask_to_polygons(rle)))
    assert polygons_to_rle([ring], rle.size) == rle


@pytest.mark.parametrize("seed", range(25))
def test_blobs_with_holes_in_parts_in_holes_come_back(seed):
    rle = Rle.from_mask(make_mask(seed, 60, 80, 0.55))
    rings = cut_holes(mask_to_polygons(rle))
    assert polygons_to_rle(rings, rle.size) == rle
    assert polygons_to_rle([join_rings(rings)], rle.size) == rle


def test_a_cut_runs_straight_up_from_the_hole_to_the_ring():
    mask = np.ones((9, 9), np.bool_)
    mask[4:6, 3:7] = False
    ((ring),) = cut_holes(mask_to_polygons(Rle.from_mask(mask)))
    points = list(map(tuple, ring.tolist()))
    assert points.count((3, 0)) == points.count((3, 4)) == 2
    assert len(points) == 4 + 4 + 3


def test_a_cut_ends_at_the_hole_above():
    mask = np.ones((12, 5), np.bool_)
    mask[2:4, 1:4] = mask[6:8, 1:4] = False
    ((ring),) = cut_holes(mask_to_polygons(Rle.from_mask(mask)))
    assert ring.tolist().count([1, 4]) == 2  # the lower left corner of the upper hole, where the cut ends


def test_holes_of_a_simplified_mask_stay_holes():
    mask = disc(120, 120, 60, 60, 50, hole=20)
    simpler, _ = simplify_polygons(mask_to_polygons(mask), 2.0, mask)
    rings = cut_holes(simpler)
    assert len(rings) == 1 and len(rings[0]) < 60
    assert mask_iou(polygons_to_rle(rings, mask.size), mask) > 0.95


def test_a_hole_that_lies_outside_has_no_cut():
    square = np.array([[0, 10], [5, 10], [5, 15], [0, 15]], np.float64)
    assert cut_holes(Polygons((square,), (square - (0, 9),))) is None


@given(st.integers(1, 12), st.integers(0, 2**31))
def test_joined_squares_cover_what_they_covered(count, seed):
    rng = np.random.default_rng(seed)
    places = rng.permutation(16)[:count]
    mask = np.zeros((40, 40), np.bool_)
    for place in places:
        row, column = divmod(int(place), 4)
        mask[row * 10 + 1 : row * 10 + 7, column * 10 + 2 : column * 10 + 8] = True
    rle = Rle.from_mask(mask)
    assert polygons_to_rle([join_rings(mask_to_polygons(rle).parts)], rle.size) == rle
