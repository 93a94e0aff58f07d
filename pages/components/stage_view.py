"""A picture of one stage of the network, with layers to look at and things to move; see `StageMessage`.

Its slider and its boxes move in the browser alone; Python hears of them on release::

    answer = stage_view(StageMessage("iou", url, size, "Two boxes", boxes=..., box_names=...), key="iou")
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import streamlit as st

from pages.components.mounting import mount
from pages.components.stage_view_messages import Layer, Slider, StageAnswer, StageMessage, read_answer

__all__ = [
    "Layer",
    "Slider",
    "StageAnswer",
    "StageMessage",
    "answer_of",
    "read_answer",
    "stage_view",
]

log = logging.getLogger(__name__)


def stage_view(message: StageMessage, *, key: str) -> None:
    """Show the picture. What was done in it is read before it is drawn: `answer_of`.

    Args:
        message: what to show.
        key: unique on the page.
    """
    mount("stage_view", key=key, data=message.to_json(), on_answer_change=_nothing)


def answer_of(message: StageMessage, *, key: str) -> StageAnswer:
    """Return what a person did in the picture of that key and scene; nothing yet, if it is another one.

    Call it with a message of the same scene, image and controls as is drawn then: its layers do not matter.
    """
    begun = StageAnswer(
        value=message.slider.value if message.slider else None,
        boxes=message.boxes,
        point=message.point,
        drawn=message.drawn,
    )
    stored = st.session_state.get(key)
    answer = stored.get("answer") if isinstance(stored, Mapping) else None
    if answer is None:
        return begun
    try:
        return read_answer(answer, message) or begun
    except ValueError as error:
        log.warning("stage picture: answer left out: %s", error)
        return begun


def _nothing() -> None:
    """Do nothing: a callback names the state; all reading is done in the body."""
