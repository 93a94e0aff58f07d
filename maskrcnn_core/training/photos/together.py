"""The processes of a run: the one that was called, and those that it starts and averages gradients with.

They meet through a file and talk over the loopback interface. A process whose partner is gone ends, too, so
nothing is left over however a run is ended; one that is stopped (SIGSTOP) is waited for.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from maskrcnn_core.training.photos.beginnings import Beginning, begin
from maskrcnn_core.training.photos.data import Photos, is_held_out, read_photos
from maskrcnn_core.training.photos.run import Run, Settings, prepare, quickest_precision

__all__ = ["STATE", "Job", "train_together"]

STATE = "state.pt"
"""Name of the checkpoint in the build folder."""

_PATIENCE = timedelta(days=2)


@dataclass(frozen=True)
class Job:
    """What each process is told.

    Args:
        photos: folder of the photos.
        build: folder of the checkpoint and of all that can be made again.
        start: what to begin from.
        settings: of the run.
        precision: of the layers: ``float32``, ``bfloat16``, or empty to measure which one is quicker.
    """

    photos: Path
    build: Path
    start: str
    settings: Settings
    precision: str = ""


def train_together(
    job: Job,
    *,
    on_save: Callable[[Run, Photos], object],
    tell: Callable[[str], object],
    at_most: int | None = None,
) -> bool:
    """Train in as many processes as the settings say, and return whether the run is at its end.

    Args:
        job: what to do.
        on_save: called after each checkpoint with the run and all photos.
        tell: called with sentences.
        at_most: steps, after which it stops before its end.
    """
    torch.set_num_threads(1)
    data = read_photos(job.photos, job.build)
    beginning = begin(job.start, job.settings.seed)
    prepare(beginning.network)
    precision = job.precision or str(quickest_precision(beginning.network)).removeprefix("torch.")
    tell(f"{len(data.photos)} photos with objects; {precision}, {job.settings.processes} processes")
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder, "meeting")
        context = multiprocessing.get_context("spawn")
        others = [
            context.Process(target=_join, args=(job, precision, meeting, rank, at_most), daemon=True)
            for rank in range(1, job.settings.processes)
        ]
        for process in others:
            process.start()
        tell(f"process ids: {', '.join(str(p) for p in (os.getpid(), *(o.pid for o in others)))}")
        _meet(meeting, 0, job.settings.processes)
        run = _run(job, beginning, data, precision, 0, lambda r: on_save(r, data), tell)
        is_at_end = run.go(at_most=at_most)
        for process in others:
            process.join()
        dist.destroy_process_group()
    return is_at_end


def _join(job: Job, precision: str, meeting: Path, rank: int, at_most: int | None) -> None:
    torch.set_num_threads(1)
    data = read_photos(job.photos, job.build)
    beginning = begin(job.start, job.settings.seed)
    prepare(beginning.network)
    _meet(meeting, rank, job.settings.processes)
    _run(job, beginning, data, precision, rank, None, None).go(at_most=at_most)
    dist.destroy_process_group()


def _meet(meeting: Path, rank: int, count: int) -> None:
    if loopback := {"linux": "lo", "darwin": "lo0"}.get(sys.platform):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    dist.init_process_group(
        "gloo",
        init_method=f"file:///{meeting.as_posix().lstrip('/')}",
        rank=rank,
        world_size=count,
        timeout=_PATIENCE,
    )


def _run(
    job: Job,
    beginning: Beginning,
    data: Photos,
    precision: str,
    rank: int,
    on_save: Callable[[Run], object] | None,
    on_step: Callable[[str], object] | None,
) -> Run:
    learned = [photo for photo in data.photos if not is_held_out(photo.id)]
    return Run(
        beginning.network,
        learned,
        job.settings,
        data.digest,
        beginning.stages,
        job.build / STATE,
        precision=getattr(torch, precision),
        rank=rank,
        on_save=on_save,
        on_step=on_step,
    )
