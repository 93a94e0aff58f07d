"""Project: a data set that stays, from the first upload to the finished review."""

import streamlit as st

from pages.project.new_project import draw_new_project
from pages.project.put_away import draw_put_away
from pages.project.sections import SECTIONS
from pages.project.state import PageUi
from pages.shared.away import waits_for_database
from pages.shared.open_project import choose_project
from pages.shared.session import ProjectUi, get_state
from pages.shared.texts import plain, show_core_errors


def draw_page(session: ProjectUi) -> None:
    """Draw a project with its sections, or the form for the first one."""
    project = choose_project(session)

    if project is None:
        st.title("Create a project")
        st.text(
            "A project keeps your images, what models found in them and every decision on disk: closing a "
            "browser tab loses nothing."
        )
        get_state().of_project(PageUi).notice.draw("no project")
        draw_new_project(session)
        draw_put_away(session)
        return

    key = f"new-project-{project.row.id}"
    with st.sidebar, st.popover("New project", icon=":material/add:", width="stretch", key=key):
        draw_new_project(session)
    with st.sidebar:
        draw_put_away(session)

    ui = get_state().of_project(PageUi)
    st.title(plain(project.row.name))
    if project.row.description:
        st.text(project.row.description)
    keys = [section.key for section in SECTIONS]
    titles = {section.key: f"{section.icon} {section.title}" for section in SECTIONS}
    if ui.section not in keys:
        ui.section = keys[0]

    def choose_section() -> None:
        ui.section = st.session_state["project-section"]

    asked = st.query_params.get("section")
    if asked in keys and asked != ui.addressed:
        ui.section = asked  # a link, or a reload: what the page wrote itself asks for nothing
    ui.addressed = ui.section
    if asked != ui.section:
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
    ui.notice.draw((project.row.id, project.revision, ui.section))
    next(section for section in SECTIONS if section.key == ui.section).draw(project, ui)


with show_core_errors(), waits_for_database():
    draw_page(get_state().project)
