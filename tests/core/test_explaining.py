"""Why something was missed, or found twice: each rule is named when it is the one that decided."""

import json
from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.boxes import box_ious
from maskrcnn_core.detections import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import InputError
from maskrcnn_core.explaining import SAME, explain_box
from maskrcnn_core.fates import fates_of_candidates
from maskrcnn_core.images import read_image
from maskrcnn_core.inference import Predictor
from maskrcnn_core.models import get_model
from maskrcnn_core.stages import trace
from tests.core.test_stages import starter
from tests.shared_data import shared_path


@pytest.fixture(scope="module")
def traced():
    predictor, image = starter()
    return predictor, image, trace(predictor, image)


def asked(traced, thresholds, box):
    predictor, _, stages = traced
    return explain_box(stages, thresholds, predictor.model.label_map, [float(v) for v in box])


def with_fate(traced, thresholds, fate):
    """Candidates with this fate on whose place nothing else is, and their boxes in the image."""
    predictor, _, stages = traced
    candidates = stages.run.candidates
    fates = fates_of_candidates(candidates, thresholds, predictor.model.label_map)
    others = candidates.boxes[fates.rows("kept")]
    for row in fates.rows(fate):
        near = box_ious(candidates.boxes[[row]], others)
        same = box_ious(candidates.boxes[[row]], candidates.boxes)[0] >= SAME
        if (near < SAME).all() and candidates.scores[row] == candidates.scores[same].max():
            yield int(row), candidates.boxes[row] * stages.to_image


def test_what_was_found_was_not_missed(traced):
    predictor, image, stages = traced
    thresholds = Thresholds()
    found = predictor.detections(stages.run, thresholds, image)
    answer = asked(traced, thresholds, found.boxes[0])
    assert answer.verdict == "detected"
    assert answer.rows == (int(found.rows[0]),)
    assert f"({found.scores[0]:.2f})" in answer.sentence
    assert "IoU 1.00" in answer.sentence


def test_a_score_too_low_is_named_and_the_help_helps(traced):
    _, _, stages = traced
    high = Thresholds(0.999)
    row, box = next(with_fate(traced, high, "low score"))
    answer = asked(traced, high, box)
    score = stages.run.candidates.scores[row]
    assert answer.verdict == "low score"
    assert answer.rows == (row,)
    assert f"({score:.2f})" in answer.sentence
    assert "threshold of 1.00" in answer.sentence
    assert answer.helps == f"A score threshold below {score:.2f} shows it."
    lower = replace(high, score_threshold=max(SCORE_FLOOR, float(score) - 1e-4))
    assert row in stages.run.candidates.select(lower)
    assert asked(traced, lower, box).verdict in ("detected", "twice")


def test_where_a_lower_score_alone_would_not_help_what_is_in_the_way_is_named(traced):
    predictor, _, stages = traced
    candidates, label_map = stages.run.candidates, predictor.model.label_map
    thresholds = Thresholds(0.5, 0.05)
    told = set()
    for row, box in with_fate(traced, thresholds, "low score"):
        answer = asked(traced, thresholds, box)
        below = replace(thresholds, score_threshold=max(SCORE_FLOOR, float(candidates.scores[row]) - 1e-5))
        fates = fates_of_candidates(candidates, below, label_map)
        if answer.verdict == "low score" and answer.rows == (row,):
            assert ("shows it" in answer.helps) == (fates.of(row) == "kept")
            assert ("would suppress it" in answer.helps) == (fates.of(row) == "suppressed")
            told.add(answer.helps.split(" ")[0])
    assert told


def test_a_suppressed_one_names_who_did_it_and_by_how_much(traced):
    predictor, _, stages = traced
    strict = Thresholds(0.05, 0.05)
    fates = fates_of_candidates(stages.run.candidates, strict, predictor.model.label_map)
    row, box = next(with_fate(traced, strict, "suppressed"))
    answer = asked(traced, strict, box)
    assert answer.verdict == "suppressed"
    assert answer.rows == (row, int(fates.by[row]))
    assert f"by {fates.ious[row]:.2f}, above the NMS threshold of 0.05" in answer.sentence
    if answer.helps.startswith("An NMS threshold of"):
        value = float(answer.helps.split("of ")[1].split(" ")[0])
        assert row in stages.run.candidates.select(replace(strict, nms_threshold=value))
    else:
        assert answer.helps.startswith("More than one box is in its way")


def test_beyond_the_limit_and_switched_off_are_told_apart(traced):
    one = Thresholds(0.5, max_detections=1)
    row, box = next(with_fate(traced, one, "beyond limit"))
    answer = asked(traced, one, box)
    assert (answer.verdict, answer.rows) == ("beyond limit", (row,))
    label = int(traced[2].run.candidates.labels[row])
    others = Thresholds(0.5, labels=frozenset({*traced[0].model.label_map.labels} - {label}))
    assert asked(traced, others, box).verdict == "other category"


def test_two_on_one_object_say_why_neither_went(traced):
    predictor, image, stages = traced
    loose = Thresholds(0.05, 1.0, max_detections=500)
    found = predictor.detections(stages.run, loose, image)
    answer = asked(traced, loose, found.boxes[0])
    assert answer.verdict == "twice"
    assert len(answer.rows) == 2
    assert "detections are on it" in answer.sentence
    labels = stages.run.candidates.labels[list(answer.rows)]
    reason = (
        "only compares boxes of one category" if labels[0] != labels[1] else "not above the NMS threshold"
    )
    assert reason in answer.sentence


def test_a_hair_across_the_image_is_covered_by_no_anchor(traced):
    height, width = traced[1].shape[:2]
    answer = asked(traced, Thresholds(), (0, height // 2, width, height // 2 + 2))
    assert answer.verdict == "not covered"
    assert answer.anchor_iou < SAME
    assert f"{answer.anchor_iou:.2f}" in answer.sentence
    assert answer.anchors_near == 0


def test_anchors_that_were_moved_onto_something_else_are_no_want_of_anchors(traced):
    """Boxes of several objects together: an anchor fits, and the network makes boxes of single ones."""
    _, _, stages = traced
    anchors = stages.all_anchors * stages.to_image
    refined = stages.all_refined * stages.to_image
    height, width = traced[1].shape[:2]
    inside = np.flatnonzero((anchors[:, :2] >= 0).all(1) & (anchors[:, 2:] <= [width, height]).all(1))
    box = next(anchors[n] for n in inside[::13] if box_ious(anchors[n][None], refined)[0].max() < SAME - 0.01)
    answer = asked(traced, Thresholds(), box)
    assert answer.verdict == "moved off"
    assert "anchors cover it (IoU 1.00)" in answer.sentence
    assert answer.anchors_near > 0


def test_the_figures_are_those_of_the_stages(traced):
    predictor, image, stages = traced
    found = predictor.detections(stages.run, Thresholds(), image)
    box = found.boxes[:1]
    answer = asked(traced, Thresholds(), box[0])
    to_image = stages.to_image
    anchors = box_ious(box, stages.all_anchors * to_image)[0]
    assert answer.anchor_iou == pytest.approx(anchors.max(), abs=1e-5)
    assert answer.anchors_near == int((anchors >= SAME).sum())
    made = box_ious(box, stages.all_refined * to_image)[0]
    assert answer.objectness == pytest.approx(stages.all_objectness[made >= SAME].max())
    regions = box_ious(box, stages.regions.boxes * to_image)[0]
    assert answer.proposal_iou == pytest.approx(regions.max(), abs=1e-5)
    probabilities = dict(answer.classes)
    assert probabilities["background"] == pytest.approx(stages.regions.scores[regions.argmax(), 0])


@pytest.mark.parametrize("box", [(5, 5, 5, 50), (1e4, 1e4, 2e4, 2e4), (0, 0, float("nan"), 4), (1, 2, 3)])
def test_what_is_no_box_in_the_image_is_refused(traced, box):
    with pytest.raises(InputError, match="boxes"):
        asked(traced, Thresholds(), box)


def test_an_image_without_proposals_is_explained_by_its_anchors():
    predictor, image = starter()
    network = predictor.model.network
    before = network.rpn.score_thresh
    network.rpn.score_thresh = 1.1
    try:
        stages = trace(predictor, image)
    finally:
        network.rpn.score_thresh = before
    anchor = stages.all_refined[stages.all_objectness.argmax()] * stages.to_image
    answer = explain_box(stages, Thresholds(), predictor.model.label_map, anchor.tolist())
    assert answer.verdict == "low objectness"
    assert answer.proposal_box is None
    assert answer.classes == ()


def test_every_known_object_of_real_photos_has_one_true_reason(monkeypatch):
    """The verdict on each ground-truth box agrees with what can be counted by itself."""
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(shared_path("weights", "maskrcnn2go").parent))
    coco = shared_path("data", "coco_val2017", "instances.json")
    document = json.loads(coco.read_text())
    predictor, thresholds = Predictor(get_model("mobile")), Thresholds(nms_threshold=0.3)
    verdicts = set()
    for row in document["images"][:12]:
        image = read_image(coco.parent / "images" / row["file_name"]).pixels
        stages = trace(predictor, image)
        found = predictor.detections(stages.run, thresholds, image)
        for truth in (a for a in document["annotations"] if a["image_id"] == row["id"] and not a["iscrowd"]):
            x, y, width, height = truth["bbox"]
            if width < 2 or height < 2:
                continue
            box = np.array([[x, y, x + width, y + height]])
            answer = explain_box(stages, thresholds, predictor.model.label_map, box[0].tolist())
            hits = int((box_ious(box, found.boxes)[0] >= SAME).sum())
            if hits:
                assert answer.verdict == ("detected", "twice")[min(hits, 2) - 1]
            assert hits or answer.verdict not in ("detected", "twice")
            regions = box_ious(box, stages.regions.boxes * stages.to_image)[0].max()
            if answer.verdict in ("background", "moved away"):
                assert regions >= SAME
            if answer.verdict.startswith("proposal") or answer.verdict in ("low objectness", "not covered"):
                assert regions < SAME
            if answer.verdict in ("moved off", "not covered"):
                anchors = box_ious(box, stages.all_anchors * stages.to_image)[0].max()
                assert (anchors >= SAME) == (answer.verdict == "moved off")
            if answer.verdict == "low objectness":
                assert f"{answer.objectness:.3f}" in answer.sentence
            verdicts.add(answer.verdict)
    assert {"detected", "twice", "low score", "not covered", "proposal beyond limit"} <= verdicts
