"""What a microscope's file holds once it is read, what of it is refused, and the OME-TIFF made of it.

A file says how large its picture is before anything of it is decoded. Nothing is believed: the room is
bounded first, by the limits of images and by the file's own bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import numpy.typing as npt

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.safe_xml import is_safe_xml
from maskrcnn_core.images.tiff import Unreadable

__all__ = ["Bounds", "Channel", "Planes", "first_of", "ome_tiff", "xml_of"]

_MAX_PLANES = 2**16  # as of any stack
_MAX_CHANNELS = 64
_MAX_BYTES = 2**30  # as of any file of an image
_FREE_BYTES = 64 * 2**20
_MOST_TIMES = 200  # what a file may grow beyond them: as lossless codecs make empty slices shrink
_MAX_XML = 2**25
_LONGEST_NAME = 100
_FROM_FIJI = "save what you need of it as OME-TIFF, for instance in Fiji"


@dataclass(frozen=True)
class Channel:
    """A channel of a file.

    Args:
        name: as the file calls it; may be empty.
        color: red, green and blue as one number, or ``None``.
    """

    name: str = ""
    color: int | None = None


@dataclass(frozen=True, eq=False)
class Planes:
    """The stack in a file.

    Args:
        values: ``[T, Z, C, H, W]``, or ``[T, Z, C, H, W, 3]`` for RGB, little-endian.
        channels: as many as are told of.
        pixel: width and height of a pixel, ``None`` where nobody says so.
        step: from slice to slice, or ``None``.
        unit: of these lengths, as OME writes it.
        notes: what a person should know of it, each a short clause.
    """

    values: npt.NDArray[Any]
    channels: Sequence[Channel] = ()
    pixel: tuple[float, float] | None = None
    step: float | None = None
    unit: str = "µm"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bounds:
    """How much a file may claim to hold.

    Args:
        max_pixels: of a plane.
        file_bytes: how long the file is.
    """

    max_pixels: int
    file_bytes: int

    def check(self, shape: Sequence[int], itemsize: int) -> None:
        """Refuse a stack ``[T, Z, C, H, W]`` or ``[T, Z, C, H, W, samples]`` before there is room for it.

        Raises:
            Unreadable: with what was found.
        """
        pages, slices, channels, height, width = shape[:5]
        if min(shape) < 1:
            raise Unreadable(f"expected planes of at least 1 x 1 pixels, got {width:,} x {height:,}")
        if height * width > self.max_pixels:
            raise Unreadable(
                f"expected planes of at most {self.max_pixels / 1e6:g} megapixels, got {width:,} x "
                f"{height:,} pixels; {_FROM_FIJI}, or raise the setting MASKDESK_MAX_MEGAPIXELS"
            )
        if channels > _MAX_CHANNELS or pages * slices * channels > _MAX_PLANES:
            raise Unreadable(
                f"expected at most {_MAX_CHANNELS} channels and {_MAX_PLANES:,} planes, got {channels:,} and "
                f"{pages * slices * channels:,}; {_FROM_FIJI}"
            )
        size = math.prod(shape) * itemsize
        if size > _MAX_BYTES:
            raise Unreadable(
                f"expected a stack of at most {_MAX_BYTES / 2**30:g} GiB, got {size / 2**30:,.1f} GiB; "
                f"{_FROM_FIJI}"
            )
        if size > _FREE_BYTES + _MOST_TIMES * self.file_bytes:
            raise Unreadable(
                f"expected no more than a file of {self.file_bytes / 1e6:,.1f} MB can hold, got a stack of "
                f"{size / 1e6:,.0f} MB; copy it from its source again"
            )


def first_of(count: int, things: str) -> tuple[str, ...]:
    """Return what is noted of ``count`` things of which the first is read; nothing if it is the only one."""
    return (f"first of {count:,} {things}",) if count > 1 else ()


def xml_of(text: str) -> ElementTree.Element:
    """Return the root of an XML text that a file holds.

    Raises:
        Unreadable: if it is too long, or defines what would have to be expanded.
        ElementTree.ParseError: if it is none.
    """
    if len(text) > _MAX_XML or not is_safe_xml(text):
        raise Unreadable("expected XML of usual length without definitions, got other XML; copy it again")
    return ElementTree.fromstring(text)


def ome_tiff(planes: Planes) -> bytes:
    """Return an uncompressed OME-TIFF of a stack."""
    import tifffile  # takes a tenth of a second, which the command line's help does without

    values = planes.values
    is_rgb = values.ndim == 6
    metadata: dict[str, Any] = {"axes": "TZCYXS" if is_rgb else "TZCYX"}
    if planes.pixel is not None and all(_is_length(side) for side in planes.pixel):
        for axis, side in zip("XY", planes.pixel, strict=True):
            metadata |= {f"PhysicalSize{axis}": side, f"PhysicalSize{axis}Unit": planes.unit}
    if planes.step is not None and _is_length(planes.step):
        metadata |= {"PhysicalSizeZ": planes.step, "PhysicalSizeZUnit": planes.unit}
    known = [*planes.channels, *[Channel()] * values.shape[2]][: values.shape[2]]
    if not is_rgb:
        # OME's colours are RGBA in a signed number of 32 bits; 255, black, says none
        colors = [((0 if one.color is None else one.color) << 8 | 0xFF) for one in known]
        metadata["Channel"] = {
            "Name": [_name(one.name) for one in known],
            "Color": [color - 2**32 if color >= 2**31 else color for color in colors],
        }
    out = BytesIO()
    tifffile.imwrite(
        out,
        values,
        ome=True,
        metadata=metadata,
        photometric="rgb" if is_rgb else "minisblack",
        software=False,
    )
    return out.getvalue()


def _is_length(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _name(text: str) -> str:
    # XML knows no other control characters, and Python's writer would put them in
    return "".join(sign for sign in one_line(text.strip()) if sign.isprintable())[:_LONGEST_NAME]
