"""Mask AP of networks that were trained, exactly and by an engine that computes in half precision.

The shapes model is carried by the checkout, and so are scenes for it. ``mobile`` and ``photos`` join in where
the shared data lie: then on photos of COCO val2017.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.report import Claim, Report
from benchmarks.scenes import mobile, shared_file
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.evaluation.ground_truth import GroundTruth, read_ground_truth
from maskrcnn_core.evaluation.of_models import evaluate_on, mean_mask_ap
from maskrcnn_core.inference.engines.spec import Engine, EngineSpec
from maskrcnn_core.inference.engines.table import ENGINES, NEARLY
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.synthetic.samples import pixels_for
from maskrcnn_core.synthetic.scenes import write_scenes

__all__ = ["Found", "MakeEngine", "ap_of", "run_engines_ap"]

MakeEngine = Callable[[LoadedModel], Engine]

_SCENES, _PHOTOS = 60, 200
_FIRST_SEED = 900_000
"""Of scenes that no training saw."""


_MOST_LOSS = 0.5  # in percent points


@dataclass(frozen=True)
class Found:
    """Mask AP of one model, in percent, by both ways."""

    model: str
    images: str
    engine: str
    exact: float
    other: float

    @property
    def text(self) -> str:
        """Both, in a sentence."""
        return (
            f"Mask AP of {self.model} on {self.images}: exact {self.exact:.2f}, "
            f"{self.engine} {self.other:.2f}."
        )


def run_engines_ap(quick: bool) -> Report:
    """Measures what half precision on a CPU costs of the AP of each model in the box."""
    rows, claims = list[tuple[str, ...]](), list[Claim]()
    notes = ["All detections above 0.05 count, as in `evaluate`; a difference is in percent points."]
    for spec in ENGINES:
        if spec.bound is not NEARLY or "cpu" not in spec.devices:
            continue
        if lack := spec.lack("cpu"):
            notes.append(f"`{spec.key}` is left out: {lack}.")
            continue
        try:
            for found in ap_of(partial(_made, spec), "cpu", quick, tell=_tell):
                gain = found.other - found.exact
                cells = f"{found.exact:.2f}", f"{found.other:.2f}", f"{gain:+.2f}"
                rows.append((found.model, found.images, found.engine, *cells))
                text = f"{found.model}: mask AP of {spec.key} within {_MOST_LOSS:g} points of exact"
                claims.append(Claim(text, abs(gain) <= _MOST_LOSS, "cost"))
        except InferenceError as error:
            notes.append(f"`{spec.key}` is left out: {error}.")
    columns = ("model", "images", "engine", "exact: mask AP", "engine: mask AP", "difference")
    return Report(columns, tuple(rows), tuple(claims), tuple(notes))


def ap_of(
    make: MakeEngine, device: str, quick: bool, tell: Callable[[str], object] = lambda _: None
) -> Iterator[Found]:
    """Yield what each model is worth both ways.

    Args:
        make: gives the engine for a model.
        device: that it runs on.
        quick: the shapes model alone, on two scenes.
        tell: told which model runs.
    """
    shapes_model = get_model("shapes")
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        count = 2 if quick else _SCENES
        write_scenes(Path(folder), range(_FIRST_SEED, _FIRST_SEED + count))
        truth = read_ground_truth(Path(folder, "instances.json"), Path(folder, "images"))
        tell("shapes")
        yield _both(shapes_model, truth, f"{count} drawn scenes", make, device)
    annotations = shared_file("data", "coco_val2017", "instances.json")
    if quick or annotations is None:
        return
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        file = _first_images(annotations, _PHOTOS, Path(folder))
        truth = read_ground_truth(file, annotations.with_name("images"))
        for model in (mobile(), get_model("photos")):
            if model is not None:
                tell(model.key)
                yield _both(model, truth, f"{_PHOTOS} photos of COCO val2017", make, device)


def _both(model: LoadedModel, truth: GroundTruth, images: str, make: MakeEngine, device: str) -> Found:
    engine = make(model)
    ways = (Predictor(model, device), Predictor(model, device, engine=engine))
    exact, other = (100 * mean_mask_ap(evaluate_on(way, [truth], max_detections=100)) for way in ways)
    return Found(model.key, images, engine.spec.key, exact, other)


def _made(spec: EngineSpec, model: LoadedModel) -> Engine:
    return Engine(spec, spec.build(model, pixels_for(model.domains, 1), "cpu", lambda _: None))


def _tell(model: str) -> None:
    print(f"engines_ap: {model} ...", file=sys.stderr, flush=True)


def _first_images(annotations: Path, count: int, folder: Path) -> Path:
    document = json.loads(annotations.read_bytes())
    document["images"] = document["images"][:count]
    kept = {image["id"] for image in document["images"]}
    document["annotations"] = [one for one in document["annotations"] if one["image_id"] in kept]
    file = folder / "instances.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file
