"""Keeps what the components draw from fading while a script runs."""

import streamlit as st

__all__ = ["IMAGE_LINE", "keep_steady"]

_STYLE = """
<style>
.stElementContainer:has(> .stBidiComponent) { opacity: 1 !important; transition: none !important; }
.st-key-image-line :is([data-testid="stText"], [data-testid="stText"] *) {
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
</style>
"""
IMAGE_LINE = "image-line"
"""The key of a container whose text stays one line: it stands above a picture, and changes."""


def keep_steady() -> None:
    """Keep pictures at full opacity: half a second into a run Streamlit fades what is not drawn again."""
    st.html(_STYLE)
