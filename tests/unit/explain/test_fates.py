"""What became of each candidate, and what stood in its way."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Candidates, Thresholds
from maskrcnn_core.explain.fates import FATES, Fates, fates_of_candidates
from maskrcnn_core.geometry.boxes import box_areas, box_ious
from tests.builders.core import make_candidates

NAMES = LabelMap.from_names("abcde")


@given(
    st.integers(0, 10_000),
    st.sampled_from([0, 1, 40, 300]),
    st.floats(SCORE_FLOOR, 1),
    st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
    st.integers(1, 120),
)
@settings(max_examples=60, deadline=None)
def test_those_kept_are_the_ones_selected_and_each_suppressor_had_the_right(seed, count, score, nms, most):
    candidates = make_candidates(count, seed)
    thresholds = Thresholds(score, nms, most)
    fates = fates_of_candidates(candidates, thresholds, NAMES)
    kept = candidates.select(thresholds)
    assert fates.rows("kept").tolist() == sorted(kept.tolist())
    assert sum(fates.count(fate) for fate in FATES) == len(candidates) == len(fates)
    assert (candidates.scores[fates.rows("low score")] <= np.float32(score)).all()
    everything = set(candidates.select(replace(thresholds, max_detections=max(count, 1))).tolist())
    for row in fates.rows("suppressed"):
        other = int(fates.by[row])
        assert other in everything
        assert candidates.labels[other] == candidates.labels[row]
        assert candidates.scores[other] >= candidates.scores[row]
        assert fates.ious[row] > nms - 1e-6
    untouched = fates.codes != FATES.index("suppressed")
    assert (fates.by[untouched] == -1).all()
    assert (fates.ious[untouched] == 0).all()


def test_the_suppressor_is_the_one_without_which_the_box_would_stay():
    boxes = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]], np.float32)
    candidates = Candidates(
        boxes, np.ones(3, np.int64), np.array([0.9, 0.8, 0.7], np.float32), (100, 100), (100, 100)
    )
    # the second goes for the first; the third overlaps the second alone, which is gone
    fates = fates_of_candidates(candidates, Thresholds(0.1, 0.5), NAMES)
    assert [fates.of(row) for row in range(3)] == ["kept", "suppressed", "kept"]
    assert fates.by.tolist() == [-1, 0, -1]
    assert fates.ious[1] == pytest.approx(7 / 13)


def test_a_label_without_a_category_and_one_switched_off_are_other_categories():
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], np.float32)
    labels, scores = np.array([1, 2, 9]), np.array([0.9, 0.8, 0.7], np.float32)
    candidates = Candidates(boxes, labels, scores, (100, 100), (100, 100))
    fates = fates_of_candidates(candidates, Thresholds(0.1, labels=frozenset({1})), NAMES)
    assert [fates.of(row) for row in range(3)] == ["kept", "other category", "other category"]
    fates = fates_of_candidates(candidates, Thresholds(0.1, max_detections=1), NAMES)
    assert [fates.of(row) for row in range(3)] == ["kept", "beyond limit", "beyond limit"]


def test_fields_that_disagree_are_refused():
    with pytest.raises(ValueError, match="expected one shape"):
        Fates(np.zeros(2, np.int8), np.zeros(3, np.int64), np.zeros(2))


def test_iou_is_symmetric_and_that_of_areas_counted_in_pixels():
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.integers(0, 40, (30, 2, 2)), axis=1).reshape(30, 4).astype(np.float32)
    ious = box_ious(boxes, boxes)
    assert np.array_equal(ious, ious.T)
    planes = np.zeros((30, 40, 40), bool)
    for plane, (x1, y1, x2, y2) in zip(planes, boxes.astype(int), strict=True):
        plane[y1:y2, x1:x2] = True
    assert np.array_equal(box_areas(boxes), planes.sum((1, 2)))
    both = (planes[:, None] & planes[None]).sum((2, 3))
    either = (planes[:, None] | planes[None]).sum((2, 3))
    assert np.allclose(ious, np.divide(both, either, out=np.zeros(both.shape), where=either > 0))
    assert box_ious(boxes[:0], boxes).shape == (0, 30)
