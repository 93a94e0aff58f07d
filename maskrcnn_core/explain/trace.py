"""One image's way through a Mask R-CNN, with all that it leaves on the way: what people learn it from.

The stages are those of the papers: a backbone and its feature pyramid (Lin et al. 2017), a region proposal
network over anchors (Ren et al. 2015, section 3), RoIAlign, the box head and the mask head (He et al. 2017,
section 3). :func:`~maskrcnn_core.explain.tracing.trace_network` takes the very steps of
:class:`~maskrcnn_core.inference.predictor.Predictor`, so that the detections at the end are its own; the
proposal network is followed inside, where torchvision only tells what is left over.

Coordinates are pixels of the network's input unless said otherwise; :attr:`Trace.to_image` leads back.
Arrays are NumPy's and small: channels of feature maps are kept as pictures of 8 bits, at most
:data:`PICTURE_SIDE` cells long, beside their true range.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from maskrcnn_core.common.arrays import Floats, Ints, Pixels
from maskrcnn_core.detection.conventions import ConventionKey
from maskrcnn_core.explain.fates import Fates
from maskrcnn_core.geometry.boxes import box_scale
from maskrcnn_core.inference.predictor import Run

__all__ = [
    "PICTURE_SIDE",
    "AnchorLevel",
    "FeatureMap",
    "Group",
    "InputStage",
    "PartTime",
    "Proposals",
    "Regions",
    "Trace",
]


PICTURE_SIDE = 160
"""Cells: longer channels of feature maps are averaged down to this for their pictures."""


@dataclass(frozen=True, eq=False)
class InputStage:
    """What the network sees of the image.

    Args:
        image_size: ``(height, width)`` of the image in pixels.
        input_size: likewise of the input, without padding.
        padded_size: likewise with the padding that makes it divisible by the last level's stride.
        corner: row and column of the image's first pixel in the padded input.
        mean, std: of the normalisation, for red, green and blue in 0..1.
        rim: the normalised value of the padding, where there is any, in red, green and blue.
        values: float32 ``[3, h, w]``, normalised, without padding.
    """

    image_size: tuple[int, int]
    input_size: tuple[int, int]
    padded_size: tuple[int, int]
    corner: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    rim: tuple[float, float, float]
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
        """The number of channels."""
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
        first: ``(y, x)``, the point that the first cell's anchors are placed around.
        boxes: float32 ``[h, w, A, 4]``, the anchors; they may reach beyond the input.
        objectness: float32 ``[h, w, A]``, the probability that there is an object.
        refined: float32 ``[h, w, A, 4]``, where the network would move each anchor, not clipped.
    """

    name: str
    size: tuple[int, int]
    stride: tuple[int, int]
    first: tuple[int, int]
    boxes: Floats
    objectness: Floats
    refined: Floats

    @property
    def per_cell(self) -> int:
        """The number of anchors per cell."""
        return int(self.boxes.shape[2])

    @property
    def count(self) -> int:
        """The number of anchors of the level."""
        return int(np.prod(self.boxes.shape[:3]))

    def cell_at(self, x: float, y: float) -> tuple[int, int]:
        """Return ``(row, column)`` of the cell whose anchors are centred nearest to a point."""
        row = min(max(round((y - self.first[0]) / self.stride[0]), 0), self.size[0] - 1)
        column = min(max(round((x - self.first[1]) / self.stride[1]), 0), self.size[1] - 1)
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
        per_level: the most that a level may send, by objectness; where ``is_overall``, all levels together.
        limit: the most that go on.
        nms_threshold: IoU above which the weaker of two of one level goes, or of any two.
        least_score: objectness below which none goes on.
        is_overall: whether the levels are taken together, as Matterport's network does.
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
    is_overall: bool = False

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
class Trace:
    """What one image's run left, stage by stage.

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
    def laws(self) -> ConventionKey:
        """By whose laws the network was built."""
        return self.run.candidates.convention

    @property
    def to_image(self) -> Floats:
        """float32 ``[4]``: what coordinates of a box are multiplied by to be pixels of the image."""
        return box_scale(self.input.input_size, self.input.image_size)

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
