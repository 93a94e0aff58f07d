"""One network at one batch size and precision: what each way takes, and where the GPU's time goes."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.ops import box_iou

from maskrcnn_core.detection.candidates import SCORE_FLOOR, Detections, Thresholds
from maskrcnn_core.inference.engines.half import in_half
from maskrcnn_core.inference.engines.spec import Engine
from maskrcnn_core.inference.engines.table import engine_by_key
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.inference.whole.batches import WholeBatches
from maskrcnn_core.inference.whole.graphs import Graphs
from maskrcnn_core.inference.whole.network_pass import NetworkPass
from maskrcnn_core.inference.whole.pooling import lay_out
from maskrcnn_core.models.spec import LoadedModel

__all__ = [
    "FULL",
    "QUICK",
    "Extent",
    "Sameness",
    "Shares",
    "Ways",
    "compare",
    "cuda_engine",
    "waits_for_nothing",
]

Pixels = npt.NDArray[np.uint8]


_STOCK = Thresholds(SCORE_FLOOR)


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Args:
        sides: of the images and of the network's input.
        regions: of an image that a network looks at.
        thresholds: torchvision's defaults are score 0.05, NMS 0.5, 100 detections.
        in_a_row: batches that follow one another, as in a job.
        rounds: least and most of them.
        seconds: after which no more rounds are begun than the least.
    """

    sides: tuple[int, int] = (800, 1333)
    regions: int = 1000
    thresholds: Thresholds = _STOCK
    in_a_row: int = 4
    rounds: tuple[int, int] = (3, 9)
    seconds: float = 2.0


FULL = Extent()
QUICK = Extent((96, 128), 40, Thresholds(SCORE_FLOOR, max_detections=4), 1, (1, 1), 0)


@dataclass(frozen=True)
class Sameness:
    """How two ways agree, over all images.

    Args:
        detections: of the one.
        matched: share of them that the other has, too.
        box, score: the most that one moved, and changed.
        mask_iou: the least of matched masks.
        typical_box: by how much half of them moved at most.
    """

    detections: int
    matched: float
    box: float
    score: float
    mask_iou: float
    typical_box: float

    @property
    def text(self) -> str:
        """All of it, for a cell."""
        return (
            f"{self.matched:.1%} of {self.detections}; box {self.box:.2g} px, median {self.typical_box:.2g}; "
            f"score {self.score:.2g}; mask IoU {self.mask_iou:.2f}"
        )


@dataclass(frozen=True)
class Shares:
    """Where a batch's time goes.

    Args:
        whole: seconds of the device for a batch's pass.
        after: share of them that is neither convolution nor pooling: selection, suppression, packing.
        is_graph: whether it ran as a CUDA graph.
    """

    whole: float
    after: float
    is_graph: bool


def cuda_engine(model: LoadedModel, image: Pixels, device: torch.device, dtype: torch.dtype) -> Engine:
    """Return the engine ``cuda`` for a model, in a precision, on any device."""
    spec = replace(engine_by_key("cuda"), devices=("cuda", "cpu"))
    return Engine(spec, in_half(model.network, image, device, dtype))


class Ways:
    """Stock, exact and cuda over the same batch, ready to be timed."""

    def __init__(
        self,
        model: LoadedModel,
        images: Sequence[Pixels],
        device: torch.device,
        dtype: torch.dtype,
        extent: Extent = FULL,
    ) -> None:
        self.images, self.device, self.dtype, self.extent = list(images), device, dtype, extent
        self.engine = cuda_engine(model, images[0], device, dtype)
        options = {"batch_size": len(images), "feature_cache_bytes": 0}
        self.exact = Predictor(model, str(device), **options)
        self.cuda = Predictor(model, str(device), engine=self.engine, **options)
        with self.exact.at_rest() as network:
            self._stock = network

    def stock(self) -> None:
        """torchvision's own forward, masks pasted on the device, where they stay."""
        is_half = self.dtype != torch.float32
        lower = torch.autocast(self.device.type, self.dtype) if is_half else contextlib.nullcontext()
        with torch.inference_mode(), lower:
            for _ in range(self.extent.in_a_row):
                given = [torch.from_numpy(image).to(self.device) for image in self.images]
                self._stock([one.permute(2, 0, 1).float() / 255 for one in given])

    def run_exact(self) -> None:
        """MaskDesk step by step, to detections with their masks on the processor."""
        _detect(self.exact, self.images * self.extent.in_a_row, self.extent.thresholds)

    def run_cuda(self) -> None:
        """The engine ``cuda``, to the same."""
        _detect(self.cuda, self.images * self.extent.in_a_row, self.extent.thresholds)

    def milliseconds(self, way: Callable[[], None]) -> float:
        """Return what a way takes for an image: the median of as many rounds as there is time for."""
        least, most = self.extent.rounds
        for _ in range(2 if self.device.type == "cuda" else 0):  # the second one captures graphs
            way()
        taken, start = [], time.perf_counter()
        while len(taken) < least or (len(taken) < most and time.perf_counter() - start < self.extent.seconds):
            _settled(self.device)
            before = time.perf_counter()
            way()
            _settled(self.device)
            taken.append(time.perf_counter() - before)
        return 1e3 * statistics.median(taken) / (self.extent.in_a_row * len(self.images))

    def sameness(self) -> Sameness:
        """Compare what ``cuda`` finds with what ``exact`` finds."""
        found = [way.predict(self.images, self.extent.thresholds) for way in (self.exact, self.cuda)]
        return compare(*found)

    def shares(self) -> Shares | None:
        """Return where the device's time goes; ``None`` where batches go step by step."""
        network = self.cuda._fast
        network_pass = NetworkPass.of(network, self.device)
        if network_pass is None:
            return None
        layout = network_pass.layout(self.extent.thresholds.max_detections, self.cuda.model.mask_size)
        whole = WholeBatches(network_pass, self.device, self.cuda.model.mask_size)
        with torch.inference_mode():
            padded = self.cuda.bucket(self.images[0].shape[:2])
            batch, sizes = whole._inputs.batch(self.images, padded, len(self.images))
            given = (
                batch,
                torch.tensor(sizes, device=self.device).float(),
                torch.tensor([0.05, 0.5]).to(batch),
            )
            regions = _some_regions(len(batch), network.rpn.post_nms_top_n(), padded).to(batch)
            chosen = regions[:, : layout.masks].contiguous()
            graphs = Graphs(self.device)
            of_whole = _device_seconds(
                graphs, "whole", lambda *i: network_pass.run(*i, layout), given, self.device
            )
            of_dense = _device_seconds(
                graphs, "dense", lambda *i: _dense(network_pass, *i), (batch, regions, chosen), self.device
            )
        return Shares(of_whole, max(1 - of_dense / of_whole, 0.0), graphs.captured > 0)


def waits_for_nothing(ways: Ways) -> str:
    """Return what in a batch's way waits for the device; empty where nothing does, or there is no GPU."""
    if ways.device.type != "cuda":
        return ""
    whole = WholeBatches.of(ways.cuda._fast, ways.device, ways.cuda.model.mask_size)
    if whole is None:
        return "it goes step by step"
    whole.graphs.failure = "not wanted here"  # a captured graph could not wait in any case
    whole.send(ways.images, ways.extent.thresholds)
    torch.cuda.synchronize()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        whole.send(ways.images, ways.extent.thresholds)
    except RuntimeError as error:
        return str(error).partition("\n")[0]
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return ""


def compare(exact: Sequence[Detections], other: Sequence[Detections]) -> Sameness:
    """Compare detections of the same images; each has its counterpart of the same label, taken once."""
    total, boxes, scores, ious = 0, [], [], [1.0]
    for mine, theirs in zip(exact, other, strict=True):
        total += len(mine)
        overlap = box_iou(torch.from_numpy(mine.boxes), torch.from_numpy(theirs.boxes)).numpy()
        overlap[mine.labels[:, None] != theirs.labels[None]] = 0
        for row in range(len(mine)):
            if not overlap.shape[1] or (best := int(overlap[row].argmax())) < 0 or overlap[row, best] < 0.5:
                continue
            overlap[:, best] = 0
            boxes.append(float(np.abs(mine.boxes[row] - theirs.boxes[best]).max()))
            scores.append(abs(float(mine.scores[row] - theirs.scores[best])))
            first, second = mine.mask_probs[row] > 0.5, theirs.mask_probs[best] > 0.5
            ious.append(float((first & second).sum() / max((first | second).sum(), 1)))
    if not boxes:
        return Sameness(total, 0.0, 0.0, 0.0, 0.0, 0.0)
    matched = len(boxes) / total
    return Sameness(total, matched, max(boxes), max(scores), min(ious), statistics.median(boxes))


def _detect(predictor: Predictor, images: list[Pixels], thresholds: Thresholds) -> None:
    runs = predictor.run(images, thresholds)
    for run, image in zip(runs, images, strict=True):
        predictor.detections(run, thresholds, image)


def _dense(network_pass: NetworkPass, images: Tensor, regions: Tensor, chosen: Tensor) -> Tensor:
    """Only what is convolved, multiplied and pooled: on the way of any Mask R-CNN, whoever decides."""
    network, heads = network_pass.network, network_pass.network.roi_heads
    maps = network.backbone.in_own_precision(images)
    objectness, _ = network.rpn.head.in_own_precision(list(maps.values()))
    atlas = lay_out([maps[name] for name in network_pass.box_pool.names])
    logits, _ = heads.box_predictor(heads.box_head(network_pass.box_pool(atlas, regions)))
    masks = [
        heads.mask_predictor(heads.mask_head(part)).float().mean()
        for part in network_pass.mask_pool(atlas, chosen).split(1600)
    ]
    return torch.stack([objectness[0].float().mean(), logits.mean(), *masks])


def _some_regions(count: int, number: int, padded: tuple[int, int]) -> Tensor:
    """Boxes of many sizes within an input, ``[B, N, 4]``."""
    generator = torch.Generator().manual_seed(0)
    limits = torch.tensor([padded[1], padded[0]]).float()
    sides = limits * torch.exp(-4 * torch.rand(count, number, 2, generator=generator))
    corners = torch.rand(count, number, 2, generator=generator) * (limits - sides)
    return torch.cat([corners, corners + sides], dim=2)


def _device_seconds(
    graphs: Graphs,
    key: str,
    work: Callable[..., Tensor],
    given: tuple[Tensor, ...],
    device: torch.device,
    rounds: int = 5,
) -> float:
    """Return what the device spends on work: the least of some rounds, after those that capture it."""
    for _ in range(3 if device.type == "cuda" else 0):
        graphs.run(key, work, given)
    taken = []
    for _ in range(rounds if device.type == "cuda" else 1):
        if device.type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            graphs.run(key, work, given)
            end.record()
            end.synchronize()
            taken.append(start.elapsed_time(end) / 1e3)
        else:
            before = time.perf_counter()
            graphs.run(key, work, given)
            taken.append(time.perf_counter() - before)
    return min(taken)


def _settled(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
