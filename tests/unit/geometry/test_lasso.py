"""Objects cut out of lassos, on drawn pictures whose masks are known."""

import numpy as np
import pytest

from maskrcnn_core.geometry.lasso import cut_out
from maskrcnn_core.geometry.rle import Rle, mask_iou
from tests.builders.core import disc


def picture(mask, *, noise=12, seed=0):
    """A bright, slightly noisy object on a dark ground."""
    random = np.random.default_rng(seed)
    pixels = np.where(mask.to_mask()[..., None], (200, 120, 60), (50, 70, 90))
    return np.clip(pixels + random.normal(0, noise, pixels.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("room", [1.15, 1.3, 1.45])
def test_a_lasso_with_room_becomes_the_object(room):
    target = disc(240, 320, 120, 160, 60)
    lasso = disc(240, 320, 124, 156, 60 * room)
    found = cut_out(picture(target), lasso)
    assert found is not None
    assert mask_iou(found, target) > 0.97 > mask_iou(lasso, target)
    assert not (found.to_mask() & ~lasso.to_mask()).any(), "it lies within the lasso"


def test_an_object_at_the_images_border_and_a_picture_that_is_shrunk():
    target = disc(1600, 2000, 20, 700, 500)
    found = cut_out(picture(target), disc(1600, 2000, 20, 700, 600))
    assert found is not None and mask_iou(found, target) > 0.97


def test_the_same_lasso_gives_the_same_mask_and_leaves_the_picture_as_it_is():
    target = disc(120, 160, 60, 80, 30)
    pixels = picture(target, noise=40)
    before = pixels.copy()
    lasso = disc(120, 160, 60, 80, 40)
    assert cut_out(pixels, lasso) == cut_out(pixels, lasso)
    assert np.array_equal(pixels, before)


def test_specks_are_left_out():
    target = disc(200, 200, 100, 100, 40)
    pixels = picture(target, noise=0)
    pixels[52:55, 98:101] = pixels[100, 100]
    found = cut_out(pixels, disc(200, 200, 100, 100, 56))
    assert found is not None and not found.to_mask()[52:55, 98:101].any()


def test_without_an_outside_or_an_inside_there_is_no_border():
    pixels = picture(disc(40, 50, 20, 25, 10))
    assert cut_out(pixels, Rle.from_mask(np.ones((40, 50), np.bool_))) is None
    assert cut_out(pixels, Rle.from_mask(np.zeros((40, 50), np.bool_))) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1), (3, 3)])
def test_the_smallest_pictures_do_no_harm(size):
    pixels = np.full((*size, 3), 90, np.uint8)
    lasso = np.zeros(size, np.bool_)
    lasso[0, 0] = True
    found = cut_out(pixels, Rle.from_mask(lasso))
    assert found is None or found == Rle.from_mask(lasso)


def test_a_lasso_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"lasso: expected one of \(40, 50\), got \(50, 40\)"):
        cut_out(np.zeros((40, 50, 3), np.uint8), disc(50, 40, 20, 20, 5))
