"""A view of a stack as a file of its own, which is the picture that people, networks and exports have.

It is a TIFF whose first page is what is seen, RGB of 8 bits, so that every program reads the very pixels that
were annotated. Behind it come the values of all channels at the same page and slice, in the file's own type,
which intensities are measured in. The first page's description says which file and which view that is. So the
choice goes wherever the picture goes, and another choice is another picture.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ImageError, InputError
from maskrcnn_core.images.headers import tiff_directories
from maskrcnn_core.images.microscopes.table import is_microscope_file
from maskrcnn_core.images.reading import MAX_FILE_BYTES
from maskrcnn_core.images.seen import MARK
from maskrcnn_core.microscopy.compositing import compose
from maskrcnn_core.microscopy.facts import Channel, PixelSize
from maskrcnn_core.microscopy.stacks import Plane, Stack, is_stack_file, open_stack
from maskrcnn_core.microscopy.views import View

__all__ = ["Seen", "make_seen_file", "seen_of", "values_of_seen"]

_VERSION = 1
_DESCRIPTION = 270
_LONGEST = 2**20
_MOST_TAGS = 4096
_ROOM = 2**20  # for the tables


@dataclass(frozen=True)
class Seen:
    """Which view of which file a picture is.

    Args:
        view: resolved.
        source_name: the stack's file.
        source_digest: SHA-256 of its bytes in hex.
        channels: of the stack, all of which are measured.
        pixel: how large a pixel is, or ``None``.
        pages, slices: how many the stack has.
    """

    view: View
    source_name: str
    source_digest: str
    channels: tuple[Channel, ...]
    pixel: PixelSize | None
    pages: int
    slices: int


def make_seen_file(stack: Stack, view: View, digest: str) -> bytes:
    """Return a view of a stack as a TIFF of its own; the same view of the same file gives the same bytes.

    Args:
        stack: the file's.
        view: what is seen of it.
        digest: SHA-256 of the stack's file in hex.

    Raises:
        InputError: if there is no such page, slice or channel.
        ImageError: if the file is damaged there, or a value is not finite.
    """
    import tifffile

    seen = stack.resolve(view)
    height, width = stack.size
    needed = height * width * (3 + len(stack.channels) * stack.bits // 8)
    if needed > MAX_FILE_BYTES - _ROOM:
        raise ImageError(
            f"{stack.name}: expected a view of at most {MAX_FILE_BYTES / 2**30:g} GiB with the values of all "
            f"channels, got {needed / 2**30:.1f} GiB; save fewer channels or a part of it in Fiji"
        )
    planes = [stack.plane(seen.page, seen.z, number) for number in range(1, len(stack.channels) + 1)]
    shown = compose([planes[int(one.channel) - 1] for one in seen.channels], seen, stack.name)
    pixel = stack.pixel
    facts = {
        "view": seen.text,
        "source": {"name": stack.name, "sha256": digest, "pages": stack.pages, "slices": stack.slices},
        "channels": [{"name": one.name, "color": one.color} for one in stack.channels],
        "pixel_um": None if pixel is None else [pixel.x, pixel.y],
        "pixel_said_by": "" if pixel is None else pixel.source,
        "version": _VERSION,
    }
    out = BytesIO()
    # Of the same values the same bytes: no date, no version of a program, no compression.
    with tifffile.TiffWriter(out) as writer:
        writer.write(
            shown,
            photometric="rgb",
            description=MARK + json.dumps(facts, ensure_ascii=True, separators=(",", ":")),
            metadata=None,
            software=False,
        )
        for plane in planes:
            writer.write(np.ascontiguousarray(plane), photometric="minisblack", metadata=None, software=False)
    return out.getvalue()


def seen_of(data: bytes, name: str) -> Seen | None:
    """Return which view a file is; ``None`` if it is an image like any other.

    Raises:
        ImageError: if it says that it is a view, and then not which.
    """
    text = _description(data)
    if text is None:
        return None
    try:
        facts: Any = json.loads(text)
        source = facts["source"]
        pixel = facts["pixel_um"]
        return Seen(
            View.of_text(str(facts["view"])),
            str(source["name"]),
            str(source["sha256"]),
            tuple(Channel(one_line(str(one["name"]))[:200], str(one["color"])) for one in facts["channels"]),
            None if pixel is None else _pixel(pixel, str(facts["pixel_said_by"])),
            int(source["pages"]),
            int(source["slices"]),
        )
    except (InputError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = one_line(str(error))[:120]
        raise ImageError(
            f"{one_line(name)}: expected a view of a stack that MaskDesk wrote, got one whose description is "
            f"damaged ({reason}); choose it from the stack again"
        ) from error


def values_of_seen(data: bytes, name: str) -> list[Plane]:
    """Return the values of all channels of a view's file, ``[H, W]`` each.

    Raises:
        ImageError: if it is none, or is damaged.
    """
    seen = seen_of(data, name)
    if seen is None:
        raise ImageError(f"{one_line(name)}: expected a view of a stack, got another image")
    return _open_values(data, name, len(seen.channels))


def _open_values(data: bytes, name: str, count: int) -> list[Plane]:
    stack = open_stack(data, name, series=1)
    if stack.pages * stack.slices * len(stack.channels) != count:
        raise ImageError(
            f"{one_line(name)}: expected the values of {count} channels, got those of {stack.pages}; choose "
            "it from the stack again"
        )
    return [stack.plane(page, 1, 1) for page in range(1, stack.pages + 1)]


def _description(data: bytes) -> str | None:
    """Return the JSON in the first page's description, if that begins with the mark."""
    if not is_stack_file(data) or is_microscope_file(data) or MARK.encode() not in data:
        return None
    order, big = ("<" if data[:2] == b"II" else ">"), b"+" in data[2:4]
    entry = struct.Struct(order + ("HHQQ" if big else "HHLL"))
    for begin, entries in islice(tiff_directories(data), 1):
        rows = data[begin : begin + entry.size * min(entries, _MOST_TAGS)]
        for tag, _, length, at in entry.iter_unpack(rows[: len(rows) // entry.size * entry.size]):
            text = data[at : at + min(length, _LONGEST)]
            if tag == _DESCRIPTION and text.startswith(MARK.encode()):
                return text.removeprefix(MARK.encode()).rstrip(b"\0").decode("ascii", "replace")
    return None


def _pixel(value: Any, source: str) -> PixelSize:
    x, y = (float(number) for number in value)
    if not (0 < x < 1e9 and 0 < y < 1e9):
        raise ValueError("a pixel's size")
    return PixelSize(x, y, one_line(source)[:200])
