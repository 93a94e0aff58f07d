"""How a project's images are seen: one setting for the review, the models' runs, drawn boxes and exports.

It lies with what the project keeps beside its columns, so it is a decision in the journal and is undone like
any other. It is the project's, not the data set's: exports do not say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from maskrcnn_core.errors import InputError
from maskrcnn_core.images.reading import SourceImage, Stretch, decode_image
from maskrcnn_core.images.seen import are_lengths
from maskrcnn_core.microscopy.views import View
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.records import Extra, ImageRow, ProjectRow
from maskrcnn_core.projects.store import Store

__all__ = ["extra_seen", "pixels_of", "seen_as", "seen_in", "set_stretch", "stretch_of"]

_OURS, _STRETCH = "maskdesk", "stretch"


def stretch_of(project: ProjectRow) -> Stretch:
    """Return whether dim 16-bit and floating-point images of a project are stretched."""
    ours = project.extra.get(_OURS)
    return "off" if isinstance(ours, Mapping) and ours.get(_STRETCH) == "off" else "auto"


def set_stretch(store: Store, project_id: int, who: str, stretch: Stretch) -> bool:
    """Set whether a project's dim images are stretched, as a decision of this person.

    Returns:
        Whether it was the other way before.

    Raises:
        StoreError: if there is no such project.
        ConflictError: if somebody changed the project at the same moment.
    """
    project = store.project(project_id)
    if stretch_of(project) == stretch:
        return False
    extra = dict(project.extra)
    ours = extra.pop(_OURS, None)
    ours = dict(ours) if isinstance(ours, Mapping) else {}
    ours.pop(_STRETCH, None)
    if stretch == "off":
        ours[_STRETCH] = stretch
    if ours:
        extra[_OURS] = ours
    change = Change("project", project_id, project.version, {"extra": extra})
    store.decide(project_id, who, "stretch images", [change])
    return True


def seen_as(digest: str, stretch: Stretch) -> str:
    """Return a key for what is made of pixels: an image's or model's digest, and how images were seen."""
    return digest if stretch == "auto" else f"{digest}-{stretch}"


def pixels_of(store: Store, image: ImageRow, stretch: Stretch) -> npt.NDArray[np.uint8]:
    """Return a stored image's pixels, uint8 ``[H, W, 3]`` RGB, upright.

    Raises:
        CoreError: if the file is gone or cannot be read.
    """
    return decode_image(store.blobs.get(image.digest), image.file_name, stretch=stretch).pixels


def extra_seen(image: SourceImage) -> Extra:
    """Return what is kept beside an image of a stack, under the keys that COCO files have: what of it was
    seen, and how large a pixel is.
    """
    kept: dict[str, Any] = {"view": image.view} if image.view else {}
    return kept | ({"pixel_um": list(image.pixel_um)} if image.pixel_um else {})


def seen_in(row: ImageRow) -> tuple[str, tuple[float, float] | None]:
    """Return the same of a stored image: the view as text, empty for none, and width and height of a pixel
    in micrometres, ``None`` where that is unknown.
    """
    view, pixel = row.extra.get("view"), row.extra.get("pixel_um")
    size = (float(pixel[0]), float(pixel[1])) if pixel and are_lengths(pixel) else None
    try:
        return View.of_text(view).text if view and isinstance(view, str) else "", size
    except InputError:  # a word of another program's file
        return "", size
