"""A decoded Pillow image of any mode to upright RGB ``uint8 [H, W, 3]``, band by band.

Pixel values stay as stored. Embedded colour profiles are not applied, as detectors are trained on
files read that way; only what cannot be shown otherwise is converted (CMYK by the plain formula, Lab
through sRGB), and then a note says so.

Follows EXIF 2.32 (orientation, tag 0x0112), TIFF 6.0 (photometric interpretation, sample format) and
PNG 1.2 section 4.2.1 (transparency).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from maskrcnn_core.images.bands import Convert, Rgb, band_of, bands_of, on_white, rows_of
from maskrcnn_core.images.deep import deep_color, deep_grey, is_deep_color
from maskrcnn_core.images.formats import EncodedImage
from maskrcnn_core.images.stretch import DecodingNotes, Stretch

__all__ = ["as_stored", "upright_rgb"]


def upright_rgb(
    image: ImageFile.ImageFile, orientation: int, source: EncodedImage, stretch: Stretch = "auto"
) -> tuple[npt.NDArray[np.uint8], DecodingNotes]:
    """Convert a loaded image band by band, straight into its upright place.

    A whole 50 MP image converted at once, laid on white and then turned would exist four times.

    Args:
        image: decoded, in the orientation in which the file stores it.
        orientation: 1..8 of EXIF.
        source: the file it comes from.
        stretch: whether deep pictures that use little of their range are stretched.

    Returns:
        uint8 ``[H, W, 3]``, C-contiguous, and what the conversion did, each a short clause.

    Raises:
        ImageError: for floats that are not finite, or a conversion that Pillow refuses.
    """
    notes = DecodingNotes()
    to_rgb = _converter(image, source, stretch, notes)
    width, height = image.size
    turned = orientation in (5, 6, 7, 8)
    upright = np.empty((width, height, 3) if turned else (height, width, 3), np.uint8)
    stored = as_stored(upright, orientation)
    for top, bottom in rows_of(image):
        with source.refusing_damage():
            stored[top:bottom] = to_rgb(top, bottom)
    return upright, notes


def as_stored(upright: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Return a view of the upright array ``[H, W, ...]`` in the orientation in which the file stores rows.

    Args:
        upright: the picture as it is shown.
        orientation: 1..8 of EXIF.
    """
    match orientation:
        case 2:
            return upright[:, ::-1]
        case 3:
            return upright[::-1, ::-1]
        case 4:
            return upright[::-1]
        case 5:
            return upright.swapaxes(0, 1)
        case 6:
            return np.rot90(upright, 1)
        case 7:
            return upright[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(upright, -1)
    return upright


def _converter(
    image: ImageFile.ImageFile, source: EncodedImage, stretch: Stretch, notes: DecodingNotes
) -> Convert:
    """Return the function that turns rows of this image into RGB; it is chosen once for all bands.

    Appends to ``notes`` what it will do.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return deep_grey(image, source, stretch, notes)
    if is_deep_color(image, source):
        convert = deep_color(image, source, stretch, notes)
        if convert is not None:
            return convert
    of_band = _shallow(image, source, notes)
    return lambda top, bottom: of_band(band_of(image, top, bottom))


def _shallow(
    image: ImageFile.ImageFile, source: EncodedImage, notes: DecodingNotes
) -> Callable[[Image.Image], Rgb]:
    """Return the converter for pixels of which Pillow holds 8 bits per channel."""
    if image.has_transparency_data:
        if source.format == "BMP" and image.getchannel("A").getextrema() == (0, 0):
            # 32-bit BMPs mostly leave the fourth byte 0; read as alpha, nothing would be seen
            return lambda band: np.asarray(band)[:, :, :3]
        _scale_transparent_color(image, source)
        if _has_transparent_pixel(image, source):
            notes.append("transparency flattened onto white")
        return _on_white
    if image.mode == "CMYK":  # Adobe's inverted JPEGs come upright from Pillow
        notes.append("CMYK converted without its colour profile")
    elif image.mode == "LAB":
        notes.append("Lab colours converted to sRGB")
    return lambda band: np.asarray(band.convert("RGB"))


def _rgba(band: Image.Image) -> Image.Image:
    """Convert to RGBA: Pillow has no direct way from premultiplied grey (``La``)."""
    return (band.convert("LA") if band.mode == "La" else band).convert("RGBA")


def _has_transparent_pixel(image: ImageFile.ImageFile, source: EncodedImage) -> bool:
    """Return whether any pixel is transparent: many screenshots have an entirely opaque alpha channel."""
    with source.refusing_damage():
        return any(np.asarray(_rgba(band))[:, :, 3].min() < 255 for band in bands_of(image))


def _on_white(band: Image.Image) -> Rgb:
    rgba = np.asarray(_rgba(band))
    return on_white(rgba[:, :, :3], rgba[:, :, 3:])


def _scale_transparent_color(image: ImageFile.ImageFile, source: EncodedImage) -> None:
    """Scale a PNG's transparent colour from the file's depth to the 8 bits of Pillow's pixels."""
    color = image.info.get("transparency")
    if source.format != "PNG" or image.mode not in ("L", "RGB") or color is None:
        return
    depth = source.data[24]  # IHDR's bit depth
    scaled = [
        value >> 8 if depth == 16 else value * 255 // (2**depth - 1)
        for value in (color if isinstance(color, tuple) else (color,))
    ]
    image.info["transparency"] = tuple(scaled) if len(scaled) > 1 else scaled[0]
