"""Boxes that people draw, answered by the network's heads."""

import numpy as np
import pytest
import torch

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InferenceError, InputError
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.inference.prompts import RUNNERS_UP, check_boxes
from tests.builders.core import make_image, make_model


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture
def predictor(model):
    return Predictor(model, "cpu")


IMAGE = make_image(90, 120)
BOXES = [[10.0, 12.0, 60.5, 70.0], [30.0, 5.0, 119.0, 88.0]]


def test_the_heads_say_of_a_box_what_they_say_of_the_same_proposal(predictor, model):
    """Stock torchvision's own heads, given the box as its only proposal."""
    run = predictor.open(IMAGE)
    prompted = predictor.prompt(run, BOXES)
    network = model.network
    with torch.inference_mode():
        tensor = torch.from_numpy(IMAGE).permute(2, 0, 1).float().div(255)
        batch, _ = network.transform([tensor])
        maps = network.backbone(batch.tensors)
        height, width = batch.image_sizes[0]
        scale = torch.tensor([width / 120, height / 90] * 2)
        proposals = torch.tensor(BOXES) * scale
        heads = network.roi_heads
        pooled = heads.box_roi_pool(maps, [proposals], batch.image_sizes)
        scores = heads.box_predictor(heads.box_head(pooled))[0].softmax(-1)
        pooled = heads.mask_roi_pool(maps, [proposals], batch.image_sizes)
        masks = heads.mask_predictor(heads.mask_head(pooled)).sigmoid()
    known = sorted(model.label_map.labels)
    for n in range(2):
        wanted = sorted(known, key=lambda label: -scores[n, label])[: RUNNERS_UP + 1]
        assert prompted.labels[n].tolist() == wanted
        assert np.allclose(prompted.probabilities[n], scores[n, wanted], atol=1e-6)
        assert np.allclose(prompted.mask_probs[n], masks[n, wanted], atol=1e-5)
        assert prompted.background[n] == pytest.approx(float(scores[n, 0]), abs=1e-6)


def test_the_mask_lies_in_the_box_and_is_the_label_s_own(predictor):
    run = predictor.open(IMAGE)
    prompted = predictor.prompt(run, BOXES)
    assert np.array_equal(prompted.boxes, np.array(BOXES, np.float32)), "the person is trusted"
    best, second = (prompted.detections(np.array([k, k])) for k in (0, 1))
    assert best.labels.tolist() == prompted.labels[:, 0].tolist()
    assert not np.array_equal(best.mask_probs, second.mask_probs)
    for (x1, y1, x2, y2), mask in zip(BOXES, best.masks(0.0), strict=True):
        x, y, width, height = mask.box_xywh
        # RoIAlign's paste reaches half a cell beyond the box.
        cell_x, cell_y = (x2 - x1) / 28 + 1, (y2 - y1) / 28 + 1
        assert x1 - cell_x <= x and x + width <= x2 + cell_x
        assert y1 - cell_y <= y and y + height <= y2 + cell_y


def test_a_box_does_not_depend_on_its_neighbours_nor_on_how_it_was_dragged(predictor):
    run = predictor.open(IMAGE)
    both = predictor.prompt(run, BOXES)
    x1, y1, x2, y2 = BOXES[1]
    alone = predictor.prompt(run, [[x2, y2, x1, y1]])
    assert np.allclose(both.mask_probs[1], alone.mask_probs[0], atol=1e-5)
    assert both.labels[1].tolist() == alone.labels[0].tolist()


def test_a_label_that_is_decided_comes_first(predictor, model):
    run = predictor.open(IMAGE)
    last = int(predictor.prompt(run, BOXES[:1]).labels[0, -1])
    prompted = predictor.prompt(run, BOXES[:1], labels=[last])
    assert prompted.labels[0, 0] == last
    assert prompted.probabilities[0, 0] <= prompted.probabilities[0, 1], "the figure stays the network's"
    with pytest.raises(InputError, match="label 999: the model has no such category"):
        predictor.prompt(run, BOXES[:1], labels=[999])


def test_refinement_moves_the_box_as_the_box_head_says():
    model = make_model()
    regression = model.network.roi_heads.box_predictor.bbox_pred
    with torch.no_grad():  # every label moves the box by a tenth of its width to the right
        regression.weight.zero_()
        regression.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(len(regression.bias) // 4))
    predictor = Predictor(model, "cpu")
    run = predictor.open(IMAGE)
    moved = predictor.prompt(run, BOXES, refine=1)
    widths = np.array([x2 - x1 for x1, _, x2, _ in BOXES])
    wanted = np.array(BOXES) + 0.1 * widths[:, None] * [1, 0, 1, 0]
    assert np.allclose(moved.boxes, np.minimum(wanted, [120, 90, 120, 90]), atol=0.01)
    again = predictor.prompt(run, moved.boxes)
    assert np.allclose(again.mask_probs, moved.mask_probs, atol=1e-4), "its mask is that of the moved box"


def test_a_box_that_refinement_would_shrink_to_nothing_stays():
    model = make_model()
    regression = model.network.roi_heads.box_predictor.bbox_pred
    with torch.no_grad():
        regression.weight.zero_()
        regression.bias.copy_(torch.tensor([0.0, 0.0, -60.0, 0.0]).repeat(len(regression.bias) // 4))
    predictor = Predictor(model, "cpu")
    moved = predictor.prompt(predictor.open(IMAGE), BOXES, refine=2)
    assert np.allclose(moved.boxes, BOXES, atol=0.01)


def test_a_run_with_candidates_and_one_without_answer_alike(predictor):
    full = predictor.run([IMAGE])[0]
    bare = predictor.open(IMAGE)
    assert len(bare.candidates) == 0 and not len(predictor.detections(bare, Thresholds()))
    first, second = predictor.prompt(full, BOXES), predictor.prompt(bare, BOXES)
    assert np.array_equal(first.mask_probs, second.mask_probs)


def test_feature_maps_that_are_gone_are_made_again(model):
    forgetful = Predictor(model, "cpu", feature_cache_bytes=0)
    run = forgetful.open(IMAGE)
    with pytest.raises(InferenceError, match="expected the image"):
        forgetful.prompt(run, BOXES)
    kept = Predictor(model, "cpu")
    wanted = kept.prompt(kept.open(IMAGE), BOXES)
    assert np.array_equal(forgetful.prompt(run, BOXES, lambda: IMAGE).mask_probs, wanted.mask_probs)


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ([[1, 2, 3]], r"expected \[N, 4\]"),
        ([["a", 2, 3, 4]], "expected four numbers"),
        ([[0, 0, float("nan"), 9]], "expected finite numbers"),
        ([[5, 5, 5.5, 40]], "at least 1 x 1"),
        ([[130, 5, 150, 40]], "within the image's 120 x 90"),
        ([[1, 1, 9, 9], [-50, -50, -1, -1]], r"boxes\[1\]"),
    ],
)
def test_what_is_no_box_in_the_image_is_refused(boxes, said):
    with pytest.raises(InputError, match=said):
        check_boxes(boxes, (90, 120))


def test_boxes_are_clipped_and_put_in_order():
    assert check_boxes([[130, -5, 20, 40]], (90, 120)).tolist() == [[20, 0, 120, 40]]
