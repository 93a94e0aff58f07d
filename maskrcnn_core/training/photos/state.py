"""A run of the photo model on the disk, replaced as a whole: whoever looks finds the old or the new one."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.errors import InputError
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.training.photos.course import Course, Epoch

__all__ = ["State", "read_state", "write_state"]

_VERSION = 1


@dataclass(frozen=True, eq=False)
class State:
    """All that the next step depends on, beside the data.

    Args:
        deciding: what decides the run's result beside the beginning: seed, batch, rates and data.
        stages: how the network came about before this run, a sentence for each stage.
        step: steps that are done.
        course: how far that is.
        epoch: where among the photos.
        seen: samples that were learned from.
        seconds: CPU time of all processes, in this run and before it was resumed.
        losses: running means, by name.
        network, average, optimiser: state dicts.
    """

    deciding: dict[str, Any]
    stages: tuple[str, ...]
    step: int
    course: Course
    epoch: Epoch
    seen: int
    seconds: float
    losses: dict[str, float] = field(repr=False)
    network: dict[str, Any] = field(repr=False)
    average: dict[str, Any] = field(repr=False)
    optimiser: dict[str, Any] = field(repr=False)


def write_state(file: Path, state: State) -> None:
    """Replace the checkpoint.

    Raises:
        OSError: as the system says; the old checkpoint is then untouched.
    """
    buffer = io.BytesIO()
    plain = vars(state) | {"course": asdict(state.course), "epoch": asdict(state.epoch)}
    torch.save({"version": _VERSION, **plain}, buffer)
    replace_file(file, buffer.getvalue())


def read_state(file: Path) -> State:
    """Read a checkpoint.

    Raises:
        InputError: if it is none, or of another version.
    """
    try:
        values = torch.load(str(file), map_location="cpu", weights_only=True)
        if values.pop("version") == _VERSION:
            course, epoch = Course(**values.pop("course")), Epoch(**values.pop("epoch"))
            stages = tuple(values.pop("stages"))
            return State(stages=stages, course=course, epoch=epoch, **values)
    except Exception as error:  # whatever torch's reader raises on bad bytes
        raise InputError(
            f"{one_line(str(file))}: expected a checkpoint of the photo model, got another or a damaged "
            "file; delete it to start from the built-in model"
        ) from error
    raise InputError(f"{one_line(str(file))}: expected a checkpoint of version {_VERSION}; delete it")
