"""What speaks against a detection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import Category, LabelMap
from maskrcnn_core.detection.candidates import Candidates
from maskrcnn_core.geometry.rle import mask_containment, mask_iou
from maskrcnn_core.inference.predictor import Run
from maskrcnn_core.projects.records import Doubts
from maskrcnn_core.projects.review.doubts import doubt_of, doubts_of_run, reasons
from tests.builders.core import disc

UNIT = st.floats(0, 1)
DOUBTS = st.none() | st.builds(
    Doubts, runner_up=UNIT, runner_up_name=st.just("bus"), soft_edge=st.floats(0, 3), twin=UNIT
)
LABELS = LabelMap.contiguous((Category(5, "car"), Category(9, "bus")))


@given(st.none() | st.floats(0.05, 1), DOUBTS, UNIT)
def test_a_doubt_is_between_none_and_one(score, doubts, threshold):
    assert 0 <= doubt_of(score, doubts, threshold) < 1
    assert len(reasons(score, doubts, threshold)) <= 4


@given(st.floats(0.05, 1), DOUBTS.filter(bool), UNIT, st.sampled_from(["runner_up", "soft_edge", "twin"]))
def test_each_reason_adds_to_it(score, doubts, threshold, name):
    less = Doubts(**(vars(doubts) | {name: 0.0}))
    assert doubt_of(score, less, threshold) <= doubt_of(score, doubts, threshold)


def test_what_no_model_scored_is_in_no_doubt():
    assert doubt_of(None, None, 0.5) == 0 and reasons(None, None, 0.5) == []


def test_the_reasons_are_said_in_words_the_gravest_first():
    doubts = Doubts(runner_up=0.5, runner_up_name="bus", soft_edge=0.9, twin=0.97)
    assert reasons(0.55, doubts, 0.5) == [
        "overlaps another by 97%",
        "or bus (0.50)",
        "score near 0.50",
        "soft edge",
    ]
    assert reasons(0.99, Doubts(0.05, "bus", 0.1, 0.0), 0.5) == []


@pytest.fixture
def run():
    """Two overlapping cars, the first of which may be a bus; the second one's mask is undecided."""
    boxes = np.array([[10, 10, 50, 50], [11, 10, 50, 51], [30, 10, 75, 50], [0, 0, 5, 5]], np.float32)
    labels = np.array([1, 2, 1, 2], np.int64)
    scores = np.array([0.9, 0.6, 0.8, 0.7], np.float32)
    run = Run(Candidates(boxes, labels, scores, (60, 80), (60, 80)), 4, "cpu")
    sharp = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]], np.float32)
    run.keep_masks(np.array([0, 2]), np.stack([sharp, np.full((4, 4), 0.55, np.float32)]))
    return run


def test_doubts_come_from_what_the_network_said_beside_it(run):
    first, second = disc(60, 80, 30, 30, 15), disc(60, 80, 30, 45, 15)
    instances = [Instance(1, 5, first, 0.9, row=0), Instance(1, 5, second, 0.8, row=2)]
    one, two = doubts_of_run(run, instances, LABELS)
    assert (round(one.runner_up, 2), one.runner_up_name) == (0.6, "bus"), "a box of nearly the same place"
    assert (two.runner_up, two.runner_up_name) == (0.0, ""), "no other box is on it"
    assert one.soft_edge == 0.0 and two.soft_edge == 1.0
    assert one.twin == two.twin == mask_containment(first, second) > 0


def test_of_two_categories_a_part_is_no_twin_but_the_same_outline_is(run):
    whole, part = disc(60, 80, 30, 30, 20), disc(60, 80, 30, 30, 5)
    instances = [Instance(1, 5, whole, 0.9, row=0), Instance(1, 9, part, 0.8, row=2)]
    assert doubts_of_run(run, instances, LABELS)[0].twin == mask_iou(whole, part) < 0.1
    same = [Instance(1, 5, whole, 0.9, row=0), Instance(1, 9, whole, 0.8, row=2)]
    assert doubts_of_run(run, same, LABELS)[0].twin == 1.0


def test_containment_is_of_the_smaller_mask():
    whole, part = disc(60, 80, 30, 30, 20), disc(60, 80, 30, 30, 5)
    assert mask_containment(whole, part) == mask_containment(part, whole) == 1.0
    assert mask_containment(part, disc(60, 80, 30, 70, 5)) == 0.0
    with pytest.raises(ValueError, match="different images"):
        mask_containment(part, disc(61, 80, 30, 70, 5))
