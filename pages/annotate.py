"""Annotate: images in, instances with masks, live thresholds, exact files out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.domains import draw_domain_hint
from pages.ui.downloads import draw_downloads
from pages.ui.fetching import draw_fetching, take_over
from pages.ui.gallery import draw_gallery
from pages.ui.instances import draw_image
from pages.ui.intake import draw_camera, draw_report, draw_samples, draw_uploader
from pages.ui.mending import draw_mend
from pages.ui.navigation import through_app
from pages.ui.settings import draw_model_choice, draw_thresholds
from pages.ui.state import UiState, get_state
from pages.ui.steady import DESK

if TYPE_CHECKING:
    from maskrcnn_core.inference import Predictor


@st.fragment
def draw_desk(state: UiState, predictor: Predictor | None) -> None:
    """All that the viewer's choices decide.

    One fragment, as Streamlit sends choices made in quick succession in two fragments as one: releasing the
    slider and pressing Prepare at once would lose the press.
    """
    before = state.choices
    draw_mend(state, predictor)
    draw_image(state, predictor)
    if predictor is not None:
        draw_downloads(state, predictor)
    if state.choices != before:
        st.rerun()  # the list of images counts by the same thresholds


def draw_start(state: UiState) -> None:
    st.title("Drop in a picture, get its objects")
    st.text(
        "Every object gets a mask. Move the thresholds and see the result at once; leave with exact files."
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        draw_uploader(state)
    with right:
        draw_camera(state)
    draw_report(state)
    st.subheader("Or try one of these")
    draw_samples(state)


through_app()
page_state = get_state()
take_over(page_state)
with st.sidebar:
    chosen = draw_model_choice(page_state, is_needed=bool(page_state.workspace.images))
    draw_fetching(page_state, chosen)
    draw_thresholds(page_state)

if not page_state.workspace.images:
    draw_start(page_state)
    st.stop()

if chosen is not None:
    page_state.workspace.start(chosen, page_state.thresholds, first=page_state.current)

with st.container(key=DESK):
    left, right = st.columns([5, 9], gap="medium")
with left:
    draw_gallery(page_state, chosen)
    draw_report(page_state)
    with st.expander("Add images", icon=":material/add_photo_alternate:"):
        draw_uploader(page_state)
        draw_camera(page_state)
        draw_samples(page_state, across=2)
with right:
    # A hint that comes or goes between the others would have the browser make the viewer anew.
    with st.container():
        draw_domain_hint(page_state)
    draw_desk(page_state, chosen)
