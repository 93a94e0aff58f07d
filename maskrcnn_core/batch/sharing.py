"""Which devices a run's workers have, and how many threads each network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.errors import InputError

__all__ = [
    "AUTO",
    "BATCH_ON_GPU",
    "THREADS",
    "batch_for",
    "check_sharing",
    "devices_for",
    "one_thread",
    "told_of",
]

AUTO = "auto"
"""As many workers as a run is worth and the machine has processors and memory for."""

THREADS = 1
"""Of a network on the CPU: the last bits of its sums depend on their number, and files must not."""

BATCH_ON_GPU = 8
_MOST = 256
_WORTH = 8
"""Images for each worker: it takes some seconds until it has loaded torch and the model."""

_MEMORY = 1_500_000_000
"""Bytes that a worker may take at its peak."""


def devices_for(workers: str, device: str, images: int) -> tuple[str, ...]:
    """Return the device of each worker; where there is one alone, the run needs no process for it.

    Args:
        workers: ``auto`` or a number.
        device: as it was asked for: ``auto`` takes all GPUs.
        images: of the run.

    Raises:
        InputError: if there is no such device, or not for so many.
    """
    import torch

    from maskrcnn_core.inference.predictor import pick_device

    picked = str(pick_device(device))
    asked = None if workers == AUTO else _number(workers)
    if picked == "cpu":
        worth = max(1, min(_cores(), images // _WORTH, _spare_memory() // _MEMORY))
        return (picked,) * (worth if asked is None else asked)
    is_any = device == "auto" and picked.startswith("cuda")
    there = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if is_any else [picked]
    if asked is not None and asked > len(there):
        raise InputError(
            f"--workers {asked}: expected at most {len(there)}, one for each device ({', '.join(there)}): "
            "two would take each other's memory"
        )
    return tuple(there[: max(1, min(len(there), images)) if asked is None else asked])


def batch_for(batch: int | None, device: str) -> int:
    """Return how many images go through the network together.

    Raises:
        InputError: if that is no number for this device.
    """
    is_cpu = device == "cpu"
    if batch is None:
        return 1 if is_cpu else BATCH_ON_GPU
    if is_cpu and batch != 1:
        raise InputError(f"--batch-size {batch}: expected 1 on a CPU, where more save no time")
    return batch


def check_sharing(workers: str, batch: int | None) -> None:
    """Check what can be checked of both options before anything is loaded.

    Raises:
        InputError: if one is no number that any machine takes.
    """
    if workers != AUTO:
        _number(workers)
    if batch is not None and not 1 <= batch <= _MOST:
        raise InputError(f"--batch-size {batch}: expected 1 to {_MOST}")


@contextmanager
def one_thread(device: str) -> Iterator[None]:
    """Have a network on the CPU use one thread, as each worker's does: so files do not depend on workers."""
    if device != "cpu":
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def told_of(devices: tuple[str, ...]) -> str:
    """Return in a line who runs a network."""
    kinds = sorted(set(devices), key=devices.index)
    if len(devices) == 1:
        return f"runs on {devices[0]}"
    each = f", {counted(THREADS, 'thread')} each" if kinds == ["cpu"] else ""
    return f"{len(devices)} workers on {', '.join(kinds)}{each}"


def _number(workers: str) -> int:
    if workers.isascii() and workers.isdecimal() and 1 <= int(workers) <= _MOST:
        return int(workers)
    raise InputError(f"--workers {workers}: expected {AUTO}, or 1 to {_MOST}")


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _spare_memory() -> int:
    """Return about how many bytes are to be had; where nobody says, as many as anybody could want."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 2**60
