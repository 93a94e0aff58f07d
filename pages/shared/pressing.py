"""Presses that hold until they are carried out.

Streamlit tells a script of a press in a single run. If that run ends before it reaches the button, because
another widget was touched or a component had something to say meanwhile, nobody hears of the press. Its
callback runs before the script, whatever ends the script then: here it notes the press, and the next run that
reaches the button finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack

import streamlit as st

from pages.shared.session import get_state

__all__ = ["Presses", "carrying_out", "drop_press", "pressed"]


class ButtonOptions(TypedDict, total=False):
    """What `pressed` hands on to Streamlit's button."""

    help: str | None
    icon: str | None
    type: Literal["primary", "secondary", "tertiary"]
    disabled: bool
    width: Literal["stretch", "content"] | int


@dataclass
class Presses:
    """The presses of a session that no run has carried out yet."""

    _page: str = ""
    _held: dict[str, object] = field(default_factory=dict)
    _reached: set[str] = field(default_factory=set)

    def begin_page(self, page: str) -> None:
        """Forget the presses on another page: nothing happens when somebody comes back to it."""
        if page != self._page:
            self._page = page
            self._held.clear()

    def end_page(self) -> None:
        """Forget what a run that was drawn to its end did not ask for: its button is there no more."""
        for key in self._held.keys() - self._reached:
            self.let_go(key)
        self._reached.clear()

    def hold(self, key: str, about: object) -> None:
        """Note a press, and what it is about."""
        self._held[key] = about

    def is_held(self, key: str, about: object) -> bool:
        """Whether a button was pressed about this; a press about anything else is forgotten."""
        self._reached.add(key)
        if self._held.get(key, about) != about:
            self.let_go(key)
        return key in self._held

    def let_go(self, key: str) -> None:
        """Forget a press, if there is one."""
        self._held.pop(key, None)


def pressed(
    label: str,
    *,
    key: str,
    draw: Callable[..., bool] = st.button,
    is_kept: bool = False,
    about: object = None,
    **options: Unpack[ButtonOptions],
) -> bool:
    """Draw a button, and return whether it was pressed, once for each press.

    A press is forgotten when another project or page is opened, when the button is about something else, and
    when it is dead or there no more.

    Args:
        label: as Streamlit's.
        key: unique in the app.
        draw: ``st.form_submit_button``, or the button of a column.
        is_kept: the press holds until it was carried out (`carrying_out`) or called off (`drop_press`): work
            that another run breaks off begins again in that one, and a question that was asked stays.
        about: what the button acts on beside the open project, where that may change under a press.
        options: as Streamlit's.
    """
    state = get_state()
    presses, meant = state.of(Presses), (state.project.id, about)
    draw(label, key=key, on_click=presses.hold, args=(key, meant), **options)
    is_pressed = presses.is_held(key, meant) and not options.get("disabled", False)
    if not (is_pressed and is_kept):
        presses.let_go(key)
    return is_pressed


@contextmanager
def carrying_out(key: str) -> Iterator[None]:
    """Do what a kept press asked for. It is forgotten once that is done or has failed.

    Streamlit breaks off a run by what is no `Exception`: then the press holds for the next one.
    """
    try:
        yield
    except Exception:
        drop_press(key)
        raise
    drop_press(key)


def drop_press(key: str) -> None:
    """Forget a press whose work somebody cancels, or whose question is answered."""
    get_state().of(Presses).let_go(key)
