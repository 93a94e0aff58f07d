"""Curves and AP of an image: COCO's readings, and the area's law, by counting that knows no shortcut."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.evaluation.counting import IOUS
from maskrcnn_core.evaluation.image_scores import (
    Curve,
    ImageScores,
    curve_of,
    mean_ap,
    proposal_recall,
    score_image,
)
from maskrcnn_core.evaluation.matching import compare_image
from tests.builders.evaluated import SIZE, drawn_image, instance, judge_of


def compare(truth, found, kind="segm"):
    return compare_image(Columns.of(truth), Columns.of(found), SIZE, kind)


def matterports_ap(is_right, truths):
    """Its law step by step: sentinels, the envelope from the right, and sums of steps in recall."""
    hits = np.cumsum(is_right)
    precisions = [0.0, *(hits / np.arange(1, len(is_right) + 1)), 0.0]
    recalls = [0.0, *(hits / truths), 1.0]
    for i in range(len(precisions) - 2, -1, -1):
        precisions[i] = max(precisions[i], precisions[i + 1])
    return sum(
        (recalls[i] - recalls[i - 1]) * precisions[i]
        for i in range(1, len(recalls))
        if recalls[i] != recalls[i - 1]
    )


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@given(seed=st.integers(0, 10_000))
def test_an_image_of_one_category_reads_as_coco_reads_it(kind, seed):
    truth, found, category_ids = drawn_image(seed, categories=1)
    comparison = compare(truth, found, kind)
    theirs = judge_of(truth, found, category_ids, kind, 100).eval["precision"][:, :, 0, 0, 0]
    for t, iou in enumerate(IOUS):
        ours = curve_of(comparison, iou).at_recalls()
        if math.isnan(ours[0]):
            assert (theirs[t] == -1).all(), "no objects"
        else:
            np.testing.assert_allclose(ours, theirs[t], rtol=0, atol=1e-12)


@given(is_right=st.lists(st.booleans(), max_size=30), more=st.integers(0, 5))
def test_the_area_is_that_of_matterports_law(is_right, more):
    truths = sum(is_right) + more
    curve = Curve(np.linspace(1, 0, len(is_right)), np.array(is_right, bool), truths)
    if truths == 0:
        assert math.isnan(curve.area())
    else:
        assert curve.area() == pytest.approx(matterports_ap(np.array(is_right, int), truths), abs=1e-12)
        # 101 readings miss the area by less than the width of one between each two steps
        assert curve.area() == pytest.approx(curve.at_recalls().mean(), abs=0.01 * (1 + truths))


def test_a_curve_of_detections_known_by_hand():
    curve = Curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]), 4)
    assert curve.recalls.tolist() == [0.25, 0.25, 0.5, 0.5]
    assert curve.precisions.tolist() == [1, 0.5, pytest.approx(2 / 3), 0.5]
    assert curve.envelope.tolist() == [1, pytest.approx(2 / 3), pytest.approx(2 / 3), 0.5]
    assert curve.area() == pytest.approx(0.25 * 1 + 0.25 * 2 / 3)


def test_numbers_of_an_image_are_counted_above_a_score_and_its_ap_over_all():
    truth = [instance(1, (0, 0, 10, 10)), instance(2, (20, 0, 30, 10)), instance(1, (0, 20, 10, 30))]
    found = [
        instance(1, (0, 0, 10, 10), 0.9),
        instance(1, (0, 0, 10, 9), 0.8),  # twice
        instance(1, (20, 0, 30, 10), 0.7),  # another category
        instance(1, (45, 0, 50, 10), 0.6),  # nothing
        instance(1, (0, 20, 10, 26), 0.3),  # right at .60 and below
    ]
    comparison = compare(truth, found)
    all_of_it = score_image(comparison, comparison.at(0.5))
    assert all_of_it == ImageScores(
        truths=3,
        crowds=0,
        detections=5,
        right=2,
        missed=1,
        wrong_category=1,
        twice=1,
        wrong=1,
        ignored=0,
        AP50=pytest.approx((1 + 0.4) / 3),
        AP=pytest.approx((10 * 1 + 3 * 0.4) / 30),  # .50, .55 and .60 find the second one, too
    )
    some = score_image(comparison, comparison.at(0.5), 0.5)
    assert (some.detections, some.right, some.missed) == (4, 1, 2)
    assert (some.AP50, some.AP) == (all_of_it.AP50, all_of_it.AP)


@given(seed=st.integers(0, 10_000))
def test_every_object_and_detection_is_counted_once(seed):
    truth, found, _ = drawn_image(seed)
    comparison = compare(truth, found)
    one = score_image(comparison, comparison.at(0.5))
    assert one.right + one.missed == one.truths and one.truths + one.crowds == len(truth)
    parts = one.right + one.wrong_category + one.twice + one.wrong + one.ignored
    assert parts == one.detections == len(found)
    assert math.isnan(one.AP) if not one.truths else 0 <= one.AP <= 1 and 0 <= one.AP50 <= 1


def test_the_mean_over_images_leaves_out_those_without_objects():
    empty = score_image(compare([], []), compare([], []).at(0.5))
    perfect = compare([instance(1, (0, 0, 10, 10))], [instance(1, (0, 0, 10, 10), 0.5)])
    missed = compare([instance(1, (0, 0, 10, 10))], [])
    images = [empty, score_image(perfect, perfect.at(0.5)), score_image(missed, missed.at(0.5))]
    assert mean_ap(images) == (0.5, 0.5, 2)
    assert mean_ap([empty])[2] == 0 and math.isnan(mean_ap([empty])[0])


def test_recall_of_proposals_counts_objects_that_any_proposal_covers():
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], float)
    proposals = np.array([[0, 0, 10, 8], [0, 0, 10, 10], [20, 0, 30, 6]], float)
    recall = proposal_recall(truth, proposals)
    assert recall.tolist() == [1, 1, 1, *[0.5] * 7]
    assert proposal_recall(truth, np.zeros((0, 4))).tolist() == [0] * 10
    assert np.isnan(proposal_recall(np.zeros((0, 4)), proposals)).all()
