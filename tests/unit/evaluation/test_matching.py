"""What an image's detections are matched with is what pycocotools matches, and what is wrong is named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.evaluation.counting import IOUS
from maskrcnn_core.evaluation.matching import compare_image
from maskrcnn_core.geometry.boxes import box_ious
from maskrcnn_core.geometry.rle import Rle, mask_iou
from tests.builders.evaluated import SIZE, box_mask, drawn_image, instance, judge_of


def compare(truth, found, kind="segm", **options):
    return compare_image(Columns.of(truth), Columns.of(found), SIZE, kind, **options)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@given(seed=st.integers(0, 10_000), limit=st.sampled_from((1, 3, 100)))
def test_matches_are_those_of_pycocotools(kind, seed, limit):
    truth, found, category_ids = drawn_image(seed)
    comparison = compare(truth, found, kind, max_detections=limit)
    judge = judge_of(truth, found, category_ids, kind, limit)
    for t, iou in enumerate(IOUS):
        ours = comparison.at(iou)
        theirs = np.full(len(found), -1)
        counted = np.zeros(len(found), bool)
        ignored = np.zeros(len(found), bool)
        for category_id in category_ids:
            one = judge.evaluateImg(1, category_id, [0, 1e10], limit)
            if one is None:
                continue
            rows = np.array(one["dtIds"], int) - 1
            counted[rows] = True
            theirs[rows] = one["dtMatches"][t].astype(int) - 1
            ignored[rows] = one["dtIgnore"][t]
        assert ours.of_found.tolist() == theirs.tolist()
        assert [fate != "beyond limit" for fate in ours.found_fates] == counted.tolist()
        assert [fate == "in a crowd" for fate in ours.found_fates] == ignored.tolist()
        for number, match in enumerate(ours.of_truth):
            assert (match >= 0) == (not truth[number].is_crowd and number in theirs)
            assert match < 0 or theirs[match] == number


@given(seed=st.integers(0, 10_000))
def test_overlaps_are_those_of_boxes_and_masks(seed):
    truth, found, _ = drawn_image(seed)
    truth = [one for one in truth if not one.is_crowd]
    masks = compare(truth, found).ious
    assert masks.shape == (len(truth), len(found))
    for g, one in enumerate(truth):
        for d, other in enumerate(found):
            if one.area or other.area:
                assert masks[g, d] == mask_iou(one.mask, other.mask)
    corners = [np.array([one.given_box for one in side]).reshape(-1, 4) for side in (truth, found)]
    np.testing.assert_allclose(compare(truth, found, "bbox").ious, box_ious(*corners), atol=1e-12)


def test_each_detection_is_told_what_is_wrong_with_it():
    truth = [
        instance(1, (0, 0, 10, 10)),
        instance(2, (20, 0, 30, 10)),
        instance(1, (0, 20, 10, 30)),
        instance(1, (20, 20, 40, 40), is_crowd=True),
    ]
    found = [
        instance(1, (0, 0, 10, 8), 0.5),  # twice: the next one is better
        instance(1, (0, 0, 10, 9), 0.9),
        instance(1, (20, 0, 30, 10), 0.8),  # of another category
        instance(2, (45, 0, 50, 10), 0.7),  # on nothing
        instance(1, (22, 22, 26, 26), 0.6),  # in the crowd
        instance(1, (24, 24, 28, 28), 0.4),  # and so is another
    ]
    matches = compare(truth, found).at(0.5)
    assert matches.found_fates == ("twice", "right", "wrong category", "wrong", "in a crowd", "in a crowd")
    assert matches.truth_fates == ("found", "missed", "missed", "crowd")
    assert matches.of_truth.tolist() == [1, -1, -1, -1]
    assert matches.nearest.tolist() == [0, -1, 1, -1, -1, -1]
    limited = compare(truth, found, max_detections=1).at(0.5)
    assert limited.found_fates == (
        *["beyond limit", "right"],
        *["beyond limit", "wrong"],
        *["beyond limit"] * 2,
    )


def test_a_stricter_threshold_finds_no_more():
    truth, found = [instance(1, (0, 0, 10, 10))], [instance(1, (0, 0, 10, 8), 0.5)]
    comparison = compare(truth, found)
    assert comparison.ious.tolist() == [[0.8]]
    assert comparison.at(0.8).found_fates == ("right",) and comparison.at(0.81).found_fates == ("wrong",)


def test_equal_masks_match_at_one():
    mask = box_mask((3, 4, 17, 19))
    comparison = compare([Instance(1, 1, mask)], [Instance(1, 1, mask, 0.5)])
    assert comparison.at(1.0).found_fates == ("right",)


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.01, float("nan")])
def test_a_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(ValueError, match="expected a number above 0, at most 1"):
        compare([], []).at(threshold)


def test_no_objects_no_detections_and_no_limit():
    assert compare([], []).at(0.5).found_fates == ()
    assert compare([], [instance(1, (0, 0, 5, 5), 0.5)]).at(0.5).found_fates == ("wrong",)
    assert compare([instance(1, (0, 0, 5, 5))], []).at(0.5).truth_fates == ("missed",)
    with pytest.raises(ValueError, match="expected 1 or more, got 0"):
        compare([], [], max_detections=0)


def test_boxes_without_a_mask_count_as_boxes_alone():
    truth = Columns.of([instance(1, (0, 0, 10, 10))])
    found = Columns.of([instance(1, (0, 0, 10, 10), 0.5), instance(1, (0, 0, 9, 10), 0.9)])
    found.counts[1] = ""
    assert compare_image(truth, found, SIZE, "bbox").at(0.5).found_fates == ("twice", "right")
    masks = compare_image(truth, found, SIZE, "segm")
    assert len(masks.found) == 1 and masks.at(0.5).found_fates == ("right",)


def test_an_empty_mask_overlaps_nothing():
    nothing = Rle.from_mask(np.zeros(SIZE, bool))
    assert compare([Instance(1, 1, nothing)], [Instance(1, 1, nothing, 0.9)]).ious.tolist() == [[0.0]]
