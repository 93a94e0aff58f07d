"""Small pictures of a project's images, made once and kept beside the project for all who look at it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskrcnn_core.errors import CoreError
from maskrcnn_core.images import decode_image, thumbnail_jpeg
from maskrcnn_core.store.records import ImageRow
from maskrcnn_core.store.store import Store

__all__ = ["THUMBNAIL_SIDE", "make_thumbnail", "thumbnails_of"]

THUMBNAIL_SIDE = 96
"""Pixels of the longer side."""


def make_thumbnail(pixels: npt.NDArray[np.uint8]) -> bytes:
    """The small JPEG of an image, uint8 ``[H, W, 3]``."""
    return thumbnail_jpeg(pixels, THUMBNAIL_SIDE)


def thumbnails_of(store: Store, images: Sequence[ImageRow]) -> dict[str, bytes]:
    """The small pictures of these images, by digest; what is missing is made.

    An image that can no longer be read has none.
    """
    digests = {image.digest for image in images if image.digest}
    kept = store.thumbnails(digests)
    made: dict[str, bytes] = {}
    for digest in digests - kept.keys():
        try:
            made[digest] = make_thumbnail(decode_image(store.blobs.get(digest), digest).pixels)
        except CoreError:
            continue  # the page that shows the image itself says why
    if made:
        store.keep_thumbnails(made)
    return kept | made
