"""What the pictures of differences say of each object and detection."""

import numpy as np
import pytest

from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.drawing.board import GREEN, GREY, RED, SIDE
from maskrcnn_core.evaluation.differences import (
    draw_curve,
    draw_differences,
    draw_overlaps,
    draw_set_curve,
    grid_of,
    marks_of,
    steps_of,
)
from maskrcnn_core.evaluation.image_scores import Curve, curve_of
from maskrcnn_core.evaluation.matching import compare_image
from maskrcnn_core.evaluation.set_curves import SetCurve
from tests.builders.evaluated import SIZE, drawn_image, instance

NAMES = {1: "cat", 2: "dog", 7: "a", 30: "b"}
TRUTH = [
    instance(1, (0, 0, 10, 10)),
    instance(2, (20, 0, 30, 10)),
    instance(1, (0, 20, 10, 30)),
    instance(1, (20, 20, 40, 40), is_crowd=True),
]
FOUND = [
    instance(1, (0, 0, 10, 8), 0.5),
    instance(1, (0, 0, 10, 9), 0.9),
    instance(1, (20, 0, 30, 10), 0.8),
    instance(2, (45, 0, 50, 10), 0.7),
    instance(1, (22, 22, 26, 26), 0.6),
    instance(1, (0, 20, 10, 30), 0.3),
]


def compared(truth=TRUTH, found=FOUND, kind="segm"):
    comparison = compare_image(Columns.of(truth), Columns.of(found), SIZE, kind)
    return comparison, comparison.at(0.5)


def test_each_detection_and_object_says_what_became_of_it():
    said = {(m.side, m.index): (m.text, m.color, m.is_told) for m in marks_of(*compared(), NAMES, 0.4)}
    assert said == {
        ("truth", 0): ("cat", GREEN, False),
        ("truth", 1): ("missed: dog", GREEN, True),
        ("truth", 2): ("missed: cat", GREEN, True),  # what finds it scores too low to be shown
        ("truth", 3): ("crowd: cat", GREY, True),
        ("found", 1): ("cat 0.90 / 0.90", RED, True),
        ("found", 2): ("cat 0.80, wrong: dog", RED, True),
        ("found", 3): ("dog 0.70, wrong", RED, True),
        ("found", 4): ("cat 0.60, in a crowd", GREY, True),
        ("found", 0): ("cat 0.50, twice", RED, True),
    }
    lower = {(m.side, m.index): m.text for m in marks_of(*compared(), NAMES)}
    assert lower["truth", 2] == "cat" and lower["found", 5] == "cat 0.30 / 1.00"


def test_the_grid_has_its_matches_near_the_diagonal_and_marks_wrong_categories():
    grid = grid_of(*compared())
    assert grid.found.tolist() == [1, 2, 3, 4, 0, 5] and grid.truth.tolist() == [0, 2, 1, 3]
    assert grid.matches == ((0, 0), (1, 5), (3, 3)), "the crowd's is one, too"
    assert grid.wrong == ((2, 1),)
    assert grid.ious[0, 4] == 0.8
    above = grid_of(*compared(), 0.55)
    assert above.found.tolist() == [1, 2, 3, 4] and above.matches == ((0, 0), (3, 3))


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_the_picture_shows_objects_green_and_detections_red(kind):
    pixels = np.full((*SIZE, 3), 127, np.uint8)
    comparison, matches = compared(kind=kind)
    picture = draw_differences(pixels, comparison, matches, NAMES, 0.4)
    before = pixels.copy()
    height = round(480 * SIZE[0] / SIZE[1])
    for color in (GREEN, RED, GREY):
        assert (picture[:height] == color).all(axis=2).sum() > 50
    nothing = draw_differences(pixels, *compared([], []), NAMES)
    assert (nothing[:height] == 127).all()
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("seed", range(12))
def test_any_image_can_be_drawn(seed):
    truth, found, _ = drawn_image(seed)
    comparison, matches = compared(truth, found)
    assert draw_differences(np.zeros((*SIZE, 3), np.uint8), comparison, matches, NAMES).shape[1] <= SIDE
    picture, left_out = draw_overlaps(comparison, matches, NAMES)
    assert picture.shape[1] <= SIDE and left_out == 0
    assert draw_curve(curve_of(comparison, 0.5), "title").shape[1] <= SIDE


def test_a_grid_too_large_to_read_says_what_is_left_out():
    truth = [instance(1, (n, 0, n + 5, 5)) for n in range(50)]
    found = [instance(1, (n, 0, n + 5, 5), 0.5) for n in range(25)]
    picture, left_out = draw_overlaps(*compared(truth, found), NAMES)
    assert left_out == 50 - 20 + 25 - 20 and max(picture.shape) <= SIDE


def test_the_steps_of_a_curve_hold_its_area():
    curve = Curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]), 4)
    xs, ys = steps_of(curve)
    assert np.trapezoid(ys, xs) == pytest.approx(curve.area())
    assert xs[0] == 0 and xs[-1] == 0.5 and ys[-1] == 0
    assert steps_of(Curve(np.zeros(0), np.zeros(0, bool), 0)) == ([0.0], [0.0])


def test_a_set_without_masks_has_one_picture_and_nothing_has_one_too():
    boxes = SetCurve(*[tuple(np.linspace(1, 0, 101))] * 3)
    both = draw_set_curve(boxes, boxes)
    assert draw_set_curve(boxes, SetCurve()).shape[0] * 2 == both.shape[0]
    assert draw_set_curve(SetCurve(), SetCurve()).shape[1] == both.shape[1]
