"""Sizes of images that a COCO file does not tell, measured in the files themselves."""

from __future__ import annotations

from maskrcnn_core.errors import ImageError
from maskrcnn_core.formats.coco_rows import SizeOf
from maskrcnn_core.images.archive_names import file_names_in
from maskrcnn_core.images.pools import ImageFinder
from maskrcnn_core.images.reading import image_size

__all__ = ["sizes_from"]


def sizes_from(images: ImageFinder, data: bytes) -> SizeOf:
    """Return a function that gives height and width by file name, ``None`` without a readable file.

    Args:
        images: told of all names in the file when the first size is asked for, and not before.
        data: the COCO file.
    """
    is_told = False

    def size_of(name: str) -> tuple[int, int] | None:
        nonlocal is_told
        if not is_told:
            images.expect(sorted(file_names_in(data)))
            is_told = True
        try:
            found = images.read(name)
            return None if found is None else image_size(found, name)
        except ImageError:
            return None  # the image is refused, with its reason, when it is taken in

    return size_of
