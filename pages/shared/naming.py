"""Whose decisions they are: the name that a person has in the journal, and asking for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from maskrcnn_core.common.one_line import counted
from pages.components.review_messages import MOST_OF_A_NAME, clean_name
from pages.shared.pressing import drop_press, pressed
from pages.shared.session import ProjectUi

__all__ = ["draw_whose", "login_name", "with_name"]


def login_name() -> str:
    """Return whom the log-in names, if there is one (Streamlit's ``st.login``); or else empty.

    Never the computer's user: that is the server's, whoever sits at the browser.
    """
    if getattr(st.user, "is_logged_in", False):
        return str(st.user.get("name") or st.user.get("email") or "somebody")
    return ""


def with_name(ui: ProjectUi, key: str, act: Callable[[], object]) -> None:
    """Do what is written into a journal; first ask for the person's name, if nobody has given it.

    To be called in every run until the name is there or the question was put away: a run that does not draw
    it takes it off the screen. So the button keeps its press (``pressed(..., is_kept=True)``).

    Args:
        key: of the button; its press is forgotten with the answer.
        act: draws nothing before it has done its work.
    """
    if ui.who:
        drop_press(key)
        act()
        return
    put_away = partial(drop_press, key)
    st.dialog("Whose decision is it?", icon=":material/badge:", on_dismiss=put_away)(_ask_first)(ui, key, act)


def _ask_first(ui: ProjectUi, key: str, act: Callable[[], object]) -> None:
    with st.form("name-first", border=False):
        name = st.text_input(
            "Your name, for the journal",
            max_chars=MOST_OF_A_NAME,
            help="The journal records every decision under this name. This browser remembers it.",
        )
        is_said = pressed(
            "Continue",
            key="name-said",
            draw=st.form_submit_button,
            icon=":material/arrow_forward:",
            type="primary",
        )
    if is_said and clean_name(name):
        ui.call(clean_name(name))
        drop_press(key)
        act()
        st.rerun()


def draw_whose(ui: ProjectUi) -> None:
    """Ask whose decisions came without a name; draw nothing if none did.

    The browser keeps them, and sends them again with the name that is given.
    """
    waiting = sum(ui.taken.nameless.values())
    if not waiting:
        return
    st.warning(
        f"{counted(waiting, 'decision')} not saved yet: the browser keeps them until you enter your name.",
        icon=":material/badge:",
    )
    with st.form("whose", border=False):
        name = st.text_input("Your name, for the journal", max_chars=MOST_OF_A_NAME, key="whose-name")
        is_said = pressed(
            "Save them under this name",
            key="whose-said",
            draw=st.form_submit_button,
            icon=":material/save:",
            type="primary",
        )
    if is_said and clean_name(name):
        ui.call(clean_name(name))
        st.rerun()
