"""Works off the jobs of a store, in a process of its own: a long run then needs no open page.

One worker for each computer and store, held apart by a lock on a file: two would only take each other's
memory and time. The app starts one when there is something to do, and again where it ended before that was
done (:mod:`maskrcnn_core.projects.proposals.supervising`). It ends when the app does, after the image that it
is at; its job then waits, and the next worker goes on with it. A worker that is killed leaves nothing half:
each image's run and proposals are one commit or not there.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from platformdirs import user_data_path
from sqlalchemy.exc import DBAPIError

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.detection.limits import LimitTally
from maskrcnn_core.errors import CoreError, InputError, StoreError
from maskrcnn_core.inference.engines.table import EXACT
from maskrcnn_core.models.catalog import model_by_key
from maskrcnn_core.models.loading import load_model
from maskrcnn_core.models.pins import is_current
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.proposals import job_claims, jobs
from maskrcnn_core.projects.proposals.job_rows import JobRow, JobSettings, Progress
from maskrcnn_core.projects.proposals.proposing import ProposeReport, propose, told_counts
from maskrcnn_core.projects.seeing import seen_as, stretch_of
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.samples import pixels_for

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.spec import LoadedModel
    from maskrcnn_core.projects.proposals.working_elsewhere import Elsewhere

__all__ = [
    "Go",
    "Models",
    "StopAsked",
    "cut_log",
    "is_at_work",
    "log_file",
    "only_worker",
    "serve_parent",
    "work_off",
    "worker_prefix",
]

BEAT_SECONDS = 5.0
POLL_SECONDS = 1.0
TRIES = 5
"""How often in a row a job that the database has refused is begun again, each time after a longer pause."""
LOG_BYTES = 500_000
"""The log is cut to its newer half when it is longer."""

Event = Callable[[str], object]


# -- the work ---------------------------------------------------------------------------------------


def work_off(
    store: Store,
    *,
    on_event: Event = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    idle_seconds: float | None = 0.0,
) -> int:
    """Do one job after another. A job that goes wrong is marked as failed, and the next one begins.

    Args:
        store: whose jobs.
        on_event: told in a sentence what begins, ends and goes wrong.
        stop: asked before each image and while waiting; the job in hand is then put back.
        idle_seconds: wait this long for a new job before the end; ``None`` for ever.

    Returns:
        How many jobs it had in hand.

    Raises:
        StoreError: if the store cannot be asked for jobs.
    """
    name = f"{worker_prefix(os.getpid())}{uuid.uuid4().hex[:8]}"
    models = Models()
    count, idle_since = 0, time.monotonic()
    while not stop():
        job = job_claims.claim_job(store, name)
        if job is not None:
            count += 1
            Go(store, job, name, on_event, stop).do(models)
            idle_since = time.monotonic()
        elif idle_seconds is not None and time.monotonic() - idle_since >= idle_seconds:
            break
        else:
            time.sleep(POLL_SECONDS if idle_seconds is None else min(POLL_SECONDS, idle_seconds))
    return count


def worker_prefix(pid: int) -> str:
    """Return what the names of a process's workers begin with, if it is one of this computer."""
    return f"{socket.gethostname()}:{pid}:"


class Models:
    """The last model: its jobs load it once, and no two models share memory."""

    def __init__(self) -> None:
        self._last: LoadedModel | None = None

    def get(self, key: str) -> LoadedModel:
        """Return a model from the menu."""
        spec = model_by_key(key)
        last = self._last
        # A file that was trained again has another SHA-256, and is another model under the same key.
        if last is None or last.key != key or not is_current(spec, last.digest):
            self._last = last = None  # before the next one comes
            self._last = last = load_model(spec)
        return last


class Go:
    """One job in the hands of a worker, from its claim until it is done, left or failed."""

    def __init__(
        self,
        store: Store,
        job: JobRow,
        worker: str,
        on_event: Event,
        stop: Callable[[], bool],
        elsewhere: Elsewhere | None = None,
        on_report: Callable[[ProposeReport], object] = lambda _: None,
    ) -> None:
        self._store = store
        self._job = job
        self._worker = worker
        self._stop = stop
        self._on_event = on_event
        self._elsewhere = elsewhere
        self._on_report = on_report
        self._ran = 0
        self._limits = LimitTally()

    def do(self, models: Models) -> None:
        """Do a job: whatever happens, its row says so, and nothing but an interrupt comes out of here."""
        self._tell("begins")
        try:
            with self._signs_of_life():
                try:
                    self._end(self._run_again(models))
                except CoreError as error:
                    self._fail(str(error))
                except Exception as error:
                    self._tell(traceback.format_exc())
                    self._fail(
                        f"stopped by an error in the program ({type(error).__name__}: "
                        f"{one_line(str(error))[:300]}); the worker's log says more"
                    )
        except StoreError as error:
            # The row cannot be written: without signs of life the job is resumed when it can.
            self._tell(str(error))
        except KeyboardInterrupt:
            job_claims.leave_job(self._store, self._job.id, self._worker)
            raise

    def _tell(self, sentence: str) -> None:
        self._on_event(f"job {self._job.id} ({one_line(self._job.model_key)}): {sentence}")

    def _end(self, report: ProposeReport) -> None:
        if report.was_cancelled:
            job_claims.leave_job(self._store, self._job.id, self._worker)
            self._tell(f"left after {report.images + len(report.failed)} of {counted(report.total, 'image')}")
            return
        cut = "; ".join(self._limits.sentences("'project annotate --max-detections'"))
        if job_claims.end_job(self._store, self._job.id, self._worker, "done", cut):
            self._tell(
                f"done: {counted(report.ran, 'image')} newly run, "
                f"{told_counts(report.proposed, report.replaced, report.there, report.decided)}, "
                f"{counted(len(report.failed), 'image')} failed"
            )
            if cut:
                self._tell(cut)

    def _fail(self, message: str) -> None:
        job_claims.end_job(self._store, self._job.id, self._worker, "failed", message)
        self._tell(f"failed: {message}")

    def _run_again(self, models: Models) -> ProposeReport:
        """Run until nothing is left. A database that is locked or gone for a moment ends no long job."""
        tries = 0
        while True:
            before = self._ran
            try:
                self._job = jobs.job(self._store, self._job.id)  # with the counts of earlier goes
                return self._run(models)
            except StoreError as error:
                tries = 1 if self._ran > before else tries + 1
                if tries >= TRIES or self._stop() or not isinstance(error.__cause__, DBAPIError):
                    raise
                self._tell(f"retrying: {error}")
                time.sleep(2.0**tries)

    def _run(self, models: Models) -> ProposeReport:
        settings = self._job.settings
        _check_categories(self._store, self._job.project_id, settings)
        model, elsewhere = models.get(self._job.model_key), self._elsewhere
        stretch = stretch_of(self._store.project(self._job.project_id))
        count = self._store.images_to_run(self._job.project_id, seen_as(model.digest, stretch))
        predictor = self._predictor(model, settings.engine, count)
        mapping = _labels(predictor, settings)
        save = self._saver()

        def must_end() -> bool:
            if self._stop() or not job_claims.go_on(self._store, self._job.id, self._worker):
                return True
            _check_categories(self._store, self._job.project_id, settings)
            return False

        return propose(
            self._store,
            self._job.project_id,
            predictor,
            settings.thresholds,
            mapping,
            on_report=save,
            cancelled=must_end,
            limits=self._limits,
            exact_only=settings.engine == EXACT.key,
            elsewhere=None if elsewhere is None else elsewhere.runs(predictor, count),
        )

    def _predictor(self, model: LoadedModel, engine: str, count: int) -> Predictor:
        """Return the model with the engine for as many images as are still to be run, and note which."""
        from maskrcnn_core.inference.engines.choosing import choose_engine  # with torch
        from maskrcnn_core.inference.predictor import Predictor

        if self._elsewhere is not None:
            predictor = self._elsewhere.predictor(model, engine, count)
            job_claims.write_engine(self._store, self._job.id, self._worker, predictor.engine.told)
            return predictor
        made = choose_engine(
            model,
            key=engine,
            images=lambda: pixels_for(model.domains),
            count=count,
            on_step=lambda step: self._tell(f"engine: {step} ..."),
        )
        job_claims.write_engine(self._store, self._job.id, self._worker, made.told)
        return Predictor(model, engine=made)

    def _saver(self) -> Callable[[ProposeReport], None]:
        """Write reports into the job's row. The first one comes before the first image."""
        began, told = 0.0, 0
        earlier: int | None = None

        def save(report: ProposeReport) -> None:
            nonlocal began, told, earlier
            done = report.images + len(report.failed)
            if earlier is None:  # what loading took is no part of the rate
                began, earlier = time.monotonic(), done
            progress = Progress(
                total=report.total,
                done=done,
                proposed=report.proposed,
                decided=report.decided,
                replaced=report.replaced,
                there=report.there,
                failures=report.failed,
                ran=done - earlier,
                ran_seconds=time.monotonic() - began,
            )
            job_claims.write_progress(self._store, self._job, self._worker, progress)
            self._ran += done > earlier
            self._on_report(report)
            for sentence in report.failed[told:]:
                self._tell(sentence)
            told = len(report.failed)

        return save

    @contextmanager
    def _signs_of_life(self) -> Iterator[None]:
        """Beat from a separate thread, as one image may take longer than a worker may be silent."""
        ended = threading.Event()

        def beats() -> None:
            while not ended.wait(BEAT_SECONDS):
                try:
                    job_claims.beat(self._store, self._job.id, self._worker)
                except StoreError as error:
                    self._tell(f"a heartbeat could not be written: {error}")

        thread = threading.Thread(target=beats, name=f"beats of job {self._job.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _check_categories(store: Store, project_id: int, settings: JobSettings) -> None:
    """Check, before each image, that no category is gone: nobody would see what is offered for it."""
    store.project(project_id)
    store.refuse_closed(project_id)
    present = {row.id for row in store.categories(project_id)}
    gone = [one_line(name) for name, id_ in settings.mapping.items() if id_ not in present]
    if gone:
        raise InputError(
            f"categories: what the model calls {', '.join(gone)} was mapped to a category the project no "
            "longer has; start a new job with the current categories"
        )


def _labels(predictor: Predictor, settings: JobSettings) -> dict[int, int]:
    """Map the model's labels to the store's category ids."""
    label_map = predictor.model.label_map
    labels = {c.name: label for c, label in zip(label_map, label_map.labels, strict=True)}
    unknown = [one_line(name) for name in settings.mapping if name not in labels]
    if unknown:
        raise InputError(
            f"model {one_line(predictor.model.key)}: it has no category {', '.join(unknown)} (any longer); "
            "start a new job with the categories it has"
        )
    return {labels[name]: id_ for name, id_ in settings.mapping.items()}


# -- the worker's process ---------------------------------------------------------------------------


class StopAsked:
    """Whether a worker is to end: ``stop()`` is what :func:`work_off` asks.

    A plain flag: what a signal's handler does must not wait for a lock that the interrupted code may hold.
    """

    def __init__(self) -> None:
        self.is_asked = False

    def __call__(self) -> bool:
        return self.is_asked

    @contextmanager
    def by_signals(self, on_event: Event = lambda _: None) -> Iterator[None]:
        """Ask the worker to stop on Ctrl-C or SIGTERM; the second one interrupts at once.

        For the main thread.
        """

        def ask(_number: int, _frame: object) -> None:
            if self.is_asked:
                raise KeyboardInterrupt
            self.is_asked = True
            on_event("stopping after the current image; press again to stop at once")

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve_parent(stop: StopAsked) -> None:
    """Make this process serve the one that started it: it ends with it, and gives way to others.

    The parent holds the other end of the standard input: when the parent ends, however that happens, the
    system closes it.
    """
    if hasattr(os, "nice"):
        os.nice(10)

    def wait_for_the_end() -> None:
        # Not through ``sys.stdin``, whose lock this thread would hold while the interpreter ends.
        while os.read(0, 1024):
            pass
        stop.is_asked = True

    def bound_the_log() -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            cut_log(2)

    for work in (wait_for_the_end, bound_the_log):
        threading.Thread(target=work, name=work.__name__, daemon=True).start()


@contextmanager
def only_worker(place: StorePlace) -> Iterator[None]:
    """Run a block in which this process is this computer's only worker of a store.

    Raises:
        StoreError: if another process is.
    """
    lock = _lock(place)
    try:
        # Not at once: whoever looks whether there is a worker holds the lock for a moment.
        lock.acquire(timeout=3.0)
    except Timeout as error:
        raise StoreError(
            f"{one_line(place.shown)}: another worker on this computer is already working on these projects"
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_at_work(place: StorePlace) -> bool:
    """Return whether this computer has a worker of a store at work, whoever started it."""
    try:
        with _lock(place).acquire(timeout=0):
            return False
    except Timeout:
        return True


def log_file(place: StorePlace) -> Path:
    """Return what the workers say that the app starts for a store; a few hundred kilobytes at most."""
    return _folder(place) / "worker.log"


def _lock(place: StorePlace) -> FileLock:
    file = _folder(place) / "worker.lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{one_line(str(file))}: cannot write ({error.strerror or error})") from error
    return FileLock(file)


def _folder(place: StorePlace) -> Path:
    """Return a folder of this computer that belongs to a store, also where its data are elsewhere."""
    if "://" not in place.files:
        return Path(place.files).absolute().parent
    name = hashlib.sha256(f"{place.shown} {place.files}".encode()).hexdigest()[:16]
    return user_data_path("maskdesk", appauthor=False) / "workers" / name


def cut_log(log: int) -> None:
    """Cut a log that is open for appending, by its descriptor, to its newer half if it is too long."""
    size = os.fstat(log).st_size
    if size > LOG_BYTES:
        os.lseek(log, size - LOG_BYTES // 2, os.SEEK_SET)
        newer = os.read(log, LOG_BYTES)
        os.ftruncate(log, 0)
        os.write(log, newer[newer.find(b"\n") + 1 :])
