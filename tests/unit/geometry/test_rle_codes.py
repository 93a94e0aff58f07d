"""Run length codes are measured as masks are, and nothing but the very code of a mask passes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_core.errors import DatasetError
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.geometry.rle_codes import measure
from tests.builders.core import disc, make_mask


def measured(texts, size):
    heights, widths = (np.full(len(texts), side, np.int64) for side in size)
    return measure(texts, heights, widths)


def test_area_and_box_are_the_masks():
    size = (40, 30)
    whole = np.ones(size, bool)
    masks = [make_mask(seed, *size) for seed in range(30)] + [whole, ~whole]
    rles = [*map(Rle.from_mask, masks), disc(*size, 3, 28, 9), disc(*size, 20, 15, 1)]
    good, areas, boxes = measured([rle.counts for rle in rles], size)
    assert good.all()
    assert areas.tolist() == [rle.area for rle in rles]
    assert boxes.tolist() == [list(map(float, rle.box_xywh)) for rle in rles]


def test_each_code_has_its_own_size():
    rles = [disc(50, 40, 20, 20, 9), disc(30, 90, 20, 20, 9)]
    texts = [rle.counts for rle in rles]
    good, areas, _ = measure(texts, np.array([50, 30]), np.array([40, 90]))
    assert good.all() and areas.tolist() == [rle.area for rle in rles]
    good, _, _ = measure(texts, np.array([30, 50]), np.array([90, 40]))
    assert not good.any()


def test_none_are_measured_as_none():
    good, areas, boxes = measured([], (5, 5))
    assert (good.shape, areas.shape, boxes.shape) == ((0,), (0,), (0, 4))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 40), st.integers(40, 115)), max_size=3))
def test_only_the_very_code_of_a_mask_passes(seed, changes):
    size = (12, 17)
    text = bytearray(Rle.from_mask(make_mask(seed, *size)).counts, "ascii")
    for place, value in changes:
        text[place % len(text)] = value
    text = text.decode("ascii")
    good, areas, _ = measured([text], size)
    try:
        mask = Rle.from_counts(text, size)
    except DatasetError:
        assert not good[0]
    else:
        assert good[0] == (mask.counts == text)
        assert not good[0] or areas[0] == mask.area


def test_text_that_is_no_code_does_not_pass():
    good, _, _ = measured(["", "\x00", "é", "P" * 500, "oooooooo", "\x7f1"], (4, 4))
    assert not good.any()
