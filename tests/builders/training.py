"""Small builders for tests of training: few scenes, and a network that trains in seconds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from maskrcnn_core.evaluation.ground_truth import joint_categories, read_ground_truth
from maskrcnn_core.networks.configs import SlimConfig
from maskrcnn_core.synthetic.scenes import write_scenes
from maskrcnn_core.training.artifacts import Keeper, Words
from maskrcnn_core.training.augmentation import Augmentation
from maskrcnn_core.training.loading import TrainingImages
from maskrcnn_core.training.loop import train
from maskrcnn_core.training.settings import TrainingSettings
from maskrcnn_core.training.starting import begin_from_nothing
from maskrcnn_core.training.views import view_of

TINY = SlimConfig(
    widths=(8, 8, 16, 16), blocks=(1, 1, 1, 1), pyramid=8, box_hidden=16, min_size=96, max_size=160
)
"""A network of about 40,000 parameters."""


def make_scenes(folder: Path, count: int = 4, first: int = 0):
    """Drawn scenes on the disk, read as ground truth."""
    write_scenes(folder, range(first, first + count))
    return read_ground_truth(folder / "instances.json", folder / "images")


def make_settings(folder: Path, **changes) -> TrainingSettings:
    folder.mkdir(exist_ok=True)
    settings = TrainingSettings(
        out=folder / "tiny.safetensors",
        epochs=2,
        batch_size=1,
        warm_up=2,
        workers=0,
        augmentation=Augmentation(crop=96),
        checkpoint_every=1,
    )
    return replace(settings, **changes)


def run_training(
    truths, validation, settings, *, resume=False, on_progress=None, on_note=None, start=False, config=TINY
):
    """A whole run as the command makes it; returns the network's beginning and how the run ended."""
    beginning = begin_from_nothing(config, joint_categories(truths), settings.seed)
    images = TrainingImages(
        truths,
        beginning.model.label_map,
        settings.augmentation,
        view_of(beginning.model.network),
        settings.seed,
    )
    outcome = train(
        beginning.model,
        images,
        validation,
        settings,
        start=json.dumps({"data": [truth.digest for truth in truths]}),
        keep=Keeper(settings, beginning, tuple(truths), tuple(validation), Words("Tiny")),
        device="cpu",
        resume=resume,
        measure_start=start,
        on_progress=on_progress,
        on_note=on_note,
    )
    return beginning, outcome
