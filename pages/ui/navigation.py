"""The app around its pages: navigation made of the page table, and what every page has beside it.

A folder named ``pages`` is also Streamlit's older way of making pages: until ``st.navigation`` has been
called once in a server's life, a link to a page runs that file alone, without ``app.py`` around it. So each
page says `through_app` first.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages import PAGES
from pages.ui.errors import show_core_errors
from pages.ui.project.deciding import take_waiting
from pages.ui.review.outbox import OUTBOX, outbox, remembered_name
from pages.ui.state import get_state

__all__ = ["run_app", "through_app"]

_ROOT = Path(__file__).parents[2]
# A file of our own: an icon by name, also a page's, would be fetched from a foreign host.
_ICON = _ROOT / "docs" / "images" / "icon.png"


def run_app() -> None:
    """The page of the table that is asked for, and decisions that a page was left with."""
    st.set_page_config(page_title="MaskDesk", page_icon=str(_ICON), layout="wide")
    _hold_to_the_link()
    page = st.navigation(
        [st.Page(_ROOT / row.file, title=row.title, icon=row.icon, default=row is PAGES[0]) for row in PAGES]
    )
    ui = get_state().project
    if not ui.is_named and (name := remembered_name()):
        ui.who, ui.is_named = name, True
    client = ""
    with show_core_errors():
        client = take_waiting(ui, OUTBOX)
    try:
        page.run()
    finally:  # also where a page stops early
        with st.sidebar:
            outbox(
                is_open=page.url_path != "review",
                ack_client=client,
                ack_seq=ui.review.acks.get(client, 0),
                who=ui.who if ui.is_named else "",
            )


def _hold_to_the_link() -> None:
    """Draws the page whose link this run began with.

    Streamlit notes it once for the session, before a run. A run of the page that is being left may be about
    to begin again (``st.rerun``, and the collection of garbage before it takes a while): it notes its own
    page then, and ``st.navigation`` here would draw that one, so the link would do nothing.
    """
    context = get_script_run_ctx()
    if context is None:
        return
    # What only this run was asked for; the context's own page is the session's, like the note.
    asked_for = getattr(getattr(context.script_requests, "_rerun_data", None), "page_script_hash", "")
    if asked_for and asked_for != context.pages_manager.main_script_hash:
        context.pages_manager.set_script_intent(asked_for, "")


def through_app() -> None:
    """Runs the whole app where Streamlit has run a page without it."""
    if PagesManager.uses_pages_directory:
        run_app()
        st.stop()
