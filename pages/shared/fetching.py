"""Better models that the app fetches by itself: their progress, and how one takes over from another."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from maskrcnn_core.models.catalog import MODELS, default_model, model_by_key
from maskrcnn_core.models.fetching import (
    FETCH_VARIABLE,
    FetchFailure,
    FetchStatus,
    fetcher,
    forbidden_by,
    is_better,
    models_to_fetch,
    set_fetching,
    size_and_licence,
)
from maskrcnn_core.models.spec import ModelSpec
from pages.shared.cached import predictor_of
from pages.shared.housekeeping import is_server
from pages.shared.session import UiState
from pages.shared.texts import plain, show_core_errors

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["begin_fetching", "draw_fetch_setting", "draw_fetching", "take_over"]

_EVERY = 1.0  # seconds between two looks at what is under way
_REASONS = {
    "no network": "no network",
    "refused": "refused",
    "cut": "the connection was interrupted",
    "wrong file": "the file was wrong or damaged, and was deleted",
    "no room": "no room on the disk",
    "cannot write": "its folder is not writable",
    "unusable": "it cannot be loaded",
}


def begin_fetching() -> None:
    """Begin to fetch what is missing, once for everyone on this server."""
    if is_server():
        fetcher().begin()


# -- taking over ------------------------------------------------------------------------------------


def take_over(state: UiState) -> None:
    """Let a better model that has arrived take over, once it has run on the current image.

    Until then the answers of the one that was there stay on the screen. What people decided stays: a model
    that they chose, and the project that they took images into, which knows nothing of this.
    """
    better = _better(state)
    if better is None:
        return
    with show_core_errors():
        predictor = predictor_of(state, better.key)
        state.workspace.start(predictor, state.thresholds, first=state.current)
        if state.current is not None:
            where = state.workspace.state_of(state.current, predictor, state.thresholds)
            if where.kind not in ("found", "none"):
                return  # it works, or has failed here, where the other one did not
        state.took_over, state.is_told = (state.model_key, better.key), False
        _change_to(state, better.key)


def _change_to(state: UiState, key: str) -> None:
    """Change to another model, as the menu would, but from outside of it."""
    state.model_key = key
    state.model_round += 1  # another widget: the menu's own value is that of the old model
    state.selected = ()  # rows of the old model's answers


def _better(state: UiState) -> ModelSpec | None:
    """Return the best model that has arrived since and may take over."""
    if state.is_model_chosen or not state.model_key or state.model_key in state.custom:
        return None
    if st.session_state.get(state.model_widget, state.model_key) != state.model_key:
        return None  # somebody is choosing one in this very moment
    present = model_by_key(state.model_key)
    came = [spec for key in fetcher().status.ready if is_better(spec := model_by_key(key), present)]
    return min(came, key=MODELS.index, default=None)


def _is_at_work(state: UiState) -> bool:
    """Report whether a better model is running on the current image."""
    better = _better(state)
    if better is None or state.current is None:
        return False
    predictor = predictor_of(state, better.key)
    return state.workspace.state_of(state.current, predictor, state.thresholds).is_active


# -- what is seen -----------------------------------------------------------------------------------


def draw_fetching(state: UiState, predictor: Predictor | None) -> None:
    """Draw what is fetched, what has taken over, or why nothing came; nothing if there is nothing to say."""
    status = fetcher().status
    _draw_taken_over(state)
    is_moving = status.is_active or _is_at_work(state)
    if is_moving:
        # The button is next to the words and above the bar, so that a low window shows it too.
        words, button = st.columns([3, 2], vertical_alignment="center")
        with words:
            _draw_rough(state, predictor)
        if status.is_active:
            button.button(
                "Cancel",
                key="fetch-cancel",
                on_click=fetcher().cancel,
                help="What has arrived is kept. The switch on the Models page, or "
                f"{FETCH_VARIABLE}=no, stops the app from fetching automatically.",
            )
        st.fragment(_draw_moving, run_every=_EVERY)(state, _step(state))
    elif not forbidden_by() and (status.stage == "cancelled" or (status.failures and _is_default(state))):
        _draw_ended(state, status)


def _is_default(state: UiState) -> bool:
    """Report whether nobody chose the model: it is the best one here, and a better one would be used."""
    return not state.is_model_chosen and state.model_key == default_model().key


def _step(state: UiState) -> object:
    """Return what the page depends on; bytes are the fragment's own matter."""
    status = fetcher().status
    return status.stage, status.spec and status.spec.key, status.failures, status.ready, _is_at_work(state)


def _draw_moving(state: UiState, step: object) -> None:
    if _step(state) != step:
        st.rerun()
    status = fetcher().status
    spec = status.spec
    if not status.is_active or spec is None:
        st.caption("Running a better model on this image ...")
        return
    if status.stage == "loading":
        st.progress(1.0, text=f"{spec.title} has arrived and is loading ...")
    elif not status.done:
        st.progress(0.0, text=f"Trying to fetch {spec.title}, {plain(size_and_licence(spec))} ...")
    else:
        share = status.done / status.total if status.total else 0.0
        size = f"{status.done / 1e6:.1f} of {status.total / 1e6:.1f} MB"
        st.progress(min(share, 1.0), text=f"Fetching {spec.title}: {size}, {plain(spec.licence)}")
    if status.then:
        then = "; ".join(f"{one.title}, {size_and_licence(one)}" for one in status.then)
        st.caption(f"Next: {plain(then)}.")


def _draw_rough(state: UiState, predictor: Predictor | None) -> None:
    """Say which model ran on the current image meanwhile, and how quickly."""
    took = None
    if predictor is not None and state.current is not None:
        took = state.workspace.seconds_of(state.current, predictor)
    if predictor is None or took is None:
        st.caption("A better model is on its way.")
    else:
        st.caption(f"A rough result after {took:.1f} s, by {plain(predictor.model.title)}.")


def _draw_taken_over(state: UiState) -> None:
    if state.took_over is None:
        return
    before, now = (model_by_key(key).title for key in state.took_over)
    if not state.is_told:
        st.toast(f"{plain(now)} has taken over", icon=":material/upgrade:")
        state.is_told = True
    kept = " Projects stay as they are." if state.mended_in else ""
    st.caption(f"{plain(now)} has taken over from {plain(before)}.{kept}")

    def switch_back(key: str) -> None:
        _change_to(state, key)
        state.is_model_chosen, state.took_over = True, None

    st.button(
        "Switch back",
        key="fetch-switch-back",
        icon=":material/undo:",
        on_click=partial(switch_back, state.took_over[0]),
    )


def _draw_ended(state: UiState, status: FetchStatus) -> None:
    """Draw why nothing more comes, how to try again, and what came of it when somebody did."""
    if status.stage == "cancelled" and status.spec is not None:
        st.caption(
            f"Stopped fetching {status.spec.title} at {status.done / 1e6:.1f} of {status.total / 1e6:.1f} MB."
        )
    elif status.is_offline:
        here = default_model()
        used = plain(here.title) if here.is_published else "the small built-in model"
        st.caption(f"No network, so no better model: using {used}.")
    else:
        for failure in status.failures:
            st.caption(f"{failure.spec.title} was not fetched: {_why(failure)}.", help=plain(failure.message))
    if state.tried_at and status.stage != "cancelled":
        st.caption(f"Tried again at {state.tried_at}, without success.")

    def try_again() -> None:
        state.tried_at = f"{datetime.now():%H:%M:%S}"
        fetcher().retry()

    label = "Resume" if status.stage == "cancelled" else "Try again"
    st.button(label, key="fetch-retry", icon=":material/refresh:", on_click=try_again)


def _why(failure: FetchFailure) -> str:
    return _REASONS[failure.trouble]


# -- the setting ------------------------------------------------------------------------------------


def draw_fetch_setting() -> None:
    """Draw the switch, which says what would be fetched; disabled if a variable has decided."""
    reason = forbidden_by()
    is_ours = reason in ("", "switched off in the app")
    plan = "; ".join(f"{spec.title}, {size_and_licence(spec)}" for spec in models_to_fetch())
    is_on = st.toggle(
        "Fetch better models for photos automatically",
        not reason,
        key="fetch-setting",
        disabled=not is_ours,
        help=f"In the background once the app is open, for all users; {FETCH_VARIABLE}=no turns it off.",
    )
    if not is_ours:
        st.caption(f"This is switched off: {plain(reason)}.")
    elif plan:
        st.caption(f"Better models not fetched yet: {plain(plan)}.")
    if not is_ours or is_on == (not reason):
        return
    with show_core_errors():
        set_fetching(is_on)
        if not is_on:
            fetcher().cancel()
        elif is_server():
            fetcher().retry()
        st.rerun()
