"""Masks that people mend by hand: changed, added and taken away, in one decision each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.exc import IntegrityError

from maskrcnn_core.errors import DatasetError, StoreError
from maskrcnn_core.masks import Rle
from maskrcnn_core.polygons import polygons_to_rle
from maskrcnn_core.store.journal import Change, New
from maskrcnn_core.store.records import Entry, ImageRow, InstanceRow, Status
from maskrcnn_core.store.store import Store, mask_values, new_instance

__all__ = [
    "MadeMask",
    "MendedMask",
    "add_instances",
    "crowd_values",
    "edit_masks",
    "made_by",
    "mended_values",
    "was_asked_for",
]

_TRIES = 5
_OF_THE_OLD_MASK = ("area", "bbox")  # as a file wrote them, where it wrote other numbers than the pixels' own


@dataclass(frozen=True)
class MendedMask:
    """What becomes of an instance.

    Args:
        id, version: of its row, as the author saw it.
        counts: the new mask in COCO's compressed form; ``None`` takes the instance away.
        status: its new one.
        polygons: flat x y in pixel corners, as a person drew them. They are kept where they fill the very
            pixels of the mask; the mask counts.
    """

    id: int
    version: int
    counts: str | None
    status: Status = "accepted"
    polygons: Sequence[Sequence[float]] | None = None


@dataclass(frozen=True)
class MadeMask:
    """An instance to be made; the arguments are those of :class:`MendedMask`.

    Args:
        is_crowd: whether it is a region of many objects.
    """

    category_id: int
    counts: str
    polygons: Sequence[Sequence[float]] | None = None
    is_crowd: bool = False


def edit_masks(
    store: Store,
    image_id: int,
    who: str,
    kind: str,
    mended: Sequence[MendedMask],
    made: Sequence[MadeMask] = (),
    *,
    operation: str | None = None,
) -> Entry | None:
    """Carries out an edit of one image's masks, wholly or not at all.

    A mended mask has the box and the area of its pixels from then on, whatever a network or a file said
    before; its score stays, as it is that of the object.

    Args:
        store: where.
        image_id: the store's id of the image.
        who, kind: for the journal.
        mended: instances of that image.
        made: new ones; they are accepted, and a person's.
        operation: see :meth:`Store.decide`.

    Raises:
        DatasetError: if run lengths are none of a mask of the image, or a mask has no pixel.
        ConflictError: if somebody else changed one of the instances meanwhile.
        StoreError: if the image or an instance is not there, or an instance is another image's.
    """
    project_id = store.project_of(image_id)
    if project_id is None:
        raise StoreError(f"image {image_id}: there is no such image")
    if was_asked_for(store, project_id, operation):
        return store.decide(project_id, who, kind, [], image_id=image_id, operation=operation)
    (image,) = store.images(project_id, ids=[image_id])
    ids = [one.id for one in mended]
    of_image = {row.id: row for row in store.instances(project_id, image_id=image_id, ids=ids)}
    changes: list[Change] = []
    for one in mended:
        if one.id not in of_image:
            raise StoreError(f"instance {one.id}: there is no such instance in this image")
        changes.append(Change("instance", one.id, one.version, _values(image, of_image[one.id], one)))
    masks = [(one, _mask(image, one.counts)) for one in made]

    def new_rows(first: int) -> list[New]:
        return [
            new_instance(
                image_id,
                one.category_id,
                first + n,
                mask,
                source="person",
                status="accepted",
                polygons=None if one.is_crowd else _polygons(one.polygons, mask),
                is_crowd=one.is_crowd,
            )
            for n, (one, mask) in enumerate(masks)
        ]

    return add_instances(
        store, project_id, who, kind, new_rows, changes, image_id=image_id, operation=operation
    )


def add_instances(
    store: Store,
    project_id: int,
    who: str,
    kind: str,
    rows: Callable[[int], Sequence[New]],
    changes: Sequence[Change] = (),
    *,
    image_id: int,
    operation: str | None = None,
) -> Entry | None:
    """A decision that makes instances: again with other numbers where somebody else's took them meanwhile.

    Args:
        store, project_id, who, kind, changes, image_id, operation: see :meth:`Store.decide`.
        rows: makes the new rows from the first number that is free.

    Raises:
        ConflictError, StoreError: see :meth:`Store.decide`.
    """
    for attempt in range(_TRIES):
        new = rows(store.next_coco_id(project_id, "instance"))
        try:
            return store.decide(
                project_id, who, kind, [*changes, *new], image_id=image_id, operation=operation
            )
        except StoreError as error:
            if not isinstance(error.__cause__, IntegrityError) or attempt == _TRIES - 1:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def was_asked_for(store: Store, project_id: int, operation: str | None) -> bool:
    """Whether an operation has been carried out or refused: what it was about may have gone since.

    :meth:`Store.decide` with nothing to change and its name gives what became of it.
    """
    return operation is not None and store.entry_of(project_id, operation) is not None


def made_by(entry: Entry | None) -> tuple[int, ...]:
    """Ids of the instances that a decision made, in the order in which it named them."""
    if entry is None:
        return ()
    return tuple(line["id"] for line in entry.changes if line["table"] == "instance" and "made" in line)


def crowd_values(is_crowd: bool) -> dict[str, Any]:
    """What changes in an instance's row when a person calls it a crowd, or calls it one object again.

    Whoever says so wants the instance: it is accepted, as with every other mend. COCO writes crowds as run
    lengths, so the corners of an outline go. An undo brings both back.
    """
    values: dict[str, Any] = {"is_crowd": is_crowd, "status": "accepted"}
    return values | {"polygons": None} if is_crowd else values


def mended_values(row: InstanceRow, mask: Rle, polygons: list[list[float]] | None = None) -> dict[str, Any]:
    """What changes in an instance's row with its mask: nothing that was said of the old pixels stays."""
    extra = {key: value for key, value in row.extra.items() if key not in _OF_THE_OLD_MASK}
    return mask_values(mask, polygons) | {"given_box": None, "given_area": None, "extra": extra}


def _values(image: ImageRow, row: InstanceRow, one: MendedMask) -> Mapping[str, Any]:
    if one.counts is None:
        return {"gone": True}
    mask = _mask(image, one.counts)
    polygons = None if row.is_crowd else _polygons(one.polygons, mask)
    return mended_values(row, mask, polygons) | {"status": one.status}


def _mask(image: ImageRow, counts: str) -> Rle:
    mask = Rle.from_counts(counts, (image.height, image.width))
    if not mask.area:
        raise DatasetError("a mask without a pixel is no instance: remove the instance instead")
    return mask


def _polygons(given: Sequence[Sequence[float]] | None, mask: Rle) -> list[list[float]] | None:
    if given is None:
        return None
    rings = [np.round(np.asarray(ring, np.float64), 2).tolist() for ring in given]
    try:
        return rings if polygons_to_rle(rings, mask.size) == mask else None
    except DatasetError:
        return None
