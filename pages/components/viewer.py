"""The viewer: an image with its instances, filtered, zoomed and picked in the browser.

Moving the score slider redraws within a frame, as no server takes part; Python learns of it on release.
A page builds a `ViewerMessage`, calls `viewer` and keeps the `ViewerState` it gets for the next run::

    state = viewer(message, key="predict")
    ui.score_threshold, ui.selected, ui.ack = state.score_threshold, state.selected, state.seq

Only one `viewer` call per key in a run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from pages.components.media import media_url, picture_urls
from pages.components.mounting import mount
from pages.components.viewer_messages import (
    CocoRle,
    RleLike,
    ViewerImage,
    ViewerInstance,
    ViewerMessage,
    ViewerState,
    ViewerTiles,
    read_report,
)

__all__ = [
    "CocoRle",
    "RleLike",
    "ViewerImage",
    "ViewerInstance",
    "ViewerMessage",
    "ViewerState",
    "ViewerTiles",
    "media_url",
    "picture_urls",
    "read_report",
    "viewer",
]

log = logging.getLogger(__name__)


def viewer(message: ViewerMessage, *, key: str) -> ViewerState:
    """Show the viewer and return what has been chosen in it.

    A report newer than ``message.ack`` is taken in before the viewer is drawn, so this run already has it.
    One that does not hold against `read_report` is logged and left out.

    Args:
        key: of this viewer, unique on the page. It fills what is left of the window below its place.
    """
    state = _newest_state(message, _stored_report(key))
    current = replace(
        message,
        score_threshold=state.score_threshold,
        selected=state.selected,
        hidden_categories=state.hidden_categories,
        display=state.display,
        ack=state.seq,
    )
    mount("viewer", key=key, data=current.to_json(), on_view_change=_nothing)
    return state


def _newest_state(message: ViewerMessage, report: object) -> ViewerState:
    """Return the report's state if it is valid and newer than the message, or else the message's own."""
    seq = report.get("seq") if isinstance(report, Mapping) else None
    if report is None or (type(seq) is int and 0 < seq <= message.ack):
        return message.state  # already taken in: the ids it names may have gone since
    try:
        return read_report(report, message) or message.state
    except ValueError as error:
        log.warning("viewer: report left out: %s", error)
        return message.state


def _stored_report(key: str) -> object:
    stored = st.session_state.get(key)
    return stored.get("view") if isinstance(stored, Mapping) else None


def _nothing() -> None:
    """Do nothing: a callback names the state; the body does all reading, where AppTest gets to it."""
