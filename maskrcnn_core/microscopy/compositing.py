"""Channels to one RGB picture: each between its black and white, in its colour, added up as Fiji does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.bands import BAND_PIXELS
from maskrcnn_core.microscopy.stacks import Plane, Stack
from maskrcnn_core.microscopy.views import Contrast, View

__all__ = ["black_and_white", "compose", "render"]

_SAMPLED = 2**22  # values that percentiles are taken of; from more, every n-th


def render(stack: Stack, view: View) -> npt.NDArray[np.uint8]:
    """Return what a view shows of a stack, uint8 ``[H, W, 3]`` RGB, upright.

    Raises:
        InputError: if there is no such page, slice or channel.
        ImageError: if the file is damaged there, or a value is not finite.
    """
    seen = stack.resolve(view)
    return compose(stack.planes(seen), seen, stack.name)


def compose(planes: Sequence[Plane], view: View, shown: str) -> npt.NDArray[np.uint8]:
    """Return channels as one picture, uint8 ``[H, W, 3]``.

    Args:
        planes: ``[H, W]`` of each of the view's channels.
        view: resolved, so that each channel has a colour and a contrast.
        shown: the file's name for messages.

    Raises:
        ImageError: if a value is not finite.
    """
    height, width = planes[0].shape
    ends = [
        black_and_white(plane, one.contrast or view.contrast, shown)
        for plane, one in zip(planes, view.channels, strict=True)
    ]
    colors = [
        np.array([int(one.color[at : at + 2], 16) for at in (1, 3, 5)], np.float32) for one in view.channels
    ]
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = np.zeros((min(rows, height - top), width, 3), np.float32)
        for plane, (black, white), color in zip(planes, ends, colors, strict=True):
            share = (plane[top : top + rows].astype(np.float64) - black) / (white - black)
            band += np.clip(share, 0, 1).astype(np.float32)[:, :, None] * color
        pixels[top : top + rows] = np.rint(np.minimum(band, 255)).astype(np.uint8)
    return pixels


def black_and_white(plane: Plane, contrast: Contrast, shown: str) -> tuple[float, float]:
    """Return the values of a channel that become black and white; they differ.

    Percentiles that are equal, as a few bright points on even ground have them, give way to the lowest and
    highest value; a channel of one value is black.

    Raises:
        ImageError: if a value is not finite.
    """
    lowest, highest = float(plane.min()), float(plane.max())
    if not math.isfinite(lowest + highest):
        raise ImageError(
            f"{shown}: expected finite values, got NaN or infinity; replace them and save it again"
        )
    low, high = contrast.low, contrast.high
    if contrast.kind == "percent":
        values = plane.reshape(-1)
        sample = values[:: max(1, -(-values.size // _SAMPLED))]
        low, high = (float(value) for value in np.percentile(sample, (low, high)))
        if low == high:
            low, high = (lowest, highest) if contrast.low < contrast.high else (highest, lowest)
    return (low, high) if low != high else (low, low + 1)
