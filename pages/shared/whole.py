"""Work of a session that is done as a whole, whatever else happens on its page meanwhile.

As soon as a page is to be drawn again, because another widget was touched or a component had something to
say, Streamlit ends the script that runs at the next thing that it draws, and begins another run next to it.
Work that takes files in would be left half done there, and begun once more here. So its progress is drawn by
a thread, which ends nothing, and the next run waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx

__all__ = ["Whole"]

_T = TypeVar("_T")

_LOOK_SECONDS = 0.2


class Whole:
    """What of this kind a session is doing; one per session (``UiState.of``)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown = (0.0, "")

    def wait(self) -> None:
        """Wait for the work of an earlier run, and draw how far it is.

        To be called before anything is read that the work changes.
        """
        if self._lock.acquire(blocking=False):
            self._lock.release()
            return
        bar = st.progress(*self._shown)
        while not self._lock.acquire(timeout=_LOOK_SECONDS):
            bar.progress(*self._shown)
        self._lock.release()
        bar.empty()

    @contextmanager
    def work(self, text: str = "") -> Iterator[Callable[[float, str], None]]:
        """Draw a bar while the block runs, alone in its session and to its end.

        Nothing else may be drawn in it: that is where a run ends.

        Args:
            text: what stands above the bar at first.

        Yields:
            A function that redraws it: the share that is done, in [0, 1], and a text.
        """
        # Not drawn by this thread either: a press that asked for the work is forgotten by now.
        bar = _drawn_aside(lambda: st.progress(0.0, text=text))

        def show(share: float, text: str) -> None:
            self._shown = (share, text)
            _drawn_aside(lambda: bar.progress(share, text))

        with self._lock:
            self._shown = (0.0, text)
            yield show


def _drawn_aside(draw: Callable[[], _T]) -> _T:
    """Draw by a thread of its own, where the script's own place is, so that the script's run does not end."""
    context = copy_context()
    drawn: list[_T] = []
    thread = threading.Thread(target=lambda: drawn.append(context.run(draw)), name="progress")
    add_script_run_ctx(thread).start()
    thread.join()
    return drawn[0]
