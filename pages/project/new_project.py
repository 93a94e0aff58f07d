"""The form for a new project."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.dataset.categories import Category
from pages.components.review_messages import MOST_OF_A_NAME, clean_name
from pages.project.state import PageUi
from pages.shared.cached import open_store
from pages.shared.pressing import pressed
from pages.shared.session import ProjectUi, get_state
from pages.shared.texts import show_core_errors

__all__ = ["draw_new_project"]


def draw_new_project(ui: ProjectUi) -> None:
    """Draw the form for a new project."""
    with st.form("new-project", border=False):
        name = st.text_input("New project's name", max_chars=200)
        names = st.text_input(
            "Categories, separated by commas",
            help="You can add, rename and merge them later, or take them from a model or a COCO file.",
        )
        who = ui.who or clean_name(st.text_input("Your name, for the journal", max_chars=MOST_OF_A_NAME))
        made = pressed(
            "Create", key="create-project", draw=st.form_submit_button, icon=":material/add:", type="primary"
        )
    if not made:
        return
    with show_core_errors():
        wanted = list(dict.fromkeys(part.strip() for part in names.split(",") if part.strip()))
        row = open_store().create_project(
            name,
            who,
            categories=[Category(number, part) for number, part in enumerate(wanted, start=1)],
        )
        if who != ui.who:
            ui.call(who)
        ui.open(row.id)
        get_state().of_project(PageUi).section = "images"
        st.query_params.from_dict({"project": str(row.id)})
        st.rerun()
