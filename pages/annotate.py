"""Annotate: images in, instances with masks, live thresholds, exact files out."""

import streamlit as st

from pages.ui.downloads import draw_downloads
from pages.ui.gallery import draw_gallery
from pages.ui.instances import draw_image
from pages.ui.intake import draw_report, draw_samples, draw_uploader
from pages.ui.settings import draw_model_choice, draw_thresholds
from pages.ui.state import get_state

state = get_state()
with st.sidebar:
    predictor = draw_model_choice(state)
    draw_thresholds(state, predictor)

if not state.workspace.images:
    st.title("Drop in a picture, get its objects")
    st.text(
        "Every object gets a mask. Move the thresholds and see the result at once; leave with exact files."
    )
    draw_uploader(state)
    draw_report(state)
    st.subheader("Or try a drawn one")
    draw_samples(state)
    st.stop()

if predictor is not None:
    state.workspace.start(predictor, state.thresholds, first=state.current)

left, right = st.columns([1, 3], gap="medium")
with left:
    draw_gallery(state, predictor)
    draw_report(state)
    with st.expander("Add images", icon=":material/add_photo_alternate:"):
        draw_uploader(state)
        draw_samples(state)
with right:
    draw_image(state, predictor)
    if predictor is not None:
        draw_downloads(state, predictor)
