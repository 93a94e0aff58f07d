"""A picture of one stage of the network, with layers to look at and things to move; see `StageMessage`.

Its slider and its boxes move in the browser alone; Python hears of them on release::

    answer = stage_view(StageMessage("iou", url, size, "Two boxes", boxes=..., box_names=...), key="iou")
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from pages.ui import viewer as viewer_package
from pages.ui.stage_view.messages import Layer, Slider, StageAnswer, StageMessage, read_answer
from pages.ui.viewer.bundle import bundle_modules

__all__ = [
    "Layer",
    "Slider",
    "StageAnswer",
    "StageMessage",
    "answer_of",
    "read_answer",
    "stage_view",
    "stage_view_script",
]

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
_OF_THE_VIEWER = ("geometry.js", "leaving.js", "serving.js")
MODULES = ("boxes.js", "stage_state.js", "stage_draw.js", "stage_view.js")


def stage_view_script() -> str:
    """The component's modules as one script."""
    files = [viewer_package.HERE / "frontend" / name for name in _OF_THE_VIEWER]
    files += [HERE / "frontend" / name for name in MODULES]
    return bundle_modules({file.name: file.read_text("utf-8") for file in files})


_mount = st.components.v2.component(
    "maskdesk_stage_view",
    html=(HERE / "stage_view.html").read_text("utf-8"),
    css=(HERE / "stage_view.css").read_text("utf-8"),
    js=stage_view_script(),
)


def stage_view(message: StageMessage, *, key: str) -> None:
    """Shows the picture. What was done in it is read before it is drawn: `answer_of`.

    Args:
        message: what to show.
        key: unique on the page.
    """
    _mount(key=key, data=message.to_json(), on_answer_change=_nothing)


def answer_of(message: StageMessage, *, key: str) -> StageAnswer:
    """What a person has done in the picture of that key and scene; nothing yet, where it is another one.

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
    """A callback names the state; all reading is done in the body."""
