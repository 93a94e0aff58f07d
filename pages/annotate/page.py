"""Annotate: images in, instances with masks, live thresholds, exact files out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.annotate.downloads import draw_downloads
from pages.annotate.gallery import draw_gallery
from pages.annotate.image_panel import draw_image
from pages.annotate.stack import draw_stack
from pages.annotate.start import draw_start
from pages.annotate.to_project import draw_mend
from pages.shared.domains import draw_domain_hint
from pages.shared.ending import end_page
from pages.shared.fetching import draw_fetching, take_over
from pages.shared.intake import draw_camera, draw_report, draw_samples, draw_uploader
from pages.shared.model_choice import draw_model_choice, draw_thresholds, draw_tiles
from pages.shared.offering import tell_browser
from pages.shared.session import UiState, get_state
from pages.shared.steady import ACTIONS, DESK, UNDER_ACTIONS
from pages.shared.whole import Whole

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor


@st.fragment
def draw_desk(state: UiState, predictor: Predictor | None) -> None:
    """Draw all that the viewer's choices decide.

    One fragment, because Streamlit sends choices made in quick succession in two fragments as one: releasing
    the slider and pressing Prepare at once would lose the press.
    """
    before = state.choices
    actions, viewer = st.container(key=ACTIONS, horizontal=True), st.container(key=UNDER_ACTIONS)
    with viewer:
        draw_image(state, predictor)
        made = st.empty()
    with actions:  # after the viewer, whose choices they act on
        draw_mend(state, predictor)
        draw_stack(state)
        if predictor is not None:
            with st.popover("Download", icon=":material/download:", key="download"):
                draw_downloads(state, predictor)
    with made:
        tell_browser(state.prepared)
    if state.choices != before:
        st.rerun()  # the list of images counts by the same thresholds


page_state = get_state()
page_state.of(Whole).wait()
take_over(page_state)
with st.sidebar:
    # The images stand above the model, which is drawn first: they are those of its runs.
    images = st.container()
    chosen = draw_model_choice(page_state, is_needed=bool(page_state.workspace.images))
    draw_fetching(page_state, chosen)
    draw_thresholds(page_state)
    draw_tiles(page_state, chosen)

if not page_state.workspace.images:
    draw_start(page_state)
    end_page()

if chosen is not None:
    page_state.workspace.start(chosen, page_state.thresholds, first=page_state.current)

with images:
    # A hint that comes or goes between the others would have the browser rebuild them.
    with st.container():
        draw_domain_hint(page_state)
    draw_gallery(page_state, chosen)
    draw_report(page_state)
    with st.expander("Add images", icon=":material/add_photo_alternate:"):
        draw_uploader(page_state)
        draw_camera(page_state)
        draw_samples(page_state, across=2)
with st.container(key=DESK):
    draw_desk(page_state, chosen)
