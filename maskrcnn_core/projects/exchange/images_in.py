"""Images into a project without a data set: new ones, and files for records that wait for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.dataset.annotations import UniqueNames, ids_from_names
from maskrcnn_core.detection.limits import NoteTally
from maskrcnn_core.errors import ImageError
from maskrcnn_core.formats.label_images import labels_in
from maskrcnn_core.microscopy.seeing import see_image
from maskrcnn_core.projects.exchange.coco_ids import made_lines
from maskrcnn_core.projects.exchange.homes import TakenImage, waiting_rows
from maskrcnn_core.projects.exchange.import_report import ImportReport
from maskrcnn_core.projects.journal import Change, New, WantedId
from maskrcnn_core.projects.new_rows import new_image
from maskrcnn_core.projects.records import Entry
from maskrcnn_core.projects.seeing import extra_seen
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.thumbnails import make_thumbnail

__all__ = ["called_otherwise", "import_images"]


def import_images(
    store: Store,
    project_id: int,
    who: str,
    files: Iterable[tuple[str, bytes]],
    *,
    above: Mapping[str, str] = {},
    shown: Mapping[str, str] = {},
    fillable: Collection[int] | None = None,
) -> ImportReport:
    """Take images into a project: all good ones in one decision, which can be undone.

    An image that a data set has listed, with its size, and that nobody had brought yet, gets its pixels
    (:mod:`maskrcnn_core.images.matching` says which). One whose content is there already is not taken twice.
    A name that another image has gets a number. Where all names are numbers, they become the ids.

    Args:
        store: where.
        project_id: into which project.
        who: for the journal.
        files: names and bytes; consumed one by one.
        above: paths of the folders in which files lie, by name, as far as they are known.
        shown: what messages call files, by name, where that is not their name.
        fillable: ids of the only images that may get their pixels; all that have none where ``None``.

    Raises:
        StoreError: if the store cannot be written; then nothing was taken in.
    """
    taken, thumbnails, refused, decoding = _stored(store, files, above, shown)
    rows = store.images(project_id)
    filled, notes = waiting_rows(rows, taken, fillable)
    names = UniqueNames(row.file_name for row in rows)
    digests = {row.digest for row in rows if row.digest}
    changes: list[Change | New] = [
        Change("image", row.id, row.version, {"digest": taken[place].digest}) for place, row in filled.items()
    ]
    digests |= {taken[place].digest for place in filled}
    fresh, known = [], []
    for place, file in enumerate(taken):
        if file.digest not in digests:
            digests.add(file.digest)
            fresh.append(file)
        elif place not in filled:
            known.append(file.name)
    names_of_all = [file.name for file in taken]
    numbers = dict(zip(names_of_all, ids_from_names(names_of_all) or (), strict=False))
    for file in fresh:
        name = names.take(file.name)
        if name != file.name:
            notes.append(called_otherwise(file.name, name))
        coco_id = WantedId(numbers[file.name]) if file.name in numbers else None
        changes.append(new_image(coco_id, name, file.size, file.digest, extra=file.extra))
    kept_free = {"image": max(numbers.values(), default=0)}
    entry = store.decide(project_id, who, "add images", changes, kept_free=kept_free)
    store.keep_thumbnails(thumbnails)
    return ImportReport(
        images=len(fresh),
        known=tuple(known),
        refused=tuple(refused),
        notes=(*notes, *_told_ids(entry, bool(numbers)), *decoding),
        filled=tuple(row.file_name for row in filled.values()),
    )


def _stored(
    store: Store, files: Iterable[tuple[str, bytes]], above: Mapping[str, str], shown: Mapping[str, str]
) -> tuple[list[TakenImage], dict[str, bytes], list[str], list[str]]:
    """Decode and store files; return what they are, their thumbnails, why others were refused, and what
    people should know of their pixels.
    """
    taken, thumbnails, refused, labels, decoding = [], {}, [], [], NoteTally()
    for name, data in files:
        try:
            image = see_image(data, shown.get(name, name))
        except ImageError as error:
            refused.append(str(error))
            continue
        decoding.add(one_line(shown.get(name, name)), image.notes)
        if (most := labels_in(data, image.pixels)) is not None:
            labels.append(f"{one_line(shown.get(name, name))} (0 to {most})")
        store.blobs.put(data)
        thumbnails[image.digest] = make_thumbnail(image.pixels)
        taken.append(TakenImage(name, above.get(name, ""), image.digest, image.size, extra_seen(image)))
    return taken, thumbnails, refused, [*decoding.sentences(), *_told_labels(labels)]


def _told_labels(names: list[str]) -> list[str]:
    """Return what people should know of pictures that seem to hold labels."""
    if not names:
        return []
    some = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    return [
        f"{counted(len(names), 'image seems', 'images seem')} to hold the numbers of objects, not a picture: "
        f"{some}. To have their objects, hand them in with the images that they belong to, "
        "named after them: x_masks.png for x.png, or masks/x.png for images/x.png"
    ]


def _told_ids(entry: Entry | None, are_numbers: bool) -> list[str]:
    """Return what people should know of the ids of new images whose names are numbers."""
    lines = made_lines(entry, "image") if are_numbers else []
    refused = sum("wanted" in line for line in lines)
    told = []
    if numbered := len(lines) - refused:
        told.append(f"all file names are numbers and became the ids of {counted(numbered, 'image')}")
    if refused:
        told.append(
            f"{counted(refused, 'image')} did not get the numbers in their names as ids, because the "
            "project already used those"
        )
    return told


def called_otherwise(name: str, fresh: str) -> str:
    """Return what people are told of an image whose name another one has."""
    return f"{one_line(name)}: another image has this name; it is called {one_line(fresh)} here"
