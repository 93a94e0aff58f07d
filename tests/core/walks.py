"""Walks for tests: one over a drawn sample with the model in the box, others with a random network."""

from __future__ import annotations

import functools

import numpy as np

from maskrcnn_core.detections import Thresholds
from maskrcnn_core.inference import Predictor
from maskrcnn_core.models import LoadedModel, get_model
from maskrcnn_core.samples import draw_sample
from maskrcnn_core.walk_run import Walk, walk_through
from tests.core.builders import make_image, make_model


@functools.cache
def sample_walk() -> Walk:
    """Of the drawn shapes, a quarter of them: much is found, and something is missed."""
    return walk_through(
        Predictor(get_model("starter"), "cpu"), draw_sample("shapes")[:240, :320], name="a.png"
    )


@functools.cache
def random_model() -> LoadedModel:
    """Shared, as it takes a second to make and nobody changes it."""
    return make_model()


def random_walk(
    height: int = 90, width: int = 120, *, model: LoadedModel | None = None, score: float = 0.2, **options
) -> Walk:
    predictor = Predictor(model or random_model(), "cpu")
    return walk_through(predictor, make_image(height, width), Thresholds(score), **options)


def blind_model() -> LoadedModel:
    """Its proposal network lets nothing through."""
    model = make_model()
    model.network.rpn.score_thresh = 1.1
    return model


def walks_of_every_kind() -> dict[str, Walk]:
    """The empty and the odd ones."""
    return {
        "much found": random_walk(),
        "all below the threshold": random_walk(score=1.0),
        "nothing proposed": random_walk(model=blind_model()),
        "tiny": random_walk(7, 9),
        "thin": random_walk(20, 900),
        "large": walk_through(Predictor(random_model(), "cpu"), np.full((3000, 4000, 3), 90, np.uint8)),
        "a box asked for": random_walk(box=(10.0, 20.0, 60.0, 80.0)),
    }
