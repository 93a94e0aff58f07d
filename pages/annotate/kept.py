"""Closing images and taking that back, and the images that an earlier visit left open."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.common.one_line import counted, shortened
from pages.components.outbox import told_images
from pages.shared.kept_images import DAYS, LeftOpen, kept_images
from pages.shared.session import UiState
from pages.shared.texts import plain

__all__ = ["draw_closing", "draw_left_open", "draw_reopening"]

_NAME = 24  # characters


def draw_closing(state: UiState) -> None:
    """Draw the buttons that close images and take that back, and say how long open ones are kept."""
    images = list(state.workspace.images)
    at = images.index(state.current) if state.current in images else 0

    def close(digests: list[str]) -> None:
        state.workspace.remove(digests)
        rest = list(state.workspace.images)
        state.look_at(rest[min(at, len(rest) - 1)] if rest else None)

    st.button(
        "Close this image",
        key="close",
        icon=":material/close:",
        on_click=close,
        args=([images[at]],),
        width="stretch",
    )
    st.button(
        "Close all",
        key="close-all",
        icon=":material/clear_all:",
        on_click=close,
        args=(images,),
        width="stretch",
        help="You can open them again, for a day or until you delete them.",
    )
    draw_reopening(state)
    if state.images_token:
        st.caption(f"Kept for this tab, also over a reload, until you close them; unused, for {DAYS} days.")


def draw_reopening(state: UiState) -> None:
    """Draw the way back to the images that were closed last, and the way to be rid of their files."""
    closed = state.workspace.closed_last
    if not closed:
        return

    def reopen() -> None:
        added = state.workspace.reopen().added
        if added:
            state.look_at(added[0])

    st.button(
        f"Open {plain(_named(closed))} again",
        key="reopen",
        icon=":material/undo:",
        on_click=reopen,
        width="stretch",
    )
    st.button(
        "Delete what was closed",
        key="remove-closed",
        icon=":material/delete:",
        on_click=state.workspace.remove_closed,
        width="stretch",
        help="Their copies on this server go now instead of tomorrow. The files on your disk stay.",
    )


def draw_left_open(state: UiState) -> None:
    """Offer what tabs of this browser that are closed now left open."""
    told = told_images()
    for left in kept_images().left_open(word for word in told.left if word != state.images_token):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.text(f"Still open from before: {_named(left.names)}")
            st.button(
                "Go on with them" if len(left.names) > 1 else "Go on with it",
                key=f"go-on-{left.token}",
                icon=":material/history:",
                on_click=kept_images().join,
                args=(state, left.token),
            )
            st.button(
                "Close and delete",
                key=f"close-left-{left.token}",
                icon=":material/delete:",
                on_click=_close,
                args=(left,),
                help="Their copies on this server go. The files on your disk stay.",
            )


def _close(left: LeftOpen) -> None:
    kept_images().close(left.token)
    st.toast(f"Deleted: {plain(_named(left.names))}")


def _named(names: list[str] | tuple[str, ...]) -> str:
    """Return the only name, or how many there are."""
    if len(names) == 1:
        return shortened(names[0], _NAME)
    return counted(len(names), "image")
