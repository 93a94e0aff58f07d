"""The run over all shards of a plan: those that are whole are passed over, each other one is made anew."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from filelock import FileLock, Timeout

from maskrcnn_core.batch.resume_log import Header, writing
from maskrcnn_core.batch.running import Runner, Task
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.detection.limits import NoteTally
from maskrcnn_core.errors import InputError
from maskrcnn_core.images.reading import pixel_limit
from maskrcnn_core.shards.plan import Plan, PlannedShard
from maskrcnn_core.shards.shard_files import Counts, Marker, ShardImage, ShardWriter, marker_of
from maskrcnn_core.shards.stores import Folder

__all__ = ["OnImage", "ShardsReport", "alone", "annotate_shard", "run_shards"]

_TOLD = 20


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
    runner: Runner,
    settings: Header,
    *,
    on_image: OnImage | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ShardsReport:
    """Annotate the images of all shards that are not whole yet.

    A run that is killed repeats the shard that it was at. Two at once in a folder of this computer are
    refused; stores have no locks.

    Args:
        plan: what there is to do.
        runner: runs a model over images whose places are rows of entries, and finds files by
            :class:`~maskrcnn_core.shards.entries.Reader`.
        settings: all that decides the results; shards with others are refused.
        on_image: called after each image with 1 and what became of it, or with the size of a shard that was
            whole and ``None``.
        cancelled: asked before each image; True ends the run, which can be resumed then.

    Raises:
        InputError: if a shard was made with other settings.
        ExportError: if something cannot be written.
    """
    pixel_limit()  # a setting that makes no sense is told once, not with every image
    report, decoding = ShardsReport(plan.images), NoteTally()

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
                    marker = annotate_shard(plan.folder, planned, runner, settings, decoding, told, cancelled)
                    if marker is None:
                        return report
                report.counts += marker.counts
            report.is_whole = True
    finally:
        report.notes = (*decoding.sentences(), *runner.sentences())
    return report


def annotate_shard(
    folder: Folder,
    planned: PlannedShard,
    runner: Runner,
    settings: Header,
    decoding: NoteTally,
    on_image: Callable[[ShardImage], object],
    cancelled: Callable[[], bool] | None = None,
) -> Marker | None:
    """Annotate the images of one shard, on whatever computer, and write it and then its marker.

    Args:
        folder: of the run.
        planned: the shard.
        runner, settings, cancelled: as in :func:`run_shards`.
        decoding: takes note of what there is to say of how images were decoded.
        on_image: called with what became of each image.

    Returns:
        The marker; ``None`` if the run was cancelled, and nothing was written.

    Raises:
        ExportError: if it cannot be written.
    """
    writer = ShardWriter(folder, planned, settings)
    with closing(_images(planned, runner, decoding)) as images:
        for image in images:
            if cancelled is not None and cancelled():
                return None
            writer.add(image)
            on_image(image)
    return writer.write()


def _images(planned: PlannedShard, runner: Runner, decoding: NoteTally) -> Generator[ShardImage, None, None]:
    tasks = (Task(id_, entry.file_name, entry.shown, tuple(entry.row())) for id_, entry in planned.images)
    with closing(runner.results(tasks)) as results:
        for result in results:
            decoding.add(one_line(result.task.shown), result.decoding)
            if result.failed:
                yield ShardImage(result.task.id, result.task.file_name, failed=result.failed)
            else:
                yield ShardImage(
                    result.task.id,
                    result.task.file_name,
                    result.record,
                    result.instances,
                    notes=result.notes,
                )


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
