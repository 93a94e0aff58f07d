"""The sessions of this server, and parts of their pages drawn because something else has changed.

Streamlit draws a part again when its browser asks (``run_every``), which costs each open page a run each
time. Drawing it from here uses private parts of Streamlit, as `pages.shared.housekeeping` does; if another
version no longer has them, others' changes appear with one's own next action.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import suppress
from functools import partial

import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

from pages.shared.cached import open_store
from pages.shared.housekeeping import is_server
from pages.shared.watching import TeamWatch

__all__ = ["StreamlitScreens", "part_being_drawn", "session_id", "team_watch"]


class StreamlitScreens:
    """The sessions of the server that this process is."""

    def is_shown(self, session: str, part: str) -> bool:
        """Return whether a browser shows a part of a page."""
        if not is_server():
            return True
        info = get_instance()._session_mgr.get_active_session_info(session)
        return info is not None and info.session.has_fragment(part)

    def draw(self, session: str, parts: Collection[str]) -> None:
        """Draw parts of a page again, unless something runs in its session just now.

        What a browser has sent comes first, so that nothing of it is lost; a message that comes later ends
        this run as it would end any other.
        """
        with suppress(AttributeError, RuntimeError):
            loop = get_instance()._get_async_objs().eventloop
            loop.call_soon_threadsafe(partial(_draw, session, tuple(parts)))


def _draw(session: str, parts: Collection[str]) -> None:
    """Begin the run; on the server's own thread, where sessions and their runs come and go."""
    with suppress(AttributeError, RuntimeError):
        info = get_instance()._session_mgr.get_active_session_info(session)
        if info is None or info.session._scriptrunner is not None:
            return
        there = [part for part in parts if info.session.has_fragment(part)]
        state = info.session._client_state
        if there:
            info.session._create_scriptrunner(
                RerunData(
                    query_string=state.query_string,
                    page_script_hash=state.page_script_hash,
                    fragment_id_queue=there,
                    is_auto_rerun=True,
                    context_info=state.context_info if state.HasField("context_info") else None,
                )
            )


def session_id() -> str:
    """Return the id of the session that is being drawn; empty outside of any."""
    context = get_script_run_ctx()
    return context.session_id if context is not None else ""


def part_being_drawn() -> str:
    """Return the name of the fragment that is being drawn; empty outside of any."""
    with suppress(AttributeError):
        return ThreadState.get().fragment_id or ""
    return ""


@st.cache_resource(show_spinner=False)
def team_watch() -> TeamWatch:
    """Return what keeps the open pages of projects up to date; the first call starts its thread."""
    watch = TeamWatch(open_store(), StreamlitScreens())
    if is_server():
        threading.Thread(target=watch.run, name="team", daemon=True).start()
    return watch
