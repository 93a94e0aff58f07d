"""Which model turns drawn boxes into masks on the Review page."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.models.catalog import ready_models
from maskrcnn_core.projects.proposals.fit import Fit
from maskrcnn_core.projects.proposals.jobs import jobs_of
from pages.shared.model_choice import shown_title
from pages.shared.open_project import OpenProject
from pages.shared.session import ProjectUi, get_state

__all__ = ["draw_box_choice"]


def draw_box_choice(project: OpenProject, ui: ProjectUi, turn: int) -> None:
    """Draw the choice; at first the last model that ran over the project, or else the one that fits it.

    Args:
        project: whose boxes.
        ui: where the choice is kept.
        turn: part of the menu's key; a new one shows what was chosen elsewhere.
    """
    specs = {spec.key: spec for spec in ready_models()}
    if not specs:
        st.caption("No model is ready to fill boxes: see the Models page.")
        return
    if ui.box_model not in specs:
        ran = (job.model_key for job in jobs_of(project.store, project.row.id))
        last = next((key for key in ran if key in specs), None)
        fit = Fit(project.store, project.row.id, known=get_state().guesses)
        ui.box_model = last or fit.model().key
    ui.box_model = st.selectbox(
        "Model for boxes",
        list(specs),
        list(specs).index(ui.box_model),
        format_func=lambda key: shown_title(specs[key]),
        key=f"box-model-{project.row.id}-{turn}",
        help="Press R and drag a box around what was missed: this model's own heads make the mask and name "
        "it.",
    )
