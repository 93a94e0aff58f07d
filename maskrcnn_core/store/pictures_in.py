"""Images into a project without a data set: new ones, and files for records that wait for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from maskrcnn_core.annotations import UniqueNames
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images import decode_image
from maskrcnn_core.messages import one_line
from maskrcnn_core.run_limits import NoteTally
from maskrcnn_core.store.homes import ImageIds, TakenImage, waiting_rows
from maskrcnn_core.store.import_report import ImportReport
from maskrcnn_core.store.journal import Change, New
from maskrcnn_core.store.store import Store, new_image
from maskrcnn_core.store.thumbnails import make_thumbnail

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
    """Takes images into a project: all good ones in one decision, which can be undone.

    An image that a data set has listed, with its size, and that nobody had brought yet, gets its pixels
    (:mod:`maskrcnn_core.matching` says which). One whose content is there already is not taken twice. A
    name that another image has gets a number. Where all names are numbers, they become the ids.

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
    ids = ImageIds([file.name for file in taken], store.given_coco_ids(project_id, "image"))
    for file in fresh:
        name = names.take(file.name)
        if name != file.name:
            notes.append(called_otherwise(file.name, name))
        changes.append(new_image(ids.take(file.name), name, file.size, file.digest))
    store.decide(project_id, who, "add images", changes)
    store.keep_thumbnails(thumbnails)
    return ImportReport(
        images=len(fresh),
        known=tuple(known),
        refused=tuple(refused),
        notes=(*notes, *ids.notes(), *decoding.sentences()),
        filled=tuple(row.file_name for row in filled.values()),
    )


def _stored(
    store: Store, files: Iterable[tuple[str, bytes]], above: Mapping[str, str], shown: Mapping[str, str]
) -> tuple[list[TakenImage], dict[str, bytes], list[str], NoteTally]:
    """Decodes and stores files; gives what they are, their thumbnails, why others were refused, and what
    decoding did to their pixels.
    """
    taken, thumbnails, refused, decoding = [], {}, [], NoteTally()
    for name, data in files:
        try:
            image = decode_image(data, shown.get(name, name))
        except ImageError as error:
            refused.append(str(error))
            continue
        decoding.add(one_line(shown.get(name, name)), image.notes)
        store.blobs.put(data)
        thumbnails[image.digest] = make_thumbnail(image.pixels)
        taken.append(TakenImage(name, above.get(name, ""), image.digest, image.size))
    return taken, thumbnails, refused, decoding


def called_otherwise(name: str, fresh: str) -> str:
    """What people are told of an image whose name another one has."""
    return f"{one_line(name)}: another image has this name; it is called {one_line(fresh)} here"
