"""A model on its way to other computers: as it was loaded here, whatever file it came from.

What is sent is the network itself with all that belongs to it, not its file: a checkpoint of another project
has a config and names beside it, and would be read again by each. Its numbers have their SHA-256, and
MaskDesk and PyTorch have to be the same at both ends, as the same bytes have to be found everywhere.
"""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import maskrcnn_core
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.images.guards import pixel_limit
from maskrcnn_core.images.reading import MAX_MEGAPIXELS_SETTING, Stretch

if TYPE_CHECKING:
    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["Task", "checked_model", "digest_of", "task_of", "versions"]


@dataclass(frozen=True)
class Task:
    """What all workers of a run have in common; it travels to each.

    Args:
        thresholds: what is kept.
        stretch: whether deep images that use little of their range are stretched.
        device: ``cpu`` or ``cuda``.
        engine: the key of the one that runs here.
        count: images of the run.
        model: SHA-256 of the model's numbers.
        versions: of what has to be the same.
        megapixels: the setting of how many an image may have.
        looks_closer: whether a closer look at objects mends their masks.
    """

    thresholds: Thresholds
    stretch: Stretch
    device: str
    engine: str
    count: int
    model: str
    versions: dict[str, str]
    megapixels: str
    looks_closer: bool = False


def task_of(
    model: LoadedModel,
    thresholds: Thresholds,
    stretch: Stretch,
    device: str,
    engine: str,
    count: int,
    *,
    looks_closer: bool = False,
) -> Task:
    """Return what workers are told of a run that begins here.

    Raises:
        InputError: if a setting of this computer makes no sense.
    """
    pixel_limit()  # a setting that makes no sense is told here
    return Task(
        thresholds,
        stretch,
        device,
        engine,
        count,
        digest_of(model),
        versions(),
        os.environ.get(MAX_MEGAPIXELS_SETTING, ""),
        looks_closer,
    )


def versions() -> dict[str, str]:
    """Return versions of what decides which bytes are found."""
    return {
        "MaskDesk": maskrcnn_core.__version__,
        **{name: version(name) for name in ("torch", "torchvision", "numpy", "pillow")},
    }


def digest_of(model: LoadedModel) -> str:
    """Return a SHA-256 of all numbers of a network, with their names, kinds and shapes."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def checked_model(model: LoadedModel, task: Task) -> LoadedModel:
    """Return a model that came from elsewhere; this computer does as it was done there from now on.

    Raises:
        InputError: if other versions are installed here.
        WeightsError: if its numbers are not those that were sent.
    """
    for name, wanted in task.versions.items():
        if (found := versions()[name]) != wanted:
            raise InputError(
                f"{platform.node()}: expected {name} {wanted}, as where the run was begun, got {found}; "
                "install the same on every node"
            )
    os.environ[MAX_MEGAPIXELS_SETTING] = task.megapixels
    if digest_of(model) != task.model:
        raise WeightsError(
            f"{platform.node()}: the model came with other numbers than were sent; begin again"
        )
    return model
