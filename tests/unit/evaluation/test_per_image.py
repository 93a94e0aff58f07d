"""A set image by image is the set."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.dataset.annotations import ImageRecord
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.evaluation.coco_metrics import evaluate
from maskrcnn_core.evaluation.per_image import IMAGE_COLUMNS, compare_images, image_table, kind_of
from tests.unit.evaluation.test_coco_metrics import make_dataset, make_results


def table_of(data):
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def test_each_image_has_its_own_objects_and_detections():
    truth = make_dataset()
    found = make_results(truth)
    images = list(compare_images(truth, Columns.of(found)))
    assert [one.record for one in images] == list(truth.images)
    for one in images:
        id_ = one.record.id
        assert one.scores.truths == sum(i.image_id == id_ for i in truth.instances)
        assert one.scores.detections == sum(i.image_id == id_ for i in found)
        assert 0 < one.scores.AP <= one.scores.AP50 <= 1
    strict = list(compare_images(truth, Columns.of(found), iou_threshold=0.95))
    assert sum(one.scores.right for one in strict) < sum(one.scores.right for one in images)


def test_the_ap_of_a_set_of_one_image_and_one_category_is_near_cocos():
    """The two laws differ by how they read one curve, and by no more."""
    truth = make_dataset(images=1, per_image=12)
    truth = replace(truth, instances=tuple(replace(i, category_id=3) for i in truth.instances))
    found = [replace(one, category_id=3) for one in make_results(truth)]
    (image,) = compare_images(truth, Columns.of(found))
    assert pytest.approx(evaluate(truth, found).mask.AP, abs=0.02) == image.scores.AP


def test_detections_of_unknown_categories_and_beyond_the_limit_are_no_errors():
    truth = make_dataset()
    found = make_results(truth)
    strange = [replace(found[0], category_id=777), *found]
    (one, *_) = compare_images(truth, Columns.of(strange), max_detections=1)
    limited = sum(fate == "beyond limit" for fate in one.matches.found_fates)
    assert limited and one.scores.ignored == limited
    assert one.scores.detections == sum(i.image_id == truth.images[0].id for i in found)


def test_boxes_are_compared_where_no_detection_has_a_mask():
    truth = make_dataset()
    found = Columns.of(make_results(truth))
    assert kind_of(found) == kind_of(Columns.of(())) == "segm"
    boxes = replace(found, counts=[""] * len(found))
    assert kind_of(boxes) == "bbox"
    assert all(one.comparison.kind == "bbox" for one in compare_images(truth, boxes))
    boxes.counts[0] = "x"
    assert kind_of(boxes) == "segm"


def test_the_table_has_a_row_for_each_image_and_no_formula():
    truth = make_dataset()
    images = (
        replace(truth.images[0], file_name="=1+1 猫.jpg"),
        replace(truth.images[1], text_id="@id"),
        *truth.images[2:],
        ImageRecord(999, "empty.jpg", 160, 120),
    )
    truth = replace(truth, images=images)
    compared = list(compare_images(truth, Columns.of(make_results(truth)), score_threshold=0.5))
    rows = table_of(image_table((one.record, one.scores) for one in compared))
    assert tuple(rows[0]) == IMAGE_COLUMNS and len(rows) == 5
    assert rows[0]["image"] == "'=1+1 猫.jpg" and rows[1]["image_id"] == "'@id"
    for row, one in zip(rows, compared, strict=True):
        counts = [int(row[name]) for name in ("objects", "detections", "right", "missed", "wrong")]
        s = one.scores
        assert counts == [s.truths, s.detections, s.right, s.missed, s.wrong]
        assert row["AP"] == ("" if np.isnan(s.AP) else f"{s.AP:.6f}")
    assert rows[4]["AP"] == rows[4]["AP50"] == ""
