"""How the steps of a training run are taken: the optimiser, its precision, and the mean of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.training.settings import TrainingSettings

__all__ = ["optimiser_of", "precision_on", "running_mean"]

Tensors: TypeAlias = tuple[Tensor, ...] | list[Tensor]


def running_mean(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Return an exponential mean that follows quickly at first, when there is little to remember."""

    def update(mean: Tensors, current: Tensors, count: Tensor | int) -> None:
        seen = float(count)
        weight = 1 - min(decay, (1 + seen) / (10 + seen))
        for old, new in zip(mean, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new.to(old.dtype), weight)
            else:
                old.copy_(new)

    return update


def optimiser_of(network: MaskRCNN, settings: TrainingSettings) -> torch.optim.AdamW:
    """Make the optimiser. Norms and biases are not decayed: no direction of theirs could grow for nothing."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.peak_rate)


def precision_on(device: torch.device) -> torch.dtype:
    """Return the type that the network computes with: half precision where the device is made for it."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
