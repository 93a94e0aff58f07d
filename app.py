"""MaskDesk's entry point: the pages of the page table, and nothing else.

Run it with ``make run``, or ``streamlit run app.py``.
"""

from pathlib import Path

import streamlit as st

from pages import PAGES

# A file of our own: an icon by name would be fetched from a foreign host.
ICON = Path(__file__).parent / "docs" / "images" / "icon.png"

st.set_page_config(page_title="MaskDesk", page_icon=str(ICON), layout="wide")
st.navigation(
    [st.Page(page.file, title=page.title, icon=page.icon, default=page is PAGES[0]) for page in PAGES]
).run()
