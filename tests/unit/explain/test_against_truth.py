"""A traced image against what is known to be on it."""

from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.evaluation.image_scores import ImageScores, score_image
from maskrcnn_core.evaluation.image_truth import ImageTruth
from maskrcnn_core.evaluation.matching import compare_image
from maskrcnn_core.explain.against_truth import (
    ProposalRecall,
    recall_of_proposals,
    told_precision,
    told_recall,
    told_scores,
)
from maskrcnn_core.explain.pictures.truth import draw_truth, told_truth
from maskrcnn_core.explain.traced_image import trace_image
from maskrcnn_core.geometry.boxes import box_ious
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene


def truth_of(scene):
    names = {category.id: category.name for category in SCENE_CATEGORIES}
    return ImageTruth(
        tuple(names[id_] for id_ in scene.category_ids),
        scene.masks,
        (False,) * len(scene.masks),
        tuple(names.values()),
        "as drawn",
    )


@pytest.fixture(scope="module")
def traced():
    scene = draw_scene(1)
    return trace_image(Predictor(get_model("shapes"), "cpu"), scene.pixels, truth=truth_of(scene))


def test_average_precision_does_not_depend_on_the_score_threshold(traced):
    high = replace(traced, thresholds=replace(traced.thresholds, score_threshold=0.9))
    scores = [
        score_image(
            one.judgement.comparison, one.judgement.comparison.at(0.5), one.thresholds.score_threshold
        )
        for one in (traced, high)
    ]
    assert (scores[0].AP50, scores[0].AP) == (scores[1].AP50, scores[1].AP)
    assert scores[0].detections > scores[1].detections > 0


@pytest.mark.parametrize("score", [0.3, 0.5, 0.9])
def test_counting_above_a_score_is_comparing_what_is_shown(traced, score):
    thresholds = replace(traced.thresholds, score_threshold=score)
    one = replace(traced, thresholds=thresholds)
    shown = Instance.from_detections(one.detections, one.label_map, 1, thresholds.mask_threshold)
    names = {category.name: category.id for category in one.label_map}
    objects = [
        Instance(1, names[name], mask) for name, mask in zip(one.truth.names, one.truth.masks, strict=True)
    ]
    alone = compare_image(Columns.of(objects), Columns.of(shown), traced.pixels.shape[:2], max_detections=500)
    expected = score_image(alone, alone.at(0.5))
    got = score_image(one.judgement.comparison, one.judgement.comparison.at(0.5), score)
    for field in ("truths", "detections", "right", "missed", "wrong_category", "twice", "wrong"):
        assert getattr(got, field) == getattr(expected, field), field


def test_recall_of_proposals_is_that_of_the_regions_in_the_image(traced):
    recall = recall_of_proposals(traced.trace, traced.truth)
    regions = traced.trace.regions.boxes.astype(float) * traced.trace.to_image
    best = box_ious(traced.truth.boxes, regions).max(axis=1)
    assert recall.at50 == (best >= 0.5).mean() and recall.objects == len(traced.truth.names)
    assert 0 < recall.mean <= recall.at50 and recall.regions == len(regions)
    crowd = replace(traced.truth, crowds=(True,) * len(traced.truth.names))
    none = recall_of_proposals(traced.trace, crowd)
    assert none.objects == 0 and np.isnan(none.at50)


def test_the_pictures_say_what_the_numbers_are(traced):
    differences, grid, curve = draw_truth(traced)
    comparison = traced.judgement.comparison
    scores = score_image(comparison, comparison.at(0.5), traced.thresholds.score_threshold)
    assert f"{scores.right} right, {scores.missed} missed" in differences.caption
    assert "Ground truth as drawn" in differences.caption
    assert f"AP50 {scores.AP50:.3f}" in curve.caption and "regions of interest reach" in curve.caption
    assert all(p.pixels.dtype == np.uint8 and p.pixels.std() > 1 for p in (differences, grid, curve))
    told = told_truth(traced)
    assert told[0].startswith("Ground truth as drawn, masks compared at IoU 0.50: ")
    assert told_truth(replace(traced, truth=None)) == []


def test_without_objects_there_is_no_precision_and_a_picture_all_the_same(traced):
    nothing = ImageTruth((), (), (), traced.truth.known, "in t.json")
    pictures = draw_truth(replace(traced, truth=nothing))
    assert len(pictures) == 3
    assert pictures[2].caption == "Without objects there is no average precision."


def test_sentences_count():
    scores = ImageScores(
        truths=1, crowds=0, detections=2, right=1, missed=0, wrong_category=0, twice=1, wrong=0, ignored=1,
        AP50=1.0, AP=0.5,
    )  # fmt: skip
    assert told_scores(scores) == (
        "1 object and 2 detections: 1 right, 0 missed, 1 wrong (0 of another category, 1 twice, 0 on nothing "
        "known), 1 ignored."
    )
    assert told_precision(scores).startswith("AP50 1.000, AP (mean over IoU .50 to .95) 0.500")
    assert "59% of the objects" in told_recall(ProposalRecall(17, 120, 10 / 17, 0.32))
    assert told_recall(ProposalRecall(0, 120, float("nan"), float("nan"))) == ""


def test_boxes_and_odd_masks_are_no_error(traced):
    size = traced.pixels.shape[:2]
    odd = ImageTruth(
        ("circle", "spoon"),
        (Rle.from_mask(np.zeros(size, bool)), Rle.from_mask(np.ones(size, bool))),
        (False, False),
        ("circle", "spoon"),
        "made up",
    )
    one = replace(traced, truth=odd, thresholds=Thresholds(0.3))
    assert dict(one.judgement.unknown) == {"spoon": 1} and set(one.judgement.unjudged) <= {
        "square",
        "triangle",
    }
    assert len(draw_truth(one)) == 3
