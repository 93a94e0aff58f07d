"""COCO files into a project, so that nothing of them is lost on the way.

What MaskDesk does not know of a file is kept with its row and written again; so are a file's own areas, boxes
and polygons, as long as nobody mends the mask. What COCO does not know of a project (the status of instances
and images, where an instance came from) stands under the key ``maskdesk``. So an export that is
imported into an empty project and exported again gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, cast

from maskrcnn_core.annotations import ImageRecord, Instance
from maskrcnn_core.categories import Category
from maskrcnn_core.collecting import collection_paused
from maskrcnn_core.errors import DatasetError, ImageError
from maskrcnn_core.formats.coco_fields import (
    OURS,
    id_key,
    is_storable,
    ours_of,
)
from maskrcnn_core.formats.coco_file import CocoRow, GivenBox
from maskrcnn_core.formats.coco_reader import CocoReader
from maskrcnn_core.formats.coco_sizes import sizes_from
from maskrcnn_core.image_pools import FoundImages, ImageFinder
from maskrcnn_core.images import decode_image, image_size
from maskrcnn_core.messages import one_line
from maskrcnn_core.polygons import EdgeBudget
from maskrcnn_core.refusals import Groups
from maskrcnn_core.run_limits import NoteTally
from maskrcnn_core.store.coco_ids import FreeIds
from maskrcnn_core.store.homes import RecordHomes
from maskrcnn_core.store.import_report import BoxToFill, ImportReport
from maskrcnn_core.store.journal import Change, New, Ref
from maskrcnn_core.store.ours import checked_ours
from maskrcnn_core.store.own_rows import (
    Verdict,
    changed_values,
    differing,
    is_own,
    mark_of,
    verdict_on,
)
from maskrcnn_core.store.pictures_in import called_otherwise, import_images
from maskrcnn_core.store.records import (
    CategoryRow,
    ImageRow,
    InstanceRow,
    Status,
)
from maskrcnn_core.store.store import Store, new_category, new_image, new_instance
from maskrcnn_core.store.thumbnails import make_thumbnail

__all__ = ["OURS", "ImportReport", "import_coco", "import_images", "read_for_import"]

_TOLD: dict[Verdict, str] = {
    "changed": "of this project were changed in the file; they are as there now",
    "changed here": "of this project were changed here since the file was written; they stay as they are",
    "changed twice": "were changed both in the file and here since it was written; both versions are kept",
}
"""What is said of so many rows of a project's own export."""

_OUTSIDE = "no pixel of it lies within the image"

FindImage = Callable[[str], bytes | None]
"""Gives an image file's bytes by the name that a data set calls it, or ``None`` if it is not there."""


# -- COCO in --------------------------------------------------------------------------------------


def import_coco(
    store: Store,
    project_id: int,
    who: str,
    data: bytes | CocoReader,
    find_image: FindImage | ImageFinder,
    *,
    name: str = "",
    on_progress: Callable[[int, int], object] | None = None,
    budget: EdgeBudget | None = None,
) -> ImportReport:
    """Takes a COCO file with its images into a project: wholly, but for what is named, or not at all.

    Ids are kept where they are free. Categories that the project has by name, images that it has by
    content (or by name and size) and instances that it has with the same mask and category are not taken
    twice, so the same import again changes nothing. An export of this very project changes its own instances:
    see :mod:`maskrcnn_core.store.own_rows`.

    Args:
        store: where.
        project_id: into which project.
        who: for the journal.
        data: the file, or what :func:`read_for_import` made of it.
        find_image: gives its images.
        name: of the file, for what is said of it.
        on_progress: called with ``(done, total)`` images and annotations now and then; it may raise to stop,
            and then nothing is taken in.
        budget: for the edges of all polygons, where several files are one import.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON, or holds a name that no database can keep.
        StoreError: if the store cannot be written; then nothing was taken in.
    """
    with collection_paused():
        file = data if isinstance(data, CocoReader) else read_for_import(data, find_image, budget)
        work = _CocoImport(store, project_id, file, find_image, on_progress)
        work.plan_categories()
        work.plan_images()
        work.plan_instances()
        work.plan_extra()
        store.decide(project_id, who, "import COCO", work.changes)
    store.keep_thumbnails(work.thumbnails)
    return work.report(f"{one_line(name)}: " if name else "")


def read_for_import(
    data: bytes, find_image: FindImage | ImageFinder, budget: EdgeBudget | None = None
) -> CocoReader:
    """Reads a COCO file up to its annotations; sizes that it does not tell are measured in its images.

    Args:
        data: the file.
        find_image: gives its images.
        budget: see :func:`import_coco`.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON, or holds a name that no database can keep.
    """

    if isinstance(find_image, ImageFinder):
        file = CocoReader(data, size_of=sizes_from(find_image, data), budget=budget)
    else:
        file = CocoReader(data, size_of=lambda name: _size_of(find_image(name), name), budget=budget)
    names = [("categories", "name", [row.value.name for row in file.categories])]
    names += [("images", "file_name", [row.value.file_name for row in file.images])]
    for rows, field, texts in names:
        for index, text in enumerate(texts):
            if not is_storable(text):
                raise DatasetError(
                    f"{rows}[{index}].{field}: expected whole characters, got {one_line(text)} with half of "
                    "a surrogate pair or a NUL in it, which no database keeps; give it another name"
                )
    return file


def _size_of(found: bytes | None, name: str) -> tuple[int, int] | None:
    try:
        return None if found is None else image_size(found, name)
    except ImageError:
        return None  # the image is refused, with its reason, when it is taken in


class _CocoImport:
    """Plans one import as one decision; nothing but image files is written before that is made."""

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
        # From the file's ids to the project's ids in files.
        self.coco_ids: dict[tuple[str, int], int] = {}
        # From the file's ids to the store's, or to rows that this decision makes.
        self.category_ids: dict[int, int | Ref] = {}
        self.image_ids: dict[int, int | Ref] = {}

    def step(self, every: int) -> None:
        """Says that one more image or annotation is done, each time that so many are."""
        self.done += 1
        if self.on_progress and (self.done % every == 0 or self.done == self.total):
            self.on_progress(self.done, self.total)

    def add(self, new: New) -> None:
        self.changes.append(new)
        self.made[new.table] += 1

    def report(self, prefix: str) -> ImportReport:
        left = [
            f"annotations: {count} left out, as their {what} cannot be used"
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

    def plan_categories(self) -> None:
        rows = self.store.categories(self.project_id)
        by_name = {row.name: row for row in rows}
        renamed = self._renamed(rows)
        names: dict[str, int] = {}
        text_ids = _text_ids(rows)
        ids = FreeIds(
            self.store.given_coco_ids(self.project_id, "category"), [row.id for row in self.file.categories]
        )
        for index, row in enumerate(self.file.categories):
            category, ours = row.value, checked_ours("categories", index, row.raw, self.mends)
            there = by_name.get(category.name) or renamed.get(category.id)
            if there is not None:
                self.category_ids[category.id] = there.id
                self.coco_ids["category", category.id] = there.coco_id
                if there.name != category.name:
                    self.notes.append(
                        f"categories: {one_line(category.name)} of the file is called "
                        f"{one_line(there.name)} here by now"
                    )
                continue
            key = ("category", category.name)
            self.category_ids[category.id] = Ref(key)
            came_before = category.name in names
            id_ = names[category.name] if came_before else ids.take(row.id)
            names[category.name] = self.coco_ids["category", category.id] = id_
            if came_before:
                self.notes.append(f"categories: the name {category.name!r} came before; the two are one here")
                continue
            above = row.raw.get("supercategory", "")
            self.add(
                new_category(
                    Category(id_, category.name, category.supercategory),
                    colour=ours.get("colour", ""),
                    extra=_extra(row, self._free_text("categories", index, category.text_id, text_ids))
                    | ({} if above == category.supercategory else {"supercategory": above}),
                    key=key,
                )
            )
        self.notes += ids.notes("categories")

    def _free_text(self, name: str, index: int, text_id: str, taken: set[str]) -> str:
        """A text id, or none where another row has it: what refers to it would mean either."""
        if text_id in taken:
            reason = "another one of this project has this text id; left out, the number stands for it"
            self.mends.count(name, index, ".maskdesk.id", reason, text_id)
            return ""
        if text_id:
            taken.add(text_id)
        return text_id

    @cached_property
    def instances(self) -> list[InstanceRow]:
        return self.store.instances(self.project_id)

    @cached_property
    def own(self) -> Mapping[int | str | None, InstanceRow]:
        """Instances that rows of the file can be, by their ids in files."""
        return {row.coco_id: row for row in self.instances} if self.is_own else {}

    def _renamed(self, rows: Iterable[CategoryRow]) -> dict[int, CategoryRow]:
        """Categories of an own export by their ids, where instances show that these mean the same."""
        by_id = {row.id: row for row in rows}
        found = {}
        for row in self.file.raw_annotations() if self.own else ():
            there, mark = self.own.get(id_key(row.get("id"))), ours_of(row).get("mark")
            given = id_key(row.get("category_id"))
            if there is not None and mark and given not in found:
                category = by_id[there.category_id]
                if category.coco_id == given and mark == mark_of(there, category.coco_id):
                    found[category.coco_id] = category
        return found

    def plan_images(self) -> None:
        rows = self.store.images(self.project_id)
        self.images_there = len(rows)
        homes = RecordHomes(rows, self.names, self.found)
        text_ids = _text_ids(rows)
        ids = FreeIds(
            self.store.given_coco_ids(self.project_id, "image"), [row.id for row in self.file.images]
        )
        for index, row in enumerate(self.file.images):
            self.step(10)
            record = row.value
            digest = self._bring(record)
            if digest is None:
                continue
            there = homes.row_of(record.file_name, record.size, digest)
            if there is not None:
                self.image_ids[record.id] = there.id
                self.coco_ids["image", record.id] = there.coco_id
                if digest and not there.digest:
                    self.changes.append(Change("image", there.id, there.version, {"digest": digest}))
                    self.filled.append(there.file_name)
                else:
                    self.known.append(record.file_name)
                continue
            if not digest:
                self.missing.append(record.file_name)
            name = homes.new_name(record.file_name)
            if name != self.found.folder + record.file_name:
                self.notes.append(called_otherwise(record.file_name, name))
            ours = checked_ours("images", index, row.raw, self.mends)
            key = ("image", record.id)
            self.image_ids[record.id] = Ref(key)
            id_ = self.coco_ids["image", record.id] = ids.take(record.id)
            self.add(
                new_image(
                    id_,
                    name,
                    record.size,
                    digest,
                    status=ours.get("status", "new"),
                    extra=_extra(row, self._free_text("images", index, record.text_id, text_ids)),
                    key=key,
                )
            )
        self.notes += ids.notes("images")
        self.notes += homes.notes()

    def _bring(self, record: ImageRecord) -> str | None:
        """Stores an image's file and gives its digest; empty if nobody brought it, ``None`` if refused."""
        try:
            data = self.find_image(record.file_name)
            if data is None:
                return ""
            image = decode_image(data, record.file_name)
        except ImageError as error:
            self.refused.append(str(error))
            return None
        if image.size != record.size:
            self.refused.append(
                f"{one_line(record.file_name)}: the file says {record.width} x {record.height} pixels, the "
                f"image has {image.size[1]} x {image.size[0]}"
            )
            return None
        self.decoding.add(one_line(record.file_name), image.notes)
        self.thumbnails[image.digest] = make_thumbnail(image.pixels)
        return self.store.blobs.put(data)

    def plan_instances(self) -> None:
        there, filled = self._there()
        category_ids = {row.id: row.coco_id for row in self.store.categories(self.project_id)}
        verdicts = Counter[Verdict]()
        file = self.file
        ids = FreeIds(self.store.given_coco_ids(self.project_id, "instance"), (file.largest_annotation_id,))
        without = self.without
        listed: set[int] = set()
        for row in file.annotations():
            self.step(500)
            value = row.value
            if self.own:
                listed.add(row.id)
            image_id, category_id = (
                self.image_ids.get(value.image_id),
                self.category_ids.get(value.category_id),
            )
            if image_id is None or category_id is None:
                without["image" if image_id is None else "category"] += 1
                continue
            if isinstance(value, GivenBox):
                self._plan_box(cast(CocoRow[GivenBox], row), (image_id, category_id, value.box) in filled)
                continue
            if not value.mask.area:
                what = "its run lengths hold no pixel" if row.polygons is None else _OUTSIDE
                self.pixelless.count("annotations", row.index, ".segmentation", what)
                continue
            found = cast(CocoRow[Instance], row)
            mine = self.own.get(row.id)
            if mine is not None and mine.image_id == image_id:
                verdict = self._compare(found, mine, category_id, category_ids)
                verdicts[verdict] += 1
                if verdict in ("same", "changed", "changed here"):
                    self.there += 1
                    continue
            if (image_id, category_id, value.mask.counts) in there:
                self.there += 1
                continue
            self.add(self._new_instance(found, image_id, category_id, ids.take(row.id)))
        self.notes += ids.notes("annotations")
        self._tell_own(verdicts, listed)

    def _there(self) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
        """What the project has: image, category and run lengths of masks, and the boxes that were filled."""
        masks: set[tuple[Any, ...]] = set()
        filled: set[tuple[Any, ...]] = set()
        for row in self.store.each_instance(self.project_id):
            masks.add((row.image_id, row.category_id, row.counts))
            if box := ours_of(row.extra).get("box") or row.given_box:
                filled.add((row.image_id, row.category_id, tuple(box)))
        return masks, filled

    def _compare(
        self,
        row: CocoRow[Instance],
        mine: InstanceRow,
        category_id: int | Ref,
        category_ids: Mapping[int, int],
    ) -> Verdict:
        """What a row of an own export is to the instance of its id, which it changes if only the file did."""
        category = None if isinstance(category_id, Ref) else category_ids[category_id]
        verdict = verdict_on(row, mine, category, category_ids.get(mine.category_id, -1))
        if verdict != "changed":
            return verdict
        if isinstance(category_id, Ref):
            return "changed twice"  # a row that is changed cannot take a category that is yet to be made
        values = changed_values(row, mine, category_id)
        if values:
            self.changes.append(Change("instance", mine.id, mine.version, values))
            self.changed += 1
        return verdict if values else "same"

    def _tell_own(self, verdicts: Counter[Verdict], listed: set[int]) -> None:
        """What became of a project's own instances, and that those which the file lacks stay."""
        for verdict, text in _TOLD.items():
            if count := verdicts[verdict]:
                self.notes.append(f"annotations: {count} {text}")
        if "project" in self.ours and self.is_own:
            images = set(self.image_ids.values())
            lacking = sum(row.coco_id not in listed and row.image_id in images for row in self.instances)
            if lacking:
                self.notes.append(
                    "1 annotation of these images is not in the file; it stays as it is"
                    if lacking == 1
                    else f"{lacking} annotations of these images are not in the file; they stay as they are"
                )

    def _plan_box(self, row: CocoRow[GivenBox], is_filled: bool) -> None:
        """A box waits until somebody has it filled; one that was is there."""
        if is_filled:
            self.there += 1
            return
        image = self.coco_ids["image", row.value.image_id]
        category = self.coco_ids["category", row.value.category_id]
        self.boxes.append(BoxToFill(image, category, row))

    def _new_instance(
        self, row: CocoRow[Instance], image_id: int | Ref, category_id: int | Ref, coco_id: int
    ) -> New:
        instance, ours = row.value, checked_ours("annotations", row.index, row.raw, self.mends)
        extra = row.extra
        if row.text_id or row.is_listed:
            extra = _extra(row, row.text_id, **({"counts": "list"} if row.is_listed else {}))
        return new_instance(
            image_id,
            category_id,
            coco_id,
            instance.mask,
            source=ours.get("source", "file"),
            status=ours["status"] if "status" in ours else _status_of(row),
            score=instance.score,
            polygons=row.polygons,
            is_crowd=instance.is_crowd,
            given_box=instance.given_box,
            given_area=instance.given_area,
            extra={**extra, **differing(row)},
        )

    def plan_extra(self) -> None:
        """A project keeps the ``info`` and licences of the first file that has some."""
        project = self.project
        extra = {**self.file.extra, **project.extra}
        mark = self.ours.get("project")
        if mark is not None and not self.images_there:
            extra[OURS] = {"project": mark}  # it begins as a copy: what is exported from either is of both
        if extra != project.extra:
            self.changes.append(Change("project", project.id, project.version, {"extra": extra}))


def _text_ids(rows: Iterable[CategoryRow | ImageRow]) -> set[str]:
    """The text ids that rows had in the files that they came with."""
    kept = (ours_of(row.extra).get("id") for row in rows)
    return {text for text in kept if isinstance(text, str)}


def _extra(row: CocoRow[Any], text_id: str, **ours: str) -> dict[str, Any]:
    """A row's other keys, and what is kept for MaskDesk beside it."""
    kept = ({"id": text_id} if text_id else {}) | ours
    return dict(row.extra) | ({OURS: kept} if kept else {})


def _status_of(row: CocoRow[Instance]) -> Status:
    """What a model found is a proposal, what a file says without a score that can be read is true."""
    return "accepted" if row.value.score is None else "proposed"
