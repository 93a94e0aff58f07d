"""The curves of a set have COCO's APs as their means."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.evaluation.coco_metrics import evaluate
from maskrcnn_core.evaluation.set_curves import CURVE_COLUMNS, SetCurve, curve_table
from tests.unit.evaluation.test_coco_metrics import make_dataset, make_results


@pytest.fixture(scope="module")
def evaluation():
    truth = make_dataset()
    return evaluate(truth, make_results(truth))


def test_the_mean_of_a_curve_is_its_ap(evaluation):
    for curve, scores in (
        (evaluation.box_curve, evaluation.box),
        (evaluation.mask_curve, evaluation.mask),
    ):
        assert 0 < scores.AP < scores.AP50 < 1
        for values, ap in ((curve.at50, scores.AP50), (curve.at75, scores.AP75), (curve.mean, scores.AP)):
            assert len(values) == 101
            assert np.mean(values) == pytest.approx(ap, abs=1e-12)
            assert (np.diff(values) <= 1e-12).all(), "precision only falls with recall"


def test_categories_without_objects_do_not_pull_it_down(evaluation):
    truth = make_dataset()
    found = make_results(truth)
    cars = tuple(i for i in truth.instances if i.category_id == 3)
    one = evaluate(replace(truth, instances=cars), found)
    assert one.mask_curve.mean != () and np.mean(one.mask_curve.mean) == pytest.approx(one.mask.AP)


def test_the_table_has_a_row_for_each_recall(evaluation):
    rows = list(csv.reader(io.StringIO(curve_table(evaluation.box_curve, evaluation.mask_curve).decode())))
    assert tuple(rows[0]) == CURVE_COLUMNS and len(rows) == 102
    assert [row[0] for row in (rows[1], rows[51], rows[101])] == ["0.00", "0.50", "1.00"]
    assert [float(row[6]) for row in rows[1:]] == pytest.approx(evaluation.mask_curve.mean, abs=1e-6)


def test_what_is_not_known_is_left_empty(evaluation):
    nothing = evaluate(replace(make_dataset(), instances=()), [])
    assert nothing.box_curve == nothing.mask_curve == SetCurve()
    rows = list(csv.reader(io.StringIO(curve_table(evaluation.box_curve, SetCurve()).decode())))
    assert rows[1][4:] == ["", "", ""] and rows[1][1] != ""
