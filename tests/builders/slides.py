"""Slides that tests write: tifffile and imagecodecs encode them, which MaskDesk's reader has no part of."""

import numpy as np
import tifffile

SVS = "Aperio Image Library v12.0\r\n600x400 [0,0 600x400] (256x256) JPEG/RGB Q=90|AppMag = 20|MPP = 0.5"


def drawn(height, width, seed=0):
    """Draw a smooth picture without two equal places, uint8 ``[H, W, 3]``, that JPEG hardly changes."""
    y, x = np.mgrid[:height, :width]
    phase = seed + 1
    bands = [128 + 100 * np.sin(x / 37 + phase), 128 + 100 * np.cos(y / 29 + phase), 40 + (x + y) / 12 % 170]
    return np.stack(bands, axis=2).clip(0, 255).astype(np.uint8)


def halved(pixels, times=1):
    """Return every second pixel, again and again: which level a window came from can be told exactly."""
    for _ in range(times):
        pixels = np.ascontiguousarray(pixels[::2, ::2])
    return pixels


def write_pyramid(path, levels, *, within=False, description=None, **how):
    """Write levels as pages of falling size, or within the first page (SubIFDs)."""
    how = {"tile": (128, 128), "photometric": "rgb", **how}
    with tifffile.TiffWriter(path, bigtiff=how.pop("bigtiff", False), ome=how.pop("ome", False)) as file:
        first, *others = levels
        extra = {"subifds": len(others)} if within else {}
        file.write(first, description=description, metadata=how.pop("metadata", None), **extra, **how)
        for level in others:
            file.write(level, subfiletype=1, metadata=None, **how)
    return path
