"""What a project is called, and what it is about."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.common.bounds import MAX_DESCRIPTION, MAX_NAME
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.projects.project_edits import describe_project, rename_project
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject
from pages.shared.texts import show_core_errors

__all__ = ["draw_settings"]


def draw_settings(project: OpenProject, ui: PageUi) -> None:
    """Draw the project's name and description."""
    # The version in the keys: after a change by anybody the fields show what is stored.
    seen = f"{project.row.id}-{project.row.version}"
    with st.form("project-name"):
        name = st.text_input("Name", project.row.name, max_chars=MAX_NAME, key=f"project-name-{seen}")
        is_renamed = st.form_submit_button("Rename", icon=":material/edit:")
    if is_renamed:
        with show_core_errors():
            entry = rename_project(project.store, project.who, project.row, name)
            told = f"Renamed to {one_line(name.strip())}; undo it under History."
            ui.notice.say(told if entry else "Nothing has changed: it is called so already.")
            st.rerun()
    with st.form("project-description"):
        description = st.text_area(
            "Description",
            project.row.description,
            max_chars=MAX_DESCRIPTION,
            key=f"project-description-{seen}",
            help="Shown under the project's name.",
        )
        is_described = st.form_submit_button("Save", icon=":material/save:")
    if is_described:
        with show_core_errors():
            entry = describe_project(project.store, project.who, project.row, description)
            told = "Saved the description; undo it under History."
            ui.notice.say(told if entry else "Nothing has changed: it says so already.")
            st.rerun()
