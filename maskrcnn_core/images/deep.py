"""Pictures of more than 8 bits a channel to 8: by the depth that they declare, or stretched.

Which range is black to white is decided here, :mod:`maskrcnn_core.images.stretch` says when too little of it
is used. Follows TIFF 6.0 (photometric interpretation, sample format, largest sample value) and PNG 1.2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.bands import Convert, Rgb, band_of, bands_of, on_white, rows_of
from maskrcnn_core.images.formats import EncodedImage
from maskrcnn_core.images.stretch import SMALL_SHARE, DecodingNotes, Stretch, used_range
from maskrcnn_core.images.tiff import OTHER_ORDER, TiffFile

__all__ = ["deep_color", "deep_grey", "is_deep_color"]

_Values = npt.NDArray[Any]


# -- grey -------------------------------------------------------------------------------------------


def deep_grey(
    image: ImageFile.ImageFile, source: EncodedImage, stretch: Stretch, notes: DecodingNotes
) -> Convert:
    """Scale grey of more than 8 bit to 0..255.

    Pillow's ``convert`` would cut values off at 255 and show a 16-bit image all white. Integers
    are scaled by their depth, not by their brightest pixel, so that images of one series stay
    comparable, as long as enough of that depth is used. TIFF adds what Pillow leaves out: white-is-zero
    and the declared largest value.
    """
    tags = image.tag_v2 if isinstance(image, TiffFile) else {}
    values = _values_of(image, tags)
    transparent = image.info.get("transparency")
    transparent = transparent if isinstance(transparent, int) else None
    used = used_range(map(values, bands_of(image)), image.width * image.height, transparent)
    if _is_float(image):
        black, white, note = _float_range(used.lowest, used.highest, source.shown)
    else:
        black, white, note = _integer_range(used.lowest, used.highest, image.mode, tags)
    if used.is_small(black, white):
        notes.is_dim = True
        share = used.share(black, white)
        if stretch == "auto":
            used_part = f"{used.low:.4g} to {used.high:.4g} ({share} of its range)"
            note = f"{_kind(note)} of {used_part} stretched to 8 bit"
            black, white = used.low, used.high
        else:
            note += f", though its values use {share} of the range"
    notes.append(note)
    if tags.get(262) == 0:  # PhotometricInterpretation WhiteIsZero
        black, white = white, black
    if transparent is not None:
        notes.append("transparency flattened onto white")

    def convert(top: int, bottom: int) -> Rgb:
        stored = values(band_of(image, top, bottom))
        grey = _scaled(stored, black, white)
        if transparent is not None:
            grey[stored == transparent] = 255
        return grey[:, :, None]

    return convert


def _scaled(values: _Values, black: float, white: float) -> Rgb:
    scaled = np.rint((values.astype(np.float64) - black) * (255 / (white - black)))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def _kind(note: str) -> str:
    """Return ``signed 16-bit grey`` for a note about it."""
    return note.partition(" of ")[0].removesuffix(" scaled to 8 bit")


def _is_float(image: ImageFile.ImageFile) -> bool:
    return image.mode == "F" or (isinstance(image, TiffFile) and image.is_half)


def _values_of(image: ImageFile.ImageFile, tags: Mapping[int, object]) -> Callable[[Image.Image], _Values]:
    """Read a band's numbers; unsigned 32-bit ones reach Pillow's signed mode wrapped around."""
    unsigned = image.mode == "I" and _first(tags.get(339), 1) == 1 and _first(tags.get(258), 0) == 32
    half = isinstance(image, TiffFile) and image.is_half

    def values(band: Image.Image) -> _Values:
        stored = np.asarray(band)
        if half:
            return stored.view(stored.dtype.str.replace("u", "f")).astype(np.float32)
        return stored.view(np.uint32) if unsigned else stored

    return values


def _integer_range(
    darkest: float, brightest: float, mode: str, tags: Mapping[int, object]
) -> tuple[float, float, str]:
    """Return the values that become 0 and 255, and a note.

    16-bit modes: the bits per sample of a TIFF (12-bit cameras), else 16. Mode ``I`` is what Pillow
    makes of signed 8 and 16 bits, read as such, and of 32 bits: there the smallest of 8, 16, 31 and 32
    bits that holds the brightest pixel counts, as programs store small numbers in wide types. With
    negative values zero becomes mid-grey. A declared largest value (tag 281) takes precedence if no
    pixel exceeds it.
    """
    declared_bits = _first(tags.get(258), 16)
    if mode != "I":
        bits = declared_bits if 1 <= declared_bits <= 16 else 16
    elif darkest < 0:
        reach = max(brightest, -darkest - 1)
        narrow = declared_bits in (8, 16)
        bits = declared_bits - 1 if narrow else next(b for b in (7, 15, 31) if reach < 2**b)
        return -(2.0**bits), 2.0**bits - 1, f"signed {bits + 1}-bit grey scaled to 8 bit"
    elif declared_bits in (8, 16):
        bits = declared_bits - 1
    else:
        bits = next(b for b in (8, 16, 31, 32) if brightest < 2**b)
    white = 2**bits - 1
    declared = _first(tags.get(281), 0)
    if max(brightest, 1) <= declared < white:
        white = declared
    return 0.0, float(white), f"{bits}-bit grey scaled to 8 bit"


def _float_range(darkest: float, brightest: float, shown: str) -> tuple[float, float, str]:
    """Return the values that become 0 and 255, and a note.

    Floats declare no range. Two are customary, 0..1 and 0..255; values within one of them are taken
    to be in it (an image of 0..255 with nothing above 1 is as good as black). All others are
    stretched from their smallest to their largest value.
    """
    if not (math.isfinite(darkest) and math.isfinite(brightest)):
        raise ImageError(
            f"{shown}: expected finite pixel values, got NaN or infinity; replace them and save it again"
        )
    if darkest >= 0 and brightest <= 1:
        return 0.0, 1.0, "floating-point grey of 0 to 1 scaled to 8 bit"
    if darkest >= 0 and brightest <= 255:
        return 0.0, 255.0, "floating-point grey of 0 to 255 rounded to 8 bit"
    if darkest == brightest:
        return darkest - 1, darkest + 1, "floating-point grey of a single value shown as mid-grey"
    return darkest, brightest, f"floating-point grey of {darkest:.4g} to {brightest:.4g} stretched to 8 bit"


def _first(value: object, default: int) -> int:
    """Return the first number of a TIFF tag, which may hold one, several, or something else when broken."""
    if isinstance(value, tuple) and value:
        value = value[0]
    return value if isinstance(value, int) else default


# -- colour -----------------------------------------------------------------------------------------

_REDUCED = "16 bits per channel reduced to 8"


def is_deep_color(image: ImageFile.ImageFile, source: EncodedImage) -> bool:
    """Return whether a picture of several channels has 16 bits in each, of which Pillow keeps the upper 8."""
    if source.format == "PNG":
        return source.data[24:25] == b"\x10" and image.mode in ("LA", "RGB", "RGBA")  # IHDR's depth
    return isinstance(image, TiffFile) and image.form.bits == 16 and image.mode in ("RGB", "RGBX", "RGBA")


def deep_color(
    image: ImageFile.ImageFile, source: EncodedImage, stretch: Stretch, notes: DecodingNotes
) -> Convert | None:
    """Return how to stretch a :func:`is_deep_color` picture; ``None`` if its upper bytes are its best form.

    All colour channels are stretched alike, which keeps the hues. Appends what is done to ``notes``.
    """
    channels = [0] if image.mode == "LA" else [0, 1, 2]

    def upper(band: Image.Image) -> _Values:
        return np.asarray(band)[:, :, channels]

    count = image.width * image.height * len(channels)
    used = used_range(map(upper, bands_of(image)), count)
    if used.high - used.low - 1 > SMALL_SHARE * 256:
        notes.append(_REDUCED)
        return None
    lower = _lower_bytes(image, source) if stretch == "auto" else None
    if lower is None:
        notes.is_dim = stretch == "off" and used.is_small(0, 255)
        note = f"{_REDUCED}, though its values use {used.share(0, 255)} of the range"
        helps = "" if stretch == "off" else "; save it with its bands side by side to have it stretched"
        notes.append(note + helps if used.is_small(0, 255) else _REDUCED)
        return None
    return _stretched(image, lower, channels, notes)


@dataclass(frozen=True)
class _Lower:
    """The low bytes of a 16-bit picture: an image, and which of its channels they are."""

    image: Image.Image
    channels: list[int]


def _stretched(
    image: ImageFile.ImageFile, lower: _Lower, channels: list[int], notes: DecodingNotes
) -> Convert | None:
    def values(top: int, bottom: int) -> _Values:
        high = np.asarray(band_of(image, top, bottom))[:, :, channels].astype(np.uint16)
        low = np.asarray(band_of(lower.image, top, bottom))[:, :, lower.channels]
        combined: _Values = (high << 8) | low
        return combined

    used = used_range(
        (values(top, bottom) for top, bottom in rows_of(image)), image.width * image.height * len(channels)
    )
    if not used.is_small(0, 65535):
        notes.append(_REDUCED)
        return None
    notes.is_dim = True
    notes.append(
        f"16 bits per channel of {used.low:.5g} to {used.high:.5g} ({used.share(0, 65535)} of their range) "
        "stretched to 8"
    )
    alpha = _alpha_of(image, values)
    if alpha is not None and any(alpha(*rows).min() < 255 for rows in rows_of(image)):
        notes.append("transparency flattened onto white")

    def convert(top: int, bottom: int) -> Rgb:
        rgb = _scaled(values(top, bottom), used.low, used.high)
        return rgb if alpha is None else on_white(rgb, alpha(top, bottom))

    return convert


def _alpha_of(image: ImageFile.ImageFile, values: Callable[[int, int], _Values]) -> Convert | None:
    """Give uint8 ``[h, W, 1]``: the alpha channel, or 0 where a pixel has the one transparent colour."""
    if image.mode in ("LA", "RGBA"):
        return lambda top, bottom: np.asarray(band_of(image, top, bottom))[:, :, -1:]
    color = image.info.get("transparency")
    if not isinstance(color, tuple):
        return None

    def alpha(top: int, bottom: int) -> Rgb:
        is_clear = (values(top, bottom) == np.array(color)).all(axis=2, keepdims=True)
        return np.where(is_clear, 0, 255).astype(np.uint8)

    return alpha


_ALL_CHANNELS = re.compile(r"((?:RGB|RGBA|RGBX|R|G|B|A);16)([LBN])")


def _lower_bytes(image: ImageFile.ImageFile, source: EncodedImage) -> _Lower | None:
    """Decode once more, in the other byte order: Pillow keeps the first byte of two that it is told of.

    ``None`` for the compressed planes of a TIFF, which Pillow reads in one way only.
    """
    again = source.open()
    form = image.form if isinstance(image, TiffFile) else None
    tiles, channels = [], [0, 1, 2]
    for tile in again.tile:
        rawmode, *rest = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if rawmode == "LA;16B":  # of which there is no other order: its four bytes are read as four channels
            again._mode, other, channels = "RGBA", "RGBA", [1]
        elif (found := _ALL_CHANNELS.fullmatch(rawmode)) and not (
            tile.codec_name == "libtiff" and form is not None and form.is_planar
        ):
            other = found[1] + OTHER_ORDER[found[2]]
        else:
            return None
        tiles.append(tile._replace(args=(other, *rest) if rest else other))
    again.tile = tiles
    with source.refusing_damage():
        again.load()
    return _Lower(again, channels)
