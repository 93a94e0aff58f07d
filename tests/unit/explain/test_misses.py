"""Why something was missed, or found twice: each rule is named when it is the one that decided."""

import json
from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import InputError
from maskrcnn_core.explain.fates import fates_of_candidates
from maskrcnn_core.explain.misses import SAME, explain_box
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.geometry.boxes import box_ious
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from tests.shared_data import shared_path
from tests.unit.explain.test_tracing import shapes_model


@pytest.fixture(scope="module")
def traced():
    predictor, image = shapes_model()
    return predictor, image, trace_network(predictor, image)


def asked(traced, thresholds, box):
    predictor, _, trace = traced
    return explain_box(trace, thresholds, predictor.model.label_map, [float(v) for v in box])


def with_fate(traced, thresholds, fate):
    """Candidates with this fate on whose place nothing else is, and their boxes in the image."""
    predictor, _, trace = traced
    candidates = trace.run.candidates
    fates = fates_of_candidates(candidates, thresholds, predictor.model.label_map)
    others = candidates.boxes[fates.rows("kept")]
    for row in fates.rows(fate):
        near = box_ious(candidates.boxes[[row]], others)
        same = box_ious(candidates.boxes[[row]], candidates.boxes)[0] >= SAME
        if (near < SAME).all() and candidates.scores[row] == candidates.scores[same].max():
            yield int(row), candidates.boxes[row] * trace.to_image


def test_what_was_found_was_not_missed(traced):
    predictor, image, trace = traced
    thresholds = Thresholds()
    found = predictor.detections(trace.run, thresholds, image)
    explanation = asked(traced, thresholds, found.boxes[0])
    assert explanation.verdict == "detected"
    assert explanation.rows == (int(found.rows[0]),)
    assert f"({found.scores[0]:.2f})" in explanation.sentence
    assert "IoU 1.00" in explanation.sentence


def test_a_score_too_low_is_named_and_the_help_helps(traced):
    _, _, trace = traced
    high = Thresholds(0.999)
    row, box = next(with_fate(traced, high, "low score"))
    explanation = asked(traced, high, box)
    score = trace.run.candidates.scores[row]
    assert explanation.verdict == "low score"
    assert explanation.rows == (row,)
    assert f"({score:.2f})" in explanation.sentence
    assert "threshold of 1.00" in explanation.sentence
    assert explanation.helps == f"A score threshold below {score:.2f} shows it."
    lower = replace(high, score_threshold=max(SCORE_FLOOR, float(score) - 1e-4))
    assert row in trace.run.candidates.select(lower)
    assert asked(traced, lower, box).verdict in ("detected", "twice")


def test_where_a_lower_score_alone_would_not_help_what_is_in_the_way_is_named(traced):
    predictor, _, trace = traced
    candidates, label_map = trace.run.candidates, predictor.model.label_map
    thresholds = Thresholds(0.5, 0.05)
    told = set()
    for row, box in with_fate(traced, thresholds, "low score"):
        explanation = asked(traced, thresholds, box)
        below = replace(thresholds, score_threshold=max(SCORE_FLOOR, float(candidates.scores[row]) - 1e-5))
        fates = fates_of_candidates(candidates, below, label_map)
        if explanation.verdict == "low score" and explanation.rows == (row,):
            assert ("shows it" in explanation.helps) == (fates.of(row) == "kept")
            assert ("would suppress it" in explanation.helps) == (fates.of(row) == "suppressed")
            told.add(explanation.helps.split(" ")[0])
    assert told


def test_a_suppressed_one_names_who_did_it_and_by_how_much(traced):
    predictor, _, trace = traced
    strict = Thresholds(0.05, 0.05)
    fates = fates_of_candidates(trace.run.candidates, strict, predictor.model.label_map)
    row, box = next(with_fate(traced, strict, "suppressed"))
    explanation = asked(traced, strict, box)
    assert explanation.verdict == "suppressed"
    assert explanation.rows == (row, int(fates.by[row]))
    assert f"by {fates.ious[row]:.2f}, above the NMS threshold of 0.05" in explanation.sentence
    if explanation.helps.startswith("An NMS threshold of"):
        value = float(explanation.helps.split("of ")[1].split(" ")[0])
        assert row in trace.run.candidates.select(replace(strict, nms_threshold=value))
    else:
        assert explanation.helps.startswith("More than one box is in its way")


def test_beyond_the_limit_and_switched_off_are_told_apart(traced):
    one = Thresholds(0.5, max_detections=1)
    row, box = next(with_fate(traced, one, "beyond limit"))
    explanation = asked(traced, one, box)
    assert (explanation.verdict, explanation.rows) == ("beyond limit", (row,))
    label = int(traced[2].run.candidates.labels[row])
    others = Thresholds(0.5, labels=frozenset({*traced[0].model.label_map.labels} - {label}))
    assert asked(traced, others, box).verdict == "other category"


def test_two_on_one_object_say_why_neither_went(traced):
    predictor, image, trace = traced
    loose = Thresholds(0.05, 1.0, max_detections=500)
    found = predictor.detections(trace.run, loose, image)
    explanation = asked(traced, loose, found.boxes[0])
    assert explanation.verdict == "twice"
    assert len(explanation.rows) == 2
    assert "detections are on it" in explanation.sentence
    labels = trace.run.candidates.labels[list(explanation.rows)]
    reason = (
        "only compares boxes of one category" if labels[0] != labels[1] else "not above the NMS threshold"
    )
    assert reason in explanation.sentence


def test_a_hair_across_the_image_is_covered_by_no_anchor(traced):
    height, width = traced[1].shape[:2]
    explanation = asked(traced, Thresholds(), (0, height // 2, width, height // 2 + 2))
    assert explanation.verdict == "not covered"
    assert explanation.anchor_iou < SAME
    assert f"{explanation.anchor_iou:.2f}" in explanation.sentence
    assert explanation.anchors_near == 0


def test_anchors_that_were_moved_onto_something_else_are_no_want_of_anchors(traced):
    """Boxes of several objects together: an anchor fits, and the network makes boxes of single ones."""
    _, _, trace = traced
    anchors = trace.all_anchors * trace.to_image
    refined = trace.all_refined * trace.to_image
    height, width = traced[1].shape[:2]
    inside = np.flatnonzero((anchors[:, :2] >= 0).all(1) & (anchors[:, 2:] <= [width, height]).all(1))
    box = next(anchors[n] for n in inside[::13] if box_ious(anchors[n][None], refined)[0].max() < SAME - 0.01)
    explanation = asked(traced, Thresholds(), box)
    assert explanation.verdict == "moved off"
    assert "anchors cover it (IoU 1.00)" in explanation.sentence
    assert explanation.anchors_near > 0


def test_the_figures_are_those_of_the_stages(traced):
    predictor, image, trace = traced
    found = predictor.detections(trace.run, Thresholds(), image)
    box = found.boxes[:1]
    explanation = asked(traced, Thresholds(), box[0])
    to_image = trace.to_image
    anchors = box_ious(box, trace.all_anchors * to_image)[0]
    assert explanation.anchor_iou == pytest.approx(anchors.max(), abs=1e-5)
    assert explanation.anchors_near == int((anchors >= SAME).sum())
    made = box_ious(box, trace.all_refined * to_image)[0]
    assert explanation.objectness == pytest.approx(trace.all_objectness[made >= SAME].max())
    regions = box_ious(box, trace.regions.boxes * to_image)[0]
    assert explanation.proposal_iou == pytest.approx(regions.max(), abs=1e-5)
    probabilities = dict(explanation.classes)
    assert probabilities["background"] == pytest.approx(trace.regions.scores[regions.argmax(), 0])


@pytest.mark.parametrize("box", [(5, 5, 5, 50), (1e4, 1e4, 2e4, 2e4), (0, 0, float("nan"), 4), (1, 2, 3)])
def test_what_is_no_box_in_the_image_is_refused(traced, box):
    with pytest.raises(InputError, match="boxes"):
        asked(traced, Thresholds(), box)


def test_an_image_without_proposals_is_explained_by_its_anchors():
    predictor, image = shapes_model()
    network = predictor.model.network
    before = network.rpn.score_thresh
    network.rpn.score_thresh = 1.1
    try:
        trace = trace_network(predictor, image)
    finally:
        network.rpn.score_thresh = before
    anchor = trace.all_refined[trace.all_objectness.argmax()] * trace.to_image
    explanation = explain_box(trace, Thresholds(), predictor.model.label_map, anchor.tolist())
    assert explanation.verdict == "low objectness"
    assert explanation.proposal_box is None
    assert explanation.classes == ()


def test_every_known_object_of_real_photos_has_one_true_reason(monkeypatch):
    """The verdict on each ground-truth box agrees with what can be counted by itself."""
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(shared_path("weights", "maskrcnn2go").parent))
    coco = shared_path("data", "coco_val2017", "instances.json")
    document = json.loads(coco.read_text())
    predictor, thresholds = Predictor(get_model("mobile")), Thresholds(nms_threshold=0.3)
    verdicts = set()
    for row in document["images"][:12]:
        image = read_image(coco.parent / "images" / row["file_name"]).pixels
        trace = trace_network(predictor, image)
        found = predictor.detections(trace.run, thresholds, image)
        for truth in (a for a in document["annotations"] if a["image_id"] == row["id"] and not a["iscrowd"]):
            x, y, width, height = truth["bbox"]
            if width < 2 or height < 2:
                continue
            box = np.array([[x, y, x + width, y + height]])
            explanation = explain_box(trace, thresholds, predictor.model.label_map, box[0].tolist())
            hits = int((box_ious(box, found.boxes)[0] >= SAME).sum())
            if hits:
                assert explanation.verdict == ("detected", "twice")[min(hits, 2) - 1]
            assert hits or explanation.verdict not in ("detected", "twice")
            regions = box_ious(box, trace.regions.boxes * trace.to_image)[0].max()
            if explanation.verdict in ("background", "moved away"):
                assert regions >= SAME
            if explanation.verdict.startswith("proposal") or explanation.verdict in (
                "low objectness",
                "not covered",
            ):
                assert regions < SAME
            if explanation.verdict in ("moved off", "not covered"):
                anchors = box_ious(box, trace.all_anchors * trace.to_image)[0].max()
                assert (anchors >= SAME) == (explanation.verdict == "moved off")
            if explanation.verdict == "low objectness":
                assert f"{explanation.objectness:.3f}" in explanation.sentence
            verdicts.add(explanation.verdict)
    assert {"detected", "twice", "low score", "not covered", "proposal beyond limit"} <= verdicts
