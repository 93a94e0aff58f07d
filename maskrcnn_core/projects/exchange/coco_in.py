"""COCO files into a project, so that nothing of them is lost on the way.

What MaskDesk does not know of a file is kept with its row and written again; so are a file's own areas, boxes
and polygons, as long as nobody mends the mask. What COCO does not know of a project (the status of instances
and images, where an instance came from) stands under the key ``maskdesk``. So an export that is
imported into an empty project and exported again gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from maskrcnn_core.common.bounds import MAX_TAGS
from maskrcnn_core.common.collecting import collection_paused
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.dataset.annotations import ImageRecord
from maskrcnn_core.errors import DatasetError, ImageError, InputError
from maskrcnn_core.formats.coco_fields import OURS, id_key, is_storable, ours_of
from maskrcnn_core.formats.coco_reader import CocoReader
from maskrcnn_core.formats.coco_sizes import sizes_from
from maskrcnn_core.geometry.polygons import EdgeBudget
from maskrcnn_core.images.pools import ImageFinder
from maskrcnn_core.images.reading import decode_image, image_size
from maskrcnn_core.microscopy.seeing import bytes_as_seen
from maskrcnn_core.projects.attribute_edits import schema_extra
from maskrcnn_core.projects.attributes import ATTRIBUTES, Attribute, declared_by, joined_schemas, read_schema
from maskrcnn_core.projects.exchange.coco_ids import made_lines, renumbered_notes
from maskrcnn_core.projects.exchange.homes import RecordHomes
from maskrcnn_core.projects.exchange.images_in import called_otherwise
from maskrcnn_core.projects.exchange.import_draft import FindImage, ImportDraft, extra_of
from maskrcnn_core.projects.exchange.import_report import BoxToFill, ImportReport
from maskrcnn_core.projects.exchange.instances_in import plan_instances
from maskrcnn_core.projects.exchange.own_fields import checked_ours
from maskrcnn_core.projects.exchange.own_rows import mark_of
from maskrcnn_core.projects.image_tags import TAGS, tags_extra, tags_of
from maskrcnn_core.projects.journal import Change, New, Ref, WantedId
from maskrcnn_core.projects.new_rows import new_category, new_image
from maskrcnn_core.projects.records import CategoryRow, Entry, ImageRow
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.comments import COMMENTS
from maskrcnn_core.projects.thumbnails import make_thumbnail

__all__ = ["import_coco", "read_for_import"]


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
    has_ids: bool = True,
) -> ImportReport:
    """Import a COCO file with its images into a project: all but what is named, or nothing at all.

    Ids are kept where they are free. Categories that the project has by name, images that it has by
    content (or by name and size) and instances that it has with the same mask and category are not taken
    twice, so the same import again changes nothing. An export of this very project changes its own instances:
    see :mod:`maskrcnn_core.projects.exchange.own_rows`.

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
        has_ids: whether its ids are somebody's, so that it is said if one cannot be kept.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON, or holds a name that no database can keep.
        StoreError: if the store cannot be written; then nothing was taken in.
    """
    with collection_paused():
        file = data if isinstance(data, CocoReader) else read_for_import(data, find_image, budget)
        work = _CocoImport(store, project_id, file, find_image, on_progress)
        work.plan_categories()
        work.plan_images()
        plan_instances(work)
        work.plan_extra()
        entry = store.decide(project_id, who, "import COCO", work.changes, kept_free=work.ids_of_file())
        work.note_ids(entry, has_ids=has_ids)
    store.keep_thumbnails(work.thumbnails)
    return work.report(f"{one_line(name)}: " if name else "")


def read_for_import(
    data: bytes, find_image: FindImage | ImageFinder, budget: EdgeBudget | None = None
) -> CocoReader:
    """Read a COCO file up to its annotations; sizes that it does not tell are measured in its images.

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


class _CocoImport(ImportDraft):
    """The plan of one import as one decision; before it, only image files are written."""

    def plan_categories(self) -> None:
        rows = self.store.categories(self.project_id)
        by_name = {row.name: row for row in rows}
        renamed = self._renamed(rows)
        names: set[str] = set()
        text_ids = _text_ids(rows)
        declared: dict[int, tuple[CategoryRow, list[tuple[Attribute, ...]]]] = {}
        for index, row in enumerate(self.file.categories):
            category, ours = row.value, checked_ours("categories", index, row.raw, self.mends)
            there = by_name.get(category.name) or renamed.get(category.id)
            if there is not None:
                self.category_ids[category.id] = there.id
                self.coco_ids["category", there.id] = there.coco_id
                declared.setdefault(there.id, (there, []))[1].append(read_schema(ours.get(ATTRIBUTES, [])))
                if there.name != category.name:
                    self.notes.append(
                        f"categories: {one_line(category.name)} of the file is now called "
                        f"{one_line(there.name)} here"
                    )
                continue
            key = ("category", category.name)
            self.category_ids[category.id] = Ref(key)
            if category.name in names:
                self.notes.append(
                    f"categories: the name {category.name!r} occurs twice; the two are one here"
                )
                continue
            names.add(category.name)
            above = row.raw.get("supercategory", "")
            self.add(
                new_category(
                    WantedId(row.id),
                    category.name,
                    category.supercategory,
                    color=ours.get("colour", ""),
                    extra=extra_of(
                        row,
                        self._free_text("categories", index, category.text_id, text_ids),
                        **_kept(ours, ATTRIBUTES),
                    )
                    | ({} if above == category.supercategory else {"supercategory": above}),
                    key=key,
                )
            )

        for there, schemas in declared.values():
            self._join_schemas(there, schemas)

    def _join_schemas(self, there: CategoryRow, schemas: Iterable[tuple[Attribute, ...]]) -> None:
        """Declare for a category that is there what only the file declares."""
        before = schema = declared_by(there)
        clashes: list[str] = []
        for one in schemas:
            schema, more = joined_schemas(schema, one)
            clashes += more
        if clashes:
            self.notes.append(
                f"categories: {one_line(there.name)} declares "
                f"{counted(len(clashes), 'attribute')} otherwise here than in the file "
                f"({one_line(', '.join(clashes))}); what is declared here stays"
            )
        if schema != before:
            values = {"extra": schema_extra(there.extra, schema)}
            self.changes.append(Change("category", there.id, there.version, values))

    def _free_text(self, name: str, index: int, text_id: str, taken: set[str]) -> str:
        """Return a text id, or none where another row has it: what refers to it would mean either."""
        if text_id in taken:
            reason = "another row of this project has this text id; left out, the number is used instead"
            self.mends.count(name, index, ".maskdesk.id", reason, text_id)
            return ""
        if text_id:
            taken.add(text_id)
        return text_id

    def _renamed(self, rows: Iterable[CategoryRow]) -> dict[int, CategoryRow]:
        """Return categories of an own export by their ids, where instances show that these mean the same."""
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
        tagged: dict[int, tuple[ImageRow, set[str]]] = {}  # several records may be of one image
        fills: dict[int, str] = {}
        text_ids = _text_ids(rows)
        for index, row in enumerate(self.file.images):
            self.step(10)
            record = row.value
            digest = self._bring(record)
            if digest is None:
                continue
            there = homes.row_of(record.file_name, record.size, digest)
            if there is not None:
                self.image_ids[record.id] = there.id
                self.coco_ids["image", there.id] = there.coco_id
                ours = checked_ours("images", index, row.raw, self.mends)
                tagged.setdefault(there.id, (there, set()))[1].update(ours.get(TAGS, []))
                if digest and not there.digest:
                    fills[there.id] = digest
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
            self.add(
                new_image(
                    WantedId(record.id),
                    name,
                    record.size,
                    digest,
                    status=ours.get("status", "new"),
                    extra=extra_of(
                        row,
                        self._free_text("images", index, record.text_id, text_ids),
                        **_kept(ours, TAGS),
                        **_kept(ours, COMMENTS),
                    ),
                    key=key,
                )
            )
        self.notes += homes.notes()
        for there, tags in tagged.values():
            values: dict[str, Any] = {"digest": fills[there.id]} if there.id in fills else {}
            if not tags <= set(tags_of(there)):
                values["extra"] = tags_extra(there.extra, sorted({*tags_of(there), *tags})[:MAX_TAGS])
            if values:
                self.changes.append(Change("image", there.id, there.version, values))

    def _bring(self, record: ImageRecord) -> str | None:
        """Store an image's file and return its digest; empty if nobody brought it, ``None`` if refused."""
        try:
            data = self.find_image(record.file_name)
            if data is None:
                return ""
            data = bytes_as_seen(data, record.file_name, record.view)
            image = decode_image(data, record.file_name)
        except InputError as error:
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

    def ids_of_file(self) -> dict[str, int]:
        """Return the largest id of each list: a row that has to take another id takes none of the file's."""
        return {
            "category": max((row.id for row in self.file.categories), default=0),
            "image": max((row.id for row in self.file.images), default=0),
            "instance": self.file.largest_annotation_id,
        }

    def note_ids(self, entry: Entry | None, *, has_ids: bool) -> None:
        """Take note of the ids in files that were given: boxes name their image and category by them."""
        self.notes += renumbered_notes(entry) if has_ids else []
        for table in ("category", "image"):
            news = [one for one in self.changes if isinstance(one, New) and one.table == table]
            for new, line in zip(news, made_lines(entry, table), strict=True):
                self.coco_ids[table, new.key] = line.get("coco_id", int(new.values["coco_id"]))

        def number(table: str, id_: int | Ref) -> int:
            return self.coco_ids[table, id_.key if isinstance(id_, Ref) else id_]

        self.boxes = [
            BoxToFill(
                number("image", self.image_ids[row.value.image_id]),
                number("category", self.category_ids[row.value.category_id]),
                row,
            )
            for row in self.unnumbered
        ]

    def plan_extra(self) -> None:
        """Keep the ``info`` and licences of the first file that has some."""
        project = self.project
        extra = {**self.file.extra, **project.extra}
        mark = self.ours.get("project")
        if mark is not None and not self.images_there:
            extra[OURS] = {"project": mark}  # it begins as a copy: what is exported from either is of both
        if extra != project.extra:
            self.changes.append(Change("project", project.id, project.version, {"extra": extra}))


def _kept(ours: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return what a row says for MaskDesk alone that is kept beside it, as it has no column."""
    return {key: ours[key]} if ours.get(key) else {}


def _text_ids(rows: Iterable[CategoryRow | ImageRow]) -> set[str]:
    """Return the text ids that rows had in the files that they came with."""
    kept = (ours_of(row.extra).get("id") for row in rows)
    return {text for text in kept if isinstance(text, str)}
