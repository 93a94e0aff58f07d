"""Who runs a model over the images of a command: this process, or several workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from maskrcnn_core.batch.finding import HasModel, Tally, finder_of
from maskrcnn_core.batch.image_folders import NO_FOLDERS, ImageFolders
from maskrcnn_core.batch.running import Here, Result, Runner, Slides, Task, bounds_for
from maskrcnn_core.batch.sharing import batch_for, devices_for, one_thread, told_of
from maskrcnn_core.batch.slides import SlideFinder, TileWatch
from maskrcnn_core.cli.engines import chosen_engine
from maskrcnn_core.common.terminal import tell
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.images.reading import SourceImage, Stretch
from maskrcnn_core.inference.engines.spec import Engine
from maskrcnn_core.microscopy.views import View
from maskrcnn_core.models.spec import AskedCloser, LoadedModel
from maskrcnn_core.tiling.choosing import Tiling, check_tiling

__all__ = ["TOLD_CLOSER", "How", "What", "at_work"]

TOLD_CLOSER = (
    "looks closer at small and medium objects, each of which takes about a third of an image's time more; "
    "--look-closer off leaves that out"
)


@dataclass(frozen=True)
class How:
    """How a model is to run, as options say it.

    Args:
        model: its key or file, or ``None`` for the usual one.
        names: the file of its categories, or none.
        device, engine, workers: as their options.
        batch: images that go through the network together, or ``None`` for what suits the device.
        quiet: say nothing but what is wrong.
        closer: whether a closer look at objects is wanted.
    """

    model: str | None
    names: Path | None
    device: str
    engine: str
    workers: str
    batch: int | None
    quiet: bool
    closer: AskedCloser = "off"


@dataclass(frozen=True)
class What:
    """What a model is to do.

    Args:
        count: of images.
        thresholds: what is kept of its detections.
        read: gives the bytes of an image's file.
        module: of processes that read them in the same way.
        stretch: whether deep images that use little of their range are stretched.
        domain: key of the domain that was asked for, or none.
        folders: where files of each image go.
        tiling: how pictures are cut into tiles; ``None`` for not at all.
        slide_of: gives the file of a picture that is read by windows; ``None`` where images are no files.
        watch: is told of each tile of such a picture, where this process runs the model.
        view: what is seen of stacks; ``None`` for their first page.
    """

    count: int
    thresholds: Thresholds
    read: Callable[[Task], bytes]
    module: str
    stretch: Stretch
    domain: str | None
    folders: ImageFolders = NO_FOLDERS
    tiling: Tiling | None = None
    slide_of: Callable[[Task], Path | None] | None = None
    watch: TileWatch | None = None
    view: View | None = None


@dataclass(frozen=True)
class _Made:
    """A model and how other processes run it."""

    model: LoadedModel
    engine: Engine
    looks_closer: bool


@contextmanager
def at_work(loaded: LoadedModel, how: How, what: What) -> Iterator[tuple[Runner, HasModel]]:
    """Give who runs a model, and what there is to say of it; processes that were started end afterwards.

    Raises:
        InputError: if what is asked for cannot be had on this machine.
    """
    devices = devices_for(how.workers, how.device, what.count)
    batch = batch_for(how.batch, devices[0])
    tally = Tally(loaded, what.thresholds, what.domain)
    looks_closer = loaded.looks_closer(how.closer)
    check_tiling(what.tiling, loaded)
    with one_thread(devices[0]):
        made = chosen_engine(loaded, devices[0], how.engine, count=what.count, quiet=how.quiet)
        if not how.quiet:
            tell(told_of(devices))
            if looks_closer:
                tell(TOLD_CLOSER)
        if len(devices) == 1:
            yield _here(loaded, made, devices[0], batch, tally, what, looks_closer=looks_closer)
            return
        from maskrcnn_core.batch.worker import Job
        from maskrcnn_core.batch.workers import Workers

        job = Job(
            loaded.origin,
            loaded.key if loaded.origin == "row" else str(how.model),
            None if how.names is None else str(how.names),
            loaded.digest,
            made.spec.key,
            what.thresholds,
            what.stretch,
            what.folders,
            batch,
            len(devices),
            what.tiling,
            looks_closer,
            what.view,
        )
        with Workers(job, devices, tally, module=what.module, on_event=tell) as workers:
            yield workers, _Made(loaded, replace(made, network=None), looks_closer)


def _here(
    loaded: LoadedModel,
    made: Engine,
    device: str,
    batch: int,
    tally: Tally,
    what: What,
    *,
    looks_closer: bool,
) -> tuple[Runner, HasModel]:
    from maskrcnn_core.inference.predictor import Predictor  # imports torch: help and refusals do without

    # All masks are made with the run: no feature maps are asked for afterwards.
    predictor = Predictor(
        loaded, device, batch_size=batch, feature_cache_bytes=0, engine=made, looks_closer=looks_closer
    )
    categories = tuple(loaded.label_map.categories)

    def write(result: Result, source: SourceImage) -> Sequence[str]:
        return what.folders.write(result, source, categories)

    finder = SlideFinder(predictor, what.thresholds, what.tiling, what.watch)
    slides = None if what.slide_of is None else Slides(what.slide_of, finder)
    here = Here(
        finder_of(predictor, what.thresholds, what.tiling),
        what.read,
        tally,
        stretch=what.stretch,
        bounds=bounds_for(batch, finishers=1 if device == "cpu" else 4),
        write=write if any(what.folders.named.values()) else None,
        slides=slides,
        view=what.view,
    )
    return here, predictor
