"""What a training run is asked to do, checked once at birth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from maskrcnn_core.errors import InputError
from maskrcnn_core.training.augmentation import Augmentation

__all__ = ["TrainingSettings", "learning_rate"]


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides a run's result, beside the data, and where it is written.

    Args:
        out: the weights to write, ``.safetensors``; the model card, the log and the curves lie beside it.
        epochs: how often every image is seen.
        batch_size: samples of one step.
        peak_rate: the learning rate after warm-up; AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).
        final_rate: what the cosine comes down to, as a share of ``peak_rate``.
        warm_up: steps in which the rate rises from nothing; never more than a tenth of the run.
        weight_decay: of all weights but norms and biases.
        clip: the gradient's norm is cut to this.
        ema_decay: of the running mean of the weights that is evaluated and kept; 0 keeps the last ones.
        freeze_norms: batch norm uses the statistics that it has, as in use, and not the batch's. With small
            batches of images that differ much the two are far apart. Right for a network that knows
            something; one that begins from random values needs the batch's.
        stop_after: epochs after which the run ends, its rate still high; for a first stage that another run
            begins from. None goes to the end.
        augmentation: what is left to chance in the samples.
        seed: of everything random.
        workers: processes that prepare samples.
        evaluate_every: epochs between two evaluations; the last one is always evaluated.
        max_detections: how many of the best of an image count in evaluations; the model keeps this limit.
        rois: regions of an image that the heads learn from in a step, at most a quarter of them objects (He
            et al. 2017, section 3.1).
        checkpoint_every: steps between two checkpoints, beside those at the end of each epoch.

    Raises:
        InputError: naming the setting, what it may be and what was found.
    """

    out: Path
    epochs: int = 30
    batch_size: int = 4
    peak_rate: float = 1e-3
    final_rate: float = 0.01
    warm_up: int = 200
    weight_decay: float = 0.05
    clip: float = 5.0
    ema_decay: float = 0.998
    freeze_norms: bool = False
    stop_after: int | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    workers: int = 1
    evaluate_every: int = 1
    max_detections: int = 100
    rois: int = 512
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        if self.out.suffix != ".safetensors":
            raise InputError(f"out: expected a name that ends with .safetensors, got {self.out.name!r}")
        for name, least, most in _BOUNDS:
            owner = self.augmentation if hasattr(self.augmentation, name) else self
            value = getattr(owner, name)
            if name == "crop" and value is None:
                continue  # whole images
            if not least <= value <= most:  # also NaN
                raise InputError(f"{name.replace('_', '-')}: expected {least:g} to {most:g}, got {value:g}")
        if self.stop_after is not None and not 1 <= self.stop_after <= self.epochs:
            raise InputError(
                f"stop-after: expected 1 to {self.epochs}, the number of epochs, got {self.stop_after}"
            )
        low, high = self.augmentation.scales
        if not 0.05 <= low <= high <= 20:
            raise InputError(f"scales: expected two factors from 0.05 to 20, got {low:g} and {high:g}")


_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("epochs", 1, 100_000),
    ("batch_size", 1, 1024),
    ("peak_rate", 1e-8, 10),
    ("final_rate", 0, 1),
    ("warm_up", 0, 1_000_000),
    ("weight_decay", 0, 10),
    ("clip", 1e-3, 1e6),
    ("ema_decay", 0, 0.99999),
    ("seed", 0, 2**53),
    ("workers", 0, 64),
    ("evaluate_every", 1, 100_000),
    ("max_detections", 1, 10_000),
    ("rois", 4, 4096),
    ("checkpoint_every", 1, 1_000_000),
    ("crop", 32, 4096),
    ("colour", 0, 1),
)


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """Return the rate of a step, counted from 0, of ``steps`` in all: linear warm-up, then half a cosine.

    Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983. A short run warms up for a tenth of its steps.
    """
    warm_up = min(settings.warm_up, steps // 10)
    if step < warm_up:
        return settings.peak_rate * (step + 1) / warm_up
    progress = (step - warm_up) / max(steps - warm_up, 1)
    floor = settings.peak_rate * settings.final_rate
    return floor + (settings.peak_rate - floor) * 0.5 * (1 + math.cos(math.pi * progress))
