"""Samples of a slide to RGB of 8 bits, alike for the whole slide: no tile is lighter than its neighbour.

What :mod:`maskrcnn_core.images.deep` decides for a picture from all of its values is decided here from those
of some windows: which values of 16-bit grey are black and white.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.images.bands import on_white
from maskrcnn_core.images.stretch import Stretch, used_range

__all__ = ["ToRgb", "deep_grey_of"]

_Samples = npt.NDArray[Any]


@dataclass(frozen=True)
class ToRgb:
    """Makes RGB of samples as :func:`maskrcnn_core.slides.codecs.decode_part` gives them.

    Args:
        black, white: values that become 0 and 255.
        is_inverted: the file's zero is white.
        note: what is done, for people; empty where samples stay as they are.
        is_dim: the values use little of their range.
    """

    black: float = 0.0
    white: float = 255.0
    is_inverted: bool = False
    note: str = ""
    is_dim: bool = False

    def __call__(self, samples: _Samples) -> Pixels:
        """Return uint8 ``[h, w, 3]`` of ``[h, w]``, ``[h, w, 3]`` or ``[h, w, 4]`` with opacity."""
        if samples.ndim == 3:
            if samples.shape[2] == 4:
                return on_white(samples[:, :, :3], samples[:, :, 3:])
            return samples
        if samples.dtype != np.uint8 or (self.black, self.white) != (0.0, 255.0):
            scale = 255 / (self.white - self.black)
            scaled = np.rint((samples.astype(np.float32) - np.float32(self.black)) * np.float32(scale))
            samples = np.clip(scaled, 0, 255).astype(np.uint8)
        grey = 255 - samples if self.is_inverted else samples
        return np.repeat(grey[:, :, None], 3, axis=2)


def deep_grey_of(
    windows: Callable[[], Iterable[_Samples]], *, is_inverted: bool, stretch: Stretch = "auto"
) -> ToRgb:
    """Return how 16-bit grey becomes 8-bit grey.

    Args:
        windows: gives samples of some places of the slide.
        is_inverted: its zero is white.
        stretch: ``off`` leaves slides as dark as their depth makes them.
    """
    found = [window for window in windows() if window.size]
    if not found:
        return ToRgb(0.0, 65535.0, is_inverted, "16-bit grey scaled to 8 bit")
    used = used_range(found, sum(window.size for window in found))
    if not used.is_small(0, 65535):
        return ToRgb(0.0, 65535.0, is_inverted, "16-bit grey scaled to 8 bit")
    share = used.share(0, 65535)
    if stretch == "off":
        note = f"16-bit grey scaled to 8 bit, though its values use {share} of the range"
        return ToRgb(0.0, 65535.0, is_inverted, note, is_dim=True)
    note = f"16-bit grey of {used.low:.4g} to {used.high:.4g} ({share} of its range) stretched to 8 bit"
    return ToRgb(used.low, used.high, is_inverted, note, is_dim=True)
