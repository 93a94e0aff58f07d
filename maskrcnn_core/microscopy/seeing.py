"""Images decoded as a view sees them: stacks by what is chosen of them, all others as they are."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.reading import SourceImage, Stretch, decode_image
from maskrcnn_core.microscopy.compositing import render
from maskrcnn_core.microscopy.facts import PixelSize
from maskrcnn_core.microscopy.seen_files import make_seen_file, seen_of
from maskrcnn_core.microscopy.stacks import is_stack_file, open_stack
from maskrcnn_core.microscopy.views import MAX, View

__all__ = ["bytes_as_seen", "pixel_size_of", "see_image"]

_NO_STACK = "it holds no stack to choose from: seen as it is"


def see_image(data: bytes, name: str, view: View | None = None, *, stretch: Stretch = "auto") -> SourceImage:
    """Decode an image file as a view sees it.

    Args:
        data: the whole file.
        name: what the image is called in messages.
        view: what of a stack is seen; ``None`` for the first page, as of any image.
        stretch: as in :func:`~maskrcnn_core.images.reading.decode_image`; a view has its own contrast.

    Raises:
        InputError, ImageError: if the file cannot be read, or has no such page, slice or channel.
    """
    if view is None or not is_stack_file(data):
        image = decode_image(data, name, stretch=stretch)
        if view is None:
            return _with_pixel(image, data)
        if view.page not in (1, MAX) or view.z not in (1, MAX) or view.channels:
            raise ImageError(
                f"{image.name}: expected a TIFF with what was chosen ({view.text}), got a {image.format} "
                "image; leave the choice out"
            )
        return replace(image, notes=(*image.notes, _NO_STACK))
    if seen_of(data, name) is not None:
        image = decode_image(data, name, stretch=stretch)
        return replace(image, notes=(*image.notes, "it is a view already: seen as it is"))
    stack = open_stack(data, name)
    seen = stack.resolve(view)
    pixel = stack.pixel
    return SourceImage(
        name,
        hashlib.sha256(data).hexdigest(),
        render(stack, seen),
        "TIFF",
        (f"seen as {seen.text} of {stack.text}", *stack.notes),
        False,
        seen.text,
        None if pixel is None else (pixel.x, pixel.y),
    )


def bytes_as_seen(data: bytes, name: str, view: View | str) -> bytes:
    """Return an image file that shows, in whatever program, what a view shows of a stack.

    Args:
        data: the file that people have: the stack, or the view itself; other images stay as they are.
        name: what the file is called in messages.
        view: also as text; empty for the file as it is.

    Raises:
        InputError, ImageError: as :func:`see_image`.
    """
    if not view or not is_stack_file(data) or seen_of(data, name) is not None:
        return data
    wanted = View.of_text(view) if isinstance(view, str) else view
    return make_seen_file(open_stack(data, name), wanted, hashlib.sha256(data).hexdigest())


def pixel_size_of(data: bytes, name: str) -> PixelSize | None:
    """Return how large a pixel of an image is by its metadata; ``None`` where nobody says so."""
    if not is_stack_file(data):
        return None
    try:
        seen = seen_of(data, name)
        return open_stack(data, name).pixel if seen is None else seen.pixel
    except ImageError:  # whoever decodes it says what is the matter
        return None


def _with_pixel(image: SourceImage, data: bytes) -> SourceImage:
    if image.pixel_um is not None or (pixel := pixel_size_of(data, image.name)) is None:
        return image
    return replace(image, pixel_um=(pixel.x, pixel.y))
