import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskrcnn_core.errors import DatasetError
from maskrcnn_core.geometry.polygons import mask_to_polygons, polygons_to_rle, rasterise, simplify_polygons
from maskrcnn_core.geometry.rle import Rle, mask_iou
from tests.builders.core import disc, make_mask

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=16))


@given(masks)
def test_polygons_rasterise_to_the_same_pixels(mask):
    rle = Rle.from_mask(mask)
    polygons = mask_to_polygons(rle)
    assert rasterise(polygons, rle.size) == rle
    if not polygons.holes:
        assert polygons_to_rle(polygons.parts, rle.size) == rle


@pytest.mark.parametrize("seed", range(25))
def test_blobs_with_holes_and_parts_come_back(seed):
    rle = Rle.from_mask(make_mask(seed, 60, 80, 0.55))
    assert rasterise(mask_to_polygons(rle), rle.size) == rle


def test_a_rectangle_is_four_pixel_corners():
    mask = np.zeros((10, 12), np.bool_)
    mask[2:5, 3:9] = True
    polygons = mask_to_polygons(Rle.from_mask(mask))
    assert sorted(map(tuple, polygons.parts[0].tolist())) == [(3, 2), (3, 5), (9, 2), (9, 5)]
    assert polygons.holes == ()


def test_a_mask_of_few_runs_costs_no_pixels():
    size = (7000, 7000)
    cells, rows, columns = Rle(size, np.array([0, 49_000_000], np.uint32)).folded()
    assert cells.shape == (1, 3) and rows.tolist() == [0, 7000] and columns.tolist() == [0, 1, 6999, 7000]
    steps = Rle(size, np.array([10, 6000, 7000 * 3000, 5, 49_000_000 - 21_006_015], np.uint32))
    cells, rows, columns = steps.folded()
    assert cells.size <= 25 and rasterise(mask_to_polygons(steps), size) == steps


def test_a_ring_has_one_part_and_one_hole():
    polygons = mask_to_polygons(disc(40, 40, 20, 20, 15, hole=6))
    assert (len(polygons.parts), len(polygons.holes)) == (1, 1)


def test_pixels_that_touch_at_a_corner_are_two_parts():
    polygons = mask_to_polygons(Rle.from_mask(np.eye(2, dtype=np.bool_)))
    assert (len(polygons.parts), len(polygons.holes)) == (2, 0)


def test_an_island_in_a_hole_is_a_part():
    mask = disc(60, 60, 30, 30, 25, hole=15).to_mask() | disc(60, 60, 30, 30, 5).to_mask()
    polygons = mask_to_polygons(Rle.from_mask(mask))
    assert (len(polygons.parts), len(polygons.holes)) == (2, 1)
    assert rasterise(polygons, (60, 60)).to_mask().sum() == mask.sum()


def test_an_empty_mask_has_no_rings():
    empty = Rle.from_mask(np.zeros((5, 5), np.bool_))
    assert mask_to_polygons(empty).parts == ()
    assert polygons_to_rle([], (5, 5)) == empty


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 2.0, 4.0])
def test_simplifying_reports_the_iou_that_it_costs(tolerance):
    mask = disc(300, 400, 150, 200, 90)
    exact = mask_to_polygons(mask)
    simpler, iou = simplify_polygons(exact, tolerance, mask)
    assert simpler.vertex_count < exact.vertex_count
    assert iou == mask_iou(rasterise(simpler, mask.size), mask)
    assert iou > 0.95


def test_no_tolerance_changes_nothing():
    mask = disc(30, 30, 15, 15, 9, hole=3)
    polygons, iou = simplify_polygons(mask_to_polygons(mask), 0, mask)
    assert iou == 1.0
    assert polygons.vertex_count == mask_to_polygons(mask).vertex_count


@pytest.mark.parametrize(
    "ring", [[1, 2, 3, 4], [], [1, 2, 3, 4, 5], [0, 0, 1, float("nan"), 2, 2], [0, 0, 1e12, 0, 2, 2]]
)
def test_degenerate_rings_never_reach_pycocotools(ring):
    with pytest.raises(DatasetError, match=r"\[0\]: polygon"):
        polygons_to_rle([ring], (10, 10))


@given(st.lists(st.floats(-20, 60), min_size=6, max_size=20).filter(lambda v: len(v) % 2 == 0))
def test_any_polygon_of_three_points_or_more_is_rasterised(ring):
    assert polygons_to_rle([ring], (30, 40)).size == (30, 40)
