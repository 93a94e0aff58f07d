"""The points that RoIAlign is said to read are those it reads: interpolated by hand they give the crop."""

import numpy as np
import pytest

from maskrcnn_core.explain.roi_crops import crop_region
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.inference.predictor import Predictor
from tests.builders.core import make_image
from tests.builders.matterport import make_matterport_model
from tests.unit.explain.test_tracing import mobile, photos, shapes_model, tiny


def matterport():
    return Predictor(make_matterport_model()), make_image()


@pytest.fixture(scope="module", params=[tiny, shapes_model, photos, mobile, matterport])
def traced(request):
    predictor, image = request.param()
    return predictor, image, trace_network(predictor, image)


def interpolate(plane, x, y):
    """Bilinear interpolation as RoIAlign's authors define it: beyond the rim the rim's value."""
    height, width = plane.shape[-2:]
    if x < -1 or y < -1 or x > width or y > height:
        return np.zeros(plane.shape[0])
    x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    fx, fy = x - left, y - top
    return (
        plane[:, top, left] * (1 - fx) * (1 - fy)
        + plane[:, top, right] * fx * (1 - fy)
        + plane[:, bottom, left] * (1 - fx) * fy
        + plane[:, bottom, right] * fx * fy
    )


@pytest.mark.parametrize("head", ["box", "mask"])
def test_the_mean_over_the_points_of_a_bin_is_the_crop(traced, head):
    predictor, image, trace = traced
    order = np.argsort(trace.regions.boxes[:, 2] - trace.regions.boxes[:, 0])
    for index in (order[0], order[len(order) // 2], order[-1]):
        crop = crop_region(predictor, trace, trace.regions.boxes[index], image, head=head)
        level = list(predictor.features_of(trace.run, image).maps.values())[crop.level][0].numpy()
        top, left = crop.corner
        height, width = crop.window.shape[1:]
        assert np.array_equal(crop.window, level[:, top : top + height, left : left + width])
        side = crop.side
        for row, column in ((0, 0), (side // 2, side - 1), (side - 1, side // 3)):
            points = crop.points[row, column].reshape(-1, 2)
            by_hand = np.mean([interpolate(level, x, y) for x, y in points], axis=0)
            assert np.allclose(by_hand, crop.crop[:, row, column], atol=1e-3 * np.abs(level).max())


def test_points_lie_within_their_bins_and_the_grid_spans_the_region(traced):
    predictor, image, trace = traced
    crop = crop_region(predictor, trace, trace.regions.boxes[0], image)
    xs, ys = crop.edges
    assert (xs[0], ys[0], xs[-1], ys[-1]) == pytest.approx(tuple(crop.box))
    for row in range(crop.side):
        for column in range(crop.side):
            x, y = crop.points[row, column, ..., 0], crop.points[row, column, ..., 1]
            assert (x > xs[column]).all() and (x < xs[column + 1]).all()
            assert (y > ys[row]).all() and (y < ys[row + 1]).all()


def test_roipools_grid_is_whole_cells_and_never_a_cell_and_a_half_off(traced):
    predictor, image, trace = traced
    crop = crop_region(predictor, trace, trace.regions.boxes[0], image)
    for exact, rounded in zip(crop.edges, crop.rounded, strict=True):
        assert np.array_equal(rounded, np.round(rounded))
        assert np.abs(exact - rounded).max() <= 1.5


def test_a_regions_level_is_the_one_that_the_walk_tells(traced):
    predictor, image, trace = traced
    for index in range(0, len(trace.regions.boxes), max(len(trace.regions.boxes) // 12, 1)):
        crop = crop_region(predictor, trace, trace.regions.boxes[index], image)
        assert crop.level == trace.regions.levels[index]
