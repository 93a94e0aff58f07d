"""What the metadata of a microscope's TIFF say: how large a pixel is, the channels' names and colours.

Follows OME-TIFF (https://docs.openmicroscopy.org/ome-model/), what Fiji writes into the first page's
description, and TIFF 6.0 for the resolution.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.safe_xml import is_safe_xml

__all__ = ["Channel", "Facts", "PixelSize", "facts_of", "micrometres_in"]

_MICROMETRES = {
    "m": 1e6,
    "dm": 1e5,
    "cm": 1e4,
    "mm": 1e3,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "å": 1e-4,
    "pm": 1e-6,
    "in": 25_400.0,
    "inch": 25_400.0,
    "centimeter": 1e4,
    "millimeter": 1e3,
    "nanometer": 1e-3,
}
_LEAST, _MOST = 1e-6, 1e6  # micrometres a pixel: from a picometre to a metre
_LARGEST_BY_TAGS = 20.0
"""Micrometres: the resolution of a TIFF without other words is a printer's or screen's unless it is finer."""
_LONGEST_NAME = 100


@dataclass(frozen=True)
class PixelSize:
    """How large a pixel is.

    Args:
        x, y: its width and height in micrometres.
        source: who says so, for people.
    """

    x: float
    y: float
    source: str = ""

    @property
    def area(self) -> float:
        """Square micrometres of a pixel."""
        return self.x * self.y

    @property
    def text(self) -> str:
        """For people, such as ``0.325 µm``."""
        if math.isclose(self.x, self.y, rel_tol=1e-6):
            return f"{self.x:.6g} µm"
        return f"{self.x:.6g} x {self.y:.6g} µm"


@dataclass(frozen=True)
class Channel:
    """A channel of a stack.

    Args:
        name: as the file calls it; ``channel 1`` where it has no name.
        color: ``#rrggbb``, or empty where the file says none.
    """

    name: str
    color: str = ""


@dataclass(frozen=True)
class Facts:
    """What metadata say of a stack.

    Args:
        pixel: how large a pixel is, or ``None`` where nobody says so.
        slice_step: micrometres from slice to slice, or ``None``.
        channels: as many as are named or coloured; may be fewer or more than there are.
    """

    pixel: PixelSize | None = None
    slice_step: float | None = None
    channels: tuple[Channel, ...] = ()


def micrometres_in(unit: str) -> float | None:
    """Return the micrometres in a unit of length by its name; ``None`` if it is no such name."""
    name = unit.strip().replace("\\u00B5", "u").casefold()  # which makes one sign of the two for micro
    return _MICROMETRES.get(name.replace("\N{GREEK SMALL LETTER MU}", "u"))


def facts_of(tiff: Any) -> Facts:
    """Return the facts of an open :class:`tifffile.TiffFile`."""
    if tiff.is_ome and tiff.ome_metadata:
        found = _of_ome(str(tiff.ome_metadata))
    elif tiff.is_imagej:
        found = _of_imagej(tiff)
    else:
        found = Facts()
    if found.pixel is None and not tiff.is_imagej and (pixel := _of_tags(tiff.pages[0])) is not None:
        found = Facts(pixel, found.slice_step, found.channels)
    return found


# -- OME --------------------------------------------------------------------------------------------


def _of_ome(text: str) -> Facts:
    if not is_safe_xml(text):
        return Facts()
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return Facts()
    pixels = next((one for one in root.iter() if one.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return Facts()
    x, y, z = (_ome_length(pixels.attrib, f"PhysicalSize{axis}") for axis in "XYZ")
    found = [one for one in pixels if one.tag.rpartition("}")[2] == "Channel"]
    # A channel of several samples is RGB, which has colours of its own.
    named = tuple(
        Channel(_name(one.get("Name")), _ome_color(one.get("Color")))
        for one in found
        if one.get("SamplesPerPixel", "1") == "1"
    )
    return Facts(_pixel(x, y, "OME metadata"), z, named if len(named) == len(found) else ())


def _ome_length(attributes: Mapping[str, str], name: str) -> float | None:
    unit = micrometres_in(attributes.get(f"{name}Unit", "µm"))
    value = _float(attributes.get(name))
    return None if unit is None or value is None else _checked(value * unit)


def _ome_color(text: str | None) -> str:
    """Return a colour that OME writes as a signed number of 32 bits, RGBA."""
    try:
        value = int(text or "") & 0xFFFFFFFF
    except ValueError:
        return ""
    color = f"#{value >> 8:06x}"
    return "" if color == "#000000" else color


# -- ImageJ -----------------------------------------------------------------------------------------


def _of_imagej(tiff: Any) -> Facts:
    said: Mapping[str, Any] = tiff.imagej_metadata or {}
    unit = micrometres_in(str(said.get("unit", "")))
    pixel = None
    if unit is not None:
        x, y = (_per_unit(tiff.pages[0].tags.valueof(tag)) for tag in (282, 283))
        pixel = _pixel(_scaled(x, unit), _scaled(y, unit), "ImageJ metadata")
    spacing = _float(said.get("spacing"))
    step = None if unit is None or spacing is None else _checked(abs(spacing) * unit)
    luts = said.get("LUTs")
    colors = [_lut_color(lut) for lut in luts] if isinstance(luts, list) else []
    return Facts(pixel, step, tuple(Channel("", color) for color in colors[:64]))


def _lut_color(lut: Any) -> str:
    """Return the colour at the bright end of a look-up table, uint8 ``[3, 256]``."""
    if getattr(lut, "shape", None) != (3, 256):
        return ""
    red, green, blue = (int(value) for value in lut[:, -1])
    color = f"#{red:02x}{green:02x}{blue:02x}"
    return "" if color == "#000000" else color


# -- TIFF -------------------------------------------------------------------------------------------


def _of_tags(page: Any) -> PixelSize | None:
    """Return the pixel size by the resolution, where it is far finer than that of printers and screens."""
    unit = {2: 25_400.0, 3: 1e4}.get(_int(page.tags.valueof(296)))
    if unit is None:
        return None
    x, y = (_scaled(_per_unit(page.tags.valueof(tag)), unit) for tag in (282, 283))
    pixel = _pixel(x, y, "the TIFF's resolution")
    return None if pixel is None or max(pixel.x, pixel.y) > _LARGEST_BY_TAGS else pixel


def _per_unit(value: Any) -> float | None:
    """Return the unit's share that a pixel has, of a resolution that TIFF keeps as a fraction."""
    if not (isinstance(value, tuple) and len(value) == 2):
        return None
    above, below = (_float(number) for number in value)
    return None if not above or not below else below / above


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else _checked(value * unit)


def _pixel(x: float | None, y: float | None, source: str) -> PixelSize | None:
    return None if x is None or y is None else PixelSize(x, y, source)


def _checked(value: float) -> float | None:
    return value if math.isfinite(value) and _LEAST <= value <= _MOST else None


def _float(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _int(value: Any) -> int:
    return int(value) if isinstance(value, int) else 0


def _name(text: str | None) -> str:
    return one_line(re.sub(r"\s+", " ", text or "").strip())[:_LONGEST_NAME]
