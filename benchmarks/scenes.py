"""What the benchmarks look at: drawn masks and boxes, photos, and networks with and without weights."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.resnet import Bottleneck
from torchvision.ops import FrozenBatchNorm2d

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Candidates
from maskrcnn_core.errors import WeightsError
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.spec import LoadedModel

__all__ = [
    "boxes_of",
    "candidates_of",
    "mask_probs_of",
    "mobile",
    "photo",
    "random_resnet50",
    "shared_file",
    "weights_variable",
]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

_ROOT = Path(__file__).resolve().parents[1]


# --- drawn ------------------------------------------------------------------------------------------


def mask_probs_of(instances: int, size: int = 28, seed: int = 0) -> Floats:
    """Smooth lobed shapes that fill most of their box, as mask heads give them: ``[N, M, M]``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / (size - 1) * 2 - 1
    distance, angle = np.hypot(y, x), np.arctan2(y, x)
    probs = np.empty((instances, size, size), np.float32)
    for i in range(instances):
        reach = rng.uniform(0.6, 0.95)
        outline = sum(
            rng.uniform(0, 0.16) * np.cos(lobes * angle + rng.uniform(0, 2 * np.pi)) for lobes in (2, 3, 4, 5)
        )
        probs[i] = 1 / (1 + np.exp(-(reach * (1 + outline) - distance) * rng.uniform(8, 30)))
    return probs


def boxes_of(instances: int, image_size: tuple[int, int], least: float, most: float, seed: int = 0) -> Floats:
    """Boxes inside an image with sides from ``least`` to ``most`` of its shorter one: ``[N, 4]`` xyxy."""
    rng = np.random.default_rng(seed)
    height, width = image_size
    side = min(height, width) * np.exp(rng.uniform(np.log(least), np.log(most), (instances, 2)))
    top_left = rng.uniform(0, 1, (instances, 2)) * (np.array([width, height]) - side)
    return np.concatenate([top_left, top_left + side], axis=1).astype(np.float32)


def candidates_of(rows: int, seed: int = 0, input_size: tuple[int, int] = (800, 1066)) -> Candidates:
    """A crowded table before suppression: about a dozen overlapping boxes for each object."""
    rng = np.random.default_rng(seed)
    objects = max(rows // 12, 1)
    owner = rng.integers(objects, size=rows)
    centre = rng.uniform((0, 0), input_size[::-1], (objects, 2))[owner] + rng.normal(0, 5, (rows, 2))
    half = np.exp(rng.uniform(np.log(10), np.log(150), (objects, 2)))[owner] * rng.uniform(
        0.8, 1.2, (rows, 2)
    )
    corners = np.concatenate([centre - half, centre + half], axis=1)
    boxes = np.clip(corners, 0, np.array([*input_size[::-1], *input_size[::-1]])).astype(np.float32)
    labels = np.where(rng.random(rows) < 0.7, owner % 80, rng.integers(80, size=rows)) + 1
    scores = (SCORE_FLOOR + 1e-4 + (1 - SCORE_FLOOR - 1e-4) * rng.beta(0.6, 2.5, rows)).astype(np.float32)
    return Candidates(boxes, labels.astype(np.int64), scores, input_size, (3000, 4000))


# --- photos -----------------------------------------------------------------------------------------


def weights_variable() -> dict[str, str]:
    """The variable by which an app finds `mobile`: as it is set, else of the shared folder, or none."""
    weights = os.environ.get("MASKDESK_WEIGHTS") or str(shared_file("weights") or "")
    return {"MASKDESK_WEIGHTS": weights} if weights else {}


def shared_file(*parts: str) -> Path | None:
    """A file of the shared data, which lie under ``$MASKDESK_SHARED`` or beside the repository."""
    file = Path(os.environ.get("MASKDESK_SHARED") or _ROOT.parent / "shared").joinpath(*parts)
    return file if file.exists() else None


def photo(megapixels: float) -> tuple[Pixels, str]:
    """An RGB image of about that size and the words for what it is; drawn where no photos are."""
    file = shared_file("data", "large", "sfscooters_12MP.jpg")
    small = shared_file("data", "coco_val2017", "images", "000000005001.jpg")
    if megapixels < 0.5 and small is not None:
        return read_image(small).pixels, "photo"
    height, width = round(1000 * (megapixels * 3 / 4) ** 0.5), round(1000 * (megapixels * 4 / 3) ** 0.5)
    if file is None:
        return _drawn(height, width), "drawn image"
    pixels = read_image(file).pixels
    if pixels.shape[0] * pixels.shape[1] < 1.1e6 * megapixels:
        return pixels, "photo"
    reduced = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
    return np.array(reduced), "photo, reduced"


def _drawn(height: int, width: int) -> Pixels:
    """Soft blotches of many sizes."""
    rng = np.random.default_rng(0)
    total = np.zeros((height, width, 3), np.float32)
    for cells in (3, 12, 48):
        noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        total += np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))
    return (total / 3).astype(np.uint8)


# --- networks ---------------------------------------------------------------------------------------


@cache
def mobile() -> LoadedModel | None:
    """MaskRCNN2Go with its published weights, or nothing where they are absent."""
    shared = shared_file("weights")
    try:
        return get_model("mobile")
    except WeightsError:
        if shared is None:
            return None
    with patch.dict(os.environ, MASKDESK_WEIGHTS=str(shared)):
        try:
            return get_model("mobile")
        except WeightsError:
            return None


@cache
def random_resnet50(min_size: int = 800, max_size: int = 1333) -> LoadedModel:
    """The architecture of ``coco-v1`` with random weights of one seed, tuned to find about 100.

    Its work is that of the published model, whose weights need not be there; what it finds means
    nothing. The factors were found by trial: they make scores spread as a trained head's do.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = resnet_fpn_backbone(
            backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=5
        )
        network = MaskRCNN(backbone, num_classes=91, min_size=min_size, max_size=max_size)
    _spread(network.eval().requires_grad_(False))
    return LoadedModel(
        key="random-coco-v1",
        title="Mask R-CNN ResNet-50-FPN, random weights",
        network=network,
        label_map=LabelMap.from_names([f"label {label}" for label in range(1, 91)]),
        nms_threshold=0.5,
        mask_size=28,
        digest="0" * 64,
        backbone="ResNet-50-FPN",
        licence="",
        source="random",
    )


def _spread(network: MaskRCNN) -> None:
    heads = network.roi_heads
    for module in network.modules():
        if isinstance(module, Bottleneck):
            module.bn3.weight.fill_(0.25)  # else each of 16 blocks doubles the variance
    network.rpn.head.bbox_pred.weight.mul_(10)
    heads.box_predictor.bbox_pred.weight.mul_(30)
    # One value for the four pixels that a cell becomes: trained masks have no chequerboard.
    upsampling = heads.mask_predictor.conv5_mask.weight
    upsampling.copy_(upsampling.mean(dim=(2, 3), keepdim=True).expand_as(upsampling))
    for layer, factor in ((heads.box_predictor.cls_score, 900), (heads.mask_predictor.mask_fcn_logits, 60)):
        layer.weight.mul_(factor)
        _centre(network, layer)


def _centre(network: MaskRCNN, layer: nn.Module) -> None:
    """Moves a layer's bias so that no label is the likely one everywhere."""
    outputs: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, _inputs, output: outputs.append(output))
    with torch.inference_mode():
        network([torch.from_numpy(_drawn(240, 320)).permute(2, 0, 1).float().div(255)])
    hook.remove()
    every = outputs[0].movedim(1, -1).flatten(0, -2)
    layer.bias.copy_(layer.bias - every.mean(dim=0))
