"""One image's way through a Mask R-CNN, with all that it leaves on the way: what people learn it from.

The stages are those of the papers: a backbone and its feature pyramid (Lin et al. 2017), a region proposal
network over anchors (Ren et al. 2015, section 3), RoIAlign, the box head and the mask head (He et al. 2017,
section 3). :func:`trace` takes the very steps of :class:`~maskrcnn_core.inference.Predictor`, so that the
detections at the end are its own; the proposal network is followed inside, where torchvision only tells what
is left over.

Coordinates are pixels of the network's input unless said otherwise; :attr:`Stages.to_image` leads back.
Arrays are NumPy's and small: channels of feature maps are kept as pictures of 8 bits, at most
:data:`PICTURE_SIDE` cells long, beside their true range.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image, remove_small_boxes

from maskrcnn_core.detections import Thresholds
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.fates import FATES, Fates, find_suppressors
from maskrcnn_core.features import Features
from maskrcnn_core.forward import (
    ScoredRegions,
    candidates_of,
    resize_and_normalise,
    run_backbone,
    score_regions,
)
from maskrcnn_core.inference import NOT_FINITE, Predictor, Run
from maskrcnn_core.suppression import suppress

__all__ = [
    "PICTURE_SIDE",
    "AnchorLevel",
    "FeatureMap",
    "InputStage",
    "PartTime",
    "Proposals",
    "Regions",
    "Stages",
    "roi_levels",
    "trace",
]

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

PICTURE_SIDE = 160
"""Cells: longer channels of feature maps are averaged down to this for their pictures."""


@dataclass(frozen=True, eq=False)
class InputStage:
    """What the network sees of the image.

    Args:
        image_size: ``(height, width)`` of the image in pixels.
        input_size: likewise of the input, without padding.
        padded_size: likewise with the padding that makes it divisible by the last level's stride.
        mean, std: of the normalisation, for red, green and blue in 0..1.
        values: float32 ``[3, h, w]``, normalised, without padding.
    """

    image_size: tuple[int, int]
    input_size: tuple[int, int]
    padded_size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    values: Floats

    @property
    def scale(self) -> float:
        """Pixels of the input for each pixel of the image, across."""
        return self.input_size[1] / self.image_size[1]


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """One feature map, channel by channel.

    Args:
        name: ``C2`` and so on within the backbone, ``P2`` and so on for what the heads read, by the power of
            two of the stride; the module's name where one level has several.
        module: the backbone's part that gave it, or the key that the network gives the level.
        stride: pixels of the input for each cell, along x.
        size: ``(height, width)`` in cells.
        pictures: uint8 ``[C, h, w]``: 0 for the channel's least value, 255 for its greatest.
        low, high: float32 ``[C]``, the least and greatest value.
        mean: float32 ``[C]``.
        strength: float32 ``[h, w]``, the mean over the channels of the absolute value.
    """

    name: str
    module: str
    stride: float
    size: tuple[int, int]
    pictures: Pixels
    low: Floats
    high: Floats
    mean: Floats
    strength: Floats

    @property
    def channels(self) -> int:
        """How many."""
        return len(self.pictures)

    @property
    def silent(self) -> Ints:
        """The channels that say the same everywhere on this image, ascending."""
        rows: Ints = np.flatnonzero(self.low == self.high)
        return rows

    @property
    def strongest(self) -> Ints:
        """All channels, the one with the widest range first."""
        order: Ints = np.argsort(self.low - self.high, kind="stable")
        return order


@dataclass(frozen=True, eq=False)
class AnchorLevel:
    """The anchors of one level and what the proposal network says of each.

    Args:
        name: of the level's feature map.
        size: ``(height, width)`` of the grid in cells.
        stride: ``(y, x)`` pixels of the input from one cell to the next.
        boxes: float32 ``[h, w, A, 4]``, the anchors; they may reach beyond the input.
        objectness: float32 ``[h, w, A]``, the probability that there is an object.
        refined: float32 ``[h, w, A, 4]``, where the network would move each anchor, not clipped.
    """

    name: str
    size: tuple[int, int]
    stride: tuple[int, int]
    boxes: Floats
    objectness: Floats
    refined: Floats

    @property
    def per_cell(self) -> int:
        """Anchors of one cell."""
        return int(self.boxes.shape[2])

    @property
    def count(self) -> int:
        """Anchors of the level."""
        return int(np.prod(self.boxes.shape[:3]))

    def cell_at(self, x: float, y: float) -> tuple[int, int]:
        """``(row, column)`` of the cell whose anchors are centred nearest to a point."""
        row = min(max(round(y / self.stride[0]), 0), self.size[0] - 1)
        column = min(max(round(x / self.stride[1]), 0), self.size[1] - 1)
        return row, column


@dataclass(frozen=True, eq=False)
class Proposals:
    """The best of all anchors, refined, before and after suppression.

    Args:
        anchors: int64 ``[P]``, which anchor each is: an index through all levels one after another.
        levels: int64 ``[P]``, which level.
        boxes: float32 ``[P, 4]``, refined and clipped to the input.
        scores: float32 ``[P]``, objectness in [0, 1].
        kept: int64 ``[R]``, the rows that go on as regions of interest, by descending score.
        fates: of each row.
        per_level: the most that a level may send, by objectness.
        limit: the most that go on.
        nms_threshold: IoU above which the weaker of two of one level goes.
        least_score: objectness below which none goes on.
    """

    anchors: Ints
    levels: Ints
    boxes: Floats
    scores: Floats
    kept: Ints
    fates: Fates
    per_level: int
    limit: int
    nms_threshold: float
    least_score: float

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of interest and what the box head says of each.

    Args:
        boxes: float32 ``[R, 4]``: the proposals that were kept, in their order.
        objectness: float32 ``[R]``.
        levels: int64 ``[R]``, the feature map that each is cropped from (Lin et al. 2017, equation 1).
        scores: float32 ``[R, C]``, the probability of each class; 0 is the background.
        refined: float32 ``[R, C, 4]``, where each class would move the region, clipped to the input.
        candidates: int64 ``[K]``, the region of each of the run's candidates.
    """

    boxes: Floats
    objectness: Floats
    levels: Ints
    scores: Floats
    refined: Floats
    candidates: Ints


Group = Literal["input", "backbone", "feature pyramid", "RPN", "box head", "mask head"]


@dataclass(frozen=True)
class PartTime:
    """How long a part of the network took for this image.

    Args:
        group: of the model summary.
        name: of the part.
        seconds: measured once, on the wall clock.
    """

    group: Group
    name: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Stages:
    """All stages of one image.

    Args:
        input: what the network saw.
        backbone: feature maps within the backbone, one for each size, the finest first.
        pyramid: the feature maps that the heads read, the finest first.
        anchors: of each level of the pyramid that has some.
        proposals: before and after suppression.
        regions: of interest, scored.
        run: as :class:`Predictor` makes it: candidates, and masks for what it is asked for.
        times: of the parts, in the order in which they ran.
    """

    input: InputStage
    backbone: tuple[FeatureMap, ...]
    pyramid: tuple[FeatureMap, ...]
    anchors: tuple[AnchorLevel, ...]
    proposals: Proposals
    regions: Regions
    run: Run
    times: tuple[PartTime, ...] = field(repr=False)

    @property
    def to_image(self) -> Floats:
        """float32 ``[4]``: what coordinates of a box are multiplied by to be pixels of the image."""
        (height, width), (input_height, input_width) = self.input.image_size, self.input.input_size
        x, y = np.float32(width) / np.float32(input_width), np.float32(height) / np.float32(input_height)
        return np.array([x, y, x, y], np.float32)

    @property
    def all_anchors(self) -> Floats:
        """float32 ``[N, 4]``, the anchors of all levels one after another."""
        return np.concatenate([level.boxes.reshape(-1, 4) for level in self.anchors])

    @property
    def all_refined(self) -> Floats:
        """float32 ``[N, 4]``, the same moved by the proposal network and clipped to the input."""
        boxes = np.concatenate([level.refined.reshape(-1, 4) for level in self.anchors])
        height, width = self.input.input_size
        clipped: Floats = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
        return clipped

    @property
    def all_objectness(self) -> Floats:
        """float32 ``[N]``."""
        return np.concatenate([level.objectness.reshape(-1) for level in self.anchors])


def trace(predictor: Predictor, image: Pixels, thresholds: Thresholds | None = None) -> Stages:
    """Runs the network over an image once and keeps what it leaves on the way.

    Args:
        predictor: whose network it is; it takes on the run, so that masks can be asked of it.
        image: uint8 ``[H, W, 3]`` RGB, upright.
        thresholds: masks are made at once for what these keep, as :meth:`Predictor.run` does; by default the
            model's own thresholds for scores and NMS.

    Raises:
        InferenceError: if the image cannot go through the network, memory does not suffice, or the network
            gives NaN or infinity.
    """
    predictor.check(image)
    try:
        with predictor.at_rest() as network:
            return _trace(
                predictor,
                network,
                image,
                thresholds or Thresholds(predictor.model.score_threshold, predictor.model.nms_threshold),
            )
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise InferenceError(
            f"memory does not suffice to keep the stages of an image of {image.shape[1]} x {image.shape[0]} "
            "pixels; a smaller image or a smaller model will do"
        ) from error


def _trace(predictor: Predictor, network: MaskRCNN, image: Pixels, thresholds: Thresholds) -> Stages:
    clock = _Clock(predictor.device)
    size = image.shape[0], image.shape[1]
    with clock.part("input", "resize and normalise"):
        batch = resize_and_normalise(network, [image], predictor.device)
    with _Watch(network.backbone, clock) as watch:
        maps = run_backbone(network, batch)
    clock.take(watch)
    input_size = batch.image_sizes[0]
    anchors, proposals = _propose(network, batch, maps, clock)
    kept = torch.from_numpy(proposals.boxes[proposals.kept]).to(predictor.device)
    with clock.part("box head", "RoIAlign, box head and predictor"):
        scored = score_regions(network, maps, [kept], [input_size])[0]
    if not (scored.is_finite() and all(bool(torch.isfinite(m.sum())) for m in maps.values())):
        raise InferenceError(NOT_FINITE)
    candidates, sources = candidates_of(scored, input_size, (size[0], size[1]))
    run = Run(candidates, predictor.model.mask_size, predictor.device.type)
    predictor.keep(run, Features.of(maps, batch, 0))
    with clock.part("mask head", "RoIAlign, mask head and predictor"):
        predictor.detections(run, thresholds, image)
    return Stages(
        input=_input_of(network, batch, (size[0], size[1])),
        backbone=_backbone_maps(watch, batch),
        pyramid=tuple(
            _feature_map(_level_name("P", m, batch), str(key), m, batch) for key, m in maps.items()
        ),
        anchors=anchors,
        proposals=proposals,
        regions=_regions(network, maps, kept, proposals, scored, input_size, sources),
        run=run,
        times=tuple(clock.times),
    )


# -- time -------------------------------------------------------------------------------------------


class _Clock:
    """Adds up how long the parts take, in order."""

    def __init__(self, device: torch.device) -> None:
        self.times: list[PartTime] = []
        self._device = device

    def now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    @contextmanager
    def part(self, group: Group, name: str) -> Iterator[None]:
        begin = self.now()
        yield
        self.times.append(PartTime(group, name, self.now() - begin))

    def take(self, watch: _Watch) -> None:
        self.times += watch.times


class _Watch:
    """Looks at what the parts of a backbone give while it runs.

    Only while nothing else uses the network: :meth:`Predictor.at_rest`.
    """

    def __init__(self, backbone: nn.Module, clock: _Clock) -> None:
        body = getattr(backbone, "body", backbone)
        self._body = body
        self._backbone = backbone
        self._clock = clock
        self.outputs: list[tuple[str, Tensor]] = []
        self.times: list[PartTime] = []

    def __enter__(self) -> _Watch:
        self._since = self._clock.now()
        self._handles = [
            module.register_forward_hook(self._note(name)) for name, module in self._body.named_children()
        ]
        return self

    def __exit__(self, *reason: object) -> None:
        for handle in self._handles:
            handle.remove()
        if hasattr(self._backbone, "fpn"):
            self._lap("feature pyramid", "feature pyramid")

    def _note(self, name: str) -> Any:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            self._lap("backbone", name)
            if isinstance(output, Tensor) and output.ndim == 4:
                self.outputs.append((name, output))

        return hook

    def _lap(self, group: Group, name: str) -> None:
        now = self._clock.now()
        self.times.append(PartTime(group, name, now - self._since))
        self._since = now


# -- input and feature maps ------------------------------------------------------------------------------


def _input_of(network: MaskRCNN, batch: ImageList, image_size: tuple[int, int]) -> InputStage:
    height, width = batch.image_sizes[0]
    mean, std = network.transform.image_mean, network.transform.image_std
    return InputStage(
        image_size=image_size,
        input_size=(height, width),
        padded_size=(batch.tensors.shape[2], batch.tensors.shape[3]),
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        std=(float(std[0]), float(std[1]), float(std[2])),
        values=batch.tensors[0, :, :height, :width].cpu().numpy().copy(),
    )


def _backbone_maps(watch: _Watch, batch: ImageList) -> tuple[FeatureMap, ...]:
    """The last output of each size: what the next level, or the pyramid, is made of."""
    last: OrderedDict[tuple[int, ...], tuple[str, Tensor]] = OrderedDict()
    for name, output in watch.outputs:
        last[tuple(output.shape[2:])] = (name, output)
    padded = tuple(batch.tensors.shape[2:])
    return tuple(
        _feature_map(_level_name("C", output, batch), name, output, batch)
        for shape, (name, output) in last.items()
        if shape != padded  # a mere clamp of the input
    )


def _level_name(letter: str, tensor: Tensor, batch: ImageList) -> str:
    return f"{letter}{round(np.log2(_stride(tensor, batch)))}"


def _stride(tensor: Tensor, batch: ImageList) -> float:
    return float(batch.tensors.shape[3] / tensor.shape[3])


def _feature_map(name: str, module: str, tensor: Tensor, batch: ImageList) -> FeatureMap:
    values = tensor[0].float()
    _, height, width = values.shape
    low, high = values.amin((1, 2)), values.amax((1, 2))
    shown = values
    if max(height, width) > PICTURE_SIDE:
        shrink = PICTURE_SIDE / max(height, width)
        shown = F.adaptive_avg_pool2d(values, (max(round(height * shrink), 1), max(round(width * shrink), 1)))
    span = torch.where(high > low, high - low, torch.ones_like(low))
    pictures = ((shown - low[:, None, None]) / span[:, None, None] * 255).round().clamp(0, 255)
    return FeatureMap(
        name=name,
        module=module,
        stride=_stride(tensor, batch),
        size=(height, width),
        pictures=pictures.to(torch.uint8).cpu().numpy(),
        low=low.cpu().numpy(),
        high=high.cpu().numpy(),
        mean=values.mean((1, 2)).cpu().numpy(),
        strength=shown.abs().mean(0).cpu().numpy(),
    )


# -- proposals ------------------------------------------------------------------------------------------


def _propose(
    network: MaskRCNN, batch: ImageList, maps: OrderedDict[str, Tensor], clock: _Clock
) -> tuple[tuple[AnchorLevel, ...], Proposals]:
    """``RegionProposalNetwork.forward`` and ``filter_proposals``, which keep only what is left over."""
    rpn = network.rpn
    levels = list(maps.values())
    with clock.part("RPN", "objectness and boxes of all anchors"):
        logits, deltas = rpn.head(levels)
    with clock.part("RPN", "best proposals and suppression"):
        anchors = rpn.anchor_generator(batch, levels)[0]
        shapes = [(m.shape[2], m.shape[3], m.shape[1]) for m in logits]
        flat_logits, flat_deltas = concat_box_prediction_layers(list(logits), list(deltas))
        flat_logits = flat_logits.flatten()
        refined = rpn.box_coder.decode(flat_deltas, [anchors]).reshape(-1, 4)
        proposals = _best(network, flat_logits, refined, [h * w * a for h, w, a in shapes], batch)
    probability = flat_logits.sigmoid().cpu().numpy()
    return _anchor_levels(maps, batch, shapes, anchors, probability, refined), proposals


def _best(
    network: MaskRCNN, logits: Tensor, refined: Tensor, counts: list[int], batch: ImageList
) -> Proposals:
    rpn = network.rpn
    chosen, level_of, offset = [], [], 0
    for level, part in enumerate(torch.split(logits, counts)):
        top = part.topk(min(rpn.pre_nms_top_n(), len(part)))[1]
        chosen.append(top + offset)
        level_of.append(torch.full_like(top, level))
        offset += len(part)
    anchors, levels = torch.cat(chosen), torch.cat(level_of)
    boxes = clip_boxes_to_image(refined[anchors], batch.image_sizes[0])
    scores = logits[anchors].sigmoid()
    large = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    large[remove_small_boxes(boxes, rpn.min_size)] = True
    eligible = torch.where(large & (scores >= rpn.score_thresh))[0].cpu().numpy()
    box_array, score_array = boxes.cpu().numpy(), scores.cpu().numpy()
    level_array, is_large = levels.cpu().numpy(), large.cpu().numpy()
    survivors = eligible[
        suppress(box_array[eligible], score_array[eligible], level_array[eligible], rpn.nms_thresh)
    ]
    kept = survivors[: rpn.post_nms_top_n()]
    codes = np.full(len(box_array), FATES.index("low score"), np.int8)
    codes[~is_large] = FATES.index("too small")
    codes[eligible] = FATES.index("suppressed")
    codes[survivors] = FATES.index("beyond limit")
    codes[kept] = FATES.index("kept")
    dropped = np.flatnonzero(codes == FATES.index("suppressed"))
    by, ious = find_suppressors(box_array, score_array, level_array, dropped, survivors, rpn.nms_thresh)
    return Proposals(
        anchors=anchors.cpu().numpy(),
        levels=level_array,
        boxes=box_array,
        scores=score_array,
        kept=kept,
        fates=Fates(codes, by, ious),
        per_level=rpn.pre_nms_top_n(),
        limit=rpn.post_nms_top_n(),
        nms_threshold=float(rpn.nms_thresh),
        least_score=float(rpn.score_thresh),
    )


def _anchor_levels(
    maps: OrderedDict[str, Tensor],
    batch: ImageList,
    shapes: list[tuple[int, int, int]],
    anchors: Tensor,
    objectness: Floats,
    refined: Tensor,
) -> tuple[AnchorLevel, ...]:
    boxes, moved = anchors.cpu().numpy(), refined.cpu().numpy()
    levels, offset = [], 0
    for (height, width, per_cell), tensor in zip(shapes, maps.values(), strict=True):
        count = height * width * per_cell
        part = slice(offset, offset + count)
        grid = height, width, per_cell
        level_boxes = boxes[part].reshape(*grid, 4)
        levels.append(
            AnchorLevel(
                name=_level_name("P", tensor, batch),
                size=(height, width),
                stride=_steps(level_boxes, tensor, batch),
                boxes=level_boxes,
                objectness=objectness[part].reshape(grid),
                refined=moved[part].reshape(*grid, 4),
            )
        )
        offset += count
    return tuple(levels)


def _steps(boxes: Floats, tensor: Tensor, batch: ImageList) -> tuple[int, int]:
    """From one cell's anchors to the next one's, as the generator laid them."""
    height, width = boxes.shape[:2]
    y = boxes[1, 0, 0, 1] - boxes[0, 0, 0, 1] if height > 1 else batch.tensors.shape[2] // tensor.shape[2]
    x = boxes[0, 1, 0, 0] - boxes[0, 0, 0, 0] if width > 1 else batch.tensors.shape[3] // tensor.shape[3]
    return int(y), int(x)


# -- regions ---------------------------------------------------------------------------------------------


def roi_levels(pool: MultiScaleRoIAlign, boxes: Tensor) -> Ints:
    """The level that each region is cropped from, as an index into the pool's levels.

    The larger a region, the coarser its level: ``floor(4 + log2(sqrt(w h) / 224))`` for the stride of 16 and
    up to the ends (Lin et al. 2017, equation 1). A pool that has run knows its levels.
    """
    if len(pool.featmap_names) == 1 or pool.map_levels is None:
        return np.zeros(len(boxes), np.int64)
    levels: Ints = pool.map_levels([boxes]).cpu().numpy().astype(np.int64)
    return levels


def _regions(
    network: MaskRCNN,
    maps: OrderedDict[str, Tensor],
    boxes: Tensor,
    proposals: Proposals,
    scored: ScoredRegions,
    input_size: tuple[int, int],
    sources: Ints,
) -> Regions:
    pool = network.roi_heads.box_roi_pool
    names = list(maps)
    levels = np.array([names.index(name) for name in pool.featmap_names if name in names], np.int64)
    return Regions(
        boxes=boxes.cpu().numpy(),
        objectness=proposals.scores[proposals.kept],
        levels=levels[roi_levels(pool, boxes)],
        scores=scored.scores.cpu().numpy(),
        refined=clip_boxes_to_image(scored.boxes, input_size).cpu().numpy(),
        candidates=sources,
    )
