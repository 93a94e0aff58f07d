"""A decoded Pillow image of any mode to upright RGB ``uint8 [H, W, 3]``, band by band.

Pixel values stay as stored. Embedded colour profiles are not applied, as detectors are trained on
files read that way; only what cannot be shown otherwise is converted (CMYK by the plain formula, Lab
through sRGB), and then a note says so.

Follows EXIF 2.32 (orientation, tag 0x0112), TIFF 6.0 (photometric interpretation, sample format) and
PNG 1.2 section 4.2.1 (transparency).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, TiffImagePlugin

from maskrcnn_core.errors import ImageError
from maskrcnn_core.image_formats import EncodedImage

__all__ = ["upright_rgb"]

_BAND_PIXELS = 2**20  # pixels converted at a time: what keeps a 50 MP conversion from needing 1 GB

_Band = npt.NDArray[np.uint8]  # uint8 [h, W, 3], or [h, W, 1] for grey: what fits into h rows of RGB


def upright_rgb(
    image: ImageFile.ImageFile, orientation: int, source: EncodedImage
) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Converts a loaded image band by band, straight into its upright place.

    A whole 50 MP image converted at once, laid on white and then turned would exist four times.

    Args:
        image: decoded, in the orientation in which the file stores it.
        orientation: 1..8 of EXIF.
        source: the file it comes from.

    Returns:
        uint8 ``[H, W, 3]``, C-contiguous, and what the conversion did, each a short clause.

    Raises:
        ImageError: for floats that are not finite, or a conversion that Pillow refuses.
    """
    notes: list[str] = []
    to_rgb = _converter(image, source, notes)
    width, height = image.size
    turned = orientation in (5, 6, 7, 8)
    upright = np.empty((width, height, 3) if turned else (height, width, 3), np.uint8)
    stored = _as_stored(upright, orientation)
    for top, band in _bands(image):
        with source.refusing_damage():
            stored[top : top + band.height] = to_rgb(band)
    return upright, notes


def _as_stored(upright: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """A view of the upright array in the orientation in which the file stores its rows."""
    match orientation:
        case 2:
            return upright[:, ::-1]
        case 3:
            return upright[::-1, ::-1]
        case 4:
            return upright[::-1]
        case 5:
            return upright.transpose(1, 0, 2)
        case 6:
            return np.rot90(upright, 1)
        case 7:
            return upright[::-1, ::-1].transpose(1, 0, 2)
        case 8:
            return np.rot90(upright, -1)
    return upright


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """``(top row, rows)`` from top to bottom, each of about a million pixels."""
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _converter(
    image: ImageFile.ImageFile, source: EncodedImage, notes: list[str]
) -> Callable[[Image.Image], _Band]:
    """The function that turns bands of this image into RGB; it is chosen once for all bands.

    Appends to ``notes`` what it will do.
    """
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _deep_grey(image, source, notes)
    if image.has_transparency_data:
        if source.format == "BMP" and image.getchannel("A").getextrema() == (0, 0):
            # 32-bit BMPs mostly leave the fourth byte 0; read as alpha, nothing would be seen
            return lambda band: np.asarray(band)[:, :, :3]
        _scale_transparent_colour(image, source)
        if _has_transparent_pixel(image, source):
            notes.append("transparency laid on white")
        return _on_white
    if mode == "CMYK":  # Adobe's inverted JPEGs come upright from Pillow
        notes.append("CMYK converted without its colour profile")
    elif mode == "LAB":
        notes.append("Lab colours converted to sRGB")
    return lambda band: np.asarray(band.convert("RGB"))


def _rgba(band: Image.Image) -> Image.Image:
    """Pillow has no direct way from premultiplied grey (``La``)."""
    return (band.convert("LA") if band.mode == "La" else band).convert("RGBA")


def _has_transparent_pixel(image: ImageFile.ImageFile, source: EncodedImage) -> bool:
    """Many screenshots carry an alpha channel that is opaque all over: nothing to note."""
    with source.refusing_damage():
        return any(np.asarray(_rgba(band))[:, :, 3].min() < 255 for _, band in _bands(image))


def _on_white(band: Image.Image) -> _Band:
    rgba = np.asarray(_rgba(band))
    alpha = rgba[:, :, 3:].astype(np.uint16)
    if alpha.min() == 255:
        return rgba[:, :, :3]
    mixed: npt.NDArray[np.uint16] = (rgba[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)


def _scale_transparent_colour(image: ImageFile.ImageFile, source: EncodedImage) -> None:
    """A PNG names its transparent colour in its own depth; Pillow's pixels have 8 bit by now."""
    colour = image.info.get("transparency")
    if source.format != "PNG" or image.mode not in ("L", "RGB") or colour is None:
        return
    depth = source.data[24]  # IHDR's bit depth
    scaled = [
        value >> 8 if depth == 16 else value * 255 // (2**depth - 1)
        for value in (colour if isinstance(colour, tuple) else (colour,))
    ]
    image.info["transparency"] = tuple(scaled) if len(scaled) > 1 else scaled[0]


def _deep_grey(
    image: ImageFile.ImageFile, source: EncodedImage, notes: list[str]
) -> Callable[[Image.Image], _Band]:
    """Scales grey of more than 8 bit to 0..255.

    Pillow's ``convert`` would cut values off at 255 and show a 16-bit image all white. Integers
    are scaled by their depth, not by their brightest pixel, so that images of one series stay
    comparable. TIFF adds what Pillow leaves out: white-is-zero and the declared largest value.
    """
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    values = _values_of(image, tags)
    darkest, brightest = _extremes(image, values)
    if image.mode == "F":
        black, white, note = _float_range(darkest, brightest, source.shown)
    else:
        black, white, note = _integer_range(darkest, brightest, image.mode, tags)
    notes.append(note)
    if tags.get(262) == 0:  # PhotometricInterpretation WhiteIsZero
        black, white = white, black
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        notes.append("transparency laid on white")

    def convert(band: Image.Image) -> _Band:
        stored = values(band)
        grey = np.clip(np.rint((stored.astype(np.float64) - black) * (255 / (white - black))), 0, 255)
        if isinstance(transparent, int):
            grey[stored == transparent] = 255
        return grey.astype(np.uint8)[:, :, None]

    return convert


def _values_of(
    image: ImageFile.ImageFile, tags: Mapping[int, object]
) -> Callable[[Image.Image], npt.NDArray[Any]]:
    """Reads a band's numbers; unsigned 32-bit ones reach Pillow's signed mode wrapped around."""
    unsigned = image.mode == "I" and _first(tags.get(339), 1) == 1 and _first(tags.get(258), 0) == 32

    def values(band: Image.Image) -> npt.NDArray[Any]:
        stored = np.asarray(band)
        return stored.view(np.uint32) if unsigned else stored

    return values


def _extremes(
    image: ImageFile.ImageFile, values: Callable[[Image.Image], npt.NDArray[Any]]
) -> tuple[float, float]:
    """The smallest and largest value; NaN if any is NaN."""
    each = [(band.min(), band.max()) for band in (values(band) for _, band in _bands(image))]
    lows, highs = zip(*each, strict=True)
    return float(np.min(lows)), float(np.max(highs))


def _integer_range(
    darkest: float, brightest: float, mode: str, tags: Mapping[int, object]
) -> tuple[float, float, str]:
    """The values that become 0 and 255, and a note.

    16-bit modes: the bits per sample of a TIFF (12-bit cameras), else 16. Mode ``I`` is what Pillow
    makes of signed 16 bits, read as such, and of 32 bits: there the smallest of 8, 16, 31 and 32
    bits that holds the brightest pixel counts, as programs store small numbers in wide types. With
    negative values zero becomes mid-grey. A declared largest value (tag 281) takes precedence if no
    pixel exceeds it.
    """
    declared_bits = _first(tags.get(258), 16)
    if mode != "I":
        bits = declared_bits if 1 <= declared_bits <= 16 else 16
    elif darkest < 0:
        reach = max(brightest, -darkest - 1)
        bits = 15 if declared_bits == 16 else next(b for b in (7, 15, 31) if reach < 2**b)
        return -(2.0**bits), 2.0**bits - 1, f"signed {bits + 1}-bit grey scaled to 8 bit"
    else:
        bits = 15 if declared_bits == 16 else next(b for b in (8, 16, 31, 32) if brightest < 2**b)
    white = 2**bits - 1
    declared = _first(tags.get(281), 0)
    if max(brightest, 1) <= declared < white:
        white = declared
    return 0.0, float(white), f"{bits}-bit grey scaled to 8 bit"


def _float_range(darkest: float, brightest: float, shown: str) -> tuple[float, float, str]:
    """The values that become 0 and 255, and a note.

    Floats declare no range. Two are customary, 0..1 and 0..255; values within one of them are taken
    to be in it (an image of 0..255 with nothing above 1 is as good as black). All others are
    stretched from their smallest to their largest value.
    """
    if not (math.isfinite(darkest) and math.isfinite(brightest)):
        raise ImageError(
            f"{shown}: wanted finite pixel values, found NaN or infinity; replace them and save it again"
        )
    if darkest >= 0 and brightest <= 1:
        return 0.0, 1.0, "floating-point grey of 0 to 1 scaled to 8 bit"
    if darkest >= 0 and brightest <= 255:
        return 0.0, 255.0, "floating-point grey of 0 to 255 rounded to 8 bit"
    if darkest == brightest:
        return darkest - 1, darkest + 1, "floating-point grey of a single value shown as mid-grey"
    return darkest, brightest, f"floating-point grey of {darkest:.4g} to {brightest:.4g} stretched to 8 bit"


def _first(value: object, default: int) -> int:
    """The first number of a TIFF tag, which may hold one, several, or something else when broken."""
    if isinstance(value, tuple) and value:
        value = value[0]
    return value if isinstance(value, int) else default
