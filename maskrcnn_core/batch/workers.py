"""Several processes that run the same model, one for a device or a processor's core.

Images are handed out a few at a time, and what came of them is given in their order: neither the results nor
the order depend on how many processes there are. A process that ends before it has answered (killed, out of
memory) is replaced. The images that it had are tried once more, each alone in a process, so that the one at
fault is known: if that process ends too, the image has failed, and the run goes on.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from maskrcnn_core import errors
from maskrcnn_core.batch.running import Result, Task, group_of
from maskrcnn_core.batch.sharing import THREADS
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.errors import InferenceError

if TYPE_CHECKING:
    from maskrcnn_core.batch.finding import Tally
    from maskrcnn_core.batch.worker import Job

__all__ = ["MODULE", "Workers"]

MODULE = "maskrcnn_core.batch.worker"
"""Of processes that read files by their paths."""

_ON_THE_WAY = 4
"""Images that a worker has at once where they go through the network one by one."""

_AHEAD = 8
"""Times as many may be done or on the way behind the first one that is not."""

_ROOT = Path(__file__).resolve().parents[2]
_ENDING = 10.0  # seconds
_IDLE_ENDS = 3
"""Workers that may end while they have nothing to do."""


@dataclass(eq=False)
class _Worker:
    """One process, as the one that started it sees it."""

    device: str
    process: subprocess.Popen[bytes]
    has: dict[int, Task] = field(default_factory=dict)
    is_ready: bool = False
    is_trying_again: bool = False

    def tell(self, row: Mapping[str, object]) -> None:
        pipe: IO[bytes] | None = self.process.stdin
        assert pipe is not None
        with suppress(OSError):  # it has ended, which is told by its output
            pipe.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
            pipe.flush()

    def give(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self.has[task.id] = task
            self.tell({"task": task.row(), "is_last": task is tasks[-1]})

    def end(self) -> int:
        """Wait for its end, and return its exit code."""
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return code


class _Share:
    """What is given, handed out and done, in order."""

    def __init__(self, tasks: Iterable[Task], group: int) -> None:
        self._tasks, self._group, self._has_ended = iter(tasks), group, False
        self.begun: deque[Task] = deque()
        self.done: dict[int, Result] = {}
        self.again: deque[Task] = deque()

    def next_group(self) -> list[Task]:
        """Return the next images, which are run together."""
        tasks = list(islice(self._tasks, self._group))
        self.begun += tasks
        self._has_ended = len(tasks) < self._group
        return tasks

    @property
    def is_done(self) -> bool:
        """Whether all results have been taken."""
        return self._has_ended and not self.begun

    def ready(self) -> Iterator[Result]:
        """Yield the results whose turn it is."""
        while self.begun and self.begun[0].id in self.done:
            yield self.done.pop(self.begun.popleft().id)


class Workers:
    """Runs a model in several processes, which are started with the first image and stay until :meth:`close`.

    Args:
        job: what they run.
        devices: of each worker, such as ``cpu`` or ``cuda:1``.
        tally: takes note of each image.
        module: the processes', which says how images are read.
        on_event: told in a sentence what becomes of processes.
    """

    def __init__(
        self,
        job: Job,
        devices: Sequence[str],
        tally: Tally | None = None,
        *,
        module: str = MODULE,
        on_event: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._job, self._devices, self._tally, self._module = job, devices, tally, module
        self._on_event = on_event
        self._group = group_of(job.batch)
        self._most = 2 * self._group if self._group > 1 else _ON_THE_WAY
        self._window = _AHEAD * self._most * len(devices)
        self._workers: list[_Worker] = []
        self._heard: queue.SimpleQueue[tuple[_Worker, dict[str, Any] | None]] = queue.SimpleQueue()
        self._idle_ends = 0

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(at_once=error is not None)

    @property
    def pids(self) -> tuple[int, ...]:
        """Ids of the processes that are there now."""
        return tuple(worker.process.pid for worker in self._workers)

    def sentences(self) -> tuple[str, ...]:
        """See :meth:`~maskrcnn_core.batch.running.Runner.sentences`."""
        return () if self._tally is None else self._tally.sentences()

    def results(self, tasks: Iterable[Task]) -> Generator[Result, None, None]:
        """See :meth:`~maskrcnn_core.batch.running.Runner.results`.

        Raises:
            InferenceError: if no process can be started, or all have ended.
            CoreError: what a process had to stop for.
        """
        given = iter(tasks)
        first = list(islice(given, 1))
        if not first:
            return  # nothing is started for nothing
        share, is_done = _Share(chain(first, given), self._group), False
        try:
            if not self._workers:
                for device in self._devices:
                    self._start(device)
            self._hand_out(share)  # those of an earlier run are ready
            while not share.is_done:
                self._hear(share)
                self._hand_out(share)
                for result in share.ready():
                    if self._tally is not None:
                        self._tally.add(result.task.shown, result.limits, result.guess)
                    yield result
                    self._hand_out(share)
            is_done = True
        finally:
            if not is_done:
                self.close(at_once=True)  # what they have in hand is nobody's

    def close(self, *, at_once: bool = False) -> None:
        """End all processes; not at once, they end by themselves as they have nothing to do."""
        for worker in self._workers:
            if at_once:
                worker.process.kill()
            else:
                worker.tell({"end": True})
        for worker in self._workers:
            try:
                worker.process.wait(_ENDING)
            except subprocess.TimeoutExpired:
                worker.process.kill()
            worker.end()
        self._workers.clear()

    # -- handing out ------------------------------------------------------------------------------

    def _hand_out(self, share: _Share) -> None:
        while free := [one for one in self._workers if self._is_free(one)]:
            worker = min(free, key=lambda one: len(one.has))
            if share.again and not worker.has:
                worker.is_trying_again = True
                worker.give([share.again.popleft()])
                continue
            tasks = share.next_group() if len(share.begun) < self._window else []
            if not tasks:
                return
            worker.give(tasks)

    def _is_free(self, worker: _Worker) -> bool:
        room = len(worker.has) + self._group <= self._most
        return worker.is_ready and not worker.is_trying_again and room

    # -- what workers say -------------------------------------------------------------------------

    def _start(self, device: str) -> None:
        package = os.environ.get("PYTHONPATH", "")
        environment = {**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{package}" if package else str(_ROOT)}
        if device == "cpu":
            environment["OMP_NUM_THREADS"] = str(THREADS)
        process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # Ctrl-C is for the one that started it, which ends it.
            process_group=0 if os.name == "posix" else None,
        )
        worker = _Worker(device, process)
        self._workers.append(worker)
        worker.tell({"job": self._job.row(), "device": device})
        threading.Thread(
            target=self._listen, args=(worker,), name=f"worker-{process.pid}", daemon=True
        ).start()

    def _listen(self, worker: _Worker) -> None:
        out: IO[bytes] | None = worker.process.stdout
        assert out is not None
        with suppress(ValueError):  # it ended in the midst of a line, or its output was closed
            for line in out:
                self._heard.put((worker, json.loads(line)))
        self._heard.put((worker, None))

    def _hear(self, share: _Share) -> None:
        """Wait for something that a worker says, and take it in."""
        worker, row = self._heard.get()
        if worker not in self._workers:
            return  # of an earlier run
        if row is None:
            self._replace(worker, share)
        elif "ready" in row:
            worker.is_ready = True
        elif "stopped" in row:
            kind = getattr(errors, str(row["stopped"]), InferenceError)
            raise kind(str(row["message"]))
        else:
            task = worker.has.pop(int(row["id"]))
            worker.is_trying_again = False
            share.done[task.id] = Result.of_row(task, row)

    def _replace(self, worker: _Worker, share: _Share) -> None:
        """Take leave of a worker that has ended, and have what it had tried again."""
        self._workers.remove(worker)
        how = _told(worker.end())
        if not worker.is_ready or not worker.has:
            self._idle_ends += 1
        if worker.is_trying_again:
            (task,) = worker.has.values()
            reason = f"its worker process ended twice while it had this image ({how})"
            share.done[task.id] = Result(task, failed=f"{reason}; it may need more memory than there is")
        else:
            share.again += worker.has.values()
        if self._idle_ends < _IDLE_ENDS:
            had = counted(len(worker.has), "image")
            self._on_event(
                f"a worker process on {worker.device} ended ({how}) with {had}; another one begins"
            )
            self._start(worker.device)
        elif not self._workers:
            raise InferenceError(
                f"all worker processes have ended ({how}); run with fewer --workers, or resume the run"
            )


def _told(code: int) -> str:
    try:
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
