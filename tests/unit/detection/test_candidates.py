import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms

from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from tests.builders.core import make_candidates, make_detections


@pytest.mark.parametrize("rows", [0, 1, 500, 3000])  # torchvision takes another way above 1,000 boxes
@pytest.mark.parametrize("score", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("nms", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("limit", [1, 100, 1000])
def test_selection_is_what_stock_torchvision_does_with_these_thresholds(rows, score, nms, limit):
    candidates = make_candidates(rows, seed=rows)
    boxes, scores, labels = (
        torch.from_numpy(a) for a in (candidates.boxes, candidates.scores, candidates.labels)
    )
    kept = torch.where(scores > score)[0]
    kept = kept[batched_nms(boxes[kept], scores[kept], labels[kept], nms)[:limit]]
    assert candidates.select(Thresholds(score, nms, limit)).tolist() == kept.tolist()


def test_the_class_filter_picks_from_the_finished_result():
    candidates = make_candidates()
    every = candidates.select(Thresholds(0.3, 0.5, 40))
    some = candidates.select(Thresholds(0.3, 0.5, 40, labels=frozenset({2, 5})))
    assert some.tolist() == [row for row in every.tolist() if candidates.labels[row] in (2, 5)]
    assert candidates.select(Thresholds(labels=frozenset())).size == 0


def test_boxes_are_scaled_to_the_image():
    candidates = make_candidates(4)
    scaled = candidates.boxes_in_image(np.array([2, 0]))
    assert scaled.dtype == np.float32
    factors = np.array([1300 / 600, 800 / 400] * 2)
    assert scaled == pytest.approx(candidates.boxes[[2, 0]] * factors, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"score_threshold": SCORE_FLOOR / 2}, "score threshold"),
        ({"score_threshold": float("nan")}, "score threshold"),
        ({"nms_threshold": 1.5}, "NMS threshold"),
        ({"max_detections": 0}, "detections per image"),
        ({"mask_threshold": 1.0}, "mask threshold"),
    ],
)
def test_thresholds_out_of_range_are_named(change, says):
    with pytest.raises(ValueError, match=says):
        Thresholds(**change)


def test_indexing_selects_every_field():
    detections = make_detections(5)
    some = detections[np.array([True, False, True, False, False])]
    assert len(some) == 2
    assert some.rows.tolist() == [0, 2]
    assert some.mask_probs.shape == (2, 28, 28)
    assert len(detections[:0].masks()) == 0


def test_above_drops_lower_scores():
    detections = make_detections(6)
    threshold = float(detections.scores[2])
    assert detections.above(threshold).rows.tolist() == [0, 1]


def test_fields_that_disagree_are_refused_at_birth():
    detections = make_detections(3)
    with pytest.raises(ValueError, match=r"mask_probs: expected \[3, M, M\]"):
        type(detections)(
            detections.boxes,
            detections.labels,
            detections.scores,
            detections.mask_probs[:2],
            detections.rows,
            detections.image_size,
        )
