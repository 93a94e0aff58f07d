"""Decisions that a reviewer could not send any more, on their way from whatever page is open.

Streamlit forgets what the components of a page have said when the page is left. The app mounts this one
beside every page: it finds in the tab's storage what was not acknowledged, and sends it. It also remembers
the person's name from one session to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from pages.ui.review import HERE
from pages.ui.review.messages import clean_name
from pages.ui.viewer.bundle import bundle_modules

__all__ = ["OUTBOX", "outbox", "outbox_script", "remembered_name"]

OUTBOX = "outbox"
"""The key of the outbox; `waiting_operations` reads it like a reviewer's."""

_MODULES = ("review_frames.js", "review_state.js", "review_session.js", "outbox.js")


def outbox_script() -> str:
    """The outbox's modules as one script."""
    folder = Path(HERE) / "frontend"
    return bundle_modules({name: (folder / name).read_text("utf-8") for name in _MODULES})


_mount = st.components.v2.component("maskdesk_outbox", js=outbox_script())


def remembered_name() -> str:
    """The name that the person gave in this browser before, as far as the browser has said it; or empty."""
    stored = st.session_state.get(OUTBOX)
    name = stored.get("who") if isinstance(stored, Mapping) else None
    return clean_name(name) if isinstance(name, str) else ""


def outbox(*, is_open: bool, ack_client: str, ack_seq: int, who: str, is_unkept: bool) -> None:
    """Mounts it.

    Args:
        is_open: false where a reviewer is on the page, which sends by itself.
        ack_client: the tab whose operations came from here last; empty for none.
        ack_seq: the greatest number of them that was taken in.
        who: the name that the person gave in this session, for the browser to remember; or empty.
        is_unkept: the browser asks before the tab is closed or reloaded, as something would be lost with it.
    """
    data = {
        "is_open": is_open,
        "ack_client": ack_client,
        "ack_seq": ack_seq,
        "who": who,
        "is_unkept": is_unkept,
    }
    _mount(key=OUTBOX, data=data, on_ops_change=_nothing, on_who_change=_nothing)


def _nothing() -> None:
    """A callback names the state; all reading is done in the body."""
