"""End a page's script early, with all that the app draws around it still to come.

``st.stop`` also ends whatever ran the page: the outbox behind it would never be drawn, and neither the
browser's name nor decisions that wait there would arrive.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from typing import NoReturn

__all__ = ["end_page", "until_its_end"]


class _PageEnd(Exception):
    """No error: the page has drawn all that it has to show."""


def end_page() -> NoReturn:
    """End the script of the page that runs, wherever in it this is called."""
    raise _PageEnd


def until_its_end() -> AbstractContextManager[None]:
    """Run a page that may call `end_page`."""
    return suppress(_PageEnd)
