"""Thumbnails of a project's images, made once and kept next to the project for all who look at it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskrcnn_core.errors import CoreError
from maskrcnn_core.images.reading import Stretch, thumbnail_jpeg
from maskrcnn_core.projects.records import ImageRow
from maskrcnn_core.projects.seeing import pixels_of, seen_as
from maskrcnn_core.projects.store import Store

__all__ = ["THUMBNAIL_SIDE", "make_thumbnail", "thumbnails_of"]

THUMBNAIL_SIDE = 96
"""Pixels of the longer side."""


def make_thumbnail(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return the small JPEG of an image, uint8 ``[H, W, 3]``."""
    return thumbnail_jpeg(pixels, THUMBNAIL_SIDE)


def thumbnails_of(store: Store, images: Sequence[ImageRow], stretch: Stretch = "auto") -> dict[str, bytes]:
    """Return the thumbnails of these images, by digest; what is missing is made.

    An image that can no longer be read has none.
    """
    of_key = {seen_as(image.digest, stretch): image for image in images if image.digest}
    kept = store.thumbnails(of_key.keys())
    made: dict[str, bytes] = {}
    for key in of_key.keys() - kept.keys():
        try:
            made[key] = make_thumbnail(pixels_of(store, of_key[key], stretch))
        except CoreError:
            continue  # the page that shows the image itself says why
    if made:
        store.keep_thumbnails(made)
    return {of_key[key].digest: picture for key, picture in (kept | made).items()}
