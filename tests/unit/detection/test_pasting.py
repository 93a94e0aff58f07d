import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from skimage.transform import resize
from torchvision.models.detection.roi_heads import paste_masks_in_image

from maskrcnn_core.detection.paste_laws import PASTE_LAWS
from maskrcnn_core.detection.pasting import have_pixels, paste_mask, paste_masks
from tests.builders.core import make_boxes, make_mask_probs

SIZES = [(1, 1), (1, 300), (300, 2), (64, 48), (333, 517), (720, 405)]


def paste_with_torchvision(probs, boxes, size, threshold):
    pasted = paste_masks_in_image(torch.from_numpy(probs)[:, None], torch.from_numpy(boxes), size)
    return (pasted[:, 0] > threshold).numpy()


def paste_at_centres(probs, boxes, size, threshold):
    """What Detectron2 and mmdetection do on a CPU: a grid of pixel centres over the box, zeros outside."""
    pasted = np.zeros((len(probs), *size), bool)
    for mask, (x1, y1, x2, y2), out in zip(
        torch.from_numpy(probs), torch.from_numpy(boxes), pasted, strict=True
    ):
        left, top = (int((v.floor() - 1).clamp(min=0)) for v in (x1, y1))
        right, bottom = int((x2.ceil() + 1).clamp(max=size[1])), int((y2.ceil() + 1).clamp(max=size[0]))
        xs = (torch.arange(left, right, dtype=torch.float32) + 0.5 - x1) / (x2 - x1) * 2 - 1
        ys = (torch.arange(top, bottom, dtype=torch.float32) + 0.5 - y1) / (y2 - y1) * 2 - 1
        grid = torch.stack([xs[None].expand(len(ys), -1), ys[:, None].expand(-1, len(xs))], dim=-1)
        values = torch.nn.functional.grid_sample(mask[None, None], grid[None], align_corners=False)[0, 0]
        out[top:bottom, left:right] = (values >= threshold).numpy()
    return pasted


def paste_with_skimage(probs, boxes, size, threshold):
    """What Matterport's Mask R-CNN does with boxes of whole pixels."""
    pasted = np.zeros((len(probs), *size), bool)
    for mask, box, out in zip(probs, boxes.astype(int), pasted, strict=True):
        x1, y1, x2, y2 = box
        if x2 > x1 and y2 > y1:
            values = resize(
                mask.astype(np.float64), (y2 - y1, x2 - x1), order=1, mode="constant", anti_aliasing=False
            )
            out[y1:y2, x1:x2] = values >= threshold
    return pasted


STOCK = {
    "torchvision": paste_with_torchvision,
    "centres": paste_at_centres,
    "matterport": paste_with_skimage,
}


def boxes_for(paste, count, size, seed):
    boxes = make_boxes(count, size, seed)
    return np.rint(boxes).astype(np.float32) if paste == "matterport" else boxes


@pytest.mark.parametrize("paste", list(PASTE_LAWS))
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cells", [1, 14, 24, 28])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9])
def test_paste_is_bit_identical_to_the_family_s_own(paste, size, cells, threshold):
    seed = size[0] + cells
    smooth = make_mask_probs(8, cells, seed)
    noise = np.random.default_rng(seed).random((8, cells, cells)).astype(np.float32)
    # Quarters make whole plateaus at the threshold itself, where one rounding decides.
    probs = np.concatenate([smooth, noise, np.round(noise * 4) / 4])
    boxes = boxes_for(paste, len(probs), size, seed)
    ours = paste_masks(probs, boxes, size, threshold, paste)
    # A threshold of 0 that every pixel reaches would be none: there, foreground is what is greater.
    least = (
        np.nextafter(np.float32(0), np.float32(1)) if threshold == 0 and paste != "torchvision" else threshold
    )
    stock = STOCK[paste](probs, boxes, size, least)
    for rle, mask in zip(ours, stock, strict=True):
        assert np.array_equal(rle.to_mask(), mask)
        assert rle.counts == coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


@pytest.mark.parametrize("paste", list(PASTE_LAWS))
def test_undecided_pixels_go_to_the_law(paste, monkeypatch):
    asked = []
    law = PASTE_LAWS[paste]
    real = law.decide
    monkeypatch.setattr(law, "decide", lambda *args: asked.append(1) or real(*args))
    flat = np.full((1, 28, 28), 0.5, np.float32)
    box = np.array([[10, 10, 200, 150]], np.float32)
    ours = paste_masks(flat, box, (300, 400), 0.5, paste)
    assert asked
    assert np.array_equal(ours[0].to_mask(), STOCK[paste](flat, box, (300, 400), 0.5)[0])


@pytest.mark.parametrize("paste", list(PASTE_LAWS))
def test_most_pixels_are_decided_without_the_law(paste, monkeypatch):
    asked = []
    law = PASTE_LAWS[paste]
    real = law.decide
    monkeypatch.setattr(law, "decide", lambda *args: asked.append(len(args[3])) or real(*args))
    masks = paste_masks(make_mask_probs(100), make_boxes(100, (600, 800)), (600, 800), 0.5, paste)
    assert sum(asked) < 2e-4 * sum(mask.area for mask in masks)


@pytest.mark.parametrize("paste", list(PASTE_LAWS))
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
def test_have_pixels_says_what_the_areas_say(threshold, paste):
    rng = np.random.default_rng(3)
    # Weak and narrow peaks on small and large boxes: some reach over the threshold, and over no pixel.
    probs = np.concatenate([make_mask_probs(40), rng.random((60, 28, 28)).astype(np.float32) ** 8])
    probs[::3] *= 0.55
    boxes = make_boxes(100, (200, 300))
    boxes[::2, 2:] = np.minimum(boxes[::2, :2] + 9, (300, 200))
    boxes[50:, 2:] = np.minimum(boxes[50:, 2:], boxes[50:, :2] + 14)
    areas = [rle.area for rle in paste_masks(probs, boxes, (200, 300), threshold, paste)]
    assert have_pixels(probs, boxes, (200, 300), threshold, paste).tolist() == [area > 0 for area in areas]
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
