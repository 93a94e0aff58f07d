"""A project, or a part of it, as files: COCO as it is kept, any other format, one file or several parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

from maskrcnn_core.common.collecting import collection_paused
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.refusals import Groups
from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.formats.base import Export, Member, StreamedImages, file_stem
from maskrcnn_core.formats.read_back import Meant, read_back, read_back_note
from maskrcnn_core.projects.exchange.coco_out import export_coco, sizes_not_taken
from maskrcnn_core.projects.records import Fact, ImageRow, InstanceRow, Status
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.seeing import pixels_of, seen_in, stretch_of
from maskrcnn_core.projects.store import Store

__all__ = [
    "Part",
    "Selection",
    "checked_coco",
    "coco_members",
    "other_format",
    "proposals_note",
    "select",
]

_WRITTEN: tuple[Status, ...] = ("accepted",)  # what a model offers is nobody's word


@dataclass(frozen=True)
class Selection:
    """What of a project is written.

    Args:
        images: in order.
        instance_ids: the store's ids.
        proposed: how many of the instances are proposals that nobody has decided on.
        left_out: how many more proposals the filter means, which their status keeps out.
    """

    images: tuple[ImageRow, ...]
    instance_ids: frozenset[int] = field(repr=False)
    proposed: int = 0
    left_out: int = 0


def select(
    images: Sequence[ImageRow],
    facts: Sequence[Fact],
    wanted: QueueFilter,
    *,
    statuses: Collection[Status] = _WRITTEN,
) -> Selection:
    """Return the images and instances that a filter means; an empty one means the whole project.

    Images that nobody has opened or in which nothing was found are written, too. Proposals are not, unless
    `statuses` asks for them: `proposals_note` says how many stay out.

    Args:
        images: of the project, or those that a search found.
        facts: all instances of the project.
        wanted: which of them are meant.
        statuses: of the instances that are written.
    """
    of_image: dict[int, list[Fact]] = {image.id: [] for image in images}
    for fact in facts:
        if fact.image_id in of_image:
            of_image[fact.image_id].append(fact)
    chosen = tuple(image for image in images if wanted.takes_image(image, of_image[image.id]))
    meant = [fact for image in chosen for fact in of_image[image.id] if wanted.takes(fact)]
    proposals = sum(fact.status == "proposed" for fact in meant)
    is_written = "proposed" in statuses
    return Selection(
        chosen,
        frozenset(fact.id for fact in meant if fact.status in statuses),
        proposed=proposals if is_written else 0,
        left_out=0 if is_written else proposals,
    )


def proposals_note(selection: Selection, ask_for_them: str) -> str:
    """Return a sentence on the proposals that are in a selection or stay out of it; empty if there are none.

    Args:
        selection: what is written.
        ask_for_them: what makes them part of it, as the place says it where the sentence is read.
    """
    if count := selection.left_out:
        stay = (
            "1 proposal that nobody has accepted is left out"
            if count == 1
            else (f"{count:,} proposals that nobody has accepted are left out")
        )
        return f"{stay}; {ask_for_them} includes them."
    if count := selection.proposed:
        are = "1 of them is a proposal" if count == 1 else f"{count:,} of them are proposals"
        return f"{are} that nobody has accepted, marked as such in COCO JSON: not ground truth yet."
    return ""


@dataclass(frozen=True)
class Part:
    """One COCO file of an export.

    Args:
        name: without suffix, as ``train``.
        images: that are in it.
    """

    name: str
    images: tuple[ImageRow, ...]


def checked_coco(
    store: Store,
    project_id: int,
    selection: Selection,
    *,
    on_progress: Callable[[int, int], object] | None = None,
) -> tuple[bytes, str]:
    """Return a selection as COCO JSON, read back with pycocotools: the file and what the check says.

    Args:
        store, project_id, selection: what is written.
        on_progress: called now and then with ``(done, total)``, each instance being written and read back.

    Raises:
        ExportError: if it does not read back.
    """
    store.refuse_damage(project_id)
    meant: list[Meant] = []
    mends = Groups()
    done, total = 0, 2 * len(selection.instance_ids)

    def step() -> None:
        nonlocal done
        done += 1
        if on_progress and done % 500 == 0:
            on_progress(done, total)

    def each() -> Iterator[Meant]:
        for mask in meant:
            step()
            yield mask

    def keep(row: InstanceRow) -> bool:
        """Note the mask of each instance that is written, for the comparison."""
        is_meant = row.id in selection.instance_ids
        if is_meant:
            meant.append((row.counts, row.size))
            step()
        return is_meant

    with collection_paused():
        data = export_coco(
            store,
            project_id,
            statuses=("accepted", "proposed", "rejected"),  # the selection says which
            image_ids={image.id for image in selection.images},
            keep=keep,
            mends=mends,
        )
        return data, "; ".join((read_back_note(*read_back(data, each())), *mends.sentences()))


def coco_members(
    store: Store, project_id: int, selection: Selection, parts: Sequence[Part], *, with_images: bool
) -> Iterator[Member]:
    """Yield the members of an archive: a COCO file for each part, and the image files if wanted."""
    for part in parts:
        data, note = checked_coco(store, project_id, Selection(part.images, selection.instance_ids))
        yield Member(f"annotations/{part.name}.json", data, f"{part.name}: {note}")
    if with_images:
        for part in parts:
            for image in part.images:
                if image.digest:
                    yield _image_member(store, image)


def _image_member(store: Store, image: ImageRow) -> Member:
    """Return an image file under its own name, if that stays within a folder on every system."""
    name, note = image.file_name, ""
    parts = name.split("/")
    if any(part in ("", ".", "..") or file_stem(part + ".x") != part for part in parts):
        suffix = PurePosixPath(name).suffix
        name = f"{image.digest[:16]}{suffix if suffix[1:].isalnum() else ''}"
        note = f"{one_line(image.file_name)}: not a valid file name on every system; it is {name} here"
    return Member(f"images/{name}", store.blobs.get(image.digest), note)


def other_format(
    store: Store,
    project_id: int,
    selection: Selection,
    *,
    mends: Groups,
    parts: Sequence[Part] = (),
    with_images: bool = False,
) -> Export:
    """Return a selection as any row of the table of formats writes it.

    What only COCO JSON holds (unknown keys, status, a file's own areas) is not in it. Images that nobody has
    brought are left out: these formats need pixels. Instances are read image by image, as they are written.

    Args:
        store, project_id, selection: what is written.
        parts: which images are for training, validation and test, for formats that part them.
        with_images: whether formats that lie beside their images bring these along.
        mends: counts areas and boxes of older projects that are no size: the mask's own are written.
    """
    store.refuse_damage(project_id)
    categories = store.categories(project_id)
    coco_ids = {row.id: row.coco_id for row in categories}
    stretch = stretch_of(store.project(project_id))
    images = [image for image in selection.images if image.digest]
    counted_in: set[int] = set()

    def load(place: int) -> AnnotatedImage:
        image = images[place]
        told = mends if place not in counted_in else Groups()  # images are gone through more than once
        counted_in.add(place)
        rows = [
            row
            for row in store.instances(project_id, image_id=image.id)
            if row.id in selection.instance_ids and row.category_id in coco_ids
        ]
        return AnnotatedImage(
            _record(image),
            tuple(
                _instance(row, image.coco_id, coco_ids[row.category_id], told)
                for row in sorted(rows, key=lambda row: -(row.score or 1.0))
            ),
            partial(pixels_of, store, image, stretch),
            partial(store.blobs.get, image.digest),
        )

    return Export(
        StreamedImages([_record(image) for image in images], load),
        tuple(Category(row.coco_id, row.name, row.supercategory) for row in categories),
        parts={image.coco_id: part.name for part in parts for image in part.images} if len(parts) > 1 else {},
        colors={row.coco_id: row.color for row in categories if row.color},
        has_images=with_images,
    )


def _record(image: ImageRow) -> ImageRecord:
    view, pixel = seen_in(image)
    return ImageRecord(
        image.coco_id, image.file_name, image.width, image.height, image.digest, view=view, pixel_um=pixel
    )


def _instance(row: InstanceRow, image_id: int, category_id: int, mends: Groups) -> Instance:
    given: dict[str, object] = {} if row.given_area is None else {"area": row.given_area}
    if row.given_box is not None:
        left, top, right, bottom = row.given_box
        given["bbox"] = [left, top, right - left, bottom - top]
    wrong = sizes_not_taken(given, mends)
    return Instance(
        image_id,
        category_id,
        row.mask,
        row.score,
        None if "bbox" in wrong else row.given_box,
        None if "area" in wrong else row.given_area,
        row.is_crowd,
        row.coco_id,
    )
