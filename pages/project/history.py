"""The journal: who decided what, undo and redo."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from maskrcnn_core.projects.undo_report import kinds_of, tell_turn
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed
from pages.shared.texts import cell, show_core_errors

__all__ = ["draw_history"]

_LINES = 200


def draw_history(project: OpenProject, ui: PageUi) -> None:
    """Draw buttons for this person's last decision, and everybody's latest lines."""
    st.text(
        "Every decision, with its author and time. Undo takes back your own decisions, latest first; "
        "anything a later decision by somebody else depends on is named and left."
    )
    left, right, _ = st.columns([1, 1, 4])
    for column, label, icon, act in (
        (left, "Undo", ":material/undo:", project.store.undo),
        (right, "Redo", ":material/redo:", project.store.redo),
    ):
        if pressed(label, draw=column.button, icon=icon, key=f"history-{label}", width="stretch"):
            with show_core_errors():
                entry = act(project.row.id, project.who)
                told = tell_turn(project.store, entry) if entry else ""
                ui.notice.say(
                    f"{told[:1].upper()}{told[1:]}." if told else f"You have nothing to {label.lower()}."
                )
                st.rerun()
    lines = project.store.journal(project.row.id, limit=_LINES)
    names = {image.id: image.file_name for image in project.images}
    st.dataframe(
        pd.DataFrame(
            {
                "when (UTC)": [entry.at.replace(tzinfo=None) for entry in lines],
                "who": [cell(entry.who) for entry in lines],
                "what": kinds_of(project.store, lines),
                "image": [cell(names.get(entry.image_id or 0, "")) for entry in lines],
                "rows": [len(entry.changes) for entry in lines],
                "": ["refused: somebody else was first" if entry.is_refused else "" for entry in lines],
            }
        ),
        hide_index=True,
        key="journal",
        alt="Latest decisions",
    )
    if len(lines) == _LINES:
        st.caption(f"The latest {_LINES}; `project journal` on the command line shows all.")
