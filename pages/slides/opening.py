"""How slides come in: handed in, or from a folder where they stay; and what is known of them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from maskrcnn_core.errors import CoreError
from maskrcnn_core.workspace.slide_desk import OpenSlide, read_annotations
from pages.components.uploads import say_why_uploads_fail
from pages.shared.pressing import pressed
from pages.shared.session import UiState
from pages.shared.slides import SLIDES_FOLDER, SlidesUi, folder_of_slides
from pages.shared.texts import harmless, plain
from pages.shared.whole import Whole

__all__ = ["draw_annotations", "draw_opening", "draw_refused"]

_KINDS = "TIFF, BigTIFF, OME-TIFF, SVS, and with OpenSlide NDPI, MRXS, SCN, BIF and CZI"


def draw_opening(state: UiState, slides: SlidesUi) -> None:
    """Draw the uploader, and the menu of a folder's slides where one is named."""
    turn = slides.upload_round
    files = st.file_uploader(
        "Slides",
        accept_multiple_files=True,
        key=f"slides-{turn}",
        help=f"{_KINDS}. They stay on this computer.",
    )
    say_why_uploads_fail("slide-uploads")
    if files:
        with state.of(Whole).work() as show:
            if slides.upload_round == turn:  # no other run of the page has taken them in
                slides.upload_round += 1  # first: what breaks the page must not do it at each drawing
                for done, file in enumerate(files):
                    show(done / len(files), f"Reading {plain(file.name)}")
                    try:
                        slides.look_at(slides.desk.add(file.name, file).key)
                    except CoreError as error:
                        slides.refused.append(str(error))
        st.rerun()
    _draw_folder(slides)


def _draw_folder(slides: SlidesUi) -> None:
    places = folder_of_slides()
    if not places:
        st.caption(
            f"Start MaskDesk with {plain(SLIDES_FOLDER)} set to a folder to open slides where they lie, "
            "without copying them."
        )
        return
    chosen = st.selectbox(
        "Slides in the folder", places, None, format_func=_shown, key="slide-of-folder", placeholder="Choose"
    )
    if pressed("Open", key="open-slide", disabled=chosen is None, about=chosen) and chosen is not None:
        try:
            slides.look_at(slides.desk.open(chosen).key)
        except CoreError as error:
            slides.refused.append(str(error))
        st.rerun()


def _shown(path: Path) -> str:
    return harmless(f"{path.parent.name}/{path.name}")


def draw_annotations(state: UiState, slides: SlidesUi, opened: OpenSlide) -> None:
    """Draw what takes a COCO JSON file of this slide, to be looked at."""
    turn = slides.upload_round
    file = st.file_uploader(
        "COCO JSON of this slide",
        key=f"annotations-{turn}",
        help="Shown in place of what is shown now: as 'annotate' or a download here has written it.",
    )
    if file is None:
        return
    with state.of(Whole).work("Reading") as _:
        if slides.upload_round == turn:
            slides.upload_round += 1
            try:
                read_annotations(opened, file.getvalue(), file.name)
                slides.selected, slides.score_threshold = (), 0.0
            except CoreError as error:
                slides.refused.append(str(error))
    st.rerun()


def draw_refused(slides: SlidesUi) -> None:
    """Say what could not be opened, until somebody has read it."""
    if not slides.refused:
        return
    with st.container(border=True, key="slides-refused"):
        for sentence in slides.refused:
            st.text(sentence)  # as it is: nothing of it is taken for Markdown
        if pressed("Got it", key="dismiss-slides-refused"):
            slides.refused.clear()
            st.rerun()
