"""What a COCO file holds once it is read: its rows as values, each with what MaskDesk does not know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.common.refusals import Refusal
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category

__all__ = ["CocoFile", "CocoRow", "GivenBox", "boxes_refused"]


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class GivenBox:
    """An annotation that is a box without a mask.

    Args:
        image_id, category_id: as in :class:`~maskrcnn_core.dataset.annotations.Instance`.
        box: x1 y1 x2 y2 in float pixels; a pixel of it or more lies within the image.
        score: as the file says, or ``None``.
        is_crowd: as the file says.
    """

    image_id: int
    category_id: int
    box: tuple[float, float, float, float]
    score: float | None
    is_crowd: bool


@dataclass(frozen=True, slots=True)
class CocoRow(Generic[_T]):
    """One row of a file.

    Args:
        value: what was understood of it.
        raw: the row as it is in the file.
        id: its number: the file's, or the next free one where that has none, a text, or 0 for an annotation.
        text_id: its id in the file where that is a text; else empty.
        extra: its keys that MaskDesk does not know, to be written again.
        polygons: the parts of its polygon as flat x y; ``None`` for run lengths.
        is_listed: its run lengths are a list, not compressed text.
        index: its place in the file's list of annotations.
    """

    value: _T
    raw: Mapping[str, Json]
    id: int
    text_id: str
    extra: Mapping[str, Json]
    polygons: list[list[float]] | None = None
    is_listed: bool = False
    index: int = 0


@dataclass(frozen=True)
class CocoFile:
    """A whole file.

    Args:
        images, categories, annotations: the rows that can be used, in the file's order.
        boxes: annotations that are boxes without a mask.
        extra: the file's other keys, as ``info`` and ``licenses``.
        ours: what it says for MaskDesk alone.
        refusals: what cannot be used, by name.
        notes: what had to be repaired: one sentence with a count for each kind.
        refused_rows: the annotations among the refusals, as they are in the file.
    """

    images: tuple[CocoRow[ImageRecord], ...]
    categories: tuple[CocoRow[Category], ...]
    annotations: tuple[CocoRow[Instance], ...]
    boxes: tuple[CocoRow[GivenBox], ...]
    extra: Mapping[str, Json]
    ours: Mapping[str, Json]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]
    refused_rows: tuple[Mapping[str, Json], ...] = ()

    def dataset(self) -> Dataset:
        """Return what those who need masks make of it."""
        return Dataset(
            tuple(row.value for row in self.images),
            tuple(row.value for row in self.categories),
            tuple(row.value for row in self.annotations),
        )

    def refused(self) -> list[Refusal]:
        """Return all that is not in :meth:`dataset`; boxes without a mask are one sentence."""
        return [*self.refusals, *boxes_refused(len(self.boxes))]


def boxes_refused(count: int) -> list[Refusal]:
    """Return one refusal for all annotations that are boxes without a mask."""
    reason = f"{count} hold{'s' if count == 1 else ''} only boxes, no masks"
    return [Refusal("annotations", reason)] if count else []
