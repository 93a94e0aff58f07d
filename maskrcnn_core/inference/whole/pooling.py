"""RoIAlign on all levels of a pyramid in one call, however many boxes each level gets.

torchvision picks each level's boxes and pools them apart; how many there are has to be known for that. Here
the levels lie side by side in one tensor, as if they were other images of the batch, and each box says in
which it is read. That its coordinates are multiplied by the level's scale before and not inside of RoIAlign
changes no bit: scales are powers of 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torchvision.ops import MultiScaleRoIAlign, roi_align

from maskrcnn_core.networks.maskrcnn2go.network import InclusiveRoIAlign

__all__ = ["Atlas", "Pool", "lay_out", "pool_of"]

_BEYOND = 2
"""Cells that a map goes on behind its end: a box narrower than a cell is read as if it were one wide."""


class Atlas:
    """A pyramid's maps of B images in one tensor, level by level.

    Args:
        maps: float32 ``[L * B, C, H, W]``, where H and W have room for the finest map.
        sizes: ``(height, width)`` of each level's maps.
    """

    def __init__(self, maps: Tensor, sizes: Sequence[tuple[int, int]]) -> None:
        self.maps, self.sizes = maps, tuple(sizes)
        self.images = len(maps) // len(self.sizes)


class Pool(Protocol):
    """Reads boxes from the maps that it names."""

    @property
    def names(self) -> tuple[str, ...]:
        """The maps' names, the finest first."""
        ...

    def __call__(self, atlas: Atlas, boxes: Tensor) -> Tensor:
        """Pool boxes ``[B, N, 4]`` in pixels of the input: float32 ``[B * N, C, size, size]``."""
        ...


def lay_out(maps: Sequence[Tensor]) -> Atlas:
    """Copy maps ``[B, C, h, w]`` of any float type, the finest first, into an atlas."""
    first = maps[0]
    count, channels, height, width = first.shape
    # What lies around the coarser maps is never read, so nobody needs to fill it.
    shape = (len(maps) * count, channels, height + _BEYOND, width + _BEYOND)
    atlas = torch.empty(shape, dtype=torch.float32, device=first.device)
    for level, one in enumerate(maps):
        h, w = one.shape[-2:]
        place = atlas[level * count : (level + 1) * count]
        place[:, :, :h, :w] = one
        place[:, :, h : h + _BEYOND, :w] = one[:, :, -1:]
        place[:, :, : h + _BEYOND, w : w + _BEYOND] = place[:, :, : h + _BEYOND, w - 1 : w]
    return Atlas(atlas, [(one.shape[-2], one.shape[-1]) for one in maps])


def pool_of(module: nn.Module, device: torch.device) -> Pool | None:
    """Return what pools as a network's module does; ``None`` for one whose law is another."""
    if isinstance(module, InclusiveRoIAlign):
        return _Inclusive(module)
    pool: Any = module
    if type(module) is not MultiScaleRoIAlign or pool.sampling_ratio < 1 or pool.scales is None:
        return None
    return _Pyramid(pool, device)


class _Pyramid:
    def __init__(self, pool: MultiScaleRoIAlign, device: torch.device) -> None:
        self.names = tuple(pool.featmap_names)
        self._scales = torch.tensor(pool.scales, device=device)
        self._level_of = pool.map_levels
        self._size, self._samples = pool.output_size[0], pool.sampling_ratio

    def __call__(self, atlas: Atlas, boxes: Tensor) -> Tensor:
        flat = boxes.reshape(-1, 4)
        # Torchvision's mapper takes a box without area for one of no level; such boxes are only placeholders.
        levels = self._level_of([flat])
        placed = flat * self._scales[levels][:, None]
        maps = levels * atlas.images + _owners(boxes)
        rows = torch.cat([maps[:, None].to(placed.dtype), placed], dim=1)
        pooled: Tensor = roi_align(atlas.maps, rows, self._size, 1.0, self._samples)
        pooled *= self._inside(placed, self._limits(atlas)[levels])
        return pooled

    def _limits(self, atlas: Atlas) -> Tensor:
        limits = self._scales.new_empty(len(atlas.sizes), 2)
        for level, (height, width) in enumerate(atlas.sizes):
            limits[level, 0].fill_(width)  # a copy from the processor would have to be waited for
            limits[level, 1].fill_(height)
        return limits

    def _inside(self, placed: Tensor, limits: Tensor) -> Tensor:
        """Return the share of each bin's samples that lie on the map: ``[N, 1, size, size]``.

        Those beyond are 0 to torchvision. Only boxes at the map's end that are narrower than a cell have any,
        and what their other samples read does not depend on the place there: all of it is the last value.
        """
        starts = placed[:, :2]
        bins = ((placed[:, 2:] - starts).clamp(min=1) / self._size)[:, :, None, None]
        number = torch.arange(self._size, device=placed.device)[:, None]
        step = torch.arange(self._samples, device=placed.device)
        places = starts[:, :, None, None] + number * bins + (step + 0.5) * bins / self._samples
        shares = (places <= limits[:, :, None, None]).to(placed.dtype).mean(-1)
        both: Tensor = shares[:, 1, :, None] * shares[:, 0, None, :]
        return both[:, None]


class _Inclusive:
    names = ("0",)

    def __init__(self, pool: InclusiveRoIAlign) -> None:
        self._size, self._scale, self._samples = pool.output_size, 1 / pool.stride, pool.sampling_ratio

    def __call__(self, atlas: Atlas, boxes: Tensor) -> Tensor:
        flat = boxes.reshape(-1, 4).clone()
        flat[:, 2:] -= 1
        rows = torch.cat([_owners(boxes)[:, None].to(flat.dtype), flat], dim=1)
        height, width = atlas.sizes[0]
        maps = atlas.maps[: len(boxes), :, :height, :width]
        pooled: Tensor = roi_align(maps, rows, self._size, self._scale, self._samples)
        return pooled


def _owners(boxes: Tensor) -> Tensor:
    """Return the image of each box: int64 ``[B * N]``."""
    return torch.arange(len(boxes), device=boxes.device)[:, None].expand(boxes.shape[:2]).reshape(-1)
