"""One image after the other through a model: what there is to do, what came of it, and who does it here.

What a run is asked for and what it gives are plain values that JSON keeps, so that it does not matter whether
this process runs the network (:class:`Here`) or others do (:mod:`maskrcnn_core.batch.workers`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from maskrcnn_core.batch.finding import Finding, FindsInstances, Tally
from maskrcnn_core.batch.pipeline import Bounds, Flow, Opened, Turn
from maskrcnn_core.batch.resume_log import instance_of, instance_rows
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.detection.limits import Limits
from maskrcnn_core.errors import ImageError, InferenceError
from maskrcnn_core.images.reading import SourceImage, Stretch, decode_image, image_size, pixel_limit
from maskrcnn_core.models.domains.rule import Guess

__all__ = ["Here", "Result", "Runner", "Task", "bounds_for", "group_of"]

_Looked = TypeVar("_Looked")

_ON_THE_WAY = 6
"""Images: one in the network, one behind it, and the next ones decoded."""

_PIXELS = 64_000_000
_GROUP = 8
"""Batches between whose images nobody looks for others of the same bucket."""


@dataclass(frozen=True)
class Task:
    """An image that is to be annotated.

    Args:
        id: the image's.
        file_name: as the output has it.
        shown: what messages call it.
        place: where its bytes are, in words of the run's own.
        stem: of the files that are written of it, where some are.
    """

    id: int
    file_name: str
    shown: str
    place: tuple[str | int, ...]
    stem: str = ""

    def row(self) -> list[object]:
        """Return what JSON keeps of it."""
        return [self.id, self.file_name, self.shown, list(self.place), self.stem]

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Task:
        """Return what :meth:`row` kept."""
        id_, file_name, shown, place, stem = row
        return cls(int(id_), str(file_name), str(shown), tuple(place), str(stem))


@dataclass(frozen=True)
class Result:
    """What came of an image.

    Args:
        task: what was to be done.
        digest: SHA-256 of its file's bytes in hex; empty if it failed.
        size: ``(height, width)`` in pixels.
        instances: by descending score, with the image's id.
        notes: what a person should know of it.
        decoding: what happened to the pixels on the way.
        limits, guess: as of a :class:`~maskrcnn_core.batch.finding.Finding`.
        failed: why it gave nothing; empty otherwise.
    """

    task: Task
    digest: str = ""
    size: tuple[int, int] = (0, 0)
    instances: tuple[Instance, ...] = ()
    notes: tuple[str, ...] = ()
    decoding: tuple[str, ...] = ()
    limits: Limits | None = None
    guess: Guess | None = None
    failed: str = ""

    @property
    def record(self) -> ImageRecord:
        """The image's facts."""
        height, width = self.size
        return ImageRecord(self.task.id, self.task.file_name, width, height, self.digest)

    def row(self) -> dict[str, object]:
        """Return what JSON keeps of it, without the task."""
        if self.failed:
            return {"failed": self.failed}
        guess = self.guess
        return {
            "sha256": self.digest,
            "size": self.size,
            "instances": instance_rows(self.instances),
            "notes": self.notes,
            "decoding": self.decoding,
            "limits": self.limits,
            "guess": None if guess is None else (guess.domain, guess.probability, guess.is_sure),
        }

    @classmethod
    def of_row(cls, task: Task, row: Mapping[str, Any]) -> Result:
        """Return what :meth:`row` kept; floats have all their digits there."""
        if "failed" in row:
            return cls(task, failed=str(row["failed"]))
        height, width = map(int, row["size"])
        return cls(
            task,
            str(row["sha256"]),
            (height, width),
            tuple(instance_of(found, (height, width), task.id) for found in row["instances"]),
            tuple(row["notes"]),
            tuple(row["decoding"]),
            None if row["limits"] is None else Limits(*row["limits"]),
            None if row["guess"] is None else Guess(*row["guess"]),
        )


class Runner(Protocol):
    """Who runs a model over images."""

    def results(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """Yield what came of each image, in the order given; closing it leaves what is not done yet undone.

        Raises:
            ExportError: if a file of an image cannot be written.
        """

    def sentences(self) -> tuple[str, ...]:
        """Return what there is to say of all images so far together."""


def group_of(batch: int) -> int:
    """Return among how many images in a row those of one bucket are looked for: they make the batches."""
    return 1 if batch == 1 else _GROUP * batch


def bounds_for(batch: int = 1, workers: int = 1, *, finishers: int = 1) -> Bounds:
    """Return how much may be on the way in each of several processes that share a machine's memory."""
    images = max(_ON_THE_WAY, 2 * group_of(batch) if batch > 1 else 0)
    pixels = max(_PIXELS // workers, _PIXELS // 8) * (1 if batch == 1 else 4)
    return Bounds(images, pixels, batch, decoders=2 if batch == 1 else 4, finishers=finishers)


class _Work(Generic[_Looked]):
    """The stages of :class:`Here`."""

    def __init__(
        self, finder: FindsInstances[_Looked], read: Callable[[Task], bytes], stretch: Stretch
    ) -> None:
        self._finder, self._read, self._stretch = finder, read, stretch

    def open(self, given: Task) -> Opened[SourceImage]:
        data = self._read(given)

        def decode() -> SourceImage:
            return decode_image(data, given.shown, stretch=self._stretch)

        size = image_size(data, given.shown)
        if size[0] * size[1] > pixel_limit():
            decode()  # refuses it, and needs no room for that
        return Opened(size, decode)

    def bucket(self, size: tuple[int, int]) -> object:
        return self._finder.bucket(size)

    def find(self, images: Sequence[SourceImage]) -> Sequence[_Looked | InferenceError]:
        return self._finder.look(images)

    def finish(self, given: Task, image: SourceImage, found: _Looked) -> Finding:
        return self._finder.finish(image, found, given.id)


class Here(Generic[_Looked]):
    """Runs a model in this process.

    Args:
        finder: the model with its settings.
        read: gives a file's bytes; called from several threads.
        tally: takes note of each image.
        stretch: whether deep images that use little of their range are stretched.
        bounds: how much is on the way at once.
        write: writes files of an image, and returns notes on them; called in the caller's thread.
        ends_group: whether batches end with an image, given its place from 0.
    """

    def __init__(
        self,
        finder: FindsInstances[_Looked],
        read: Callable[[Task], bytes],
        tally: Tally | None = None,
        *,
        stretch: Stretch = "auto",
        bounds: Bounds | None = None,
        write: Callable[[Result, SourceImage], Sequence[str]] | None = None,
        ends_group: Callable[[int, Task], bool] | None = None,
    ) -> None:
        self._stages, self._tally, self._write = _Work(finder, read, stretch), tally, write
        self._bounds = bounds or bounds_for()
        group = group_of(self._bounds.batch)
        self._ends_group = ends_group or (lambda place, _task: (place + 1) % group == 0)

    def results(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """See :meth:`Runner.results`."""
        flow = Flow(tasks, self._stages, self._bounds, ends_group=self._ends_group)
        with closing(flow.turns()) as turns:
            for turn in turns:
                yield self._result(turn)

    def sentences(self) -> tuple[str, ...]:
        """See :meth:`Runner.sentences`."""
        return () if self._tally is None else self._tally.sentences()

    def _result(self, turn: Turn[Task, SourceImage, Finding]) -> Result:
        task, image = turn.given, turn.image
        try:
            found = turn.take()
        except (ImageError, InferenceError) as error:
            # Messages begin with the file's own name; people tell files apart by the name with folders.
            return Result(task, failed=str(error).removeprefix(f"{one_line(task.shown)}: "))
        assert image is not None
        result = Result(
            task,
            image.digest,
            image.size,
            found.instances,
            found.notes,
            image.notes,
            found.limits,
            found.guess,
        )
        if self._write is not None:
            result = replace(result, notes=(*result.notes, *self._write(result, image)))
        if self._tally is not None:
            self._tally.add(task.shown, result.limits, result.guess)
        return result
