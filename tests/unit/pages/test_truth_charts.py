"""The figures of the stage Against the truth: what they show is what the core says."""

import numpy as np

from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.evaluation.image_scores import Curve, curve_of
from maskrcnn_core.evaluation.matching import compare_image
from pages.explain.truth_charts import curve_figure, overlaps_figure
from tests.builders.evaluated import SIZE, instance

NAMES = {1: "<b>cat", 2: "dog"}


def compared(truth, found):
    comparison = compare_image(Columns.of(truth), Columns.of(found), SIZE)
    return comparison, comparison.at(0.5)


def small():
    truth = [instance(2, (20, 0, 30, 10)), instance(1, (0, 0, 10, 10))]
    found = [
        instance(1, (0, 0, 10, 9), 0.9),
        instance(1, (20, 0, 30, 10), 0.8),
        instance(1, (9, 9, 12, 12), 0.1),
    ]
    return compared(truth, found)


def test_the_grid_names_both_sides_and_frames_matches_and_wrong_categories():
    figure = overlaps_figure(*small(), NAMES, 0.5)
    (heat,) = figure.data
    assert heat.z.tolist() == [[0.9, 0], [0, 1]]
    assert figure.layout.yaxis.ticktext == ("2. &lt;b>cat", "1. dog")
    assert figure.layout.xaxis.ticktext == ("1. &lt;b>cat 0.90", "2. &lt;b>cat 0.80")
    frames = {(shape.x0, shape.y0): shape.line.dash for shape in figure.layout.shapes}
    assert frames == {(-0.5, -0.5): "solid", (0.5, 0.5): "dot"}
    assert list(heat.text[0]) == [".90", ""] and heat.texttemplate
    assert heat.customdata[1][1].endswith("IoU 1.000<br>another category")
    assert figure.layout.yaxis.autorange == "reversed", "the first object is on top"


def test_a_large_grid_has_no_words_and_stays_on_the_screen():
    truth = [instance(1, (n, 0, n + 4, 40)) for n in range(50)]
    found = [instance(1, (n, 0, n + 4, 40), 0.5) for n in range(45)]
    figure = overlaps_figure(*compared(truth, found), NAMES, 0.0)
    assert figure.data[0].texttemplate is None and figure.layout.height <= 900
    assert figure.layout.xaxis.showticklabels is False and figure.layout.yaxis.showticklabels is False
    assert "detection 45. " in figure.data[0].customdata[0][44]


def test_nothing_makes_an_empty_grid():
    for truth, found in (([], []), ([instance(1, (0, 0, 5, 5))], []), ([], [instance(1, (0, 0, 5, 5), 0.5)])):
        assert not overlaps_figure(*compared(truth, found), NAMES, 0.0).layout.shapes


def test_the_curve_shows_where_the_score_threshold_stands():
    comparison, _ = small()
    curve = curve_of(comparison, 0.5)
    envelope, points, mark = curve_figure(curve, 0.5, 0.5).data
    assert list(points.x) == curve.recalls.tolist() and list(points.y) == curve.precisions.tolist()
    assert (mark.x[0], mark.y[0]) == (0.5, 0.5), "one of two objects, one of two detections"
    assert np.trapezoid(envelope.y, envelope.x) == curve.area()
    assert "area 0.500" in curve_figure(curve, 0.5, 0.5).layout.title.text
    assert len(curve_figure(curve, 0.5, 0.95).data) == 2, "nothing is above it"


def test_a_curve_without_objects_says_so():
    nothing = Curve(np.array([0.9]), np.array([False]), 0)
    figure = curve_figure(nothing, 0.5, 0.5)
    assert "no objects" in figure.layout.title.text and not figure.data[1].x
