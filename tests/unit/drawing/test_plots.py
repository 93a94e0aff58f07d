"""Plots and grids have what they are given, where it belongs."""

import numpy as np
import pytest

from maskrcnn_core.drawing.plots import draw_grid, draw_lines

RED = (224, 80, 10)


def ink(picture, color, tolerance=40):
    return (np.abs(picture.astype(int) - color).sum(axis=2) < tolerance).nonzero()


def test_a_line_goes_from_the_lower_left_to_the_upper_right():
    picture = draw_lines("a title", "recall", "precision", [("rising", RED, [0.0, 1.0], [0.0, 1.0])])
    rows, columns = ink(picture[:400], RED)
    assert columns[rows.argmin()] > columns[rows.argmax()] + 400
    flat = draw_lines("a title", "recall", "precision", [("flat", RED, [0.0, 1.0], [0.5, 0.5])])
    rows, _ = ink(flat[:400], RED)
    assert np.ptp(rows) <= 3


def test_lines_of_nothing_and_of_one_point_and_odd_names_are_no_error():
    for points in ([], [0.5]):
        lines = [("<b>\n\u202e" * 30, RED, points, points)]
        assert draw_lines("x" * 300, "recall", "precision", lines).shape[1] == 620


def test_a_grid_has_a_cell_for_each_pair_and_frames_where_they_belong():
    values = np.array([[0.0, 1.0, 0.5], [0.25, 0.0, 0.75]])
    picture = draw_grid(["a", "b"], ["x", "y", "z"], values, [(1, 2, RED)])
    rows, columns = ink(picture, RED, 1)
    assert picture.shape[0] - 34 - 12 <= rows.min() and picture.shape[1] - 34 - 12 <= columns.min()
    yellow = ink(picture, (253, 231, 37), 1)
    assert len(yellow[0]) > 300, "the cell of 1"


@pytest.mark.parametrize(("rows", "columns"), [([], []), (["a"], []), ([], ["b"])])
def test_a_grid_without_cells_is_no_error(rows, columns):
    assert draw_grid(rows, columns, np.zeros((len(rows), len(columns))), []).ndim == 3
