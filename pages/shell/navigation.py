"""The app around its pages: navigation made of the page table, and what every page has around it.

A folder named ``pages`` is also Streamlit's older way of making pages: until ``st.navigation`` has been
called once in a server's life, a link to a page is looked for among the files that lie directly in it, which
is run without ``app.py`` around it; where it is not there, the browser says so for good. So for each page
there is a file there that does nothing but `through_app`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import streamlit as st
from streamlit.navigation.page import Page
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import ScriptRunContext, get_script_run_ctx

from pages.components.outbox import OUTBOX, Unsaved, outbox, remembered_name
from pages.shared.ending import until_its_end
from pages.shared.fetching import begin_fetching
from pages.shared.housekeeping import keep_house
from pages.shared.kept_images import join_told, kept_images
from pages.shared.naming import draw_whose, login_name
from pages.shared.page_table import PAGES
from pages.shared.pressing import Presses
from pages.shared.session import get_state
from pages.shared.slides import SlidesUi
from pages.shared.steady import NOTICES, keep_steady
from pages.shared.taking import take_waiting
from pages.shared.texts import show_core_errors
from pages.shell.turns import PAGE_TURNS
from pages.shell.warming import warm_up

__all__ = ["run_app", "through_app"]

# A thread overwrites the note once, as it begins; two pages may be left at the same time.
_TRIES = 5
_ROOT = Path(__file__).parents[2]
# A file of our own: an icon by name, also a page's, would be fetched from a foreign host.
_ICON = Path(__file__).with_name("icon.png")
_LOGO = Path(__file__).with_name("logo.svg")
_SIDEBAR_WIDTH = 256


def run_app() -> None:
    """Run the requested page of the table, and send decisions that a page was left with."""
    with PAGE_TURNS.turn():
        _run_app()


def _run_app() -> None:
    keep_house()  # before the first session has a state, as nothing of it shall be frozen
    warm_up()
    begin_fetching()
    page = _page_of_the_link()
    # In a review the picture is what one comes for. Who opens the sidebar keeps it: the browser remembers.
    sidebar: Literal["collapsed"] | int = "collapsed" if page.url_path == "review" else _SIDEBAR_WIDTH
    st.set_page_config(
        page_title="MaskDesk", page_icon=str(_ICON), layout="wide", initial_sidebar_state=sidebar
    )
    st.logo(str(_LOGO), icon_image=str(_ICON))
    keep_steady()
    state = get_state()
    ui = state.project
    presses = state.of(Presses)
    presses.begin_page(page.url_path)
    join_told(state)
    if not ui.is_named and (name := remembered_name()):
        ui.call(name)
    ui.who = ui.who or login_name()
    client = ""
    with st.container(key=NOTICES), show_core_errors():
        client = take_waiting(ui, OUTBOX)
        if page.url_path != "review":  # which asks by itself
            draw_whose(ui)
    try:
        with until_its_end():
            page.run()
        presses.end_page()
    finally:  # also where a page ends in an error
        kept_images().keep(state)
        with st.sidebar:
            outbox(
                is_open=page.url_path != "review",
                ack_client=client,
                ack_seq=ui.taken.acks.get(client, 0),
                who=ui.who if ui.is_named else "",
                is_unkept=state.is_unkept,
                images_token=state.images_token,
                images_open=len(state.workspace.images),
                unsaved=[
                    *(Unsaved(file.file, file.name) for file in state.made_files),
                    *(Unsaved(*left) for left in state.of(SlidesUi).unsaved),
                ],
            )


def _page_of_the_link() -> Page:
    """Return the page whose link this run began with.

    Streamlit notes the page once for the session, before a run, and ``st.navigation`` reads it there. A run
    of the page that is being left may be about to begin again (``st.rerun``) at the same time, in a thread of
    its own: it notes its own page, before or after this run has reached its first line. So the note is
    written here, and once more where it was overwritten before ``st.navigation`` read it.
    """
    rows = [
        st.Page(_ROOT / r.file, title=r.title, icon=r.icon, url_path=r.address, default=r is PAGES[0])
        for r in PAGES
    ]
    context = get_script_run_ctx()
    asked_for = _asked_for(context) if context is not None else ""
    if context is None or not asked_for:
        return st.navigation(rows, position="top")
    for _ in range(_TRIES):
        context.pages_manager.set_script_intent(asked_for, "")
        page = st.navigation(rows, position="top")
        known = context.pages_manager.get_pages().get(asked_for)
        if known is None or known.get("url_pathname") == page.url_path:
            break
    return page


def _asked_for(context: ScriptRunContext) -> str:
    """Return the hash of the page this run was asked for; empty if Streamlit's own note must do.

    The context's page is of no use: it is the session's, like the note.
    """
    data = getattr(context.script_requests, "_rerun_data", None)
    if data is None or data.fragment_id_queue:  # a wish that came after this run had begun
        return ""
    asked_for: str = data.page_script_hash
    return "" if asked_for == context.pages_manager.main_script_hash else asked_for


def through_app() -> None:
    """Run the whole app if Streamlit has run a page without it."""
    if PagesManager.uses_pages_directory:
        run_app()
        st.stop()
