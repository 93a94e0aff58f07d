"""Colour splash: an image in grey but for its objects, as in Matterport's balloon sample."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.geometry.rle import Rle

__all__ = ["color_splash"]


def color_splash(pixels: Pixels, masks: Iterable[Rle]) -> Pixels:
    """Return the image with the pixels of its masks as they are and all others in grey.

    Grey is the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, in the 16-bit fixed point of Pillow's
    mode ``L``. Without masks all is grey, as in the original (*samples/balloon/balloon.py*), which weighs
    with BT.709's figures. Each mask is unpacked on its own box, and marked on one canvas for all.

    Args:
        pixels: uint8 ``[H, W, 3]`` RGB; not changed.
        masks: of this image; they may overlap.

    Returns:
        uint8 ``[H, W, 3]``.

    Raises:
        ValueError: for a mask of an image of another size.
    """
    size = (pixels.shape[0], pixels.shape[1])
    inside = np.zeros(size, np.bool_)
    for mask in masks:
        if mask.size != size:
            raise ValueError(f"masks: expected masks of an image of {size}, got one of {mask.size}")
        x, y, width, height = mask.box_xywh
        inside[y : y + height, x : x + width] |= mask.crop()
    picture = Image.fromarray(pixels)
    splash = picture.convert("L").convert("RGB")
    splash.paste(picture, mask=Image.fromarray(inside))
    return np.array(splash)
