"""Who runs a model over the images of a command: this process, or several workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from maskrcnn_core.batch.finding import HasModel, Tally, finder_of
from maskrcnn_core.batch.image_folders import NO_FOLDERS, ImageFolders
from maskrcnn_core.batch.running import Here, Result, Runner, Task, bounds_for
from maskrcnn_core.batch.sharing import batch_for, devices_for, one_thread, told_of
from maskrcnn_core.cli.engines import chosen_engine
from maskrcnn_core.common.terminal import tell
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.images.reading import SourceImage, Stretch
from maskrcnn_core.inference.engines.spec import Engine
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.tiling.choosing import Tiling

__all__ = ["How", "What", "at_work"]


@dataclass(frozen=True)
class How:
    """How a model is to run, as options say it.

    Args:
        model: its key or file, or ``None`` for the usual one.
        names: the file of its categories, or none.
        device, engine, workers: as their options.
        batch: images that go through the network together, or ``None`` for what suits the device.
        quiet: say nothing but what is wrong.
    """

    model: str | None
    names: Path | None
    device: str
    engine: str
    workers: str
    batch: int | None
    quiet: bool


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
    """

    count: int
    thresholds: Thresholds
    read: Callable[[Task], bytes]
    module: str
    stretch: Stretch
    domain: str | None
    folders: ImageFolders = NO_FOLDERS
    tiling: Tiling | None = None


@dataclass(frozen=True)
class _Made:
    """A model and the engine that other processes run it with."""

    model: LoadedModel
    engine: Engine


@contextmanager
def at_work(loaded: LoadedModel, how: How, what: What) -> Iterator[tuple[Runner, HasModel]]:
    """Give who runs a model, and what there is to say of it; processes that were started end afterwards.

    Raises:
        InputError: if what is asked for cannot be had on this machine.
    """
    devices = devices_for(how.workers, how.device, what.count)
    batch = batch_for(how.batch, devices[0])
    tally = Tally(loaded, what.thresholds, what.domain)
    with one_thread(devices[0]):
        made = chosen_engine(loaded, devices[0], how.engine, count=what.count, quiet=how.quiet)
        if not how.quiet:
            tell(told_of(devices))
        if len(devices) == 1:
            yield _here(loaded, made, devices[0], batch, tally, what)
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
        )
        with Workers(job, devices, tally, module=what.module, on_event=tell) as workers:
            yield workers, _Made(loaded, replace(made, network=None))


def _here(
    loaded: LoadedModel, made: Engine, device: str, batch: int, tally: Tally, what: What
) -> tuple[Runner, HasModel]:
    from maskrcnn_core.inference.predictor import Predictor  # imports torch: help and refusals do without

    # All masks are made with the run: no feature maps are asked for afterwards.
    predictor = Predictor(loaded, device, batch_size=batch, feature_cache_bytes=0, engine=made)
    categories = tuple(loaded.label_map.categories)

    def write(result: Result, source: SourceImage) -> Sequence[str]:
        return what.folders.write(result, source, categories)

    here = Here(
        finder_of(predictor, what.thresholds, what.tiling),
        what.read,
        tally,
        stretch=what.stretch,
        bounds=bounds_for(batch, finishers=1 if device == "cpu" else 4),
        write=write,
    )
    return here, predictor
