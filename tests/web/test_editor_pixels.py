"""The editor's pixels: what JavaScript does to a mask, against NumPy and COCO's own library."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskrcnn_core.geometry.polygons import mask_to_polygons, polygons_to_rle
from maskrcnn_core.geometry.rle import Rle

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))


@st.composite
def masks(draw, number=1):
    """Bool ``[H, W]`` masks of one image, empty and full ones among them."""
    size = draw(SIZES)
    return [draw(arrays(np.bool_, size, elements=st.booleans())) for _ in range(number)]


class Editor:
    """The modules in a Node of their own: starting one for each question would take most of the time."""

    def __init__(self, node):
        script = Path(__file__).with_name("pixels.mjs")
        self._node = subprocess.Popen(
            [node, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, way, size, *args):
        sent = [Rle.from_mask(a).counts if isinstance(a, np.ndarray) else a for a in args]
        self._node.stdin.write(json.dumps({"way": way, "size": [int(n) for n in size], "args": sent}) + "\n")
        self._node.stdin.flush()
        answer = json.loads(self._node.stdout.readline())
        if isinstance(answer, list):
            return [Rle.from_counts(counts, size).to_mask() for counts in answer]
        return Rle.from_counts(answer, size).to_mask() if isinstance(answer, str) else answer

    def close(self):
        self._node.stdin.close()
        assert self._node.wait(timeout=20) == 0
        self._node.stdout.close()


@pytest.fixture(scope="module")
def editor(node):
    editor = Editor(node)
    yield editor
    editor.close()


def parts_of(mask):
    """The 4-connected parts, by a flood that knows nothing of JavaScript."""
    left, found = {tuple(place) for place in np.argwhere(mask)}, []
    while left:
        open_, part = [min(left)], np.zeros_like(mask)
        left.discard(open_[0])
        while open_:
            y, x = open_.pop()
            part[y, x] = True
            for other in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if other in left:
                    left.discard(other)
                    open_.append(other)
        found.append(part)
    return found


@settings(deadline=None, max_examples=60)
@given(given_masks=masks())
def test_run_lengths_there_and_back_are_the_same_pixels(editor, given_masks):
    (mask,) = given_masks
    assert np.array_equal(editor("same", mask.shape, mask), mask)


@settings(deadline=None, max_examples=150)
@given(
    size=SIZES,
    ring=st.lists(
        st.tuples(st.floats(-4, 16, width=32), st.floats(-4, 16, width=32)), min_size=3, max_size=8
    ),
)
def test_a_polygon_has_the_pixels_that_cocos_library_gives_it(editor, size, ring):
    flat = [value for point in ring for value in point]
    assert np.array_equal(editor("polygon", size, flat), polygons_to_rle([flat], size).to_mask())


@settings(deadline=None, max_examples=60)
@given(given_masks=masks(number=3))
def test_merged_masks_are_their_union_and_a_mask_minus_another_shares_no_pixel(editor, given_masks):
    a, b, c = given_masks
    assert np.array_equal(editor("merge", a.shape, a, b, c), a | b | c)
    rest = editor("subtract", a.shape, a, b)
    assert np.array_equal(rest, a & ~b)
    assert editor("shared", a.shape, a, b) == (a & b).sum()
    assert editor("shared", a.shape, rest, b) == 0


@settings(deadline=None, max_examples=60)
@given(given_masks=masks(), dx=st.integers(-13, 13), dy=st.integers(-13, 13))
def test_moved_pixels_that_leave_the_image_are_lost_and_no_others(editor, given_masks, dx, dy):
    (mask,) = given_masks
    wanted = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        if 0 <= y + dy < mask.shape[0] and 0 <= x + dx < mask.shape[1]:
            wanted[y + dy, x + dx] = True
    assert np.array_equal(editor("move", mask.shape, mask, dx, dy), wanted)


@settings(deadline=None, max_examples=60)
@given(given_masks=masks())
def test_the_parts_of_a_mask_are_those_that_hang_together(editor, given_masks):
    (mask,) = given_masks
    found = editor("parts", mask.shape, mask)
    assert [p.sum() for p in found] == sorted((p.sum() for p in found), reverse=True)
    wanted = {part.tobytes() for part in parts_of(mask)}
    assert {part.tobytes() for part in found} == wanted
    assert len(found) == len(wanted)


@settings(deadline=None, max_examples=100)
@given(
    given_masks=masks(),
    line=st.lists(
        st.tuples(st.floats(-3, 15, width=32), st.floats(-3, 15, width=32)), min_size=2, max_size=4
    ),
)
def test_a_cut_loses_no_pixel_and_claims_none_twice(editor, given_masks, line):
    (mask,) = given_masks
    pieces = editor("cut", mask.shape, mask, [list(point) for point in line])
    assert np.array_equal(np.sum(pieces, axis=0), mask.astype(int))
    assert all(piece.any() for piece in pieces[1:])
    assert len(parts_of(pieces[0])) <= len(parts_of(mask)) + 1


@pytest.mark.parametrize("line", [[[-1, 3.5], [11, 3.5]], [[11, 6.2], [-1, 0.7]]])
def test_a_cut_right_through_gives_two(editor, line):
    mask = np.ones((8, 10), bool)
    pieces = editor("cut", mask.shape, mask, line)
    assert len(pieces) == 2
    assert all(len(parts_of(piece)) == 1 for piece in pieces)


def test_a_cut_leaves_parts_that_it_misses_with_what_stays(editor):
    mask = np.zeros((8, 20), bool)
    mask[2:6, 1:5], mask[1:8, 8:20] = True, True
    pieces = editor("cut", mask.shape, mask, [[0, 4.0], [6, 4.0]])
    assert len(pieces) == 2
    assert pieces[0][:, 8:].sum() == 7 * 12
    assert pieces[1].sum() == 4
    one = editor("cut", mask.shape, mask, [[2, 3], [3, 3]])
    assert len(one) == 1, "a line that ends within cuts nothing off"


@settings(deadline=None, max_examples=60)
@given(given_masks=masks())
def test_filled_holes_are_what_the_outside_does_not_reach(editor, given_masks):
    (mask,) = given_masks
    filled = editor("fill", mask.shape, mask)
    assert (filled | mask).sum() == filled.sum()
    # Every hole's ring of the tracer that the exports use is gone, and no pixel outside of such a ring came.
    assert not mask_to_polygons(Rle.from_mask(filled)).holes
    assert np.array_equal(editor("fill", mask.shape, filled), filled)
    outer = [part for part in parts_of(mask) if part.any()]
    assert filled.any() == bool(outer)


def test_a_hole_is_filled_and_a_bay_is_not(editor):
    mask = np.zeros((7, 9), bool)
    mask[1:6, 1:6], mask[2:5, 2:5] = True, False
    filled = editor("fill", mask.shape, mask)
    assert filled.sum() == 25
    mask[3, 5] = False
    assert np.array_equal(editor("fill", mask.shape, mask), mask)


@settings(deadline=None, max_examples=60)
@given(given_masks=masks())
def test_dropping_specks_keeps_the_largest_part_and_cuts_none(editor, given_masks):
    (mask,) = given_masks
    kept = editor("specks", mask.shape, mask)
    parts = parts_of(mask)
    largest = max((part.sum() for part in parts), default=0)
    wanted = np.zeros_like(mask)
    for part in parts:
        wanted |= part & (part.sum() >= 0.05 * largest)
    assert np.array_equal(kept, wanted)


@settings(deadline=None, max_examples=60)
@given(given_masks=masks())
def test_smoothing_takes_the_majority_around_each_pixel(editor, given_masks):
    (mask,) = given_masks
    padded = np.pad(mask, 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    assert np.array_equal(editor("smooth", mask.shape, mask), windows.sum((2, 3)) > 12)


@settings(deadline=None, max_examples=100)
@given(
    given_masks=masks(),
    points=st.lists(
        st.tuples(st.floats(-2, 14, width=32), st.floats(-2, 14, width=32)), min_size=2, max_size=4
    ),
    size=st.integers(1, 9),
    value=st.sampled_from([0, 1]),
)
def test_a_stroke_changes_the_pixels_near_its_line_and_no_others(editor, given_masks, points, size, value):
    (mask,) = given_masks
    touched = np.zeros_like(mask)
    for y, x in np.ndindex(mask.shape):
        middle = np.array([x + 0.5, y + 0.5])
        for a, b in zip(np.array(points), np.array(points)[1:], strict=False):
            length = ((b - a) ** 2).sum()
            along = np.clip((middle - a) @ (b - a) / length, 0, 1) if length else 0
            touched[y, x] |= ((middle - a - along * (b - a)) ** 2).sum() <= size**2 / 4
            touched[y, x] |= any((np.floor(end) == [x, y]).all() for end in (a, b))
    found = editor("stroke", mask.shape, mask, [list(map(float, p)) for p in points], size, value)
    assert np.array_equal(found, mask | touched if value else mask & ~touched)


def test_the_smallest_brush_changes_one_pixel(editor):
    mask = np.zeros((6, 6), bool)
    found = editor("stroke", mask.shape, mask, [[2.1, 3.9], [2.1, 3.9]], 1, 1)
    assert np.argwhere(found).tolist() == [[3, 2]]


@settings(deadline=None, max_examples=60)
@given(
    given_masks=masks(),
    rings=st.tuples(
        *[st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=3, max_size=6)] * 2
    ),
    is_hole=st.booleans(),
)
def test_a_changed_ring_changes_what_lies_between_the_old_and_the_new_one(
    editor, given_masks, rings, is_hole
):
    (mask,) = given_masks
    before, after = ([value for point in ring for value in point] for ring in rings)
    was, is_ = (polygons_to_rle([ring], mask.shape).to_mask() for ring in (before, after))
    found = editor("ring", mask.shape, mask, before, after, is_hole)
    wanted = (mask | (is_ & ~was)) & ~(was & ~is_)
    if is_hole:
        wanted = (mask | (was & ~is_)) & ~(is_ & ~was)
    assert np.array_equal(found, wanted)
    back = editor("ring", mask.shape, found, after, before, is_hole)
    outside = was == is_
    assert np.array_equal(back[outside], mask[outside])
