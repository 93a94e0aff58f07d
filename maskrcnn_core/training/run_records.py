"""What a training run tells of itself: where it is, weights worth keeping, rows of its log, how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from maskrcnn_core.evaluation.of_models import Result

__all__ = [
    "LOSSES",
    "OnProgress",
    "Outcome",
    "Progress",
    "Snapshot",
    "device_in_words",
    "mean_ap",
    "scores_of",
]

LOSSES = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg", "loss_mask")
"""As torchvision names them; their plain sum is what is minimised (He et al. 2017, section 3)."""


@dataclass(frozen=True)
class Progress:
    """Where a run is, after a step or during an evaluation.

    Args:
        step, steps: done and wanted.
        epoch, epochs: the present one, from 1, and all; 0 while the start is measured.
        rate: the learning rate.
        losses: of the last step, by name.
        seconds_left: at the pace of the last steps; evaluations are not counted in.
        evaluating: ``(images done, all)`` while an evaluation runs.
        results: of an evaluation that has just ended.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    rate: float = 0.0
    losses: dict[str, float] | None = None
    seconds_left: float | None = None
    evaluating: tuple[int, int] | None = None
    results: tuple[Result, ...] = ()


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Weights worth keeping.

    Args:
        kind: ``best`` of those evaluated (where none are, the last are the best), or ``last``.
        state: the network's state dict.
        results: of these weights on each ground truth; empty without one.
        rows: the log up to here: one for each epoch, and one with epoch 0 where the start was measured.
        step: after which they were taken.
        best_epoch: after which the best weights so far were taken, 0 being the start.
        device: that it was trained on, in words.
        stages: epochs after which the run had ended before it was extended.
    """

    kind: Literal["best", "last"]
    state: dict[str, Tensor]
    results: tuple[Result, ...]
    rows: list[dict[str, float]]
    step: int
    best_epoch: int
    device: str
    stages: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        best_epoch: after which the weights that were kept were taken; 0 for the start.
        ap: mean mask AP of those weights; None where nothing was measured.
        start_ap: of the start, likewise.
        trained_ap: the best of all epochs, likewise.
    """

    best_epoch: int
    ap: float | None
    start_ap: float | None
    trained_ap: float | None


def scores_of(results: Sequence[Result]) -> dict[str, float]:
    """Return the columns of a log's row that an evaluation fills."""
    columns = {}
    for result in results:
        columns[f"{result.name}: mask AP"] = result.evaluation.mask.AP
        columns[f"{result.name}: box AP"] = result.evaluation.box.AP
    return columns


def mean_ap(row: dict[str, float]) -> float | None:
    """Return the mean mask AP of a log's row, or ``None`` where nothing was measured."""
    known = [value for name, value in row.items() if name.endswith(": mask AP") and value >= 0]
    return sum(known) / len(known) if known else None


def device_in_words(device: torch.device) -> str:
    """Name the device as model cards do; on a CPU the result depends on the number of threads."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device)
