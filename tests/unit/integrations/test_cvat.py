"""CVAT's form of a mask, without its SDK; tests/interop holds it against the SDK."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.packed import mask_of_row_runs
from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.geometry.rle import Rle, mask_iou
from maskrcnn_core.integrations.cvat import create, mask_points, polygon_points
from tests.builders.core import disc, make_mask


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 30))
def test_points_of_a_mask_are_its_runs_and_the_box_whose_last_pixels_belong_to_it(seed, height, width):
    mask = make_mask(seed, height, width)
    if not mask.any():
        return
    *runs, x1, y1, x2, y2 = mask_points(Rle.from_mask(mask))
    again = np.zeros_like(mask)
    again[y1 : y2 + 1, x1 : x2 + 1] = mask_of_row_runs(runs, y2 + 1 - y1, x2 + 1 - x1)
    assert (again == mask).all()


def test_a_polygon_keeps_the_hole_and_both_parts():
    ring, spot = disc(60, 90, 30, 30, 20, hole=8).to_mask(), disc(60, 90, 30, 75, 9).to_mask()
    mask = Rle.from_mask(ring | spot)
    exact = polygon_points(Instance(1, 1, mask), 0)
    assert polygons_to_rle([exact], mask.size) == mask
    simpler = polygon_points(Instance(1, 1, mask), 0.7)
    assert len(simpler) < len(exact) / 1.5
    assert mask_iou(polygons_to_rle([simpler], mask.size), mask) > 0.95


def test_without_the_sdk_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cvat_sdk", None)
    with pytest.raises(InputError, match="pip install cvat-sdk"):
        create(model="shapes")
