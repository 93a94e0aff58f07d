"""How a project's instances came about, in sentences for a paper."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.projects.people.methods import project_methods
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed

__all__ = ["draw_methods"]


def draw_methods(project: OpenProject) -> None:
    """Draw the statement once it is asked for: it is counted from the whole journal."""
    with st.expander("Methods statement", icon=":material/description:", key="methods"):
        st.caption(
            "Models with their digests and thresholds, what was seen of stacks, and what people accepted, "
            "rejected and changed; ready to paste. Measurements are a format of the export."
        )
        if pressed("Write it", key="write-methods", icon=":material/edit_note:"):
            st.code(project_methods(project.store, project.row.id), language=None, wrap_lines=True)
