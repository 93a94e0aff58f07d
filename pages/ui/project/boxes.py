"""Which model turns drawn boxes into masks on the Review page."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.models import ready_models
from maskrcnn_core.store.jobs import jobs_of
from maskrcnn_core.store.looking import Fit
from pages.ui.project.choosing import OpenProject
from pages.ui.settings import shown_title
from pages.ui.state import ReviewUi, get_state

__all__ = ["draw_box_choice"]


def draw_box_choice(project: OpenProject, review: ReviewUi) -> None:
    """The choice; at first the model that ran over the project last, or else the one that fits it."""
    specs = {spec.key: spec for spec in ready_models()}
    if not specs:
        st.caption("No model is ready to fill boxes: see the Models page.")
        return
    if review.box_model not in specs:
        ran = (job.model_key for job in jobs_of(project.store, project.row.id))
        last = next((key for key in ran if key in specs), None)
        fit = Fit(project.store, project.row.id, known=get_state().guesses)
        review.box_model = last or fit.model().key
    review.box_model = st.selectbox(
        "Boxes are filled by",
        list(specs),
        list(specs).index(review.box_model),
        format_func=lambda key: shown_title(specs[key]),
        key=f"box-model-{project.row.id}-{review.round}",
        help="R, and drag a box around what was missed: this model's own heads make its mask and name it.",
    )
