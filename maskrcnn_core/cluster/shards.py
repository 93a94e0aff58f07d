"""The shards of a plan on a cluster: each worker does what a run on one computer does, one shard at a time.

Plan, shards and markers lie where all can see them. A marker is the only thing that says that a shard is
done: whole shards are not given to anybody, and one that a dead worker left half is begun again.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from maskrcnn_core.batch.finding import Finder, Tallies, Tally
from maskrcnn_core.batch.resume_log import Header
from maskrcnn_core.batch.running import Here, bounds_for
from maskrcnn_core.cluster.joining import Joined
from maskrcnn_core.cluster.pool import MOST_TRIES, count_tries, pool_on, rows_of, tries_before
from maskrcnn_core.cluster.shipping import Task
from maskrcnn_core.cluster.workers import in_cell, predictor_of
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.detection.limits import NoteTally
from maskrcnn_core.errors import CoreError, InferenceError, InputError
from maskrcnn_core.shards.entries import Reader
from maskrcnn_core.shards.plan import Plan, PlannedShard, read_plan
from maskrcnn_core.shards.run import OnImage, ShardsReport, alone, annotate_shard
from maskrcnn_core.shards.shard_files import Counts, Marker, ShardImage, marker_of
from maskrcnn_core.shards.stores import Folder, is_address

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["ShardWorker", "ShardsTask", "run_shards_on", "shards_task"]

_WITNESSES = 16
"""Files by which a node shows that it sees the images."""
_PLAN = "plan.json"


@dataclass(frozen=True)
class ShardsTask:
    """What all workers of a run in shards have in common.

    Args:
        task: model and settings.
        folder: of the run.
        settings: all that decides the results.
        domain: the kind of images that was asked for.
        plan: SHA-256 of the plan that lies in the folder.
        witnesses: some of the images' files that lie on no store, and their sizes.
    """

    task: Task
    folder: str
    settings: Header
    domain: str | None
    plan: str
    witnesses: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class _Said:
    """What a worker says of a shard: what is too small for a file of its own.

    Args:
        counts: of its images.
        images: what became of each, without instances; none of a shard that was whole already.
        decoding, tallies: what there is to say of all together.
    """

    counts: Counts
    images: tuple[ShardImage, ...] = ()
    decoding: NoteTally | None = None
    tallies: Tallies | None = None


def shards_task(plan: Plan, task: Task, settings: Header, domain: str | None) -> ShardsTask:
    """Return what workers need to know of a run.

    Raises:
        InputError: if the plan is damaged.
    """
    named = plan.folder.named if plan.folder.path is None else os.path.abspath(plan.folder.path)
    return ShardsTask(
        task, named, dict(settings), domain, _digest_of_plan(plan.folder), tuple(_witnesses(plan))
    )


class ShardWorker:
    """Annotates shards on a node of a cluster.

    Args:
        job: what all have in common.
        sent: the model, as an object that Ray keeps.
        tries: who counts how often a shard was begun.
    """

    most_tries = MOST_TRIES

    def __init__(self, job: ShardsTask, sent: Any, tries: Any) -> None:
        self._job, self._sent, self._tries = job, sent, tries

    def __call__(self, batch: dict[str, npt.NDArray[np.int64]]) -> dict[str, Any]:
        """Annotate the one shard of a batch, and say what became of it."""
        number = int(batch["shard"][0])
        try:
            if tries_before(self._tries, number) >= self.most_tries:
                raise InferenceError(
                    f"shard {number:06}: {self.most_tries} workers in a row died of it; one of its images "
                    "may need more memory than there is: use a smaller model or fewer --workers, or leave "
                    "that image out"
                )
            said: object = self.annotate(number)
        except CoreError as error:
            said = error
        return {"shard": [number], "said": in_cell(said)}

    def annotate(self, number: int) -> _Said:
        """Annotate a shard, unless it is whole already, and write it and its marker.

        Raises:
            CoreError: if it cannot be done here, for a reason that people can mend.
        """
        job, (plan, predictor) = self._job, self._ready
        planned = plan.shard(number)
        marker = marker_of(plan.folder, planned, job.settings)
        if marker is not None:
            return _Said(marker.counts)
        tally = Tally(predictor.model, job.task.thresholds, job.domain)
        decoding, images = NoteTally(), list[ShardImage]()

        def keep(image: ShardImage) -> None:
            images.append(replace(image, instances=()))

        with closing(Reader()) as reader:
            runner = Here(
                Finder(predictor, job.task.thresholds),
                reader.bytes_of,
                tally,
                stretch=job.task.stretch,
                bounds=bounds_for(predictor.batch_size),
            )
            marker = annotate_shard(plan.folder, planned, runner, job.settings, decoding, keep)
        assert marker is not None
        return _Said(marker.counts, tuple(images), decoding, tally.tallies)

    @cached_property
    def _ready(self) -> tuple[Plan, Predictor]:
        """The plan and the model, once this node has shown that it sees what it has to."""
        job = self._job
        folder, node = Folder(job.folder), platform.node()
        if _digest_of_plan(folder) != job.plan:
            raise InputError(
                f"{folder.shown}: the node {node} does not see this folder of the run; name an address "
                "(s3://...), or a folder that all nodes share"
            )
        for file, size in job.witnesses:
            if not (os.path.isfile(file) and os.path.getsize(file) == size):
                raise InputError(
                    f"{one_line(file)}: the node {node} does not see this file as it is where the run was "
                    "begun; put images into a store (s3://...), or a folder that all nodes share"
                )
        plan = read_plan(folder)
        assert plan is not None  # as it has that digest
        return plan, predictor_of(job.task, self._sent)


def run_shards_on(
    cluster: Joined,
    plan: Plan,
    job: ShardsTask,
    model: LoadedModel,
    tally: Tally,
    *,
    workers: int | None = None,
    worker: type = ShardWorker,
    extra: tuple[Any, ...] = (),
    on_image: OnImage | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ShardsReport:
    """Annotate the images of all shards that are not whole yet, on all nodes of a cluster.

    Args:
        cluster: where.
        plan: what there is to do.
        job: what workers are told.
        model: it is sent to each node.
        tally: takes what workers count.
        workers: at most so many at once; ``None`` for as many as there is room for.
        worker: what annotates a shard; ``extra`` is what it is made with besides.
        on_image, cancelled: as in :func:`~maskrcnn_core.shards.run.run_shards`; shards come in any order,
            and the run is cancelled between two of them.

    Raises:
        InputError: if a node cannot take part, or a shard was made with other settings.
        ExportError: if something cannot be written.
        InferenceError: if a shard kills whoever is at it.
    """
    import ray

    report = ShardsReport(plan.images)
    with alone(plan):
        left = []
        for number, marker in _markers(plan, job.settings):
            if marker is None:
                left.append(number)
                continue
            report.reused += marker.counts.images
            report.counts += marker.counts
            if on_image is not None:
                on_image(marker.counts.images, None)
        if not left:
            report.is_whole = True
            return report
        given = (*extra, job, ray.put(model), count_tries())
        pool = pool_on(cluster, worker, given, device=job.task.device, pieces=len(left), workers=workers)
        said: dict[int, _Said] = {}
        given_up: dict[int, InferenceError] = {}
        with closing(rows_of(cluster, pool, [{"shard": number} for number in left])) as rows:
            for row in rows:
                number = int(row["shard"])
                if number in said:  # Ray may make again what it lost
                    continue
                try:
                    one = _read(row["said"])
                except InferenceError as error:  # the others can be done all the same
                    given_up[number] = error
                    continue
                _tell(report, one, on_image)
                said[number] = replace(one, images=())  # of a million images they are many
                if cancelled():
                    break
        if given_up:
            raise InferenceError(
                f"{counted(len(given_up), 'shard was', 'shards were')} given up: {given_up[min(given_up)]}"
            )
        report.is_whole = len(said) == len(left)
    report.notes = _notes(tally, [said[number] for number in sorted(said)])
    return report


def _tell(report: ShardsReport, said: _Said, on_image: OnImage | None) -> None:
    report.counts += said.counts
    for image in said.images:
        report.tell(image)
        if on_image is not None:
            on_image(1, image)
    if not said.images and on_image is not None:
        on_image(said.counts.images, None)


def _notes(tally: Tally, said: Sequence[_Said]) -> tuple[str, ...]:
    decoding = NoteTally()
    for one in said:
        if one.decoding is not None and one.tallies is not None:
            decoding.join(one.decoding)
            tally.take(one.tallies)
    return (*decoding.sentences(), *tally.sentences())


def _read(one: object) -> _Said:
    if isinstance(one, CoreError):
        raise one
    assert isinstance(one, _Said)
    return one


def _markers(plan: Plan, settings: Header) -> Iterator[tuple[int, Marker | None]]:
    def look(number: int) -> Marker | None:
        return marker_of(plan.folder, plan.shard(number), settings)

    with ThreadPoolExecutor(8, "markers") as pool:
        yield from enumerate(pool.map(look, range(len(plan))))


def _witnesses(plan: Plan) -> Iterator[tuple[str, int]]:
    for number in range(0, len(plan), -(-len(plan) // _WITNESSES)):
        planned: PlannedShard = plan.shard(number)
        for _, entry in planned.images[:1]:
            if not is_address(entry.place) and os.path.isfile(entry.place):
                yield os.path.abspath(entry.place), os.path.getsize(entry.place)


def _digest_of_plan(folder: Folder) -> str:
    return hashlib.sha256(folder.read(_PLAN) or b"").hexdigest()
