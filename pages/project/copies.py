"""A project once more, and another project taken into this one."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.common.bounds import MAX_NAME
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.projects.copying.duplicating import duplicate_project
from maskrcnn_core.projects.copying.merging import carry_out_merge, plan_merge
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed
from pages.shared.session import get_state
from pages.shared.texts import harmless, plain, show_core_errors

__all__ = ["draw_copies"]


def draw_copies(project: OpenProject, ui: PageUi) -> None:
    """Draw what copies this project, and what takes another one in."""
    _draw_duplicate(project)
    if not project.row.is_archived:
        _draw_merge(project, ui)


def _draw_duplicate(project: OpenProject) -> None:
    st.subheader("Duplicate")
    with st.form(f"duplicate-{project.row.id}"):
        name = st.text_input("Name of the copy", f"{project.row.name}, copy"[:MAX_NAME], max_chars=MAX_NAME)
        st.caption("Images, categories, instances and what models found; the journal stays here.")
        asked = pressed(
            "Duplicate", key="duplicate-project", draw=st.form_submit_button, icon=":material/content_copy:"
        )
    if asked:
        with show_core_errors():
            copy = duplicate_project(project.store, project.row.id, project.who, name)
            state = get_state()
            state.project.open(copy.id)
            st.query_params.from_dict({"project": str(copy.id)})
            state.of_project(PageUi).notice.say(
                f"This is {one_line(copy.name)}, a copy of {one_line(project.row.name)}."
            )
            st.rerun()


def _draw_merge(project: OpenProject, ui: PageUi) -> None:
    st.subheader("Take another project in")
    others = {row.id: row for row in project.store.sound_projects()[0] if row.id != project.row.id}
    if not others:
        st.caption("There is no other project: create one in the sidebar, and come back.")
        return
    id_ = st.selectbox(
        "Which project",
        list(others),
        index=None,
        format_func=lambda i: harmless(others[i].name),
        placeholder="It stays as it is",
        key=f"merge-source-{project.row.id}",
    )
    if id_ is None:
        return
    with show_core_errors():
        plan = plan_merge(project.store, id_, project.row.id)
        st.text(f"{plan.report.told}.")
        for sentence in (*plan.report.conflicts, *plan.report.notes):
            st.text(f"{sentence}.")
        if pressed(
            plain(f"Take {others[id_].name} in"),
            icon=":material/merge:",
            disabled=not plan.changes,
            key="merge-project",
        ):
            report = carry_out_merge(project.store, plan, project.who)
            ui.notice.say(f"Merged {report.told}; undo it under History.")
            st.rerun()
