"""How much memory a call needs at its peak, above what the process held before it.

Each call is measured in a fresh process: what an earlier one freed but did not give back to the
system would otherwise hide what the next one takes. Run as a module this is that fresh process.
"""

from __future__ import annotations

import gc
import importlib
import json
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

__all__ = ["has_memory_for", "peak_extra_bytes"]

_ROOT = Path(__file__).resolve().parents[1]
_SAMPLE_EVERY = 0.002  # seconds
_RESERVE = 1.25  # of what a call is expected to need


def has_memory_for(expected_bytes: float) -> bool:
    """Whether a call that needs so many bytes would leave the machine some."""
    return psutil.virtual_memory().available > expected_bytes * _RESERVE


def peak_extra_bytes(prepare: Callable[..., Callable[[], object]], *arguments: str | int | bool) -> int:
    """The peak of a call's resident memory above the state before it, in bytes.

    Args:
        prepare: a module-level function that makes the inputs, warms up what is compiled or loaded at
            a first call, and returns the call to measure. It runs in the fresh process.
        arguments: for ``prepare``.
    """
    command = [sys.executable, "-m", "benchmarks.memory", prepare.__module__, prepare.__qualname__]
    done = subprocess.run(
        [*command, json.dumps(arguments)], cwd=_ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return int(done.stdout.splitlines()[-1])


def _measure(call: Callable[[], object]) -> int:
    process = psutil.Process()
    gc.collect()
    before, before_max = process.memory_info().rss, _max_rss()
    peak, done = before, threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(_SAMPLE_EVERY):
            peak = max(peak, process.memory_info().rss)

    sampler = threading.Thread(target=sample)
    sampler.start()
    kept = call()
    done.set()
    sampler.join()
    peak = max(peak, process.memory_info().rss)
    del kept
    # The system's own high-water mark is exact, but speaks of this call only if the call raised it.
    if _max_rss() > before_max:
        peak = max(peak, _max_rss())
    return peak - before


def _max_rss() -> int:
    value = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return value if sys.platform == "darwin" else value * 1024  # Linux counts in KiB


if __name__ == "__main__":
    module, function, given = sys.argv[1:]
    print(_measure(getattr(importlib.import_module(module), function)(*json.loads(given))))
