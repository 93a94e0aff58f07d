"""A training run on the disk: everything that its next step depends on, in one file beside the weights.

The file is replaced as a whole (written beside, flushed, renamed), so that a run that is killed at any
moment finds either the old or the new one. It is read with ``weights_only=True``: tensors and plain
values, no code.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from maskrcnn_core.errors import InputError
from maskrcnn_core.files import replace_file
from maskrcnn_core.images import one_line

__all__ = ["TrainingState", "read_state", "state_file", "write_state"]

_VERSION = 1


@dataclass(frozen=True, eq=False)
class TrainingState:
    """What a checkpoint keeps.

    Args:
        header: what decides the run (settings, data, start); a run is only taken up with an equal one.
        step: steps that are done.
        network: state dict.
        average: state dict of the running mean; empty without one.
        optimiser: state dict.
        rows: of the log, one for each epoch that is done.
        sums: of losses and seconds in the present epoch.
        best: mean mask AP of the best weights so far; below 0 if there are none yet.
    """

    header: str
    step: int
    network: dict[str, Any]
    average: dict[str, Any]
    optimiser: dict[str, Any]
    rows: list[dict[str, float]]
    sums: dict[str, float]
    best: float


def state_file(out: Path) -> Path:
    """Where the checkpoint of a run lies that writes ``out``."""
    return out.with_name(out.name + ".training")


def write_state(file: Path, state: TrainingState) -> None:
    """Replaces the checkpoint.

    Raises:
        OSError: as the system says; the old checkpoint is then untouched.
    """
    buffer = io.BytesIO()
    torch.save({"version": _VERSION, **vars(state)}, buffer)
    replace_file(file, buffer.getvalue())


def read_state(file: Path) -> TrainingState:
    """Reads a checkpoint.

    Raises:
        InputError: if it is none, or of another version.
    """
    shown = one_line(str(file))
    try:
        values = torch.load(str(file), map_location="cpu", weights_only=True)
        version = values.pop("version")
        if version == _VERSION:
            return TrainingState(**values)
    except Exception as error:  # whatever torch's reader raises on bad bytes
        raise InputError(
            f"{shown}: this is no checkpoint of a training run, or a damaged one; delete it to start anew"
        ) from error
    raise InputError(f"{shown}: wanted a checkpoint of version {_VERSION}, found {version!r}")
