"""MaskDesk's entry point: decisions that are on their way, then the page of the page table.

Run it with ``make run``, or ``streamlit run app.py``.
"""

from pages.ui.errors import show_core_errors
from pages.ui.navigation import navigation
from pages.ui.project.deciding import take_waiting
from pages.ui.state import get_state

page = navigation()
# Whoever decides and turns to another page at once sends both together: the reviewer is gone by then.
with show_core_errors():
    take_waiting(get_state().project)
page.run()
