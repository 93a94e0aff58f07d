"""A model as other programs want it: an image in, instances out, above a score that they choose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.models.cards import card_file
from maskrcnn_core.models.catalog import all_models, default_model, model_by_key
from maskrcnn_core.models.loading import get_model, load_custom_model, load_trained_model

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.spec import AskedCloser, LoadedModel

__all__ = ["Finder"]


class Finder:
    """A model that is ready to find instances; safe to call from many threads.

    Args:
        model: a key of the table, or a file of weights; by default the best that is ready.
        names: for a file without a card: the file of its categories, one per line.
        score_threshold: what is found has scores above it, unless somebody asks for another; by default the
            model's own.
        download: whether weights that are missing are downloaded.
        device: as for :class:`~maskrcnn_core.inference.predictor.Predictor`.
        look_closer: whether masks are mended by a closer look at objects; ``auto`` for models of which it was
            measured to help.

    Raises:
        InputError: for an unknown model or device, or a threshold that is none.
        WeightsError: if the weights cannot be used.
    """

    def __init__(
        self,
        model: str = "",
        *,
        names: str = "",
        score_threshold: float | None = None,
        download: bool = False,
        device: str = "auto",
        look_closer: AskedCloser = "auto",
    ) -> None:
        from maskrcnn_core.inference.predictor import Predictor  # torch takes seconds

        self.model = _loaded(model, names, download=download)
        self.score_threshold = self.model.score_threshold if score_threshold is None else score_threshold
        self._predictor: Predictor = Predictor(
            self.model, device, looks_closer=self.model.looks_closer(look_closer)
        )

    @property
    def categories(self) -> tuple[Category, ...]:
        """What the model finds."""
        return self.model.label_map.categories

    def find(self, pixels: Pixels, least_score: float | None = None) -> tuple[Instance, ...]:
        """Return the instances in an image, the best scored first.

        Args:
            pixels: uint8 ``[H, W, 3]`` RGB.
            least_score: their scores are at least this, in [0, 1]; no model gives any below
                :data:`~maskrcnn_core.detection.candidates.SCORE_FLOOR`.

        Raises:
            InferenceError: if the network gives nothing usable for the image.
        """
        least = 0.0 if least_score is None else least_score
        above = self.score_threshold
        if least_score is not None:
            # Thresholds are to be passed and not reached, and scores are float32.
            above = float(np.nextafter(np.float32(least_score), np.float32(0)))
        thresholds = Thresholds(max(above, SCORE_FLOOR), self.model.nms_threshold, self.model.max_detections)
        (detections,) = self._predictor.predict([pixels], thresholds)
        found = Instance.from_detections(detections, self.model.label_map, 1, thresholds.mask_threshold)
        return tuple(one for one in found if (one.score or 0.0) >= least)


def _loaded(model: str, names: str, *, download: bool) -> LoadedModel:
    if not model:
        return get_model(default_model().key, download=download)
    file = Path(model)
    if any(spec.key == model for spec in all_models()) or not file.is_file():
        return get_model(model_by_key(model).key, download=download)
    if not names and card_file(file).is_file():
        return load_trained_model(file)
    return load_custom_model(file, Path(names) if names else None)
