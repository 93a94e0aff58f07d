"""What every run over many files does with decoded images, and what it says of its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import Detections, Thresholds
from maskrcnn_core.detection.limits import Limits, LimitTally, limits_of
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.images.reading import SourceImage, Stretch
from maskrcnn_core.inference.engines.spec import Engine
from maskrcnn_core.inference.engines.table import EXACT
from maskrcnn_core.measuring.methods import ModelRun
from maskrcnn_core.models.choice import told_misfits
from maskrcnn_core.models.domains import OWN
from maskrcnn_core.models.domains.looks import Looks
from maskrcnn_core.models.domains.rule import Guess, guess_domain
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.tiling.choosing import Tiling, tiles_for
from maskrcnn_core.tiling.planning import Tile
from maskrcnn_core.tiling.running import TiledRun, run_tiles

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = [
    "CLOSER",
    "ENGINE",
    "Finder",
    "Finding",
    "FindsInstances",
    "HasModel",
    "Tallies",
    "Tally",
    "TiledFinder",
    "description_of",
    "finder_of",
    "model_run",
    "settings_of",
]

ENGINE = "engine"
"""The name under which a run's settings have the key of its engine."""

CLOSER = "closer look"
"""The name under which a run's settings say that it looks closer at objects."""

Tallies = tuple[LimitTally, Looks]
"""What is counted of all images of a run: they travel between computers."""

_Looked = TypeVar("_Looked")


class HasModel(Protocol):
    """A model and how it is run, as a predictor has them."""

    @property
    def model(self) -> LoadedModel:
        """The model."""

    @property
    def engine(self) -> Engine:
        """How its network is run."""

    @property
    def looks_closer(self) -> bool:
        """Whether a closer look at objects mends their masks."""


@dataclass(frozen=True)
class Finding:
    """What was found in one image.

    Args:
        instances: by descending score.
        notes: on how they were found.
        limits: what the limits did to it; ``None`` where nobody knows.
        guess: what the image seems to be; ``None`` where nobody asked.
    """

    instances: tuple[Instance, ...]
    notes: tuple[str, ...] = ()
    limits: Limits | None = None
    guess: Guess | None = None


class FindsInstances(Protocol[_Looked]):
    """What finds instances in images, in two steps that run in different threads."""

    def bucket(self, size: tuple[int, int]) -> object:
        """Return the key of an image's ``(height, width)``: images of equal keys may share a batch."""

    def look(self, images: Sequence[SourceImage]) -> Sequence[_Looked | InferenceError]:
        """Run the network over images of one bucket."""

    def finish(self, source: SourceImage, looked: _Looked, image_id: int) -> Finding:
        """Make of what the network gave what is kept."""


class Finder:
    """A model with its settings.

    Args:
        predictor: the model on its device.
        thresholds: what is kept of its detections.
    """

    def __init__(self, predictor: Predictor, thresholds: Thresholds) -> None:
        self._predictor, self._thresholds = predictor, thresholds
        # Every image fits a person's own model.
        self._is_guessing = OWN not in predictor.model.domains

    def bucket(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the key of an image's size, as the predictor has it."""
        return self._predictor.bucket(size)

    def look(self, images: Sequence[SourceImage]) -> list[tuple[Run, Detections] | InferenceError]:
        """Run the network over decoded images; one that fails does not touch the others."""
        runs = self._predictor.run([image.pixels for image in images], self._thresholds)
        return [self._looked(run, image) for run, image in zip(runs, images, strict=True)]

    def _looked(self, run: Run | Failure, image: SourceImage) -> tuple[Run, Detections] | InferenceError:
        if isinstance(run, Failure):
            return InferenceError(run.reason)
        try:
            return run, self._predictor.detections(run, self._thresholds, image.pixels)
        except InferenceError as error:
            return error

    def finish(self, source: SourceImage, looked: tuple[Run, Detections], image_id: int) -> Finding:
        """Paste masks and make run lengths of them; say how the image fits the model and its limits."""
        run, detections = looked
        found = Instance.from_detections(
            detections, self._predictor.model.label_map, image_id, self._thresholds.mask_threshold
        )
        return Finding(found, run.notes, limits_of(run, self._thresholds), self.guess(source))

    def guess(self, source: SourceImage) -> Guess | None:
        """Return what an image seems to be; ``None`` where every image fits the model."""
        return guess_domain(source.pixels) if self._is_guessing else None


class TiledFinder:
    """A model that sees pictures in tiles where they need it, and as :class:`Finder` does where not.

    Args:
        predictor, thresholds: as for :class:`Finder`; the limit of detections counts for each tile.
        tiling: how pictures are cut.
    """

    def __init__(self, predictor: Predictor, thresholds: Thresholds, tiling: Tiling) -> None:
        self._predictor, self._thresholds, self._tiling = predictor, thresholds, tiling
        self._whole = Finder(predictor, thresholds)

    def bucket(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the key of an image's size, as the predictor has it."""
        return self._predictor.bucket(size)

    def look(self, images: Sequence[SourceImage]) -> list[tuple[Run, Detections] | TiledRun | InferenceError]:
        """Run the network over decoded images; one that fails does not touch the others."""
        found: list[tuple[Run, Detections] | TiledRun | InferenceError] = []
        if not any(len(self._tiles(image)) > 1 for image in images):
            found += self._whole.look(images)
            return found
        for image in images:
            tiles = self._tiles(image)
            if len(tiles) == 1:
                found += self._whole.look([image])
                continue
            try:
                found.append(run_tiles(self._predictor, image.pixels, tiles, self._thresholds))
            except InferenceError as error:
                found.append(error)
        return found

    def finish(
        self, source: SourceImage, looked: tuple[Run, Detections] | TiledRun, image_id: int
    ) -> Finding:
        """Make one set of objects of all tiles' masks; say how many tiles there were."""
        if not isinstance(looked, TiledRun):
            return self._whole.finish(source, looked, image_id)
        found = looked.instances(self._predictor, self._thresholds, source.pixels, image_id)
        limits = looked.limits(self._thresholds)
        return Finding((*found,), (looked.told, *looked.notes), limits, self._whole.guess(source))

    def _tiles(self, image: SourceImage) -> tuple[Tile, ...]:
        return tiles_for(self._tiling, self._predictor.model, image.size)


def finder_of(predictor: Predictor, thresholds: Thresholds, tiling: Tiling | None) -> FindsInstances[Any]:
    """Return what finds instances with these settings; ``None`` cuts no picture."""
    return Finder(predictor, thresholds) if tiling is None else TiledFinder(predictor, thresholds, tiling)


class Tally:
    """What there is to say of all images of a run together.

    Args:
        model: that runs over them.
        thresholds: what is kept of its detections.
        domain: key of the domain that was asked for; ``None`` for those that the model is for.
    """

    def __init__(self, model: LoadedModel, thresholds: Thresholds, domain: str | None = None) -> None:
        self._model, self._thresholds, self._domain = model, thresholds, domain
        self._limits, self._looks = LimitTally(), Looks()

    def add(self, shown: str, limits: Limits | None, guess: Guess | None) -> None:
        """Take note of one image; in the order of the plan.

        Args:
            shown: what messages call it.
            limits, guess: of its :class:`Finding`.
        """
        if limits is not None:
            self._limits.take(one_line(shown), limits, self._thresholds)
        if guess is not None:
            self._looks.add(guess)

    @property
    def tallies(self) -> Tallies:
        """What was counted so far, for :meth:`take` of another tally."""
        return self._limits, self._looks

    def take(self, tallies: Tallies) -> None:
        """Take what was counted of the same model on another computer."""
        limits, looks = tallies
        self._limits.merge(limits)
        self._looks.join(looks)

    def sentences(self) -> tuple[str, ...]:
        """Return what a person should know of these images."""
        limits = self._limits.sentences(cut="--tiles shows it such images in parts")
        return (*limits, *told_misfits(self._looks, self._model, self._domain))


def settings_of(
    thresholds: Thresholds, stretch: Stretch, run: HasModel, tiling: Tiling | None = None
) -> dict[str, object]:
    """Return all that decides what is found in an image, by names for people, but not the device."""
    model = run.model
    return {
        "model": model.key,
        "weights (SHA-256)": model.digest,
        "categories": [c.name for c in model.label_map],
        "score threshold": thresholds.score_threshold,
        "NMS threshold": thresholds.nms_threshold,
        "mask threshold": thresholds.mask_threshold,
        "detections per image": thresholds.max_detections,
        "category filter": None if thresholds.labels is None else _filter_names(thresholds.labels, model),
        "stretch": stretch,
        # Left out as it was before there were others, so that older runs can be resumed.
        **({} if run.engine.spec is EXACT else {ENGINE: run.engine.spec.key}),
        **({} if tiling is None else {"tiles": tiling.told}),
        **({CLOSER: True} if run.looks_closer else {}),
    }


def description_of(thresholds: Thresholds, run: HasModel, tiling: Tiling | None = None) -> str:
    """Return one line on where a file came from."""
    model, engine = run.model, run.engine.description
    only = "" if thresholds.labels is None else f", only {', '.join(_filter_names(thresholds.labels, model))}"
    tiles = "" if tiling is None else f"; tiles: {tiling.told}"
    closer = "; each object looked at closer" if run.looks_closer else ""
    engine = f"; {engine}" if engine else ""
    return (
        f"Made with MaskDesk by {one_line(model.title)}: score above {thresholds.score_threshold:g}, "
        f"NMS at IoU {thresholds.nms_threshold:g}, at most {thresholds.max_detections} per image, mask "
        f"probability above {thresholds.mask_threshold:g}{only}{tiles}{closer}{engine}"
    )


def model_run(thresholds: Thresholds, run: HasModel, tiling: Tiling | None = None) -> ModelRun:
    """Return the same for a methods statement."""
    model = run.model
    only = () if thresholds.labels is None else tuple(_filter_names(thresholds.labels, model))
    tiles = "" if tiling is None else tiling.told
    return ModelRun(model.title, model.digest, thresholds, only, tiles, run.engine.description)


def _filter_names(labels: frozenset[int], model: LoadedModel) -> list[str]:
    return [model.label_map.category(label).name for label in sorted(labels)]
