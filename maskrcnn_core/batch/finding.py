"""What every run over many files does with one decoded image, and what it says of its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.limits import LimitTally
from maskrcnn_core.detection.runs import Failure
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.images.reading import SourceImage, Stretch
from maskrcnn_core.inference.engines.table import EXACT
from maskrcnn_core.models.choice import told_misfits
from maskrcnn_core.models.domains import OWN
from maskrcnn_core.models.domains.looks import Looks
from maskrcnn_core.models.spec import LoadedModel

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["ENGINE", "Finder", "Tallies", "description_of", "settings_of"]

ENGINE = "engine"
"""The name under which a run's settings have the key of its engine."""

Tallies = tuple[LimitTally, Looks | None]
"""What a finder counts of all its images: they travel between computers."""


class Finder:
    """A model with its settings, and what there is to say of all images that it has looked at.

    Args:
        predictor: the model on its device.
        thresholds: what is kept of its detections.
        domain: key of the domain that was asked for; ``None`` for those that the model is for.
    """

    def __init__(self, predictor: Predictor, thresholds: Thresholds, domain: str | None = None) -> None:
        self._predictor, self._thresholds, self._domain = predictor, thresholds, domain
        self._limits = LimitTally()
        # Every image fits a person's own model.
        self._looks = None if OWN in predictor.model.domains else Looks()

    def find(
        self, source: SourceImage, shown: str, image_id: int
    ) -> tuple[tuple[Instance, ...], tuple[str, ...]]:
        """Return the instances of one image by descending score, and notes on how they were found.

        Args:
            source: the decoded image.
            shown: what messages call it.
            image_id: the instances'.

        Raises:
            InferenceError: if the network gives nothing usable.
        """
        thresholds = self._thresholds
        (run,) = self._predictor.run([source.pixels], thresholds)
        if isinstance(run, Failure):
            raise InferenceError(run.reason)
        self._limits.add(one_line(shown), run, thresholds)
        detections = self._predictor.detections(run, thresholds, source.pixels)
        found = Instance.from_detections(
            detections, self._predictor.model.label_map, image_id, thresholds.mask_threshold
        )
        if self._looks is not None:
            self._looks.look(source.pixels)
        return found, run.notes

    @property
    def tallies(self) -> Tallies:
        """What was counted so far, for :meth:`take` of another finder."""
        return self._limits, self._looks

    def take(self, tallies: Tallies) -> None:
        """Take what another finder of the same model counted, on another computer."""
        limits, looks = tallies
        self._limits.join(limits)
        if self._looks is not None and looks is not None:
            self._looks.join(looks)

    def sentences(self) -> tuple[str, ...]:
        """Return what a person should know of all these images together."""
        looks, model = self._looks, self._predictor.model
        misfits = [] if looks is None else told_misfits(looks, model, self._domain)
        return (*self._limits.sentences(), *misfits)


def settings_of(thresholds: Thresholds, stretch: Stretch, predictor: Predictor) -> dict[str, object]:
    """Return all that decides what is found in an image, by names for people, but not the device."""
    model = predictor.model
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
        **({} if predictor.engine.spec is EXACT else {ENGINE: predictor.engine.spec.key}),
    }


def description_of(thresholds: Thresholds, predictor: Predictor) -> str:
    """Return one line on where a file came from."""
    model, engine = predictor.model, predictor.engine.description
    only = "" if thresholds.labels is None else f", only {', '.join(_filter_names(thresholds.labels, model))}"
    return (
        f"Made with MaskDesk by {one_line(model.title)}: score above {thresholds.score_threshold:g}, "
        f"NMS at IoU {thresholds.nms_threshold:g}, at most {thresholds.max_detections} per image, mask "
        f"probability above {thresholds.mask_threshold:g}{only}{f'; {engine}' if engine else ''}"
    )


def _filter_names(labels: frozenset[int], model: LoadedModel) -> list[str]:
    return [model.label_map.category(label).name for label in sorted(labels)]
