"""The training loop: steps that depend on nothing but the seed and the step before.

Before each step the random generators are set from the run's seed and the step's number, and each sample
from its own key. So a run that was killed and resumed from its checkpoint ends, on the CPU with
the same number of threads, with the very same weights as one that nobody disturbed.

A run that begins from a model is measured before its first step: where no epoch beats that, the start is
what is kept. A run that has ended can be extended: the rate rises to its peak again and comes down along a
cosine of its own (a warm restart; Loshchilov and Hutter 2017, arXiv:1608.03983).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.errors import InputError, TrainingError
from maskrcnn_core.evaluation.ground_truth import GroundTruth
from maskrcnn_core.evaluation.of_models import Result, evaluate_on, mean_mask_ap
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.inference.predictor import Predictor, pick_device
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.training.checkpoint import (
    Best,
    TrainingState,
    differences,
    header_of,
    read_state,
    state_file,
    without_epochs,
    write_state,
)
from maskrcnn_core.training.loading import Batches, TrainingImages
from maskrcnn_core.training.optimising import optimiser_of, precision_on, running_mean
from maskrcnn_core.training.run_records import (
    LOSSES,
    OnProgress,
    Outcome,
    Progress,
    Snapshot,
    device_in_words,
    mean_ap,
    scores_of,
)
from maskrcnn_core.training.settings import TrainingSettings, learning_rate
from maskrcnn_core.training.steps import losses_of_step, made_ready, put_into_training, steps_of_epoch

__all__ = ["train"]


def train(
    model: LoadedModel,
    images: TrainingImages,
    truths: Sequence[GroundTruth],
    settings: TrainingSettings,
    *,
    start: str,
    keep: Callable[[Snapshot], None],
    device: str = "auto",
    resume: bool = False,
    measure_start: bool = False,
    on_progress: OnProgress | None = None,
    on_note: Callable[[str], object] | None = None,
) -> Outcome:
    """Train a network in place.

    Args:
        model: the network, as it is at the beginning, and its label map. It belongs to the run: nobody
            else may use it.
        images: what to train on.
        truths: what to evaluate on after each ``settings.evaluate_every`` epochs; may be empty.
        settings: everything else that decides the result.
        start: what the data and the beginning were, as text; a checkpoint is only taken up with the same.
        keep: called with the best weights whenever there are better ones, and with the last of each epoch.
        device: see :func:`maskrcnn_core.inference.predictor.pick_device`.
        resume: go on from the checkpoint beside ``settings.out``; begin if there is none. A run that has
            ended is extended where ``settings.epochs`` is larger now.
        measure_start: evaluate before the first step, too, and keep the start if nothing beats it. For a
            network that knows something.
        on_progress: called after each step, and after each image of an evaluation. If it raises, the run
            ends; what it had reached at its last checkpoint is kept.
        on_note: called with sentences for people.

    Raises:
        InputError: if the checkpoint is of another run, or there is less than one batch of samples.
        TrainingError: if a loss is no longer finite.
        CoreError: naming an image that cannot be read.
        OSError: if the checkpoint cannot be written.
    """
    run = _Run(model, images, truths, settings, start, keep, pick_device(device), on_progress)
    return run.go(resume=resume, measure_start=measure_start, note=on_note or (lambda _: None))


class _Run:
    def __init__(
        self,
        model: LoadedModel,
        images: TrainingImages,
        truths: Sequence[GroundTruth],
        settings: TrainingSettings,
        start: str,
        keep: Callable[[Snapshot], None],
        device: torch.device,
        on_progress: OnProgress | None,
    ) -> None:
        self.model, self.truths, self.settings = model, truths, settings
        self.batches = Batches(images, settings.batch_size, settings.workers)
        self.keep, self.device = keep, device
        self.on_progress = on_progress or (lambda _: None)
        self.header = header_of(settings, start)
        self.file = state_file(settings.out)
        self.network = made_ready(model.network, settings, device)
        self.average = AveragedModel(
            self.network, multi_avg_fn=running_mean(settings.ema_decay), use_buffers=True
        )
        self.optimiser = optimiser_of(self.network, settings)
        self.precision = precision_on(device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == torch.float16)
        self.least_objectness = self.network.rpn.score_thresh
        self.steps_per_epoch = steps_of_epoch(images, settings)
        self.steps = self.steps_per_epoch * settings.epochs
        self.end = self.steps_per_epoch * (settings.stop_after or settings.epochs)
        self.step = 0
        self.best: Best | None = None
        self.stages: list[int] = []
        self.rows: list[dict[str, float]] = []
        self.sums: dict[str, float] = {}
        self.pace: float | None = None

    def go(self, *, resume: bool, measure_start: bool, note: Callable[[str], object]) -> Outcome:
        if resume and self.file.exists():
            self._take_up(read_state(self.file), note)
        else:
            # Before anything else is written: what lies beside a checkpoint is the run's own.
            self._write()
        if measure_start and self.truths and not self.step and not self.rows:
            self._measure_start()
            self._write()
        while self.step < self.end:
            epoch, first = divmod(self.step, self.steps_per_epoch)
            self._epoch(epoch, first)
            self._finish_epoch(epoch)
            self._write()
        return self._outcome()

    def _measure_start(self) -> None:
        began = time.monotonic()
        results = self._evaluate()
        row = {"epoch": 0.0, "step": 0.0, "rate": 0.0, "seconds": time.monotonic() - began}
        self._settle(0, row | scores_of(results), math.inf, results)

    def _epoch(self, epoch: int, first: int) -> None:
        put_into_training(self.network, self.settings)
        began = time.monotonic()
        for batch in self.batches.of(epoch, first):
            losses = self._step(batch)
            took = time.monotonic() - began
            began = time.monotonic()
            self.pace = took if self.pace is None else 0.95 * self.pace + 0.05 * took
            for name, value in (losses | {"seconds": took}).items():
                self.sums[name] = self.sums.get(name, 0.0) + value
            self.on_progress(self._progress(losses=losses))
            inside = self.step % self.steps_per_epoch
            if inside and self.step % self.settings.checkpoint_every == 0:
                self._write()

    def _step(self, batch: tuple[list[Tensor], list[dict[str, Tensor]]]) -> dict[str, float]:
        rate = self._rate(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        losses = losses_of_step(
            self.network, batch, self.settings, self.step, device=self.device, precision=self.precision
        )
        total = torch.stack(list(losses.values())).sum()
        told = {name: float(loss.detach()) for name, loss in losses.items()}
        if not all(math.isfinite(value) for value in told.values()):
            raise TrainingError(
                f"step {self.step + 1}: a loss is no longer finite ({told}); start again with a lower rate "
                "or a longer warm-up"
            )
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.settings.ema_decay:
            self.average.update_parameters(self.network)
        self.step += 1
        return told

    def _rate(self, step: int) -> float:
        first = self.steps_per_epoch * (self.stages[-1] if self.stages else 0)
        return learning_rate(self.settings, step - first, self.steps - first)

    def _finish_epoch(self, epoch: int) -> None:
        count = self.steps_per_epoch
        row = {"epoch": epoch + 1.0, "step": float(self.step), "rate": self._rate(self.step - 1)}
        row |= {name: self.sums.get(name, 0.0) / count for name in LOSSES}
        row["seconds"] = self.sums.get("seconds", 0.0)
        self.sums = {}
        is_due = self.step >= self.end or (epoch + 1) % self.settings.evaluate_every == 0
        began = time.monotonic()
        results = self._evaluate() if self.truths and is_due else ()
        row["seconds"] += time.monotonic() - began
        self._settle(epoch + 1, row | scores_of(results), sum(row[name] for name in LOSSES), results)

    def _settle(self, epoch: int, row: dict[str, float], loss: float, results: tuple[Result, ...]) -> None:
        """Write down an epoch, and keep its weights."""
        self.rows.append(row)
        score = mean_mask_ap(results)
        measured = None if math.isnan(score) else Best(score, loss, epoch)
        is_best = measured is not None and measured.beats(self.best)
        if is_best:
            self.best = measured
        # Where nothing could be measured, the last are the best.
        is_best |= self.best is None and self.step >= self.end
        kept = Snapshot(
            "last",
            self._kept().state_dict(),
            results,
            list(self.rows),
            self.step,
            epoch if self.best is None else self.best.epoch,
            device_in_words(self.device),
            tuple(self.stages),
        )
        self.keep(kept)
        if is_best:
            self.keep(replace(kept, kind="best"))
        self.on_progress(self._progress(epoch=epoch, results=results))

    def _outcome(self) -> Outcome:
        def best_of(rows: list[dict[str, float]]) -> float | None:
            known = [ap for row in rows if (ap := mean_ap(row)) is not None]
            return max(known, default=None)

        return Outcome(
            self.best.epoch if self.best else round(self.rows[-1]["epoch"]),
            self.best.ap if self.best else None,
            best_of([row for row in self.rows if not row["epoch"]]),
            best_of([row for row in self.rows if row["epoch"]]),
        )

    def _evaluate(self) -> tuple[Result, ...]:
        network = self._kept()
        network.eval()
        network.rpn.score_thresh = self.least_objectness
        try:
            predictor = Predictor(replace(self.model, network=network), str(self.device))
            results = evaluate_on(
                predictor,
                self.truths,
                max_detections=self.settings.max_detections,
                on_image=lambda done, total: self.on_progress(
                    self._progress(epoch=self.step // self.steps_per_epoch, evaluating=(done, total))
                ),
            )
        finally:
            network.train()
        return tuple(results)

    def _kept(self) -> MaskRCNN:
        """Return the network whose weights are evaluated and kept."""
        return cast(MaskRCNN, self.average.module) if self.settings.ema_decay else self.network

    def _progress(self, *, epoch: int | None = None, **more: Any) -> Progress:
        return Progress(
            step=self.step,
            steps=self.end,
            epoch=(self.step - 1) // self.steps_per_epoch + 1 if epoch is None else epoch,
            epochs=self.settings.epochs,
            rate=self._rate(max(self.step - 1, 0)),
            seconds_left=None if self.pace is None else self.pace * (self.end - self.step),
            **more,
        )

    # -- the checkpoint -----------------------------------------------------------------------------

    def _write(self) -> None:
        write_state(
            self.file,
            TrainingState(
                header=self.header,
                step=self.step,
                network=self.network.state_dict(),
                average=self.average.state_dict(),
                optimiser=self.optimiser.state_dict() | {"scaler": self.scaler.state_dict()},
                rows=self.rows,
                sums=self.sums,
                best=self.best,
                stages=self.stages,
            ),
        )

    def _take_up(self, state: TrainingState, note: Callable[[str], object]) -> None:
        self.stages = list(state.stages)
        if state.header != self.header:
            self._extend(state, note)
        optimiser = dict(state.optimiser)
        self.scaler.load_state_dict(optimiser.pop("scaler"))
        self.network.load_state_dict(state.network)
        self.average.load_state_dict(state.average)
        self.optimiser.load_state_dict(optimiser)
        self.step, self.rows, self.sums, self.best = state.step, state.rows, state.sums, state.best

    def _extend(self, state: TrainingState, note: Callable[[str], object]) -> None:
        """Make a finished run a longer one; refuse the checkpoint of any other run."""
        (theirs, before), (ours, now) = without_epochs(state.header), without_epochs(self.header)
        shown = one_line(str(self.file))
        if theirs != ours or now < before:
            raise InputError(
                f"{shown}: this checkpoint belongs to another run "
                f"({differences(state.header, self.header)}); "
                "give the same settings and data, or another --out to start again"
            )
        done = state.step // self.steps_per_epoch
        if done < before:
            raise InputError(
                f"{shown}: this run is at epoch {done} of {before}; finish it with --epochs {before}, then "
                f"--epochs {now} extends it"
            )
        self.stages.append(before)
        note(
            f"Extends a run of {counted(before, 'epoch')} to {now}: the rate rises to "
            f"{self.settings.peak_rate:g} again and comes down along a cosine of its own; weights that were "
            "better before stay the best."
        )
