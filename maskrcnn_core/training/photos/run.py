"""The run that makes the photo model: one process for each core, whose gradients are averaged in every step.

Two processes with one thread each take less time than one with two threads: small layers leave a second
thread idle. Before each step chance is set from the seed and the step's number, and the checkpoint holds the
rest, so a run that is killed and resumed ends as one that nobody disturbed (for the same precision and
processes).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.errors import InputError, TrainingError
from maskrcnn_core.training.loading import seed_of
from maskrcnn_core.training.photos.course import (
    PHASES,
    Course,
    Epoch,
    Phase,
    Work,
    draw,
    phase_at,
    plan_epoch,
)
from maskrcnn_core.training.photos.data import Photo
from maskrcnn_core.training.photos.depthwise import keep_depthwise_kernels
from maskrcnn_core.training.photos.losses import losses_of
from maskrcnn_core.training.photos.samples import collate
from maskrcnn_core.training.photos.state import State, read_state, write_state

__all__ = ["FROZEN", "Run", "Settings", "prepare", "quickest_precision"]

FROZEN = ("stem", "stage1", "stage2", "stage3")
"""Parts of the body that stay as ImageNet left them: edges and textures, which take half of the time."""


@dataclass(frozen=True)
class Settings:
    """What decides a run, beside photos and beginning.

    Args:
        steps: of the run.
        batch: samples of one process in a step.
        processes: whose gradients are averaged; with ``is_alone`` one process does the work of all.
        rate: highest learning rate of pyramid and heads; AdamW (Loshchilov and Hutter 2019).
        body_rate: of the body.
        weight_decay: of all weights but norms and biases.
        clip: the gradient's norm is cut to this.
        ema_decay: of the running mean of the weights, which is what is kept.
        seed: of everything random.
        save_every: seconds between two checkpoints.
        phases: what samples are like in the parts of the run.
    """

    steps: int = 5600
    batch: int = 8
    processes: int = 2
    rate: float = 7e-4
    body_rate: float = 2e-4
    weight_decay: float = 0.03
    clip: float = 5.0
    ema_decay: float = 0.9985
    seed: int = 0
    save_every: float = 240.0
    phases: tuple[Phase, ...] = PHASES

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch", 1), ("processes", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected at least {least}, got {getattr(self, name)}")

    def deciding(self) -> dict[str, Any]:
        """Return what a resumed run must have in common with the one that began."""
        deciding = {k: v for k, v in asdict(self).items() if k not in ("steps", "save_every", "phases")}
        return deciding if self.phases == PHASES else deciding | {"phases": repr(self.phases)}


def prepare(network: MaskRCNN) -> None:
    """Make a network of the lite family ready to be trained quickly, in place."""
    network.requires_grad_(True)
    network.to(memory_format=torch.channels_last)
    body = network.backbone.body
    keep_depthwise_kernels(body)
    for name in FROZEN:
        body[name].requires_grad_(False)
    network.train()


def quickest_precision(network: MaskRCNN) -> torch.dtype:
    """Return bfloat16 if it takes the processor less CPU time than float32, else float32."""
    images = torch.zeros(2, 3, 128, 160).contiguous(memory_format=torch.channels_last)
    took = {}
    for precision in (torch.float32, torch.bfloat16):
        times = []
        for _ in range(3):
            began = time.process_time()
            with torch.autocast("cpu", precision, enabled=precision != torch.float32):
                maps = network.backbone(images)
            sum(level.float().mean() for level in maps.values()).backward()
            times.append(time.process_time() - began)
        took[precision] = min(times)
    network.zero_grad(set_to_none=True)
    return min(took, key=lambda precision: took[precision])


class Run:
    """One process of a run.

    Args:
        network: prepared; it belongs to the run, and all processes have the same values.
        photos: what to learn from.
        settings: of the run.
        data: which photos those are, to tell runs apart.
        stages: how the network came about, a sentence for each stage.
        file: the checkpoint; where there is one, the run goes on from it, whatever the network is.
        precision: of the layers.
        rank: which process this is; None does the work of all of them, one after another.
        on_step: called after each step with a sentence, in the process that writes.
    """

    def __init__(
        self,
        network: MaskRCNN,
        photos: Sequence[Photo],
        settings: Settings,
        data: str,
        stages: tuple[str, ...],
        file: Path,
        *,
        precision: torch.dtype = torch.float32,
        rank: int | None = None,
        on_save: Callable[[Run], object] | None = None,
        on_step: Callable[[str], object] | None = None,
    ) -> None:
        self.network, self.photos, self.settings, self.file = network, photos, settings, file
        self.precision, self.rank = precision, rank
        self.on_save, self.on_step = on_save or (lambda _: None), on_step or (lambda _: None)
        self.deciding = settings.deciding() | {"data": data, "photos": len(photos)}
        self.stages = stages
        self.trained = [p for p in network.parameters() if p.requires_grad]
        self.optimiser = _optimiser(network, settings)
        self.average = copy.deepcopy(network)
        self.course = Course(settings.steps)
        self.epoch = Epoch()
        self.step, self.seen, self.seconds = 0, 0, 0.0
        self.losses: dict[str, float] = {}
        if file.exists():
            self._take_up(read_state(file))

    @property
    def writes(self) -> bool:
        """Whether this is the process that keeps the mean, writes checkpoints and speaks."""
        return not self.rank

    @property
    def finish_file(self) -> Path:
        """A file with a number of steps, after which the run comes to its end; it is taken away when read."""
        return self.file.with_name("finish")

    def go(self, *, at_most: int | None = None) -> bool:
        """Train until the run's end, or for ``steps`` steps, and return whether it is at its end."""
        saved = time.monotonic()
        plan: list[Work] = []
        planned: int | None = None
        goal = math.inf if at_most is None else self.step + at_most
        while self.step < min(self.course.end, goal):
            if planned != self.epoch.number:
                plan, planned = self._plan(), self.epoch.number
            self._step(plan[self.epoch.done])
            done = self.epoch.done + 1
            at_end = done >= len(plan)
            self.epoch = Epoch(self.epoch.number + at_end, 0 if at_end else done, self.epoch.phase)
            if self.writes and time.monotonic() - saved > self.settings.save_every:
                self.save()
                saved = time.monotonic()
        if self.writes:
            self.save()
        return self.step >= self.course.end

    def _plan(self) -> list[Work]:
        """Return the steps of the present epoch, by the phase in which it began."""
        settings = self.settings
        if not self.epoch.done:
            phase = phase_at(settings.phases, self.course.progress(self.step))
            self.epoch = Epoch(self.epoch.number, 0, phase)
        batch = settings.batch * settings.processes
        phase_of_epoch = settings.phases[self.epoch.phase]
        plan = plan_epoch(self.photos, self.epoch.number, phase_of_epoch, batch, settings.seed)
        if not plan:
            raise InputError(f"photos: expected enough for a batch of {batch}, got {len(self.photos)}")
        return plan

    def save(self) -> None:
        """Write the checkpoint."""
        state = State(
            self.deciding,
            self.stages,
            self.step,
            self.course,
            self.epoch,
            self.seen,
            self.seconds,
            self.losses,
            self.network.state_dict(),
            self.average.state_dict(),
            self.optimiser.state_dict(),
        )
        write_state(self.file, state)
        self.on_save(self)

    def _take_up(self, state: State) -> None:
        if state.deciding != self.deciding:
            others = [k for k, v in self.deciding.items() if state.deciding.get(k) != v]
            raise InputError(
                f"{self.file.name}: this checkpoint belongs to another run ({', '.join(others)}); "
                "give the same settings, or delete it to start again"
            )
        self.network.load_state_dict(state.network)
        self.average.load_state_dict(state.average)
        self.optimiser.load_state_dict(state.optimiser)
        self.stages = state.stages
        self.step, self.course, self.epoch = state.step, state.course, state.epoch
        self.seen, self.seconds, self.losses = state.seen, state.seconds, dict(state.losses)

    # -- one step -----------------------------------------------------------------------------------

    def _step(self, work: Work) -> None:
        began = time.process_time()
        finish = self._asked_to_finish()
        shares = range(self.settings.processes) if self.rank is None else (self.rank,)
        total = torch.zeros(sum(p.numel() for p in self.trained) + 1)
        for share in shares:
            total[:-1] += self._gradient(work, share)
        total[-1] = finish
        if self.rank is not None and self.settings.processes > 1:
            dist.all_reduce(total)
        total[:-1] /= self.settings.processes
        self._descend(total[:-1])
        self.step += 1
        self.seen += self.settings.batch * self.settings.processes
        self.seconds += (time.process_time() - began) * self.settings.processes / len(shares)
        more = int(total[-1])
        if more:
            self.course = self.course.ending(self.step, more)
        if self.writes and (self.step % 50 == 0 or more):
            told = " ".join(f"{k.removeprefix('loss_')} {v:.3f}" for k, v in self.losses.items())
            self.on_step(
                f"step {self.step} of {self.course.end}, {self.seen} samples, epoch {self.epoch.number}, "
                f"{self.seconds:.0f} CPU-s, rate {self.course.rate(self.step):.3f}: {told}"
            )

    def _asked_to_finish(self) -> int:
        if not self.writes or not self.finish_file.exists():
            return 0
        text = self.finish_file.read_text().strip()
        self.finish_file.unlink()
        return max(int(text), 1) if text.isascii() and text.isdigit() else 0

    def _gradient(self, work: Work, share: int) -> Tensor:
        settings = self.settings
        torch.manual_seed(seed_of(settings.seed, "step", self.step, share))
        rows = slice(share * settings.batch, (share + 1) * settings.batch)
        phase = settings.phases[phase_at(settings.phases, self.course.progress(self.step))]
        samples = draw(work, self.photos, phase, rows, settings.seed, self.step)
        losses = losses_of(self.network, collate(samples), self.precision)
        self.network.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        for name, loss in losses.items():
            value = float(loss.detach())
            self.losses[name] = 0.98 * self.losses.get(name, value) + 0.02 * value
        parts = [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in self.trained]
        return torch.cat(parts)

    def _descend(self, gradient: Tensor) -> None:
        """Take one step of AdamW; a gradient that is not finite is left out, in all processes alike."""
        norm = float(gradient.norm())
        if not math.isfinite(norm):
            if not all(bool(p.isfinite().all()) for p in self.trained):
                raise TrainingError(f"step {self.step + 1}: the weights are no longer finite; lower the rate")
            return
        gradient = gradient * min(1.0, self.settings.clip / (norm + 1e-6))
        at = 0
        for parameter in self.trained:
            part = gradient[at : at + parameter.numel()].view(parameter.shape)
            parameter.grad = torch.empty_like(parameter).copy_(part)
            at += parameter.numel()
        rate = self.course.rate(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["highest"] * rate
        self.optimiser.step()
        if self.writes:
            # It follows quickly at first, when there is little to remember.
            weight = 1 - min(self.settings.ema_decay, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), weight)


def _optimiser(network: MaskRCNN, settings: Settings) -> torch.optim.AdamW:
    """Make the optimiser. Norms and biases are not decayed; the pretrained body learns more slowly."""
    groups = []
    for in_body, rate in ((True, settings.body_rate), (False, settings.rate)):
        own = [
            p
            for name, p in network.named_parameters()
            if p.requires_grad and name.startswith("backbone.body.") == in_body
        ]
        for is_matrix, decay in ((True, settings.weight_decay), (False, 0.0)):
            chosen: list[nn.Parameter] = [p for p in own if (p.ndim > 1) == is_matrix]
            groups.append({"params": chosen, "highest": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, lr=settings.rate)
