"""What the app adds to Streamlit's style: pictures do not fade, and narrow pages cut no labels."""

import streamlit as st

__all__ = ["DESK", "SAMPLES", "keep_steady"]

_STYLE = """
<style>
.stElementContainer:has(> .stBidiComponent) { opacity: 1 !important; transition: none !important; }
@media (min-width: 768px) {
  [data-testid="stMainBlockContainer"] { padding-left: 2rem; padding-right: 2rem; }
}
.st-key-desk, [class*="samples"] { container-type: inline-size; }
@container (max-width: 680px) {
  :is(.st-key-desk, [class*="samples"]) > * > [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  .st-key-desk > * > * > [data-testid="stColumn"] { min-width: 100%; }
  [class*="samples"] > * > * > [data-testid="stColumn"] { min-width: min(11rem, 100%); }
}
</style>
"""
DESK = "desk"
"""The key of a container whose columns stand one below the other where there is no room for both."""
SAMPLES = "samples"
"""The key of a container whose rows are broken where there is no room for them."""


def keep_steady() -> None:
    """Add the style.

    Pictures keep their full opacity: half a second into a run Streamlit fades what is not drawn again.
    """
    st.html(_STYLE)
