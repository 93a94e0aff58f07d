"""Keeps what the components draw from fading while a script runs."""

import streamlit as st

__all__ = ["keep_steady"]

_STYLE = """
<style>
.stElementContainer:has(> .stBidiComponent) { opacity: 1 !important; transition: none !important; }
</style>
"""


def keep_steady() -> None:
    """Keep pictures at full opacity: half a second into a run Streamlit fades what is not drawn again."""
    st.html(_STYLE)
