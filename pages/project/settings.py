"""What a project is called and what it is about; how it is copied, archived and deleted."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.common.bounds import MAX_DESCRIPTION, MAX_NAME
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.projects.project_edits import describe_project, rename_project
from maskrcnn_core.projects.removal import (
    archive_project,
    bring_back_project,
    contents_of,
    delete_project,
)
from maskrcnn_core.projects.standing import KEPT_DAYS
from maskrcnn_core.projects.team.approvals import has_second_stage, set_second_stage
from pages.project.copies import draw_copies
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed
from pages.shared.session import get_state
from pages.shared.texts import show_core_errors

__all__ = ["draw_settings"]


def draw_settings(project: OpenProject, ui: PageUi) -> None:
    """Draw the project's name and description, and what takes it away."""
    if not project.row.is_archived:
        _draw_words(project, ui)
        _draw_second_stage(project, ui)
    draw_copies(project, ui)
    _draw_archive(project, ui)
    _draw_delete(project)


def _draw_words(project: OpenProject, ui: PageUi) -> None:
    # The version in the keys: after a change by anybody the fields show what is stored.
    seen = f"{project.row.id}-{project.row.version}"
    with st.form("project-name"):
        name = st.text_input("Name", project.row.name, max_chars=MAX_NAME, key=f"project-name-{seen}")
        is_renamed = pressed(
            "Rename", key="rename-project", draw=st.form_submit_button, icon=":material/edit:"
        )
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
        is_described = pressed(
            "Save", key="describe-project", draw=st.form_submit_button, icon=":material/save:"
        )
    if is_described:
        with show_core_errors():
            entry = describe_project(project.store, project.who, project.row, description)
            told = "Saved the description; undo it under History."
            ui.notice.say(told if entry else "Nothing has changed: it says so already.")
            st.rerun()


def _draw_second_stage(project: OpenProject, ui: PageUi) -> None:
    st.subheader("Second look")
    is_on = has_second_stage(project.row)

    def switch() -> None:
        with show_core_errors():
            set_second_stage(project.store, project.who, project.row, is_wanted=not is_on)
            told = "Finished images go straight on now" if is_on else "Finished images are to be approved now"
            ui.notice.say(f"{told}; undo it under History.")

    st.toggle(
        "Finished images are approved or returned by somebody",
        is_on,
        key=f"second-stage-{project.row.id}-{project.row.version}",
        on_change=switch,
        help="The Review page then has Approve and Return with a comment, and queues of what is to be "
        "approved and of what came back. What is changed after its approval is to be approved again.",
    )


def _draw_archive(project: OpenProject, ui: PageUi) -> None:
    st.subheader("Archive")
    label, icon, act, told = (
        ("Bring back", ":material/unarchive:", bring_back_project, "is back")
        if project.row.is_archived
        else ("Archive", ":material/archive:", archive_project, "is archived")
    )
    st.text("An archived project is out of the menus, and read-only until somebody brings it back.")
    if pressed(label, icon=icon, key="archive-project"):
        with show_core_errors():
            act(project.store, project.who, project.row)
            ui.notice.say(f"{one_line(project.row.name)} {told}.")
            st.rerun()


def _draw_delete(project: OpenProject) -> None:
    state = get_state()
    st.subheader("Delete")
    with st.popover("Delete this project", icon=":material/delete:", key=f"delete-{project.row.id}"):
        st.text(
            f"{contents_of(project.store, project.row.id).told} go, and the project's jobs end. For "
            f"{KEPT_DAYS} days anybody here can restore it; then all of it goes for good, but for files that "
            "another project has, too."
        )
        asked = pressed("Delete it", icon=":material/delete:", type="primary", key="delete-project")
    if asked:
        with show_core_errors():
            delete_project(project.store, project.who, project.row)
            state.project.open(None)
            st.query_params.clear()
            name = one_line(project.row.name)
            state.of_project(PageUi).notice.say(f"Deleted {name}; restore it under Deleted projects.")
            st.rerun()
