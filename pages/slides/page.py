"""Slides: pictures of any size, read by windows, with what a model finds in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from maskrcnn_core.common.one_line import counted, one_line, shortened
from maskrcnn_core.detection.candidates import SCORE_FLOOR
from maskrcnn_core.errors import CoreError
from maskrcnn_core.images.stretch import Stretch
from maskrcnn_core.models.domains.rule import guess_domain
from maskrcnn_core.slides.pyramid import TILE
from maskrcnn_core.workspace.slide_desk import OpenSlide
from maskrcnn_core.workspace.slide_runs import SlideRun
from pages.components.viewer import ViewerImage, ViewerMessage, ViewerTiles, viewer
from pages.shared.domains import draw_hint_of
from pages.shared.ending import end_page
from pages.shared.model_choice import draw_model_choice, draw_thresholds
from pages.shared.pressing import pressed
from pages.shared.session import UiState, get_state
from pages.shared.slides import ShownSlide, SlidesUi
from pages.shared.steady import ACTIONS, DESK, UNDER_ACTIONS
from pages.shared.texts import harmless, plain
from pages.shared.whole import Whole
from pages.slides.downloads import draw_slide_downloads
from pages.slides.opening import draw_annotations, draw_opening, draw_refused

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

_LOOK = 1.0  # seconds between looks at a run
_PROGRESS_WIDTH = 250  # pixels: it stands among the actions, and moves nothing
_LONG_NAME = 40


def draw_start(state: UiState, slides: SlidesUi) -> None:
    """Draw the page as it is while no slide is open."""
    st.title("Slides of any size")
    st.text(
        "Whole slides, pyramids and tiled TIFFs are read by windows: only what you look at is loaded, and "
        "models see them tile by tile."
    )
    draw_opening(state, slides)
    draw_refused(slides)


@st.fragment(run_every=_LOOK)
def draw_progress(run: SlideRun) -> None:
    """Draw how far a run is; its end draws the page anew."""
    if not run.is_active:
        st.rerun()
    left = run.seconds_left
    text = f"Tile {run.done:,} of {run.total:,}" if run.total else "Beginning ..."
    st.progress(
        run.done / run.total if run.total else 0.0,
        text=text if left is None else f"{text}, {about(left)}",
        width=_PROGRESS_WIDTH,
    )


def about(seconds: float) -> str:
    """Return a time that is left, as nobody knows it better."""
    if seconds < 90:
        return f"about {max(5, round(seconds / 5) * 5)} s left"
    return f"about {round(seconds / 60)} min left"


def draw_actions(slides: SlidesUi, opened: OpenSlide, predictor: Predictor | None, state: UiState) -> None:
    """Draw what can be done with the slide that is looked at."""
    run = opened.run
    if run is not None and run.is_active:
        draw_progress(run)
        if pressed("Cancel", key="cancel-slide-run", icon=":material/stop:"):
            run.stop.set()
            st.rerun()
    elif pressed(
        "Find objects",
        key="find-in-slide",
        icon=":material/select_all:",
        type="primary",
        disabled=predictor is None,
        help="Runs the model over all tiles; you can go on looking meanwhile. The sliders need no other run.",
    ):
        assert predictor is not None
        slides.score_threshold = state.thresholds.score_threshold  # the model's own, unless somebody moved it
        slides.desk.start(opened, predictor, state.thresholds)
        st.rerun()
    if opened.found is not None:
        with st.popover("Download", icon=":material/download:", key="download-of-slide"):
            draw_slide_downloads(slides, opened, opened.found)
    # Another key closes it once something was handed in.
    with st.popover("Open", icon=":material/folder_open:", key=f"open-in-slides-{slides.upload_round}"):
        draw_opening(state, slides)
        draw_annotations(state, slides, opened)
    if pressed("Close", key="close-slide", icon=":material/close:", about=opened.key):
        slides.close(opened.key)
        st.rerun()


def draw_slide(slides: SlidesUi, shown: ShownSlide) -> None:
    """Mount the viewer, and take in what was done in it since."""
    opened = shown.opened
    if shown.take() and shown.found is not None:
        slides.score_threshold = max(slides.score_threshold, shown.found.least_score)
    found, known = shown.found, {one.id for one in shown.instances}
    name, (height, width) = shortened(one_line(opened.name), _LONG_NAME), opened.size
    tiles = ViewerTiles(shown.served.url, TILE, opened.tiles.levels)
    count = "" if found is None else f": {counted(len(found.instances), 'instance')}, {found.source}"
    notes = tuple(dict.fromkeys((*opened.notes, *(found.notes if found is not None else ()))))
    more = f"; {counted(len(notes), 'note')} below" if notes else ""
    answer = viewer(
        ViewerMessage(
            image=ViewerImage(opened.key, "", width, height, opened.name, tiles=tiles),
            instances=shown.instances,
            instances_url=shown.instances_url,
            score_threshold=slides.score_threshold,
            min_score=0.0 if found is None else min(found.least_score, 1.0),
            selected=tuple(one for one in slides.selected if one in known),
            hidden_categories=slides.hidden_categories,
            display=slides.display,
            ack=slides.ack,
            message=_message(opened),
            source="" if found is None else found.source,
            title=f"{name}: {width:,} x {height:,} pixels{count}{more}",
        ),
        key="slide-viewer",
    )
    slides.score_threshold, slides.selected = answer.score_threshold, answer.selected
    slides.hidden_categories, slides.display, slides.ack = (
        answer.hidden_categories,
        answer.display,
        answer.seq,
    )
    for note in notes:
        st.caption(plain(f"{note[0].upper()}{note[1:]}."))


def draw_slide_hint(state: UiState, opened: OpenSlide) -> None:
    """Say that a slide seems to be of another domain than the chosen one, as of a picture on Annotate."""
    key: tuple[str, Stretch] = opened.key, "auto"
    if key not in state.guesses:
        try:
            state.guesses[key] = guess_domain(opened.middle)
        except CoreError:  # the picture says itself what is wrong with it
            return
    draw_hint_of(state, opened.key, state.guesses[key], is_alone=True)


def _message(opened: OpenSlide) -> str:
    run = opened.run
    if run is not None and run.failed:
        return run.failed
    if run is not None and run.is_active:
        return "The model is on its way through the tiles"
    if run is not None and run.is_cancelled and opened.found is None:
        return "Cancelled before its end: nothing was kept. Press Find objects to begin anew"
    return "Nothing found: take another model" if opened.found is not None else "Press Find objects"


page_state = get_state()
page_state.of(Whole).wait()
ui = page_state.of(SlidesUi)
if ui.current not in ui.desk.slides:
    ui.look_at(next(iter(ui.desk.slides), ""))
with st.sidebar:
    menu = st.container()
    chosen = draw_model_choice(page_state, is_needed=bool(ui.desk.slides))
    draw_thresholds(page_state, limited="tile")
    page_state.thresholds = replace(
        page_state.thresholds, score_threshold=max(page_state.thresholds.score_threshold, SCORE_FLOOR)
    )
if not ui.desk.slides:
    draw_start(page_state, ui)
    end_page()
with menu:
    open_slides = list(ui.desk.slides)
    ui.look_at(
        st.selectbox(
            "Slide",
            open_slides,
            open_slides.index(ui.current),
            format_func=lambda key: harmless(ui.desk.slides[key].name),
            key=f"slide-choice-{len(open_slides)}-{ui.current[:8]}",
        )
    )
current = ui.desk.slides[ui.current]
with menu:
    draw_slide_hint(page_state, current)
if chosen is not None:
    moved = max(ui.score_threshold, SCORE_FLOOR)
    ui.desk.adjust(current, chosen, replace(page_state.thresholds, score_threshold=moved))
with st.container(key=DESK):
    actions, under = st.container(key=ACTIONS, horizontal=True), st.container(key=UNDER_ACTIONS)
    with under:
        draw_slide(ui, ui.show(current))
    with actions:  # after the viewer, whose choices they act on
        draw_actions(ui, current, chosen, page_state)
with st.container(key="slides-notices"):
    draw_refused(ui)
