"""A file that was made and waits to be downloaded: offered as long as it is what it says, and never after."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from pages.shared.session import Prepared
from pages.shared.texts import plain

__all__ = ["draw_offer", "forget", "tell_browser"]

# From the moment when the page is asked for until this button is drawn again it would hand out a file of what
# was shown before: dead, and seen to be.
_STALE_IS_DEAD = """<style>
[data-testid="stElementContainer"][data-stale="true"] [data-testid="stDownloadButton"] {
    pointer-events: none; opacity: 0.4;
}
</style>"""


def forget(prepared: Prepared | None) -> None:
    """Remove a file: one whose successor is cancelled or fails must not stand for it."""
    if prepared is not None:
        Path(prepared.file).unlink(missing_ok=True)


def tell_browser(prepared: Prepared | None) -> None:
    """Have the browser ask before a made file is lost, where only a part of the page is drawn.

    ``web/review/outbox.js`` looks for it; what was made before is part of what the outbox is told.
    """
    if prepared is None:
        return
    st.html(f'<span hidden data-made="{escape(prepared.file)}" data-name="{escape(prepared.name)}"></span>')


def draw_offer(prepared: Prepared | None, fingerprint: object, *, key: str, stale: str) -> None:
    """Draw the button that hands the file out, and what the checks said.

    Args:
        prepared: the file, or ``None``.
        fingerprint: of what a file made now would hold.
        key: of the button.
        stale: said where the file is of something else.
    """
    st.html(_STALE_IS_DEAD)
    if prepared is None:
        return
    if prepared.fingerprint != fingerprint:
        st.caption(stale)
        return
    with open(prepared.file, "rb") as file:
        st.download_button(
            f"Download {plain(prepared.name)}",
            file,
            file_name=prepared.name,
            mime=prepared.mime,
            key=key,
            on_click="ignore",
            type="primary",
            icon=":material/download:",
        )
    for note in prepared.notes:
        st.caption(plain(note))
