"""AP of networks that were trained, exactly and by the engine ``cuda``: on scenes drawn with their truth.

The starter is carried by the checkout, and so are scenes for it. ``mobile`` and ``photos`` join in where the
shared data lie: then on photos of COCO val2017.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.gpu_measuring import cuda_engine
from benchmarks.scenes import mobile, shared_file
from maskrcnn_core.evaluation.ground_truth import GroundTruth, read_ground_truth
from maskrcnn_core.evaluation.of_models import evaluate_on, mean_mask_ap
from maskrcnn_core.inference.engines.half import half_dtype
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.synthetic.samples import pixels_for
from maskrcnn_core.synthetic.scenes import write_scenes

__all__ = ["Found", "ap_of"]

_SCENES, _PHOTOS = 60, 200
_FIRST_SEED = 900_000
"""Of scenes that no training saw."""


@dataclass(frozen=True)
class Found:
    """Mask AP of one model, in percent."""

    model: str
    images: str
    exact: float
    cuda: float

    @property
    def text(self) -> str:
        """Both, in a sentence."""
        return f"Mask AP of {self.model} on {self.images}: exact {self.exact:.2f}, cuda {self.cuda:.2f}."


def ap_of(device: torch.device, quick: bool) -> Iterator[Found]:
    """Yield what each model is worth both ways."""
    starter = get_model("starter")
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        count = 2 if quick else _SCENES
        write_scenes(Path(folder), range(_FIRST_SEED, _FIRST_SEED + count))
        truth = read_ground_truth(Path(folder, "instances.json"), Path(folder, "images"))
        yield _both(starter, truth, f"{count} drawn scenes", device)
    annotations = shared_file("data", "coco_val2017", "instances.json")
    if quick or annotations is None:
        return
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        file = _first_images(annotations, _PHOTOS, Path(folder))
        truth = read_ground_truth(file, annotations.with_name("images"))
        for model in (mobile(), get_model("photos")):
            if model is not None:
                yield _both(model, truth, f"{_PHOTOS} photos of COCO val2017", device)


def _both(model: LoadedModel, truth: GroundTruth, images: str, device: torch.device) -> Found:
    dtype = half_dtype() if device.type == "cuda" else torch.bfloat16
    engine = cuda_engine(model, pixels_for(model.domains, 1)[0], device, dtype)
    ways = (Predictor(model, str(device)), Predictor(model, str(device), engine=engine))
    exact, cuda = (100 * mean_mask_ap(evaluate_on(way, [truth], max_detections=100)) for way in ways)
    return Found(model.key, images, exact, cuda)


def _first_images(annotations: Path, count: int, folder: Path) -> Path:
    document = json.loads(annotations.read_bytes())
    document["images"] = document["images"][:count]
    kept = {image["id"] for image in document["images"]}
    document["annotations"] = [one for one in document["annotations"] if one["image_id"] in kept]
    file = folder / "instances.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file
