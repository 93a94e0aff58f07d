"""One queue for each device: jobs run one after another, and everybody sees their place.

A network takes all of a device; two at once would be slower than one after the other and need twice
the memory. Clients (browser sessions) take turns, so that one who drops in five hundred images does
not keep another waiting for one.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

__all__ = ["DeviceQueue", "Job", "JobState", "queue_for"]

_T = TypeVar("_T")

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]

_log = logging.getLogger(__name__)

_NEWS = 0.3  # share of the last job in what jobs are said to take
_OVERDUE = 4
_LAST = 10.0  # seconds that the job of a process that ends may still take


class Job(Generic[_T]):
    """A piece of work in a queue.

    Attributes:
        state: where it stands; ``failed`` means that the work raised, which is a bug of the work.
        result: what the work returned, once ``done``.
        error: what it raised, once ``failed``.
        took: seconds that the work took, once it has ended here.
    """

    def __init__(self, queue: DeviceQueue, client: str, work: Callable[[], _T]) -> None:
        self._queue, self.client, self._work = queue, client, work
        self._finished = threading.Event()
        self.state: JobState = "waiting"
        self.result: _T | None = None
        self.error: BaseException | None = None
        self.took: float | None = None

    @classmethod
    def finished(cls, queue: DeviceQueue, client: str, result: _T) -> Job[_T]:
        """A job that was done elsewhere."""
        job = cls(queue, client, lambda: result)
        job.result, job.state = result, "done"
        job._finished.set()
        return job

    @property
    def place(self) -> int:
        """How many jobs run before this one ends its waiting: 0 when it runs or has ended."""
        return self._queue.place_of(self)

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")

    def cancel(self) -> bool:
        """Takes it out of the queue; one that runs already goes on to its end.

        Returns:
            Whether it was taken out.
        """
        return self._queue.remove(self)

    def hurry(self) -> None:
        """Puts it before its client's other waiting jobs."""
        self._queue.put_first(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for its end; ``False`` if ``timeout`` seconds passed first."""
        return self._finished.wait(timeout)

    def _run(self) -> None:
        began = time.monotonic()
        try:
            self.result = self._work()
        except Exception as error:  # the queue's thread must live on; whoever reads the job sees it
            _log.exception("a queued job failed")
            self.took = time.monotonic() - began
            self.error, self.state = error, "failed"
        else:
            self.took = time.monotonic() - began
            self.state = "done"
        self._finished.set()


class DeviceQueue:
    """Runs jobs on a thread of its own, clients in turn, each client's own in the order they came."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, deque[Job[object]]] = OrderedDict()
        self._running: Job[object] | None = None
        self._took: float | None = None
        self._began = 0.0
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def submit(self, client: str, work: Callable[[], _T], *, first: bool = False) -> Job[_T]:
        """Adds a job.

        Args:
            client: who waits for it.
            work: called once, on the queue's thread.
            first: before the client's other waiting jobs, as for the image that is looked at.
        """
        job: Job[_T] = Job(self, client, work)
        with self._changed:
            mine = self._waiting.setdefault(client, deque())
            entry: Job[object] = job  # type: ignore[assignment]  # the queue never reads the result
            if first:
                mine.appendleft(entry)
            else:
                mine.append(entry)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work_off, name=f"queue-{self._name}", daemon=True
                )
                self._thread.start()
                atexit.register(self._close)
            self._changed.notify()
        return job

    def place_of(self, job: Job[_T]) -> int:
        """See :attr:`Job.place`."""
        with self._changed:
            mine = self._waiting.get(job.client, deque())
            if job.state != "waiting" or job not in mine:
                return 0
            rounds = mine.index(job)  # type: ignore[arg-type]
            before = 0
            own_turn_passed = False
            for client, jobs in self._waiting.items():
                own_turn_passed = own_turn_passed or client == job.client
                # Clients whose turn comes before ours take part in our round, too.
                before += min(len(jobs), rounds if own_turn_passed else rounds + 1)
            return before + (self._running is not None)

    def seconds_until(self, client: str) -> float | None:
        """About how long it takes until a job of this client begins or ends; ``None`` if it has none.

        By what the last jobs took. One that takes longer is thought to take a quarter longer still.
        """
        with self._changed:
            left = took = self._took or 0.0
            if self._running is not None:
                so_far = time.monotonic() - self._began
                left = max(took - so_far, so_far / _OVERDUE)
                took = max(took, so_far)
                if self._running.client == client:
                    return left
            for turn, waiting in enumerate(self._waiting):
                if waiting == client:
                    return left + turn * took
        return None

    def put_first(self, job: Job[_T]) -> None:
        """See :meth:`Job.hurry`."""
        with self._changed:
            mine = self._waiting.get(job.client, deque())
            if job in mine:
                mine.remove(job)  # type: ignore[arg-type]
                mine.appendleft(job)  # type: ignore[arg-type]

    def remove(self, job: Job[_T]) -> bool:
        """See :meth:`Job.cancel`."""
        with self._changed:
            mine = self._waiting.get(job.client, deque())
            if job.state != "waiting" or job not in mine:
                return False
            mine.remove(job)  # type: ignore[arg-type]
            if not mine:
                del self._waiting[job.client]
            job.state = "cancelled"
        job._finished.set()
        return True

    def __len__(self) -> int:
        """Jobs that wait or run."""
        with self._changed:
            return sum(len(jobs) for jobs in self._waiting.values()) + (self._running is not None)

    def _close(self) -> None:
        """Ends the thread after the job that runs: torch aborts a process that ends in the midst of it."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_LAST)

    def _work_off(self) -> None:
        while True:
            with self._changed:
                self._running = None
                while not self._waiting and not self._is_closing:
                    self._changed.wait()
                if self._is_closing:
                    return
                client, jobs = next(iter(self._waiting.items()))
                job = jobs.popleft()
                if jobs:
                    self._waiting.move_to_end(client)
                else:
                    del self._waiting[client]
                job.state = "running"
                self._running = job
                self._began = time.monotonic()
            job._run()
            took = time.monotonic() - self._began
            self._took = took if self._took is None else self._took + _NEWS * (took - self._took)
            del job  # its result belongs to whoever holds it, not to this thread


_queues: dict[str, DeviceQueue] = {}
_queues_lock = threading.Lock()


def queue_for(device: str) -> DeviceQueue:
    """The process's one queue for a device, made when it is first asked for."""
    with _queues_lock:
        return _queues.setdefault(device, DeviceQueue(device))
