"""Masks that people mend by hand: changed, added and taken away, in one decision each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

import numpy as np
from msgspec import Meta

from maskrcnn_core.common.bounds import (
    MAX_COORDINATE,
    MAX_MASK_CORNERS,
    MAX_MASK_COUNTS,
    MAX_MASK_RINGS,
)
from maskrcnn_core.errors import DatasetError, StoreError
from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.projects.category_edits import CategoryRef, find_category
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.new_rows import mask_values, new_instance
from maskrcnn_core.projects.records import PERSON, Entry, ImageRow, InstanceRow, Status
from maskrcnn_core.projects.store import Store

__all__ = [
    "Coordinate",
    "Counts",
    "MadeMask",
    "MendedMask",
    "Rings",
    "check_rings",
    "crowd_values",
    "edit_masks",
    "made_by",
    "mended_values",
    "was_asked_for",
]

_R = TypeVar("_R")
_OF_THE_OLD_MASK = ("area", "bbox")  # as a file wrote them, where it wrote other numbers than the pixels' own


Coordinate: TypeAlias = Annotated[float, Meta(ge=-MAX_COORDINATE, le=MAX_COORDINATE)]
"""Pixels."""

Counts: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_MASK_COUNTS,
        pattern=r"^[!-~]*\Z",
        description="run lengths as a text",
    ),
]
"""A mask in COCO's compressed form."""

Rings: TypeAlias = Annotated[
    tuple[Annotated[tuple[Coordinate, ...], Meta(max_length=MAX_MASK_CORNERS)], ...],
    Meta(max_length=MAX_MASK_RINGS),
]
"""Polygons as flat x y in pixel corners."""


def check_rings(rings: Rings | None) -> None:
    """Refuse polygons that are too long, or end in the middle of a corner.

    Raises:
        ValueError: naming the one.
    """
    left = MAX_MASK_CORNERS
    for i, ring in enumerate(rings or ()):
        left -= len(ring)
        if left < 0:
            raise ValueError(f"polygons[{i}]: expected at most {MAX_MASK_CORNERS} numbers in all of them")
        if len(ring) % 2:
            raise ValueError(f"polygons[{i}]: expected x and y of each corner, got {len(ring)} numbers")


@dataclass(frozen=True)
class MendedMask(Generic[_R]):
    """What becomes of an instance.

    Args:
        ref: its id, or what else stands for it in an operation of a review.
        version: of its row, as the author saw it.
        counts: the new mask in COCO's compressed form; ``None`` takes the instance away.
        status: its new one.
        polygons: flat x y in pixel corners, as a person drew them. They are kept where they fill the very
            pixels of the mask; the mask counts.
    """

    ref: _R
    version: int
    counts: str | None
    status: Status = "accepted"
    polygons: Rings | None = None


@dataclass(frozen=True)
class MadeMask:
    """An instance to be made; the arguments are those of :class:`MendedMask`.

    Args:
        category_id: its category's id or, where the author does not know that yet, its name.
        is_crowd: whether it is a region of many objects.
    """

    category_id: CategoryRef
    counts: Counts
    polygons: Rings | None = None
    is_crowd: bool = False

    def __post_init__(self) -> None:
        check_rings(self.polygons)


def edit_masks(
    store: Store,
    image_id: int,
    who: str,
    kind: str,
    mended: Sequence[MendedMask[int]],
    made: Sequence[MadeMask] = (),
    *,
    source: str = PERSON,
    operation: str | None = None,
) -> Entry | None:
    """Carry out an edit of one image's masks, wholly or not at all.

    An edited mask has the box and the area of its pixels from then on, whatever a network or a file said
    before; its score stays, as it is that of the object.

    Args:
        store: where.
        image_id: the store's id of the image.
        who, kind: for the journal.
        mended: instances of that image.
        made: new ones; they are accepted.
        source: of the new ones; see :data:`PERSONAL_SOURCES`.
        operation: see :meth:`Store.decide`.

    Raises:
        DatasetError: if run lengths are none of a mask of the image, or a mask has no pixel.
        ConflictError: if somebody else changed one of the instances meanwhile.
        StoreError: if the image, an instance or a category is not there, or an instance is another image's.
    """
    project_id = store.project_of(image_id)
    if project_id is None:
        raise StoreError(f"image {image_id}: there is no such image")
    if was_asked_for(store, project_id, operation):
        return store.decide(project_id, who, kind, [], image_id=image_id, operation=operation)
    (image,) = store.images(project_id, ids=[image_id])
    ids = [one.ref for one in mended]
    of_image = {row.id: row for row in store.instances(project_id, image_id=image_id, ids=ids)}
    changes: list[Change] = []
    for one in mended:
        if one.ref not in of_image:
            raise StoreError(f"instance {one.ref}: there is no such instance in this image")
        changes.append(Change("instance", one.ref, one.version, _values(image, of_image[one.ref], one)))
    masks = [(one, _mask(image, one.counts)) for one in made]

    new_rows = [
        new_instance(
            image_id,
            find_category(store, project_id, one.category_id),
            None,
            mask,
            source=source,
            status="accepted",
            polygons=None if one.is_crowd else _polygons(one.polygons, mask),
            is_crowd=one.is_crowd,
        )
        for one, mask in masks
    ]
    return store.decide(project_id, who, kind, [*changes, *new_rows], image_id=image_id, operation=operation)


def was_asked_for(store: Store, project_id: int, operation: str | None) -> bool:
    """Return whether an operation has been carried out or refused: what it was about may have gone since.

    :meth:`Store.decide` with nothing to change and its name gives what became of it.
    """
    return operation is not None and store.entry_of(project_id, operation) is not None


def made_by(entry: Entry | None) -> tuple[int, ...]:
    """Return ids of the instances that a decision made, in the order in which it named them."""
    if entry is None:
        return ()
    return tuple(line["id"] for line in entry.changes if line["table"] == "instance" and "made" in line)


def crowd_values(is_crowd: bool) -> dict[str, Any]:
    """Return what changes in an instance's row when a person calls it a crowd, or calls it one object again.

    Whoever says so wants the instance: it is accepted, as with every other mend. COCO writes crowds as run
    lengths, so the corners of an outline go. An undo brings both back.
    """
    values: dict[str, Any] = {"is_crowd": is_crowd, "status": "accepted"}
    return values | {"polygons": None} if is_crowd else values


def mended_values(row: InstanceRow, mask: Rle, polygons: list[list[float]] | None = None) -> dict[str, Any]:
    """Return what changes in an instance's row with its mask: nothing said of the old pixels stays."""
    extra = {key: value for key, value in row.extra.items() if key not in _OF_THE_OLD_MASK}
    return mask_values(mask, polygons) | {"given_box": None, "given_area": None, "extra": extra}


def _values(image: ImageRow, row: InstanceRow, one: MendedMask[int]) -> Mapping[str, Any]:
    if one.counts is None:
        return {"gone": True}
    mask = _mask(image, one.counts)
    polygons = None if row.is_crowd else _polygons(one.polygons, mask)
    return mended_values(row, mask, polygons) | {"status": one.status}


def _mask(image: ImageRow, counts: str) -> Rle:
    mask = Rle.from_counts(counts, (image.height, image.width))
    if not mask.area:
        raise DatasetError("a mask without a pixel is not an instance: remove the instance instead")
    return mask


def _polygons(given: Sequence[Sequence[float]] | None, mask: Rle) -> list[list[float]] | None:
    if given is None:
        return None
    rings = [np.round(np.asarray(ring, np.float64), 2).tolist() for ring in given]
    try:
        return rings if polygons_to_rle(rings, mask.size) == mask else None
    except DatasetError:
        return None
