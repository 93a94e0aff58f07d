"""How a network is shown images: at which scale, and by whose laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torchvision.models.detection import MaskRCNN

from maskrcnn_core.networks.configs import Laws
from maskrcnn_core.networks.laws import laws_of
from maskrcnn_core.networks.pixel_transform import PixelTransform

__all__ = ["View", "view_of"]

Size = tuple[int, int]


@dataclass(frozen=True)
class View:
    """What training has to know of a network's transform.

    Args:
        min_size: the shorter side of the input gets this many pixels,
        max_size: unless the longer one would have more than this.
        laws: whose the network was built by.
        sized: gives an input's ``(height, width)`` for an image's where that is not all that decides;
            None as torchvision decides.
    """

    min_size: int
    max_size: int
    laws: Laws = "torchvision"
    sized: Callable[[Size], Size] | None = None

    def scale(self, size: Size) -> float:
        """Return the scale at which the network is shown an image of ``(height, width)``."""
        if self.sized is not None:
            return max(self.sized(size)) / max(size)
        return min(self.min_size / min(size), self.max_size / max(size))

    def largest(self, size: Size) -> float:
        """Return how far a whole image of ``(height, width)`` may be enlarged: up to the largest input.

        The largest input that the network itself makes has ``min_size * max_size`` pixels; this bounds the
        memory of a step, whatever the images are. It is never less than what the network makes of the image.
        """
        height, width = size
        whole = min(self.max_size / max(size), math.sqrt(self.min_size * self.max_size / (height * width)))
        return whole if self.sized is None else max(whole, self.scale(size))


def view_of(network: MaskRCNN) -> View:
    """Return how a network is shown images."""
    transform = network.transform
    sized = transform.input_size if isinstance(transform, PixelTransform) else None
    return View(transform.min_size[-1], transform.max_size, laws_of(network), sized)
