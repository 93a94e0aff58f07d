"""Projects for the benchmark `felt`: photos with proposals, a large crowd, very large pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

import numpy as np

from benchmarks.review import make_project
from benchmarks.scenes import Pixels, mobile, photo, shared_file
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.images.reading import encode_jpeg
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.exchange.intake import import_files
from maskrcnn_core.projects.proposals.network_edits import mapping_of
from maskrcnn_core.projects.proposals.proposing import propose
from maskrcnn_core.projects.store import Store

__all__ = ["CROWD_SIZE", "Projects", "has_photos", "large_jpeg", "make_projects"]

CROWD_SIZE = (3000, 4000)
_PHOTOS = ("data", "coco_val2017", "images")
_TURN = 97  # columns by which each picture made of the same photo is turned against the one before


class Projects(TypedDict):
    """Their ids.

    Attributes:
        photos: of 640 x 480, with the proposals of `mobile`.
        camera: pictures of 12 MP, likewise.
        crowd: one image with many instances.
        alone: each has one very large picture.
        second: each has a small picture and, after it, a very large one.
    """

    photos: int
    camera: int
    crowd: int
    alone: list[int]
    second: list[int]


def has_photos() -> bool:
    """Whether the photos are there, and the model that makes proposals for them."""
    return shared_file(*_PHOTOS) is not None and mobile() is not None


def make_projects(
    folder: Path, *, photos: int, camera: int, crowd: int, large: int, megapixels: float
) -> Projects:
    """Fills a place with projects.

    Args:
        folder: of the projects' data.
        photos, camera: images of these projects.
        crowd: instances of its one image.
        large: projects of each kind with a very large picture: no two have the same one.
        megapixels: of such a picture.
    """
    files = sorted((shared_file(*_PHOTOS) or Path()).glob("*.jpg"))[:photos]
    named = [(file.name, file.read_bytes()) for file in files]
    pixels = photo(12)[0]
    turned = ((f"{n:03}.jpg", encode_jpeg(np.roll(pixels, n * _TURN, axis=1))) for n in range(camera))
    store = Store(StorePlace.in_folder(folder))
    try:
        return Projects(
            photos=_with_proposals(store, "Photos", named),
            camera=_with_proposals(store, "Camera", turned),
            crowd=make_project(store, "Crowd", 1, CROWD_SIZE, crowd),
            alone=[_large(store, megapixels, n, []) for n in range(1, large + 1)],
            second=[_large(store, megapixels, large + n, named[:1]) for n in range(1, large + 1)],
        )
    finally:
        store.close()


def _with_proposals(store: Store, name: str, files: Iterable[tuple[str, bytes]]) -> int:
    model = mobile()
    if model is None:
        raise RuntimeError("expected the weights of mobile, got none; MASKDESK_SHARED names their folder")
    predictor = Predictor(model, "cpu")
    project = store.create_project(name, "bench", categories=list(model.label_map.categories)).id
    import_files(store, project, "bench", files)
    propose(store, project, predictor, Thresholds(), mapping_of(store, project, predictor))
    return project


def _large(store: Store, megapixels: float, number: int, before: list[tuple[str, bytes]]) -> int:
    project = store.create_project(f"Large {number}", "bench").id
    import_files(store, project, "bench", [*before, ("large.jpg", large_jpeg(megapixels, number))])
    return project


def large_jpeg(megapixels: float, number: int = 0) -> bytes:
    """A file of so many pixels, as a camera writes it: a photo of 12 MP, mirrored as often as needed.

    Another number makes another picture.
    """
    pixels: Pixels = np.roll(photo(12)[0], number * _TURN, axis=1)
    height, width = int(1000 * (megapixels * 3 / 4) ** 0.5), int(1000 * (megapixels * 4 / 3) ** 0.5)
    missing = ((0, max(height - pixels.shape[0], 0)), (0, max(width - pixels.shape[1], 0)), (0, 0))
    return encode_jpeg(np.pad(pixels, missing, mode="symmetric")[:height, :width], quality=92)
