"""The app's navigation, made of the page table.

A folder named ``pages`` is also Streamlit's older way of making pages: until ``st.navigation`` has been
called once in a server's life, a link to a page runs that file alone, without ``app.py`` around it. So each
page says `through_app` first.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page
from streamlit.runtime.pages_manager import PagesManager

from pages import PAGES

__all__ = ["navigation", "through_app"]

# A file of our own: an icon by name, also a page's, would be fetched from a foreign host.
_ICON = Path(__file__).parents[2] / "docs" / "images" / "icon.png"


def navigation() -> Page:
    """Sets the app up, and gives the page of the table that is asked for."""
    st.set_page_config(page_title="MaskDesk", page_icon=str(_ICON), layout="wide")
    return st.navigation(
        [st.Page(page.file, title=page.title, icon=page.icon, default=page is PAGES[0]) for page in PAGES]
    )


def through_app() -> None:
    """Begins anew with ``app.py`` where Streamlit has run a page without it."""
    if PagesManager.uses_pages_directory:
        navigation()
        st.rerun()
