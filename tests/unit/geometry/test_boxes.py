"""Arithmetic of boxes, beside torchvision's."""

import numpy as np
import pytest
import torch
from torchvision.models.detection.transform import resize_boxes

from maskrcnn_core.geometry.boxes import box_scale


@pytest.mark.parametrize(
    ("size", "scaled"),
    [((480, 640), (800, 1066)), ((3000, 4000), (97, 131)), ((7, 9), (7, 9)), ((1, 1), (3, 2))],
)
def test_boxes_are_scaled_as_torchvision_scales_them(size, scaled):
    boxes = np.random.default_rng(0).uniform(0, 4000, (50, 4)).astype(np.float32)
    expected = resize_boxes(torch.from_numpy(boxes), list(size), list(scaled)).numpy()
    assert np.array_equal(boxes * box_scale(size, scaled), expected)
