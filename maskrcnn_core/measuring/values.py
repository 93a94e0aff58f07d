"""The values of an image in which intensities are measured: what the microscope wrote, not what is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.errors import ImageError, InputError
from maskrcnn_core.images.reading import decode_image
from maskrcnn_core.microscopy.facts import PixelSize
from maskrcnn_core.microscopy.seen_files import seen_of, values_of_seen
from maskrcnn_core.microscopy.stacks import Plane, is_stack_file, open_stack
from maskrcnn_core.microscopy.views import View

__all__ = ["Values", "check_size", "values_of", "values_of_picture"]

_SHOWN = "intensities are those of the picture, 8 bits a colour"


@dataclass(frozen=True, eq=False)
class Values:
    """What is measured in.

    Args:
        channels: name and values ``[H, W]`` of each, upright.
        pixel: how large a pixel is; ``None`` where nobody says so.
        notes: what a person should know of them, each a short clause.
    """

    channels: tuple[tuple[str, Plane], ...]
    pixel: PixelSize | None
    notes: tuple[str, ...] = ()


def values_of(data: bytes, name: str, view: str = "") -> Values:
    """Return the values of an image file.

    Of a TIFF they are its own, of all channels at the page and slice of the view, else at the first; of other
    images those of the picture, one channel where it is grey.

    Args:
        data: the whole file: a stack, a view of one, or any image.
        name: what the file is called in messages.
        view: what of a stack was seen, as text; empty for its first page.

    Raises:
        InputError, ImageError: if the file cannot be read, or has no such page or slice.
    """
    if not is_stack_file(data):
        return _of_picture(data, name)
    if (seen := seen_of(data, name)) is not None:
        planes = values_of_seen(data, name)
        return Values(tuple(zip((one.name for one in seen.channels), planes, strict=True)), seen.pixel)
    try:
        stack = open_stack(data, name)
    except ImageError:
        if view:
            raise
        return _of_picture(data, name)  # which Pillow may read in its own way: palettes, 1 bit, Lab
    asked = View.of_text(view) if view else View()
    page, z = (seen_view := stack.resolve(View(asked.page, asked.z))).page, seen_view.z
    numbers = range(1, len(stack.channels) + 1)
    channels = tuple((stack.channels[n - 1].name, stack.plane(page, z, n)) for n in numbers)
    return Values(channels, stack.pixel, stack.notes)


def _of_picture(data: bytes, name: str) -> Values:
    return values_of_picture(decode_image(data, name).pixels)


def values_of_picture(pixels: Pixels) -> Values:
    """Return the values of a picture, uint8 ``[H, W, 3]`` RGB; one channel where it is grey."""
    colors = [np.ascontiguousarray(pixels[:, :, n]) for n in range(3)]
    if np.array_equal(colors[0], colors[1]) and np.array_equal(colors[0], colors[2]):
        return Values((("grey", colors[0]),), None, (_SHOWN,))
    return Values(tuple(zip(("red", "green", "blue"), colors, strict=True)), None, (_SHOWN,))


def check_size(values: Values, size: tuple[int, int], name: str) -> None:
    """Refuse values of another size than the masks.

    Raises:
        InputError: with both sizes.
    """
    height, width = values.channels[0][1].shape
    if (height, width) != size:
        raise InputError(
            f"{name}: the annotations say {size[1]} x {size[0]} pixels, the image has {width} x {height}"
        )
