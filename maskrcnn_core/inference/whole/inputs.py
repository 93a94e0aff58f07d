"""Images to a network's input on the device: bytes go over, everything else is made there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from maskrcnn_core.common.arrays import Pixels

__all__ = ["Inputs", "to_device"]


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the processor's to a device, without waiting for it."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


class Inputs:
    """Makes inputs as torchvision's transform does, and waits for nothing.

    The transform itself copies mean and deviation to the device for each image, and waits for that.

    Args:
        transform: torchvision's own kind.
        device: where inputs are made.
    """

    def __init__(self, transform: GeneralizedRCNNTransform, device: torch.device) -> None:
        self._transform, self._device = transform, device
        self._mean, self._std = (
            torch.tensor(values, device=device)[:, None, None]
            for values in (transform.image_mean, transform.image_std)
        )

    def batch(
        self, images: Sequence[Pixels], padded: tuple[int, int], rows: int
    ) -> tuple[Tensor, list[tuple[int, int]]]:
        """Return ``[rows, 3, H, W]``, the last ones empty, and ``(height, width)`` of each image in it.

        Args:
            images: uint8 ``[H, W, 3]`` RGB.
            padded: height and width of the input.
            rows: at least as many as images.
        """
        batch = torch.zeros(rows, 3, *padded, device=self._device)
        sizes = []
        for row, image in zip(batch, images, strict=False):
            resized = self._resized(image)
            height, width = resized.shape[-2:]
            row[:, :height, :width] = resized
            sizes.append((height, width))
        return batch, sizes

    def _resized(self, image: Pixels) -> Tensor:
        pixels = to_device(torch.from_numpy(np.ascontiguousarray(image)), self._device)
        floats = pixels.permute(2, 0, 1).float().div_(255).sub_(self._mean).div_(self._std)
        resized: Tensor = self._transform.resize(floats)[0]
        return resized
