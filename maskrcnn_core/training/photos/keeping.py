"""The photo model's files: the weights so far, what they reach, and which of them go into the box."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.dataset.annotations import Dataset, Instance
from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.dataset.category_maps import join_categories
from maskrcnn_core.evaluation.coco_metrics import evaluate
from maskrcnn_core.evaluation.ground_truth import GroundTruth, read_ground_truth
from maskrcnn_core.evaluation.of_models import Result, evaluate_on, find_on
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.cards import ModelCard, card_file, read_card, write_card_bytes
from maskrcnn_core.models.loading import load_trained_model
from maskrcnn_core.training.artifacts import numbers_of, serialise
from maskrcnn_core.training.photos.data import Photos, is_held_out
from maskrcnn_core.training.photos.run import Run
from maskrcnn_core.training.photos.threshold import best_threshold, hits_of

__all__ = ["HELD_OUT", "held_out", "measure", "model_file", "put_into_box", "write_model"]

HELD_OUT = "held-out photos"
"""Where a card's settings tell what weights reach on the photos that nothing is learned from."""

_BETTER = 1.1
"""Weights go into the box if their AP is this many times that of those in it: history keeps each file."""

_NOTES = (
    "The first stage also learned from the held-out photos; figures on them are too good by what is left of "
    "that.",
    "The size of the input and the number of proposals were chosen on COCO val2017, nothing else.",
)

_TERMS = (
    "Photos and boxes of COCO train2017: annotations CC BY 4.0, each photo under its own Flickr licence, "
    "many of them non-commercial. Masks of COCO where they could be had, else what MaskRCNN2Go "
    "(Apache-2.0) says in COCO's box. The photos themselves are not passed on."
)


def model_file(build: Path) -> Path:
    """Return where a run writes the weights so far."""
    return build / "photos.safetensors"


def write_model(run: Run, data: Photos, build: Path) -> None:
    """Write the mean of the weights so far into the build folder, with a card that has no figures yet."""
    weights = serialise(run.average.state_dict(), half=True)
    sides = " to ".join(str(phase.short) for phase in (run.settings.phases[0], run.settings.phases[-1]))
    stage = (
        f"{run.step:,} steps of {run.settings.batch * run.settings.processes} samples, part of them mosaics "
        f"of four photos, short side {sides}, {run.seconds:,.0f} CPU-s."
    )
    card = ModelCard(
        title="Photos (COCO, in the box)",
        knows="Finds COCO's 80 everyday categories; small and always ready, but others find more.",
        architecture=run.network.built_from,
        categories=COCO_CATEGORIES,
        sha256=hashlib.sha256(weights).hexdigest(),
        size_bytes=len(weights),
        licence="Apache-2.0",
        data={"training": [_facts(data)], "terms": _TERMS},
        settings=run.settings.deciding() | {"steps": run.step},
        notes=_NOTES,
        run={"stages": [*run.stages, stage]},
    )
    file = model_file(build)
    replace_file(file, weights)
    replace_file(card_file(file), write_card_bytes(card))


def _facts(data: Photos) -> dict[str, Any]:
    aside = [photo for photo in data.photos if is_held_out(photo.id)]
    return {
        "file": "photos_train/instances.json.gz",
        "sha256": data.digest,
        "images": len(data.photos),
        "instances": sum(len(photo.labels) for photo in data.photos),
        "held out": len(aside),
        "without objects, left out": data.empty,
        "thinner than 2 pixels, left out": data.small,
        "crowds, painted grey": data.crowds,
        "licences": ["CC BY 4.0 (annotations)"],
    }


def held_out(folder: Path) -> GroundTruth:
    """Return the photos of a folder that are kept aside, as a ground truth; see :func:`is_held_out`."""
    data = gzip.decompress((folder / "instances.json.gz").read_bytes())
    dataset, _ = read_coco(data)
    images = tuple(image for image in dataset.images if is_held_out(image.id))
    kept = {image.id for image in images}
    instances = tuple(i for i in dataset.instances if i.image_id in kept)
    return GroundTruth(
        HELD_OUT,
        hashlib.sha256(data).hexdigest(),
        folder / "images",
        Dataset(images, dataset.categories, instances),
    )


def measure(
    file: Path, photos: Path, val: Path | None, on_image: Callable[[int, int], object] | None = None
) -> ModelCard:
    """Measure weights and write what they reach into their card, and the score threshold that suits them.

    Args:
        file: the weights, with a card.
        photos: folder of the photos, of which the held-out ones are taken; they decide the threshold.
        val: folder with ``instances.json`` and ``images`` that is measured only to be reported.
        on_image: called with ``(done, total)`` after each held-out photo.
    """
    predictor = Predictor(load_trained_model(file), "cpu")
    limit = predictor.model.max_detections
    truth = held_out(photos)
    joined = join_categories(truth.dataset, [c.name for c in predictor.model.label_map.categories])
    found: list[Instance] = []
    for done, instances in enumerate(find_on(predictor, truth, joined.ids, max_detections=limit), start=1):
        found += instances
        if on_image:
            on_image(done, len(truth.dataset.images))
    hits = hits_of(joined.truth.instances, found)
    threshold = best_threshold(hits)
    chosen = numbers_of(Result(truth.name, evaluate(joined.truth, found, max_detections=limit), limit))
    chosen |= {"best F1": round(hits.f1(threshold), 4), "at score": threshold}
    results: list[Result] = []
    if val is not None:
        reported = read_ground_truth(val / "instances.json", val / "images")
        results = evaluate_on(predictor, [reported], max_detections=limit)
    card = read_card(card_file(file))
    card = replace(
        card,
        results=tuple(numbers_of(result) for result in results),
        score_threshold=threshold,
        settings=card.settings | {HELD_OUT: chosen},
    )
    replace_file(card_file(file), write_card_bytes(card))
    return card


def put_into_box(file: Path, box: Path) -> str:
    """Copy measured weights into the package where they are clearly better on the held-out photos.

    Args:
        file: the weights, with a card that :func:`measure` has filled in.
        box: the weights in the package, likewise; replaced.

    Returns:
        What was done, and why.
    """
    new, old = _held_out_ap(read_card(card_file(file))), _held_out_ap(read_card(card_file(box)))
    if new is None:
        return "nothing was done: these weights have not been measured yet"
    if old is not None and new < _BETTER * old:
        return f"nothing was done: AP {new:.3f} on the held-out photos, the built-in ones {old:.3f}"
    replace_file(box, file.read_bytes())
    replace_file(card_file(box), card_file(file).read_bytes())
    return f"these weights are now the built-in ones: AP {new:.3f} on the held-out photos" + (
        f", before {old:.3f}" if old is not None else ""
    )


def _held_out_ap(card: ModelCard) -> float | None:
    """Return the mean of box and mask AP; None without one, or on photos that were learned from."""
    row = card.settings.get(HELD_OUT, {})
    return (float(row["box AP"]) + float(row["mask AP"])) / 2 if "box AP" in row else None
