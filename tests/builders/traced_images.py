"""Traced images for tests: one of a drawn sample with the model in the box, others with a random network."""

from __future__ import annotations

import functools

import numpy as np

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.explain.traced_image import TracedImage, trace_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.synthetic.samples import draw_sample
from tests.builders.core import make_image, make_model


@functools.cache
def traced_sample() -> TracedImage:
    """Of the drawn shapes, a quarter of them: much is found, and something is missed."""
    return trace_image(Predictor(get_model("shapes"), "cpu"), draw_sample("shapes")[:240, :320], name="a.png")


@functools.cache
def random_model() -> LoadedModel:
    """Shared, as it takes a second to make and nobody changes it."""
    return make_model()


def traced_random(
    height: int = 90, width: int = 120, *, model: LoadedModel | None = None, score: float = 0.2, **options
) -> TracedImage:
    predictor = Predictor(model or random_model(), "cpu")
    return trace_image(predictor, make_image(height, width), Thresholds(score), **options)


def blind_model() -> LoadedModel:
    """Its proposal network lets nothing through."""
    model = make_model()
    model.network.rpn.score_thresh = 1.1
    return model


def traced_of_every_kind() -> dict[str, TracedImage]:
    """The empty and the odd ones."""
    return {
        "much found": traced_random(),
        "all below the threshold": traced_random(score=1.0),
        "nothing proposed": traced_random(model=blind_model()),
        "tiny": traced_random(7, 9),
        "thin": traced_random(20, 900),
        "large": trace_image(Predictor(random_model(), "cpu"), np.full((3000, 4000, 3), 90, np.uint8)),
        "a box asked for": traced_random(box=(10.0, 20.0, 60.0, 80.0)),
    }
