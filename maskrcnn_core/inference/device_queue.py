"""One queue for each device: runs go one after another, and everybody sees their place.

A network takes all of a device; two at once would be slower than one after the other and need twice
the memory. Clients (browser sessions) take turns, so that one who drops in five hundred images does
not keep another waiting for one.
"""

from __future__ import annotations

import atexit
import logging
import statistics
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, Literal, TypeVar

from cachetools import LRUCache

__all__ = ["DeviceQueue", "QueuedRun", "RunState", "device_queue_for"]

_T = TypeVar("_T")

RunState = Literal["waiting", "running", "done", "failed", "cancelled"]

_log = logging.getLogger(__name__)

_REMEMBERED = 5  # runs of a kind
_OVERDUE = 4
_KINDS = 100
_LAST = 10.0  # seconds that the run of a process that ends may still take


class QueuedRun(Generic[_T]):
    """A run of an image that waits for a device, or had its turn.

    Attributes:
        state: where it stands; ``failed`` means that the work raised, which is a bug of the work.
        result: what the work returned, once ``done``.
        error: what it raised, once ``failed``.
        took: seconds that the work took, once it has ended here.
    """

    def __init__(
        self,
        queue: DeviceQueue,
        client: str,
        work: Callable[[], _T],
        kind: str = "",
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._queue, self.client, self._work, self.kind = queue, client, work, kind
        self._on_end = on_end
        self._finished = threading.Event()
        self.state: RunState = "waiting"
        self.result: _T | None = None
        self.error: BaseException | None = None
        self.took: float | None = None

    @classmethod
    def finished(cls, queue: DeviceQueue, client: str, result: _T) -> QueuedRun[_T]:
        """Return a run that was done elsewhere."""
        queued = cls(queue, client, lambda: result)
        queued.result, queued.state = result, "done"
        queued._finished.set()
        return queued

    @property
    def place(self) -> int:
        """How many runs run before this one ends its waiting: 0 when it runs or has ended."""
        return self._queue.place_of(self)

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")

    def cancel(self) -> bool:
        """Take it out of the queue; one that runs already goes on to its end.

        Returns:
            Whether it was taken out.
        """
        return self._queue.remove(self)

    @property
    def seconds_left(self) -> float | None:
        """About how long it takes until its end; ``None`` if it is not active or nobody can know yet."""
        return self._queue.seconds_until_end_of(self)

    def hurry(self) -> None:
        """Put it before its client's other waiting runs."""
        self._queue.put_first(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end; ``False`` if ``timeout`` seconds passed first."""
        return self._finished.wait(timeout)

    def _run(self) -> None:
        began = time.monotonic()
        try:
            self.result = self._work()
        except Exception as error:  # the queue's thread must live on; whoever reads its state sees it
            _log.exception("a queued run failed")
            self.took = time.monotonic() - began
            self.error, self.state = error, "failed"
        else:
            self.took = time.monotonic() - began
            self.state = "done"
        self._finished.set()
        if self._on_end is not None:
            try:
                self._on_end()
            except Exception:
                _log.exception("a queued run's end could not be reported")


class DeviceQueue:
    """A queue with its own thread for runs: clients take turns, and each client's runs keep their order."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, deque[QueuedRun[object]]] = OrderedDict()
        self._running: QueuedRun[object] | None = None
        self._took: LRUCache[str, deque[float]] = LRUCache(_KINDS)
        self._began = 0.0
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def submit(
        self,
        client: str,
        work: Callable[[], _T],
        *,
        first: bool = False,
        kind: str = "",
        on_end: Callable[[], None] | None = None,
    ) -> QueuedRun[_T]:
        """Add a run.

        Args:
            client: who waits for it.
            work: called once, on the queue's thread.
            first: before the client's other waiting runs, as for the image that is looked at.
            kind: runs of one kind take about as long as each other, such as images for one model.
            on_end: called on the queue's thread once the run has ended there; it must be quick.
        """
        queued: QueuedRun[_T] = QueuedRun(self, client, work, kind, on_end)
        with self._changed:
            mine = self._waiting.setdefault(client, deque())
            entry: QueuedRun[object] = queued  # type: ignore[assignment]  # the queue never reads the result
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
        return queued

    def place_of(self, queued: QueuedRun[_T]) -> int:
        """See :attr:`QueuedRun.place`."""
        with self._changed:
            mine = self._waiting.get(queued.client, deque())
            if queued.state != "waiting" or queued not in mine:
                return 0
            return sum(count for _, count in self._before(queued)) + (self._running is not None)

    def seconds_until(self, client: str) -> float | None:
        """Return about how long it takes until a run of this client begins or ends; ``None`` if it has none.

        By what the last runs took. One that takes longer is thought to take a quarter longer still.
        """
        with self._changed:
            left = self._left_of_running()
            if self._running is not None and self._running.client == client:
                return left
            for waiting, runs in self._waiting.items():
                if waiting == client:
                    return left
                left += self._expected(runs[0])
        return None

    def seconds_until_end_of(self, queued: QueuedRun[_T]) -> float | None:
        """See :attr:`QueuedRun.seconds_left`."""
        with self._changed:
            if not queued.is_active or not self._usual(queued.kind):
                return None
            left = self._left_of_running()
            if queued is self._running:
                return left
            before = sum(
                self._expected(one) for runs, count in self._before(queued) for one in islice(runs, count)
            )
            return left + before + self._expected(queued)

    def _before(self, queued: QueuedRun[_T]) -> Iterator[tuple[deque[QueuedRun[object]], int]]:
        """Yield each client's waiting runs, and how many of them run before this one."""
        rounds = self._waiting[queued.client].index(queued)  # type: ignore[arg-type]
        own_turn_passed = False
        for client, runs in self._waiting.items():
            own_turn_passed = own_turn_passed or client == queued.client
            # Clients whose turn comes before ours take part in our round, too.
            yield runs, min(len(runs), rounds if own_turn_passed else rounds + 1)

    def _left_of_running(self) -> float:
        if self._running is None:
            return 0.0
        so_far = time.monotonic() - self._began
        return max(self._usual(self._running.kind) - so_far, so_far / _OVERDUE)

    def _expected(self, queued: QueuedRun[_T]) -> float:
        """Return the seconds that a run takes, by others of its kind.

        One that runs longer than those counts, too.
        """
        took = self._usual(queued.kind)
        if self._running is not None and self._running.kind == queued.kind:
            took = max(took, time.monotonic() - self._began)
        return took

    def _usual(self, kind: str) -> float:
        """Return the median of the last runs of a kind, as a first one often takes long.

        0 where there was none.
        """
        return statistics.median(self._took.get(kind, (0.0,)))

    def put_first(self, queued: QueuedRun[_T]) -> None:
        """See :meth:`QueuedRun.hurry`."""
        with self._changed:
            mine = self._waiting.get(queued.client, deque())
            if queued in mine:
                mine.remove(queued)  # type: ignore[arg-type]
                mine.appendleft(queued)  # type: ignore[arg-type]

    def remove(self, queued: QueuedRun[_T]) -> bool:
        """See :meth:`QueuedRun.cancel`."""
        with self._changed:
            mine = self._waiting.get(queued.client, deque())
            if queued.state != "waiting" or queued not in mine:
                return False
            mine.remove(queued)  # type: ignore[arg-type]
            if not mine:
                del self._waiting[queued.client]
            queued.state = "cancelled"
        queued._finished.set()
        return True

    def __len__(self) -> int:
        """Return the number of runs that wait or run."""
        with self._changed:
            return sum(len(runs) for runs in self._waiting.values()) + (self._running is not None)

    def _close(self) -> None:
        """End the thread after the one that runs: torch aborts a process that ends in the midst of it."""
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
                client, runs = next(iter(self._waiting.items()))
                queued = runs.popleft()
                if runs:
                    self._waiting.move_to_end(client)
                else:
                    del self._waiting[client]
                queued.state = "running"
                self._running = queued
                self._began = time.monotonic()
            queued._run()
            self._learn(queued.kind, time.monotonic() - self._began)
            del queued  # its result belongs to whoever holds it, not to this thread

    def _learn(self, kind: str, took: float) -> None:
        with self._changed:
            self._took.setdefault(kind, deque(maxlen=_REMEMBERED)).append(took)


_queues: dict[str, DeviceQueue] = {}
_queues_lock = threading.Lock()


def device_queue_for(device: str) -> DeviceQueue:
    """Return the process's one queue for a device, made when it is first asked for."""
    with _queues_lock:
        return _queues.setdefault(device, DeviceQueue(device))
