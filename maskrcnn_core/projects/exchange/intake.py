"""Whatever a person hands in, into a project: images, zips of them, and data sets of any format.

Images go to the store's files as they come, so that a folder of gigabytes never lies in memory; a file that
no row names does no harm. Rows are written at the end: one decision for each data set and one for all other
images, each of which can be undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath

from maskrcnn_core.common.bounds import MAX_DATA_SETS
from maskrcnn_core.common.json_rows import read_json_rows
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.errors import CoreError, ImageError
from maskrcnn_core.formats.reader import GivenFile
from maskrcnn_core.formats.recognising import ANNOTATION_SUFFIXES, format_of, read_zip_sets
from maskrcnn_core.formats.sets import DataSet, SetFile, Sorted, sort_sets, why_unread
from maskrcnn_core.geometry.polygons import EdgeBudget
from maskrcnn_core.images.archives import ArchiveMember
from maskrcnn_core.images.folders import is_litter
from maskrcnn_core.images.formats import IMAGE_SUFFIXES
from maskrcnn_core.images.pools import FoundImages, ImageFinder, ImagePool, PooledFile
from maskrcnn_core.images.reading import HEAD_BYTES, image_format
from maskrcnn_core.images.spellings import as_written
from maskrcnn_core.microscopy.seeing import bytes_as_seen
from maskrcnn_core.microscopy.stacks import is_stack_file
from maskrcnn_core.microscopy.views import View
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.exchange.import_report import ImportReport
from maskrcnn_core.projects.exchange.results_in import results_document
from maskrcnn_core.projects.store import Store

__all__ = ["HandedIn", "import_files", "uploaded_folder"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_ZIPPED = ".zip"
_JSON = ".json"
_NEITHER = (
    "neither an image nor annotations of a format that is read; the README lists these, and nearly every "
    "program exports COCO JSON"
)


@dataclass(frozen=True)
class HandedIn:
    """A file with where it came from.

    Args:
        path: within its source, with ``/`` between folders.
        data: its bytes.
        source: the folder that it came in; empty for files handed in one by one.
        above: the path of that folder itself, or of the one a loose file lies in, as far as it is known.
        name: what the image is called where no data set names it; the path unless given.
        shown: what messages call the file; the path unless given.
    """

    path: str
    data: bytes = field(repr=False)
    source: str = ""
    above: str = ""
    name: str = ""
    shown: str = ""


def uploaded_folder(files: Iterable[tuple[str, bytes]]) -> Iterator[HandedIn]:
    """Yield a folder as a browser uploads it: every path begins with its name. Litter is left out."""
    for path, data in files:
        top, _, inner = path.replace("\\", "/").partition("/")
        if not inner:
            yield HandedIn(path, data)
        elif not any(map(is_litter, as_written(inner))):
            yield HandedIn(inner, data, source=f"{top}/", above=top)


def import_files(
    store: Store,
    project_id: int,
    who: str,
    files: Iterable[tuple[str, bytes] | HandedIn],
    *,
    only_listed: bool = False,
    view: View | None = None,
) -> ImportReport:
    """Take files into a project, told apart by content; what cannot be used is named, the rest goes on.

    Data sets of every format that :data:`maskrcnn_core.formats.FORMATS` reads are known by their content. One
    finds its images among the files of the same call, its own zip's or folder's first, as
    :mod:`maskrcnn_core.images.pools` tells. What no data set lists fills records that have waited for it
    since an earlier call, or is a new image.

    Args:
        store: where.
        project_id: into which project.
        who: for the journal.
        files: images, zips and annotations, with names or with where they lie; consumed one by one.
        only_listed: whether images that no data set lists are left alone.
        view: what is seen of stacks, also of those in zips; ``None`` for their first page. A stack without
            such a page, slice or channel is refused by name. Other images come in as they are.

    Raises:
        StoreError: if the store cannot be written; then nothing was taken in since the last data set.
    """
    sorted_in = _SortedIn(store, view)
    repaired = store.blobs.repaired
    for file in files:
        sorted_in.take(file if isinstance(file, HandedIn) else HandedIn(*file))
    repaired = store.blobs.repaired - repaired
    found = sorted_in.sets()
    notes = [*sorted_in.notes()]
    if repaired:
        notes.append(f"{counted(repaired, 'damaged file')} of the project repaired with the originals")
    report = ImportReport(refused=tuple(sorted_in.refused), notes=tuple(notes))
    waiting = {row.id for row in store.images(project_id) if not row.digest}
    images = [image for image in sorted_in.images if not image.is_mask(found.masks)]
    pool = ImagePool([image.file for image in images], [one.place for one in found.sets])
    taken: set[int] = set()
    budget = EdgeBudget()
    for data_set in found.sets[:MAX_DATA_SETS]:
        finder = _PoolFinder(store, pool, data_set.place, images)
        report += _import_set(store, project_id, who, data_set, finder, budget)
        taken |= set(finder.found.files.values())
    if rest := found.sets[MAX_DATA_SETS:]:
        left = counted(len(rest), "data set is", "data sets are")
        why = f"expected at most {MAX_DATA_SETS:,} data sets at once; {left} not read, the first is "
        report += ImportReport(refused=(f"{why}{one_line(rest[0].shown)}: add these by themselves",))
    unlisted = [image for number, image in enumerate(images) if number not in taken]
    if unlisted and not only_listed:
        names = _names(unlisted)
        report += import_images(
            store,
            project_id,
            who,
            ((name, store.blobs.get(image.digest)) for name, image in zip(names, unlisted, strict=True)),
            above={name: image.file.above for name, image in zip(names, unlisted, strict=True)},
            shown={
                name: image.shown
                for name, image in zip(names, unlisted, strict=True)
                if name == image.file.path
            },
            fillable=waiting,
        )
    for listed in found.results:
        report += _import_results(store, project_id, who, listed, budget)
    return report


def _import_set(
    store: Store, project_id: int, who: str, data_set: DataSet, finder: ImageFinder, budget: EdgeBudget
) -> ImportReport:
    """Import one data set; its places are told as in the files that it was read from."""
    draft, shown = data_set.draft, one_line(data_set.shown)
    try:
        report = import_coco(
            store,
            project_id,
            who,
            data_set.document,
            finder,
            name=data_set.shown,
            budget=budget,
            has_ids=data_set.has_ids,
        )
    except CoreError as error:
        return ImportReport(refused=(f"{shown}: {error}",))
    if draft is None:
        return report
    refused = draft.refusals.sentences()
    notes = (
        f"{shown}: read as {data_set.title}, {counted(len(draft), 'annotation')}",
        *draft.notes.sentences(),
    )
    return replace(
        report,
        refused=(*refused, *(draft.told(sentence, shown) for sentence in report.refused)),
        refused_more=report.refused_more + len(draft.refusals) - len(refused),
        notes=(*notes, *(draft.told(sentence, shown) for sentence in report.notes)),
        annotations=report.annotations + len(draft.refusals),
    )


def _import_results(
    store: Store, project_id: int, who: str, file: SetFile, budget: EdgeBudget
) -> ImportReport:
    """Take a list of detections as proposals for the images that the project has."""
    if not store.images(project_id):
        reason = "a list of detections, which needs the images that they are of: add these, or their data set"
        return ImportReport(refused=(f"{one_line(file.shown)}: {reason}",))
    try:
        rows = read_json_rows(file.data)
        document = results_document(store, project_id, rows)
        report = import_coco(
            store,
            project_id,
            who,
            document,
            lambda _name: None,
            name=file.shown,
            budget=budget,
            has_ids=False,
        )
    except CoreError as error:
        return ImportReport(refused=(f"{one_line(file.shown)}: {error}",))
    note = f"{one_line(file.shown)}: read as COCO results; what is new in it is proposed"
    return replace(report, notes=(note, *report.notes), known=(), missing=())


@dataclass(frozen=True)
class _Stored:
    """An image whose bytes are in the store.

    ``name`` is what it is called where no data set names it, ``shown`` what messages call its file.
    """

    file: PooledFile
    name: str
    shown: str
    digest: str

    def is_mask(self, masks: Collection[tuple[str, str]]) -> bool:
        """Return whether it is among masks, which are told by source and path."""
        return (self.file.source, self.file.path.replace("\\", "/")) in masks


class _PoolFinder(ImageFinder):
    """A finder of one COCO file's images among all that were handed in."""

    def __init__(
        self, store: Store, pool: ImagePool, data_set: PooledFile, images: Sequence[_Stored]
    ) -> None:
        self._store, self._pool, self._data_set, self._images = store, pool, data_set, images
        self.found = FoundImages()

    def expect(self, names: Sequence[str]) -> FoundImages:
        self.found = self._pool.find(names, self._data_set)
        return self.found

    def read(self, name: str) -> bytes | None:
        number = self.found.files.get(name)
        return None if number is None else self._store.blobs.get(self._images[number].digest)


class _SortedIn:
    """What was handed in, by kind."""

    def __init__(self, store: Store, view: View | None = None) -> None:
        self.store = store
        self._view = view
        self._seen = 0
        self.images: list[_Stored] = []
        self.annotations: list[SetFile] = []
        self.refused: list[str] = []
        self._others = Counter[str]()

    def take(self, file: HandedIn) -> None:
        pooled, shown = PooledFile(file.path, file.source, file.above), file.shown or file.path
        suffix = PurePosixPath(file.path.lower()).suffix
        if file.data[:4] in _ZIP:
            if format_of(GivenFile(file.path, file.data)) is not None:
                self.annotations.append(SetFile(pooled, shown, file.data))
            elif suffix != _ZIPPED and file.source:
                self._others[suffix] += 1
            else:
                self._take_zip(pooled, shown, file.data)
            return
        try:
            image_format(file.data[:HEAD_BYTES], shown)
        except ImageError as error:
            if suffix in ANNOTATION_SUFFIXES:
                self.annotations.append(SetFile(pooled, shown, file.data))
            elif file.source and suffix not in IMAGE_SUFFIXES:
                self._others[suffix] += 1
            else:
                self.refused.append(why_unread(SetFile(pooled, shown, file.data)) or str(error))
        else:
            self._keep(pooled, file.name or file.path, shown, file.data)

    def _keep(self, pooled: PooledFile, name: str, shown: str, data: bytes) -> None:
        """Keep an image; of a stack what is to be seen of it."""
        if self._view is not None and is_stack_file(data):
            try:
                seen = bytes_as_seen(data, shown, self._view)
            except CoreError as error:
                self.refused.append(str(error))
                return
            self._seen += seen is not data
            data = seen
        self.images.append(_Stored(pooled, name, shown, self.store.blobs.put(data)))

    def _take_zip(self, zipped: PooledFile, shown: str, data: bytes) -> None:
        before = len(self.images) + len(self.annotations) + len(self.refused)
        source = f"{zipped.source}{zipped.path}/"
        try:
            for member in read_zip_sets(data, shown):
                if not isinstance(member, ArchiveMember):
                    self.refused.append(member.message)
                    continue
                pooled = PooledFile(member.name, source)
                suffix = PurePosixPath(member.name.lower()).suffix
                if suffix in ANNOTATION_SUFFIXES:
                    self.annotations.append(SetFile(pooled, member.name, member.data))
                else:
                    self._keep(pooled, member.name, member.name, member.data)
        except CoreError as error:
            self.refused.append(str(error))
        if before == len(self.images) + len(self.annotations) + len(self.refused):
            self.refused.append(f"{one_line(shown)}: it contains no images")

    def sets(self) -> Sorted:
        """Return the data sets among it; files that are none are told of, or passed over."""
        loads = [(image.file, partial(self.store.blobs.get, image.digest)) for image in self.images]
        found = sort_sets(self.annotations, loads)
        for file in found.unread:
            suffix = PurePosixPath(file.place.path.lower()).suffix
            if known := why_unread(file):
                self.refused.append(known)
            elif suffix == _JSON:  # what it lacks is told as of a COCO file
                found.sets.append(DataSet(file.place, file.shown, file.data))
            elif file.place.source:
                self._others[suffix] += 1
            else:
                self.refused.append(f"{one_line(file.shown)}: {_NEITHER}")
        return found

    def notes(self) -> Iterator[str]:
        """Yield what was passed over, and a choice that no stack came along for; others tell what is seen."""
        if self._view is not None and not self._seen:
            yield f"no stack came along to see as {self._view.text}: every image is as it was"
        if self._others:
            kinds = ", ".join(f"{count} {kind or 'without a suffix'}" for kind, count in self._others.items())
            yield f"left alone because they are neither images nor annotations: {one_line(kinds)}"


def _names(images: Sequence[_Stored]) -> list[str]:
    """Return names for images that no data set names: of twins from several zips, each says whose it is."""
    counts = Counter(image.name for image in images)
    return [
        image.name
        if counts[image.name] == 1 or not image.file.source
        else f"{PurePosixPath(image.file.source.rstrip('/')).stem}/{image.name}"
        for image in images
    ]
