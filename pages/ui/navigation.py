"""The app around its pages: navigation made of the page table, and what every page has beside it.

A folder named ``pages`` is also Streamlit's older way of making pages: until ``st.navigation`` has been
called once in a server's life, a link to a page runs that file alone, without ``app.py`` around it. So each
page says `through_app` first.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import ScriptRunContext, get_script_run_ctx

from pages import PAGES
from pages.ui.errors import show_core_errors
from pages.ui.fetching import begin_fetching
from pages.ui.housekeeping import keep_house
from pages.ui.project.deciding import take_waiting
from pages.ui.project.naming import draw_whose, login_name
from pages.ui.review.outbox import OUTBOX, outbox, remembered_name
from pages.ui.state import get_state
from pages.ui.steady import keep_steady
from pages.ui.warming import warm_up

__all__ = ["run_app", "through_app"]

# A thread overwrites the note once, as it begins; two pages may be left at the same time.
_TRIES = 5
_ROOT = Path(__file__).parents[2]
# A file of our own: an icon by name, also a page's, would be fetched from a foreign host.
_ICON = _ROOT / "docs" / "images" / "icon.png"


def run_app() -> None:
    """The page of the table that is asked for, and decisions that a page was left with."""
    keep_house()  # before the first session has a state, as nothing of it shall be frozen
    warm_up()
    begin_fetching()
    st.set_page_config(page_title="MaskDesk", page_icon=str(_ICON), layout="wide")
    keep_steady()
    page = _page_of_the_link()
    ui = get_state().project
    if not ui.is_named and (name := remembered_name()):
        ui.call(name)
    ui.who = ui.who or login_name()
    client = ""
    with show_core_errors():
        client = take_waiting(ui, OUTBOX)
        if page.url_path != "review":  # which asks below its picture
            draw_whose(ui)
    was_named = ui.is_named
    try:
        page.run()
    finally:  # also where a page stops early
        with st.sidebar:
            outbox(
                is_open=page.url_path != "review",
                ack_client=client,
                ack_seq=ui.review.acks.get(client, 0),
                who=ui.who if ui.is_named else "",
                is_unkept=get_state().is_unkept,
            )
    if ui.is_named and not was_named:  # a decision brought the name after the sidebar was drawn
        st.rerun()


def _page_of_the_link() -> Page:
    """The page whose link this run began with.

    Streamlit notes the page once for the session, before a run, and ``st.navigation`` reads it there. A run
    of the page that is being left may be about to begin again (``st.rerun``) at the same time, in a thread of
    its own: it notes its own page, before or after this run has reached its first line. So the note is
    written here, and once more where it was overwritten before ``st.navigation`` read it.
    """
    rows = [st.Page(_ROOT / r.file, title=r.title, icon=r.icon, default=r is PAGES[0]) for r in PAGES]
    context = get_script_run_ctx()
    asked_for = _asked_for(context) if context is not None else ""
    if context is None or not asked_for:
        return st.navigation(rows)
    for _ in range(_TRIES):
        context.pages_manager.set_script_intent(asked_for, "")
        page = st.navigation(rows)
        known = context.pages_manager.get_pages().get(asked_for)
        if known is None or known.get("url_pathname") == page.url_path:
            break
    return page


def _asked_for(context: ScriptRunContext) -> str:
    """The hash of the page that this run was asked for; empty where Streamlit's own note has to do.

    The context's page is of no use: it is the session's, like the note.
    """
    data = getattr(context.script_requests, "_rerun_data", None)
    if data is None or data.fragment_id_queue:  # a wish that came after this run had begun
        return ""
    asked_for: str = data.page_script_hash
    return "" if asked_for == context.pages_manager.main_script_hash else asked_for


def through_app() -> None:
    """Runs the whole app where Streamlit has run a page without it."""
    if PagesManager.uses_pages_directory:
        run_app()
        st.stop()
