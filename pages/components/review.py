"""The reviewer: a queue of images gone through with one key per decision, in the browser.

A decision is applied in the browser at once and comes to Python as an operation. A page takes them in
*before* it builds the message, so that the frames it sends contain them::

    report = waiting_operations("review")
    if report is not None:
        acked = carry_out(report.client, report.operations)   # each (client, seq) once; commits
    reviewer(build_message(ack_client=report.client, ack_seq=acked, ...), key="review")

Whatever is not acknowledged stays in the tab, also over a reload, and is sent again. One reviewer on a page:
tabs, not components, have names. Frames that may be shown soon are read ahead, so each frame's image needs a
`media_url` key of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from pages.components.mounting import mount
from pages.components.review_messages import (
    InstanceState,
    Person,
    Pin,
    QueueFacts,
    Refusal,
    ReviewCategory,
    ReviewFrame,
    ReviewMessage,
    SecondLook,
)
from pages.components.review_protocol import Go, Operation, ReviewReport, Unreadable, read_operations
from pages.components.viewer_messages import ViewerState, read_report

__all__ = [
    "Go",
    "InstanceState",
    "Operation",
    "Person",
    "Pin",
    "QueueFacts",
    "Refusal",
    "ReviewCategory",
    "ReviewFrame",
    "ReviewMessage",
    "ReviewReport",
    "SecondLook",
    "Unreadable",
    "read_operations",
    "reviewer",
    "waiting_operations",
]

log = logging.getLogger(__name__)


def waiting_operations(key: str) -> ReviewReport | None:
    """Return the operations the browser sent last, also those carried out since; ``None`` without any.

    A report that does not hold against `read_operations` is logged and left out; of one with a bad operation
    that is an `Unreadable`.
    """
    report = _stored(key, "ops")
    if report is None:
        return None
    try:
        return read_operations(report, keeps_unreadable=True)
    except ValueError as error:
        log.warning("reviewer: report left out: %s", error)
        return None


def reviewer(message: ReviewMessage, *, key: str) -> ReviewReport | None:
    """Show the reviewer and return what it has reported and the message does not contain.

    Args:
        key: of this reviewer, unique on the page. It fills what is left of the window below its place.

    Returns:
        Operations after ``message.ack_seq``, and the view if it has changed: keep it, and build the next
        message's frames with its values and ``ack=view.seq``. ``None`` if there is neither.
    """
    view = _newest_view(message, _stored(key, "view"))
    if view is not None:
        message = replace(message, frames=tuple(_with_view(frame, view) for frame in message.frames))
    mount(
        "review",
        key=key,
        data=message.to_json(),
        on_ops_change=_nothing,
        on_view_change=_nothing,
    )
    report = waiting_operations(key) or ReviewReport()
    report = replace(report, operations=report.after(message.ack_client, message.ack_seq), view=view)
    return report if report.operations or report.view else None


def _with_view(frame: ReviewFrame, view: ViewerState) -> ReviewFrame:
    changed = replace(
        frame.message,
        score_threshold=view.score_threshold,
        hidden_categories=view.hidden_categories,
        display=view.display,
        ack=view.seq,
    )
    return replace(frame, message=changed)


def _newest_view(message: ReviewMessage, report: object) -> ViewerState | None:
    """Return the report's view if it is valid, newer than the message, and about an image of it."""
    if not isinstance(report, Mapping):
        return None
    frame = next((f for f in message.frames if f.message.image.key == report.get("image")), None)
    seq = report.get("seq")
    if frame is None or (type(seq) is int and 0 < seq <= frame.message.ack):
        return None
    try:
        return read_report(report, frame.message)
    except ValueError as error:
        log.warning("reviewer: view left out: %s", error)
        return None


def _stored(key: str, name: str) -> object:
    stored = st.session_state.get(key)
    return stored.get(name) if isinstance(stored, Mapping) else None


def _nothing() -> None:
    """Do nothing: a callback names the state; the body does all reading, where AppTest gets to it."""
