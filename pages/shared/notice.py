"""What the page reports of something that was done."""

from __future__ import annotations

import streamlit as st

from pages.shared.texts import plain

__all__ = ["Notice"]


class Notice:
    """One sentence, which stays as long as nothing else has changed.

    If it were drawn only once, it could be gone before anybody has read it: Streamlit also draws a page again
    because a component had something to say.
    """

    def __init__(self) -> None:
        self._text = ""
        self._seen_with: object = None

    def say(self, text: str) -> None:
        """Replace the sentence."""
        self._text, self._seen_with = text, None

    def draw(self, state: object) -> None:
        """Draw the sentence, or drop it.

        Args:
            state: what the page shows, as a value that is equal while that stays the same; not ``None``.
        """
        if self._seen_with is None:
            self._seen_with = state
        elif self._seen_with != state:
            self._text = ""
        if self._text:
            st.success(plain(self._text), icon=":material/check:")
