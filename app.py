"""MaskDesk's entry point: the pages of the page table, and nothing else.

Run it with ``make run``, or ``streamlit run app.py``.
"""

import streamlit as st

from pages import PAGES

st.set_page_config(page_title="MaskDesk", page_icon=":material/select_all:", layout="wide")
st.navigation(
    [st.Page(page.file, title=page.title, icon=page.icon, default=page is PAGES[0]) for page in PAGES]
).run()
