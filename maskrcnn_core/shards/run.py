"""The run over all shards of a plan: those that are whole are passed over, each other one is made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from filelock import FileLock, Timeout

from maskrcnn_core.batch.resume_log import Header, writing
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.detection.limits import NoteTally
from maskrcnn_core.errors import ImageError, InferenceError, InputError
from maskrcnn_core.images.reading import SourceImage, Stretch, pixel_limit
from maskrcnn_core.shards.ahead import ahead
from maskrcnn_core.shards.entries import Entry, Reader
from maskrcnn_core.shards.plan import Plan, PlannedShard
from maskrcnn_core.shards.shard_files import Counts, Marker, ShardImage, ShardWriter, marker_of
from maskrcnn_core.shards.stores import Folder

__all__ = ["FindsInstances", "OnImage", "ShardsReport", "alone", "annotate_shard", "run_shards"]

_TOLD = 20


class FindsInstances(Protocol):
    """What finds instances in images: :class:`~maskrcnn_core.batch.finding.Finder`."""

    def find(
        self, source: SourceImage, shown: str, image_id: int
    ) -> tuple[tuple[Instance, ...], tuple[str, ...]]:
        """Return instances, and notes on how they were found."""

    def sentences(self) -> tuple[str, ...]:
        """Return what there is to say of all images together."""


@dataclass
class ShardsReport:
    """What a run did.

    Args:
        total: images of the plan.
        counts: of all shards that are whole now.
        reused: images of those above whose shards were whole before.
        failed: the first failures, with their reasons.
        is_whole: every shard is there; else the run was cancelled.
        notes: for people.
    """

    total: int
    counts: Counts = field(default_factory=Counts)
    reused: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    is_whole: bool = False
    notes: tuple[str, ...] = ()

    @property
    def succeeded(self) -> int:
        """The number of images with a run, empty ones included."""
        return self.counts.annotated + self.counts.empty

    def tell(self, image: ShardImage) -> None:
        """Take note of an image that failed."""
        if image.failed and len(self.failed) < _TOLD:
            self.failed.append((image.file_name, image.failed))


OnImage = Callable[[int, ShardImage | None], None]


def run_shards(
    plan: Plan,
    finder: FindsInstances,
    settings: Header,
    *,
    stretch: Stretch = "auto",
    on_image: OnImage | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ShardsReport:
    """Annotate the images of all shards that are not whole yet.

    A run that is killed repeats the shard that it was at. Two at once in a folder of this computer are
    refused; stores have no locks.

    Args:
        plan: what there is to do.
        finder: a model with its settings.
        settings: all that decides the results; shards with others are refused.
        stretch: whether deep images that use little of their range are stretched.
        on_image: called after each image with 1 and what became of it, or with the size of a shard that was
            whole and ``None``.
        cancelled: asked before each image; True ends the run, which can be resumed then.

    Raises:
        InputError: if a shard was made with other settings.
        ExportError: if something cannot be written.
    """
    pixel_limit()  # a setting that makes no sense is told once, not with every image
    report, decoding = ShardsReport(plan.images), NoteTally()
    reader = Reader(stretch)

    def told(image: ShardImage) -> None:
        report.tell(image)
        if on_image is not None:
            on_image(1, image)

    try:
        with alone(plan):
            for number in range(len(plan)):
                planned = plan.shard(number)
                marker = marker_of(plan.folder, planned, settings)
                if marker is not None:
                    report.reused += marker.counts.images
                    if on_image is not None:
                        on_image(marker.counts.images, None)
                else:
                    marker = annotate_shard(
                        plan.folder, planned, finder, settings, reader, decoding, told, cancelled
                    )
                    if marker is None:
                        return report
                report.counts += marker.counts
            report.is_whole = True
    finally:
        reader.close()
        report.notes = (*decoding.sentences(), *finder.sentences())
    return report


def annotate_shard(
    folder: Folder,
    planned: PlannedShard,
    finder: FindsInstances,
    settings: Header,
    reader: Reader,
    decoding: NoteTally,
    on_image: Callable[[ShardImage], object],
    cancelled: Callable[[], bool] | None = None,
) -> Marker | None:
    """Annotate the images of one shard, on whatever computer, and write it and then its marker.

    Args:
        folder: of the run.
        planned: the shard.
        finder, settings, cancelled: as in :func:`run_shards`.
        reader: of the images.
        decoding: takes note of what there is to say of how images were decoded.
        on_image: called with what became of each image.

    Returns:
        The marker; ``None`` if the run was cancelled, and nothing was written.

    Raises:
        ExportError: if it cannot be written.
    """
    writer = ShardWriter(folder, planned, settings)
    for image in _images(planned, reader, finder, decoding):
        if cancelled is not None and cancelled():
            return None
        writer.add(image)
        on_image(image)
    return writer.write()


def _images(
    planned: PlannedShard, reader: Reader, finder: FindsInstances, decoding: NoteTally
) -> Iterator[ShardImage]:
    def load(one: tuple[int, Entry]) -> SourceImage:
        return reader.read(one[1])

    for (id_, entry), source in ahead(planned.images, load):
        yield _image(id_, entry, source, finder, decoding)


def _image(
    id_: int, entry: Entry, source: Callable[[], SourceImage], finder: FindsInstances, decoding: NoteTally
) -> ShardImage:
    try:
        image = source()
        found, notes = finder.find(image, entry.shown, id_)
    except (ImageError, InferenceError) as error:
        reason = str(error).removeprefix(f"{one_line(entry.shown)}: ")
        return ShardImage(id_, entry.file_name, failed=reason)
    decoding.add(one_line(entry.shown), image.notes)
    height, width = image.size
    record = ImageRecord(id_, entry.file_name, width, height, image.digest)
    return ShardImage(id_, entry.file_name, record, found, notes=notes)


@contextmanager
def alone(plan: Plan) -> Iterator[None]:
    """Let no other process of this computer work in the same folder."""
    if plan.folder.path is None:
        yield
        return
    lock = FileLock(plan.folder.path / ".lock")
    with writing(plan.folder.path):
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                f"{plan.folder.shown}: another run is writing into it; wait until it ends, or choose another "
                "folder"
            ) from error
    try:
        yield
    finally:
        lock.release()
