"""MaskDesk's entry point: the page of the page table, and decisions that a page was left with.

Run it with ``make run``, or ``streamlit run app.py``.
"""

import streamlit as st

from pages.ui.errors import show_core_errors
from pages.ui.navigation import navigation
from pages.ui.project.deciding import take_waiting
from pages.ui.review.outbox import OUTBOX, outbox, remembered_name
from pages.ui.state import get_state

ui = get_state().project
page = navigation()
if not ui.is_named and (name := remembered_name()):
    ui.who, ui.is_named = name, True
client = ""
with show_core_errors():
    client = take_waiting(ui, OUTBOX)
try:
    page.run()
finally:  # also where a page stops early
    with st.sidebar:
        is_review = page.url_path == "review"
        outbox(
            is_open=not is_review,
            ack_client=client,
            ack_seq=ui.review.acks.get(client, 0),
            who=ui.who if ui.is_named else "",
        )
