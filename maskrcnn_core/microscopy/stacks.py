"""The stack in a TIFF or a microscope's own file: its pages, slices, channels, and the values of each plane.

tifffile says how the planes of a file belong together: OME-XML, what Fiji writes, its own shapes, or pages
one after the other. Its tables are walked and bounded before (:mod:`maskrcnn_core.slides.tables`), and so is
what its descriptions claim (:mod:`maskrcnn_core.microscopy.claims`). Values that lie in the file as they are,
are taken from there; all others are decoded by Pillow, as those of photos are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.errors import ImageError, InputError
from maskrcnn_core.images.formats import EncodedImage, identify
from maskrcnn_core.images.microscopes.table import MICROSCOPE_FORMATS, is_microscope_file, microscope_tiff
from maskrcnn_core.images.modes import as_stored
from maskrcnn_core.images.tiff import TiffFile
from maskrcnn_core.microscopy.claims import trusted_flags
from maskrcnn_core.microscopy.facts import Channel, Facts, PixelSize, facts_of
from maskrcnn_core.microscopy.tables import SAVE_AGAIN, Layout, layout_of
from maskrcnn_core.microscopy.views import COLORS, MAX, ChannelView, Contrast, View
from maskrcnn_core.slides.tables import BytesFile, check_tables, damaged_tiff

__all__ = ["Plane", "Stack", "is_stack_file", "open_stack"]

Plane = npt.NDArray[Any]
"""Values of one channel, ``[H, W]`` upright, in the file's own type."""

_RGB_CHANNELS = tuple(Channel(name, COLORS[name]) for name in ("red", "green", "blue"))

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # it tells stderr of each odd tag otherwise


class Stack:
    """A TIFF's stack; :func:`open_stack` makes one. Safe to use from several threads.

    Attributes:
        name: of the file.
        size: ``(height, width)`` in pixels, upright.
        pages: how many there are: time points, or pages of which nothing more is known.
        slices: how many slices each has.
        channels: what they are called, each with its own colour.
        bits: of a value; 8, 16, 32 or 64.
        is_float: whether values are floating-point numbers.
        pixel: how large a pixel is, or ``None``.
        slice_step: micrometres from slice to slice, or ``None``.
        notes: what a person should know of it, each a short clause.
    """

    def __init__(self, source: EncodedImage, where: Layout, facts: Facts, notes: tuple[str, ...]) -> None:
        self.name = source.shown
        self._encoded, self._where = source, where
        self.pages, self.slices, in_pages = where.pages.shape
        height, width = where.stored
        turned = where.orientation in (5, 6, 7, 8)
        self.size = (width, height) if turned else (height, width)
        count = in_pages * where.samples
        self.channels = _channels(count, facts, is_rgb=where.samples == 3 and in_pages == 1)
        self.bits = where.dtype.itemsize * 8
        self.is_float = where.dtype.kind == "f"
        pixel = facts.pixel
        self.pixel = PixelSize(pixel.y, pixel.x, pixel.source) if pixel is not None and turned else pixel
        self.slice_step = facts.slice_step
        self.notes = notes
        self._reader: Any = None
        self._lock = threading.Lock()

    @property
    def is_choosable(self) -> bool:
        """Whether there is anything to choose: more than one plane, or more than 8 bits."""
        return self.pages * self.slices > 1 or len(self.channels) not in (1, 3) or self.bits > 8

    @property
    def text(self) -> str:
        """What it is, for people, such as ``12 slices of 2 channels, 16 bit``."""
        parts = [
            counted(self.pages, "page") if self.pages > 1 else "",
            counted(self.slices, "slice") if self.slices > 1 else "",
            counted(len(self.channels), "channel"),
        ]
        kind = " floating-point" if self.is_float else ""
        return " of ".join(filter(None, parts)) + f", {self.bits} bit{kind}"

    def resolve(self, view: View) -> View:
        """Return a view in which nothing is left open: channels by number, each with colour and contrast.

        Raises:
            InputError: if there is no such page, slice or channel; says which there are.
        """
        self._check_place("page", view.page, self.pages)
        self._check_place("z", view.z, self.slices)
        asked = view.channels or tuple(ChannelView(n) for n in range(1, len(self.channels) + 1))
        channels = []
        for one in asked:
            number = self._number_of(one.channel)
            color = one.color or (COLORS["grey"] if len(asked) == 1 else self.channels[number - 1].color)
            contrast = self._contrast(one.contrast or view.contrast)
            channels.append(ChannelView(number, color, contrast))
        return View(view.page, view.z, tuple(channels))

    def plane(self, page: int | Literal["max"], z: int | Literal["max"], channel: int) -> Plane:
        """Return the values of a channel.

        Args:
            page, z: from 1, or ``max`` for the largest value of all.
            channel: from 1.

        Raises:
            ImageError: if the file is damaged there.
        """
        held: Plane | None = None
        for plane in self._planes(page, z, channel):
            held = plane if held is None else np.maximum(held, plane)  # in which a NaN stays one
        assert held is not None
        return held

    def planes(self, view: View, channels: tuple[int, ...] | None = None) -> list[Plane]:
        """Return the values of a view's channels, or of others, by number.

        Raises:
            InputError: as :meth:`resolve`.
            ImageError: as :meth:`plane`.
        """
        seen = self.resolve(view)
        numbers = channels or tuple(int(one.channel) for one in seen.channels)
        return [self.plane(seen.page, seen.z, number) for number in numbers]

    # -- what is asked for --------------------------------------------------------------------------

    def _check_place(self, what: str, place: int | str, count: int) -> None:
        if place != MAX and int(place) > count:
            there = "1" if count == 1 else f"1 to {count:,}"
            helps = ""
            if what == "z" and count == 1 and self.pages > 1:
                helps = f"; it has {self.pages:,} pages, which the option for pages chooses from"
            raise InputError(f"{self.name}: expected {what} {there}, got {place}{helps}")

    def _number_of(self, channel: int | str) -> int:
        if isinstance(channel, int):
            if 1 <= channel <= len(self.channels):
                return channel
        else:
            wanted = channel.casefold()
            same = [n for n, one in enumerate(self.channels, 1) if one.name.casefold() == wanted]
            if len(same) == 1:
                return same[0]
        known = ", ".join(f"{n} ({one.name})" for n, one in enumerate(self.channels, 1))
        raise InputError(f"{self.name}: expected a channel of {known}, got {one_line(str(channel))[:80]!r}")

    def _contrast(self, asked: Contrast) -> Contrast:
        ends: tuple[float, float] = (asked.low, asked.high)
        kind = asked.kind
        if kind == "auto":
            kind, ends = ("values", (0, 255)) if self._where.dtype == np.uint8 else ("percent", (0.1, 99.9))
        elif kind == "full" and self.is_float:
            kind, ends = "percent", (0, 100)
        elif kind == "full":
            info = np.iinfo(self._where.dtype)
            kind, ends = "values", (info.min, info.max)
        if asked.kind in ("auto", "full") and self._where.is_inverted:
            ends = ends[1], ends[0]
        return Contrast(kind, float(ends[0]), float(ends[1]))

    # -- planes -------------------------------------------------------------------------------------

    def _planes(self, page: int | str, z: int | str, channel: int) -> Iterator[Plane]:
        place, sample = divmod(channel - 1, self._where.samples)
        pages = range(self.pages) if page == MAX else [int(page) - 1]
        slices = range(self.slices) if z == MAX else [int(z) - 1]
        for one in pages:
            for other in slices:
                yield self._upright(self._stored(int(self._where.pages[one, other, place]), sample))

    def _upright(self, stored: Plane) -> Plane:
        if self._where.orientation == 1:
            return stored
        upright = np.empty(self.size, stored.dtype)
        as_stored(upright, self._where.orientation)[...] = stored
        return upright

    def _stored(self, index: int, sample: int) -> Plane:
        where = self._where
        if index < 0:
            return np.zeros(where.stored, where.dtype.newbyteorder("="))
        if where.offsets[index] >= 0:
            return self._as_it_lies(int(where.offsets[index]), sample)
        with self._lock, self._encoded.refusing_damage():
            values = self._decoded(index)
        if values.shape[:2] != where.stored:
            raise ImageError(
                f"{self.name}: expected planes of {where.stored[1]} x {where.stored[0]} pixels, got one of "
                f"{values.shape[1]} x {values.shape[0]}; {SAVE_AGAIN}"
            )
        return values if values.ndim == 2 else np.ascontiguousarray(values[:, :, sample])

    def _as_it_lies(self, offset: int, sample: int) -> Plane:
        where, (height, width) = self._where, self._where.stored
        count = height * width
        if where.is_planar:
            offset += sample * count * where.dtype.itemsize
        in_all = count if where.is_planar else count * where.samples
        data = self._encoded.data
        if offset + in_all * where.dtype.itemsize > len(data):
            raise ImageError(f"{self.name}: expected a whole TIFF, got one that is cut short; copy it again")
        values = np.frombuffer(data, where.dtype, in_all, offset)
        if not where.is_planar and where.samples > 1:
            values = values.reshape(count, where.samples)[:, sample]
        # A copy: the whole file would stay otherwise.
        return values.reshape(height, width).astype(where.dtype.newbyteorder("="))

    def _decoded(self, index: int) -> Plane:
        """Return a page as Pillow reads it, ``[H, W]`` or ``[H, W, 3]``."""
        if self._reader is None:
            self._reader = TiffFile(BytesIO(self._encoded.data), "")
        image = self._reader
        image.is_half, image.dropped_bands = False, 0
        image.seek(index)
        image.load()
        values = np.asarray(image)
        if image.is_half:
            values = values.view(values.dtype.str.replace("u", "f"))
        values = values.astype(values.dtype.newbyteorder("="))
        wanted = self._where.dtype.newbyteorder("=")
        # Pillow keeps unsigned 32 bits as signed ones, wrapped around.
        if values.dtype != wanted and values.dtype.itemsize == wanted.itemsize and wanted.kind in "iu":
            values = values.view(wanted)
        return values.astype(wanted)


def is_stack_file(data: bytes) -> bool:
    """Return whether a file begins as a TIFF, or as a microscope's own file, which may hold a stack."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0") or is_microscope_file(data)


def open_stack(data: bytes, name: str, *, series: int = 0) -> Stack:
    """Return the stack in a TIFF or a microscope's own file; a picture of one plane is one of one page, too.

    Nothing is decoded yet.

    Args:
        data: the whole file.
        name: what messages call it.
        series: which of its pictures of different sizes or kinds, from 0.

    Raises:
        ImageError: if it is no TIFF, is damaged, larger than images may be, or of values that are no numbers
            of a channel.
    """
    source = identify(data, name)
    notes: tuple[str, ...] = ()
    if source.format in MICROSCOPE_FORMATS:
        with source.refusing_damage():
            data, told = microscope_tiff(data)
        notes = told
        source = replace(identify(data, name), shown=source.shown)
    if source.format != "TIFF":
        raise ImageError(
            f"{source.shown}: expected a TIFF to choose pages, slices and channels of, got a {source.format} "
            "image; leave the choice out"
        )
    check_tables(BytesFile(data, source.shown))
    import tifffile  # takes a tenth of a second, which the command line's help does without

    try:
        with tifffile.TiffFile(BytesIO(data), _multifile=False, is_ome=False, is_shaped=False) as tiff:
            flags = trusted_flags(str(tiff.pages.first.description), data)
        with tifffile.TiffFile(BytesIO(data), _multifile=False, **flags) as tiff:
            return _read(tiff, source, series, notes)
    except ImageError:
        raise
    except Exception as error:  # tifffile raises what its tables run into
        raise damaged_tiff(source.shown, error) from error


def _read(tiff: Any, source: EncodedImage, number: int, said: tuple[str, ...]) -> Stack:
    where = layout_of(tiff.series[number], str(tiff.byteorder), source.shown)
    notes = list(said)
    if len(tiff.series) > 1:
        notes.append(f"first of {counted(len(tiff.series), 'picture')} of other sizes or kinds")
    if missing := int((where.pages < 0).sum()):
        notes.append(f"{counted(missing, 'plane is', 'planes are')} not in the file and shown black")
    return Stack(source, where, facts_of(tiff), tuple(notes))


def _channels(count: int, facts: Facts, *, is_rgb: bool) -> tuple[Channel, ...]:
    if is_rgb:
        return _RGB_CHANNELS
    known = [*facts.channels[:count], *[Channel("")] * count][:count]
    order = list(COLORS.values())
    seen: set[str] = set()
    channels = []
    for number, one in enumerate(known):
        name = one.name or f"channel {number + 1}"
        while name.casefold() in seen:
            name = f"{name} ({number + 1})"
        seen.add(name.casefold())
        default = COLORS["grey"] if count == 1 else order[number % len(order)]
        channels.append(replace(one, name=name, color=one.color or default))
    return tuple(channels)
