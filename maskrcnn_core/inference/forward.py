"""One way through a Mask R-CNN, in the steps that torchvision's ``forward`` takes without stopping.

``GeneralizedRCNN.forward`` and ``RoIHeads.forward`` are followed call by call, up to the point where they
drop what their thresholds forbid. Whoever wants the whole way, or to look at it, calls these.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import maskrcnn_inference
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import clip_boxes_to_image, remove_small_boxes

from maskrcnn_core.common.arrays import Floats, Ints, Pixels
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Candidates
from maskrcnn_core.detection.conventions import CONVENTIONS, Convention
from maskrcnn_core.detection.runs import Failure
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.inference.features import Features
from maskrcnn_core.networks.centred_transform import CentredTransform
from maskrcnn_core.networks.matterport_parts import clip_places
from maskrcnn_core.networks.pixel_transform import PixelTransform

__all__ = [
    "MASKS_NOT_FINITE",
    "WHOLE_PIXELS",
    "ScoredRegions",
    "candidates_of",
    "clip_to_input",
    "image_to_tensor",
    "make_masks",
    "resize_and_normalise",
    "run_backbone",
    "score_regions",
    "why_unusable",
]

MASKS_NOT_FINITE = "the mask head returned values that are not finite (NaN or infinity)"

WHOLE_PIXELS = 2**24
"""Pixels of images that become floats as a whole: torchvision takes 0.6 GB for as many, on the way."""


@dataclass(frozen=True, eq=False)
class ScoredRegions:
    """What the box head says of R regions of one image, for each of C classes, 0 being the background.

    Args:
        scores: float32 ``[R, C]``, a softmax over the classes.
        boxes: float32 ``[R, C, 4]``, where each class would move the region, in pixels of the input; they may
            reach beyond it.
    """

    scores: Tensor
    boxes: Tensor

    def is_finite(self) -> bool:
        """Return whether there is neither NaN nor infinity in it."""
        return bool(torch.isfinite(self.scores).all()) and bool(torch.isfinite(self.boxes).all())


def image_to_tensor(image: Pixels, device: torch.device) -> Tensor:
    """Return float32 ``[3, H, W]`` in [0, 1], as torchvision's ``to_tensor`` makes it."""
    return torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1).float().div_(255)


def resize_and_normalise(
    network: MaskRCNN, images: Sequence[Pixels], device: torch.device, scale: float = 1.0
) -> ImageList:
    """Return the network's input for images of one size.

    Args:
        images: uint8 ``[H, W, 3]`` RGB.
        scale: of the input's size, relative to the network's own.
    """
    transform = network.transform if scale == 1.0 else _scaled(network.transform, scale)
    if isinstance(transform, PixelTransform):
        return transform.from_pixels(images, device)
    if max(image.shape[0] * image.shape[1] for image in images) <= WHOLE_PIXELS:
        batch: ImageList = transform([image_to_tensor(image, device) for image in images])[0]
        return batch
    resized = [_resized_by_channel(transform, image, device) for image in images]
    sizes = [(image.shape[-2], image.shape[-1]) for image in resized]
    return ImageList(transform.batch_images(resized, size_divisible=transform.size_divisible), sizes)


def _resized_by_channel(transform: GeneralizedRCNNTransform, image: Pixels, device: torch.device) -> Tensor:
    """Return what ``transform`` makes of an image, with only one channel of it as floats at a time.

    It differs by the last bit of a float from all channels at once: torch adds up in another order there.
    """
    channels = []
    for channel, (mean, std) in enumerate(zip(transform.image_mean, transform.image_std, strict=True)):
        plane = torch.from_numpy(np.ascontiguousarray(image[:, :, channel])).to(device)
        floats = plane.float().div_(255).sub_(mean).div_(std)
        channels.append(transform.resize(floats[None])[0][0])
        del plane, floats
    return torch.stack(channels)


def run_backbone(network: MaskRCNN, batch: ImageList) -> OrderedDict[str, Tensor]:
    """Return feature maps of each level, float32 ``[B, C, h, w]``, the finest first."""
    maps = network.backbone(batch.tensors)
    return OrderedDict([("0", maps)]) if isinstance(maps, Tensor) else maps


def score_regions(
    network: MaskRCNN,
    maps: OrderedDict[str, Tensor],
    regions: list[Tensor],
    input_sizes: Sequence[tuple[int, int]],
) -> list[ScoredRegions]:
    """Run the box head over regions of interest.

    Args:
        regions: of each image, float32 ``[R, 4]`` in pixels of the input.
        input_sizes: ``(height, width)`` of each without padding.
    """
    heads = network.roi_heads
    pooled = heads.box_roi_pool(maps, regions, input_sizes)
    logits, regression = heads.box_predictor(heads.box_head(pooled))
    counts = [len(r) for r in regions]
    boxes = heads.box_coder.decode(regression, regions).split(counts)
    scores = logits.softmax(-1).split(counts)
    return [ScoredRegions(s, b) for s, b in zip(scores, boxes, strict=True)]


def candidates_of(
    scored: ScoredRegions,
    input_size: tuple[int, int],
    image_size: tuple[int, int],
    convention: Convention = CONVENTIONS["torchvision"],
) -> tuple[Candidates, Ints]:
    """Return all candidates above the floor, in torchvision's order of rows, and the region of each.

    Returns:
        K candidates, and int64 ``[K]``: indices of regions.
    """
    boxes, scores = clip_to_input(scored.boxes, input_size, convention), scored.scores
    classes = scores.shape[1]
    labels = torch.arange(classes, device=scores.device).expand_as(scores)
    if convention.is_one_category and len(scores):
        scores = torch.where(labels == scores.argmax(1, keepdim=True), scores, 0)
    boxes, scores, labels = boxes[:, 1:].reshape(-1, 4), scores[:, 1:].flatten(), labels[:, 1:].flatten()
    kept = torch.where(scores > SCORE_FLOOR)[0]
    kept = kept[remove_small_boxes(boxes[kept], min_size=convention.least_side)]
    candidates = Candidates(
        boxes[kept].cpu().numpy(),
        labels[kept].cpu().numpy(),
        scores[kept].cpu().numpy(),
        input_size,
        image_size,
        convention.key,
    )
    return candidates, kept.cpu().numpy() // (classes - 1)


def clip_to_input(boxes: Tensor, input_size: tuple[int, int], convention: Convention) -> Tensor:
    """Clip boxes ``[..., 4]`` to the input, ``(height, width)``, as the network's family does."""
    if convention.between_ends:
        return clip_places(boxes, input_size)
    clipped: Tensor = clip_boxes_to_image(boxes, input_size)
    return clipped


def make_masks(
    network: MaskRCNN, features: Features, candidates: Candidates, rows: Ints, device: torch.device
) -> Floats:
    """Return the mask head's probabilities for candidates, each for its own label: float32 ``[N, M, M]``.

    Raises:
        InferenceError: if it gives NaN or infinity.
    """
    heads = network.roi_heads
    boxes = torch.from_numpy(candidates.boxes[rows]).to(device)
    labels = torch.from_numpy(candidates.labels[rows]).to(device)
    pooled = heads.mask_roi_pool(features.maps, [boxes], [features.input_size])
    logits = heads.mask_predictor(heads.mask_head(pooled))
    probs: Floats = maskrcnn_inference(logits, [labels])[0][:, 0].cpu().numpy()
    if not np.isfinite(probs).all():
        raise InferenceError(MASKS_NOT_FINITE)
    return probs


def why_unusable(image: Pixels, network: MaskRCNN) -> Failure | None:
    """Return why an image cannot go through the network at all, or nothing."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image: expected uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    height, width = image.shape[:2]
    transform = network.transform
    scale = min(transform.min_size[-1] / min(height, width), transform.max_size / max(height, width))
    if int(min(height, width) * scale) < 1:
        return Failure(
            f"too thin: {width} x {height} pixels would be less than one across at the network's input size",
            is_final=True,
        )
    return None


def _scaled(transform: GeneralizedRCNNTransform, scale: float) -> GeneralizedRCNNTransform:
    if isinstance(transform, CentredTransform):
        return transform.at(scale)
    smaller = copy.deepcopy(transform)
    smaller.min_size = tuple(max(int(side * scale), 1) for side in transform.min_size)
    smaller.max_size = max(int(transform.max_size * scale), 1)
    return smaller
