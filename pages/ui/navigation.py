"""The app's navigation, made of the page table.

A folder named ``pages`` is also Streamlit's older way of making pages: until ``st.navigation`` has been
called once in a server's life, a link to a page runs that file alone, without ``app.py`` around it. So each
page says `through_app` first.
"""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import Page

from pages import PAGES

__all__ = ["navigation", "through_app"]

_is_made = False  # of this process, as Streamlit's own switch is


def navigation() -> Page:
    """The page of the table that is asked for."""
    global _is_made
    _is_made = True
    return st.navigation(
        [st.Page(page.file, title=page.title, icon=page.icon, default=page is PAGES[0]) for page in PAGES]
    )


def through_app() -> None:
    """Begins anew with ``app.py`` where Streamlit has run a page without it."""
    if not _is_made:
        navigation()
        st.rerun()
