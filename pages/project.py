"""Project: a data set that stays, from the first upload to the finished review."""

import streamlit as st

from pages.ui.errors import plain
from pages.ui.navigation import through_app
from pages.ui.project.away import waits_for_database
from pages.ui.project.choosing import choose_project, draw_new_project
from pages.ui.project.sections import SECTIONS
from pages.ui.state import ProjectUi, get_state


def draw_page(ui: ProjectUi) -> None:
    """A project with its sections, or the form for the first one."""
    project = choose_project(ui)

    if project is None:
        st.title("Make a project")
        st.text(
            "A project keeps your images, what models found in them and every decision that anybody made, "
            "on disk: nothing of it is lost with a browser tab."
        )
        draw_new_project(ui)
        return

    key = f"new-project-{project.row.id}"
    with st.sidebar, st.popover("New project", icon=":material/add:", width="stretch", key=key):
        draw_new_project(ui)

    st.title(plain(project.row.name))
    keys = [section.key for section in SECTIONS]
    titles = {section.key: f"{section.icon} {section.title}" for section in SECTIONS}
    if ui.section not in keys:
        ui.section = keys[0]

    def choose_section() -> None:
        ui.section = st.session_state["project-section"]

    if not ui.is_addressed and (asked := st.query_params.get("section")) in keys:
        ui.section = asked  # a link, or a reload; from then on the person chooses
    ui.is_addressed = True
    if st.query_params.get("section") != ui.section:
        st.query_params["section"] = ui.section
    st.session_state["project-section"] = ui.section
    st.segmented_control(
        "Section",
        keys,
        format_func=titles.__getitem__,
        key="project-section",
        required=True,
        label_visibility="collapsed",
        on_change=choose_section,
    )
    if ui.said:
        st.success(plain(ui.said), icon=":material/check:")
        ui.said = ""
    next(section for section in SECTIONS if section.key == ui.section).draw(project, ui)


through_app()
with waits_for_database():
    draw_page(get_state().project)
