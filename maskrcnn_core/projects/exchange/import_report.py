"""What became of what was handed in to a project, for people."""

from __future__ import annotations

from dataclasses import dataclass

from maskrcnn_core.common.summing import Summed
from maskrcnn_core.formats.coco_file import CocoRow, GivenBox

__all__ = ["BoxToFill", "ImportReport"]


@dataclass(frozen=True)
class BoxToFill:
    """An annotation that is a box, in a project that knows its image and its category.

    Args:
        image, category: their ids in files.
        row: the rest of it.
    """

    image: int
    category: int
    row: CocoRow[GivenBox]


@dataclass(frozen=True)
class ImportReport(Summed):
    """What became of images and data sets that were imported into a project.

    Args:
        images, categories, instances: how many are new.
        known: names of images whose content the project has already.
        missing: names of images that a data set lists and nobody brought; their instances wait for them.
        refused: one sentence for each reason why something cannot be used.
        notes: what had to be changed, for people.
        there: how many instances of data sets the project has already.
        annotations: how many annotations data sets list, good or bad.
        refused_more: how many more things were refused than there are sentences.
        boxes: annotations that are boxes without a mask, and wait for somebody to have them filled.
        changed: how many instances a project's own export, brought back, has changed.
        filled: names of images that a data set had listed and whose files have come now.
    """

    images: int = 0
    categories: int = 0
    instances: int = 0
    known: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    there: int = 0
    annotations: int = 0
    refused_more: int = 0
    boxes: tuple[BoxToFill, ...] = ()
    changed: int = 0
    filled: tuple[str, ...] = ()

    @property
    def refused_count(self) -> int:
        """The number of things that cannot be used."""
        return len(self.refused) + self.refused_more

    @property
    def is_empty(self) -> bool:
        """Whether no image and no instance came in, and none was there before."""
        return not (self.images or self.instances or self.known or self.there or self.filled)

    @property
    def has_no_instance(self) -> bool:
        """Whether data sets list annotations of which none is in the project now."""
        return bool(self.annotations) and not (self.instances or self.there)
