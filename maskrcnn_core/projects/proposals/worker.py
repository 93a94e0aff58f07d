"""Works off the jobs of a store, in a process of its own: a long run then needs no open page.

One worker for each computer and store, held apart by a lock on a file: two would only take each other's
memory and time. Workers of several computers share a store's jobs, image by image
(:mod:`maskrcnn_core.projects.proposals.shares`). The app starts one when there is something to do, and again
where it ended before that was done (:mod:`maskrcnn_core.projects.proposals.supervising`). It ends when the
app does, after the image that it is at; the job then waits for the next worker, unless others are at it. A
worker that is killed leaves nothing half: what it had in hand goes to another.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from platformdirs import user_data_path
from sqlalchemy.exc import DBAPIError

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.errors import (
    CoreError,
    FilesAwayError,
    InferenceError,
    InputError,
    StoreError,
    WeightsError,
)
from maskrcnn_core.inference.engines.table import EXACT
from maskrcnn_core.models.loading import load_model
from maskrcnn_core.models.pins import is_current
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.proposals import job_claims, jobs, shares, workers
from maskrcnn_core.projects.proposals.job_rows import JobRow, JobSettings
from maskrcnn_core.projects.proposals.proposing import Proposer, Ran, RunsElsewhere, told_counts
from maskrcnn_core.projects.proposals.shared_models import model_of_job
from maskrcnn_core.projects.records import ImageRow
from maskrcnn_core.projects.seeing import seen_as, stretch_of
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.samples import pixels_for
from maskrcnn_core.tiling.choosing import check_tiling, cut_as

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.spec import LoadedModel, ModelSpec
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
    "signs_of_life",
    "work_off",
]

BEAT_SECONDS = 5.0
POLL_SECONDS = 1.0
TRIES = 5
"""How often in a row a job that the database has refused is begun again, each time after a longer pause."""
UNABLE_SECONDS = 60.0
"""After this time a worker tries a job again that it had to leave to others."""
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
        stop: asked before each image and while waiting; what is in hand is then put back.
        idle_seconds: wait this long for a new job before the end; ``None`` for ever.

    Returns:
        How many jobs it was at.

    Raises:
        StoreError: if the store cannot be asked for jobs.
    """
    name = f"{workers.worker_prefix(os.getpid())}{uuid.uuid4().hex[:8]}"
    models, unable = Models(), _Unable()
    count, idle_since = 0, time.monotonic()
    workers.sign_on(store, name)
    try:
        with signs_of_life(store, name, on_event):
            while not stop():
                job = job_claims.claim_job(store, name, unable=unable.now())
                if job is not None:
                    count += 1
                    go = Go(store, job, name, on_event, stop)
                    go.do(models)
                    if go.is_unable:
                        unable.add(job.id)
                    idle_since = time.monotonic()
                elif idle_seconds is not None and time.monotonic() - idle_since >= idle_seconds:
                    break
                else:
                    time.sleep(POLL_SECONDS if idle_seconds is None else min(POLL_SECONDS, idle_seconds))
                if unable.has_passed():
                    workers.note(store, name, unable=[], note="")
    finally:
        with suppress(StoreError):  # it ages, and goes like that of a worker that died
            workers.sign_off(store, name)
    return count


class Models:
    """The last model: its jobs load it once, and no two models share memory."""

    def __init__(self) -> None:
        self._last: LoadedModel | None = None

    def get(self, spec: ModelSpec) -> LoadedModel:
        """Return a model of the menu."""
        last = self._last
        # A file that was trained again has another SHA-256, and is another model under the same key.
        if last is None or last.key != spec.key or not is_current(spec, last.digest):
            self._last = last = None  # before the next one comes
            self._last = last = load_model(spec)
        return last


class _Unable:
    """Jobs that this worker leaves to others, for a while: what is missing may have come by then."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._has_passed = False

    def add(self, job_id: int) -> None:
        self._until[job_id] = time.monotonic() + UNABLE_SECONDS

    def now(self) -> frozenset[int]:
        at = time.monotonic()
        over = [id_ for id_, until in self._until.items() if until <= at]
        for id_ in over:
            del self._until[id_]
        self._has_passed |= bool(over) and not self._until
        return frozenset(self._until)

    def has_passed(self) -> bool:
        """Return, once, whether there are no such jobs any longer."""
        passed, self._has_passed = self._has_passed, False
        return passed


class _MachineError(CoreError):
    """What keeps this machine from a job, and perhaps not another."""


class Go:
    """One worker at a job, from when it comes until it leaves."""

    def __init__(
        self,
        store: Store,
        job: JobRow,
        worker: str,
        on_event: Event,
        stop: Callable[[], bool],
        elsewhere: Elsewhere | None = None,
        on_image: Callable[[], object] = lambda: None,
    ) -> None:
        self._store = store
        self._job = job
        self._worker = worker
        self._stop = stop
        self._on_event = on_event
        self._elsewhere = elsewhere
        self._on_image = on_image
        self._done = 0
        self._ran = 0
        self.is_unable = False

    def do(self, models: Models) -> None:
        """Do a job: whatever happens, its row says so, and nothing but an interrupt comes out of here."""
        self._tell("begins")
        try:
            try:
                self._run_again(models)
                self._leave()
            except _MachineError as error:
                self._give_up(str(error))
            except CoreError as error:
                if not _may_pass(error):
                    self._fail(str(error))
                elif self._stop():  # it had no time to try again
                    self._tell(str(error))
                    self._leave()
                else:
                    self._give_up(str(error))
            except Exception as error:
                self._tell(traceback.format_exc())
                self._give_up(
                    f"stopped by an error in the program ({type(error).__name__}: "
                    f"{one_line(str(error))[:300]}); the worker's log says more"
                )
        except StoreError as error:
            # The row cannot be written: what is in hand goes to others when this process has ended.
            self._tell(str(error))
            raise
        except KeyboardInterrupt:
            job_claims.leave_job(self._store, self._job.id, self._worker)
            raise

    def _tell(self, sentence: str) -> None:
        self._on_event(f"job {self._job.id} ({one_line(self._job.model_key)}): {sentence}")

    def _leave(self) -> None:
        job_claims.leave_job(self._store, self._job.id, self._worker)
        job = jobs.job(self._store, self._job.id)
        if job.state != "done":
            self._tell(f"left after {job.done} of {counted(job.total, 'image')}")
            return
        self._tell(
            f"done: {counted(self._ran, 'image')} newly run, "
            f"{told_counts(job.proposed, job.replaced, job.there, job.decided)}, "
            f"{counted(job.failed, 'image')} failed"
        )
        if job.message:
            self._tell(job.message)

    def _fail(self, message: str) -> None:
        job_claims.fail_job(self._store, self._job.id, self._worker, message)
        self._tell(f"failed: {message}")

    def _give_up(self, message: str) -> None:
        has_ended = job_claims.give_up_job(self._store, self._job.id, self._worker, message)
        self.is_unable = True
        self._tell(f"failed: {message}" if has_ended else f"left to other workers: {message}")

    def _run_again(self, models: Models) -> None:
        """Run until nothing is left. What is locked or gone for a moment ends no long job."""
        tries = 0
        while True:
            before = self._done
            try:
                return self._run(models)
            except StoreError as error:
                tries = 1 if self._done > before else tries + 1
                if tries >= TRIES or self._stop() or not _may_pass(error):
                    raise
                self._tell(f"retrying: {error}")
                time.sleep(2.0**tries)

    def _run(self, models: Models) -> None:
        settings = self._job.settings
        _check_categories(self._store, self._job.project_id, settings)
        try:
            predictor = self._predictor(models, settings)
            check_tiling(settings.tiling, predictor.model)
        except (WeightsError, InputError, InferenceError) as error:
            raise _MachineError(str(error)) from error
        proposer = Proposer(
            self._store,
            self._job.project_id,
            predictor,
            settings.thresholds,
            _labels(predictor, settings),
            exact_only=settings.engine == EXACT.key,
            tiling=settings.tiling,
        )
        try:
            may_begin = shares.lay_out(self._store, self._job.id, self._worker, proposer.asked)
        except shares.NotTogetherError as error:
            raise _MachineError(str(error)) from error
        if may_begin and self._elsewhere is None:
            self._do_shares(proposer, settings)
        elif may_begin and self._elsewhere is not None:
            self._do_elsewhere(proposer, settings, self._elsewhere.runs(predictor))

    def _do_shares(self, proposer: Proposer, settings: JobSettings) -> None:
        project_id = self._job.project_id
        while not self._stop():
            _check_categories(self._store, project_id, settings)
            share = shares.next_share(self._store, self._job.id, self._worker)
            if not isinstance(share, shares.Share):
                return
            (image,) = self._store.images(project_id, ids=[share.image_id])
            self._do_share(proposer, share, image)

    def _do_elsewhere(self, proposer: Proposer, settings: JobSettings, runs: RunsElsewhere) -> None:
        """Take in what a network says elsewhere. An image is in hand only while that is written."""
        free = shares.free_images(self._store, self._job.id)
        far, near = list[ImageRow](), list[tuple[ImageRow, Ran | None]]()
        for image in self._store.images(self._job.project_id, ids=free):
            if proposer.is_run(image):
                near.append((image, None))
            else:
                far.append(image)
        with closing(proposer.run_elsewhere(runs, far) if far else _none()) as coming:
            for image, ran in chain(near, coming):
                if self._stop():
                    return
                _check_categories(self._store, self._job.project_id, settings)
                share = shares.next_share(self._store, self._job.id, self._worker, image.id)
                if share == "left":
                    return
                if isinstance(share, shares.Share):  # else another worker has or had it
                    self._do_share(proposer, share, image, ran)

    def _do_share(
        self, proposer: Proposer, share: shares.Share, image: ImageRow, ran: Ran | None = None
    ) -> None:
        try:
            outcome = proposer.offer(image, share, ran)
        except shares.ShareLostError:
            self._tell(f"{one_line(image.file_name)}: another worker did it meanwhile")
            return
        self._done += 1
        self._ran += outcome.ran
        if outcome.failure:
            self._tell(outcome.failure)
        self._on_image()

    def _predictor(self, models: Models, settings: JobSettings) -> Predictor:
        """Return the model with the engine for as many images as are still to be run, and note which."""
        from maskrcnn_core.inference.engines.choosing import choose_engine  # with torch
        from maskrcnn_core.inference.predictor import Predictor

        model = models.get(model_of_job(self._store, self._job))
        stretch = stretch_of(self._store.project(self._job.project_id))
        seen = cut_as(seen_as(model.digest, stretch), settings.tiling)
        count = self._store.images_to_run(self._job.project_id, seen)
        if self._elsewhere is not None:
            predictor, device = self._elsewhere.predictor(model, settings.engine, count)
        else:
            made = choose_engine(
                model,
                key=settings.engine,
                images=lambda: pixels_for(model.domains),
                count=count,
                on_step=lambda step: self._tell(f"engine: {step} ..."),
            )
            predictor = Predictor(model, engine=made)
            device = str(predictor.device)
        predictor = predictor.looking_closer(looks_closer=model.looks_closer(settings.closer))
        told = predictor.engine.told + (", each object looked at closer" if predictor.looks_closer else "")
        told += f", tiles {settings.tiling.told}" if settings.tiling is not None else ""
        job_claims.write_engine(self._store, self._job.id, self._worker, told, device)
        return predictor


def _none() -> Generator[tuple[ImageRow, Ran]]:
    yield from ()


@contextmanager
def signs_of_life(store: Store, name: str, on_event: Event) -> Iterator[None]:
    """Beat from a separate thread, as one image may take longer than a worker may be silent."""
    ended = threading.Event()

    def beats() -> None:
        while not ended.wait(BEAT_SECONDS):
            try:
                workers.beat(store, name)
            except StoreError as error:
                on_event(f"a heartbeat could not be written: {error}")

    thread = threading.Thread(target=beats, name="beats of the worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _may_pass(error: CoreError) -> bool:
    """Return whether it is the database or the bucket that does not answer."""
    return isinstance(error, FilesAwayError) or isinstance(error.__cause__, DBAPIError)


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
