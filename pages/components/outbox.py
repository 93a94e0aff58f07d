"""Decisions that a reviewer could not send any more, on their way from whatever page is open.

Streamlit forgets what the components of a page have said when the page is left. The app mounts this one
next to every page: it finds in the tab's storage what was not acknowledged, and sends it. It also remembers
the person's name from one session to the next.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.components.mounting import mount
from pages.components.review_messages import clean_name

__all__ = ["OUTBOX", "outbox", "remembered_name"]

OUTBOX = "outbox"
"""The key of the outbox; `waiting_operations` reads it like a reviewer's."""


def remembered_name() -> str:
    """Return the name that the person gave in this browser before, if the browser has said it; or empty."""
    stored = st.session_state.get(OUTBOX)
    name = stored.get("who") if isinstance(stored, Mapping) else None
    return clean_name(name) if isinstance(name, str) else ""


def outbox(*, is_open: bool, ack_client: str, ack_seq: int, who: str, is_unkept: bool) -> None:
    """Mount the outbox.

    Args:
        is_open: false where a reviewer is on the page, which sends by itself.
        ack_client: the tab whose operations came from here last; empty for none.
        ack_seq: the greatest number of them that was taken in.
        who: the name that the person gave in this session, for the browser to remember; or empty.
        is_unkept: the browser asks before the tab is closed or reloaded, as something would be lost.
    """
    data = {
        "is_open": is_open,
        "ack_client": ack_client,
        "ack_seq": ack_seq,
        "who": who,
        "is_unkept": is_unkept,
    }
    mount("outbox", key=OUTBOX, data=data, on_ops_change=_nothing, on_who_change=_nothing)


def _nothing() -> None:
    """Do nothing: a callback names the state; all reading is done in the body."""
