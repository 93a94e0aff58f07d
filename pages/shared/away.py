"""What pages of projects do while the database's server does not answer, and when it does again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from maskrcnn_core.errors import AwayError
from pages.shared.cached import open_store

__all__ = ["AWAY", "waits_for_database"]

AWAY = "The project database is not responding. This page continues by itself when it does."
_TRY_SECONDS = 3.0


@contextmanager
def waits_for_database(meanwhile: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Wrap what a page is made of: if the database goes away, say so, and draw the page again later.

    Args:
        meanwhile: draws what can be shown without it.
    """
    try:
        yield
    except AwayError:
        meanwhile()
        st.fragment(_try_again, run_every=_TRY_SECONDS)()


def _try_again() -> None:
    try:
        open_store().sound_projects()
    except AwayError:
        st.warning(AWAY, icon=":material/cloud_off:")
    else:
        st.rerun()
