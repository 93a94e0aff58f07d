"""Which images may go through a network together: those whose padded inputs have the same size.

torchvision pads the images of a batch to the largest of them, and every convolution sees the padding. An
image that is padded further than alone finds other things near its edges. Images whose own padding ends at
the same sizes get no pixel more than alone.
"""

from __future__ import annotations

import math

from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from maskrcnn_core.networks.centred_transform import CentredTransform
from maskrcnn_core.networks.pixel_transform import PixelTransform

__all__ = ["input_size", "padded_size"]

Size = tuple[int, int]


def input_size(transform: GeneralizedRCNNTransform, image_size: Size) -> Size:
    """Return ``(height, width)`` to which a network's transform resizes an image of a size."""
    if isinstance(transform, PixelTransform):
        return transform.input_size(image_size)
    if transform.fixed_size is not None:
        width, height = transform.fixed_size
        return int(height), int(width)
    # In torchvision's order of operations (`_resize_image_and_masks`): another rounds to other pixels.
    scale = min(transform.min_size[-1] / min(image_size), transform.max_size / max(image_size))
    return int(image_size[0] * scale), int(image_size[1] * scale)


def padded_size(network: MaskRCNN, image_size: Size) -> Size | None:
    """Return ``(height, width)`` of the input that a network makes of one image alone.

    ``None`` for a network that pads around its images: where they lie depends on each one's size.
    """
    transform = network.transform
    if isinstance(transform, CentredTransform):
        return None
    height, width = (
        math.ceil(side / transform.size_divisible) * transform.size_divisible
        for side in input_size(transform, image_size)
    )
    return height, width
