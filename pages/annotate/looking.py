"""How often a part of a page renews itself: decided at each look, and at once when there is news.

Streamlit knows only intervals that are set while a page runs. The messages here are those that it sends for
them; where another version has other insides, the intervals that were set hold.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import Runtime, get_instance
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState, get_script_run_ctx

__all__ = ["look_again_in", "look_caller"]

_AT_ONCE, _THEN = 0.06, 2.0
"""Seconds until the look that is called for, and between later ones until one has set another interval."""


def look_again_in(seconds: float) -> None:
    """Set the interval at which the present fragment runs again, from now on; nothing outside of one.

    ``st.fragment`` takes ``run_every`` once, when the whole page runs.
    """
    with suppress(AttributeError, RuntimeError):
        context = get_script_run_ctx()
        fragment_id = ThreadState.get().fragment_id
        if context is None or not fragment_id or not context.fragment_ids_this_run:
            return
        context.enqueue(_interval(fragment_id, seconds))


def look_caller() -> Callable[[], None]:
    """Make a call that has the present fragment run again at once, from whatever thread.

    Who waits for another thread's work would otherwise hear of it at the next look. Nothing is interrupted:
    the browser asks for the run, as it does at each look.
    """
    with suppress(AttributeError, RuntimeError):
        context = get_script_run_ctx()
        fragment_id = ThreadState.get().fragment_id
        if context is not None and fragment_id and Runtime.exists():
            session_id = context.session_id

            def call() -> None:
                with suppress(AttributeError, RuntimeError):
                    runtime = get_instance()
                    loop = runtime._get_async_objs().eventloop

                    def send(seconds: float) -> None:
                        info = runtime._session_mgr.get_active_session_info(session_id)
                        if info is not None:
                            info.session._enqueue_forward_msg(_interval(fragment_id, seconds))

                    loop.call_soon_threadsafe(send, _AT_ONCE)
                    # One look is asked for, also of a server that is slow to begin it.
                    loop.call_soon_threadsafe(loop.call_later, 1.5 * _AT_ONCE, send, _THEN)

            return call
    return lambda: None


def _interval(fragment_id: str, seconds: float) -> ForwardMsg:
    message = ForwardMsg()
    message.auto_rerun.interval = seconds
    message.auto_rerun.fragment_id = fragment_id
    return message
