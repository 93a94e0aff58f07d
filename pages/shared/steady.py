"""What the app adds to Streamlit's style: pictures do not fade, and a desk fills its window."""

from pathlib import Path

import streamlit as st

__all__ = ["ACTIONS", "DESK", "NOTICES", "SAMPLES", "UNDER_ACTIONS", "keep_steady"]

_STYLE = Path(__file__).with_name("screen.css")
DESK = "desk"
"""The key of the container with the viewer or the reviewer: its page gives it all the room there is."""
ACTIONS = "page-actions"
"""The key of a row of buttons that stands in the header where that has room, and else above the desk."""
UNDER_ACTIONS = "under-actions"
"""The key of what stands below that row: its place is kept until the row is drawn."""
NOTICES = "notices"
"""The key of a container for what has to be answered: it lies over the page and moves nothing."""
SAMPLES = "samples"
"""The key of a container whose rows are broken where there is no room for them."""


def keep_steady() -> None:
    """Add the style; see ``screen.css``.

    Streamlit says which scheme its theme has within its own element only: what opens over the page, as
    popovers and dialogs do, would take a dark page for a light one.
    """
    st.html(_STYLE)
    # Whatever is known: an element more or less would have the browser rebuild all after it.
    st.html(f"<style>:root {{ color-scheme: {st.context.theme.type or 'normal'}; }}</style>")
