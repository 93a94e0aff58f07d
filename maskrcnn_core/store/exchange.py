"""COCO files into a project and out of it, so that nothing of them is lost on the way.

What MaskDesk does not know of a file is kept with its row and written again; so are a file's own areas, boxes
and polygons, as long as nobody mends the mask. What COCO does not know of a project (the status of instances
and images, where an instance came from) stands under the key ``maskdesk``. So an export that is
imported into an empty project and exported again gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from maskrcnn_core.annotations import ImageRecord, Instance, unique_names
from maskrcnn_core.categories import Category
from maskrcnn_core.errors import ImageError
from maskrcnn_core.formats.coco import annotation_row, dump_json
from maskrcnn_core.formats.coco_reader import CocoFile, read_coco_file
from maskrcnn_core.images import decode_image
from maskrcnn_core.messages import one_line
from maskrcnn_core.store.journal import Change, New, Ref
from maskrcnn_core.store.records import (
    IMAGE_STATUSES,
    STATUSES,
    CategoryRow,
    ImageRow,
    InstanceRow,
    Status,
)
from maskrcnn_core.store.store import Store, new_category, new_image, new_instance
from maskrcnn_core.store.thumbnails import make_thumbnail

__all__ = ["OURS", "ImportReport", "export_coco", "import_coco", "import_images"]

OURS = "maskdesk"
"""The key under which a COCO file says what only MaskDesk knows."""

_READ_OF_IMAGE = frozenset({"id", "width", "height", "file_name", "sha256", OURS})
_READ_OF_CATEGORY = frozenset({"id", "name", "supercategory", OURS})
_READ_OF_ANNOTATION = frozenset(
    {"id", "image_id", "category_id", "segmentation", "iscrowd", "score", "area", "bbox", OURS}
)

FindImage = Callable[[str], bytes | None]
"""Gives an image file's bytes by the name that a data set calls it, or ``None`` if it is not there."""


@dataclass(frozen=True)
class ImportReport:
    """What became of what was handed in.

    Args:
        images, categories, instances: how many are new.
        known: names of images whose content the project has already.
        missing: names of images that a data set lists and nobody brought; their instances wait for them.
        refused: one sentence for each thing that cannot be used.
        notes: what had to be changed, for people.
    """

    images: int = 0
    categories: int = 0
    instances: int = 0
    known: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: ImportReport) -> ImportReport:
        return ImportReport(
            self.images + other.images,
            self.categories + other.categories,
            self.instances + other.instances,
            self.known + other.known,
            self.missing + other.missing,
            self.refused + other.refused,
            self.notes + other.notes,
        )


# -- images ---------------------------------------------------------------------------------------


def import_images(
    store: Store, project_id: int, who: str, files: Iterable[tuple[str, bytes]]
) -> ImportReport:
    """Takes images into a project: all good ones in one decision, which can be undone.

    An image that a data set has listed under its name, with its size, and that nobody had brought yet, gets
    its pixels. One whose content is there already is not taken twice. A name that another image has gets a
    number.

    Args:
        store: where.
        project_id: into which project.
        who: for the journal.
        files: names and bytes; consumed one by one.

    Raises:
        StoreError: if the store cannot be written; then nothing was taken in.
    """
    rows = store.images(project_id)
    names = {row.file_name: row for row in rows}
    digests = {row.digest for row in rows if row.digest}
    number = store.next_coco_id(project_id, "image")
    changes: list[Change | New] = []
    known, refused, notes = [], [], []
    thumbnails: dict[str, bytes] = {}
    for name, data in files:
        try:
            image = decode_image(data, name)
        except ImageError as error:
            refused.append(str(error))
            continue
        if image.digest in digests:
            known.append(name)
            continue
        digests.add(store.blobs.put(data))
        thumbnails[image.digest] = make_thumbnail(image.pixels)
        waiting = names.get(name)
        if waiting is not None and not waiting.digest and image.size == (waiting.height, waiting.width):
            changes.append(Change("image", waiting.id, waiting.version, {"digest": image.digest}))
            names[name] = replace(waiting, digest=image.digest)
            continue
        fresh = unique_names([*names, name])[-1]
        if fresh != name:
            notes.append(
                f"{one_line(name)}: another image has this name; it is called {one_line(fresh)} here"
            )
        new = new_image(number, fresh, image.size, image.digest)
        names[fresh] = ImageRow(0, number, fresh, image.size[1], image.size[0], image.digest, "new", 0)
        number += 1
        changes.append(new)
    store.decide(project_id, who, "add images", changes)
    store.keep_thumbnails(thumbnails)
    return ImportReport(images=len(changes), known=tuple(known), refused=tuple(refused), notes=tuple(notes))


# -- COCO in --------------------------------------------------------------------------------------


def import_coco(store: Store, project_id: int, who: str, data: bytes, find_image: FindImage) -> ImportReport:
    """Takes a COCO file with its images into a project: wholly, but for what is named, or not at all.

    Ids are kept where they are free. Categories that the project has by name, images that it has by
    content (or by name and size) and instances that it has with the same mask and category are not taken
    twice, so the same import again changes nothing.

    Args:
        store: where.
        project_id: into which project.
        who: for the journal.
        data: the file.
        find_image: gives its images.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
        StoreError: if the store cannot be written; then nothing was taken in.
    """
    work = _CocoImport(store, project_id, read_coco_file(data), find_image)
    work.plan_categories()
    work.plan_images()
    work.plan_instances()
    work.plan_extra()
    store.decide(project_id, who, "import COCO", work.changes)
    store.keep_thumbnails(work.thumbnails)
    return ImportReport(
        work.made["image"],
        work.made["category"],
        work.made["instance"],
        tuple(work.known),
        tuple(work.missing),
        (*map(str, work.file.refusals), *work.refused),
        tuple(work.notes),
    )


class _CocoImport:
    """Plans one import as one decision; nothing but image files is written before that is made."""

    def __init__(self, store: Store, project_id: int, file: CocoFile, find_image: FindImage) -> None:
        self.store, self.project_id, self.file, self.find_image = store, project_id, file, find_image
        self.changes: list[Change | New] = []
        self.made: Counter[str] = Counter()
        self.known: list[str] = []
        self.missing: list[str] = []
        self.refused: list[str] = []
        self.notes: list[str] = []
        self.thumbnails: dict[str, bytes] = {}
        # From the file's ids to the store's, or to rows that this decision makes.
        self.category_ids: dict[int, int | Ref] = {}
        self.image_ids: dict[int, int | Ref] = {}

    def add(self, new: New) -> None:
        self.changes.append(new)
        self.made[new.table] += 1

    def plan_categories(self) -> None:
        rows = self.store.categories(self.project_id)
        by_name = {row.name: row.id for row in rows}
        ids = _FreeIds(self.store.given_coco_ids(self.project_id, "category"))
        for row in self.file.categories:
            category, ours = row.value, _ours(row.raw)
            if category.name in by_name:
                self.category_ids[category.id] = by_name[category.name]
                continue
            key = ("category", category.name)
            came_before = Ref(key) in self.category_ids.values()
            self.category_ids[category.id] = Ref(key)
            if came_before:
                self.notes.append(f"categories: the name {category.name!r} came before; the two are one here")
                continue
            colour = ours.get("colour")
            self.add(
                new_category(
                    Category(ids.take(category.id), category.name, category.supercategory),
                    colour=colour if isinstance(colour, str) else "",
                    extra=_extra(row.raw, _READ_OF_CATEGORY),
                    key=key,
                )
            )

    def plan_images(self) -> None:
        rows = self.store.images(self.project_id)
        by_digest = {row.digest: row for row in rows if row.digest}
        by_name = {row.file_name: row for row in rows}
        taken = set(by_name)
        ids = _FreeIds(self.store.given_coco_ids(self.project_id, "image"))
        for row in self.file.images:
            record = row.value
            digest = self._bring(record)
            if digest is None:
                continue
            there = by_digest.get(digest) if digest else None
            if there is None:
                namesake = by_name.get(record.file_name)
                same_size = namesake is not None and (namesake.height, namesake.width) == record.size
                if namesake is not None and same_size and (not digest or not namesake.digest):
                    there = namesake
            if there is not None:
                self.image_ids[record.id] = there.id
                if digest and not there.digest:
                    self.changes.append(Change("image", there.id, there.version, {"digest": digest}))
                else:
                    self.known.append(record.file_name)
                continue
            if not digest:
                self.missing.append(record.file_name)
            name = unique_names([*taken, record.file_name])[-1]
            if name != record.file_name:
                self.notes.append(
                    f"{one_line(record.file_name)}: another image has this name; it is called "
                    f"{one_line(name)} here"
                )
            taken.add(name)
            status = _ours(row.raw).get("status")
            key = ("image", record.id)
            self.image_ids[record.id] = Ref(key)
            self.add(
                new_image(
                    ids.take(record.id),
                    name,
                    record.size,
                    digest,
                    status=status if status in IMAGE_STATUSES else "new",
                    extra=_extra(row.raw, _READ_OF_IMAGE),
                    key=key,
                )
            )

    def _bring(self, record: ImageRecord) -> str | None:
        """Stores an image's file and gives its digest; empty if nobody brought it, ``None`` if refused."""
        data = self.find_image(record.file_name)
        if data is None:
            return ""
        try:
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
        self.thumbnails[image.digest] = make_thumbnail(image.pixels)
        return self.store.blobs.put(data)

    def plan_instances(self) -> None:
        rows = self.store.instances(self.project_id)
        there = {(row.image_id, row.category_id, row.counts) for row in rows}
        ids = _FreeIds(self.store.given_coco_ids(self.project_id, "instance"))
        without = Counter[str]()
        for row in self.file.annotations:
            instance, raw, ours = row.value, row.raw, _ours(row.raw)
            image_id, category_id = (
                self.image_ids.get(instance.image_id),
                self.category_ids.get(instance.category_id),
            )
            if image_id is None or category_id is None:
                without["image" if image_id is None else "category"] += 1
                continue
            if not instance.mask.area:
                without["pixels"] += 1
                continue
            counts = instance.mask.counts
            if (image_id, category_id, counts) in there:
                continue
            segmentation = raw.get("segmentation")
            given = raw.get("id")
            status, source = ours.get("status"), ours.get("source")
            self.add(
                new_instance(
                    image_id,
                    category_id,
                    ids.take(given if type(given) is int else 0),
                    instance.mask,
                    source=source if isinstance(source, str) else "file",
                    status=status if status in STATUSES else _status_of(instance),
                    score=instance.score,
                    polygons=segmentation if isinstance(segmentation, list) else None,
                    is_crowd=instance.is_crowd,
                    given_box=instance.given_box,
                    given_area=instance.given_area,
                    extra=_extra(raw, _READ_OF_ANNOTATION) | _differing(raw, instance),
                )
            )
        for what, count in without.items():
            self.refused.append(f"annotations: {count} left out, as their {what} cannot be used")

    def plan_extra(self) -> None:
        """A project keeps the ``info`` and licences of the first file that has some."""
        project = self.store.project(self.project_id)
        extra = {**self.file.extra, **project.extra}
        if extra != project.extra:
            self.changes.append(Change("project", project.id, project.version, {"extra": extra}))


class _FreeIds:
    """Ids of a file where the project never gave them, else the next ones."""

    def __init__(self, taken: set[int]) -> None:
        self.following, self.taken = max(taken, default=0) + 1, taken

    def take(self, wanted: int) -> int:
        # COCO's evaluators take id 0 for "no match".
        if wanted < 1 or wanted in self.taken or wanted >= 2**53:
            while self.following in self.taken:
                self.following += 1
            wanted = self.following
        self.taken.add(wanted)
        return wanted


def _ours(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    value = raw.get(OURS)
    return value if isinstance(value, dict) else {}


def _extra(raw: Mapping[str, Any], read: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key not in read}


def _status_of(instance: Instance) -> Status:
    """What a model found is a proposal, what a file says without a score is true."""
    return "accepted" if instance.score is None else "proposed"


def _differing(raw: Mapping[str, Any], instance: Instance) -> dict[str, Any]:
    """A file's own area and box, as it writes them, where ours would be others."""
    ours = annotation_row(1, instance)
    return {key: raw[key] for key in ("area", "bbox") if key in raw and repr(raw[key]) != repr(ours[key])}


# -- COCO out -------------------------------------------------------------------------------------


def export_coco(
    store: Store,
    project_id: int,
    *,
    statuses: Collection[Status] = ("accepted", "proposed"),
    only_reviewed: bool = False,
    image_ids: Collection[int] | None = None,
    keep: Callable[[InstanceRow], bool] = lambda row: True,
) -> bytes:
    """A project as COCO JSON, with all that was imported with it.

    Args:
        store: where.
        project_id: which project.
        statuses: of the instances that are written. Images are written all, also those without any.
        only_reviewed: leave out images that nobody has called finished, with their instances.
        image_ids: the store's ids of the only images to write; all where ``None``.
        keep: whether an instance is written, after all else.

    Returns:
        The file; the same project gives the same bytes.
    """
    project = store.project(project_id)
    images = [
        image
        for image in store.images(project_id)
        if (not only_reviewed or image.status == "reviewed") and (image_ids is None or image.id in image_ids)
    ]
    categories = store.categories(project_id)
    coco_ids = {row.id: row.coco_id for row in images}
    category_ids = {row.id: row.coco_id for row in categories}
    rows = [
        row
        for row in store.instances(project_id)
        if row.status in statuses
        and row.image_id in coco_ids
        and row.category_id in category_ids
        and keep(row)
    ]
    document = dict(project.extra)
    document.setdefault("info", {"description": project.name, "version": "1.0"})
    document.setdefault("licenses", [])
    document["images"] = [_image_json(row) for row in images]
    document["annotations"] = [
        _annotation_json(row, coco_ids[row.image_id], category_ids[row.category_id]) for row in rows
    ]
    document["categories"] = [_category_json(row) for row in categories]
    return dump_json(document)


def _image_json(row: ImageRow) -> dict[str, Any]:
    return (
        {"id": row.coco_id, "width": row.width, "height": row.height, "file_name": row.file_name}
        | ({"sha256": row.digest} if row.digest else {})
        | dict(row.extra)
        | ({} if row.status == "new" else {OURS: {"status": row.status}})
    )


def _category_json(row: CategoryRow) -> dict[str, Any]:
    return (
        {"id": row.coco_id, "name": row.name, "supercategory": row.supercategory}
        | dict(row.extra)
        | ({OURS: {"colour": row.colour}} if row.colour else {})
    )


def _annotation_json(row: InstanceRow, image_id: int, category_id: int) -> dict[str, Any]:
    instance = Instance(image_id, category_id, row.mask, row.score, is_crowd=row.is_crowd)
    written = annotation_row(row.coco_id, instance)
    if row.polygons is not None:
        written["segmentation"] = row.polygons
    return written | dict(row.extra) | {OURS: {"status": row.status, "source": row.source}}
