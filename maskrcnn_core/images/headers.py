"""What an image file's own tables say before a pixel is decoded: orientation, frames, directories.

Where Pillow's way of asking has no bound on time or memory, the tables are walked here: the segments
of a JPEG (ITU T.81 annex B), the chunks of a PNG, the blocks of a GIF (89a, section 12) and the
directories of a TIFF (6.0, section 2). Each walk ends quietly where a file is cut short; refusing is
the decoder's part.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import islice

from PIL import ImageFile

from maskrcnn_core.images.formats import EncodedImage
from maskrcnn_core.images.microscopes.table import MICROSCOPE_FORMATS, MICROSCOPE_NOTES
from maskrcnn_core.images.seen import seen_facts
from maskrcnn_core.images.tiff import TiffFile

__all__ = [
    "description_of",
    "exif_orientation",
    "jpeg_places",
    "jpeg_segments",
    "origin_notes",
    "png_chunks",
    "tiff_directories",
    "tiff_tags",
]

_DESCRIPTION = 270
_MAX_FRAMES_COUNTED = 10_000
_MAX_EXIF_BYTES = 4 * 2**20  # a JPEG's fits into 64 KiB; Pillow makes numbers of all that a tag holds


def exif_orientation(image: ImageFile.ImageFile, source: EncodedImage) -> int:
    """Return the orientation, 1..8, of an image that is loaded or not.

    Broken EXIF says nothing, and is no reason to refuse a good image.
    """
    if source.format == "PNG" and (exif := _png_exif(source.data)):
        image.info["exif"] = exif
    if len(image.info.get("exif") or b"") > _MAX_EXIF_BYTES:
        return 1
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # the parser raises as many types as the decoders do
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def origin_notes(image: ImageFile.ImageFile, source: EncodedImage) -> list[str]:
    """Return what people should know of the file: that it holds more frames or more depth than is shown."""
    frames = frames_note(image, source)
    notes = [frames] if frames else []
    if isinstance(image, TiffFile) and image.dropped_bands:
        notes.append(f"first 3 of {image.form.bands} bands")
    notes += image.info.get(MICROSCOPE_NOTES, ())
    if source.format == "HEIC" and image.info.get("bit_depth", 8) > 8:
        notes.append(f"{image.info['bit_depth']} bits per channel reduced to 8")
    return notes


def description_of(image: ImageFile.ImageFile) -> object:
    """Return what a TIFF's first page says of itself; ``None`` for nothing."""
    return image.tag_v2.get(_DESCRIPTION) if isinstance(image, TiffFile) else None


def frames_note(image: ImageFile.ImageFile, source: EncodedImage) -> str:
    """Return how many frames or pages a file has of which the first is read; empty if it is the only one.

    The further pages of a view of a stack are no further pictures: there it is said which view it is.
    """
    if (seen := seen_facts(description_of(image))) is not None:
        return seen.note
    frames = 1
    if source.format == "GIF":
        frames = _gif_frames(source.data)
    elif source.format == "TIFF":
        frames = sum(1 for _ in islice(tiff_directories(source.data), _MAX_FRAMES_COUNTED + 1))
    elif source.format in ("PNG", "WebP", "AVIF", "HEIC") or source.format in MICROSCOPE_FORMATS:
        frames = getattr(image, "n_frames", 1)
    if frames > _MAX_FRAMES_COUNTED:
        return f"first of more than {_MAX_FRAMES_COUNTED} frames"
    return f"first of {frames} frames" if frames > 1 else ""


# --------------------------------------------------------------------------------------------- PNG, JPEG


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield ``(type, begin, end)`` of the content of each chunk of a PNG."""
    pos = 8
    while pos + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, pos)
        yield kind, pos + 8, pos + 8 + length
        pos += 12 + length


def _png_exif(data: bytes) -> bytes:
    """Return the content of the ``eXIf`` chunk, which may stand behind the pixels; empty if there is none."""
    return next((data[begin:end] for kind, begin, end in png_chunks(data) if kind == b"eXIf"), b"")


_JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")  # not stuffing, restart or fill


def jpeg_places(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield ``(marker, begin, end)`` of each segment of a JPEG's first picture, its marker included.

    0xDA begins a scan, whose coded data follow the segment. The end of the image, 0xD9, comes last: what
    follows are other pictures of an MPO, or a video.
    """
    pos = 2
    while found := _JPEG_MARKER.search(data, pos):
        marker, pos = found[1][0], found.end()
        alone = marker in (0x01, 0xD8, 0xD9)
        end = pos if alone else pos + int.from_bytes(data[pos : pos + 2], "big")
        yield marker, found.start(), end
        if marker == 0xD9:
            return
        pos = end


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield ``(marker, content)`` of each segment of a JPEG's first picture; 0xDA begins a scan."""
    for marker, begin, end in jpeg_places(data):
        if marker != 0xD9:
            yield marker, data[begin + 4 : end]


# --------------------------------------------------------------------------------------------------- GIF


def _gif_frames(data: bytes) -> int:
    """Count image blocks without decoding them (Pillow's own count has no bound on its time)."""

    def color_table(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    frames = 0
    try:
        pos = 13 + color_table(data[10])
        for _ in range(100 * _MAX_FRAMES_COUNTED):  # a bound on the blocks of a file made to stall
            if data[pos] == 0x2C:  # an image: its descriptor, then its sub-blocks
                frames += 1
                pos += 11 + color_table(data[pos + 9])
            elif data[pos] == 0x21:  # an extension: its label, then its sub-blocks
                pos += 2
            else:
                break
            pos = _after_sub_blocks(data, pos)
    except IndexError:
        pass  # cut short: what was seen until here counts
    return frames


def _after_sub_blocks(data: bytes, pos: int) -> int:
    """Return the position after a GIF's chain of sub-blocks of up to 255 bytes."""
    for _ in range(100 * _MAX_FRAMES_COUNTED):
        if not data[pos]:
            return pos + 1
        pos += data[pos] + 1
    raise IndexError("more sub-blocks than any real image has")


# -------------------------------------------------------------------------------------------------- TIFF


def tiff_directories(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield ``(position of the first entry, number of entries)`` of each image file directory of a TIFF.

    Their chain may run in a circle, which ends it, and be as long as the file has room for.
    """
    order, big = _tiff_layout(data)
    first, count, entry, link = (8, "Q", 20, "Q") if big else (4, "H", 12, "L")
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(order + link, data, first)
        while offset and offset not in seen:
            seen.add(offset)
            (entries,) = struct.unpack_from(order + count, data, offset)
            begin = offset + struct.calcsize(count)
            yield begin, entries
            (offset,) = struct.unpack_from(order + link, data, begin + entry * entries)
    except (struct.error, OverflowError):
        return


def tiff_tags(data: bytes, begin: int, entries: int) -> Iterator[tuple[int, int, int]]:
    """Yield ``(tag, type, number of values)`` of the entries of one directory, as its header claims them."""
    order, big = _tiff_layout(data)
    form = struct.Struct(order + ("HHQ8x" if big else "HHL4x"))
    room = max(0, len(data) - begin) // form.size
    yield from form.iter_unpack(data[begin : begin + form.size * min(entries, room)])


def _tiff_layout(data: bytes) -> tuple[str, bool]:
    """Return the byte order, and whether it is a BigTIFF, as Pillow tells them: no file is two things."""
    return "<" if data[:2] == b"II" else ">", data[2] == 43
