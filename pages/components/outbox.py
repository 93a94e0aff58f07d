"""Decisions that a reviewer could not send any more, on their way from whatever page is open.

Streamlit forgets what the components of a page have said when the page is left. The app mounts this one
next to every page: it finds in the tab's storage what was not acknowledged, and sends it. It also remembers
from one session to the next the person's name, and the word under which the tab's open images are kept.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import streamlit as st
from msgspec import Meta

from maskrcnn_core.common.typed_json import read_as
from pages.components.mounting import mount
from pages.components.review_messages import clean_name

__all__ = ["OUTBOX", "ToldImages", "Unsaved", "outbox", "remembered_name", "told_images"]

_Token = Annotated[str, Meta(pattern="^[0-9a-f]{24}$", description="24 hexadecimal digits")]

log = logging.getLogger(__name__)

OUTBOX = "outbox"
"""The key of the outbox; `waiting_operations` reads it like a reviewer's."""


def remembered_name() -> str:
    """Return the name that the person gave in this browser before, if the browser has said it; or empty."""
    stored = st.session_state.get(OUTBOX)
    name = stored.get("who") if isinstance(stored, Mapping) else None
    return clean_name(name) if isinstance(name, str) else ""


@dataclass(frozen=True)
class ToldImages:
    """What the browser has of open images.

    Attributes:
        token: the word of those that this tab had open before it was loaded anew; empty for none.
        left: the words of those that tabs which are closed now left open.
    """

    token: Annotated[str, Meta(pattern="^([0-9a-f]{24})?$", description="24 hexadecimal digits or none")] = ""
    left: Annotated[tuple[_Token, ...], Meta(max_length=20)] = ()


class Unsaved(NamedTuple):
    """A file that was made for downloading: its key, which no other has, and the name on its button."""

    key: str
    name: str


def told_images() -> ToldImages:
    """Return what the browser has said of open images; nothing if it has not, or not as expected."""
    stored = st.session_state.get(OUTBOX)
    told = stored.get("images") if isinstance(stored, Mapping) else None
    try:
        return ToldImages() if told is None else read_as(told, ToldImages)
    except ValueError as error:
        log.warning("outbox: %s", error)
        return ToldImages()


def outbox(
    *,
    is_open: bool,
    ack_client: str,
    ack_seq: int,
    who: str,
    is_unkept: bool,
    images_token: str,
    images_open: int,
    unsaved: Sequence[Unsaved],
) -> None:
    """Mount the outbox.

    Args:
        is_open: false where a reviewer is on the page, which sends by itself.
        ack_client: the tab whose operations came from here last; empty for none.
        ack_seq: the greatest number of them that was taken in.
        who: the name that the person gave in this session, for the browser to remember; or empty.
        is_unkept: images are open that are nowhere else; the browser asks before the tab is closed or
            reloaded if it cannot hold their word.
        images_token: the word under which the open images are kept, for the tab to hold; or empty.
        images_open: how many there are.
        unsaved: made files; the browser asks before the tab is closed if one was not downloaded.
    """
    data = {
        "is_open": is_open,
        "ack_client": ack_client,
        "ack_seq": ack_seq,
        "who": who,
        "is_unkept": is_unkept,
        "images": {"token": images_token, "count": images_open},
        "unsaved": [file._asdict() for file in unsaved],
    }
    said = dict.fromkeys(("on_ops_change", "on_who_change", "on_images_change"), _nothing)
    mount("outbox", key=OUTBOX, data=data, **said)


def _nothing() -> None:
    """Do nothing: a callback names the state; all reading is done in the body."""
