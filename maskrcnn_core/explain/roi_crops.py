"""What RoIAlign takes of a feature map for one region: the cells, the points between them, and the crop.

RoIAlign (He et al. 2017, section 3) parts a region into S x S bins without rounding anything, reads the map
at a few points within each bin by bilinear interpolation, and averages them. Before it, RoIPool (Girshick
2015) rounded the region and the bins to whole cells, which moves small objects by up to a cell: the
``rounded`` edges show by how much.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torchvision.ops import MultiScaleRoIAlign

from maskrcnn_core.common.arrays import Floats, Pixels
from maskrcnn_core.explain.trace import Trace
from maskrcnn_core.explain.tracing import roi_levels
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.networks.aligned_parts import AlignedRoIAlign
from maskrcnn_core.networks.maskrcnn2go.network import InclusiveRoIAlign
from maskrcnn_core.networks.matterport_parts import CropAndResize

__all__ = ["RoiCrop", "crop_region"]


_MARGIN = 2  # cells around the region


@dataclass(frozen=True, eq=False)
class RoiCrop:
    """One region on its feature map.

    Coordinates are cells of the map: the value of cell (row, column) is read at y = row, x = column.

    Args:
        level: index of the feature map in :attr:`Trace.pyramid`.
        stride: pixels of the input for each cell.
        box: float32 ``[4]``, x1 y1 x2 y2.
        points: float64 ``[S, S, n, m, 2]``, x and y of the points read in each bin.
        crop: float32 ``[C, S, S]``: what the head gets.
        window: float32 ``[C, h, w]``, the map's cells around the region.
        corner: ``(row, column)`` of the window's first cell in the map.
    """

    level: int
    stride: float
    box: npt.NDArray[np.float64]
    points: npt.NDArray[np.float64]
    crop: Floats
    window: Floats
    corner: tuple[int, int]

    @property
    def side(self) -> int:
        """S, the number of bins along each side."""
        return int(self.crop.shape[1])

    @property
    def edges(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """x and y of the bins' edges, S + 1 of each."""
        x1, y1, x2, y2 = self.box
        return np.linspace(x1, x2, self.side + 1), np.linspace(y1, y2, self.side + 1)

    @property
    def rounded(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where RoIPool would have put the bins' edges: whole cells, twice rounded."""
        x1, y1, x2, y2 = np.round(self.box)
        steps = np.arange(self.side + 1) / self.side
        return x1 + np.floor(steps * max(x2 - x1, 1)), y1 + np.floor(steps * max(y2 - y1, 1))


def crop_region(
    predictor: Predictor,
    trace: Trace,
    box: npt.ArrayLike,
    image: Pixels | Callable[[], Pixels] | None = None,
    *,
    head: Literal["box", "mask"] = "box",
) -> RoiCrop:
    """Crop a region as the network does, and say where it reads.

    Args:
        predictor: that the image was traced with.
        trace: of the image.
        box: x1 y1 x2 y2 in pixels of the network's input.
        image: the image, or a way to get it: needed where its feature maps have left the cache.
        head: whose crop: the mask head's is finer.

    Raises:
        InferenceError: if the image is needed and not given.
    """
    features = predictor.features_of(trace.run, image)
    network = predictor.network_for(features)
    pool: MultiScaleRoIAlign = (
        network.roi_heads.box_roi_pool if head == "box" else network.roi_heads.mask_roi_pool
    )
    region = torch.as_tensor(np.asarray(box, np.float32), device=features.device).reshape(1, 4)
    with torch.inference_mode():
        crop = pool(features.maps, [region], [features.input_size])[0]
        names = list(features.maps)
        of_pool = [name for name in names if name in pool.featmap_names]
        at = int(roi_levels(pool, features.maps, region)[0])
        level = names.index(of_pool[at])
        values = features.maps[names[level]][0]
    scale, shift, offset, least = _geometry(pool, at)
    if isinstance(pool, CropAndResize):
        padded = pool.padded_size(features.maps[of_pool[0]])
        reach = pool.reach(region, values, padded, features.input_size)
        corners = reach[0].cpu().numpy().astype(np.float64)
    else:
        corners = region[0].cpu().numpy().astype(np.float64)
        corners[2:] -= shift
        corners = corners * scale - offset
        corners[2:] = np.maximum(corners[2:], corners[:2] + least)
    side = int(crop.shape[-1])
    window, corner = _window(values, corners)
    return RoiCrop(
        level=level,
        stride=1 / scale,
        box=corners,
        points=_points(corners, side, pool.sampling_ratio),
        crop=crop.cpu().numpy(),
        window=window,
        corner=corner,
    )


def _geometry(pool: MultiScaleRoIAlign, at: int) -> tuple[float, float, float, float]:
    """Return cells for each pixel, pixels off the second corner, cells off both, and the least side."""
    if isinstance(pool, InclusiveRoIAlign):
        return 1 / pool.stride, 1.0, 0.0, 1.0
    if isinstance(pool, AlignedRoIAlign):
        return float(pool.scales[at]), 0.0, 0.5, 0.0
    return float(pool.scales[at]), 0.0, 0.0, 1.0


def _points(box: npt.NDArray[np.float64], side: int, sampling_ratio: int) -> npt.NDArray[np.float64]:
    """Spread points evenly in each bin: ``ratio`` along each axis, or one for each cell if it is 0."""
    axes = []
    for low, high in ((box[0], box[2]), (box[1], box[3])):
        step = (high - low) / side
        count = sampling_ratio if sampling_ratio > 0 else max(math.ceil(step), 1)
        within = (np.arange(count) + 0.5) * step / count
        axes.append(low + np.arange(side)[:, None] * step + within)
    xs, ys = axes
    shape = (side, side, ys.shape[1], xs.shape[1])
    return np.stack(
        [np.broadcast_to(xs[None, :, None, :], shape), np.broadcast_to(ys[:, None, :, None], shape)], axis=-1
    )


def _window(values: torch.Tensor, box: npt.NDArray[np.float64]) -> tuple[Floats, tuple[int, int]]:
    _, height, width = values.shape
    left, top = (max(int(np.floor(v)) - _MARGIN, 0) for v in box[:2])
    right = min(int(np.ceil(box[2])) + _MARGIN + 1, width)
    bottom = min(int(np.ceil(box[3])) + _MARGIN + 1, height)
    part: Floats = values[:, top:bottom, left:right].cpu().numpy()
    return part, (top, left)
