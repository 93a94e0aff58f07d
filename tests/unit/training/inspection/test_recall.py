"""Objects that a proposal reaches, counted again by hand."""

import numpy as np
import torch

from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.inference.forward import resize_and_normalise, run_backbone
from maskrcnn_core.training.inspection.recall import reached_by_proposals
from tests.builders.core import make_image
from tests.builders.foreign import DETECTRON2, make_narrow


def iou(a, b):
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def rectangle(size, x1, y1, x2, y2):
    mask = np.zeros(size, np.bool_)
    mask[y1:y2, x1:x2] = True
    return Rle.from_mask(mask)


def test_an_object_is_reached_if_any_proposal_overlaps_it_by_half():
    network, image = make_narrow(DETECTRON2), make_image(90, 120)
    with torch.inference_mode():
        batch = resize_and_normalise(network, [image], torch.device("cpu"))
        proposals = network.rpn(batch, run_backbone(network, batch))[0][0].tolist()
    ratio = batch.image_sizes[0][1] / 120
    # One over a proposal, and a speck that none can be like.
    x1, y1, x2, y2 = (round(v / ratio) for v in max(proposals, key=lambda b: (b[2] - b[0]) * (b[3] - b[1])))
    corners = [(x1, y1, x2, y2), (119, 0, 120, 1), (10, 10, 60, 50), (0, 40, 120, 60)]
    reached, count = reached_by_proposals(
        network, image, [rectangle((90, 120), *box) for box in corners], torch.device("cpu")
    )
    wanted = [max(iou([v * ratio for v in box], p) for p in proposals) >= 0.5 for box in corners]
    assert count == len(proposals)
    assert reached == wanted and True in wanted and False in wanted


def test_an_image_without_objects_has_none_to_reach():
    reached, count = reached_by_proposals(make_narrow(DETECTRON2), make_image(), [], torch.device("cpu"))
    assert reached == [] and count > 0
