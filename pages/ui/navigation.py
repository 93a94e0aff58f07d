"""The app around its pages: navigation made of the page table, and what every page has beside it.

A folder named ``pages`` is also Streamlit's older way of making pages: until ``st.navigation`` has been
called once in a server's life, a link to a page runs that file alone, without ``app.py`` around it. So each
page says `through_app` first.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from pages import PAGES
from pages.ui.errors import show_core_errors
from pages.ui.project.deciding import take_waiting
from pages.ui.review.outbox import OUTBOX, outbox, remembered_name
from pages.ui.state import get_state

__all__ = ["run_app", "through_app"]

# A file of our own: an icon by name, also a page's, would be fetched from a foreign host.
_ICON = Path(__file__).parents[2] / "docs" / "images" / "icon.png"


def run_app() -> None:
    """The page of the table that is asked for, and decisions that a page was left with."""
    st.set_page_config(page_title="MaskDesk", page_icon=str(_ICON), layout="wide")
    page = st.navigation(
        [st.Page(row.file, title=row.title, icon=row.icon, default=row is PAGES[0]) for row in PAGES]
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


def through_app() -> None:
    """Runs the whole app where Streamlit has run a page without it."""
    if PagesManager.uses_pages_directory:
        run_app()
        st.stop()
