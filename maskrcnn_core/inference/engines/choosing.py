"""Makes an engine for a model, and refuses it where it does not find what the exact one finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import InferenceError, InputError
from maskrcnn_core.inference.engines.equality import Equality, compare_detections
from maskrcnn_core.inference.engines.kept import (
    keep_equality,
    keep_refusal,
    kept_equality,
    kept_refusal,
    mark_used,
    place_of,
)
from maskrcnn_core.inference.engines.spec import Engine, EngineSpec, OnStep
from maskrcnn_core.inference.engines.table import AUTO, ENGINES, EXACT, engine_by_key
from maskrcnn_core.inference.engines.tidying import tidy
from maskrcnn_core.inference.predictor import Predictor, pick_device
from maskrcnn_core.models.spec import LoadedModel

__all__ = ["choose_engine", "measure_equality"]

_ENOUGH = 5
"""Detections that say something; with fewer at the model's own score threshold, all above the floor count."""


def choose_engine(
    model: LoadedModel,
    device: str = "auto",
    key: str = AUTO,
    *,
    images: Callable[[], Sequence[Pixels]],
    count: int,
    on_step: OnStep = lambda _: None,
) -> Engine:
    """Return the engine that runs a model in a job.

    One that is asked for by its key and turns out other than promised gives way to the exact one, and the
    engine's notes say so.

    Args:
        model: it is not changed.
        device: as for a :class:`~maskrcnn_core.inference.predictor.Predictor`.
        key: of the table, or ``auto``.
        images: gives a few images such as the model is for, on which engines are compared.
        count: of the job's images: ``auto`` makes nothing that takes longer than it saves.
        on_step: told what is being made.

    Raises:
        InputError: if there is no such engine, or it cannot run on this device or without its packages.
    """
    picked = pick_device(device)
    if key != AUTO:
        spec = engine_by_key(key)
        if lack := spec.lack(picked.type):
            raise InputError(lack)
        made, why = _made(spec, model, str(picked), images, on_step)
        return made or Engine(EXACT, notes=(f"{why}; the exact engine runs instead",))
    notes: list[str] = []
    for spec in reversed(ENGINES):
        if spec.worth_from is None or count < spec.worth_from or spec.lack(picked.type):
            continue
        made, why = _made(spec, model, str(picked), images, on_step)
        if made is not None:
            return replace(made, notes=tuple(notes))
        notes.append(f"{why}; another engine runs instead")
    return Engine(EXACT, notes=tuple(notes))


def _made(
    spec: EngineSpec,
    model: LoadedModel,
    device: str,
    images: Callable[[], Sequence[Pixels]],
    on_step: OnStep,
) -> tuple[Engine | None, str]:
    """Return an engine whose bound holds, or why there is none."""
    if spec.bound is None:
        return Engine(spec), ""
    place = place_of(spec.key, model.digest, spec.version())
    if reason := kept_refusal(place):
        return None, _refused(spec, model, reason)
    seen = images()
    try:
        engine = Engine(spec, spec.build(model, seen, device, on_step))
    except InferenceError as error:  # the same model and releases would fail again
        keep_refusal(place, str(error))
        return None, _refused(spec, model, str(error))
    try:
        equality = kept_equality(place)
        if equality is None:
            on_step("comparing with the exact engine")
            equality = measure_equality(model, device, engine, seen)
            keep_equality(place, equality)
            tidy(keep=[place])
        mark_used(place)
    except InferenceError as error:
        return None, _refused(spec, model, str(error))
    if short := equality.shortfall(spec.bound):
        return None, f"engine {spec.key} is not used for {model.key}: {short}"
    return replace(engine, equality=equality), ""


def _refused(spec: EngineSpec, model: LoadedModel, reason: str) -> str:
    return f"engine {spec.key} cannot run {model.key}: {reason}"


def measure_equality(model: LoadedModel, device: str, engine: Engine, images: Sequence[Pixels]) -> Equality:
    """Run both over images, and compare what they find.

    Raises:
        InferenceError: if either cannot run them.
    """
    ways = (Predictor(model, device), Predictor(model, device, engine=engine))
    limit = 10 * model.max_detections  # what is cut off at a limit depends on the last of the scores
    threshold = max(model.score_threshold, SCORE_FLOOR)
    while True:
        thresholds = Thresholds(threshold, model.nms_threshold, limit)
        exact, other = (way.predict(images, thresholds) for way in ways)
        if sum(map(len, exact)) >= _ENOUGH or threshold == SCORE_FLOOR:
            break
        threshold = SCORE_FLOOR
    bound = engine.spec.bound
    slack = (bound.score if bound else None) or 0.0
    return compare_detections(exact, other, threshold=threshold, slack=slack)
