"""A process that runs a model for another one: ``python -m maskrcnn_core.batch.worker``.

What it is to run comes as the first line of its standard input, then an image a line; its standard output has
a line of JSON for each image, in the same order. When the other process is gone, however that happened, this
one ends.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from maskrcnn_core.batch.finding import finder_of
from maskrcnn_core.batch.image_folders import NO_FOLDERS, ImageFolders
from maskrcnn_core.batch.run import bytes_of, slide_of
from maskrcnn_core.batch.running import Here, Result, Runner, Slides, Task, bounds_for
from maskrcnn_core.batch.sharing import one_thread
from maskrcnn_core.batch.slides import SlideFinder
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import CoreError, InferenceError, WeightsError
from maskrcnn_core.images.reading import SourceImage, Stretch
from maskrcnn_core.microscopy.views import View
from maskrcnn_core.models.catalog import model_by_key
from maskrcnn_core.models.loading import load_custom_model, load_model, load_trained_model
from maskrcnn_core.models.spec import LoadedModel, Origin
from maskrcnn_core.tiling.choosing import Tiling

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["Given", "Job", "runner_of", "serve"]


@dataclass(frozen=True)
class Job:
    """What worker processes run.

    Args:
        origin: how the model is loaded.
        model: its key, or its file.
        names: the file of its categories, if one was given.
        digest: SHA-256 of its weights, which must be these.
        engine: key of the engine, which must be this one.
        thresholds: what is kept of its detections.
        stretch: whether deep images that use little of their range are stretched.
        folders: where files of each image go.
        batch: images that go through the network together.
        workers: processes that share the machine's memory.
        tiling: how pictures are cut into tiles; ``None`` for not at all.
        looks_closer: whether a closer look at objects mends their masks.
        view: what is seen of stacks; ``None`` for their first page.
    """

    origin: Origin
    model: str
    names: str | None
    digest: str
    engine: str
    thresholds: Thresholds
    stretch: Stretch = "auto"
    folders: ImageFolders = NO_FOLDERS
    batch: int = 1
    workers: int = 1
    tiling: Tiling | None = None
    looks_closer: bool = False
    view: View | None = None

    def row(self) -> dict[str, object]:
        """Return what JSON keeps of it."""
        labels = self.thresholds.labels
        return {
            **asdict(replace(self, view=None)),
            "view": None if self.view is None else self.view.text,
            "thresholds": {**asdict(self.thresholds), "labels": None if labels is None else sorted(labels)},
            "folders": {
                name: None if path is None else str(path) for name, path in self.folders.named.items()
            },
        }

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Job:
        """Return what :meth:`row` kept."""
        kept = dict(row["thresholds"])
        kept["labels"] = None if kept["labels"] is None else frozenset(kept["labels"])
        folders = {name: None if path is None else Path(path) for name, path in row["folders"].items()}
        tiling = None if row["tiling"] is None else Tiling(**row["tiling"])
        view = None if row["view"] is None else View.of_text(row["view"])
        values = {"thresholds": Thresholds(**kept), "folders": ImageFolders(**folders), "tiling": tiling}
        return cls(**{**row, **values, "view": view})


def serve(make: Callable[[Job, str, Given], Runner]) -> None:
    """Run what the process that started this one wants, until it says that this is all.

    Args:
        make: makes who runs the model, given the job, the name of a device, and what will be given.
    """
    out = _own_output()
    start = json.loads(sys.stdin.buffer.readline())
    device = str(start["device"])
    try:
        job = Job.of_row(start["job"])
        with one_thread(device):
            given = Given(sys.stdin.buffer)
            runner = make(job, device, given)
            _say(out, {"ready": True})
            with closing(runner.results(given)) as results:
                for result in results:
                    _say(out, {"id": result.task.id, **result.row()})
    except CoreError as error:
        _say(out, {"stopped": type(error).__name__, "message": str(error)})


def runner_of(
    read: Callable[[Task], bytes], slide_of: Callable[[Task], Path | None] | None = None
) -> Callable[[Job, str, Given], Runner]:
    """Return what makes who runs a job's model over images.

    Args:
        read: gives their bytes.
        slide_of: gives the file of one that is read by windows; ``None`` where images are no files.
    """

    def make(job: Job, device: str, given: Given) -> Runner:
        predictor = _predictor(job, device)
        categories = tuple(predictor.model.label_map.categories)

        def write(result: Result, source: SourceImage) -> Sequence[str]:
            return job.folders.write(result, source, categories)

        finder = SlideFinder(predictor, job.thresholds, job.tiling)
        slides = None if slide_of is None else Slides(slide_of, finder)
        return Here(
            finder_of(predictor, job.thresholds, job.tiling),
            read,
            stretch=job.stretch,
            bounds=bounds_for(job.batch, job.workers, finishers=1 if device == "cpu" else 4),
            write=write if any(job.folders.named.values()) else None,
            slides=slides,
            ends_group=lambda _place, task: task.id in given.last,
            view=job.view,
        )

    return make


def _predictor(job: Job, device: str) -> Predictor:
    # With torch: what is only sent to such a process does without.
    from maskrcnn_core.inference.engines.choosing import choose_engine
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.synthetic.samples import pixels_for

    model = _loaded(job)
    if model.digest != job.digest:
        raise WeightsError(f"{job.model}: its weights were changed while the run began; start it again")
    engine = choose_engine(model, device, job.engine, images=lambda: pixels_for(model.domains), count=0)
    if engine.spec.key != job.engine:
        raise InferenceError(
            f"engine {job.engine}: expected it in a worker process as in the first one, got "
            f"{engine.spec.key} ({'; '.join(engine.notes)}); start the run again with --engine exact"
        )
    return Predictor(
        model,
        device,
        batch_size=job.batch,
        feature_cache_bytes=0,
        engine=engine,
        looks_closer=job.looks_closer,
    )


def _loaded(job: Job) -> LoadedModel:
    if job.origin == "row":
        return load_model(model_by_key(job.model))
    if job.origin == "card":
        return load_trained_model(Path(job.model))
    return load_custom_model(Path(job.model), None if job.names is None else Path(job.names))


class Given:
    """Images as they come in: read in a thread of its own, so that the other process's end is heard at once.

    Attributes:
        last: ids of those with which a group ends.
    """

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self.last: set[int] = set()
        threading.Thread(target=self._listen, name="given", daemon=True).start()

    def __iter__(self) -> Iterator[Task]:
        return self

    def __next__(self) -> Task:
        task = self._tasks.get()
        if task is None:
            self._tasks.put(None)  # for each of the threads that wait
            raise StopIteration
        return task

    def stop(self) -> None:
        """Have nobody wait for more."""
        self._tasks.put(None)

    def _listen(self) -> None:
        for line in self._lines:
            row = json.loads(line)
            if "end" in row:
                self._tasks.put(None)
                return
            task = Task.of_row(row["task"])
            if row["is_last"]:
                self.last.add(task.id)
            self._tasks.put(task)
        os._exit(1)  # nobody is there who would take a result; the network cannot be interrupted otherwise


def _own_output() -> BinaryIO:
    """Return the standard output, which nothing else in this process writes to from now on."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return out


def _say(out: BinaryIO, row: Mapping[str, object]) -> None:
    out.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    serve(runner_of(bytes_of, slide_of))
