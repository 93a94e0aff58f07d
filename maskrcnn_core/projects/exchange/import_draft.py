"""What one import of a COCO file is going to change in a project, and what is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any

from maskrcnn_core.common.refusals import Groups
from maskrcnn_core.detection.limits import NoteTally
from maskrcnn_core.formats.coco_fields import OURS
from maskrcnn_core.formats.coco_file import CocoRow, GivenBox
from maskrcnn_core.formats.coco_reader import CocoReader
from maskrcnn_core.images.pools import FoundImages, ImageFinder
from maskrcnn_core.projects.exchange.import_report import BoxToFill, ImportReport
from maskrcnn_core.projects.exchange.own_fields import checked_ours
from maskrcnn_core.projects.exchange.own_rows import is_own
from maskrcnn_core.projects.journal import Change, New, Ref
from maskrcnn_core.projects.records import InstanceRow
from maskrcnn_core.projects.store import Store

__all__ = ["FindImage", "ImportDraft", "extra_of"]

FindImage = Callable[[str], bytes | None]
"""Gives an image file's bytes by the name that a data set calls it, or ``None`` if it is not there."""


class ImportDraft:
    """One import on its way to be one decision: what it changes, and what is said of it."""

    def __init__(
        self,
        store: Store,
        project_id: int,
        file: CocoReader,
        find_image: FindImage | ImageFinder,
        on_progress: Callable[[int, int], object] | None,
    ) -> None:
        self.on_progress = on_progress
        self.done, self.total = 0, len(file.images) + file.annotation_count
        self.store, self.project_id, self.file = store, project_id, file
        self.find_image = find_image.read if isinstance(find_image, ImageFinder) else find_image
        self.changes: list[Change | New] = []
        self.made: Counter[str] = Counter()
        self.known: list[str] = []
        self.missing: list[str] = []
        self.filled: list[str] = []
        self.names = [row.value.file_name for row in file.images]
        self.found = find_image.expect(self.names) if isinstance(find_image, ImageFinder) else FoundImages()
        self.refused = list(self.found.refused)
        self.notes = list(self.found.notes)
        self.thumbnails: dict[str, bytes] = {}
        self.decoding = NoteTally()
        self.there = 0
        self.boxes: list[BoxToFill] = []
        self.mends = Groups()
        self.changed = 0
        self.without = Counter[str]()
        self.pixelless = Groups()
        self.images_there = 0
        self.project = store.project(project_id)
        self.ours = checked_ours("COCO file", None, {OURS: file.ours}, self.mends)
        self.is_own = is_own(self.ours, self.project)
        # From the store's ids of rows that are there, and from what a Ref calls the others, to ids in files.
        self.coco_ids: dict[tuple[str, Hashable], int] = {}
        self.unnumbered: list[CocoRow[GivenBox]] = []
        # From the file's ids to the store's, or to rows that this decision makes.
        self.category_ids: dict[int, int | Ref] = {}
        self.image_ids: dict[int, int | Ref] = {}

    def step(self, every: int) -> None:
        """Count one more image or annotation as done, and report it now and then."""
        self.done += 1
        if self.on_progress and (self.done % every == 0 or self.done == self.total):
            self.on_progress(self.done, self.total)

    def add(self, new: New) -> None:
        """Take note of a new row."""
        self.changes.append(new)
        self.made[new.table] += 1

    def report(self, prefix: str) -> ImportReport:
        """Return what became of the file; each sentence begins with the prefix."""
        left = [
            f"annotations: {count} left out because their {what} cannot be used"
            for what, count in self.without.items()
        ]
        refused = (*self.file.refused, *self.pixelless.sentences(), *left, *self.refused)
        more = self.file.refused_count + len(self.pixelless) + self.without.total() + len(self.refused)
        notes = (*self.file.notes, *self.mends.sentences(), *self.notes, *self.decoding.sentences())
        return ImportReport(
            self.made["image"],
            self.made["category"],
            self.made["instance"],
            tuple(self.known),
            tuple(self.missing),
            tuple(prefix + sentence for sentence in refused),
            tuple(prefix + sentence for sentence in notes),
            self.there,
            self.file.annotation_count,
            more - len(refused),
            tuple(self.boxes),
            self.changed,
            tuple(self.filled),
        )

    @cached_property
    def instances(self) -> list[InstanceRow]:
        """The project's, before the import."""
        return self.store.instances(self.project_id)

    @cached_property
    def own(self) -> Mapping[int | str | None, InstanceRow]:
        """Instances that rows of the file can be, by their ids in files."""
        return {row.coco_id: row for row in self.instances} if self.is_own else {}


def extra_of(row: CocoRow[Any], text_id: str, **ours: Any) -> dict[str, Any]:
    """Return a row's other keys, and what is kept for MaskDesk beside it."""
    kept = ({"id": text_id} if text_id else {}) | ours
    return dict(row.extra) | ({OURS: kept} if kept else {})
