import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms

from maskrcnn_core.detection import suppression
from maskrcnn_core.detection.suppression import suppress


def make_crowd(n, labels, seed, step=None):
    """Boxes that overlap much; with a step, on a grid and with scores that repeat."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(0, 40 * np.sqrt(n), (n, 2))
    half = rng.uniform(5, 60, (n, 2))
    boxes = np.concatenate([middle - half, middle + half], axis=1).clip(0)
    scores = rng.uniform(0.05, 1, n)
    if step:
        boxes, scores = np.round(boxes / step) * step, np.round(scores, 1)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 0.5)
    return boxes.astype(np.float32), scores.astype(np.float32), rng.integers(1, labels + 1, n)


def ask_torchvision(boxes, scores, labels, iou_threshold):
    return batched_nms(*map(torch.from_numpy, (boxes, scores, labels)), iou_threshold).tolist()


@pytest.mark.parametrize(
    "n", [0, 1, 2, 60, 999, 1000, 1001, 2500]
)  # torchvision takes another way above 1,000
@pytest.mark.parametrize("labels", [1, 7, 80])
@pytest.mark.parametrize("step", [None, 8])  # on a grid many IoUs are the same simple fractions
def test_what_is_left_is_what_torchvision_leaves(n, labels, step):
    for seed in range(3):
        crowd = make_crowd(n, labels, seed, step)
        for iou_threshold in (0.0, 0.3, 1 / 3, 0.5, 0.7, 1.0):
            assert suppress(*crowd, iou_threshold).tolist() == ask_torchvision(*crowd, iou_threshold)


def test_an_iou_at_the_threshold_is_left_to_torchvision(monkeypatch):
    asked = []
    real = suppression._suppress_with_torchvision
    monkeypatch.setattr(
        suppression, "_suppress_with_torchvision", lambda *args: asked.append(1) or real(*args)
    )
    boxes = np.array([[0, 0, 2, 3], [0, 1, 2, 4]], np.float32)  # IoU 1/2
    for iou_threshold in (0.5, 0.4, 0.6):
        kept = suppress(boxes, np.array([0.9, 0.8], np.float32), np.array([1, 1]), iou_threshold)
        assert kept.tolist() == ([0] if iou_threshold == 0.4 else [0, 1])
    assert len(asked) == 1


def test_most_crowds_are_decided_without_torchvision(monkeypatch):
    asked = []
    real = suppression._suppress_with_torchvision
    monkeypatch.setattr(
        suppression, "_suppress_with_torchvision", lambda *args: asked.append(1) or real(*args)
    )
    for seed in range(20):
        suppress(*make_crowd(1500, 20, seed), 0.5)
    assert len(asked) < 6
