"""Whatever a person hands in, into a project: images, zips of them, and COCO files with their images.

Images go to the store's files as they come, so that a folder of gigabytes never lies in memory; a file that
no row names does no harm. Rows are written at the end: one decision for each COCO file and one for all other
images, each of which can be undone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from maskrcnn_core.annotations import unique_names
from maskrcnn_core.archives import ArchiveMember, read_zip_images
from maskrcnn_core.errors import CoreError, ImageError
from maskrcnn_core.images import HEAD_BYTES, image_format
from maskrcnn_core.messages import one_line
from maskrcnn_core.store.exchange import ImportReport, import_coco, import_images
from maskrcnn_core.store.store import Store

__all__ = ["import_files"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_JSON = ".json"


def import_files(store: Store, project_id: int, who: str, files: Iterable[tuple[str, bytes]]) -> ImportReport:
    """Takes files into a project, told apart by content; what cannot be used is named, the rest goes on.

    A COCO file finds its images among the files of the same call, by the name that it gives them or, where
    only one file has it, by the last part of that name.

    Args:
        store: where.
        project_id: into which project.
        who: for the journal.
        files: names and bytes of images, zips and COCO JSON; consumed one by one.

    Raises:
        StoreError: if the store cannot be written; then nothing was taken in since the last COCO file.
    """
    sorted_in = _SortedIn(store)
    for name, data in files:
        sorted_in.take(name, data)
    report = ImportReport(refused=tuple(sorted_in.refused))
    for name, data in sorted_in.coco_files:
        try:
            report += import_coco(store, project_id, who, data, sorted_in.find, name=name)
        except CoreError as error:
            report += ImportReport(refused=(f"{one_line(name)}: {error}",))
    rest = [name for name in sorted_in.digests if name not in sorted_in.found]
    if rest:
        report += import_images(store, project_id, who, sorted_in.read(rest))
    return report


class _SortedIn:
    """What was handed in, by kind."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.digests: dict[str, str] = {}
        self.by_last_part: dict[str, list[str]] = defaultdict(list)
        self.coco_files: list[tuple[str, bytes]] = []
        self.refused: list[str] = []
        self.found: set[str] = set()

    def take(self, name: str, data: bytes) -> None:
        if data[:4] in _ZIP:
            self._take_zip(name, data)
            return
        try:
            image_format(data[:HEAD_BYTES], name)
        except ImageError as error:
            if name.lower().endswith(_JSON):
                self.coco_files.append((name, data))
            else:
                self.refused.append(str(error))
        else:
            if name in self.digests:
                name = unique_names([*self.digests, name])[-1]
            self.digests[name] = self.store.blobs.put(data)
            self.by_last_part[PurePosixPath(name).name].append(name)

    def _take_zip(self, name: str, data: bytes) -> None:
        before = len(self.digests) + len(self.coco_files) + len(self.refused)
        try:
            for member in read_zip_images(data, name, other_suffixes={_JSON}):
                if isinstance(member, ArchiveMember):
                    self.take(member.name, member.data)
                else:
                    self.refused.append(member.message)
        except CoreError as error:
            self.refused.append(str(error))
        if before == len(self.digests) + len(self.coco_files) + len(self.refused):
            self.refused.append(f"{one_line(name)}: there are no images in it")

    def find(self, file_name: str) -> bytes | None:
        name = file_name if file_name in self.digests else None
        if name is None:
            namesakes = self.by_last_part[PurePosixPath(file_name).name]
            name = namesakes[0] if len(namesakes) == 1 else None
        if name is None:
            return None
        self.found.add(name)
        return self.store.blobs.get(self.digests[name])

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            yield name, self.store.blobs.get(self.digests[name])
