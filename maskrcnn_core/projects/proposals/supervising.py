"""Keeps a worker at work while a store has jobs for one, whoever looks.

One supervisor of this process for each store, in a thread: it starts a worker, sees it end, and starts
another, after a pause that doubles where workers end by mistake. It lives while there is something to do.
What it knows of a worker that ended is told where jobs are shown (:func:`told_of_worker`).
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.proposals import jobs, workers
from maskrcnn_core.projects.proposals.worker import cut_log, is_at_work, log_file
from maskrcnn_core.projects.proposals.workers import worker_prefix
from maskrcnn_core.projects.store import Store

__all__ = ["Supervisor", "ensure_worker", "is_given_up", "start_worker", "told_of_worker"]

LOOK_SECONDS = 1.0
ASK_SECONDS = 5.0
"""Between questions to the database while no worker of this process is at work: another's may be."""
FIRST_PAUSE = 2.0
MOST_PAUSE = 60.0
TRIES = 5
"""After this many workers in a row that failed soon after their start, no other one is started."""
STEADY_SECONDS = 30.0
"""A worker that ended later had been at work; its end counts as the first in a row."""
_STOPPED = 130  # what a worker that was asked to end leaves with
_NEW_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows knows no sessions
_TAIL = 4096  # bytes of the log that are looked at for the reason
_REASON = 300  # characters of it that are told


class Supervisor:
    """What one process does for the jobs of a store.

    Args:
        store: whose jobs.
        start: starts a worker.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        store: Store,
        start: Callable[[StorePlace], subprocess.Popen[bytes]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._start = start or start_worker
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._ended: list[int] = []  # processes whose images are still in their name
        self._falls = 0
        self._reason = ""
        self._again_at = -math.inf
        self._thread: threading.Thread | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether no other worker is started until somebody asks for it."""
        return self._falls >= TRIES

    def told(self) -> str:
        """Return what became of the last worker, in a sentence; empty while all is well."""
        if not self._falls:
            return ""
        if self.is_given_up:
            return (
                f"the worker ended {self._falls} times in a row ({self._reason}), and will not restart by "
                "itself"
            )
        left = math.ceil(self._again_at - self._clock())
        if self._process is None and left > 0:
            return f"the worker ended ({self._reason}), restarting in {left} s"
        return f"the worker ended ({self._reason}), and is restarting"

    def look(self, *, anew: bool = False) -> bool:
        """See what became of the worker, and start one if there is a job for it and none is at work.

        Args:
            anew: somebody asks for it: what went wrong before does not count.

        Returns:
            Whether it started one.

        Raises:
            StoreError: if the store cannot be read, or the worker cannot be started.
        """
        with self._one_at_a_time:
            now = self._clock()
            self._see_end(now)
            if anew:
                self._falls, self._again_at = 0, -math.inf
            self._bury()
            if self._process is not None or self.is_given_up or now < self._again_at:
                return False
            place = self.store.place
            if not jobs.has_work(self.store) or is_at_work(place):
                return False
            try:
                self._process, self._began = self._start(place), now
            except StoreError as error:
                self._fall(str(error), now)
                raise
            return True

    def watch(self) -> None:
        """Go on looking by itself, until there is nothing to do."""
        with self._one_at_a_time:
            if self._thread is None and self._has_cause():
                self._thread = threading.Thread(target=self._go_on, name="supervisor of workers", daemon=True)
                self._thread.start()

    def _go_on(self) -> None:
        pause = LOOK_SECONDS
        while True:
            time.sleep(pause)
            try:
                self.look()
                with self._one_at_a_time:
                    if not self._has_cause():
                        self._thread = None
                        return
                    is_near = self._process is not None or self._falls
                pause = LOOK_SECONDS if is_near else ASK_SECONDS
            except StoreError:
                # The database is away, or no worker can be started: both may pass.
                pause = min(max(2 * pause, ASK_SECONDS), MOST_PAUSE)

    def _has_cause(self) -> bool:
        if self._process is not None or self._ended:
            return True
        return not self.is_given_up and any(job.state != "paused" for job in jobs.open_jobs(self.store))

    def _see_end(self, now: float) -> None:
        process = self._process
        if process is None:
            return
        code = process.poll()
        is_steady = now - self._began >= STEADY_SECONDS
        if code is None:
            if is_steady:
                self._falls = 0
            return
        self._process = None
        if process.stdin is not None:
            process.stdin.close()  # the pipe whose end tells a worker that this process is gone
        self._ended.append(process.pid)
        if code == 0 or is_steady:
            self._falls = 0
        if code != 0:
            self._fall(_why(code, self.store.place), now)

    def _fall(self, reason: str, now: float) -> None:
        self._falls += 1
        self._reason = reason
        self._again_at = now + min(FIRST_PAUSE * 2 ** (self._falls - 1), MOST_PAUSE)

    def _bury(self) -> None:
        """Free what a dead process holds at once, not only when its signs of life have grown old."""
        while self._ended:
            workers.bury(self.store, worker_prefix(self._ended[0]))
            del self._ended[0]


def _why(code: int, place: StorePlace) -> str:
    if code in (-signal.SIGTERM, _STOPPED):
        return "stopped"
    if code < 0:
        number = -code
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return "killed" if number == getattr(signal, "SIGKILL", 9) else f"crashed: {name}"
    last = _last_line(log_file(place))
    return f"code {code}: {last}" if last else f"code {code}"


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            lines = stream.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return one_line(next((line for line in reversed(lines) if line.strip()), "").strip())[:_REASON]


# -- one for each store -----------------------------------------------------------------------------


_SUPERVISORS: dict[StorePlace, Supervisor] = {}
_LOCK = threading.Lock()


def ensure_worker(store: Store, *, anew: bool = False) -> bool:
    """Keep a worker at work while there are jobs, from now on and without being asked again.

    One small query, where there is nothing to do; meant to be called whenever a page is drawn. The worker
    ends half a minute after its last job, or with this process.

    Args:
        store: whose jobs.
        anew: somebody has just asked for work: workers that ended before are no reason to wait.

    Returns:
        Whether it started one at once.

    Raises:
        StoreError: if the store cannot be read, or the worker cannot be started.
    """
    with _LOCK:
        supervisor = _SUPERVISORS.setdefault(store.place, Supervisor(store))
        supervisor.store = store
    try:
        return supervisor.look(anew=anew)
    finally:
        supervisor.watch()


def told_of_worker(store: Store) -> str:
    """Return what became of the last worker that this process started for a store.

    Empty while all is well.
    """
    supervisor = _SUPERVISORS.get(store.place)
    return "" if supervisor is None else supervisor.told()


def is_given_up(store: Store) -> bool:
    """Return whether this process starts no other worker for a store until somebody asks."""
    supervisor = _SUPERVISORS.get(store.place)
    return supervisor is not None and supervisor.is_given_up


# -- starting one -----------------------------------------------------------------------------------


def start_worker(place: StorePlace) -> subprocess.Popen[bytes]:
    """Start a worker of a store, which ends with this process.

    Raises:
        StoreError: if it cannot be started.
    """
    log = log_file(place)
    # The folder that the person stands in is kept, as the environment may hold relative paths; and it is no
    # place to look for modules in (``-P``).
    command = [
        sys.executable,
        "-P",
        "-m",
        "maskrcnn_core",
        "project",
        "work",
        "--idle",
        "30",
        "--with-parent",
    ]
    # Threads that wait for each other sleep: spinning, they would take the app's time for nothing.
    environment = {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ | environment_of(place)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a+b") as stream:
            cut_log(stream.fileno())
            return subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                # Ctrl-C in the app's terminal is for the app: the worker ends because its input does.
                start_new_session=True,
                creationflags=_NEW_GROUP,
            )
    except OSError as error:
        raise StoreError(
            f"{one_line(str(log))}: cannot start a worker ({error.strerror or error})"
        ) from error


def environment_of(place: StorePlace) -> dict[str, str]:
    """Return what :func:`~maskrcnn_core.projects.db.location.find_place` makes this place of."""
    if "://" in place.files:
        data, _, last = place.files.rpartition("/")
    else:
        folder = Path(place.files)  # Windows parts its folders with another sign
        data, last = str(folder.parent), folder.name
    if last != "files":
        raise StoreError(
            f"{one_line(place.files)}: a worker needs a place that {DATA_VARIABLE} can name, with its files "
            "in a folder called 'files'"
        )
    return {DATA_VARIABLE: data, DATABASE_VARIABLE: place.database.render_as_string(hide_password=False)}
