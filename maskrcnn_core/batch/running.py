"""One image after the other through a model: what there is to do, what came of it, and who does it here.

What a run is asked for and what it gives are plain values that JSON keeps, so that it does not matter whether
this process runs the network (:class:`Here`) or others do (:mod:`maskrcnn_core.batch.workers`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from maskrcnn_core.batch.finding import Finding, FindsInstances, Tally
from maskrcnn_core.batch.pipeline import Bounds, Flow, Opened, Turn
from maskrcnn_core.batch.resume_log import instance_of, instance_rows
from maskrcnn_core.batch.slides import NOT_DRAWN, SlideFinder, SlideImage, Source
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.detection.limits import Limits
from maskrcnn_core.errors import ImageError, InferenceError
from maskrcnn_core.images.reading import SourceImage, Stretch, image_size, pixel_limit
from maskrcnn_core.microscopy.seeing import see_image
from maskrcnn_core.microscopy.views import View
from maskrcnn_core.models.domains.rule import Guess
from maskrcnn_core.slides.opening import open_slide
from maskrcnn_core.tiling.windows import WindowedRun

__all__ = ["Here", "Result", "Runner", "Slides", "Task", "bounds_for", "group_of"]

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
        view, pixel_um: as of a :class:`~maskrcnn_core.images.reading.SourceImage`.
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
    view: str = ""
    pixel_um: tuple[float, float] | None = None

    @property
    def record(self) -> ImageRecord:
        """The image's facts."""
        height, width = self.size
        return ImageRecord(
            self.task.id,
            self.task.file_name,
            width,
            height,
            self.digest,
            view=self.view,
            pixel_um=self.pixel_um,
        )

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
            "view": self.view,
            "pixel_um": self.pixel_um,
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
            view=str(row["view"]),
            pixel_um=None if row["pixel_um"] is None else (row["pixel_um"][0], row["pixel_um"][1]),
        )


@dataclass(frozen=True)
class Slides:
    """What is done with pictures of a run that are read by windows.

    Args:
        path_of: gives the file of one that is, and ``None`` for all others.
        finder: runs the model over it.
    """

    path_of: Callable[[Task], Path | None]
    finder: SlideFinder


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
        self,
        finder: FindsInstances[_Looked],
        read: Callable[[Task], bytes],
        stretch: Stretch,
        slides: Slides | None,
        view: View | None,
    ) -> None:
        self._finder, self._read, self._stretch = finder, read, stretch
        self._slides, self._view = slides, view

    def open(self, given: Task) -> Opened[Source]:
        path = self._slides.path_of(given) if self._slides is not None else None
        if path is not None and self._view is not None:
            raise ImageError(
                f"{one_line(given.shown)}: expected an image to choose of ({self._view.text}), got a picture "
                "that is too large and read by windows; leave the choice out"
            )
        if path is not None:
            slide = open_slide(path, given.shown, self._stretch)
            return Opened(slide.size, lambda: SlideImage.of(slide))
        data = self._read(given)

        def decode() -> Source:
            return see_image(data, given.shown, self._view, stretch=self._stretch)

        size = image_size(data, given.shown)
        if size[0] * size[1] > pixel_limit():
            decode()  # refuses it, and needs no room for that
        return Opened(size, decode)

    def bucket(self, size: tuple[int, int]) -> object:
        return self._finder.bucket(size)

    def find(self, images: Sequence[Source]) -> Sequence[_Looked | WindowedRun | InferenceError]:
        decoded = [image for image in images if isinstance(image, SourceImage)]
        looked = iter(self._finder.look(decoded) if decoded else ())
        return [self._through(image) if isinstance(image, SlideImage) else next(looked) for image in images]

    def _through(self, image: SlideImage) -> WindowedRun | InferenceError:
        assert self._slides is not None
        return self._slides.finder.look(image)

    def finish(self, given: Task, image: Source, found: _Looked | WindowedRun) -> Finding:
        if isinstance(found, WindowedRun):
            assert self._slides is not None
            return self._slides.finder.finish(found, given.id)
        assert isinstance(image, SourceImage)
        return self._finder.finish(image, found, given.id)

    def begin(self) -> None:
        """Forget that an earlier run was stopped."""
        if self._slides is not None:
            self._slides.finder.begin()

    def stop(self) -> None:
        """End the run within a picture that the network has in hand."""
        if self._slides is not None:
            self._slides.finder.stop()


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
        slides: what is done with pictures that are read by windows; ``None`` where images are no files.
        view: what is seen of stacks; ``None`` for their first page.
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
        slides: Slides | None = None,
        view: View | None = None,
    ) -> None:
        self._stages, self._tally, self._write = _Work(finder, read, stretch, slides, view), tally, write
        self._bounds = bounds or bounds_for()
        group = group_of(self._bounds.batch)
        self._ends_group = ends_group or (lambda place, _task: (place + 1) % group == 0)

    def results(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """See :meth:`Runner.results`."""
        self._stages.begin()
        flow: Flow[Task, Source, _Looked | WindowedRun, Finding]
        flow = Flow(tasks, self._stages, self._bounds, ends_group=self._ends_group)
        with closing(flow.turns()) as turns:
            for turn in turns:
                yield self._result(turn)

    def sentences(self) -> tuple[str, ...]:
        """See :meth:`Runner.sentences`."""
        return () if self._tally is None else self._tally.sentences()

    def _result(self, turn: Turn[Task, Source, Finding]) -> Result:
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
            view=image.view if isinstance(image, SourceImage) else "",
            pixel_um=image.pixel_um if isinstance(image, SourceImage) else None,
        )
        if self._write is not None:
            notes = self._write(result, image) if isinstance(image, SourceImage) else (NOT_DRAWN,)
            result = replace(result, notes=(*result.notes, *notes))
        if self._tally is not None:
            self._tally.add(task.shown, result.limits, result.guess)
        return result
