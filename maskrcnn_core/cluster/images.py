"""A project's images on a cluster: workers run the network alone, and what they find is taken in elsewhere.

They read images from the project's bucket, or get their bytes where the files lie in a folder of the computer
that began. None of them reaches the database.
"""

from __future__ import annotations

import platform
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from maskrcnn_core.cluster.joining import Joined
from maskrcnn_core.cluster.pool import MOST_TRIES, count_tries, pool_on, rows_of, tries_before
from maskrcnn_core.cluster.shipping import Task, task_of
from maskrcnn_core.cluster.workers import in_cell, predictor_of
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.packed_runs import pack_run, unpack_run
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.errors import CoreError, InputError
from maskrcnn_core.images.reading import Stretch, decode_image
from maskrcnn_core.projects.db.blobs import Blobs
from maskrcnn_core.projects.proposals.proposing import Ran, RunsElsewhere
from maskrcnn_core.projects.records import ImageRow

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["ImagesWorker", "runs_on"]

_AT_ONCE = 8
"""Images that a worker is given together, and runs again if it dies."""


@dataclass(frozen=True)
class _Said:
    """What a worker says of an image; its run is packed, as it is kept."""

    packed: bytes = b""
    reason: str = ""
    is_final: bool = False
    engine: str = ""
    is_kept: bool = True

    def ran(self) -> Ran:
        outcome = unpack_run(self.packed) if self.packed else Failure(self.reason, is_final=self.is_final)
        return Ran(outcome, self.engine, self.is_kept)


class ImagesWorker:
    """Runs a model over images on a node of a cluster.

    Args:
        task: what all have in common.
        sent: the model, as an object that Ray keeps.
        tries: who counts how often images were begun.
        address: of the bucket with the images; empty where their bytes come along.
    """

    def __init__(self, task: Task, sent: Any, tries: Any, address: str) -> None:
        self._task, self._sent, self._tries, self._address = task, sent, tries, address

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what the network says of each image of a batch."""
        ids = batch["image"].tolist()
        tries = tries_before(self._tries, ids[0])
        for place, id_ in enumerate(ids):
            said: object
            try:
                row = {name: batch[name][place] for name in batch}
                said = _given_up() if tries >= MOST_TRIES else self._said(row)
            except CoreError as error:  # this node cannot take part
                said = error
            yield {"image": [id_], "said": in_cell(said)}

    def _said(self, row: dict[str, Any]) -> _Said:
        predictor = self._predictor
        try:
            data = bytes(row["data"]) if "data" in row else self._blobs.get(str(row["digest"]))
            if why := str(row.get("why", "")):
                return _Said(reason=why, is_kept=False)
            pixels = decode_image(data, str(row["name"]), stretch=self._task.stretch).pixels
        except CoreError as error:
            return _Said(reason=str(error), is_kept=False)
        (outcome,) = predictor.run([pixels], self._task.thresholds)
        if isinstance(outcome, Run):
            return _Said(pack_run(outcome), engine=predictor.engine_of(outcome))
        return _Said(reason=outcome.reason, is_final=outcome.is_final)

    @cached_property
    def _predictor(self) -> Predictor:
        return predictor_of(self._task, self._sent)

    @cached_property
    def _blobs(self) -> Blobs:
        return Blobs(self._address)


def _given_up() -> _Said:
    return _Said(
        reason=f"{MOST_TRIES} workers in a row died of it or of an image beside it; it may need more "
        "memory than there is",
        is_kept=False,
    )


def _read(batch: dict[str, Any], folder: str) -> dict[str, list[Any]]:
    """Read images where their folder is."""
    blobs = Blobs(folder)
    read: list[tuple[bytes, str]] = []
    for digest in batch["digest"]:
        try:
            read.append((blobs.get(str(digest)), ""))
        except CoreError as error:
            read.append((b"", str(error)))
    data, why = zip(*read, strict=True)
    return {**{name: list(batch[name]) for name in batch}, "data": list(data), "why": list(why)}


def runs_on(
    cluster: Joined, predictor: Predictor, device: str, blobs: Blobs, count: int, workers: int | None = None
) -> RunsElsewhere:
    """Return what runs a model over a project's images on all nodes of a cluster.

    Args:
        cluster: where.
        predictor: the model of this process, with the engine that is to run.
        device: of the workers: ``cpu`` or ``cuda``.
        blobs: where the images are.
        count: of images.
        workers: at most so many at once; ``None`` for as many as there is room for.

    Raises:
        InputError: if the images lie in a folder of this computer, which no node is.
    """
    if blobs.folder is not None and cluster.is_client:
        raise InputError(
            f"{platform.node()}: the project's files lie in a folder of this computer, which is no node of "
            "the cluster; run the command on a node, or keep files in a bucket (MASKDESK_DATA=s3://...)"
        )

    def runs(
        images: Sequence[ImageRow], stretch: Stretch, thresholds: Thresholds
    ) -> Generator[tuple[ImageRow, Ran]]:
        import ray

        model = predictor.model
        task = task_of(model, thresholds, stretch, device, predictor.engine.spec.key, count)
        is_here = blobs.folder is not None
        pool = pool_on(
            cluster,
            ImagesWorker,
            (task, ray.put(model), count_tries(), "" if is_here else blobs.address),
            device=device,
            pieces=-(-len(images) // _AT_ONCE),
            workers=workers,
            at_once=_AT_ONCE,
            reader=partial(_read, folder=str(blobs.folder.absolute())) if blobs.folder else None,
        )
        open_ = {image.id: image for image in images}
        rows = [{"image": image.id, "digest": image.digest, "name": image.file_name} for image in images]
        with closing(rows_of(cluster, pool, rows)) as coming:
            for row in coming:
                image = open_.pop(int(row["image"]), None)
                if image is None:  # Ray may make again what it lost
                    continue
                said = row["said"]
                if isinstance(said, CoreError):
                    raise said
                yield image, said.ran()

    return runs
