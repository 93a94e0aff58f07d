"""Memory of the server's process: what Python's garbage collector looks through, and when.

Streamlit collects after every run of a page, each look of each waiting page included, and each time Python
walks through all objects of torch, pandas and the rest: with several people, nearly all the time goes there.
So ``runner.postScriptGC`` is off, the libraries are frozen (out of the collector's sight), and one thread
collects now and then. It has to: a session that ends is a circle of objects with photos in it.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from streamlit.runtime import Runtime, get_instance
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.session_manager import SessionManager
from streamlit.runtime.state import SessionState

__all__ = ["Housekeeper", "give_back_memory", "is_server", "keep_house", "let_go_of_sessions"]

_EVERY = 30.0  # seconds between two looks
_WORKED = 1.0  # CPU seconds: a process that did less has left nothing worth collecting
_THOROUGH_EVERY = 600.0  # seconds, at most, between two thorough collections of a process that works
_ROUNDS = (
    2  # after a session has ended: its threads and tasks may hold it a moment longer than Streamlit does
)
_PATIENCE = 10.0  # seconds that a busy server may take to let go of sessions
_MANY_OBJECTS = 60_000  # in the collector's sight: a collection then takes about 50 ms


def give_back_memory() -> None:
    """Give the system back what was freed; glibc would keep hundreds of megabytes of gone sessions."""
    with suppress(AttributeError, OSError, TypeError):  # other C libraries have other ways, or none
        ctypes.CDLL(None).malloc_trim(0)


class Housekeeper:
    """A collector of a process's garbage; frozen objects are no burden, and do not stay frozen forever.

    Freezing takes all objects that are alive out of the collector's sight, those of open sessions, too. A
    thorough collection therefore thaws everything first: it finds what has become garbage since.

    Args:
        sessions: how many sessions are held; fewer than before means that one has ended.
        clock: seconds that pass.
        worked: CPU seconds of the process.
        give_back: gives freed memory back to the system, once a session has ended.
    """

    def __init__(
        self,
        sessions: Callable[[], int],
        *,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.process_time,
        give_back: Callable[[], object] = give_back_memory,
    ) -> None:
        self._count_sessions, self._clock, self._worked = sessions, clock, worked
        self._give_back = give_back
        self._sessions = self._rounds = 0
        self._thorough_at = clock()
        self._worked_at = worked()
        self._wake = threading.Event()
        self._is_asked = False

    def collect_thoroughly(self) -> None:
        """Collect among all objects, and freeze those that are left."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._is_asked = False
        self._thorough_at, self._worked_at = self._clock(), self._worked()

    def freeze_soon(self) -> None:
        """Note that libraries were loaded: they are frozen without another 30 s of walks through them."""
        self._is_asked = True
        self._wake.set()

    def look(self) -> str:
        """Look once, and collect as far as it is worth it.

        Returns:
            What was done: ``thorough``, ``young`` (objects that are not frozen), or empty for nothing.
        """
        before, self._sessions = self._sessions, self._count_sessions()
        if self._sessions < before:
            self._rounds = _ROUNDS
        if self._is_asked or self._rounds:
            self.collect_thoroughly()
            if self._rounds:
                self._rounds -= 1
                self._give_back()
            return "thorough"
        if self._worked() - self._worked_at < _WORKED:
            return ""
        gc.collect()
        self._worked_at = self._worked()
        is_due = self._clock() - self._thorough_at >= _THOROUGH_EVERY
        if is_due or len(gc.get_objects()) > _MANY_OBJECTS:
            self.collect_thoroughly()
            return "thorough"
        return "young"

    def run(self) -> None:
        """Look now and then, without end; for a thread of its own."""
        while True:
            self._wake.wait(_EVERY)
            self._wake.clear()
            self.look()


def is_server() -> bool:
    """Report whether this process serves browsers, and is not a test's that runs a page by itself."""
    return Runtime.exists() and type(get_instance()) is Runtime


@lru_cache(maxsize=1)
def keep_house() -> Housekeeper:
    """Return the process's housekeeper; the first call freezes what is loaded, and starts its thread."""
    keeper = Housekeeper(_held_sessions)
    keeper.collect_thoroughly()
    if is_server():
        threading.Thread(target=keeper.run, name="housekeeping", daemon=True).start()
    return keeper


def _held_sessions() -> int:
    """Count the sessions the server holds: with a browser, or kept for one that may come back.

    Streamlit keeps a session for two minutes after its browser has gone, and then until another one goes:
    those whose time is over are let go of here, because they could otherwise stay for a night.
    """
    with suppress(AttributeError, RuntimeError):  # Streamlit's own matters: another version may differ
        runtime = get_instance()
        manager = runtime._session_mgr
        done = threading.Event()

        def let_go() -> None:
            with suppress(AttributeError):
                let_go_of_sessions(manager, _seen)
            done.set()

        # Sessions come and go on this thread alone.
        runtime._get_async_objs().eventloop.call_soon_threadsafe(let_go)
        done.wait(_PATIENCE)
        return len(manager.list_sessions())
    return 0


_seen: weakref.WeakSet[AppSession] = weakref.WeakSet()


def let_go_of_sessions(manager: SessionManager, seen: weakref.WeakSet[AppSession]) -> None:
    """Let go of sessions whose time is over, and empty those that are gone.

    A session that is gone may be held all the same: Streamlit's loop has a name for the one that it last sent
    something to, until it sends something to another. The last one to leave would keep its photos until
    somebody else comes.

    Args:
        manager: the server's.
        seen: sessions of earlier looks that are not emptied; those of this look are added.
    """
    manager._session_storage._cache.expire()  # type: ignore[attr-defined]
    held = {info.session for info in manager.list_sessions()}
    for session in set(seen) - held:
        session.shutdown()
        if session._scriptrunner is not None:
            continue  # it still works: the next look comes back to it
        session._session_state = SessionState()  # clear() would leave the widgets' callbacks
        session._fragment_storage.clear()
        session.flush_browser_queue()
        seen.discard(session)
    seen.update(held)
