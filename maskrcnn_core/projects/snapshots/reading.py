"""A store that shows a project as it was at a snapshot, so that whatever reads or exports it can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.records import CategoryRow, Fact, ImageRow, ImageStatus, InstanceRow, Status
from maskrcnn_core.projects.snapshots.keeping import SnapshotRow, snapshot_contents
from maskrcnn_core.projects.snapshots.packing import Contents
from maskrcnn_core.projects.store import Store

__all__ = ["SnapshotStore"]


class SnapshotStore(Store):
    """A store whose one project has the images, categories and instances of a snapshot; to be read alone.

    Args:
        store: where the snapshot is.
        row: the snapshot.

    Raises:
        StoreError: if it cannot be read.
    """

    def __init__(self, store: Store, row: SnapshotRow) -> None:
        self.__dict__.update(vars(store))  # the same connections and files; whoever made it closes it
        self._kept, self._kept_of = snapshot_contents(store, row), row.project_id

    def _then(self, project_id: int) -> Contents:
        if project_id != self._kept_of:
            raise StoreError(f"project {project_id}: expected {self._kept_of}, of which this snapshot is")
        return self._kept

    def refuse_damage(self, project_id: int) -> None:
        """Find nothing: a snapshot is checked as a whole when its file is read."""
        self._then(project_id)

    def categories(self, project_id: int) -> list[CategoryRow]:
        """Return the categories of then, in the order of their ids in files."""
        return sorted(self._then(project_id).categories.values(), key=lambda row: row.coco_id)

    def images(
        self,
        project_id: int,
        *,
        digests: Iterable[str] | None = None,
        ids: Iterable[int] | None = None,
    ) -> list[ImageRow]:
        """Return the images of then."""
        contents, numbers = None if digests is None else set(digests), None if ids is None else set(ids)
        return [
            row
            for row in self._then(project_id).images.values()
            if (contents is None or row.digest in contents) and (numbers is None or row.id in numbers)
        ]

    def instances(
        self, project_id: int, *, image_id: int | None = None, ids: Collection[int] | None = None
    ) -> list[InstanceRow]:
        """Return the instances of then."""
        return [
            row
            for row in self._then(project_id).instances.values()
            if (image_id is None or row.image_id == image_id) and (ids is None or row.id in ids)
        ]

    def each_instance(self, project_id: int) -> Iterator[InstanceRow]:
        """Yield the instances of then."""
        yield from self._then(project_id).instances.values()

    def facts(self, project_id: int) -> list[Fact]:
        """Return the instances of then without their masks."""
        return [
            Fact(
                row.id,
                row.image_id,
                row.category_id,
                row.area,
                row.score,
                row.status,
                row.source,
                row.version,
                row.doubts,
            )
            for row in self._then(project_id).instances.values()
        ]

    def counts(self, project_id: int) -> tuple[Counter[ImageStatus], Counter[Status]]:
        """Return how many images and instances of then had each status."""
        return (
            Counter(row.status for row in self._then(project_id).images.values()),
            Counter(row.status for row in self._then(project_id).instances.values()),
        )
