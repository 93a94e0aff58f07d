"""Limits that configs of other projects name: those that no detection can have are not taken as they are."""

import pytest

from maskrcnn_core.detection.candidates import MOST_DETECTIONS, Thresholds
from maskrcnn_core.models.foreign.facts import FamilyFacts


def facts(**limits):
    return FamilyFacts(architecture=None, num_classes=2, tensors={}, notes=("before",), **limits)


@pytest.mark.parametrize(
    "limits", [{}, {"max_detections": 1}, {"max_detections": MOST_DETECTIONS, "nms_threshold": 1.0}]
)
def test_limits_that_hold_stay(limits):
    given = facts(**limits)
    found = given.within_limits()
    assert (found.max_detections, found.nms_threshold) == (given.max_detections, given.nms_threshold)
    assert found.notes == ("before",)


@pytest.mark.parametrize(
    ("limits", "taken", "note"),
    [
        (
            {"max_detections": -1},
            (10_000, 0.5),
            "Detections per image: the config says all, of which 10,000 are kept.",
        ),
        ({"max_detections": 10**6}, (10_000, 0.5), "the config says 1,000,000, of which 10,000 are kept."),
        ({"max_detections": 0}, (100, 0.5), "Detections per image: the config says 0, taken as 100."),
        (
            {"nms_threshold": 1.5},
            (100, 0.5),
            "NMS threshold: expected 0 to 1, the config says 1.5, taken as 0.5.",
        ),
        ({"nms_threshold": float("nan")}, (100, 0.5), "the config says nan, taken as 0.5."),
    ],
)
def test_others_are_brought_within_and_it_is_said(limits, taken, note):
    found = facts(**limits).within_limits()
    assert (found.max_detections, found.nms_threshold) == taken
    assert found.notes[0] == "before" and note in found.notes[1] and len(found.notes) == 2
    Thresholds(max_detections=found.max_detections, nms_threshold=found.nms_threshold)
