"""Small builders with defaults, for tests of the core."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import Candidates, Detections
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.models.spec import LoadedModel


def make_mask(seed: int, height: int = 30, width: int = 40, share: float = 0.4) -> np.ndarray:
    """A bool mask of blobs with holes and several parts."""
    field = np.random.default_rng(seed).normal(size=(height, width))
    for _ in range(seed % 5):
        field = sum(np.roll(field, s, a) for s in (-1, 1) for a in (0, 1)) + field
    return field > np.quantile(field, 1 - share)


def disc(height: int, width: int, y: float, x: float, radius: float, hole: float = 0) -> Rle:
    """A disc, or a ring where there is a hole."""
    yy, xx = np.ogrid[:height, :width]
    distance = np.hypot(yy - y, xx - x)
    return Rle.from_mask((distance < radius) & (distance >= hole))


def make_mask_probs(n: int, size: int = 28, seed: int = 0) -> np.ndarray:
    """Soft discs with noise, float32 [N, M, M]: what mask heads give."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:size, :size] / max(size - 1, 1)
    probs = []
    for _ in range(n):
        distance = np.hypot(yy - rng.uniform(0.3, 0.7), (xx - rng.uniform(0.3, 0.7)) * rng.uniform(0.6, 1.6))
        edge = 1 / (1 + np.exp((distance - rng.uniform(0.15, 0.45)) * rng.uniform(8, 60)))
        probs.append(edge + rng.normal(0, 0.02, (size, size)))
    return np.clip(np.reshape(probs, (n, size, size)), 0, 1).astype(np.float32)


def make_boxes(n: int, image_size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Boxes inside an image, float32 [N, 4]; some touch its border."""
    rng = np.random.default_rng(seed)
    height, width = image_size
    x = np.sort(rng.uniform(0, width, (n, 2)), axis=1)
    y = np.sort(rng.uniform(0, height, (n, 2)), axis=1)
    boxes = np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1).astype(np.float32)
    if n:
        boxes[0] = (0, 0, width, height)
    return boxes


def make_detections(n: int = 2, image_size: tuple[int, int] = (60, 90), seed: int = 0) -> Detections:
    scores = np.sort(np.random.default_rng(seed).uniform(0.1, 1, n).astype(np.float32))[::-1].copy()
    labels = np.arange(n, dtype=np.int64) % 3 + 1
    rows = np.arange(n, dtype=np.int64)
    return Detections(
        make_boxes(n, image_size, seed), labels, scores, make_mask_probs(n, seed=seed), rows, image_size
    )


def make_candidates(n: int = 500, seed: int = 0, input_size: tuple[int, int] = (400, 600)) -> Candidates:
    """Crowded boxes of few labels: many overlap, some share a score."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform((0, 0), input_size[::-1], (max(n // 12, 1), 2))
    middle = centres[rng.integers(len(centres), size=n)] + rng.normal(0, 6, (n, 2))
    half = rng.uniform(8, 60, (n, 2))
    corners = np.concatenate([middle - half, middle + half], axis=1)
    limit = np.array([*input_size[::-1], *input_size[::-1]], np.float64)
    boxes = np.clip(corners, 0, limit).astype(np.float32)
    scores = rng.uniform(0.0501, 1, n).astype(np.float32)
    scores[: n // 10] = np.float32(0.5)
    return Candidates(boxes, rng.integers(1, 6, n), scores, input_size, (800, 1300))


def make_network(classes: int = 6, seed: int = 0) -> MaskRCNN:
    """A small-input random Mask R-CNN whose scores spread, in eval mode."""
    torch.manual_seed(seed)
    network = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=classes, min_size=96, max_size=144
    )
    with torch.no_grad():
        network.roi_heads.box_predictor.cls_score.weight.mul_(60)
        network.roi_heads.box_predictor.bbox_pred.weight.mul_(30)
        network.rpn.head.bbox_pred.weight.mul_(10)
        network.roi_heads.mask_predictor.mask_fcn_logits.weight.mul_(30)
    return network.eval()


def make_model(classes: int = 6, seed: int = 0) -> LoadedModel:
    """:func:`make_network` as the model table would give it, categories a, b, c ..."""
    return LoadedModel(
        key="tiny",
        title="Tiny",
        network=make_network(classes, seed),
        label_map=LabelMap.from_names("abcdefgh"[: classes - 1]),
        nms_threshold=0.5,
        mask_size=28,
        digest="0" * 64,
        backbone="ResNet-50-FPN",
        licence="",
        source="random",
    )


def make_image(height: int = 90, width: int = 120, seed: int = 0) -> np.ndarray:
    """Noise with a few flat patches, uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    for _ in range(4):
        y, x = rng.integers(0, height), rng.integers(0, width)
        image[y : y + height // 3, x : x + width // 3] = rng.integers(0, 256, 3)
    return image


def dim_tiff(seed=0, top=235):
    """A 16-bit TIFF that uses little of its range."""
    grey = make_image(60, 80, seed)[:, :, 0].astype(np.uint16) * top // 255
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "TIFF")
    return out.getvalue()
