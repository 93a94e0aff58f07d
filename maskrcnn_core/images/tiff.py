"""Pillow's TIFF reader, made to tell or to mend what it would read wrongly.

TIFF 6.0 leaves open what a sample is: 1 to 64 bits, unsigned, signed or floating point, in either byte
order, bands side by side (chunky) or one after the other (planar). Pillow reads the common of these; some
of the others become noise in it without a word, and the rest is "unknown pixel mode". Here each is read
rightly or refused in words.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from PIL import Image, TiffImagePlugin

__all__ = ["OTHER_ORDER", "SampleForm", "TiffFile", "Unreadable"]

_SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 258, 259, 262
_STRIP_OFFSETS, _BANDS, _PLANAR, _TILE_OFFSETS = 273, 277, 284, 324
_SUB_IFDS, _EXTRA, _FORMAT, _DNG = 330, 338, 339, 50706

_RGB = 2
_COLORS = {2: 3, 5: 4, 6: 3, 8: 3}  # bands of a photometric interpretation: RGB, CMYK, YCbCr, Lab
_KINDS = {1: "unsigned", 2: "signed", 3: "floating-point", 4: "unsigned", 5: "complex", 6: "complex"}
_RAW_HELP = "develop it to TIFF or JPEG, for instance with darktable or RawTherapee"
_WANTED = "expected one band of grey, or three of colour with 8 or 16 bits, optionally with transparency"
_SAVE_RGB = (
    "save the bands you want to see as RGB or grey, for instance in Fiji, or with "
    "'gdal_translate -b 1 -b 2 -b 3 in.tif out.tif'"
)


class Unreadable(Exception):
    """A file that is whole but not read here; the message goes behind the file's name."""


@dataclass(frozen=True)
class SampleForm:
    """What one sample of a TIFF is.

    Args:
        bands: samples of a pixel, alpha and other extra ones included.
        bits: of a sample; 0 where the bands differ.
        kind: ``unsigned``, ``signed``, ``floating-point``, ``complex``, or ``mixed``.
        extra: the meaning of each extra band: 0 unspecified, 1 and 2 alpha.
        is_planar: whether the bands lie one after the other.
    """

    bands: int
    bits: int
    kind: str
    extra: tuple[int, ...]
    is_planar: bool

    @property
    def text(self) -> str:
        """A description for people, such as ``4 bands of 16-bit unsigned values``."""
        depth = f"{self.bits}-bit " if self.bits else ""
        return f"{self.bands} band{'s' * (self.bands != 1)} of {depth}{self.kind} values"


class TiffFile(TiffImagePlugin.TiffImageFile):
    """Without Pillow's own pixel limit, which a higher limit of ours must not meet, and without its turning
    of the image, which the other readers leave to their caller.

    Attributes:
        form: what the samples are.
        is_half: its pixels, mode ``I;16``, are the bits of float16 values.
        dropped_bands: extra bands of unspecified meaning that are not shown.
    """

    form: SampleForm
    is_half = False
    dropped_bands = 0

    def _setup(self) -> None:
        self.form = self._read_form()
        self._refuse_raw_photos()
        self._refuse_bands()
        restore = self._show_as_known()
        try:
            super()._setup()
        except SyntaxError as error:  # Pillow's word for what it has no mode for
            raise Unreadable(f"{_WANTED}, got {self.form.text} ({error}); {_SAVE_RGB}") from error
        finally:
            for tag, value in restore.items():
                if value is None:
                    del self.tag_v2[tag]
                else:
                    self.tag_v2[tag] = value
        self._size = self._tile_size  # as stored
        if self.form.kind == "signed" and self.form.bits == 8:
            self._mode = "I"  # Pillow reads signed bytes as unsigned ones
        self.tile = [self._mended(tile) for tile in self.tile]

    def load_prepare(self) -> None:
        if self._im is None:  # the memory being there already, Pillow does not check again
            self.im = Image.new(self.mode, self._tile_size).im
        super().load_prepare()

    def load_end(self) -> None:
        """Read the EXIF while the file is open; Pillow would also unpack all its values, and turn."""
        self.getexif()

    # -- what it is ---------------------------------------------------------------------------------

    def _read_form(self) -> SampleForm:
        bits = set(self._numbers(_BITS, 1))
        kinds = {_KINDS.get(number, "unknown") for number in self._numbers(_FORMAT, 1)}
        extra = self._numbers(_EXTRA)
        default = 3 if self.tag_v2.get(_PHOTOMETRIC) in (2, 6) else 1
        return SampleForm(
            bands=(self._numbers(_BANDS) or (default,))[0],
            bits=bits.pop() if len(bits) == 1 else 0,
            kind=kinds.pop() if len(kinds) == 1 else "mixed",
            extra=extra,
            is_planar=self.tag_v2.get(_PLANAR) == 2,
        )

    def _numbers(self, tag: int, *default: int) -> tuple[int, ...]:
        value = self.tag_v2.get(tag, default)
        values = value if isinstance(value, tuple) else (value,)
        return tuple(v for v in values if isinstance(v, int)) or default

    def _refuse_raw_photos(self) -> None:
        """Refuse camera raws: they begin with a small preview, which would be taken for the photo."""
        is_preview = self._numbers(_SUBFILE, 0)[0] & 1 and _SUB_IFDS in self.tag_v2
        if is_preview or (_DNG in self.tag_v2 and self.tag_v2.get(_PHOTOMETRIC) not in (1, 2, 6)):
            raise Unreadable(
                f"expected an image, got a camera raw file (DNG, NEF, ARW, PEF or the like); {_RAW_HELP}"
            )

    def _refuse_bands(self) -> None:
        photometric = self.tag_v2.get(_PHOTOMETRIC, 0)
        colors = _COLORS.get(photometric, 1)
        alphas = sum(meaning in (1, 2) for meaning in self.form.extra)
        is_grey = colors == 1 and self.form.bands - min(alphas, 1) > 1
        is_deep = self.form.kind != "unsigned" or self.form.bits > 16
        if is_grey or (self.form.bands > 1 and is_deep):
            raise Unreadable(f"{_WANTED}, got {self.form.text}; {_SAVE_RGB}")
        if self.form.kind in ("complex", "unknown", "mixed") or self.form.bits > 64:
            raise Unreadable(f"expected whole or floating-point numbers, got {self.form.text}; {_SAVE_RGB}")

    # -- reading it ---------------------------------------------------------------------------------

    def _show_as_known(self) -> dict[int, Any]:
        """Change tags so that Pillow finds a mode of the same size; give the true values of these."""
        form, changed = self.form, {}

        def show(tag: int, value: Any) -> None:
            changed[tag] = self.tag_v2.get(tag)
            self.tag_v2[tag] = value

        if form.bands == 1 and form.kind == "floating-point" and form.bits == 64:
            show(_BITS, 32)
        elif form.bands == 1 and form.kind == "floating-point" and form.bits == 16:
            self.is_half = True
            show(_FORMAT, 1)
        elif form.bands == 1 and form.kind == "unsigned" and form.bits == 32 and self._is_big_endian:
            show(_FORMAT, 2)
        self._leave_out_planes(show)
        return changed

    def _leave_out_planes(self, show: Any) -> None:
        """Leave out further planes of planar RGB that mean nothing known: Pillow fails at the fourth."""
        unspecified = sum(meaning == 0 for meaning in self.form.extra)
        if self.tag_v2.get(_PHOTOMETRIC) == _RGB and unspecified and unspecified == len(self.form.extra):
            self.dropped_bands = unspecified
        tag = _STRIP_OFFSETS if _STRIP_OFFSETS in self.tag_v2 else _TILE_OFFSETS
        offsets = self._numbers(tag)
        if self.dropped_bands and self.form.is_planar and self.tag_v2.get(_COMPRESSION, 1) == 1:
            show(tag, offsets[: 3 * (len(offsets) // self.form.bands)])

    @property
    def _is_big_endian(self) -> bool:
        return bool(self.tag_v2.prefix == b"MM")

    def _mended(self, tile: Any) -> Any:
        """Return a tile's arguments with the raw mode that its samples really have."""
        rawmode, *rest = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        is_libtiff = tile.codec_name == "libtiff"
        if self.form.kind == "floating-point" and self.form.bits == 64:
            rawmode = "F;64BF" if self._is_big_endian else "F;64F"
            if not is_libtiff and rest:
                rest[0] *= 2  # the stride, which Pillow took from the bits that it was shown
        elif self.form.kind == "signed" and self.form.bits == 8:
            rawmode = "I;8S"
        elif not is_libtiff and self.form.bits == 16 and len(rawmode) == 1:  # one plane of several
            rawmode = f"{rawmode};16{'B' if self._is_big_endian else 'L'}"
        if is_libtiff:  # which hands out samples in this computer's byte order
            rawmode = _NATIVE.get(rawmode, rawmode)
        return tile._replace(args=(rawmode, *rest))


_NATIVE = {
    "I;16S": "I;16NS",
    "I;16BS": "I;16NS",
    "I;32N": "I;32N",
    "I;32B": "I;32N",
    "I;32S": "I;32NS",
    "I;32BS": "I;32NS",
    "F;32F": "F;32NF",
    "F;32BF": "F;32NF",
    "F;64F": "F;64NF",
    "F;64BF": "F;64NF",
}

OTHER_ORDER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
"""The suffix of the raw mode that reads 16 bits the other way round: the low byte instead of the high one."""
