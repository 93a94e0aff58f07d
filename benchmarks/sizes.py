"""Mask AP of the nuclei model over the size of what it is shown, without being told of it.

Images and ground truth are resized together. Those of the Data Science Bowl 2018 that training held back are
taken where the shared data lie, else drawn stained tissue.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.report import Claim, Report
from benchmarks.scenes import shared_file
from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.evaluation.ground_truth import GroundTruth, read_ground_truth
from maskrcnn_core.evaluation.of_models import evaluate_on
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_png, read_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.catalog import NUCLEI_KEY
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.scenes import write_scenes

__all__ = ["Resized", "resized_truth", "run_sizes"]

_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_QUICK_FACTORS = (0.5, 1.0)
_SCENES, _QUICK_SCENES = 40, 1
_FIRST_SEED = 900_000
"""Of scenes that no training saw."""
_WANTED = {0.5: 48.0, 1.0: 53.0, 2.0: 48.0}
_MOST_DETECTIONS = 500


@dataclass(frozen=True)
class Resized:
    """Ground truth of another size.

    Args:
        truth: with its images in a folder of its own.
        vanished: instances that have no pixel at this size, which the ground truth therefore lacks.
    """

    truth: GroundTruth
    vanished: int


def resized_truth(truth: GroundTruth, factor: float, folder: Path) -> Resized:
    """Write each image at ``factor`` times its size and return what is true of it.

    Images are resampled with Lanczos's filter over all pixels that a new one covers, and a pixel belongs to
    an instance where at least half of it does.

    Args:
        truth: of images that can all be read.
        factor: of both sides.
        folder: for the images, as PNG; must exist.
    """
    dataset, files, images = truth.dataset, dict[str, Path](), list[ImageRecord]()
    instances, vanished = list[Instance](), 0
    for record in dataset.images:
        width, height = max(1, round(factor * record.width)), max(1, round(factor * record.height))
        pixels = read_image(truth.image_file(record)).pixels
        file = folder / f"{record.id}.png"
        file.write_bytes(encode_png(_resized(pixels, width, height), compress_level=1))
        files[record.file_name] = file
        images.append(replace(record, width=width, height=height, digest=""))
        for instance in dataset.instances:
            if instance.image_id != record.id:
                continue
            cover = np.asarray(
                Image.fromarray(255 * instance.mask.to_mask().astype(np.uint8)).resize(
                    (width, height), Image.Resampling.BOX if factor < 1 else Image.Resampling.BILINEAR
                )
            )
            mask = Rle.from_mask(cover >= 128)
            if mask.area:
                instances.append(replace(instance, mask=mask, given_box=None, given_area=None))
            else:
                vanished += 1
    new = replace(dataset, images=tuple(images), instances=tuple(instances))
    return Resized(replace(truth, folder=folder, dataset=new, files=files), vanished)


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def run_sizes(quick: bool) -> Report:
    """Measure mask AP at each size."""
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        truth, what = _truth(quick, Path(folder))
        predictor = Predictor(get_model(NUCLEI_KEY), "cpu")
        rows, claims, notes = list[tuple[str, ...]](), list[Claim](), list[str]()
        for factor in _QUICK_FACTORS if quick else _FACTORS:
            print(f"sizes: {factor:g} x ...", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(prefix="maskdesk-") as place:
                resized = resized_truth(truth, factor, Path(place))
                scores = evaluate_on(predictor, [resized.truth], max_detections=_MOST_DETECTIONS)[
                    0
                ].evaluation
            ap = 100 * scores.mask.AP
            count = len(resized.truth.dataset.instances)
            rows.append((f"{factor:g} ×", f"{ap:.1f}", f"{100 * scores.mask.AP50:.1f}", f"{count:,}"))
            if resized.vanished:
                notes.append(f"At {factor:g} × {resized.vanished:,} instances have no pixel left.")
            if factor in _WANTED and not quick:
                text = f"mask AP at {factor:g} × is at least {_WANTED[factor]:g}"
                claims.append(Claim(text, ap >= _WANTED[factor], "equality"))
    names = [category.name for category in predictor.model.label_map]
    claims.append(Claim("its answers know one category, nucleus", names == ["nucleus"], "equality"))
    notes.insert(0, f"`{NUCLEI_KEY}` on {what}; no size is told.")
    return Report(("size", "mask AP", "mask AP50", "instances"), tuple(rows), tuple(claims), tuple(notes))


def _truth(quick: bool, folder: Path) -> tuple[GroundTruth, str]:
    annotations = shared_file("data", "nuclei", "instances_val.json")
    if annotations is not None and not quick:
        truth = read_ground_truth(annotations, annotations.with_name("val"))
        return truth, f"{len(truth.dataset.images)} images of the Data Science Bowl 2018, held back"
    count = _QUICK_SCENES if quick else _SCENES
    write_scenes(folder, range(_FIRST_SEED, _FIRST_SEED + count), kind="tissue")
    return read_ground_truth(folder / "instances.json", folder / "images"), f"{count} drawn images of tissue"
