"""Fetches better models for photos by itself, in the background, for all who look at one server.

A fresh machine has the photo model in the box. The app fetches the rows of :data:`FETCHED` that are better
than what is there, the small one first. Only the app begins this, with :meth:`Fetcher.begin`: no import, no
library call and no command does. It is off where ``MASKDESK_FETCH`` is ``no``, where ``CI`` is set (unless
``MASKDESK_FETCH`` is ``yes``), and where somebody has switched it off in the app, which is kept in
``fetching.json`` in the data folder.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from maskrcnn_core.common.atomic_files import data_folder, replace_file
from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.catalog import MODELS, default_model, model_by_key
from maskrcnn_core.models.downloads import DownloadCancelled, DownloadFailed, DownloadTrouble
from maskrcnn_core.models.loading import fetch_weights, get_model
from maskrcnn_core.models.spec import ModelSpec, Progress

__all__ = [
    "FETCHED",
    "FETCH_VARIABLE",
    "FetchFailure",
    "FetchStatus",
    "Fetcher",
    "fetch_notice",
    "fetcher",
    "forbidden_by",
    "is_better",
    "models_to_fetch",
    "set_fetching",
    "size_and_licence",
]

FETCHED = ("mobile", "coco-v2")
"""Keys of the models that are fetched, in this order: soon a better answer, then the best one."""

FETCH_VARIABLE = "MASKDESK_FETCH"

_YES = frozenset({"1", "on", "true", "yes"})
_TRIES = 3  # of a connection that breaks off; each goes on where the last one ended
_PAUSE = 1.0  # seconds before the next one

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchFailure:
    """A model that did not come.

    Args:
        spec: the model.
        trouble: why; ``unusable`` is a file that came whole and cannot be loaded.
        message: for people.
    """

    spec: ModelSpec
    trouble: DownloadTrouble | Literal["unusable"]
    message: str


@dataclass(frozen=True)
class FetchStatus:
    """Where the fetching stands.

    Args:
        stage: ``idle`` before the first beginning; ``fetching`` and ``loading`` one model; then ``done``,
            with or without failures, or ``cancelled`` by somebody.
        spec: the model that is fetched or loaded, or was when it was cancelled.
        done, total: bytes of it.
        then: what comes after it.
        failures: of this beginning, in their order.
        ready: keys of the models that were fetched since the server began, and are loaded.
    """

    stage: Literal["idle", "fetching", "loading", "done", "cancelled"] = "idle"
    spec: ModelSpec | None = None
    done: int = 0
    total: int = 0
    then: tuple[ModelSpec, ...] = ()
    failures: tuple[FetchFailure, ...] = ()
    ready: tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether it will change by itself."""
        return self.stage in ("fetching", "loading")

    @property
    def is_offline(self) -> bool:
        """Whether it ended because there is no network."""
        return any(failure.trouble == "no network" for failure in self.failures)


class Fetcher:
    """A thread that fetches and loads models one after another. Safe to use from several threads.

    Args:
        fetch: brings a model's weights; as :func:`maskrcnn_core.models.loading.fetch_weights`.
        load: makes the network of a key ready for everybody.
        pause: seconds before a connection that broke off is tried again.
    """

    def __init__(
        self,
        fetch: Callable[..., object] = fetch_weights,
        load: Callable[[str], object] = get_model,
        *,
        pause: float = _PAUSE,
    ) -> None:
        self._fetch, self._load, self._pause = fetch, load, pause
        self._lock = threading.Lock()
        self._status = FetchStatus()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> FetchStatus:
        """Where it stands now."""
        return self._status

    def begin(self) -> None:
        """Begin, once in this process and unless something forbids it.

        Later tries go through :meth:`retry`.
        """
        if self._status.stage == "idle" and not forbidden_by():
            self.retry()

    def retry(self) -> None:
        """Begin again with what is lacking, unless it is under way."""
        with self._lock:
            if self._status.is_active:
                return
            plan = models_to_fetch()
            if not plan:
                self._status = FetchStatus("done", ready=self._status.ready)
                return
            self._stop = threading.Event()
            self._status = FetchStatus(
                "fetching", plan[0], 0, plan[0].size_bytes, plan[1:], ready=self._status.ready
            )
            # A daemon: a server that ends does not wait for 186 MB; what has come is kept.
            self._thread = threading.Thread(
                target=self._work, args=(plan, self._stop), name="fetching", daemon=True
            )
            self._thread.start()

    def cancel(self) -> None:
        """Stop after the piece that is under way; what has come is kept, and the next try resumes it."""
        with self._lock:
            if self._status.is_active:
                self._stop.set()
                self._status = replace(self._status, stage="cancelled")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the thread's end; ``False`` if ``timeout`` seconds passed first."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _work(self, plan: tuple[ModelSpec, ...], stop: threading.Event) -> None:
        for n, spec in enumerate(plan):
            self._say(stop, stage="fetching", spec=spec, done=0, total=spec.size_bytes, then=plan[n + 1 :])
            try:
                self._fetch_stubbornly(spec, stop)
                self._say(stop, stage="loading")
                self._load(spec.key)
            except DownloadCancelled:
                return
            except WeightsError as error:
                trouble = error.trouble if isinstance(error, DownloadFailed) else "unusable"
                _log.warning("%s was not fetched: %s", spec.key, error)
                failure = FetchFailure(spec, trouble, str(error))
                self._say(stop, failures=(*self._status.failures, failure))
                if trouble in ("no network", "no room", "cannot write"):
                    break  # the next one would fare no better
            else:
                with self._lock:  # also where it was cancelled meanwhile: it is here
                    self._status = replace(self._status, ready=(*self._status.ready, spec.key))
        self._say(stop, stage="done", spec=None, then=())

    def _fetch_stubbornly(self, spec: ModelSpec, stop: threading.Event) -> None:
        """Fetch; a connection that breaks after it brought something is resumed."""
        for tries_left in reversed(range(_TRIES)):
            before = self._status.done
            try:
                self._fetch(spec, on_progress=self._progress(stop), cancelled=stop.is_set)
                return
            except DownloadFailed as error:
                if error.trouble != "cut" or not tries_left or self._status.done <= before:
                    raise
            stop.wait(self._pause)

    def _progress(self, stop: threading.Event) -> Progress:
        def show(done: int, total: int | None) -> None:
            self._say(stop, done=done, total=total or self._status.total)

        return show

    def _say(self, stop: threading.Event, **changed: object) -> None:
        """Change the status, unless this beginning was cancelled: another one may be under way by now."""
        with self._lock:
            if not stop.is_set():
                self._status = replace(self._status, **changed)  # type: ignore[arg-type]


@cache
def fetcher() -> Fetcher:
    """Return this process's fetcher."""
    return Fetcher()


def models_to_fetch() -> tuple[ModelSpec, ...]:
    """Return the rows of :data:`FETCHED` that are better than the best model that is here, in that order."""
    here = default_model()
    return tuple(spec for key in FETCHED if is_better(spec := model_by_key(key), here))


def is_better(spec: ModelSpec, than: ModelSpec) -> bool:
    """Return whether a model of the table stands above another.

    One that is not in it knows a ground of its own.
    """
    return spec in MODELS and than in MODELS and MODELS.index(spec) < MODELS.index(than)


def size_and_licence(spec: ModelSpec) -> str:
    """Return what a download costs, and on which terms: ``3.8 MB, Apache-2.0``."""
    size = spec.size_bytes / 1e6
    return f"{size:.{0 if size >= 10 else 1}f} MB, {spec.licence}"


def fetch_notice() -> str:
    """Say in one line, for whoever starts the app, what it will fetch and how to prevent that."""
    reason, plan = forbidden_by(), models_to_fetch()
    here = default_model().title
    if not plan:
        return f"The model for photos is {here}; nothing will be fetched."
    if reason:
        return f"The model for photos is {here}; no better one will be fetched ({reason})."
    listed = ", then ".join(f"{spec.title} ({size_and_licence(spec)})" for spec in plan)
    return (
        f"The model for photos is {here}. When the page opens, it fetches {listed}; "
        f"{FETCH_VARIABLE}=no prevents this."
    )


# --- whether it may -----------------------------------------------------------------------------------


def forbidden_by() -> str:
    """Return what keeps the app from fetching, in a few words; empty where it may."""
    wish = os.environ.get(FETCH_VARIABLE, "").strip().casefold()
    if wish:
        return "" if wish in _YES else f"{FETCH_VARIABLE}={wish}"
    if os.environ.get("CI"):
        return "CI is set"
    return "" if _is_wanted() else "switched off in the app"


def set_fetching(is_on: bool) -> None:
    """Remember for this installation whether the app fetches models by itself.

    Raises:
        WeightsError: if the data folder cannot be written.
    """
    file = _settings_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, json.dumps({"fetch": is_on}).encode())
    except OSError as error:
        raise WeightsError(
            f"{file}: cannot be written ({error.strerror or error}); {FETCH_VARIABLE}=no has the same effect"
        ) from error


def _is_wanted() -> bool:
    try:
        settings = json.loads(_settings_file().read_text("utf-8"))
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False  # somebody has said something here, and it may have been no
    return isinstance(settings, dict) and settings.get("fetch") is True


def _settings_file() -> Path:
    return data_folder() / "fetching.json"
