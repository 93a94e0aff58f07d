"""A model on its way to other computers: as it was loaded here, whatever file it came from.

What is sent is the network itself with all that belongs to it, not its file: a checkpoint of another project
has a config and names beside it, and would be read again by each. The bytes have their SHA-256, and
MaskDesk and PyTorch have to be the same at both ends, as the same bytes have to be found everywhere.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import maskrcnn_core
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.images.guards import pixel_limit
from maskrcnn_core.images.reading import MAX_MEGAPIXELS_SETTING, Stretch

if TYPE_CHECKING:
    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["Task", "array_of", "packed_model", "task_of", "unpacked_model", "versions"]


@dataclass(frozen=True)
class Task:
    """What all workers of a run have in common; it travels to each.

    Args:
        thresholds: what is kept.
        stretch: whether deep images that use little of their range are stretched.
        device: ``cpu`` or ``cuda``.
        engine: the key of the one that runs here.
        count: images of the run.
        model: SHA-256 of the packed model.
        versions: of what has to be the same.
        megapixels: the setting of how many an image may have.
    """

    thresholds: Thresholds
    stretch: Stretch
    device: str
    engine: str
    count: int
    model: str
    versions: dict[str, str]
    megapixels: str


def task_of(
    packed: bytes, thresholds: Thresholds, stretch: Stretch, device: str, engine: str, count: int
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
        hashlib.sha256(packed).hexdigest(),
        versions(),
        os.environ.get(MAX_MEGAPIXELS_SETTING, ""),
    )


def versions() -> dict[str, str]:
    """Return versions of what decides which bytes are found."""
    return {
        "MaskDesk": maskrcnn_core.__version__,
        **{name: version(name) for name in ("torch", "torchvision", "numpy", "pillow")},
    }


def packed_model(model: LoadedModel) -> bytes:
    """Return a model as bytes."""
    import torch

    stream = io.BytesIO()
    torch.save(model, stream)
    return stream.getvalue()


def array_of(packed: bytes) -> npt.NDArray[np.uint8]:
    """Return bytes as what Ray gives to all processes of a node without copies."""
    return np.frombuffer(packed, np.uint8)


def unpacked_model(packed: npt.NDArray[np.uint8], task: Task) -> LoadedModel:
    """Return the model that :func:`packed_model` packed elsewhere; this computer does as it was done there.

    Raises:
        InputError: if other versions are installed here.
        WeightsError: if the bytes are not those that were sent.
    """
    import torch

    for name, wanted in task.versions.items():
        if (found := versions()[name]) != wanted:
            raise InputError(
                f"{platform.node()}: expected {name} {wanted}, as where the run was begun, got {found}; "
                "install the same on every node"
            )
    os.environ[MAX_MEGAPIXELS_SETTING] = task.megapixels
    data = packed.tobytes()
    if hashlib.sha256(data).hexdigest() != task.model:
        raise WeightsError(f"{platform.node()}: the model came with other bytes than were sent; begin again")
    loaded: LoadedModel = torch.load(io.BytesIO(data), weights_only=False)
    return loaded
