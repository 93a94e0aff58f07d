"""Runs a network over an image stage by stage, and keeps what each stage made and how long it took."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, concat_box_prediction_layers
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image, remove_small_boxes

from maskrcnn_core.common.arrays import Floats, Ints, Pixels
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.conventions import CONVENTIONS
from maskrcnn_core.detection.suppression import suppress
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.explain.fates import FATES, Fates, find_suppressors
from maskrcnn_core.explain.trace import (
    PICTURE_SIDE,
    AnchorLevel,
    FeatureMap,
    Group,
    InputStage,
    PartTime,
    Proposals,
    Regions,
    Trace,
)
from maskrcnn_core.inference.features import Features
from maskrcnn_core.inference.forward import (
    ScoredRegions,
    candidates_of,
    clip_to_input,
    resize_and_normalise,
    run_backbone,
    score_regions,
)
from maskrcnn_core.inference.predictor import NOT_FINITE, Predictor, Run
from maskrcnn_core.networks.laws import image_corner, laws_of
from maskrcnn_core.networks.matterport_parts import CropAndResize, OverallRPN, clip_places

__all__ = ["roi_levels", "trace_network"]


def trace_network(predictor: Predictor, image: Pixels, thresholds: Thresholds | None = None) -> Trace:
    """Run the network over an image once and keep what it leaves on the way.

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
            f"not enough memory to keep the stages of an image of {image.shape[1]} x {image.shape[0]} "
            "pixels; use a smaller image or model"
        ) from error


def _trace(predictor: Predictor, network: MaskRCNN, image: Pixels, thresholds: Thresholds) -> Trace:
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
    convention = CONVENTIONS[laws_of(network)]
    candidates, sources = candidates_of(scored, input_size, (size[0], size[1]), convention)
    run = Run(candidates, predictor.model.mask_size, predictor.device.type)
    predictor.keep(run, Features.of(maps, batch, 0))
    with clock.part("mask head", "RoIAlign, mask head and predictor"):
        predictor.detections(run, thresholds, image)
    return Trace(
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
    """The times that the parts take, added up in order."""

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
    """A record of what the parts of a backbone give while it runs.

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
    top, left = image_corner(network, _padded_size(batch), (height, width))
    mean, std = network.transform.image_mean, network.transform.image_std
    padding = batch.tensors[0, :, -1, -1].tolist() if _padded_size(batch) != (height, width) else (0, 0, 0)
    return InputStage(
        image_size=image_size,
        input_size=(height, width),
        padded_size=_padded_size(batch),
        corner=(top, left),
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        std=(float(std[0]), float(std[1]), float(std[2])),
        rim=(float(padding[0]), float(padding[1]), float(padding[2])),
        values=batch.tensors[0, :, top : top + height, left : left + width].cpu().numpy().copy(),
    )


def _padded_size(batch: ImageList) -> tuple[int, int]:
    return batch.tensors.shape[2], batch.tensors.shape[3]


def _backbone_maps(watch: _Watch, batch: ImageList) -> tuple[FeatureMap, ...]:
    """Return the last output of each size: what the next level, or the pyramid, is made of."""
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
    """Follow ``RegionProposalNetwork.forward`` and ``filter_proposals``, which keep only the remainder."""
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
    first = image_corner(network, _padded_size(batch), batch.image_sizes[0])
    return _anchor_levels(maps, batch, shapes, anchors, probability, refined, first), proposals


def _best(
    network: MaskRCNN, logits: Tensor, refined: Tensor, counts: list[int], batch: ImageList
) -> Proposals:
    rpn = network.rpn
    is_overall = isinstance(rpn, OverallRPN)
    level_of_all = torch.repeat_interleave(torch.tensor(counts, device=logits.device))
    if is_overall:
        anchors = rpn.best(logits.sigmoid())
        padded, size = _padded_size(batch), batch.image_sizes[0]
        boxes = clip_places(refined[anchors], padded, image_corner(network, padded, size))
    else:
        anchors = _best_of_each(rpn, logits, counts)
        boxes = clip_boxes_to_image(refined[anchors], batch.image_sizes[0])
    scores, levels = logits[anchors].sigmoid(), level_of_all[anchors]
    large = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    large[remove_small_boxes(boxes, rpn.min_size)] = True
    eligible = torch.where(large & (scores >= rpn.score_thresh))[0].cpu().numpy()
    box_array, score_array = boxes.cpu().numpy(), scores.cpu().numpy()
    level_array, is_large = levels.cpu().numpy(), large.cpu().numpy()
    # What suppresses what: boxes of one group, in the sides that the family gives them.
    groups = np.zeros_like(level_array) if is_overall else level_array
    compared = CONVENTIONS[laws_of(network)].compared(box_array)
    survivors = eligible[
        rpn.survivors(boxes[eligible], scores[eligible]).cpu().numpy()
        if is_overall
        else suppress(compared[eligible], score_array[eligible], groups[eligible], rpn.nms_thresh)
    ]
    kept = survivors[: rpn.post_nms_top_n()]
    codes = np.full(len(box_array), FATES.index("low score"), np.int8)
    codes[~is_large] = FATES.index("too small")
    codes[eligible] = FATES.index("suppressed")
    codes[survivors] = FATES.index("beyond limit")
    codes[kept] = FATES.index("kept")
    dropped = np.flatnonzero(codes == FATES.index("suppressed"))
    by, ious = find_suppressors(compared, score_array, groups, dropped, survivors, rpn.nms_thresh)
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
        is_overall=is_overall,
    )


def _best_of_each(rpn: RegionProposalNetwork, logits: Tensor, counts: list[int]) -> Tensor:
    """Return the anchors with the greatest logits of each level, level by level."""
    chosen, offset = [], 0
    for part in torch.split(logits, counts):
        chosen.append(part.topk(min(rpn.pre_nms_top_n(), len(part)))[1] + offset)
        offset += len(part)
    return torch.cat(chosen)


def _anchor_levels(
    maps: OrderedDict[str, Tensor],
    batch: ImageList,
    shapes: list[tuple[int, int, int]],
    anchors: Tensor,
    objectness: Floats,
    refined: Tensor,
    corner: tuple[int, int],
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
                first=(-corner[0], -corner[1]),
                boxes=level_boxes,
                objectness=objectness[part].reshape(grid),
                refined=moved[part].reshape(*grid, 4),
            )
        )
        offset += count
    return tuple(levels)


def _steps(boxes: Floats, tensor: Tensor, batch: ImageList) -> tuple[int, int]:
    """Return the steps from one cell's anchors to the next one's, as the generator placed them."""
    height, width = boxes.shape[:2]
    y = boxes[1, 0, 0, 1] - boxes[0, 0, 0, 1] if height > 1 else batch.tensors.shape[2] // tensor.shape[2]
    x = boxes[0, 1, 0, 0] - boxes[0, 0, 0, 0] if width > 1 else batch.tensors.shape[3] // tensor.shape[3]
    return round(float(y)), round(float(x))


# -- regions ---------------------------------------------------------------------------------------------


def roi_levels(pool: MultiScaleRoIAlign, maps: Mapping[str, Tensor], boxes: Tensor) -> Ints:
    """Return the level that each region is cropped from, as an index into the pool's levels.

    The larger a region, the coarser its level: ``floor(4 + log2(sqrt(w h) / 224))`` for the stride of 16 and
    up to the ends (Lin et al. 2017, equation 1). A pool that has run knows its levels.
    """
    if isinstance(pool, CropAndResize):
        padded = pool.padded_size(maps[pool.featmap_names[0]])
        found: Ints = pool.levels_of(boxes, padded).cpu().numpy()
        return found
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
    convention = CONVENTIONS[laws_of(network)]
    names = list(maps)
    levels = np.array([names.index(name) for name in pool.featmap_names if name in names], np.int64)
    return Regions(
        boxes=boxes.cpu().numpy(),
        objectness=proposals.scores[proposals.kept],
        levels=levels[roi_levels(pool, maps, boxes)],
        scores=scored.scores.cpu().numpy(),
        refined=clip_to_input(scored.boxes, input_size, convention).cpu().numpy(),
        candidates=sources,
    )
