import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from torchvision.models.detection.roi_heads import paste_masks_in_image

from maskrcnn_core import pasting
from maskrcnn_core.pasting import have_pixels, paste_mask, paste_masks
from tests.core.builders import make_boxes, make_mask_probs

SIZES = [(1, 1), (1, 300), (300, 2), (64, 48), (333, 517), (720, 405)]


def paste_with_torchvision(probs, boxes, size, threshold):
    pasted = paste_masks_in_image(torch.from_numpy(probs)[:, None], torch.from_numpy(boxes), size)
    return (pasted[:, 0] > threshold).numpy()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cells", [1, 14, 24, 28])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9])
def test_paste_is_bit_identical_to_torchvision(size, cells, threshold):
    seed = size[0] + cells
    smooth = make_mask_probs(8, cells, seed)
    noise = np.random.default_rng(seed).random((8, cells, cells)).astype(np.float32)
    # Quarters make whole plateaus at the threshold itself, where one rounding decides.
    probs = np.concatenate([smooth, noise, np.round(noise * 4) / 4])
    boxes = make_boxes(len(probs), size, seed)
    ours = paste_masks(probs, boxes, size, threshold)
    stock = paste_with_torchvision(probs, boxes, size, threshold)
    for rle, mask in zip(ours, stock, strict=True):
        assert np.array_equal(rle.to_mask(), mask)
        assert rle.counts == coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def test_undecided_pixels_go_to_torch(monkeypatch):
    asked = []
    real = pasting._paste_with_torch
    monkeypatch.setattr(pasting, "_paste_with_torch", lambda *args: asked.append(1) or real(*args))
    flat = np.full((1, 28, 28), 0.5, np.float32)
    box = np.array([[10, 10, 200, 150]], np.float32)
    ours = paste_masks(flat, box, (300, 400), 0.5)
    assert asked
    assert np.array_equal(ours[0].to_mask(), paste_with_torchvision(flat, box, (300, 400), 0.5)[0])


def test_most_masks_are_decided_without_torch(monkeypatch):
    asked = []
    real = pasting._paste_with_torch
    monkeypatch.setattr(pasting, "_paste_with_torch", lambda *args: asked.append(1) or real(*args))
    paste_masks(make_mask_probs(100), make_boxes(100, (600, 800)), (600, 800))
    assert len(asked) < 8


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
def test_have_pixels_says_what_the_areas_say(threshold):
    rng = np.random.default_rng(3)
    # Weak and narrow peaks on small and large boxes: some reach over the threshold, and over no pixel.
    probs = np.concatenate([make_mask_probs(40), rng.random((60, 28, 28)).astype(np.float32) ** 8])
    probs[::3] *= 0.55
    boxes = make_boxes(100, (200, 300))
    boxes[::2, 2:] = np.minimum(boxes[::2, :2] + 9, (300, 200))
    boxes[50:, 2:] = np.minimum(boxes[50:, 2:], boxes[50:, :2] + 14)
    areas = [rle.area for rle in paste_masks(probs, boxes, (200, 300), threshold)]
    assert have_pixels(probs, boxes, (200, 300), threshold).tolist() == [area > 0 for area in areas]
    assert have_pixels(probs[:0], boxes[:0], (200, 300)).shape == (0,)


def test_no_masks_give_no_masks():
    assert paste_masks(np.zeros((0, 28, 28), np.float32), np.zeros((0, 4), np.float32), (10, 10)) == []


def test_a_mask_below_the_threshold_is_empty_but_kept_in_its_row():
    rle = paste_mask(np.zeros((28, 28), np.float32), np.array([1, 1, 9, 9], np.float32), (10, 10))
    assert rle.area == 0
    assert rle.box_xywh == (0, 0, 0, 0)


@pytest.mark.parametrize("threshold", [-0.1, 1.0])
def test_a_threshold_that_cannot_be_is_refused(threshold):
    with pytest.raises(ValueError, match="0 <= t < 1"):
        paste_masks(make_mask_probs(1), make_boxes(1, (9, 9)), (9, 9), threshold)
