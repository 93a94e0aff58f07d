"""What looks wrong is told in words, with counts; what is as it should be is not."""

from dataclasses import replace

import pytest

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.training.inspection.counting import LevelCount, SampleCount, SeenObject
from maskrcnn_core.training.inspection.findings import findings_of, roi_share
from maskrcnn_core.training.inspection.inspecting import DataCount, Inspection, Rules
from maskrcnn_core.training.inspection.numbers import as_values, facts_of, rows_of_levels, rows_of_recall
from maskrcnn_core.training.inspection.recall import recall_of
from tests.builders.training import make_settings

FINE = SeenObject("a.png", 1, (30.0, 40.0), 0.8, 4, 0.7, 5, True)


def make_count(*objects, image="a.png", **changes):
    values = {
        "size": (96, 96),
        "levels": (LevelCount(4, 90, 6), LevelCount(0, 20, 0)),
        "drawn_objects": 4,
        "drawn_background": 100,
        "roi_objects": 8,
        "roi_background": 24,
        "own_boxes": 1,
        "ignored": 0.0,
    }
    return SampleCount(image, objects=objects, **(values | changes))


def make_inspection(folder, *counts, **changes):
    values = {
        "title": "shapes",
        "knows": True,
        "label_map": LabelMap.from_names(["cell", "ring"]),
        "settings": make_settings(folder),
        "rules": Rules(0.7, 0.3, 0.5, 256, 32, 0.25, ((16.0, 16.0), (64.0, 64.0))),
        "data": DataCount(3, {"cell": 30, "ring": 20}, 0),
        "epoch": 9,
        "counts": counts or (make_count(FINE),),
        "losses": ({"loss_mask": 0.5, "loss_box_reg": 1.0},),
        "samples": (),
        "recall": None,
        "passed_over": (),
    }
    return Inspection(**(values | changes))


def objects(count, **changes):
    return tuple(replace(FINE, **changes) for _ in range(count))


def test_nothing_is_told_where_nothing_is_wrong(tmp_path):
    assert findings_of(make_inspection(tmp_path)) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"size": (5.0, 4.0), "anchor_iou": 0.08},
            (
                "1 of 3 objects overlap no anchor by 0.3",
                "1 smaller than the smallest anchor (16 pixels",
                "--smallest",
            ),
        ),
        ({"size": (5.0, 4.0), "anchor_iou": 0.08}, ("4 × 5 pixels in a.png (IoU 0.08)",)),
        ({"size": (200.0, 90.0), "anchor_iou": 0.2}, ("1 larger than the largest (64)",)),
        ({"size": (90.0, 9.0), "anchor_iou": 0.2}, ("1 of another shape or place",)),
        ({"anchors": 0}, ("1 of 3 objects have no anchor at all",)),
        ({"has_mask": False}, ("1 of 3 objects have a mask target without a single pixel",)),
    ],
)
def test_an_object_that_cannot_be_learned_is_told(changes, words, tmp_path):
    inspection = make_inspection(tmp_path, make_count(FINE, FINE, *objects(1, **changes)))
    (sentence,) = findings_of(inspection)
    assert all(part in sentence for part in words)


def test_more_objects_than_have_room_in_a_step_are_told_but_not_what_chance_left_out(tmp_path):
    crowded = make_inspection(tmp_path, make_count(*objects(5), *objects(4, rois=0)))
    (sentence,) = findings_of(crowded)
    assert sentence.startswith("4 of 9 objects have none of the regions")
    assert "of 32 at most 8 are of objects" in sentence and "a sample has up to 9. --rois 64 " in sentence
    assert findings_of(make_inspection(tmp_path, make_count(FINE, *objects(1, rois=0)))) == ()


@pytest.mark.parametrize("own", [0, 2])
def test_heads_that_see_little_but_background_are_told(own, tmp_path):
    count = make_count(FINE, roi_objects=2, roi_background=30, own_boxes=own)
    inspection = make_inspection(tmp_path, count)
    assert roi_share(inspection) == pytest.approx(2 / 32)
    (sentence,) = findings_of(inspection)
    assert sentence.startswith("6.2% of the regions") and "up to 25% may be" in sentence
    assert ("100% of them are the true boxes" in sentence) is bool(own)


def test_samples_and_categories_with_little_to_learn_are_told(tmp_path):
    inspection = make_inspection(
        tmp_path,
        make_count(FINE),
        make_count(image="empty.png"),
        make_count(FINE, image="crowd.png", ignored=0.6, too_small=5),
        data=DataCount(3, {"cell": 30, "ring": 0, "rod": 3}, 2),
        losses=({"loss_mask": float("nan")},),
        passed_over=("step 2 is left out: b.png: it is gone",),
    )
    told = "\n".join(findings_of(inspection))
    assert "1 of 3 samples without an object; the first is of empty.png" in told
    assert "5 of 7 instances are left out of their samples" in told
    assert "in which half or more teaches nothing" in told and "crowd.png" in told
    assert "1 category without an instance: ring." in told and "Fewer than 10 instances: rod 3." in told
    assert "2 instances have the very mask of another in the image" in told
    assert "A loss of step 1 is not finite" in told and "b.png: it is gone" in told


def test_recall_is_by_cocos_sizes_and_told_if_it_is_low(tmp_path):
    recall = recall_of([([100, 1024, 9216], [False, True, True], 10), ([1023, 50], [False, True], 30)])
    assert [(row.size, row.objects, row.reached) for row in recall.sizes] == [
        ("small", 3, 1),
        ("medium", 1, 1),
        ("large", 1, 1),
    ]
    assert (recall.images, recall.proposals, recall.objects, recall.reached) == (2, 20, 5, 3)
    assert findings_of(make_inspection(tmp_path, recall=recall)) == ()
    low = recall_of([([100, 2000, 3000], [False, True, False], 10)])
    (sentence,) = findings_of(make_inspection(tmp_path, recall=low))
    assert "proposals of shapes reach 33% of the objects at an IoU of 0.5 (small 0%, medium 50%)" in sentence
    assert rows_of_recall(make_inspection(tmp_path, recall=low))[-1] == ("all", "3", "1", "33.3%")


def test_numbers_for_people_and_for_programs_agree(tmp_path):
    inspection = make_inspection(tmp_path, make_count(FINE, *objects(2, anchors=0, rois=0)), make_count(FINE))
    facts = dict(facts_of(inspection))
    assert facts["Samples looked at"] == "2 of 9 in an epoch"
    assert facts["Without an anchor"] == "2 of 4 (50.0%)" == facts["Without a region of their step"]
    assert facts["Regions learned"].startswith(
        "16 of objects (2 of them true boxes), 48 of background: 25.0%"
    )
    assert rows_of_levels(inspection)[0] == ("1", "8", "180", "12", "4.0")
    values = as_values(inspection)
    assert [one["anchors"] for one in values["samples"][0]["objects"]] == [4, 0, 0]
    assert values["object share of regions"] == 0.25 and values["recall"] is None
    assert values["findings"] == list(findings_of(inspection))
