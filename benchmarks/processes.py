"""What a whole command takes, with its start: a process of its own, measured by the system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import megabytes, seconds

__all__ = ["Spent", "Turns", "measure_apart", "run_process"]

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Spent:
    """What a command took: seconds by the clock and of the processors, and bytes at its peak."""

    wall: float
    cpu: float
    peak: int

    def row(self, *words: str) -> tuple[str, ...]:
        """A row of a table: some words, and the three figures."""
        return (*words, seconds(self.wall), seconds(self.cpu), megabytes(self.peak))


# A process begins with the peak memory of the one that starts it: that one must be small.
_LAUNCHER = """
import json, os, sys, time
started = time.perf_counter()
id_ = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(id_, 0)
spent = time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss
print("\\n" + json.dumps([os.waitstatus_to_exitcode(status), *spent]))
"""


def run_process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Spent:
    """Run a command in the checkout, its output unseen.

    Args:
        command: the program's path and its arguments.
        environment: what it has beside this process's.

    Raises:
        RuntimeError: if it fails.
    """
    done = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCHER, *command],
        cwd=_ROOT,
        env=os.environ | (environment or {}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    code, wall, cpu, peak = json.loads(done.stdout.splitlines()[-1])
    if code:
        raise RuntimeError(f"{' '.join(command)}: exit code {code}")
    return Spent(wall, cpu, peak * (1 if sys.platform == "darwin" else 1024))


def measure_apart(module: str, environment: Mapping[str, str] | None = None, **job: object) -> Any:
    """What a module of the benchmarks finds in a process of its own, which it prints last, as JSON.

    Args:
        module: run as ``python -m`` does, with the job as JSON.
        environment: variables beside those of this process.
        job: what it is told.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, json.dumps(job)],
        cwd=_ROOT,
        env={**os.environ, **(environment or {})},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


class Turns:
    """A module of the benchmarks in a process of its own that waits for its turns: it answers each with JSON.

    Several of these take turns, so that other work on the machine falls on all of them alike.

    Args:
        module: run as ``python -m`` does, with the job as JSON; it prints an answer once it is ready, and one
            for each line that it reads.
        environment: variables beside those of this process.
        job: what it is told.
    """

    def __init__(self, module: str, environment: Mapping[str, str], **job: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(job)],
            cwd=_ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ready = self._answer()

    def take(self, turn: object) -> Any:
        """Return what the module answers to a turn.

        Raises:
            RuntimeError: if the process has ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(turn) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args}: exit code {self._process.wait()}")
        return json.loads(line)
