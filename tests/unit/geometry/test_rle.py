import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from maskrcnn_core.errors import DatasetError
from maskrcnn_core.geometry.rle import Rle, mask_iou

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=25))


def encode_with_pycocotools(mask: np.ndarray) -> str:
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


@given(masks)
def test_decode_of_encode_is_the_mask(mask):
    assert np.array_equal(Rle.from_mask(mask).to_mask(), mask)


@given(masks)
def test_counts_are_those_of_pycocotools_and_read_back(mask):
    rle = Rle.from_mask(mask)
    assert rle.counts == encode_with_pycocotools(mask)
    assert Rle.from_counts(rle.counts, mask.shape) == rle
    assert Rle.from_counts(rle.counts.encode(), mask.shape) == rle
    assert Rle.from_counts(rle.runs.tolist(), mask.shape) == rle


@given(masks)
def test_area_and_box_agree_with_pycocotools(mask):
    rle = Rle.from_mask(mask)
    coded = {"size": list(mask.shape), "counts": rle.counts.encode()}
    assert rle.area == mask.sum() == coco_mask.area(coded)
    assert rle.box_xywh == tuple(coco_mask.toBbox(coded).astype(int))


@given(masks)
def test_crop_is_the_mask_on_its_box_and_goes_back(mask):
    rle = Rle.from_mask(mask)
    x, y, width, height = rle.box_xywh
    assert np.array_equal(rle.crop(), mask[y : y + height, x : x + width])
    assert Rle.from_crop(rle.crop(), (y, x), rle.size) == rle


@given(masks)
def test_a_folded_mask_unfolds_to_its_crop(mask):
    rle = Rle.from_mask(mask)
    cells, rows, columns = rle.folded()
    assert np.array_equal(cells.repeat(np.diff(rows), 0).repeat(np.diff(columns), 1), rle.crop())
    x, y, width, height = rle.box_xywh
    assert (columns[0], columns[-1], rows[0], rows[-1]) == (x, x + width, y, y + height)


@pytest.mark.parametrize("shape", [(200, 300), (64, 64), (65, 129), (1, 300), (300, 1)])
def test_a_mask_larger_than_what_is_turned_at_once_comes_back(shape):
    mask = np.random.default_rng(3).random(shape) < 0.5
    assert np.array_equal(Rle.from_mask(mask).to_mask(), mask)
    assert np.array_equal(Rle.from_mask(mask).window(0, 0, *shape), mask)


@given(masks, st.data())
def test_window_is_that_part_of_the_mask(mask, data):
    height, width = mask.shape
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    part = mask[top : top + 5, left : left + 7]
    assert np.array_equal(Rle.from_mask(mask).window(top, left, *part.shape), part)


@given(masks, st.randoms())
def test_iou_agrees_with_pycocotools(mask, random):
    flat = mask.ravel().tolist()
    random.shuffle(flat)
    other = np.reshape(flat, mask.shape)
    a, b = Rle.from_mask(mask), Rle.from_mask(other)
    coded = [{"size": list(mask.shape), "counts": r.counts.encode()} for r in (a, b)]
    wanted = coco_mask.iou(coded[:1], coded[1:], [0])[0][0] if (mask | other).any() else 1.0
    assert mask_iou(a, b) == pytest.approx(wanted, abs=0)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30))
def test_zero_runs_inside_are_merged(runs):
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    rle = Rle.from_counts(runs, (values.size, 1))
    assert np.array_equal(rle.to_mask()[:, 0], values)


@given(st.binary(max_size=60), st.integers(0, 30), st.integers(0, 30))
def test_any_text_is_read_or_refused(data, height, width):
    try:
        rle = Rle.from_counts(data, (height, width))
    except DatasetError:
        return
    assert rle.runs.sum() == height * width


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ([1, 2], r"add up to 3, expected height x width = 2 x 3 = 6"),
        ([-1, 7], "0 or more, got -1"),
        ([2**40, 1], "longer than 2 x 3"),
        ("\x7f", "character 0"),
        ("oooooooooooo", "character"),
    ],
)
def test_wrong_counts_are_refused_with_what_was_wanted(counts, says):
    with pytest.raises(DatasetError, match=says):
        Rle.from_counts(counts, (2, 3))


def test_a_large_mask_never_needs_its_canvas():
    square = np.ones((500, 500), np.bool_)
    rle = Rle.from_crop(square, (20_000, 30_000), (40_000, 60_000))
    assert rle.area == 250_000
    assert rle.box_xywh == (30_000, 20_000, 500, 500)
    assert Rle.from_counts(rle.counts, rle.size) == rle


def test_runs_of_another_form_are_refused_at_birth():
    with pytest.raises(ValueError, match="sum of 2 x 2"):
        Rle((2, 2), np.array([3], np.uint32))
    with pytest.raises(ValueError, match="lengths above 0 after the first run"):
        Rle((2, 2), np.array([1, 0, 3], np.uint32))
