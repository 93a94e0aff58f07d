"""Where tiles lie: they cover the picture, overlap enough, and are as few as that takes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.tiling.planning import Tile, plan_tiles

SIDES = st.integers(1, 300)


@given(SIDES, SIDES, st.integers(2, 120), st.data())
def test_tiles_cover_the_picture_and_overlap(height, width, side, data):
    overlap = data.draw(st.integers(0, side - 1))
    tiles = plan_tiles((height, width), side, overlap)
    seen = np.zeros((height, width), np.int64)
    for tile in tiles:
        assert 0 <= tile.top < tile.bottom <= height and 0 <= tile.left < tile.right <= width
        assert (tile.height, tile.width) == (min(side, height), min(side, width))
        seen[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert seen.min() >= 1
    for starts, length in (({t.top for t in tiles}, height), ({t.left for t in tiles}, width)):
        ordered = sorted(starts)
        assert all(b - a <= side - overlap for a, b in itertools.pairwise(ordered))
        most = 1 if length <= side else math.ceil((length - overlap) / (side - overlap))
        assert len(ordered) == most


def test_a_picture_that_fits_is_one_tile():
    assert plan_tiles((30, 40), 64, 16) == (Tile(0, 0, 30, 40),)


@pytest.mark.parametrize(("side", "overlap"), [(0, 0), (10, 10), (10, -1)])
def test_what_is_out_of_range_is_named(side, overlap):
    with pytest.raises(ValueError, match="expected"):
        plan_tiles((30, 40), side, overlap)
