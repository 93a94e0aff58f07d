"""Outlines lie on the rims of their masks, at any size of the picture."""

import numpy as np
import pytest

from maskrcnn_core.drawing.outlines import draw_outlines, laid_over
from maskrcnn_core.geometry.rle import Rle
from tests.builders.core import disc

GREEN, RED = (0, 200, 130), (224, 80, 10)


def square(size=(40, 60), top=10, left=20, side=12):
    return Rle.from_crop(np.ones((side, side), bool), (top, left), size)


def test_an_outline_is_the_rim_and_nothing_else():
    drawn = draw_outlines([(square(), RED, 2)], (40, 60))
    shown = drawn[..., 3] > 0
    expected = np.zeros((40, 60), bool)
    expected[10:22, 20:32] = True
    expected[12:20, 22:30] = False
    assert np.array_equal(shown, expected)
    assert (drawn[shown] == (*RED, 255)).all()


def test_a_filled_mask_is_half_transparent_inside_and_the_last_outline_is_on_top():
    drawn = draw_outlines([(square(), GREEN, 4), (square(), RED, 2)], (40, 60), fill=0.2)
    assert drawn[10, 20].tolist() == [*RED, 255]
    assert drawn[13, 23].tolist() == [*GREEN, 255], "of the wide one two pixels are left"
    assert drawn[15, 25].tolist() == [*GREEN, 51], "filled once, in the first one's colour"


@pytest.mark.parametrize("size", [(20, 30), (40, 60), (120, 180), (4, 6), (7, 300)])
def test_a_picture_of_any_size_shows_a_mask_where_it_is(size):
    mask = disc(40, 60, 15, 40, 9)
    shown = draw_outlines([(mask, RED, 1)], size, fill=1.0)[..., 3] > 0
    assert shown.any()
    rows, columns = np.nonzero(shown)
    x, y, width, height = mask.box_xywh
    for places, begin, length, of, side in (
        (rows, y, height, 40, size[0]),
        (columns, x, width, 60, size[1]),
    ):
        assert places.min() == pytest.approx(begin * side / of, abs=1 + side / of)
        assert places.max() + 1 == pytest.approx((begin + length) * side / of, abs=1 + side / of)


def test_one_pixel_shows_and_an_empty_mask_does_not():
    pixel = Rle.from_crop(np.ones((1, 1), bool), (399, 599), (400, 600))
    drawn = draw_outlines([(pixel, RED, 2)], (40, 60))
    assert (drawn[..., 3] > 0).sum() == 1 and drawn[39, 59, 3] == 255
    assert not draw_outlines([(Rle.from_mask(np.zeros((5, 5), bool)), RED, 2)], (5, 5)).any()


def test_what_is_laid_over_leaves_the_rest_as_it_was():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    layer = draw_outlines([(square(), RED, 2)], (40, 60))
    laid = laid_over(pixels, layer)
    outside = layer[..., 3] == 0
    assert np.array_equal(laid[outside], pixels[outside]) and (laid[~outside] == RED).all()
