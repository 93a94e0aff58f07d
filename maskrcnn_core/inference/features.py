"""Feature maps of images, kept in a bounded cache for what is asked of them after the run.

The backbone is by far the dearest part of a Mask R-CNN (about nine tenths of a run), and its output depends
on nothing but the image. Masks that were not asked for before, and boxes that people draw, are answered from
it in milliseconds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

import torch
from cachetools import LRUCache
from torch import Tensor
from torchvision.models.detection.image_list import ImageList

__all__ = ["FeatureCache", "Features"]


@dataclass(frozen=True, eq=False)
class Features:
    """One image's feature maps and the size, without padding, of the input that they stand for.

    Args:
        maps: of each pyramid level, float32 ``[1, C, H, W]``.
        input_size: ``(height, width)`` in pixels.
    """

    maps: OrderedDict[str, Tensor]
    input_size: tuple[int, int]

    @classmethod
    def of(cls, maps: OrderedDict[str, Tensor], batch: ImageList, index: int) -> Features:
        """Return one image's part of a batch."""
        height, width = batch.image_sizes[index]
        if len(batch.image_sizes) > 1:  # a mere slice would keep the whole batch's memory
            maps = OrderedDict((k, m[index : index + 1].clone()) for k, m in maps.items())
        return cls(maps, (height, width))

    @property
    def device(self) -> torch.device:
        """Where the maps are."""
        return next(iter(self.maps.values())).device

    @property
    def nbytes(self) -> int:
        """The bytes of memory that the maps take."""
        return sum(m.numel() * m.element_size() for m in self.maps.values())


class FeatureCache:
    """The last used feature maps, up to a number of bytes. Safe to use from several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._entries: LRUCache[Hashable, Features] = LRUCache(max_bytes, getsizeof=lambda one: one.nbytes)
        self._lock = threading.Lock()

    def put(self, key: Hashable, features: Features) -> None:
        """Keep the maps, and let go of those that were not used for the longest time."""
        with self._lock:
            self._entries.pop(key, None)
            if features.nbytes <= self._entries.maxsize:
                self._entries[key] = features

    def get(self, key: Hashable) -> Features | None:
        """Return the maps, if they are still kept."""
        with self._lock:
            return self._entries.get(key)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._entries.clear()
