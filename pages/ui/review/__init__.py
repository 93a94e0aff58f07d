"""The reviewer: a queue of images gone through with one key per decision, in the browser.

A decision is applied in the browser at once and comes to Python as an operation. A page takes them in
*before* it builds the message, so that the frames it sends contain them::

    report = waiting_operations("review")
    if report is not None:
        acked = carry_out(report.client, report.operations)   # each (client, seq) once; commits
    reviewer(build_message(ack_client=report.client, ack_seq=acked, ...), key="review")

Whatever is not acknowledged stays in the tab, also over a reload, and is sent again. One reviewer on a page:
tabs, not components, have names. Frames that may be shown soon are read ahead, so each frame's image needs a
`media_url` key of its own. The script is the viewer's modules and then ``frontend/*.js`` in the order of
`MODULES`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import streamlit as st

from pages.ui import viewer as viewer_package
from pages.ui.review.messages import (
    InstanceState,
    QueueFacts,
    Refusal,
    ReviewCategory,
    ReviewFrame,
    ReviewMessage,
)
from pages.ui.review.operations import (
    AddedInstance,
    ChangedInstance,
    DrawBox,
    Edit,
    EditName,
    Finish,
    Go,
    Operation,
    Redo,
    Ref,
    Relabel,
    Reshape,
    ReviewReport,
    SetCrowd,
    SetStatus,
    Undo,
    Unreadable,
    read_operations,
)
from pages.ui.viewer.bundle import bundle_modules
from pages.ui.viewer.messages import ViewerState, read_report

__all__ = [
    "AddedInstance",
    "ChangedInstance",
    "DrawBox",
    "Edit",
    "EditName",
    "Finish",
    "Go",
    "InstanceState",
    "Operation",
    "QueueFacts",
    "Redo",
    "Ref",
    "Refusal",
    "Relabel",
    "Reshape",
    "ReviewCategory",
    "ReviewFrame",
    "ReviewMessage",
    "ReviewReport",
    "SetCrowd",
    "SetStatus",
    "Undo",
    "Unreadable",
    "read_operations",
    "reviewer",
    "reviewer_script",
    "waiting_operations",
]

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
VIEWER = viewer_package.HERE
MODULES = (
    "review_frames.js",
    "review_state.js",
    "review_look.js",
    "review_session.js",
    "refusals.js",
    "review_keys.js",
    "review_bar.js",
    "bitmap.js",
    "raster.js",
    "mask_edits.js",
    "duplicates.js",
    "stage_tools.js",
    "box_tool.js",
    "brush_tool.js",
    "outline_tool.js",
    "editor.js",
    "reviewer.js",
    "review_mount.js",
)


def reviewer_script() -> str:
    """The viewer's modules but for its own mounting, and the reviewer's, as one script."""
    texts = {
        name: (VIEWER / "frontend" / name).read_text("utf-8")
        for name in viewer_package.MODULES
        if name != "mount.js"
    }
    texts |= {name: (HERE / "frontend" / name).read_text("utf-8") for name in MODULES}
    return bundle_modules(texts)


def reviewer_html() -> str:
    """The viewer's page with the review bar, the palette, the refusals and the keys put in their places."""
    html = (VIEWER / "viewer.html").read_text("utf-8")
    for place, file in (
        ("<!-- more controls -->", "review.html"),
        ("<!-- beside the picture -->", "palette.html"),
        ("<!-- below the picture -->", "refusals.html"),
        ("<!-- more keys -->", "keys.html"),
    ):
        if html.count(place) != 1:
            raise ValueError(f"viewer.html: {place} is not there once")
        html = html.replace(place, (HERE / file).read_text("utf-8"))
    return html


_mount = st.components.v2.component(
    "maskdesk_review",
    html=reviewer_html(),
    css=(VIEWER / "viewer.css").read_text("utf-8") + (HERE / "review.css").read_text("utf-8"),
    js=reviewer_script(),
)


def waiting_operations(key: str) -> ReviewReport | None:
    """The operations that the browser has sent last, also those carried out since; ``None`` without any.

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


def reviewer(message: ReviewMessage, *, key: str, height: int = 560) -> ReviewReport | None:
    """Show the reviewer and return what it has reported and the message does not contain.

    Args:
        key: of this reviewer, unique on the page.
        height: of the picture in CSS pixels; the bars come on top.

    Returns:
        Operations after ``message.ack_seq``, and the view if it has changed: keep it, and build the next
        message's frames with its values and ``ack=view.seq``. ``None`` if there is neither.
    """
    view = _newest_view(message, _stored(key, "view"))
    if view is not None:
        message = replace(message, frames=tuple(_with_view(frame, view) for frame in message.frames))
    _mount(
        key=key,
        data={**message.to_json(), "height": int(height)},
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
    """The report's view if it is a good one, newer than the message, and about an image of it."""
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
    """A callback names the state; all reading is done in the body, where AppTest gets to it too."""
