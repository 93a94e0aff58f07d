"""Stacks as microscopes write them: every value says where it is, or nuclei whose places are known."""

from io import BytesIO
from typing import Any

import numpy as np
import tifffile

UM = "µm"


def numbered(pages: int = 3, slices: int = 4, channels: int = 2, size: tuple[int, int] = (24, 32)) -> Any:
    """Return uint16 ``[T, Z, C, H, W]`` in which no two planes share a value."""
    count = pages * slices * channels
    plane = np.arange(size[0] * size[1], dtype=np.uint16).reshape(size) % 500
    starts = 500 * np.random.default_rng(5).permutation(count).astype(np.uint16)
    return starts.reshape(pages, slices, channels, 1, 1) + plane


def tiff(values: Any, **options: Any) -> bytes:
    """Return a TIFF as :func:`tifffile.imwrite` writes it."""
    out = BytesIO()
    tifffile.imwrite(out, values, **options)
    return out.getvalue()


def ome(
    values: Any,
    *,
    names: tuple[str, ...] = (),
    colors: tuple[int, ...] = (),
    pixel: float = 0.0,
    **options: Any,
) -> bytes:
    """Return an OME-TIFF of ``[T, Z, C, H, W]``; ``pixel`` in micrometres, 0 for unsaid."""
    metadata: dict[str, Any] = {"axes": "TZCYX"}
    channel: dict[str, Any] = {}
    if names:
        channel["Name"] = list(names)
    if colors:
        channel["Color"] = list(colors)
    if channel:
        metadata["Channel"] = channel
    if pixel:
        for axis in "XY":
            metadata |= {f"PhysicalSize{axis}": pixel, f"PhysicalSize{axis}Unit": UM}
        metadata |= {"PhysicalSizeZ": 2 * pixel, "PhysicalSizeZUnit": UM}
    return tiff(values, ome=True, metadata=metadata, **options)


def fiji(values: Any, *, pixel: float = 0.0, unit: str = "micron", **options: Any) -> bytes:
    """Return a stack of ``[T, Z, C, H, W]`` as Fiji saves it; ``pixel`` in ``unit``, 0 for unsaid."""
    metadata: dict[str, Any] = {"axes": "TZCYX"}
    if pixel:
        metadata |= {"unit": unit, "spacing": 2 * pixel}
        options["resolution"] = (1 / pixel, 1 / pixel)
    return tiff(values, imagej=True, metadata=metadata, **options)


def nuclei(size: tuple[int, int] = (192, 256)) -> tuple[Any, Any]:
    """Return a stack of nuclei, and which pixel belongs to which.

    Returns:
        uint16 ``[1, 5, 2, H, W]``, 12 bits of it used: in the first channel half of the nuclei are bright in
        the second slice and half in the fourth; in the second channel each has a value of its own, 1000 and
        50 more for each next one, in all slices. And int ``[H, W]``, numbers from 1 on, 0 for the ground.
    """
    height, width = size
    y, x = np.mgrid[:height, :width]
    chance = np.random.default_rng(3)
    labels = np.zeros(size, int)
    values = np.full((1, 5, 2, *size), 60, np.float64)
    places = [(cy, cx) for cy in range(28, height - 20, 44) for cx in range(30, width - 20, 48)]
    for number, (cy, cx) in enumerate(places, start=1):
        a, b = chance.uniform(10, 14, 2)
        distance = np.hypot((y - cy) / a, (x - cx) / b)
        labels[distance <= 1] = number
        glow = 900 / (1 + np.exp(12 * (distance - 1)))
        focus = 1 if number % 2 else 3
        for z in range(5):
            values[0, z, 0] += glow * np.exp(-3 * abs(z - focus))
        values[0, :, 1][:, distance <= 1] = 1000 + 50 * number
    values[:, :, 0] += chance.normal(0, 4, (1, 5, *size))
    return np.clip(values, 0, 4095).astype(np.uint16), labels
