"""A training run on the disk: everything that its next step depends on, in one file beside the weights.

The file is replaced as a whole (written beside, flushed, renamed), so that a run that is killed at any
moment finds either the old or the new one. It is read with ``weights_only=True``: tensors and plain
values, no code.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.errors import InputError
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.training.settings import TrainingSettings

__all__ = [
    "Best",
    "TrainingState",
    "differences",
    "header_of",
    "read_state",
    "state_file",
    "without_epochs",
    "write_state",
]

_VERSION = 2


@dataclass(frozen=True)
class Best:
    """The best weights of a run so far.

    Args:
        ap: their mean mask AP, in [0, 1].
        loss: mean of the summed losses in their epoch; infinite for the start, which took no step.
        epoch: after which they were taken; 0 for the start.
    """

    ap: float
    loss: float = math.inf
    epoch: int = 0

    def beats(self, other: Best | None) -> bool:
        """Return whether these are better: by AP, and among equals (as at AP 0) by the loss."""
        return other is None or (self.ap, -self.loss) > (other.ap, -other.loss)


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
        best: the best weights that were measured; None before any were.
        stages: epochs after which the run had ended before it was extended.
    """

    header: str
    step: int
    network: dict[str, Any]
    average: dict[str, Any]
    optimiser: dict[str, Any]
    rows: list[dict[str, float]]
    sums: dict[str, float]
    best: Best | None
    stages: list[int]


def state_file(out: Path) -> Path:
    """Return where the checkpoint of a run lies that writes ``out``."""
    return out.with_name(out.name + ".training")


def write_state(file: Path, state: TrainingState) -> None:
    """Replace the checkpoint.

    Raises:
        OSError: as the system says; the old checkpoint is then untouched.
    """
    buffer = io.BytesIO()
    best = None if state.best is None else asdict(state.best)
    torch.save({"version": _VERSION, **vars(state), "best": best}, buffer)
    replace_file(file, buffer.getvalue())


def read_state(file: Path) -> TrainingState:
    """Read a checkpoint.

    Raises:
        InputError: if it is none, or of another version.
    """
    shown = one_line(str(file))
    try:
        values = torch.load(str(file), map_location="cpu", weights_only=True)
        version = values.pop("version")
        if version == _VERSION:
            best = values.pop("best")
            return TrainingState(**values, best=None if best is None else Best(**best))
    except Exception as error:  # whatever torch's reader raises on bad bytes
        raise InputError(
            f"{shown}: this is not a training checkpoint, or it is damaged; delete it to start again"
        ) from error
    raise InputError(f"{shown}: expected a checkpoint of version {_VERSION}, got {version!r}")


# -- which run it is ----------------------------------------------------------------------------------


def header_of(settings: TrainingSettings, start: str) -> str:
    """Return what decides a run's result, as JSON."""
    deciding = asdict(settings)
    for name in ("out", "workers", "checkpoint_every", "stop_after"):
        del deciding[name]
    return json.dumps({"settings": deciding, "start": start}, sort_keys=True)


def without_epochs(header: str) -> tuple[str, int]:
    """Return what is equal in a run and one that extends it, and the number of its epochs."""
    document = json.loads(header)
    epochs = document["settings"].pop("epochs")
    return json.dumps(document, sort_keys=True), epochs


def differences(found: str, wanted: str) -> str:
    """Return what differs between the headers of two runs, in words."""
    ours, theirs = json.loads(wanted), json.loads(found)
    told = [
        f"{name.replace('_', '-')} was {theirs['settings'].get(name)}, now {value}"
        for name, value in ours["settings"].items()
        if theirs["settings"].get(name) != value
    ]
    now, then = json.loads(ours["start"]), json.loads(theirs["start"])
    told += [f"{words} has changed" for name, words in _STARTS.items() if now.get(name) != then.get(name)]
    return "; ".join(told)


_STARTS = {
    "data": "the ground truth",
    "validation": "the validation data",
    "beginning": "the model it starts from",
    "architecture": "the architecture",
    "reading": "what counts as ground truth",
}
