"""Small exports, for tests of formats."""

import numpy as np

from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance
from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.formats import Export
from maskrcnn_core.geometry.rle import Rle
from tests.builders.core import disc, make_image

HEIGHT, WIDTH = 60, 90


def make_instances(image_id=1):
    """A disc, a ring with a hole, two parts, one pixel, and one on the border; category ids have gaps."""
    two_parts = disc(HEIGHT, WIDTH, 12, 70, 6).to_mask() | disc(HEIGHT, WIDTH, 40, 75, 8).to_mask()
    pixel = np.zeros((HEIGHT, WIDTH), np.bool_)
    pixel[5, 80] = True
    return (
        Instance(image_id, 1, disc(HEIGHT, WIDTH, 20, 20, 10), 0.95, (10.2, 9.5, 30.0, 30.4), row=4),
        Instance(image_id, 18, disc(HEIGHT, WIDTH, 30, 50, 20, hole=8), 0.8, row=2),
        Instance(image_id, 90, Rle.from_mask(two_parts), 0.7, row=9),
        Instance(image_id, 3, Rle.from_mask(pixel), 0.6, row=1),
        Instance(image_id, 3, disc(HEIGHT, WIDTH, 59, 89, 9), 0.55, row=0),
    )


def make_image_with(instances, image_id=1, name="street.jpg", digest="ab" * 32):
    pixels = make_image(HEIGHT, WIDTH, image_id)
    return AnnotatedImage(
        ImageRecord(image_id, name, WIDTH, HEIGHT, digest), tuple(instances), lambda: pixels
    )


def make_export(**changes):
    """Two images, the second one without objects."""
    images = (
        make_image_with(make_instances()),
        make_image_with((), 2, "日本語 ☂ 空.jpg", "cd" * 32),
    )
    return Export(**{"images": images, "categories": COCO_CATEGORIES} | changes)
