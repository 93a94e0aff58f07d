"""Colour splash, held to a law that is written out on whole canvases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from maskrcnn_core.drawing.splash import color_splash
from maskrcnn_core.geometry.rle import Rle
from tests.builders.core import disc, make_image


def splash_on_canvases(pixels, masks):
    """Pixel by pixel: BT.601's luma in 16-bit fixed point, rounded, wherever no mask is."""
    red, green, blue = np.moveaxis(pixels.astype(np.int64), 2, 0)
    grey = (19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16
    inside = np.zeros(pixels.shape[:2], np.bool_)
    for mask in masks:
        inside |= mask
    return np.where(inside[:, :, None], pixels, np.stack([grey] * 3, axis=2)).astype(np.uint8)


@st.composite
def pictures(draw):
    height, width = draw(array_shapes(min_dims=2, max_dims=2, max_side=12))
    pixels = draw(arrays(np.uint8, (height, width, 3)))
    return pixels, draw(st.lists(arrays(np.bool_, (height, width)), max_size=4))


@given(pictures())
@settings(max_examples=200, deadline=None)
def test_it_is_what_whole_canvases_give(picture):
    pixels, masks = picture
    before = pixels.copy()
    splash = color_splash(pixels, [Rle.from_mask(mask) for mask in masks])
    assert splash.dtype == np.uint8
    assert np.array_equal(splash, splash_on_canvases(pixels, masks))
    assert np.array_equal(pixels, before)


def test_grey_is_the_luma_of_bt_601():
    colors = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert color_splash(colors, [])[0, :, 0].tolist() == [76, 150, 29, 255]


def test_no_mask_and_an_empty_one_leave_all_grey():
    pixels = make_image(20, 30, 1)
    grey = color_splash(pixels, [])
    assert (grey == grey[:, :, :1]).all()
    assert np.array_equal(color_splash(pixels, [Rle.from_mask(np.zeros((20, 30), np.bool_))]), grey)


def test_no_mask_is_unpacked_beyond_its_box(monkeypatch):
    def refuse(self):
        raise AssertionError("a whole canvas")

    mask = disc(300, 400, 40, 50, 12)
    monkeypatch.setattr(Rle, "to_mask", refuse)
    splash = color_splash(make_image(300, 400, 2), [mask])
    assert np.array_equal(splash[40, 50], make_image(300, 400, 2)[40, 50])


def test_a_mask_of_another_image_is_refused():
    with pytest.raises(ValueError, match=r"masks: expected masks of an image of \(20, 30\), got one of \(30"):
        color_splash(make_image(20, 30, 1), [disc(30, 20, 5, 5, 3)])
