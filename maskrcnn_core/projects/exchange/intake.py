"""Whatever a person hands in, into a project: images, zips of them, and COCO files with their images.

Images go to the store's files as they come, so that a folder of gigabytes never lies in memory; a file that
no row names does no harm. Rows are written at the end: one decision for each COCO file and one for all other
images, each of which can be undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.errors import CoreError, ImageError
from maskrcnn_core.geometry.polygons import EdgeBudget
from maskrcnn_core.images.archives import ArchiveMember, read_zip_images
from maskrcnn_core.images.folders import is_litter
from maskrcnn_core.images.formats import IMAGE_SUFFIXES
from maskrcnn_core.images.pools import FoundImages, ImageFinder, ImagePool, PooledFile
from maskrcnn_core.images.reading import HEAD_BYTES, image_format
from maskrcnn_core.images.spellings import as_written
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.exchange.import_report import ImportReport
from maskrcnn_core.projects.store import Store

__all__ = ["HandedIn", "import_files", "uploaded_folder"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_JSON = ".json"


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
    store: Store, project_id: int, who: str, files: Iterable[tuple[str, bytes] | HandedIn]
) -> ImportReport:
    """Take files into a project, told apart by content; what cannot be used is named, the rest goes on.

    A COCO file finds its images among the files of the same call, its own zip's or folder's first, as
    :mod:`maskrcnn_core.images.pools` tells. What no COCO file lists fills records that have waited for it
    since an earlier call, or is a new image.

    Args:
        store: where.
        project_id: into which project.
        who: for the journal.
        files: images, zips and COCO JSON, with names or with where they lie; consumed one by one.

    Raises:
        StoreError: if the store cannot be written; then nothing was taken in since the last COCO file.
    """
    sorted_in = _SortedIn(store)
    repaired = store.blobs.repaired
    for file in files:
        sorted_in.take(file if isinstance(file, HandedIn) else HandedIn(*file))
    repaired = store.blobs.repaired - repaired
    notes = [*sorted_in.notes()]
    if repaired:
        notes.append(f"{counted(repaired, 'damaged file')} of the project repaired with the originals")
    report = ImportReport(refused=tuple(sorted_in.refused), notes=tuple(notes))
    waiting = {row.id for row in store.images(project_id) if not row.digest}
    pool = ImagePool(
        [image.file for image in sorted_in.images],
        [file for file, _, data in sorted_in.coco_files if b'"images"' in data],
    )
    found: set[int] = set()
    budget = EdgeBudget()
    for data_set, shown, data in sorted_in.coco_files:
        finder = _PoolFinder(store, pool, data_set, sorted_in.images)
        try:
            report += import_coco(store, project_id, who, data, finder, name=shown, budget=budget)
        except CoreError as error:
            report += ImportReport(refused=(f"{one_line(shown)}: {error}",))
        else:
            found |= set(finder.found.files.values())
    rest = [image for number, image in enumerate(sorted_in.images) if number not in found]
    if rest:
        names = _names(rest)
        report += import_images(
            store,
            project_id,
            who,
            ((name, store.blobs.get(image.digest)) for name, image in zip(names, rest, strict=True)),
            above={name: image.file.above for name, image in zip(names, rest, strict=True)},
            shown={
                name: image.shown for name, image in zip(names, rest, strict=True) if name == image.file.path
            },
            fillable=waiting,
        )
    return report


@dataclass(frozen=True)
class _Stored:
    """An image whose bytes are in the store.

    ``name`` is what it is called where no data set names it, ``shown`` what messages call its file.
    """

    file: PooledFile
    name: str
    shown: str
    digest: str


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

    def __init__(self, store: Store) -> None:
        self.store = store
        self.images: list[_Stored] = []
        self.coco_files: list[tuple[PooledFile, str, bytes]] = []
        """Where each lies, what messages call it, and its bytes."""
        self.refused: list[str] = []
        self._others = Counter[str]()

    def take(self, file: HandedIn) -> None:
        pooled, shown = PooledFile(file.path, file.source, file.above), file.shown or file.path
        if file.data[:4] in _ZIP:
            self._take_zip(pooled, shown, file.data)
            return
        try:
            image_format(file.data[:HEAD_BYTES], shown)
        except ImageError as error:
            suffix = PurePosixPath(file.path.lower()).suffix
            if suffix == _JSON:
                self.coco_files.append((pooled, shown, file.data))
            elif file.source and suffix not in IMAGE_SUFFIXES:
                self._others[suffix] += 1
            else:
                self.refused.append(str(error))
        else:
            digest = self.store.blobs.put(file.data)
            self.images.append(_Stored(pooled, file.name or file.path, shown, digest))

    def _take_zip(self, zipped: PooledFile, shown: str, data: bytes) -> None:
        before = len(self.images) + len(self.coco_files) + len(self.refused)
        source = f"{zipped.source}{zipped.path}/"
        try:
            for member in read_zip_images(data, shown, other_suffixes={_JSON}):
                if not isinstance(member, ArchiveMember):
                    self.refused.append(member.message)
                elif PurePosixPath(member.name.lower()).suffix == _JSON:
                    self.coco_files.append((PooledFile(member.name, source), member.name, member.data))
                else:
                    digest = self.store.blobs.put(member.data)
                    pooled = PooledFile(member.name, source)
                    self.images.append(_Stored(pooled, member.name, member.name, digest))
        except CoreError as error:
            self.refused.append(str(error))
        if before == len(self.images) + len(self.coco_files) + len(self.refused):
            self.refused.append(f"{one_line(shown)}: it contains no images")

    def notes(self) -> Iterator[str]:
        """Yield what was passed over."""
        if self._others:
            kinds = ", ".join(f"{count} {kind or 'without a suffix'}" for kind, count in self._others.items())
            yield f"left alone because they are neither images nor JSON: {one_line(kinds)}"


def _names(images: Sequence[_Stored]) -> list[str]:
    """Return names for images that no data set names: of twins from several zips, each says whose it is."""
    counts = Counter(image.name for image in images)
    return [
        image.name
        if counts[image.name] == 1 or not image.file.source
        else f"{PurePosixPath(image.file.source.rstrip('/')).stem}/{image.name}"
        for image in images
    ]
