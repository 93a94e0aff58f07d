"""Sizes, shapes and intensities of objects, each measured by skimage.regionprops on its own mask.

Objects may overlap: each has all of its pixels. Lengths are in pixels, and in micrometres where the size of a
pixel is known. The perimeter is Crofton's (from counts of crossings in four directions), as the length along
the border's pixels makes a disc 5 % too long. Circularity, 4 pi area / perimeter^2, is then 1 for a disc to
some percent, and less for all else; below some 30 pixels of area it says little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.errors import ExportError
from maskrcnn_core.measuring.values import Values
from maskrcnn_core.microscopy.facts import PixelSize

__all__ = ["INTENSITIES", "SHAPES", "Measured", "measure"]

SHAPES = (
    "area_px",
    "area_um2",
    "perimeter_px",
    "perimeter_um",
    "circularity",
    "eccentricity",
    "solidity",
    "major_axis_px",
    "minor_axis_px",
    "centroid_x",
    "centroid_y",
)
"""What is measured of a mask, in the table's order."""

INTENSITIES = ("mean", "min", "max", "std", "total")
"""What is measured of a channel within a mask, in the table's order."""


@dataclass(frozen=True)
class Measured:
    """One object.

    Args:
        shape: by names of :data:`SHAPES`; ``None`` for micrometres where the size of a pixel is unknown, and
            for what a mask of a few pixels in a line does not have.
        intensities: by channel, each by names of :data:`INTENSITIES`.
    """

    shape: Mapping[str, float | None]
    intensities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def measure(instances: Sequence[Instance], values: Values, pixel: PixelSize | None = None) -> list[Measured]:
    """Measure each object of an image.

    Args:
        instances: with masks of the image's size, each of a pixel or more.
        values: of the image.
        pixel: how large a pixel is, instead of what the image's metadata say.

    Raises:
        ExportError: if scikit-image is not installed.
    """
    try:
        from skimage.measure import regionprops
    except ImportError as error:
        raise ExportError(
            'measurements need scikit-image, which is not installed: pip install "maskdesk[measure]"'
        ) from error
    size = pixel or values.pixel
    found = []
    for instance in instances:
        x, y, width, height = instance.box_xywh
        mask = instance.mask.crop()
        (region,) = regionprops(mask.astype(np.uint8))  # type: ignore[no-untyped-call]
        inside = {
            name: plane[y : y + height, x : x + width][mask].astype(np.float64)
            for name, plane in values.channels
        }
        found.append(Measured(_shape(region, (x, y), size), {n: _intensity(v) for n, v in inside.items()}))
    return found


def _shape(region: Any, corner: tuple[int, int], pixel: PixelSize | None) -> dict[str, float | None]:
    area, perimeter = float(region.area), float(region.perimeter_crofton)
    is_square = pixel is not None and math.isclose(pixel.x, pixel.y, rel_tol=1e-3)
    row, column = region.centroid
    return {
        "area_px": area,
        "area_um2": None if pixel is None else area * pixel.area,
        "perimeter_px": perimeter,
        "perimeter_um": perimeter * pixel.x if pixel is not None and is_square else None,
        "circularity": 4 * math.pi * area / perimeter**2 if perimeter > 0 else None,
        "eccentricity": float(region.eccentricity),
        "solidity": float(region.solidity) if min(region.image.shape) > 2 else None,  # needs a convex hull
        "major_axis_px": float(region.axis_major_length),
        "minor_axis_px": float(region.axis_minor_length),
        "centroid_x": corner[0] + float(column),
        "centroid_y": corner[1] + float(row),
    }


def _intensity(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    return {
        "mean": float(values.mean()),
        "min": float(values.min()),
        "max": float(values.max()),
        "std": float(values.std()),
        "total": float(values.sum()),
    }
