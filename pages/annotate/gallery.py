"""The list of open images: each with its state, and which one is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskrcnn_core.common.one_line import about, shortened
from maskrcnn_core.workspace import ImageState
from pages.annotate.kept import draw_closing
from pages.annotate.looking import look_again_in, look_caller
from pages.components.stepper import stepper
from pages.shared.pressing import pressed
from pages.shared.session import UiState
from pages.shared.texts import cell

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["draw_gallery"]

_NAME = 18  # characters of a name that the list has room for
_ROWS = 6  # that are seen without scrolling the list
_SOONEST, _LATEST = 0.7, 5.0  # seconds until a list with waiting images looks again


def draw_gallery(state: UiState, predictor: Predictor | None) -> None:
    """Draw the list. While images wait or run it renews itself, and the page once the current one is done.

    The longer it takes until there can be news, the later it looks: many pages that wait would otherwise take
    from the network what they wait for.
    """
    states = _states(state, predictor)
    state.seen = _what_the_page_shows(state, states)
    active = any(s.is_active for s in states)
    st.fragment(_draw, run_every=_next_look(state, predictor) if active else None)(state, predictor)
    _draw_buttons(state)


def _next_look(state: UiState, predictor: Predictor | None) -> float:
    """Return the seconds until the list looks again."""
    expected = state.workspace.seconds_until_news(predictor) or 0.0
    return min(max(round(expected, 1), _SOONEST), _LATEST)


def _states(state: UiState, predictor: Predictor | None) -> list[ImageState]:
    workspace = state.workspace
    return [workspace.state_of(digest, predictor, state.thresholds) for digest in workspace.images]


def _draw(state: UiState, predictor: Predictor | None) -> None:
    workspace = state.workspace
    _look_at_news(state, predictor)  # before the states are asked for: nothing falls between
    states = _states(state, predictor)
    if any(s.is_active for s in states):
        look_again_in(_next_look(state, predictor))
    else:
        workspace.on_done = None
    digests = list(workspace.images)
    _draw_progress(state, predictor, states)

    # After a move by other means the table is another one: an answer of the old one that is still under way
    # must not take the move back.
    key = f"gallery-{state.visit}"

    at = digests.index(state.current) if state.current in digests else 0

    def choose() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        # A table also reports the row that it was drawn with: that is nobody's choice.
        if rows and rows[0] != at and rows[0] < len(digests):
            visit = state.visit
            state.look_at(digests[rows[0]])
            state.visit = visit

    table = pd.DataFrame(
        {
            "": [image.thumbnail for image in workspace.images.values()],
            "state": [s.brief for s in states],
            "image": [cell(shortened(image.name, _NAME)) for image in workspace.images.values()],
        }
    )
    st.dataframe(
        table,
        key=key,
        selection_default={"selection": {"rows": [at], "columns": []}},
        hide_index=True,
        height=min(38 + 48 * len(table), 38 + 48 * _ROWS),
        row_height=48,
        on_select=choose,
        selection_mode="single-row-required",
        column_config={
            "": st.column_config.ImageColumn(width=52),
            "state": st.column_config.TextColumn(width=84),
        },
        alt="Open images and their state; choose a row to look at an image",
    )
    if _what_the_page_shows(state, states) != state.seen:
        st.rerun()


def _look_at_news(state: UiState, predictor: Predictor | None) -> None:
    """Have the list look at once when the current image, or the last one waiting, has its run."""
    workspace = state.workspace
    if predictor is None:
        workspace.on_done = None
        return
    call = look_caller()

    def on_done(digest: str) -> None:
        if digest == state.current or workspace.seconds_until(workspace.images, predictor) is None:
            call()

    workspace.on_done = on_done


def _draw_progress(state: UiState, predictor: Predictor | None, states: list[ImageState]) -> None:
    active = sum(s.is_active for s in states)
    if active:
        done = len(states) - active
        st.progress(done / len(states), text=f"{done} of {len(states)} done{_left(state, predictor)}")
        if pressed("Cancel waiting", key="cancel-waiting", icon=":material/stop:"):
            state.workspace.cancel()
            st.rerun()
    again = [s.kind for s in states if s.can_run_again]
    if not again or predictor is None:
        return
    if pressed(
        f"Run {len(again)} again",
        key="retry",
        icon=":material/refresh:",
        help=_why_again(again.count("failed"), again.count("cancelled")),
        width="stretch",
    ):
        state.workspace.retry(predictor.model.digest)
        st.rerun()


def _left(state: UiState, predictor: Predictor | None) -> str:
    """Say about how long all images will take, and the current one, if that can be known."""
    workspace = state.workspace
    if predictor is None or (left := workspace.seconds_until(workspace.images, predictor)) is None:
        return ""
    this = workspace.seconds_until([state.current or ""], predictor)
    return f", {about(left)} left" + (f", {about(this)} for this one" if this is not None else "")


def _why_again(failed: int, cancelled: int) -> str:
    """Say what the button runs; an image that would fail in the same way again is not counted."""
    parts = [f"{number} {what}" for number, what in ((failed, "failed"), (cancelled, "cancelled")) if number]
    return f"{' and '.join(parts)}; images this model can never process are left out."


def _draw_buttons(state: UiState) -> None:
    """Draw the buttons outside the part that renews itself, with callbacks: no renewal loses a press."""
    digests = list(state.workspace.images)
    at = digests.index(state.current) if state.current in digests else 0

    def go(steps: int) -> None:
        here = digests.index(state.current) if state.current in digests else 0
        state.look_at(digests[min(max(here + steps, 0), len(digests) - 1)])

    stepper(state.steps, at, len(digests), go, key="steps", back="Previous image", forward="Next image")
    draw_closing(state)


def _what_the_page_shows(state: UiState, states: list[ImageState]) -> object:
    """Return what the page outside this list depends on."""
    digests = list(state.workspace.images)
    current = states[digests.index(state.current)].kind if state.current in digests else ""
    return state.current, current, any(s.is_active for s in states)
