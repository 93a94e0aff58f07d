"""One step of training, up to its losses: the network made ready to learn, and the call that gives them.

The loop takes its steps with these functions, and :mod:`maskrcnn_core.training.inspection` looks at what
passes through the very same calls.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.errors import InputError
from maskrcnn_core.training.ignoring import leave_out_ignored
from maskrcnn_core.training.loading import TrainingImages, seed_of
from maskrcnn_core.training.settings import TrainingSettings

__all__ = ["losses_of_step", "made_ready", "put_into_training", "steps_of_epoch"]


def made_ready(network: MaskRCNN, settings: TrainingSettings, device: torch.device) -> MaskRCNN:
    """Return a network on its device that heeds what is to be ignored and learns from ``settings.rois``."""
    network = network.to(device, memory_format=torch.channels_last)
    network.requires_grad_(True)
    leave_out_ignored(network)
    network.roi_heads.fg_bg_sampler.batch_size_per_image = settings.rois
    return network


def put_into_training(network: MaskRCNN, settings: TrainingSettings) -> None:
    """Put a network that was made ready into the mode in which it learns, in place."""
    network.train()
    if settings.freeze_norms:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    # What torchvision's own transform would resize, augmentation has brought to its size.
    network.transform._skip_resize = True
    # The box head learns what background is from proposals of every objectness.
    network.rpn.score_thresh = 0.0


def steps_of_epoch(images: TrainingImages, settings: TrainingSettings) -> int:
    """Return how many whole batches an epoch has.

    Raises:
        InputError: if there is not even one.
    """
    steps = images.count() // settings.batch_size
    if not steps:
        raise InputError(
            f"batch-size: expected at most {images.count()}, the number of samples, got {settings.batch_size}"
        )
    return steps


def losses_of_step(
    network: MaskRCNN,
    batch: tuple[list[Tensor], list[dict[str, Tensor]]],
    settings: TrainingSettings,
    step: int,
    *,
    device: torch.device,
    precision: torch.dtype,
) -> dict[str, Tensor]:
    """Return the losses of a batch, by torchvision's names; their sum is what is minimised.

    What is drawn at random (anchors, regions) depends on the run's seed and the step alone.

    Args:
        network: in training mode; see :func:`put_into_training`.
        batch: pictures and targets, as :class:`~maskrcnn_core.training.loading.Batches` gives them.
        settings: of the run.
        step: counted from 0.
        device: where the network is.
        precision: that it computes with.
    """
    torch.manual_seed(seed_of(settings.seed, "step", step))
    pictures = [picture.to(device, non_blocking=True) for picture in batch[0]]
    targets = [{k: v.to(device, non_blocking=True) for k, v in target.items()} for target in batch[1]]
    with torch.autocast(device.type, precision, enabled=precision != torch.float32):
        losses: dict[str, Tensor] = network(pictures, targets)
    return losses
